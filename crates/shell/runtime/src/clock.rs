//! The one source of time: milliseconds of UTC since 1970.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

/// A reading this far behind the latest is a step of the system's clock. Less is only two threads
/// reading in one order and comparing in the other.
const STEP_MILLIS: u64 = 1000;

/// Tells the time. Passed as `Arc<dyn Clock>`, so that a whole region can run in simulated time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds of UTC since 1970; never less than an earlier reading of the same clock.
    fn now_millis(&self) -> u64;
}

/// The machine's clock, held where it is while the machine's goes back.
///
/// A step back is logged, once until the machine's clock has caught up, and blocks nothing: an
/// operator who sets a wrong clock right must not stop the community's log.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicU64,
    is_behind: AtomicBool,
}

impl SystemClock {
    /// A clock that has not been read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn hold(&self, read: u64) -> u64 {
        let latest = self.latest.fetch_max(read, Ordering::Relaxed).max(read);
        let behind_millis = latest.saturating_sub(read);
        if behind_millis == 0 {
            self.is_behind.store(false, Ordering::Relaxed);
        } else if STEP_MILLIS <= behind_millis && !self.is_behind.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                behind_millis,
                "the system's clock was set back; times stand still until it has caught up"
            );
        }
        latest
    }
}

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        // A machine that believes to be before 1970 has no battery; it is held at 0 until it knows.
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        self.hold(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that moves when it is told to, for tests and simulations.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at `now_millis`.
    #[must_use]
    pub fn at(now_millis: u64) -> Self {
        Self(AtomicU64::new(now_millis))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Moves the clock to `now_millis`, unless it is past that already.
    pub fn advance_to(&self, now_millis: u64) {
        self.0.fetch_max(now_millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::captured;

    #[test]
    fn the_system_clock_is_past_2020_and_does_not_go_back() {
        let clock = SystemClock::new();

        let first = clock.now_millis();

        assert!(1_577_836_800_000 < first);
        assert!(first <= clock.now_millis());
    }

    #[test]
    fn a_step_back_is_held_and_logged_once_until_the_clock_has_caught_up() {
        let clock = SystemClock::new();

        let log = captured(|| {
            assert_eq!(clock.hold(50_000), 50_000);
            assert_eq!(clock.hold(40_000), 50_000);
            assert_eq!(clock.hold(41_000), 50_000);
        });
        assert_eq!(log.matches("was set back").count(), 1, "{log}");

        let log = captured(|| {
            assert_eq!(clock.hold(51_000), 51_000);
            assert_eq!(clock.hold(50_000), 51_000);
        });
        assert_eq!(log.matches("was set back").count(), 1, "a second step is told again: {log}");
    }

    #[test]
    fn readings_of_two_threads_in_the_wrong_order_are_no_step() {
        let clock = SystemClock::new();

        let log = captured(|| {
            clock.hold(50_000);
            assert_eq!(clock.hold(50_000 - STEP_MILLIS + 1), 50_000);
        });

        assert_eq!(log, "");
    }

    #[test]
    fn a_manual_clock_moves_only_forward_and_only_when_told() {
        let clock = ManualClock::at(1000);
        assert_eq!(clock.now_millis(), 1000);

        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now_millis(), 3000);

        clock.advance_to(2500);
        assert_eq!(clock.now_millis(), 3000);
        clock.advance_to(4000);
        assert_eq!(clock.now_millis(), 4000);
    }
}
