//! The tool `folkmoot`: following a region, verifying what it says, checking what an import would take.
//!
//! ```text
//! Cli ──▶ run ──▶ verify      a proof, an identity, a whole log ─▶ Exit
//!                 audit       did a coordinator keep its word?
//!                 follow      a coordinator's events, for ever
//!                 ocds check  what an import would take
//!                 policy      who must have cosigned
//!                 limits, completion
//! ```
//!
//! Whoever runs it needs no key and no node. Nothing here keeps a log or changes one.

pub mod completion;
mod console;
pub mod demo;
mod failure;
pub mod follow;
pub mod limits;
pub mod ocds;
pub mod policy;
mod time;
pub mod verify;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use runtime::exit::Exit;

pub use console::{Captured, Console};
pub use failure::Failure;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "folkmoot",
    version,
    about = "Follow a region, verify what it says, check what an import would take.",
    after_help = AFTER_HELP,
    propagate_version = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  folkmoot demo
  folkmoot verify covenant.tlog-proof
  folkmoot verify http://127.0.0.1:8080/log/fm1…/0
  folkmoot audit https://coordinator.example:7443/log/fm1…/0 acks/
  folkmoot follow coordinator.example:7443 --cursor region.json
  folkmoot ocds check notices/

Exit codes:
  0 done · 1 refused or failed · 2 wrong command line · 4 cannot be reached now, try later · 6 does not verify ·
  130 stopped by Ctrl-C before it was done";

/// What the tool does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a region on this machine: communities and a coordinator, each a process of its own.
    Demo(demo::Options),
    /// Verify a proof of a record, an identity, or a whole log.
    Verify(Box<verify::Options>),
    /// Prove that nothing a coordinator received is missing, or show what is.
    Audit(Box<verify::audit::Options>),
    /// Print a policy: how many of which coordinators and neighbours must have cosigned.
    Policy(policy::Options),
    /// Print the public events of a region as they happen.
    Follow(follow::Options),
    /// Work with files of the Open Contracting Data Standard.
    Ocds(ocds::Options),
    /// Print every limit of the wire and the log.
    Limits(limits::Options),
    /// Print a script that completes commands in a shell.
    Completion(completion::Options),
}

/// The first word by which this program becomes a node's.
pub const SERVER_NODE: &str = "server-node";
/// The first word by which this program becomes a coordinator's.
pub const SERVER_COORDINATOR: &str = "server-coordinator";

/// Runs the program: the tool, or, for a demonstration's processes, the whole command line of a node or a coordinator.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    // What stands after the hidden word is the other program's command line, the word being its name.
    let others = args.iter().skip(1).cloned();
    match args.get(1).and_then(|word| word.to_str()) {
        Some(SERVER_NODE) => node::command::main(others),
        Some(SERVER_COORDINATOR) => coordinator::command::main(others),
        Some(_) | None => tool(args),
    }
}

fn tool(args: Vec<OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Where the output is closed, nobody is left to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let console = Console::system();
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(Box::pin(run(cli, &console))),
        Err(error) => {
            console
                .remark(&format!("The system refused something that is needed to run: {error}."));
            Exit::Failed
        }
    }
}

/// Does what the command line says, and tells a person where it fails.
pub async fn run(cli: Cli, console: &Console) -> Exit {
    let done = match cli.command {
        Command::Demo(options) => demo::run(&options, console).await,
        Command::Verify(options) => verify::run(&options, console).await,
        Command::Audit(options) => verify::audit::run(&options, console).await,
        Command::Policy(options) => policy::run(&options, console),
        Command::Follow(options) => follow::run(options, console).await,
        Command::Ocds(options) => ocds::run(&options, console),
        Command::Limits(options) => limits::run(&options, console),
        Command::Completion(options) => completion::run(&options, console),
    };
    done.unwrap_or_else(|failure| failure.tell(console))
}
