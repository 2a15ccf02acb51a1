//! Importing OCDS.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Community, Node};

fn release(ocid: &str, id: &str, date: &str) -> Value {
    json!({
        "ocid": ocid, "id": id, "date": date, "tag": ["tender"], "language": "en",
        "initiationType": "tender",
        "buyer": { "name": "Invented Borough Council" },
        "tender": {
            "id": "T-1", "title": "Invented footbridge", "status": "active",
            "tenderPeriod": { "endDate": "2099-03-01T12:00:00Z" },
            "value": { "amount": 1500.5, "currency": "GBP" },
        },
    })
}

fn import(node: &Node, name: &str, releases: &[Value]) -> Value {
    let file = node.community.folder.path().join(name);
    fs::write(&file, json!({ "releases": releases }).to_string()).unwrap();
    node.ask(&["opportunity", "import", file.to_str().unwrap()])["files"][0].clone()
}

#[test]
fn a_bad_release_is_reported_and_stops_no_other() {
    let node = Community::found().run();
    let releases = [
        release("ocds-213czf-1", "1", "2027-01-01T00:00:00Z"),
        json!({ "id": "2", "date": "2027-01-01T00:00:00Z" }),
        release("ocds-213czf-3", "3", "2027-01-01T00:00:00Z"),
        release("ocds-213czf-1", "4", "2027-01-02T00:00:00Z"),
    ];
    let report = import(&node, "march.json", &releases);
    assert_eq!((&report["releases"], &report["accepted"]), (&4.into(), &3.into()), "{report}");
    assert_eq!(report["quarantined"].as_array().unwrap().len(), 1);
    assert!(report["quarantined"][0]["reason"].is_string());
    let listed = node.ask(&["opportunity", "list"]);
    assert_eq!(listed["cases"].as_array().unwrap().len(), 2);
    assert_eq!(listed["cases"][0]["n_releases"], 2, "the later release is of the same process");
    assert_eq!(listed["cases"][0]["words"][0]["title"], "Invented footbridge");
}

#[test]
fn the_same_file_again_brings_nothing_new() {
    let node = Community::found().run();
    let releases = [release("ocds-213czf-1", "1", "2027-01-01T00:00:00Z")];
    assert_eq!(import(&node, "a.json", &releases)["accepted"], 1);
    let size = node.ask(&["status"])["log"]["size"].clone();
    let again = import(&node, "b.json", &releases);
    assert_eq!((&again["accepted"], &again["already_held"]), (&0.into(), &1.into()));
    assert_eq!(node.ask(&["status"])["log"]["size"], size);
}

#[test]
fn a_file_that_is_not_ocds_or_too_large_is_refused_with_a_sentence() {
    let node = Community::found().run();
    let file = node.community.folder.path().join("notes.json");
    fs::write(&file, "not json").unwrap();
    let refused = node.refused(&["opportunity", "import", file.to_str().unwrap()]);
    assert_eq!(refused.json["error"]["reason"], "import.not_json");
    let file = node.community.folder.path().join("large.json");
    fs::File::create(&file).unwrap().set_len(64 * 1024 * 1024 + 1).unwrap();
    let refused = node.refused(&["opportunity", "import", file.to_str().unwrap()]);
    assert_eq!(refused.json["error"]["reason"], "import.file_too_large");
}
