//! The one source of time: milliseconds of UTC since 1970.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

/// A reading this far behind the latest is a step of the system's clock. Less is only two threads
/// reading in one order and comparing in the other.
const STEP_MILLIS: u64 = 1000;

/// Tells the time. Passed as `Arc<dyn Clock>`, so that a whole region can run in simulated time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds of UTC since 1970; never less than an earlier reading of the same clock.
    fn now_millis(&self) -> u64;

    /// How far the time told is ahead of the machine's clock, in milliseconds, because that was set back while
    /// the process ran.
    fn ahead_millis(&self) -> u64 {
        0
    }
}

/// The machine's clock. While it goes back, time here goes on at half its rate, until the machine's clock has
/// caught up.
///
/// A step back is logged, once until then, and blocks nothing: an operator who sets a wrong clock right must
/// not stop the community's log, and whatever is due every few seconds takes twice as long at most.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
    told: Told,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: Instant::now(), told: Told::default() }
    }
}

impl SystemClock {
    /// A clock that has not been read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The machine's clock and how long this one has run, in milliseconds.
    fn read(&self) -> (u64, u64) {
        // A machine that believes to be before 1970 has no battery; it is held at 0 until it knows.
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        (millis(since_1970), millis(self.began.elapsed()))
    }
}

impl Clock for SystemClock {
    fn now_millis(&self) -> u64 {
        let (read, elapsed) = self.read();
        self.told.tell(read, elapsed)
    }

    fn ahead_millis(&self) -> u64 {
        let (read, elapsed) = self.read();
        self.told.tell(read, elapsed).saturating_sub(read)
    }
}

/// What a clock has told: never less than before, whatever the clock that it is read from shows.
#[derive(Debug, Default)]
pub struct Told(Mutex<Latest>);

#[derive(Debug, Default)]
struct Latest {
    told: u64,
    /// For how long the clock had run by then.
    elapsed: u64,
    is_behind: bool,
}

impl Told {
    /// The time to tell, in milliseconds of UTC since 1970, when the clock shows `read` and has run for
    /// `elapsed` milliseconds: what it shows, or while that is earlier than what was told, half as much more
    /// as has passed since.
    pub fn tell(&self, read: u64, elapsed: u64) -> u64 {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind_millis = latest.told.saturating_sub(read);
        if behind_millis == 0 {
            *latest = Latest { told: read, elapsed, is_behind: false };
            return read;
        }
        if STEP_MILLIS <= behind_millis && !latest.is_behind {
            latest.is_behind = true;
            tracing::warn!(
                behind_millis,
                "the system's clock was set back; until it has caught up, time goes at half its rate here; a restart takes its time at once"
            );
        }
        let gone = elapsed.saturating_sub(latest.elapsed) / 2;
        latest.told = latest.told.saturating_add(gone);
        latest.elapsed = latest.elapsed.saturating_add(gone.saturating_mul(2));
        latest.told
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
    fn after_a_step_back_time_goes_at_half_its_rate_until_the_clock_has_caught_up() {
        let told = Told::default();

        let log = captured(|| {
            assert_eq!(told.tell(50_000, 0), 50_000);
            assert_eq!(told.tell(40_000, 0), 50_000);
            assert_eq!(told.tell(41_001, 1_001), 50_500);
            assert_eq!(told.tell(41_002, 1_002), 50_501, "the odd millisecond is not lost");
            assert_eq!(told.tell(43_002, 3_002), 51_501);
            assert_eq!(told.tell(60_000, 20_000), 60_000);
            assert_eq!(told.tell(61_000, 21_000), 61_000);
        });

        assert_eq!(log.matches("was set back").count(), 1, "{log}");
    }

    #[test]
    fn a_second_step_back_is_told_again() {
        let told = Told::default();

        let log = captured(|| {
            for (read, elapsed) in [(50_000, 0), (49_000, 1), (51_000, 2), (50_000, 3)] {
                told.tell(read, elapsed);
            }
        });

        assert_eq!(log.matches("was set back").count(), 2, "{log}");
    }

    #[test]
    fn the_time_never_goes_back_while_the_clock_is_set_to_and_fro() {
        let (told, mut latest) = (Told::default(), 0);

        for (elapsed, read) in (0..).zip([9, 5, 7, 7_000, 3, 6_999, 0, 7_001, 7_000]) {
            let now = told.tell(read, elapsed * 100);
            assert!(latest.max(read) <= now, "{read}");
            latest = now;
        }
    }

    #[test]
    fn the_system_clock_is_ahead_of_nothing_unless_it_was_set_back() {
        let clock = SystemClock::new();
        assert_eq!(clock.ahead_millis(), 0);

        clock.told.tell(u64::MAX / 2, 0);

        assert!(1_000_000 < clock.ahead_millis());
    }

    #[test]
    fn readings_of_two_threads_in_the_wrong_order_are_no_step() {
        let told = Told::default();

        let log = captured(|| {
            told.tell(50_000, 0);
            assert_eq!(told.tell(50_000 - STEP_MILLIS + 1, 0), 50_000);
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
