//! Everything that a seed decides: numbers drawn one after the other, and each host's randomness and clock.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use peer::{
    folder::{FolderError, Seed},
    machine::Randomness,
};
use runtime::clock::{Clock, Told};
use tokio::time::{Duration, Instant};

/// A stream of numbers that follows from a seed: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From `start` to just below `end`.
    pub(crate) fn within(&mut self, start: u64, end: u64) -> u64 {
        start + self.next() % (end - start)
    }

    /// So many times out of a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    pub(crate) fn millis(&mut self, start: u64, end: u64) -> Duration {
        Duration::from_millis(self.within(start, end))
    }

    /// One of them; `None` if there are none.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        let index = usize::try_from(self.next() % all.len().max(1) as u64).unwrap();
        all.get(index).copied()
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let words = [self.next(), self.next(), self.next(), self.next()];
        words.map(u64::to_be_bytes).concat().try_into().unwrap()
    }

    /// Another stream, which takes nothing from this one.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

/// A host's randomness.
#[derive(Debug)]
pub(crate) struct Drawn(Mutex<Chance>);

impl Drawn {
    pub(crate) fn of(chance: Chance) -> Arc<Self> {
        Arc::new(Self(Mutex::new(chance)))
    }
}

impl Randomness for Drawn {
    fn seed(&self) -> Result<Seed, FolderError> {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Seed::new(chance.bytes()))
    }
}

/// When simulated regions begin.
const BEGIN_MILLIS: u64 = 1_800_000_000_000;

/// A host's clock: simulated time, fast or slow by so many milliseconds. It never goes back while a process runs.
#[derive(Debug)]
pub(crate) struct SkewedClock {
    began: Instant,
    skew_millis: AtomicI64,
    told: Mutex<Told>,
}

impl SkewedClock {
    pub(crate) fn new(began: Instant, skew_millis: i64) -> Arc<Self> {
        Arc::new(Self { began, skew_millis: skew_millis.into(), told: Mutex::default() })
    }

    pub(crate) fn set_skew(&self, skew_millis: i64) {
        self.skew_millis.store(skew_millis, Ordering::Relaxed);
    }

    /// A process that begins knows nothing of what the one before has read.
    pub(crate) fn begin(&self) {
        *self.told.lock().unwrap() = Told::default();
    }

    /// What a right clock shows.
    pub(crate) fn right_millis(&self) -> u64 {
        BEGIN_MILLIS + u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }
}

impl Clock for SkewedClock {
    fn now_millis(&self) -> u64 {
        let skew = self.skew_millis.load(Ordering::Relaxed);
        let right = self.right_millis();
        let read = right.saturating_add_signed(skew);
        self.told.lock().unwrap().tell(read, right - BEGIN_MILLIS)
    }
}
