//! Deadlines: the next one, and whether one has only just decided something.

use record::{UnixMillis, time::HOUR_MILLIS};

use crate::case::CaseRecord;

/// How long after a deadline what it decided stays provisional: 48 hours, for receipts that are dated in time and
/// come late (ARCHITECTURE §6).
pub const SETTLING_MILLIS: u64 = 48 * HOUR_MILLIS;

/// Gathers a case's deadlines at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    now: UnixMillis,
    next: Option<(UnixMillis, &'static str)>,
    provisional: bool,
}

impl Clock {
    pub(crate) const fn new(now: UnixMillis) -> Self {
        Self { now, next: None, provisional: false }
    }

    /// Something happens at this instant, if it lies ahead.
    pub(crate) fn awaits(&mut self, at: UnixMillis, why: &'static str) {
        if self.now < at && self.next.is_none_or(|(next, _)| at < next) {
            self.next = Some((at, why));
        }
    }

    /// This deadline, if it is past, decided something. One that others have met and that lies ahead of a slow clock here
    /// is waited for.
    pub(crate) fn decided(&mut self, deadline: UnixMillis) {
        self.awaits(deadline, "provisional from");
        let settled_at = deadline.plus_millis(SETTLING_MILLIS);
        if deadline <= self.now && self.now < settled_at {
            self.provisional = true;
            self.awaits(settled_at, "provisional until");
        }
    }

    /// The state rests on this record.
    pub(crate) fn rests_on(&mut self, record: &CaseRecord) {
        self.provisional |= record.received_at.is_none();
    }

    pub(crate) const fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        self.next
    }

    pub(crate) const fn is_provisional(&self) -> bool {
        self.provisional
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: UnixMillis = UnixMillis(1_000);
    const SETTLED: UnixMillis = UnixMillis(1_000 + 48 * 3_600_000);

    fn at(now: UnixMillis) -> Clock {
        let mut clock = Clock::new(now);
        clock.decided(DEADLINE);
        clock
    }

    #[test]
    fn a_deadline_is_provisional_from_its_instant_for_48_hours() {
        assert!(!at(UnixMillis(999)).is_provisional());
        assert!(at(DEADLINE).is_provisional());
        assert!(at(UnixMillis(SETTLED.0 - 1)).is_provisional());
        assert!(!at(SETTLED).is_provisional());
        assert_eq!(at(DEADLINE).next_deadline(), Some((SETTLED, "provisional until")));
    }

    #[test]
    fn a_deadline_that_lies_ahead_is_waited_for_unless_its_name_is_known() {
        let mut clock = at(UnixMillis(999));
        assert_eq!(clock.next_deadline(), Some((DEADLINE, "provisional from")));
        clock = Clock::new(UnixMillis(999));
        clock.awaits(DEADLINE, "pool closes");
        clock.decided(DEADLINE);
        assert_eq!(clock.next_deadline(), Some((DEADLINE, "pool closes")));
    }

    #[test]
    fn the_next_deadline_is_the_earliest_that_lies_ahead() {
        let mut clock = Clock::new(UnixMillis(10));
        clock.awaits(UnixMillis(30), "later");
        clock.awaits(UnixMillis(10), "now");
        assert_eq!(clock.next_deadline(), Some((UnixMillis(30), "later")));
        clock.awaits(UnixMillis(11), "next");
        assert_eq!(clock.next_deadline(), Some((UnixMillis(11), "next")));
    }
}
