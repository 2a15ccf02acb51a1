//! Nodes started cold: what their mesh costs, counted where each node meets it.
#![allow(clippy::print_stderr, reason = "a measurement says what it counted")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mesh::{Command, Event, FrameStream, Mesh, MeshConfig, Switchboard, seam};
use peer::{Peer, Role, neighbours::keep_neighbours};
use proto::{replication::decode_frame, v1::frame::Step};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use tokio::{sync::mpsc, task::JoinSet};

use crate::world::*;

/// What is not done by then will not be, even on a machine that is busy with other tests.
const LONGEST: Duration = Duration::from_secs(120);

/// How often each thing happened, all nodes together.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Counts {
    fn add(&self, what: &'static str, n: usize) {
        *self.0.lock().unwrap().entry(what).or_default() += n as u64;
    }

    fn of(&self, what: &'static str) -> u64 {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    fn show(&self, title: &str) {
        eprintln!("--- {title}");
        for (what, n) in self.0.lock().unwrap().iter() {
            eprintln!("{n:>9} {what}");
        }
    }

    fn note_frame(&self, bytes: &[u8]) {
        self.add("frame bytes", bytes.len());
        let (what, n_entries) = match decode_frame(bytes).unwrap().step.unwrap() {
            Step::Hello(_) => ("frames: hello", None),
            Step::Heads(it) => ("frames: heads", Some(("heads", it.heads.len()))),
            Step::Want(_) => ("frames: want", None),
            Step::Batch(it) => ("frames: batch", Some(("records", it.records.len()))),
            Step::Ack(_) => ("frames: ack", None),
            Step::Refusal(_) => ("frames: refusal", None),
            Step::Status(_) => ("frames: status", None),
            Step::Offered(_) => ("frames: offered", None),
        };
        self.add(what, 1);
        if let Some((what, n)) = n_entries {
            self.add(what, n);
        }
    }
}

/// A mesh that counts what goes through it.
fn counted(
    real: Mesh,
    mut told: mpsc::Receiver<Event>,
    counts: &Counts,
) -> (Mesh, mpsc::Receiver<Event>) {
    let (near, events, Switchboard { mut commands, events: far, .. }) = seam();
    let of_commands = counts.clone();
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            carry_out(&real, command, &of_commands).await;
        }
    });
    let counts = counts.clone();
    tokio::spawn(async move {
        while let Some(event) = told.recv().await {
            let event = match event {
                Event::Opened(key, line) => Event::Opened(key, counted_line(line, &counts)),
                Event::Rung(rung) => {
                    counts.add("doorbells heard", 1);
                    Event::Rung(rung)
                }
                Event::Connected(key) => {
                    counts.add("connections", 1);
                    Event::Connected(key)
                }
                Event::Unreachable(key) => {
                    counts.add("unreachable", 1);
                    Event::Unreachable(key)
                }
                Event::Disconnected(key) => {
                    counts.add("disconnections", 1);
                    Event::Disconnected(key)
                }
            };
            if far.send(event).await.is_err() {
                return;
            }
        }
    });
    (near, events)
}

async fn carry_out(real: &Mesh, command: Command, counts: &Counts) {
    match command {
        Command::Admit(key) => real.admit(key).await,
        Command::Expel(key) => real.expel(key).await,
        Command::Learn(key, addresses) => real.learn(key, addresses).await,
        Command::Look(addresses) => real.look(addresses).await,
        Command::Connect(key) => {
            counts.add("asked to connect", 1);
            real.connect(key).await;
        }
        Command::Open(key, answer) => {
            let (real, counts) = (real.clone(), counts.clone());
            tokio::spawn(async move {
                let opened = real.open(key).await;
                counts.add(if opened.is_ok() { "streams opened" } else { "streams not opened" }, 1);
                let _ = answer.send(opened.map(|line| counted_line(line, &counts)));
            });
        }
        Command::Ring(message) => {
            counts.add("doorbells rung", 1);
            real.ring(message).await;
        }
        Command::Judge(ticket, verdict) => real.judge(ticket, verdict).await,
        Command::Cut(key, reason) => real.cut(key, reason).await,
    }
}

/// Counts what this side sends.
fn counted_line(line: FrameStream, counts: &Counts) -> FrameStream {
    let FrameStream { mut incoming, outgoing } = line;
    let (out, mut sent) = mpsc::channel::<Vec<u8>>(1);
    let (into, taken) = mpsc::channel(1);
    let counts = counts.clone();
    tokio::spawn(async move {
        while let Some(frame) = sent.recv().await {
            counts.note_frame(&frame);
            if outgoing.send(frame).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = incoming.recv() => frame,
                () = into.closed() => None,
            };
            let Some(frame) = frame else { return };
            if into.send(frame).await.is_err() {
                return;
            }
        }
    });
    FrameStream { incoming: taken, outgoing: out }
}

/// Processor time that this process has taken.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|it| it.parse::<u64>().unwrap()).sum();
    Duration::from_millis(10 * ticks)
}

/// Free ports of the loopback, which were taken a moment ago.
fn free_places(n: usize) -> Vec<mesh::Address> {
    let taken: Vec<_> =
        (0..n).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports = taken.iter().map(|it| it.local_addr().unwrap().port());
    ports.map(|port| mesh::Address::tcp("127.0.0.1", port)).collect()
}

/// Starts this many nodes, of which each knows the places of two, and waits until each holds every log.
async fn start_cold(n: usize, counts: &Counts) -> Vec<Peer> {
    let region = region(n).await;
    region.coordinator.end_streams();
    let places = free_places(n);
    let mut peers = Vec::new();
    for founder in &region.founders {
        peers.push(founder.open(&region.charter, Role::Node).await);
    }
    for (peer, place) in peers.iter().zip(&places) {
        let name = region.charter.region.to_string();
        let mut config = MeshConfig::new(NETWORK, name, MAX_GRPC_MESSAGE_BYTES);
        config.listen = vec![place.clone()];
        config.peers = places.iter().filter(|it| *it != place).take(2).cloned().collect();
        // All of them are one process.
        config.limits.max_process_bytes = u64::MAX;
        let (real, told) = mesh::start(config, &peer.keys().transport.seed()).await.unwrap();
        let (near, events) = counted(real, told, counts);
        let kept = keep_neighbours(peer.clone(), near, events);
        tokio::spawn(async move { kept.await.unwrap() });
    }
    let began = Instant::now();
    let mut holding = JoinSet::new();
    for peer in peers.clone() {
        holding.spawn(async move {
            let mut commits = peer.store().commits();
            while peer.store().logs().await.map_or(0, |it| it.len()) < n {
                let _ = commits.recv().await;
            }
            began.elapsed()
        });
    }
    let mut times = Vec::new();
    let all_hold = async {
        while let Some(at) = holding.join_next().await {
            times.push(at.unwrap());
        }
    };
    let is_over = tokio::time::timeout(LONGEST, all_hold).await.is_err();
    eprintln!("{} of {n} nodes hold every log; they did so after {times:?}", times.len());
    assert!(!is_over, "a node lacks a log");
    peers
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_nodes_started_cold_hold_every_log_and_are_not_all_connected_with_each_other() {
    let (n, counts) = (16, Counts::default());
    start_cold(n, &counts).await;
    counts.show("until every log is everywhere");
    // Each reaches for four, and all for the two whose places they know. If all were connected, there would be 15 for each.
    assert!(counts.of("connections") <= 12 * n as u64);
    assert!(counts.of("streams opened") <= 7 * n as u64);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, which takes a minute of two processors in a build for tests: it prints counts"]
async fn what_thirty_nodes_started_cold_cost() {
    let (n, counts, before) = (30, Counts::default(), cpu());
    start_cold(n, &counts).await;
    eprintln!("{:?} of processor time", cpu() - before);
    counts.show("until every log is everywhere");
    for _ in 0..3 {
        let before = cpu();
        tokio::time::sleep(Duration::from_secs(10)).await;
        eprintln!("{:?} of processor time in ten seconds of rest", cpu() - before);
    }
    counts.show("half a minute later");
}
