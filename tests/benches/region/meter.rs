//! Clocks: of the wall, of this process's processors, of the disk.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// Linux counts processor time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// What a stretch of work took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// On the wall.
    pub wall: Duration,
    /// On all processors, by this whole process.
    pub cpu: Duration,
}

impl Spent {
    /// So many things, a second.
    pub fn per_second(&self, n: usize) -> f64 {
        n as f64 / self.wall.as_secs_f64()
    }

    /// Processor time of one of so many things, in microseconds.
    pub fn cpu_micros_each(&self, n: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / n as f64
    }
}

/// A running meter.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    cpu: Duration,
}

impl Meter {
    /// Begins.
    pub fn start() -> Result<Self> {
        Ok(Self { cpu: cpu_of("self")?, began: Instant::now() })
    }

    /// What was spent since.
    pub fn read(&self) -> Result<Spent> {
        Ok(Spent { wall: self.began.elapsed(), cpu: cpu_of("self")? - self.cpu })
    }
}

/// Processor time of a process so far; `self` for this one.
pub fn cpu_of(process: &str) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in brackets may hold anything; user and system time are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(')').context("a line of /proc/…/stat")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next().context("field 14")??, ticks.next().context("field 15")??);
    Ok(TICK * (user + system))
}

/// What of a process is in memory, in bytes.
pub fn resident_bytes(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// A file whose only purpose is to be flushed.
#[derive(Debug)]
pub struct Flushed(File);

impl Flushed {
    /// A new file in this folder.
    pub fn create(folder: &Path) -> Result<Self> {
        Ok(Self(File::create(folder.join("fsync"))?))
    }

    /// How long a write of 4 KiB takes until it has reached the disk.
    pub fn time(&mut self) -> Result<Duration> {
        let began = Instant::now();
        self.0.write_all(&[7; 4096])?;
        self.0.sync_all()?;
        Ok(began.elapsed())
    }
}

/// The value below which this share of the times lies.
pub fn quantile(times: &mut [Duration], share: f64) -> Duration {
    times.sort_unstable();
    let place = ((times.len() - 1) as f64 * share) as usize;
    times[place]
}
