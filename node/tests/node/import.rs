//! Importing OCDS.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::world::{Community, Node, program};

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
    let refused = |name: &str, content: &str| {
        let file = node.community.folder.path().join(name);
        fs::write(&file, content).unwrap();
        node.refused(&["opportunity", "import", file.to_str().unwrap()])
    };
    assert_eq!(refused("notes.json", "not json").json["error"]["reason"], "import.not_json");
    let schema = refused("extension.json", "{\"name\": \"Lots\", \"description\": \"x\"}");
    assert_eq!(schema.json["error"]["reason"], "import.not_releases");
    assert!(schema.sentence.contains("Nothing was imported"), "{}", schema.sentence);
    let file = node.community.folder.path().join("large.json");
    sparse(&file, LIMIT_BYTES + 1);
    let refused = node.refused(&["opportunity", "import", file.to_str().unwrap()]);
    assert_eq!(refused.json["error"]["reason"], "import.file_too_large");
}

/// 64 MiB: the largest file that an import reads.
const LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// A file of so many bytes that takes no room on the disk.
fn sparse(path: &Path, n_bytes: u64) {
    fs::File::create(path).unwrap().set_len(n_bytes).unwrap();
}

#[test]
fn a_file_that_is_refused_stops_no_other_and_is_named_with_size_and_limit() {
    let node = Community::found().run();
    let folder = node.community.folder.path();
    for name in ["east", "west"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let files = ["east/a.json", "large.json", "full.json", "none.json", "west", "west/a.json"];
    let files = files.map(|it| folder.join(it).display().to_string());
    let [first, large, full, _, _, last] = &files;
    let one = |n: u8| release(&format!("ocds-213czf-{n}"), "1", "2027-01-01T00:00:00Z").to_string();
    fs::write(first, one(1)).unwrap();
    fs::write(last, one(2)).unwrap();
    sparse(Path::new(large), LIMIT_BYTES + 1);
    sparse(Path::new(full), LIMIT_BYTES);

    let mut args = vec!["opportunity", "import"];
    args.extend(files.iter().map(String::as_str));
    let told = node.refused(&args);
    assert_eq!(told.code, 1, "{}", told.sentence);
    let reports = told.json["files"].as_array().unwrap();
    let named: Vec<&str> = reports.iter().map(|it| it["file"].as_str().unwrap()).collect();
    assert_eq!(named, files, "as they were given, in that order");
    let reasons: Vec<&Value> = reports.iter().map(|it| &it["refused"]["reason"]).collect();
    let (unreadable, none) = (json!("import.unreadable"), Value::Null);
    assert_eq!(
        reasons,
        [
            &none,
            &json!("import.file_too_large"),
            &json!("import.not_json"),
            &unreadable,
            &unreadable,
            &none
        ],
        "at the limit it is read, and is no JSON"
    );
    let detail = format!("{large} has 67108865 bytes; an import reads at most 67108864");
    assert_eq!(reports[1]["refused"]["detail"], detail);
    assert_eq!((&reports[0]["accepted"], &reports[5]["accepted"]), (&json!(1), &json!(1)));
    let listed = node.ask(&["opportunity", "list"]);
    assert_eq!(listed["cases"].as_array().unwrap().len(), 2);
    for case in listed["cases"].as_array().unwrap() {
        assert_eq!(case["source"]["url"], "a.json", "no path of the machine is in the record");
    }

    let told = program(&node.community.dir, &args).output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    assert!(said.contains(&format!("Not imported: {detail}.")), "{said}");
    assert!(said.contains(&format!("{last}: 1 releases; 0 imported, 1 already here")), "{said}");
}
