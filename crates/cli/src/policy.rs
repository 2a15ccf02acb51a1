//! `folkmoot policy`: the C2SP policy file of a region, from the identities of its communities.
//!
//! ```text
//! eastside.identity, … ─▶ log lines
//! --coordinator FILE …  ─▶ group coordinators K ┐
//! --neighbour FILE …    ─▶ group neighbours K   ┴▶ quorum: both
//! ```
//!
//! Each identity is verified first. Whose they are, the person who gives the files must know: their ids stand in the
//! policy, to be compared.

use std::path::{Path, PathBuf};

use clap::Args;
use record::{
    identity::Identity,
    policy::{CosignerGroup, render_policy},
};
use runtime::exit::Exit;
use tlog::Policy;

use crate::{Console, Failure, verify};

/// Options of `folkmoot policy`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// The identity bundle of a log to be trusted; none for logs of whoever is verified.
    #[arg(long = "log", value_name = "FILE")]
    pub logs: Vec<PathBuf>,
    /// The identity bundle of a coordinator whose cosignature counts.
    #[arg(long = "coordinator", value_name = "FILE")]
    pub coordinators: Vec<PathBuf>,
    /// The identity bundle of a neighbour whose cosignature counts.
    #[arg(long = "neighbour", value_name = "FILE")]
    pub neighbours: Vec<PathBuf>,
    /// How many of the coordinators must have cosigned; more than half if left out.
    #[arg(long, value_name = "K")]
    pub coordinators_needed: Option<usize>,
    /// How many of the neighbours must have cosigned; more than half if left out.
    #[arg(long, value_name = "K")]
    pub neighbours_needed: Option<usize>,
}

const HELP: &str = "\
Examples:
  folkmoot policy --coordinator one.identity --coordinator two.identity --coordinators-needed 2 \\
    --neighbour a.identity --neighbour b.identity --neighbour c.identity --neighbours-needed 2 > region.policy
  folkmoot verify covenant.tlog-proof --policy region.policy

An identity bundle is at /log/ID/ERA/identity of any server that holds the log. Compare the ids in the policy with ones
that you trust; a key that is not in a bundle is not in the policy.

Exit codes:
  0 written · 1 a file could not be read · 2 wrong command line · 6 an identity does not hold";

/// Prints the policy.
///
/// # Errors
///
/// [`Failure`] if a file cannot be read or an identity does not hold, or if more are needed than there are.
pub fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    let Options { logs, coordinators, neighbours, .. } = options;
    let [logs, coordinators, neighbours] = [logs, coordinators, neighbours].map(|it| read_all(it));
    let (logs, coordinators, neighbours) = (logs?, coordinators?, neighbours?);
    let groups = [
        ("coordinators", options.coordinators_needed, refs(&coordinators)),
        ("neighbours", options.neighbours_needed, refs(&neighbours)),
    ];
    let groups: Vec<_> = groups
        .iter()
        .map(|(name, needed, members)| CosignerGroup {
            name,
            needed: needed.unwrap_or(members.len() / 2 + 1),
            members,
        })
        .collect();
    let text = render_policy(&refs(&logs), &groups);
    Policy::parse(&text).map_err(|error| {
        let detail = format!(
            "These do not make a policy: {}. Nothing was written. Ask for at most as many as you name, and name each once.",
            error.problem
        );
        Failure::new(Exit::Usage, "policy.impossible", detail)
    })?;
    console.answer(text.trim_end())?;
    Ok(Exit::Ok)
}

fn refs(all: &[Identity]) -> Vec<&Identity> {
    all.iter().collect()
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<Identity>, Failure> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<Identity, Failure> {
    verify::read_identity(path)
}
