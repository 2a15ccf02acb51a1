//! What a region survives, on real processes: each drill is the program's own, and prints one object.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a panic is the failure report"
)]

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use folkmoot_tests::process::program;
use serde_json::Value;
use tokio::{process::Command, sync::Semaphore, time::timeout};

/// Drills at one time: each is a handful of processes.
static PLACES: Semaphore = Semaphore::const_new(2);
/// Long enough for a machine that does much else; on a quiet one the longest takes half a minute.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a drill; answers what it printed if it held.
async fn drill(name: &str) -> Result<Value> {
    let _place = PLACES.acquire().await?;
    let mut command = Command::new(program()?);
    command.args(["demo", "--once", "--json", "--drill", name]);
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, run).await.context("it never ends")??;
    let (said, told) =
        (String::from_utf8(output.stdout)?, String::from_utf8_lossy(&output.stderr).into_owned());
    ensure!(output.status.success(), "{name} ended with {}: {said}{told}", output.status);
    ensure!(said.lines().count() == 1, "{name} printed {said}");
    let found: Value = serde_json::from_str(&said)?;
    let mut keys: Vec<&str> =
        found.as_object().context("an object")?.keys().map(String::as_str).collect();
    keys.sort_unstable();
    ensure!(keys == ["after", "before", "doubles", "gaps", "lost", "seconds"], "{keys:?}");
    ensure!(found["seconds"].as_f64().is_some_and(|it| 0.0 < it), "{found}");
    Ok(found)
}

#[tokio::test]
async fn a_coordinator_killed_for_ever_is_replaced_and_rebuilt_from_nodes() {
    let found = drill("replace").await.expect("it holds");
    assert_eq!(found["before"], found["after"]);
    assert_eq!(found["before"]["polls"][0]["state"], "declared");
    assert_eq!(found["before"]["cases"]["covenant"]["in force"], 1);
    assert!(found["before"]["cases"]["pool"]["forming"].as_u64() >= Some(12), "{found}");
    assert_eq!((&found["gaps"], &found["doubles"]), (&0.into(), &0.into()));
    assert_eq!(found["lost"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn erased_words_are_in_no_file_of_any_holder_and_every_proof_stays_valid() {
    let found = drill("erase").await.expect("it holds");
    assert_eq!(
        (&found["before"]["with_words"], &found["after"]["with_words"]),
        (&4.into(), &0.into())
    );
    for moment in ["before", "after"] {
        assert_eq!(found[moment]["proof"], "verified", "{moment}");
        assert_eq!(found[moment]["log"], "verified", "{moment}");
    }
    assert_eq!(found["after"]["erased"], 1);
    assert_eq!(found["gaps"], 0);
}

#[tokio::test]
async fn a_lost_machine_is_recovered_by_its_officers_and_goes_on_in_a_new_era() {
    let found = drill("lost-machine").await.expect("it holds");
    assert_eq!(found["before"], found["after"]);
    assert!(3 <= found["before"]["records"].as_u64().expect("a number"), "{found}");
    assert_eq!((&found["gaps"], &found["doubles"]), (&0.into(), &0.into()));
}

#[tokio::test]
async fn what_a_thief_writes_with_stolen_keys_counts_for_nothing_once_officers_recover() {
    let found = drill("stolen-key").await.expect("it holds");
    assert_eq!(found["before"], found["after"]);
    assert_eq!(found["after"]["of_thief"], 0);
    assert_eq!(found["after"]["cases"]["pool"]["forming"], 3);
}

#[tokio::test]
async fn an_old_backup_and_a_lost_log_file_fork_nothing_and_lose_nothing() {
    let found = drill("old-backup").await.expect("it holds");
    assert_eq!(found["before"], found["after"]);
    assert_eq!(found["after"]["forked"], 0);
    assert!(4 <= found["after"]["cases"]["pool"]["forming"].as_u64().expect("a number"), "{found}");
    assert_eq!((&found["gaps"], &found["doubles"]), (&0.into(), &0.into()));
    assert_eq!(found["lost"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_coordinator_that_hides_what_it_acknowledged_is_caught_by_its_own_signatures() {
    let found = drill("hide").await.expect("it holds");
    let number = |at: &str| found.pointer(at).and_then(Value::as_u64).expect("a number");
    assert!(number("/after/shown") < number("/after/acknowledged"), "{found}");
    assert!(0 < number("/after/evidence"), "{found}");
    assert_eq!(found["after"]["silence"], "silence.no_ack");
    assert_eq!(found["after"]["used_instead"], true);
}

#[tokio::test]
async fn a_sum_that_an_operator_changed_is_found_by_whoever_adds_up_the_tallies() {
    let found = drill("forged-sum").await.expect("it holds");
    assert_ne!(found["before"]["counts"], found["after"]["counts"]);
    assert_eq!(found["after"]["findings"][0], "sum.differs");
    assert_eq!(found["before"]["result_at_nodes"], found["after"]["result_at_nodes"]);
}

#[tokio::test]
async fn evidence_of_a_coordinator_with_two_faces_reaches_every_node_and_accuses_nobody_else() {
    let found = drill("two-faces").await.expect("it holds");
    assert_eq!(
        (&found["before"]["with_evidence"], &found["after"]["with_evidence"]),
        (&0.into(), &3.into())
    );
    assert_eq!((&found["after"]["innocent_accused"], &found["gaps"]), (&0.into(), &0.into()));
}
