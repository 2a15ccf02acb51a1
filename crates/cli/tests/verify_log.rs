//! A whole log, over HTTP and from a folder: right as it is, and refused with any byte changed.
#![allow(clippy::unwrap_used, reason = "a test file: a panic is the failure report")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{UNKNOWN_KIND, folkmoot, found};
use runtime::{exit::Exit, stop::StopSignal};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_log_is_verified_over_http_and_counted() {
    let community = found("Eastside").await;
    community.append(300).await;
    let stop = StopSignal::new();
    let url = community.serve(&stop).await;

    let run = folkmoot(&["verify", "--json", &url]).await;

    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let told = run.json();
    let id = community.id().to_string();
    assert_eq!((&told["verified"], &told["what"]), (&json!(true), &json!("log")));
    assert_eq!((&told["community"], &told["name"]), (&json!(id), &json!("Eastside")));
    assert_eq!((&told["records"], &told["erased"]), (&json!(301), &json!(0)));
    let kinds = json!({ "folkmoot.record.identity.v1": 1, UNKNOWN_KIND: 300 });
    assert_eq!((&told["kinds"], &told["unknown_kinds"]), (&kinds, &json!([UNKNOWN_KIND])));
    // Level 0: one full and one partial; level 1: one partial.
    assert_eq!(told["tiles"], json!(3));
    assert_eq!(told["checkpoint"]["size"], json!(301));
    assert_eq!(told["checkpoint"]["witnessed"], json!("signed_only"));
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_proof_and_an_identity_are_verified_where_they_are() {
    let community = found("Eastside").await;
    community.append(2).await;
    let stop = StopSignal::new();
    let url = community.serve(&stop).await;
    let proof = folkmoot(&["verify", &format!("{url}/proof/2"), "--json"]).await;
    assert_eq!((proof.exit, &proof.json()["index"]), (Exit::Ok, &json!(2)), "{proof:?}");
    let identity = folkmoot(&["verify", &format!("{url}/identity"), "--json"]).await;
    assert_eq!((identity.exit, &identity.json()["what"]), (Exit::Ok, &json!("identity")));
    let none = folkmoot(&["verify", &format!("{url}/proof/3")]).await;
    assert_eq!(none.exit, Exit::Failed, "{none:?}");
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_tried_again_later() {
    let community = found("Eastside").await;
    // Port 9 of this machine: nobody listens.
    let url = format!("http://127.0.0.1:9/log/{}", community.log());
    let run = folkmoot(&["verify", &url]).await;
    assert_eq!(run.exit, Exit::Unavailable);
    assert!(run.remarks.contains("try again later"), "{}", run.remarks);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_log_tells_a_person_what_it_proves_and_what_not() {
    let (_community, folder) = exported(3).await;
    let run = folkmoot(&["verify", &shown(folder.path())]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    assert!(run.answers.starts_with("Verified: the log is what its community signed."));
    assert!(run.answers.contains("Eastside (fm1"), "{}", run.answers);
    assert!(run.answers.contains("signed, not witnessed"));
    assert!(run.answers.contains("(unknown to this release)"));
    assert!(run.answers.trim_end().ends_with("compare this id with one that you trust."));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_in_any_page_is_refused() {
    let (_community, folder) = exported(3).await;
    let pages = files_below(folder.path());
    // Checkpoint, identity, one tile, one entry bundle, four payloads.
    assert_eq!(pages.len(), 8, "{pages:?}");
    for page in pages {
        let right = fs::read(&page).unwrap();
        for place in [0, right.len() / 3, right.len() / 2, right.len() - 1] {
            let mut wrong = right.clone();
            wrong[place] ^= 1;
            fs::write(&page, &wrong).unwrap();
            let run = folkmoot(&["verify", "--json", &shown(folder.path())]).await;
            assert_eq!(run.exit, Exit::Verification, "{} at {place}: {run:?}", page.display());
            assert_eq!(run.json()["verified"], json!(false));
        }
        fs::write(&page, right).unwrap();
    }
    assert_eq!(folkmoot(&["verify", &shown(folder.path())]).await.exit, Exit::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_record_and_what_was_expected() {
    let (_community, folder) = exported(3).await;
    flip(&folder.path().join("payload/2"));
    let payload = folkmoot(&["verify", "--json", &shown(folder.path())]).await.json();
    assert_eq!(payload["reason"], json!("record.payload_mismatch"));
    assert!(payload["detail"].as_str().unwrap().starts_with("Record 2 does not hold"));
    flip(&folder.path().join("payload/2"));

    flip(&folder.path().join("tile/0/000.p/4"));
    let tile = folkmoot(&["verify", "--json", &shown(folder.path())]).await.json();
    assert_eq!(tile["reason"], json!("log.tile"));
    let detail = tile["detail"].as_str().unwrap();
    assert!(
        detail.contains("at its place 3. Expected ") && detail.contains(", found "),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_page_is_not_passed_over() {
    let cases = [
        ("payload/1", Exit::Verification, "record.payload_missing"),
        ("tile/0/000.p/4", Exit::Verification, "page.missing"),
        ("tile/entries/000.p/4", Exit::Verification, "page.missing"),
        ("checkpoint", Exit::Failed, "page.missing"),
        ("identity", Exit::Failed, "page.missing"),
    ];
    let (_community, folder) = exported(3).await;
    for (page, exit, reason) in cases {
        let path = folder.path().join(page);
        let right = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let run = folkmoot(&["verify", "--json", &shown(folder.path())]).await;
        assert_eq!((run.exit, &run.json()["reason"]), (exit, &json!(reason)), "{page}");
        fs::write(&path, right).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_text_is_counted_and_everything_else_still_holds() {
    let community = found("Eastside").await;
    community.append_text(b"not even a text".to_vec()).await;
    let folder = tempfile::tempdir().unwrap();
    community.export(folder.path()).await;
    fs::remove_file(folder.path().join("payload/1")).unwrap();
    let run = folkmoot(&["verify", "--json", &shown(folder.path())]).await;
    assert_eq!((run.exit, &run.json()["erased"]), (Exit::Ok, &json!(1)), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_checkpoint_than_the_identity_shows_is_a_log_cut_short() {
    let community = found("Eastside").await;
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    community.export(old.path()).await;
    community.append(3).await;
    community.export(new.path()).await;
    // An identity with a checkpoint of four records, and a log of one.
    let bundle = fs::read(new.path().join("identity")).unwrap();
    let mut bundle = record::identity::IdentityBundle::decode(&bundle).unwrap();
    bundle.checkpoint = fs::read(new.path().join("checkpoint")).unwrap();
    bundle.records[0].proof =
        community.peer.store().inclusion_proof(community.log(), 0, 4).await.unwrap();
    fs::write(old.path().join("identity"), bundle.encode()).unwrap();
    let run = folkmoot(&["verify", "--json", &shown(old.path())]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Verification, &json!("log.cut_short")));
    fs::write(new.path().join("identity"), bundle.encode()).unwrap();
    assert_eq!(folkmoot(&["verify", &shown(new.path())]).await.exit, Exit::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_another_community_is_refused() {
    let (community, folder) = exported(1).await;
    let other = found("Westside").await;
    let (right, wrong) = (community.id().to_string(), other.id().to_string());
    let path = shown(folder.path());
    let run = folkmoot(&["verify", &path, "--community", &right]).await;
    assert!(run.answers.trim_end().ends_with("whom you named."), "{run:?}");
    let run = folkmoot(&["verify", &path, "--community", &wrong, "--json"]).await;
    assert_eq!(run.exit, Exit::Verification);
    assert_eq!(run.json()["reason"], json!("identity.other_community"));
}

async fn exported(n_records: usize) -> (common::Community, tempfile::TempDir) {
    let community = found("Eastside").await;
    community.append(n_records).await;
    let folder = tempfile::tempdir().unwrap();
    community.export(folder.path()).await;
    (community, folder)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}
