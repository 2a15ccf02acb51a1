//! Founding with officers, new keys, new officers, recovery and the sheet: as a volunteer gives the commands.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;

use crate::world::*;

const FOUNDING: [&str; 5] =
    ["init", "--network", "test.folkmoot.example", "--name", "Harbour Baths Society"];

/// Gives a command that must do what it is asked.
fn done(dir: &Path, args: &[&str]) -> Value {
    let told = clerk(dir, args);
    assert_eq!(told.code, 0, "{args:?}: {}", told.sentence);
    told.json
}

/// Gives a command that must be refused; the stable reason.
fn reason(dir: &Path, args: &[&str]) -> String {
    let told = clerk(dir, args);
    assert_ne!(told.code, 0, "{args:?}: {}", told.json);
    told.json["error"]["reason"].as_str().unwrap().to_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Founds a community with these further options, in a folder of its own.
fn founded(options: &[&str]) -> (tempfile::TempDir, std::path::PathBuf, Value) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("harbour");
    let args: Vec<&str> = FOUNDING.iter().chain(options).copied().collect();
    let json = done(&dir, &args);
    (folder, dir, json)
}

#[test]
fn several_officers_get_files_of_their_own_and_the_node_keeps_none_of_their_keys() {
    let (_folder, dir, founded) = founded(&["--officers", "3"]);
    assert_eq!((&founded["officers"], &founded["threshold"]), (&3.into(), &2.into()));
    for number in 1..=3 {
        for name in ["officer", "spare"] {
            let file = dir.join(format!("officers/{name}-{number}.toml"));
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    let keys = fs::read_to_string(dir.join("keys.toml")).unwrap();
    assert!(!keys.contains("officer"), "the node needs no officer's key");
    assert!(!dir.join("spare.toml").exists());
}

#[test]
fn officers_bring_their_own_keys_and_a_threshold_that_cannot_be_met_founds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let line = |name: &str| {
        let out = folder.path().join(name);
        let made = done(folder.path(), &["officer", "new", "--out", path(&out)]);
        made["officer"].as_str().unwrap().to_owned()
    };
    let (mair, tom) = (line("mair"), line("tom"));
    let dir = folder.path().join("harbour");
    let with = |threshold| {
        let options = ["--officer", &mair, "--officer", &tom, "--threshold", threshold];
        clerk(&dir, &FOUNDING.iter().copied().chain(options).collect::<Vec<_>>())
    };
    for threshold in ["0", "3"] {
        let told = with(threshold);
        assert_eq!(told.code, 2);
        assert!(told.sentence.contains("Nothing was founded"), "{}", told.sentence);
        assert!(!dir.join("genesis").exists());
    }
    let told = with("2");
    assert_eq!(told.code, 0, "{}", told.sentence);
    assert_eq!(told.json["officers"], 2);
    assert!(!dir.join("officers").exists(), "nothing is handed out");
}

#[test]
fn a_key_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("mair");
    done(folder.path(), &["officer", "new", "--out", path(&out)]);
    assert_eq!(reason(folder.path(), &["officer", "new", "--out", path(&out)]), "folder.key_there");
}

#[test]
fn one_officer_whose_key_is_at_hand_rotates_with_one_command() {
    let (_folder, dir, _) = founded(&[]);
    let before = fs::read_to_string(dir.join("keys.toml")).unwrap();
    let told = done(&dir, &["keys", "rotate", "log", "transport"]);
    assert_eq!((&told["applied"], &told["epochs"]), (&true.into(), &2.into()));
    let after = fs::read_to_string(dir.join("keys.toml")).unwrap();
    let line = |text: &str, name: &str| {
        text.lines().find(|it| it.starts_with(name)).map(str::to_owned).unwrap()
    };
    for (name, is_new) in
        [("log", true), ("transport", true), ("mirror", false), ("officer", false)]
    {
        assert_eq!(line(&before, name) != line(&after, name), is_new, "{name}");
    }
    assert!(!dir.join("keys.next.toml").exists() && !dir.join("action.toml").exists());
    assert_eq!(reason(&dir, &["keys", "apply"]), "keys.nothing_pending");
}

#[test]
fn a_node_runs_on_with_new_keys_and_its_log_verifies_across_them() {
    let community = Community::found();
    done(&community.dir, &["keys", "rotate"]);
    let node = community.run();
    node.enrol(3);
    let shown = node.ask(&["log", "show"]);
    let kinds: Vec<&str> = shown["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..2], ["folkmoot.record.identity.v1"; 2]);
    assert!(2 < kinds.len());
    let refused = node.refused(&["keys", "rotate"]);
    assert_eq!(refused.json["error"]["reason"], "folder.in_use");
}

#[test]
fn a_backup_put_in_place_signs_no_new_keys_and_no_officers_before_its_node_has_run() {
    let (folder, dir, _) = founded(&[]);
    done(&dir, &["keys", "rotate", "mirror"]);
    let backup = folder.path().join("backup");
    done(&dir, &["backup", "--out", path(&backup)]);
    assert!(dir.join("settled").exists() && !backup.join("settled").exists());
    let made = done(folder.path(), &["officer", "new", "--out", path(&folder.path().join("mair"))]);
    let officer = made["officer"].as_str().unwrap();
    for asked in [&["keys", "rotate"][..], &["officers", "change", "--officer", officer]] {
        let refused = clerk(&backup, asked);
        assert_eq!(refused.json["error"]["reason"], "keys.not_settled", "{}", refused.sentence);
        assert!(refused.sentence.contains("Run the node on it"), "{}", refused.sentence);
    }
    assert!(!backup.join("keys.next.toml").exists() && !backup.join("action.toml").exists());
    assert_eq!(done(&dir, &["keys", "rotate", "mirror"])["epochs"], 3);
}

#[test]
fn two_of_three_officers_sign_copies_apart_and_one_alone_changes_nothing() {
    let (folder, dir, _) = founded(&["--officers", "3"]);
    let officer = |number: usize| dir.join(format!("officers/officer-{number}.toml"));
    let told = done(&dir, &["keys", "rotate"]);
    assert_eq!((&told["applied"], &told["missing"]), (&false.into(), &2.into()));
    assert_eq!(reason(&dir, &["keys", "rotate"]), "keys.pending");
    let action = dir.join("action.toml");
    let copy = folder.path().join("copy.toml");

    let sign = |key: &Path, out: &Path| {
        clerk(
            &dir,
            &["officer", "sign", path(&action), "--key", path(key), "--out", path(out), "--yes"],
        )
    };
    let first = sign(&officer(1), &copy);
    assert_eq!(first.json["missing"], 1, "{}", first.sentence);
    assert_eq!(reason(&dir, &["keys", "apply", path(&copy)]), "identity.too_few_signatures");
    let key = officer(1);
    let again = ["officer", "sign", path(&copy), "--key", path(&key), "--yes"];
    assert_eq!(done(&dir, &again)["missing"], 1, "a repeat changes nothing");
    let spare = dir.join("officers/spare-2.toml");
    assert_eq!(sign(&spare, &copy).json["error"]["reason"], "officer.other_key");

    let second = sign(&officer(3), &action);
    assert_eq!(second.json["missing"], 1);
    let told = done(&dir, &["keys", "apply", path(&copy)]);
    assert_eq!((&told["applied"], &told["epochs"]), (&true.into(), &2.into()));
}

#[test]
fn an_officer_reads_in_words_what_is_signed_and_without_a_yes_nothing_is() {
    let (_folder, dir, founded) = founded(&["--officers", "2"]);
    done(&dir, &["keys", "rotate"]);
    let action = dir.join("action.toml");
    let before = fs::read_to_string(&action).unwrap();
    let key = dir.join("officers/officer-1.toml");
    let mut command = program(&dir, &["officer", "sign", path(&action), "--key", path(&key)]);
    let told = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(told.status.code(), Some(1));
    let words = String::from_utf8(told.stderr).unwrap();
    assert!(words.contains("NEW KEYS"), "{words}");
    assert!(words.contains(founded["community"].as_str().unwrap()), "{words}");
    assert_eq!(fs::read_to_string(&action).unwrap(), before);
}

#[test]
fn officers_are_changed_by_spare_keys_and_the_old_officers_key_signs_nothing_any_more() {
    let (folder, dir, _) = founded(&[]);
    let out = folder.path().join("mair");
    let made = done(folder.path(), &["officer", "new", "--out", path(&out)]);
    let line = made["officer"].as_str().unwrap();
    let told = done(&dir, &["officers", "change", "--officer", line]);
    assert_eq!(told["applied"], false, "the officer's key in the folder changes no officers");
    let (action, spare) = (dir.join("action.toml"), dir.join("spare.toml"));
    let keys = dir.join("keys.toml");
    let sign = ["officer", "sign", path(&action), "--yes", "--key"];
    let with = |key: &Path| clerk(&dir, &[&sign[..], &[path(key)]].concat());
    assert_eq!(with(&keys).json["error"]["reason"], "officer.other_key");
    assert_eq!(with(&out.join("spare.toml")).json["error"]["reason"], "officer.not_theirs");
    assert_eq!(with(&spare).json["missing"], 0);
    assert_eq!(done(&dir, &["keys", "apply"])["applied"], true);

    // The key that a thief found in the folder.
    assert_eq!(done(&dir, &["keys", "rotate"])["applied"], false);
    assert_eq!(with(&keys).json["error"]["reason"], "officer.not_theirs");
    let told = done(&dir, &["keys", "rotate", "--anew", "--key", path(&out.join("officer.toml"))]);
    assert_eq!(told["applied"], true);
}

#[test]
fn a_lost_node_is_recovered_from_a_copy_of_its_log_with_the_key_typed_from_paper() {
    let community = Community::found();
    let (dir, charter, id) =
        (community.dir.clone(), community.charter.clone(), community.id.clone());
    let node = community.run();
    node.enrol(3);
    let size = node.ask(&["log", "show"])["size"].as_u64().unwrap();
    let Node { community, .. } = &node;
    let new = community.folder.path().join("recovered");
    let (charter, old) = (path(&charter).to_owned(), path(&dir).to_owned());
    let recover = ["recover", "--charter", &charter, "--community", &id, "--from", &old];
    let told = done(&new, &recover);
    assert_eq!((&told["recovered"], &told["missing"]), (&false.into(), &1.into()));
    assert_eq!(told["holders"][0]["size"], size);

    let keys = dir.join("keys.toml");
    let (_, seed) = peer::folder::read_officer_key(&keys).unwrap();
    let paper = record::identity::render_paper(record::identity::PaperRole::Officer, &seed);
    let mut command = program(&new, &[&recover[..], &["--paper", "--json"]].concat());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{paper}\n").as_bytes())
        .unwrap();
    let told: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(
        (&told["recovered"], &told["era"], &told["kept"]),
        (&true.into(), &1.into(), &size.into())
    );
    assert_eq!(reason(&new, &recover), "folder.occupied");

    let again =
        Community { folder: tempfile::tempdir().unwrap(), dir: new, charter: charter.into(), id };
    let node = again.run();
    let shown = node.ask(&["log", "show"]);
    assert_eq!(shown["records"][0]["kind"], "folkmoot.record.recovery.v1");
    node.ask(&["status"]);
}

#[test]
fn how_much_is_kept_is_asked_where_places_hold_different_numbers_or_do_not_answer() {
    let node = Community::found().run();
    node.enrol(1);
    let less = node.ask(&["log", "show"])["size"].as_u64().unwrap();
    let Community { folder, dir: old, charter, id } = &node.community;
    let lag = folder.path().join("lag");
    node.ask(&["backup", "--out", path(&lag)]);
    node.enrol(2);
    let size = node.ask(&["log", "show"])["size"].as_u64().unwrap();
    assert!(less < size);
    let (new, key) = (folder.path().join("recovered"), old.join("keys.toml"));
    let begin = ["recover", "--charter", path(charter), "--community", id, "--from", path(old)];
    let begin = [&begin[..], &["--key", path(&key)]].concat();
    for other in [path(&lag), "127.0.0.1:1"] {
        let undecided = clerk(&new, &[&begin[..], &["--from", other]].concat());
        assert_eq!(undecided.code, 1);
        assert_eq!(undecided.json["error"]["reason"], "recover.undecided", "{other}");
        let sentence = &undecided.sentence;
        assert!(sentence.contains(&format!("holds {size} records")), "{sentence}");
        assert!(sentence.contains(&format!("--keep {size} keeps all")), "{sentence}");
        assert!(sentence.contains("Nothing was changed."), "{sentence}");
        assert!(!new.join("log.sqlite").exists() && !new.join("action.toml").exists());
    }
    let decided = [&begin[..], &["--from", path(&lag), "--holders", "2"]].concat();
    let told = done(&new, &decided);
    assert_eq!((&told["recovered"], &told["kept"]), (&true.into(), &less.into()));
}

#[test]
fn the_sheet_is_for_its_owner_alone_and_holds_keys_only_if_they_are_given() {
    let (folder, dir, _) = founded(&["--officers", "2"]);
    let out = folder.path().join("sheet.svg");
    assert_eq!(done(&dir, &["sheet", "--out", path(&out)])["secret_keys"], 0);
    assert!(!fs::read_to_string(&out).unwrap().contains("SECRET"));
    let (key, spare) = (dir.join("officers/officer-1.toml"), dir.join("officers/spare-1.toml"));
    let before = fs::read(&out).unwrap();
    assert_eq!(reason(&dir, &["sheet", "--out", path(&out)]), "sheet.exists");
    assert_eq!(fs::read(&out).unwrap(), before, "a sheet that is there is left alone");
    let other = folder.path().join("other");
    let founding = [&FOUNDING[..], &["--sheet", path(&out)]].concat();
    assert_eq!(reason(&other, &founding), "sheet.exists");
    assert!(!other.exists(), "nothing was founded");
    let out = folder.path().join("officer-1.svg");
    let told =
        done(&dir, &["sheet", "--out", path(&out), "--key", path(&key), "--key", path(&spare)]);
    assert_eq!(told["secret_keys"], 2);
    assert!(fs::read_to_string(&out).unwrap().contains("SECRET"));
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_one_officers_key_can_be_printed_from_the_nodes_folder_and_init_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, out) = (folder.path().join("harbour"), folder.path().join("sheet.svg"));
    let said = program(&dir, &FOUNDING).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let keys = dir.join("keys.toml");
    assert!(said.contains(&format!("--key {} --out", keys.display())), "{said}");
    assert_eq!(done(&dir, &["sheet", "--out", path(&out), "--key", path(&keys)])["secret_keys"], 1);
    assert!(fs::read_to_string(&out).unwrap().contains("SECRET"));
}
