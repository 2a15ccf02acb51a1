//! SIGTERM and SIGINT, sent to a real process: this test's own program, started again.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test: a panic is the failure report"
)]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
};

use runtime::{
    exit::Exit,
    stop::{ONE_REQUEST, StopSignal},
};
use tokio::signal::unix::{SignalKind, signal};

#[test]
fn a_first_signal_lets_the_process_finish() {
    for signal in ["TERM", "INT"] {
        let mut process = Process::start("finishes");
        process.reads("listening");

        process.send(signal);

        process.reads("stopping");
        assert!(process.end().success());
    }
}

#[test]
fn a_second_signal_within_a_second_changes_nothing() {
    let mut process = Process::start("hears a second at once");
    process.reads("listening");
    process.send("TERM");
    process.reads("stopping");

    process.send("INT");

    process.reads("heard it and went on");
    assert!(process.end().success());
}

#[test]
fn a_second_signal_a_second_later_ends_the_process_at_once() {
    let mut process = Process::start("hears a second later");
    process.reads("listening");
    process.send("TERM");
    process.reads("stopping");

    process.send("INT");

    assert_eq!(process.end().code(), Some(i32::from(Exit::Failed.code())));
}

/// What the other tests start in a process of its own; alone it is nothing. Its time stands still,
/// save where it moves it.
#[tokio::test(start_paused = true)]
#[ignore = "started by the other tests"]
async fn child() {
    let Ok(part) = std::env::var("SIGNALS_CHILD") else { return };
    let stop = StopSignal::on_signals().expect("signals");
    let mut interrupted = signal(SignalKind::interrupt()).expect("signals");
    println!("\nlistening");
    stop.stopped().await;
    if part == "hears a second later" {
        tokio::time::advance(ONE_REQUEST).await;
    }
    println!("stopping");
    if part == "finishes" {
        return;
    }
    interrupted.recv().await;
    // The same wake-up reached the signal's own task; here it gets its turn.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    if part == "hears a second later" {
        std::future::pending::<()>().await;
    }
    println!("heard it and went on");
}

struct Process {
    child: Child,
    output: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(part: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .env("SIGNALS_CHILD", part)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, output }
    }

    fn reads(&mut self, wanted: &str) {
        let found = self.output.by_ref().map_while(Result::ok).any(|line| line == wanted);
        assert!(found, "the process ended without saying `{wanted}`");
    }

    fn send(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(sent.success());
    }

    fn end(mut self) -> ExitStatus {
        self.child.wait().expect("ended")
    }
}
