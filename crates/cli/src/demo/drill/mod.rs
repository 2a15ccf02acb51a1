//! `folkmoot demo --drill NAME`: what a region survives, shown on real processes that are killed and started again.
//!
//! ```text
//! ground (folders, ports, processes) ─▶ one drill ─▶ Measured ─▶ one JSON object, or words; 6 if it did not hold
//! ```
//!
//! A drill looks from outside, as anybody could: at commands of nodes, at what servers answer, at files on the disk.

mod check;
mod erase;
mod forged_sum;
mod ground;
mod hide;
mod load;
mod look;
mod lost_machine;
mod old_backup;
mod recovery;
mod replace;
mod stolen_key;
mod subscriber;
mod two_faces;

use std::{path::Path, sync::Arc, time::Instant};

use anyhow::Result;
use runtime::exit::Exit;
use serde::Serialize;
use serde_json::Value;

use self::ground::Ground;
use super::{Teller, process::Processes};
use crate::failure::Failure;

/// What can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Drill {
    /// The coordinator is killed for ever under load; members seat another, which is rebuilt from their nodes
    Replace,
    /// A node erases words; every holder drops them, one that was down follows late, and proofs stay valid
    Erase,
    /// A node's machine is lost with its folder; officers go on in a new one from what others hold
    LostMachine,
    /// A node runs on an old backup and writes at once, and then without its log file; there is no fork, and nothing is lost
    OldBackup,
    /// A thief writes with a node's keys; officers recover, and what the thief wrote counts for nothing
    StolenKey,
    /// A coordinator shows less than it acknowledged; an audit has the evidence, and nodes use another
    Hide,
    /// An operator changes the sum of a poll in the coordinator's file; whoever adds up the tallies finds it
    ForgedSum,
    /// A coordinator shows each half of the nodes another log; every node has the evidence
    TwoFaces,
}

/// What a drill found.
#[derive(Debug, Serialize)]
struct Measured {
    /// What there was before the accident, in a form that can be compared with `after`.
    before: Value,
    /// The same afterwards.
    after: Value,
    /// Records that somebody acknowledged and nobody has any more.
    lost: Vec<String>,
    /// What a subscriber, or whoever should have followed, was not told.
    gaps: u64,
    /// What was told twice as two different things.
    doubles: u64,
    seconds: f64,
    /// What did not hold, in sentences.
    #[serde(skip)]
    faults: Vec<String>,
}

impl Measured {
    fn new(before: Value, after: Value) -> Self {
        let (lost, faults) = (Vec::new(), Vec::new());
        Self { before, after, lost, gaps: 0, doubles: 0, seconds: 0.0, faults }
    }

    /// Notes what did not hold, unless it does.
    fn must(&mut self, holds: bool, fault: &str) {
        if !holds {
            self.faults.push(fault.to_owned());
        }
    }

    /// What every drill promises: all is as it was, and nobody was told too little or too much.
    fn must_be_unchanged(&mut self) {
        self.must(self.before == self.after, "What there was before is not what there is after.");
        self.must(self.gaps == 0, "Somebody was not told everything.");
        self.must(self.doubles == 0, "Somebody was told one thing as two.");
    }
}

/// Runs a drill and prints what it found.
///
/// # Errors
///
/// [`Failure`] with exit code 6 if what it shows did not hold; any other error if it could not be run.
pub(super) async fn show(
    drill: Drill,
    folder: &Path,
    processes: &Arc<Processes>,
    teller: &Teller<'_>,
) -> Result<()> {
    let started = Instant::now();
    let ground = Ground::new(folder, processes, teller)?;
    let mut measured = match drill {
        Drill::Replace => Box::pin(replace::run(&ground)).await?,
        Drill::Erase => Box::pin(erase::run(&ground)).await?,
        Drill::LostMachine => Box::pin(lost_machine::run(&ground)).await?,
        Drill::OldBackup => Box::pin(old_backup::run(&ground)).await?,
        Drill::StolenKey => Box::pin(stolen_key::run(&ground)).await?,
        Drill::Hide => Box::pin(hide::run(&ground)).await?,
        Drill::ForgedSum => Box::pin(forged_sum::run(&ground)).await?,
        Drill::TwoFaces => Box::pin(two_faces::run(&ground)).await?,
    };
    measured.seconds = started.elapsed().as_secs_f64();
    teller.object(&measured)?;
    if measured.faults.is_empty() {
        teller.say(&format!("It held, in {:.1} seconds.", measured.seconds))?;
        return Ok(());
    }
    let faults = measured.faults.join(" ");
    let told = format!("It did not hold. {faults} What there was is in {}.", folder.display());
    Err(Failure::new(Exit::Verification, "drill.did_not_hold", told).into())
}
