//! Silence: a coordinator that does not do what it owes, though nothing that it says is wrong.
//!
//! Nobody can prove silence to others. A community notes it, its operator sees it, and other coordinators are used.

use record::UnixMillis;

/// How long a coordinator may take to acknowledge a head, in milliseconds.
pub const ACK_WITHIN_MILLIS: u64 = 10_000;
/// How long it may take to index what it acknowledged: three of the minutes within which it makes an index.
pub const INDEX_WITHIN_MILLIS: u64 = 3 * 60 * 1_000;

/// What is seen of a coordinator at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The size of our own newest checkpoint.
    pub own_size: u64,
    /// Up to where the coordinator acknowledged it.
    pub acked_size: u64,
    /// Up to where its newest index has it.
    pub indexed_size: u64,
    /// Whether it told us why it takes no more for a while.
    pub is_excused: bool,
}

/// What a coordinator owes, since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// It has not acknowledged our newest head.
    NoAck {
        /// Since when it owes that.
        since: UnixMillis,
    },
    /// It has not indexed what it acknowledged.
    NoIndex {
        /// Since when it owes that.
        since: UnixMillis,
    },
}

impl Silence {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoAck { .. } => "silence.no_ack",
            Self::NoIndex { .. } => "silence.no_index",
        }
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> UnixMillis {
        match self {
            Self::NoAck { since } | Self::NoIndex { since } => *since,
        }
    }
}

/// Something that is owed, and how much had been given when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owed {
    since: UnixMillis,
    given: u64,
}

/// Watches one coordinator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watch {
    ack: Option<Owed>,
    index: Option<Owed>,
}

impl Watch {
    /// Whether the coordinator owed an acknowledgement when it was looked at last.
    #[must_use]
    pub const fn owes_ack(&self) -> bool {
        self.ack.is_some()
    }

    /// Looks at the coordinator; tells what it is silent about, if it is. Any progress begins the time anew.
    pub fn look(&mut self, seen: Seen, now: UnixMillis) -> Option<Silence> {
        let Seen { own_size, acked_size, indexed_size, is_excused } = seen;
        let owes_ack = acked_size < own_size && !is_excused;
        self.ack = owed(self.ack, owes_ack, acked_size, now);
        self.index = owed(self.index, indexed_size < acked_size, indexed_size, now);
        let late = |owed: Option<Owed>, within_millis: u64| {
            owed.map(|it| it.since).filter(|it| within_millis <= now.0.saturating_sub(it.0))
        };
        let no_ack = late(self.ack, ACK_WITHIN_MILLIS).map(|since| Silence::NoAck { since });
        no_ack.or_else(|| {
            late(self.index, INDEX_WITHIN_MILLIS).map(|since| Silence::NoIndex { since })
        })
    }
}

fn owed(before: Option<Owed>, is_owed: bool, given: u64, now: UnixMillis) -> Option<Owed> {
    let fresh = Owed { since: now, given };
    is_owed.then(|| before.filter(|it| it.given == given).unwrap_or(fresh))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(own_size: u64, acked_size: u64, indexed_size: u64) -> Seen {
        Seen { own_size, acked_size, indexed_size, is_excused: false }
    }

    #[test]
    fn a_head_without_an_ack_is_silence_after_ten_seconds_and_not_before() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(seen(5, 0, 0), UnixMillis(1_000)), None);
        assert!(watch.owes_ack());
        assert_eq!(watch.look(seen(6, 0, 0), UnixMillis(10_999)), None);
        let since = UnixMillis(1_000);
        assert_eq!(watch.look(seen(6, 0, 0), UnixMillis(11_000)), Some(Silence::NoAck { since }));
        assert_eq!(watch.look(seen(6, 6, 6), UnixMillis(11_001)), None);
        assert!(!watch.owes_ack());
        assert_eq!(watch.look(seen(7, 6, 6), UnixMillis(20_000)), None, "the time begins anew");
    }

    #[test]
    fn whoever_goes_on_acknowledging_or_says_why_it_waits_is_not_silent() {
        let mut watch = Watch::default();
        for n in 0..100 {
            let (own, acked) = (1_000, n);
            assert_eq!(watch.look(seen(own, acked, acked), UnixMillis(n * 9_999)), None);
        }
        let mut watch = Watch::default();
        for n in 0..100 {
            let excused = Seen { is_excused: true, ..seen(9, 3, 3) };
            assert_eq!(watch.look(excused, UnixMillis(n * 60_000)), None);
        }
    }

    #[test]
    fn what_was_acknowledged_and_is_not_indexed_is_silence_after_three_minutes_and_not_before() {
        let mut watch = Watch::default();
        assert_eq!(watch.look(seen(5, 5, 0), UnixMillis(0)), None);
        assert_eq!(watch.look(seen(5, 5, 0), UnixMillis(179_999)), None);
        let told = watch.look(seen(5, 5, 0), UnixMillis(180_000)).unwrap();
        assert_eq!((told.reason(), told.since().0), ("silence.no_index", 0));
        assert_eq!(watch.look(seen(5, 5, 5), UnixMillis(180_001)), None);
    }
}
