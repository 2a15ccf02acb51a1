//! A region simulated in one process: everything that a peer runs is what ships; time, connections, chance and the disk's
//! threads are not. One seed gives one run.
//!
//! `FOLKMOOT_SEED=17 cargo test -p folkmoot-tests --test simulation one_seed -- --nocapture` runs a seed once more;
//! `FOLKMOOT_TRACE=1` prints everything that happens in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test crate: a panic is the failure report"
)]

#[path = "simulation/chance.rs"]
mod chance;
#[path = "simulation/clocks.rs"]
mod clocks;
#[path = "simulation/courier.rs"]
mod courier;
#[path = "simulation/doorbells.rs"]
mod doorbells;
#[path = "simulation/epochs.rs"]
mod epochs;
#[path = "simulation/erasing.rs"]
mod erasing;
#[path = "simulation/keys.rs"]
mod keys;
#[path = "simulation/laws.rs"]
mod laws;
#[path = "simulation/lies.rs"]
mod lies;
#[path = "simulation/net.rs"]
mod net;
#[path = "simulation/polls.rs"]
mod polls;
#[path = "simulation/scenario.rs"]
mod scenario;
#[path = "simulation/world.rs"]
mod world;
#[path = "simulation/writing.rs"]
mod writing;

use std::{
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use scenario::{Outcome, run};

/// The seed of `one_seed`, if it is not said.
const FIRST_SEED: u64 = 1;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn simulate(seed: u64) -> Outcome {
    if let Ok(filter) = std::env::var("FOLKMOOT_LOG") {
        runtime::telemetry::init(runtime::telemetry::LogFormat::Human, &filter).unwrap();
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(Box::pin(run(seed)))
}

#[test]
fn one_seed() {
    let seed = number("FOLKMOOT_SEED").unwrap_or(FIRST_SEED);
    println!("seed {seed}");
    let began = std::time::Instant::now();
    let Outcome { plan, digest, n_frames, n_written, met, broken } = simulate(seed);
    println!("{plan:?}: {n_written} records, {n_frames} frames in {:?}", began.elapsed());
    println!("met {met:?}");
    println!("digest {digest}");
    assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
}

/// How many seeds: more with `FOLKMOOT_SEEDS`.
const N_SEEDS: u64 = 200;
/// Seeds that are run twice.
const REPEATED: [u64; 3] = [2, 5, 13];
/// What some seed has to meet, or it would show nothing.
const TO_BE_MET: [&str; 18] = [
    "partition",
    "years fast",
    "years slow",
    "late pledge",
    "declared poll",
    "sum of tallies",
    "forged result",
    "erasure",
    "admission",
    "removal",
    "seat",
    "rotation",
    "crash",
    "restore",
    "two histories",
    "forged sum",
    "silence.no_ack",
    "silence.no_index",
];
/// Who lies in some seed.
const TO_BE_DRAWN: [&str; 3] = ["TwoFaces", "Equivocates", "Withholds"];

/// A seed in a process of its own.
fn start(seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["one_seed", "--exact", "--nocapture"])
        .env("FOLKMOOT_SEED", seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Whether a seed kept the laws, and what it printed.
fn ended(child: Child) -> (bool, String) {
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

fn digest(told: &str) -> Option<&str> {
    told.lines().find_map(|line| line.strip_prefix("digest "))
}

#[test]
fn a_seed_gives_the_same_run_in_every_process() {
    for seed in REPEATED {
        let [(is_well, one), (_, other)] = [start(seed), start(seed)].map(ended);
        assert!(is_well, "{one}");
        assert!(digest(&one).is_some(), "{one}");
        assert_eq!(digest(&one), digest(&other), "seed {seed}");
    }
}

/// Each processor that this process may use, alone. A seed hands each question to its files over to another thread and
/// waits for the answer: across processors that costs twice the time of the same run on one.
fn processors() -> Vec<CpuSet> {
    let allowed = sched_getaffinity(None).unwrap();
    let alone = |number| {
        let mut one = CpuSet::new();
        one.set(number);
        one
    };
    (0..CpuSet::MAX_CPU).filter(|it| allowed.is_set(*it)).map(alone).collect()
}

#[test]
fn every_seed_keeps_the_laws() {
    let n_seeds = number("FOLKMOOT_SEEDS").unwrap_or(N_SEEDS);
    let next = AtomicU64::new(FIRST_SEED);
    let (broken, met) = (Mutex::new(Vec::new()), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for processor in processors() {
            let (next, broken, met) = (&next, &broken, &met);
            scope.spawn(move || {
                sched_setaffinity(None, &processor).unwrap();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if n_seeds < seed {
                        return;
                    }
                    let (is_well, told) = ended(start(seed));
                    let lines: Vec<&str> = told.lines().filter(|it| is_of_run(it)).collect();
                    println!("{}", lines.join(" "));
                    met.lock().unwrap().extend(lines);
                    if !is_well {
                        broken.lock().unwrap().push(told);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} seeds: {}", broken.len(), broken.join("\n"));
    let met = met.into_inner().unwrap();
    // In quotation marks as in the lines that say what was met: the plan has fields with such names.
    for what in TO_BE_MET {
        assert!(met.contains(&format!("\"{what}\"")), "no seed has met a {what}");
    }
    for who in TO_BE_DRAWN {
        assert!(met.contains(&format!("deceit: {who}")), "in no seed somebody {who}");
    }
}

/// The lines that say what was run, and to what end.
fn is_of_run(line: &str) -> bool {
    ["seed ", "Plan ", "met ", "digest "].iter().any(|it| line.starts_with(it))
}
