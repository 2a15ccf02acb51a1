//! The process's own metrics, read from `/proc/self` (Linux; elsewhere they are left out).
//!
//! Their names are those that every Prometheus client library gives them, without our prefix, so
//! that common dashboards and alerts find them.

use std::fs;

use metrics::{counter, describe_counter, describe_gauge, gauge};

const RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
const CPU_SECONDS: &str = "process_cpu_seconds_total";
const OPEN_FDS: &str = "process_open_fds";

/// Linux shows times to programs in hundredths of a second, whatever the kernel uses inside.
const TICKS_PER_SECOND: u64 = 100;

pub(crate) fn describe() {
    describe_gauge!(RESIDENT_MEMORY, "Memory in use that is not swapped out, in bytes.");
    describe_counter!(CPU_SECONDS, "Processor time used since the start, in whole seconds.");
    describe_gauge!(OPEN_FDS, "Open file descriptors.");
}

pub(crate) fn record() {
    let status = fs::read_to_string("/proc/self/status");
    if let Some(bytes) = status.ok().and_then(|it| resident_bytes(&it)) {
        gauge!(RESIDENT_MEMORY).set(bytes as f64);
    }
    let stat = fs::read_to_string("/proc/self/stat");
    if let Some(seconds) = stat.ok().and_then(|it| cpu_seconds(&it)) {
        counter!(CPU_SECONDS).absolute(seconds);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder being read.
        gauge!(OPEN_FDS).set(descriptors.count().saturating_sub(1) as f64);
    }
}

/// From the line `VmRSS:   12345 kB`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Fields 14 and 15, user and system time. Field 2 is the program's name in parentheses and may
/// itself hold spaces and parentheses, so counting starts after the last one.
fn cpu_seconds(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user.checked_add(system)? / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }

    #[test]
    fn processor_time_is_read_past_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a ) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 1 0 99";

        assert_eq!(cpu_seconds(stat), Some(4));
        assert_eq!(cpu_seconds("7 (short) S 1 2"), None);
    }

    #[test]
    fn this_machine_tells_them() {
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let stat = fs::read_to_string("/proc/self/stat").expect("Linux");

        assert!(resident_bytes(&status).is_some_and(|bytes| 1 << 20 < bytes));
        assert!(cpu_seconds(&stat).is_some());
    }
}
