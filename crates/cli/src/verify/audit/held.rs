//! A log that the coordinator said it holds, compared with what it serves.

use std::{collections::BTreeMap, path::PathBuf};

use record::{LogName, VerifiedRecord, kind::Known};
use runtime::exit::Exit;
use tlog::{Frontier, Hash};

use super::{acks::Acks, claims::Claims, finding::Finding, sums::Signed};
use crate::{Console, Failure};

use super::super::{
    log,
    source::{PAGE_WITHHELD, Source},
    trust::Trust,
};

/// Where a promise was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    /// A record of the coordinator's log.
    Record(u64),
    /// An acknowledgement.
    Ack(PathBuf),
}

/// A size and root that must be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    root: Hash,
    by: By,
}

/// The promises about one log, by size.
pub(super) type Promises = BTreeMap<u64, Vec<Promise>>;

/// What came of one log.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) n_records: u64,
    pub(super) missing: Vec<Finding>,
    pub(super) contradictions: Vec<Finding>,
    /// For each promised size, how much of it is more than what coordinators say of logs.
    pub(super) worthy: Vec<((LogName, u64), u64)>,
}

/// Everything promised, by log.
pub(super) fn promises(claims: &Claims, acks: &Acks) -> BTreeMap<LogName, Promises> {
    let mut by_log: BTreeMap<LogName, Promises> = BTreeMap::new();
    let mut add = |log, size, promise| {
        by_log.entry(log).or_default().entry(size).or_default().push(promise);
    };
    for (log, size, claim) in claims.heads() {
        add(log, size, Promise { root: claim.root, by: By::Record(claim.record) });
    }
    for ack in acks.iter() {
        add(ack.log, ack.size, Promise { root: ack.root, by: By::Ack(ack.path.clone()) });
    }
    by_log
}

/// Reads a log to its end, looks at every promised size on the way, and keeps what was counted and declared in it.
pub(super) async fn compare(
    source: &Source,
    log: LogName,
    promises: Promises,
    signed: &mut Signed,
    console: &Console,
) -> Result<Held, Failure> {
    let mut reading = Reading::new(log, promises);
    let mut visit = |record: &VerifiedRecord| {
        signed.take(record);
        reading.take(record);
    };
    let wanted = log::Wanted { visit: Some(&mut visit) };
    let read = log::read(source, Some(log), &Trust::default(), wanted, console).await;
    match read {
        Ok(_) => Ok(reading.finish()),
        Err(failure) if failure.exit() == Exit::Verification => Ok(reading.broken(&failure)),
        Err(failure) if matches!(failure.reason(), "page.missing" | PAGE_WITHHELD) => {
            Ok(reading.finish())
        }
        Err(failure) => Err(failure),
    }
}

struct Reading {
    log: LogName,
    promises: Promises,
    frontier: Frontier,
    /// The size after the last record that makes a receipt of its own.
    worthy: u64,
    held: Held,
}

impl Reading {
    fn new(log: LogName, promises: Promises) -> Self {
        let frontier = Frontier::new();
        Self { log, promises, frontier, worthy: 0, held: Held::default() }
    }

    fn take(&mut self, record: &VerifiedRecord) {
        self.frontier.push(record.id().leaf());
        let size = self.frontier.size();
        let kind = record.header().kind.known();
        if !kind.is_some_and(Known::tells_of_logs) {
            self.worthy = size;
        }
        self.held.n_records = size;
        let Some(promised) = self.promises.remove(&size) else { return };
        self.held.worthy.push(((self.log, size), self.worthy));
        let root = self.frontier.root();
        for Promise { root: said, by } in promised.into_iter().filter(|it| it.root != root) {
            let detail = format!(
                "At {size} records {} has the root {root}, and {} said {said}.",
                self.log,
                said_by(&by)
            );
            let finding = Finding::new("served.other_root", Some(self.log), size, detail);
            self.held.contradictions.push(with(finding, by));
        }
    }

    /// What was promised beyond the last record is missing; the largest size stands for all that one promise made.
    fn finish(mut self) -> Held {
        let n_served = self.frontier.size();
        let beyond = self.promises.into_iter().filter(|(size, _)| 0 < *size);
        for (size, promised) in beyond {
            for Promise { by, .. } in promised {
                let detail = format!(
                    "{} promised {size} records of {}, and {n_served} are served.",
                    said_by(&by),
                    self.log
                );
                let finding = Finding::new("served.missing", Some(self.log), size, detail);
                self.held.missing.push(with(finding, by));
            }
        }
        self.held
    }

    /// The log does not hold as it is served.
    fn broken(self, failure: &Failure) -> Held {
        let (log, size) = (self.log, self.frontier.size());
        let detail = format!("What is served of {log} does not hold: {failure}");
        let reason = failure.reason();
        let is_absent = matches!(reason, "record.payload_missing" | "log.cut_short");
        let finding = Finding::new(reason, Some(log), size, detail);
        let mut held = self.finish();
        if is_absent {
            held.missing.push(finding)
        } else {
            held.contradictions.push(finding)
        }
        held
    }
}

fn said_by(by: &By) -> String {
    match by {
        By::Record(index) => format!("record {index} of the coordinator's log"),
        By::Ack(path) => format!("the acknowledgement {}", path.display()),
    }
}

fn with(finding: Finding, by: By) -> Finding {
    match by {
        By::Record(index) => finding.by_record(index),
        By::Ack(path) => finding.by_ack(path),
    }
}
