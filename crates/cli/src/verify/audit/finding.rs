//! What an audit finds.

use std::{collections::BTreeMap, path::PathBuf};

use record::LogName;
use serde::Serialize;

use super::{acks::Ack, held::Held};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// The stable reason.
    pub(super) reason: &'static str,
    /// The log, `fm1…/ERA`, where it is about one.
    pub(super) log: Option<String>,
    /// The size that it is about.
    pub(super) size: u64,
    /// A sentence for a person.
    pub(super) detail: String,
    /// The record of the coordinator's log that promised it.
    pub(super) record: Option<u64>,
    /// The acknowledgement that promised it.
    pub(super) ack: Option<PathBuf>,
}

impl Finding {
    pub(super) fn new(
        reason: &'static str,
        log: Option<LogName>,
        size: u64,
        detail: String,
    ) -> Self {
        let log = log.map(|it| it.to_string());
        Self { reason, log, size, detail, record: None, ack: None }
    }

    /// Whether it is about this log, and follows from holding another branch than was stated once. To state two of one
    /// size, or to serve what does not hold, does not.
    fn is_of_branch(&self, log: &str) -> bool {
        let of_branches = [
            "served.other_root",
            "served.missing",
            "index.none",
            "index.leaves_out",
            "receipt.missing",
        ];
        self.log.as_deref() == Some(log) && of_branches.contains(&self.reason)
    }

    pub(super) fn by_record(self, index: u64) -> Self {
        Self { record: Some(index), ..self }
    }

    pub(super) fn by_ack(self, path: PathBuf) -> Self {
        Self { ack: Some(path), ..self }
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) missing: Vec<Finding>,
    pub(super) contradictions: Vec<Finding>,
    pub(super) withheld: Vec<Finding>,
    pub(super) pending: Vec<Finding>,
    /// About logs that forked: what it stated of one branch, where it holds another.
    pub(super) forked: Vec<Finding>,
    pub(super) late: Vec<Finding>,
    /// For each log, where records that make no receipt of their own begin, by the size asked about.
    worthy: BTreeMap<(LogName, u64), u64>,
}

impl Findings {
    /// What came of a log. Of one that the coordinator withholds, and says so, nothing need be served.
    pub(super) fn take(&mut self, held: Held, is_withheld: bool) {
        self.worthy.extend(held.worthy);
        let not_served = if is_withheld { &mut self.withheld } else { &mut self.missing };
        not_served.extend(held.missing);
        self.contradictions.extend(held.contradictions);
    }

    /// Whether anything was found that another branch of this log would explain.
    pub(super) fn may_be_of_branches(&self, log: LogName) -> bool {
        let log = log.to_string();
        self.missing.iter().chain(&self.contradictions).any(|it| it.is_of_branch(&log))
    }

    /// The log forked: what another branch of it explains is told, and not held against the coordinator.
    pub(super) fn explain_by_fork(&mut self, log: LogName) {
        let log = log.to_string();
        for found in [&mut self.missing, &mut self.contradictions] {
            self.forked.extend(found.extract_if(.., |it| it.is_of_branch(&log)));
        }
    }

    /// How much of an acknowledged log a receipt or index must cover: not what coordinators say of logs alone.
    pub(super) fn worthy_size(&self, ack: &Ack) -> u64 {
        self.worthy.get(&(ack.log, ack.size)).copied().unwrap_or(ack.size)
    }
}
