//! The demonstration as a process: stopped by Ctrl-C in the middle, and asked for what it cannot do.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test: a panic is the failure report"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

fn folkmoot(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_folkmoot"));
    command.args(args).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A demonstration of three communities in a folder that outlives it.
struct Demo {
    child: Child,
    folder: TempDir,
}

/// How a demonstration ended, and what it said on standard error.
struct Ended {
    code: Option<i32>,
    remarks: String,
    folder: TempDir,
}

impl Demo {
    /// Starts one, and returns when it has said this.
    fn at(said: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("region");
        let mut command = folkmoot(&["demo", "--communities", "3", "--dir", dir.to_str().unwrap()]);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(said));
        if !found {
            let mut remarks = String::new();
            child.stderr.take().unwrap().read_to_string(&mut remarks).unwrap();
            panic!("it ended without saying `{said}`: {remarks}");
        }
        Self { child, folder }
    }

    /// Ctrl-C, as a terminal gives it: to the process group that this test made.
    fn interrupt(mut self) -> Ended {
        let group = format!("-{}", self.child.id());
        let sent = Command::new("kill").args(["-s", "INT", "--", &group]).status();
        assert!(sent.unwrap().success());
        // Its servers write to files of their own, so this ends with the demonstration itself.
        let mut remarks = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut remarks).unwrap();
        let code = self.child.wait().unwrap().code();
        Ended { code, remarks, folder: self.folder }
    }
}

impl Ended {
    fn assert_stopped(&self) {
        assert_eq!(self.code, Some(130), "{}", self.remarks);
        assert_eq!(
            self.remarks,
            "Stopped before the story was told; waiting for every process to end \
             (the same command goes on from here).\n"
        );
        assert_eq!(processes_about(self.folder.path()), Vec::<String>::new());
        assert_eq!(unfinished(&self.folder.path().join("region")), Vec::<String>::new());
    }
}

/// The command lines of running processes that name this folder.
fn processes_about(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let ids = fs::read_dir("/proc").unwrap().map_while(Result::ok);
    let lines = ids.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
    let lines = lines.map(|it| String::from_utf8_lossy(&it).replace('\0', " "));
    lines.filter(|it| it.contains(folder)).collect()
}

/// What only a server that was cut off leaves behind: a log file that was not closed, a socket.
fn unfinished(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map_while(Result::ok) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(unfinished(&entry.path()));
        }
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with("-wal") || name.ends_with(".sock") {
            found.push(entry.path().display().to_string());
        }
    }
    found
}

#[test]
fn ctrl_c_in_mid_story_waits_for_every_process_to_end_and_says_so() {
    let demo = Demo::at("Importing notices");
    assert_eq!(
        processes_about(demo.folder.path()).iter().filter(|it| it.contains(" run ")).count(),
        4,
        "three nodes and a coordinator run"
    );
    assert_ne!(unfinished(&demo.folder.path().join("region")), Vec::<String>::new());

    demo.interrupt().assert_stopped();
}

#[test]
fn ctrl_c_while_the_servers_start_waits_for_those_that_have_begun() {
    Demo::at("3 communities founded").interrupt().assert_stopped();
}

#[test]
fn a_number_of_communities_that_makes_no_story_is_refused_with_the_range_and_why() {
    for number in ["2", "65"] {
        let told = folkmoot(&["demo", "--communities", number]).output().unwrap();
        let sentence = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(2), "{sentence}");
        assert!(
            sentence.contains("from 3 to 64 communities, because the first proposes"),
            "{sentence}"
        );
    }
}
