//! What the duties remember between steps. Nothing of it is needed after a restart.

use std::collections::{BTreeMap, BTreeSet};

use record::{RecordId, UnixMillis};

/// The first wait before the same is tried again in the same case.
const FIRST_WAIT_MILLIS: u64 = 1_000;
/// The longest wait.
const LONGEST_WAIT_MILLIS: u64 = 60_000;

/// What the duties remember.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Polls that are in the ballot box.
    pub(super) in_box: BTreeSet<RecordId>,
    /// What was tried in which case, and how it is to be tried again.
    tries: BTreeMap<(RecordId, &'static str), Try>,
    /// What was logged last of each case.
    told: BTreeMap<RecordId, String>,
}

#[derive(Debug, Clone, Copy)]
struct Try {
    not_before: UnixMillis,
    next_wait: u64,
}

impl Memory {
    /// From when this may be tried; `None` for at once.
    pub(super) fn not_before(
        &self,
        case: RecordId,
        what: &'static str,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        self.tries.get(&(case, what)).map(|it| it.not_before).filter(|at| now < *at)
    }

    /// Notes an attempt, whatever comes of it.
    pub(super) fn tried(&mut self, case: RecordId, what: &'static str, now: UnixMillis) {
        let first = Try { not_before: now, next_wait: FIRST_WAIT_MILLIS };
        let entry = self.tries.entry((case, what)).or_insert(first);
        entry.not_before = now.plus_millis(entry.next_wait);
        entry.next_wait = (entry.next_wait * 2).min(LONGEST_WAIT_MILLIS);
    }

    /// Whether this has not been said of the case just before.
    pub(super) fn is_news(&mut self, case: RecordId, what: &str) -> bool {
        self.told.insert(case, what.to_owned()).as_deref() != Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: RecordId = RecordId::from_bytes([1; 32]);

    #[test]
    fn the_same_is_tried_again_after_ever_longer_waits_and_never_after_more_than_a_minute() {
        let mut memory = Memory::default();
        let mut now = UnixMillis(5);
        assert_eq!(memory.not_before(CASE, "root", now), None);
        let mut waits = Vec::new();
        for _ in 0..8 {
            memory.tried(CASE, "root", now);
            let at = memory.not_before(CASE, "root", now).unwrap();
            waits.push(at.0 - now.0);
            assert_eq!(memory.not_before(CASE, "root", at), None);
            now = at;
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(memory.not_before(CASE, "counts", now), None);
    }

    #[test]
    fn a_repeated_message_is_no_news() {
        let mut memory = Memory::default();
        assert!(memory.is_news(CASE, "a"));
        assert!(!memory.is_news(CASE, "a"));
        assert!(memory.is_news(CASE, "b"));
        assert!(memory.is_news(RecordId::from_bytes([2; 32]), "b"));
    }
}
