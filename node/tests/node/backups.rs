//! Backups of a node that runs, and what comes of putting one back.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use crate::world::{Community, Node, clerk};

/// The options of a backup to this place.
fn backup(out: &Path) -> [&str; 3] {
    ["backup", "--out", out.to_str().unwrap()]
}

/// Members, an open poll with a ballot in it, and a pool.
fn busy() -> (Node, String) {
    let node = Community::found().run();
    node.enrol(12);
    let question = ["poll", "open", "--question", "Open on Sundays?", "--closes", "1d"];
    let poll = node.written(&question);
    node.ask(&["poll", "cast", "--poll", &poll, "--member", "m-000001", "--choice", "Yes"]);
    (node, poll)
}

#[test]
fn a_backup_under_load_put_in_the_place_of_the_folder_has_people_ballots_and_log_and_no_fork() {
    let (node, poll) = busy();
    let dir = node.community.dir.clone();
    let load = std::thread::spawn({
        let dir = dir.clone();
        move || {
            let mut n_done = 0;
            while clerk(&dir, &["member", "add", &format!("Load {n_done}")]).code == 0 {
                clerk(&dir, &["roll", "publish"]);
                n_done += 1;
            }
            n_done
        }
    });
    node.wait_for(&["status"], |it| 12 < it["members"].as_u64().unwrap());
    let out = node.community.folder.path().join("backup");
    let before = node.ask(&["status"]);
    let made = node.ask(&backup(&out));
    assert_eq!((&made["running"], &made["open_secret_polls"]), (&true.into(), &1.into()));
    assert!(before["log"]["size"].as_u64() <= made["records"].as_u64(), "{made}");
    let status = node.ask(&["status"]);
    assert_eq!(status["last_backup"]["records"], made["records"]);
    assert_eq!(status["last_backup"]["made_at"], made["made_at"]);
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);

    let mut node = node;
    node.child.kill().unwrap();
    node.child.wait().unwrap();
    assert!(0 < load.join().unwrap());
    fs::remove_dir_all(&dir).unwrap();
    fs::rename(&out, &dir).unwrap();
    let restored = node.ended().run();
    let status = restored.ask(&["status"]);
    assert_eq!(status["log"]["size"], made["records"]);
    assert!(status["forked"].is_null());
    assert!(before["members"].as_u64() <= status["members"].as_u64(), "{status}");
    let again = ["poll", "cast", "--poll", &poll, "--member", "m-000001", "--choice", "No"];
    assert_eq!(restored.refused(&again).json["error"]["reason"], "ballot.already_voted");
    restored.ask(&["poll", "cast", "--poll", &poll, "--member", "m-000002", "--choice", "No"]);
    restored.enrol(1);
    assert!(made["records"].as_u64() < restored.ask(&["status"])["log"]["size"].as_u64());
}

#[test]
fn a_backup_of_a_stopped_node_is_the_same_and_overwrites_nothing() {
    let (node, _) = busy();
    let dir = node.community.dir.clone();
    let (charter, folder) =
        (node.community.charter.clone(), node.community.folder.path().to_owned());
    let size = node.ask(&["status"])["log"]["size"].clone();
    let mut node = node;
    node.child.kill().unwrap();
    node.child.wait().unwrap();
    let out = folder.join("backup");
    let with_charter = [&backup(&out)[..], &["--charter", charter.to_str().unwrap()]].concat();
    let made = clerk(&dir, &with_charter);
    assert_eq!((made.code, &made.json["running"]), (0, &false.into()), "{}", made.sentence);
    assert_eq!(made.json["records"], size);
    let copied = fs::read(out.join("outside/charter.toml")).unwrap();
    assert_eq!(copied, fs::read(&charter).unwrap());
    let again = clerk(&dir, &backup(&out));
    assert_eq!((again.code, &again.json["error"]["reason"]), (1, &"backup.there".into()));
    let nowhere = folder.join("not mounted/backup");
    assert_eq!(clerk(&dir, &backup(&nowhere)).json["error"]["reason"], "backup.no_place");
    let nothing = clerk(&folder.join("empty"), &backup(&folder.join("other")));
    assert_eq!((nothing.code, &nothing.json["error"]["reason"]), (5, &"folder.empty".into()));
}

#[test]
fn no_name_and_no_key_is_in_what_a_backup_says() {
    let (node, _) = busy();
    let out = node.community.folder.path().join("backup");
    let told = clerk(&node.community.dir, &backup(&out));
    let keys = fs::read_to_string(node.community.dir.join("keys.toml")).unwrap();
    let said = format!("{}{}", told.json, told.sentence);
    assert!(!said.contains("Invented"), "{said}");
    for line in keys.lines().filter_map(|it| it.split('"').nth(1)) {
        assert!(!said.contains(line));
    }
}
