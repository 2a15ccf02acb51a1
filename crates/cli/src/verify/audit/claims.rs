//! What a coordinator said in its own log: receipts, indexes, statuses.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    CommunityId, LogName, Payload, UnixMillis, VerifiedRecord,
    index::Replay,
    payload::{
        Index, Receipt,
        status::{Standing, Status},
    },
};
use tlog::Hash;

use super::{acks::Ack, finding::Finding};

/// An index covers what was acknowledged this long before, at the latest, in milliseconds: three of the minutes within
/// which one is made. A receipt comes within ten seconds, and stands for an index until that comes.
const SAID_WITHIN_MILLIS: u64 = 3 * 60 * 1_000;

/// A head that the coordinator said it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) root: Hash,
    /// The record that says so.
    pub(super) record: u64,
    /// When that was written.
    made_at: UnixMillis,
}

/// Everything that it said.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) n_receipts: u64,
    pub(super) n_indexes: u64,
    /// By log and size, the first that said so.
    heads: BTreeMap<LogName, BTreeMap<u64, Claim>>,
    statuses: BTreeMap<LogName, Status>,
    replay: Replay,
    /// The largest size of each log that was receipted since the last index, and by which record, when.
    unindexed: BTreeMap<LogName, (u64, Claim)>,
    /// The newest instant that it signed, in its log or in an acknowledgement: by this one everything is judged, and by no
    /// clock of whoever audits.
    newest_at: UnixMillis,
    contradictions: Vec<Finding>,
}

/// Whether an acknowledgement was followed up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coverage {
    InTime,
    /// Only after the time allowed: told, and no evidence, as it was said in the end.
    Late(Finding),
    NotYetDue(Finding),
    Missing(Finding),
}

impl Claims {
    /// Takes the next record of the coordinator's log.
    pub(super) fn take(&mut self, record: &VerifiedRecord) {
        let header = record.header();
        let (index, made_at) = (header.index, header.time);
        self.signed_at(made_at);
        let kind = header.kind.known();
        let payload = kind.zip(record.content());
        let payload = payload.and_then(|(kind, it)| proto::payload::decode(kind, &it.payload).ok());
        match payload {
            Some(Payload::Receipt(receipt)) => self.take_receipt(&receipt, index, made_at),
            Some(Payload::Index(said)) => self.take_index(&said, index, made_at),
            Some(Payload::Status(status)) => drop(self.statuses.insert(status.log, status)),
            Some(_) | None => {}
        }
    }

    /// It signed something at this instant of its own clock.
    pub(super) fn signed_at(&mut self, at: UnixMillis) {
        self.newest_at = self.newest_at.max(at);
    }

    fn take_receipt(&mut self, receipt: &Receipt, record: u64, made_at: UnixMillis) {
        self.n_receipts += 1;
        for head in &receipt.heads {
            let log = LogName { community: head.community, era: head.era };
            let claim = Claim { root: head.root, record, made_at };
            self.claim(log, head.size, claim);
            let newest = self.unindexed.entry(log).or_insert((head.size, claim));
            if newest.0 < head.size {
                *newest = (head.size, claim);
            }
        }
    }

    /// Notes a head; two roots of one size contradict each other.
    fn claim(&mut self, log: LogName, size: u64, claim: Claim) {
        let before = *self.heads.entry(log).or_default().entry(size).or_insert(claim);
        if before.root != claim.root {
            let detail = format!(
                "Records {} and {} of the coordinator's log give {log} two different roots at {size} records.",
                before.record, claim.record
            );
            let finding = Finding::new("claim.two_roots", Some(log), size, detail);
            self.contradictions.push(finding.by_record(claim.record));
        }
    }

    fn take_index(&mut self, said: &Index, record: u64, made_at: UnixMillis) {
        self.n_indexes += 1;
        for change in &said.changes {
            self.claim(change.log, change.size, Claim { root: change.root, record, made_at });
        }
        match self.replay.take(said) {
            Ok(false) => {}
            Ok(true) => self.compare_with_receipts(record),
            Err(fault) => {
                let detail = format!("The index in record {record} is wrong: {fault}.");
                let finding = Finding::new(fault.reason(), None, 0, detail);
                self.contradictions.push(finding.by_record(record));
                self.unindexed.clear();
            }
        }
    }

    /// An index holds everything that was receipted before it.
    fn compare_with_receipts(&mut self, record: u64) {
        for (log, (size, claim)) in std::mem::take(&mut self.unindexed) {
            let indexed = self.replay.map().get(&log).map_or(0, |it| it.size);
            if indexed < size {
                let detail = format!(
                    "Record {} receipted {size} records of {log}, and the index in record {record} has {indexed}.",
                    claim.record
                );
                let finding = Finding::new("index.leaves_out", Some(log), size, detail);
                self.contradictions.push(finding.by_record(record));
            }
        }
    }

    pub(super) fn take_contradictions(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.contradictions)
    }

    /// Receipts that no index followed in time.
    pub(super) fn late_indexes(&self) -> Vec<Finding> {
        let now = self.newest_at;
        let is_late = |it: &Claim| it.made_at.0.saturating_add(SAID_WITHIN_MILLIS) < now.0;
        let late = self.unindexed.iter().filter(|(_, (_, claim))| is_late(claim));
        late.map(|(log, (size, claim))| {
            let detail = format!(
                "Record {} receipted {size} records of {log}, and no index followed within three minutes.",
                claim.record
            );
            Finding::new("index.none", Some(*log), *size, detail).by_record(claim.record)
        })
        .collect()
    }

    /// What it says that it holds of each log.
    pub(super) fn heads(&self) -> impl Iterator<Item = (LogName, u64, &Claim)> {
        let of_log = |(log, sizes): (&LogName, _)| (*log, sizes);
        self.heads.iter().map(of_log).flat_map(|(log, sizes): (LogName, &BTreeMap<u64, Claim>)| {
            sizes.iter().map(move |(size, claim)| (log, *size, claim))
        })
    }

    /// Whether it says that it does not serve a log.
    pub(super) fn is_withheld(&self, log: &LogName) -> bool {
        let standing = self.statuses.get(log).map(Status::standing);
        matches!(standing, Some(Standing::Withheld | Standing::Gone))
    }

    /// The communities of which it says that it does not serve a log.
    pub(super) fn withheld(&self) -> BTreeSet<CommunityId> {
        let logs = self.statuses.keys().filter(|log| self.is_withheld(log));
        logs.map(|log| log.community).collect()
    }

    /// Whether a receipt or an index followed an acknowledgement in time, for as much of it as needs one.
    pub(super) fn covers(&self, ack: &Ack, worthy: u64) -> Coverage {
        let Ack { log, size, at, path, .. } = ack;
        let due = at.0.saturating_add(SAID_WITHIN_MILLIS);
        let claims = self.heads.get(log).into_iter().flat_map(|it| it.range(worthy..));
        let earliest = claims.map(|(_, claim)| claim).min_by_key(|it| it.made_at);
        if worthy == 0 || earliest.is_some_and(|it| it.made_at.0 <= due) {
            return Coverage::InTime;
        }
        let told = |reason, text: String| {
            Finding::new(reason, Some(*log), *size, text).by_ack(path.clone())
        };
        if let Some(Claim { record, made_at, .. }) = earliest {
            let minutes = made_at.0.saturating_sub(at.0) / 60_000;
            let text = format!(
                "It acknowledged {size} records of {log}, and its log says so {minutes} minutes later, in record {record}."
            );
            return Coverage::Late(told("receipt.late", text).by_record(*record));
        }
        if self.newest_at.0 <= due {
            let text =
                format!("The {size} records of {log} that it acknowledged are not receipted yet.");
            return Coverage::NotYetDue(told("receipt.not_due", text));
        }
        let text = format!(
            "It acknowledged {size} records of {log}, and what it signed more than three minutes later has neither receipt nor \
             index that covers them."
        );
        Coverage::Missing(told("receipt.missing", text))
    }
}
