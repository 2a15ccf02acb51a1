//! Heads that wait for a receipt.
//!
//! ```text
//! first growth for 10 s ─▶ receipt in the same commit
//! further growth        ─▶ waits, the newest head in place of the one before ─ 10 s over, or a barrier ─▶ receipt
//! ```
//!
//! A barrier is an instant that tells records before it from records after it: a deadline of the register, or the
//! filing of an epoch. Whatever waits is receipted before it, with the latest instant at which it was received. What is
//! said about the region itself waits for nothing: an epoch begins with its receipt.

use std::collections::BTreeMap;

use record::{LogName, UnixMillis, payload::receipt::HeldHead};
use tlog::Hash;

/// How long heads of one log are gathered before the newest gets a receipt, in milliseconds.
pub(crate) const RECEIPT_EVERY_MILLIS: u64 = 10_000;

/// A head that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    size: u64,
    root: Hash,
    received_at: UnixMillis,
    due: UnixMillis,
}

/// Heads that are filed together, and when the latest of them was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToFile {
    pub(crate) received_at: UnixMillis,
    /// In ascending order of community and era.
    pub(crate) heads: Vec<HeldHead>,
}

/// What waits, and when each log was last receipted.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    filed: BTreeMap<LogName, UnixMillis>,
    waiting: BTreeMap<LogName, Waiting>,
}

impl Pending {
    /// A head that was held before this process began: it is due at once.
    pub(crate) fn recover(&mut self, log: LogName, head: (u64, Hash), received_at: UnixMillis) {
        let (size, root) = head;
        self.waiting.insert(log, Waiting { size, root, received_at, due: received_at });
    }

    /// The log is held otherwise now: nothing of what waits is to be said.
    pub(crate) fn forget(&mut self, log: &LogName) {
        self.waiting.remove(log);
    }

    /// When something is due.
    pub(crate) fn due(&self) -> Option<UnixMillis> {
        self.waiting.values().map(|it| it.due).min()
    }

    /// Whether anything waits that was received before this instant.
    pub(crate) fn has_before(&self, at: UnixMillis) -> bool {
        self.waiting.values().any(|it| it.received_at < at)
    }

    /// The next head of this log waits for nothing.
    pub(crate) fn hurry(&mut self, log: &LogName) {
        self.filed.remove(log);
    }

    /// Takes out everything that waits, at a barrier: no other barrier lies between the instants of these heads, so the
    /// latest stands for all.
    pub(crate) fn take_all(&mut self, now: UnixMillis) -> Option<ToFile> {
        let waiting = std::mem::take(&mut self.waiting);
        let received_at = waiting.values().map(|it| it.received_at).max()?;
        self.filed.extend(waiting.keys().map(|log| (*log, now)));
        let heads = waiting.iter().map(|(log, it)| head_of(*log, it)).collect();
        Some(ToFile { received_at, heads })
    }

    /// Takes out everything that was read from the file: barriers may lie between, so heads are filed together only if
    /// they were received in one second. The earliest come first.
    pub(crate) fn take_recovered(&mut self, now: UnixMillis) -> Vec<ToFile> {
        let mut by_instant: BTreeMap<UnixMillis, Vec<HeldHead>> = BTreeMap::new();
        for (log, it) in std::mem::take(&mut self.waiting) {
            by_instant.entry(it.received_at).or_default().push(head_of(log, &it));
            self.filed.insert(log, now);
        }
        by_instant.into_iter().map(|(received_at, heads)| ToFile { received_at, heads }).collect()
    }

    /// Takes heads that were received now, and gives those to be filed now: theirs whose log was not receipted for 10
    /// seconds, and those that waited long enough.
    pub(crate) fn take_due(
        &mut self,
        received: BTreeMap<LogName, (u64, Hash)>,
        now: UnixMillis,
    ) -> Option<ToFile> {
        self.filed.retain(|_, at| now.0 < at.0.saturating_add(RECEIPT_EVERY_MILLIS));
        for (log, (size, root)) in received {
            let filed = self.filed.get(&log);
            let due = filed.map_or(now, |at| UnixMillis(at.0.saturating_add(RECEIPT_EVERY_MILLIS)));
            self.waiting.insert(log, Waiting { size, root, received_at: now, due });
        }
        let is_due = |_: &LogName, it: &mut Waiting| it.due <= now;
        let due: BTreeMap<LogName, Waiting> = self.waiting.extract_if(.., is_due).collect();
        let received_at = due.values().map(|it| it.received_at).max()?;
        self.filed.extend(due.keys().map(|log| (*log, now)));
        let heads = due.iter().map(|(log, it)| head_of(*log, it)).collect();
        Some(ToFile { received_at, heads })
    }
}

fn head_of(log: LogName, waiting: &Waiting) -> HeldHead {
    let Waiting { size, root, .. } = *waiting;
    HeldHead { community: log.community, era: log.era, size, root }
}

#[cfg(test)]
mod tests {
    use record::CommunityId;

    use super::*;

    fn log(n: u8) -> LogName {
        LogName { community: CommunityId::from_bytes([n; 32]), era: 0 }
    }

    fn grown(logs: &[(u8, u64)]) -> BTreeMap<LogName, (u64, Hash)> {
        logs.iter().map(|(n, size)| (log(*n), (*size, Hash::from_bytes([*n; 32])))).collect()
    }

    /// Number and size of each log, and when it is said to have been received.
    fn told(filed: Option<ToFile>) -> Option<(u64, Vec<(u8, u64)>)> {
        let number = |it: &HeldHead| (it.community.as_bytes()[0], it.size);
        filed.map(|it| (it.received_at.0, it.heads.iter().map(number).collect()))
    }

    #[test]
    fn the_first_head_is_filed_at_once_and_the_newest_of_the_next_ten_seconds_when_they_are_over() {
        let mut pending = Pending::default();
        let mut at = |now, logs: &[_]| told(pending.take_due(grown(logs), UnixMillis(now)));
        assert_eq!(at(1_000, &[(1, 5)]), Some((1_000, vec![(1, 5)])));
        assert_eq!(at(1_001, &[(1, 6)]), None);
        assert_eq!(at(10_999, &[(1, 7)]), None);
        assert_eq!(at(11_000, &[]), Some((10_999, vec![(1, 7)])));
        assert_eq!(at(20_999, &[(1, 8)]), None);
        assert_eq!(at(21_000, &[(1, 9)]), Some((21_000, vec![(1, 9)])));
        assert_eq!(
            at(31_000, &[(1, 10)]),
            Some((31_000, vec![(1, 10)])),
            "a quiet log waits for nothing"
        );
    }

    #[test]
    fn each_log_has_ten_seconds_of_its_own() {
        let mut pending = Pending::default();
        let mut at = |now, logs: &[_]| told(pending.take_due(grown(logs), UnixMillis(now)));
        at(0, &[(1, 1)]);
        assert_eq!(at(4_000, &[(1, 2), (2, 1)]), Some((4_000, vec![(2, 1)])));
        assert_eq!(at(5_000, &[(2, 2)]), None);
        assert_eq!(at(10_000, &[]), Some((4_000, vec![(1, 2)])));
        assert_eq!(at(14_000, &[(3, 1)]), Some((14_000, vec![(2, 2), (3, 1)])));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn at_a_barrier_everything_is_filed_with_the_latest_instant_at_which_it_was_received() {
        let mut pending = Pending::default();
        pending.take_due(grown(&[(1, 1), (2, 1)]), UnixMillis(0));
        pending.take_due(grown(&[(2, 2)]), UnixMillis(3_000));
        pending.take_due(grown(&[(1, 2)]), UnixMillis(5_000));
        assert!(pending.has_before(UnixMillis(3_001)) && !pending.has_before(UnixMillis(3_000)));
        let filed = told(pending.take_all(UnixMillis(6_000)));
        assert_eq!(filed, Some((5_000, vec![(1, 2), (2, 2)])));
        assert_eq!(told(pending.take_due(grown(&[(1, 3)]), UnixMillis(6_001))), None);
        assert_eq!(pending.due(), Some(UnixMillis(16_000)));
        pending.hurry(&log(2));
        let hurried = told(pending.take_due(grown(&[(2, 3)]), UnixMillis(6_002)));
        assert_eq!(hurried, Some((6_002, vec![(2, 3)])));
    }

    #[test]
    fn what_was_read_from_the_file_is_filed_by_the_instants_at_which_it_was_received() {
        let mut pending = Pending::default();
        let root = Hash::from_bytes([1; 32]);
        for (n, at) in [(1, 5_999), (2, 3_999), (3, 5_999)] {
            pending.recover(log(n), (u64::from(n), root), UnixMillis(at));
        }
        assert_eq!(pending.due(), Some(UnixMillis(3_999)));
        let filed = pending.take_recovered(UnixMillis(60_000));
        let filed: Vec<_> = filed.into_iter().map(|it| told(Some(it))).collect();
        assert_eq!(filed, [Some((3_999, vec![(2, 2)])), Some((5_999, vec![(1, 1), (3, 3)]))]);
        assert_eq!(told(pending.take_all(UnixMillis(60_000))), None);
    }
}
