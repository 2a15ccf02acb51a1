//! What an import would take, told file by file.
#![allow(clippy::unwrap_used, reason = "a test file: a panic is the failure report")]

mod common;

use std::fs::File;

use common::{folkmoot, write};
use record::limits::MAX_IMPORT_FILE_BYTES;
use runtime::exit::Exit;
use serde_json::{Value, json};

const RIGHT: &str = r#"{"releases": [{"ocid": "ocds-213czf-1", "date": "2026-01-02T00:00:00Z"}]}"#;
const HALF: &str = r#"{"releases": [
    {"ocid": "ocds-213czf-1", "date": "2026-01-02T00:00:00Z"},
    {"ocid": "ocds-213czf-2"}
]}"#;

#[tokio::test]
async fn a_folder_that_would_be_taken_whole_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.json", RIGHT.as_bytes());
    write(folder.path(), "below/b.JSON", RIGHT.as_bytes());
    write(folder.path(), "notes.txt", b"not looked at");
    let run = check(&folder, &["--json"]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let totals = run.json()["totals"].clone();
    assert_eq!((&totals["files"], &totals["accepted"]), (&json!(2), &json!(2)));
    assert_eq!((&totals["quarantined"], &totals["reasons"]), (&json!(0), &json!({})));
}

#[tokio::test]
async fn one_release_left_out_is_named_with_its_reason_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "half.json", HALF.as_bytes());
    let run = check(&folder, &["--json"]).await;
    assert_eq!(run.exit, Exit::Failed);
    let file = run.json()["files"][0].clone();
    assert_eq!((&file["releases"], &file["accepted"]), (&json!(2), &json!(1)));
    assert_eq!(
        (&file["refused"], file["quarantined"].as_array().map(Vec::len)),
        (&Value::Null, Some(1))
    );
    let left_out = &file["quarantined"][0];
    assert_eq!(left_out["release"], json!("ocds-213czf-2"));
    assert!(left_out["reason"].is_string() && left_out["detail"].is_string());

    let table = check(&folder, &[]).await.answers;
    assert!(table.contains("left out") && table.contains("half.json"), "{table}");
    assert!(table.contains("Reasons:") && table.contains(left_out["reason"].as_str().unwrap()));
}

#[tokio::test]
async fn a_file_that_is_no_ocds_and_one_that_is_missing_do_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.json", b"{");
    write(folder.path(), "b.json", RIGHT.as_bytes());
    write(folder.path(), "c.json", b"");
    let missing = folder.path().join("none.json").display().to_string();
    let run = check(&folder, &[&missing, "--json"]).await;
    assert_eq!(run.exit, Exit::Failed);
    let told = run.json();
    let reasons: Vec<_> = told["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["refused"]["reason"].clone())
        .collect();
    let not_json = json!("import.not_json");
    assert_eq!(reasons, [not_json.clone(), Value::Null, not_json, json!("import.unreadable")]);
    assert_eq!(
        (&told["totals"]["files_refused"], &told["totals"]["accepted"]),
        (&json!(3), &json!(1))
    );
}

#[tokio::test]
async fn a_file_above_the_limit_is_refused_before_it_is_read_with_its_size_and_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.json");
    // A file with a hole: it takes no room on the disk.
    let file = File::create(&path).unwrap();
    file.set_len(MAX_IMPORT_FILE_BYTES + 1).unwrap();
    write(folder.path(), "right.json", RIGHT.as_bytes());
    let run = check(&folder, &["--json"]).await;
    let refused = run.json()["files"][0]["refused"].clone();
    assert_eq!((run.exit, &refused["reason"]), (Exit::Failed, &json!("import.file_too_large")));
    let told = format!("{} has 67108865 bytes; an import reads at most 67108864", path.display());
    assert_eq!(refused["detail"], told);
    assert_eq!(run.json()["totals"]["accepted"], 1, "the other file is looked at");
    file.set_len(MAX_IMPORT_FILE_BYTES).unwrap();
    let run = check(&folder, &["--json"]).await;
    assert_eq!(run.json()["files"][0]["refused"]["reason"], "import.not_json");
}

#[tokio::test]
async fn a_schema_is_told_apart_from_a_release_without_its_ocid() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "a.json",
        br#"{"$schema": "x", "id": "y", "title": "z", "type": "object"}"#,
    );
    write(
        folder.path(),
        "b.json",
        br#"{"id": "1", "date": "2026-01-02T00:00:00Z", "tag": ["tender"]}"#,
    );
    let run = check(&folder, &["--json"]).await;
    assert_eq!(run.exit, Exit::Failed);
    let told = run.json();
    assert_eq!(told["files"][0]["refused"]["reason"], "import.not_releases");
    assert_eq!(told["files"][1]["quarantined"][0]["reason"], "ocid.missing");
    let reasons = json!({"import.not_releases": 1, "ocid.missing": 1});
    assert_eq!((&told["totals"]["releases"], &told["totals"]["reasons"]), (&json!(1), &reasons));
}

#[tokio::test]
async fn two_files_of_one_name_are_told_apart_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["east/notices.json", "west/notices.json"] {
        write(folder.path(), name, HALF.as_bytes());
    }
    let told = check(&folder, &["--json"]).await.json();
    for (number, part) in ["east", "west"].into_iter().enumerate() {
        let path = folder.path().join(part).join("notices.json");
        assert_eq!(told["files"][number]["file"], path.display().to_string());
    }
}

#[tokio::test]
async fn a_folder_without_json_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let run = check(&folder, &[]).await;
    assert_eq!((run.exit, run.answers.as_str()), (Exit::Failed, ""));
    assert!(run.remarks.contains("Nothing was checked"));
}

async fn check(folder: &tempfile::TempDir, more: &[&str]) -> common::Run {
    let path = folder.path().display().to_string();
    folkmoot(&[&["ocds", "check", &path], more].concat()).await
}
