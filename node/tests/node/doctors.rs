//! What `doctor` says of nodes that run, that are stopped, and that could not run.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::world::{Community, Told, clerk};

const NAMES: [&str; 11] = [
    "node",
    "forked",
    "settled",
    "clock",
    "coordinators",
    "cosignatures",
    "folder",
    "files",
    "configuration",
    "disk",
    "backup",
];

/// The verdict of a check.
fn verdict<'a>(told: &'a Told, name: &str) -> &'a str {
    check(told, name)["verdict"].as_str().unwrap()
}

fn sentence<'a>(told: &'a Told, name: &str) -> &'a str {
    check(told, name)["sentence"].as_str().unwrap()
}

fn check<'a>(told: &'a Told, name: &str) -> &'a Value {
    let checks = told.json["checks"].as_array().unwrap();
    checks.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {}", told.json))
}

fn assert_complete(told: &Told) {
    let checks = told.json["checks"].as_array().unwrap();
    assert_eq!(checks.len(), NAMES.len(), "{}", told.json);
    for name in NAMES {
        assert!(["ok", "warn", "bad"].contains(&verdict(told, name)), "{name}");
    }
}

#[test]
fn a_node_is_looked_at_while_it_runs_and_nothing_of_it_is_bad() {
    let node = Community::found().run();
    node.enrol(3);
    let (dir, charter) = (&node.community.dir, node.community.charter.to_str().unwrap());
    let told = clerk(dir, &["doctor", "--charter", charter]);
    assert_complete(&told);
    assert_eq!(told.code, 0, "{}", told.json);
    for name in ["node", "forked", "settled", "coordinators", "folder", "files", "configuration"] {
        assert_eq!(verdict(&told, name), "ok", "{}", sentence(&told, name));
    }
    assert_eq!(verdict(&told, "clock"), "warn", "it has met nobody");
    assert_eq!(verdict(&told, "backup"), "warn");
    let out = node.community.folder.path().join("backup");
    node.ask(&["backup", "--out", out.to_str().unwrap()]);
    let told = clerk(dir, &["doctor"]);
    assert_eq!((verdict(&told, "backup"), verdict(&told, "configuration")), ("ok", "warn"));
    assert!(!told.json.to_string().contains("Invented"));
}

#[test]
fn of_a_stopped_node_the_folder_is_read_and_not_changed() {
    let community = Community::found().run().stopped();
    let node = community.run();
    node.enrol(3);
    let running = clerk(&node.community.dir, &["doctor"]);
    assert_eq!(verdict(&running, "settled"), "warn", "it is alone after a start");
    assert!(sentence(&running, "settled").contains("1 records wait"), "{}", running.json);
    let community = node.stopped();
    let file = community.dir.join("log.sqlite");
    let before = fs::read(&file).unwrap();
    let told = clerk(&community.dir, &["doctor"]);
    assert_complete(&told);
    assert_eq!(told.code, 0, "{}", told.json);
    for name in ["node", "clock", "coordinators"] {
        assert_eq!(verdict(&told, name), "warn");
    }
    assert_eq!(verdict(&told, "forked"), "ok");
    assert!(sentence(&told, "settled").starts_with("1 records wait"), "{}", told.json);
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(!community.dir.join("log.sqlite-wal").exists());
}

#[test]
fn what_keeps_a_node_from_running_is_bad_and_ends_the_program_with_1() {
    let community = Community::found().run().stopped();
    let dir = &community.dir;
    let broken = community.folder.path().join("broken.toml");
    fs::write(&broken, "network = 3").unwrap();
    let told = clerk(dir, &["doctor", "--charter", broken.to_str().unwrap()]);
    assert_eq!((told.code, verdict(&told, "configuration")), (1, "bad"));

    let keys = dir.join("keys.toml");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    let told = clerk(dir, &["doctor"]);
    assert_eq!((told.code, verdict(&told, "folder")), (1, "bad"));
    assert!(sentence(&told, "folder").contains("chmod 600"), "{}", told.json);
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();

    fs::remove_file(dir.join("log.sqlite")).unwrap();
    let told = clerk(dir, &["doctor"]);
    assert_complete(&told);
    assert_eq!((told.code, verdict(&told, "files")), (1, "bad"));
    assert!(sentence(&told, "files").contains("folkmoot-node restore"), "{}", told.json);

    let empty = clerk(&community.folder.path().join("empty"), &["doctor"]);
    assert_eq!((empty.code, &empty.json["error"]["reason"]), (5, &"folder.empty".into()));
}
