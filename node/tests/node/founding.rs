//! Founding, configuration, and what is refused before a node runs.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::world::{Community, clerk, program};

#[test]
fn a_community_is_founded_once_and_told_where_its_spare_key_is() {
    let community = Community::found();
    let again = clerk(&community.dir, &["init", "--network", "a.example", "--name", "Another"]);
    assert_eq!(again.code, 1);
    assert_eq!(again.json["error"]["reason"], "folder.occupied");
    assert!(again.sentence.contains("Nothing was changed"), "{}", again.sentence);

    let dir = community.folder.path().join("second");
    let args = ["init", "--network", "test.folkmoot.example", "--name", "Second"];
    let told = program(&dir, &args).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("spare.toml") && told.contains("Move it off this machine"), "{told}");
}

#[test]
fn a_wrong_network_founds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("node");
    let told = clerk(&dir, &["init", "--network", "Not A Name", "--name", "X"]);
    assert_eq!(told.code, 2);
    assert!(!dir.exists());
}

#[test]
fn a_wrong_key_in_the_configuration_names_the_right_one() {
    let community = Community::found();
    let config = community.folder.path().join("node.toml");
    let charter = community.charter.to_str().unwrap();
    fs::write(&config, "lisen = \"127.0.0.1:0\"\n").unwrap();
    let args = ["check-config", "--charter", charter, "--config", config.to_str().unwrap()];
    let told = clerk(&community.dir, &args);
    assert_eq!(told.code, 5);
    assert!(told.sentence.contains("Did you mean `listen`?"), "{}", told.sentence);

    fs::write(&config, "listen = \"127.0.0.1:0\"\n").unwrap();
    let told = clerk(&community.dir, &args);
    assert_eq!((told.code, &told.json["config"]["listen"]), (0, &"127.0.0.1:0".into()));
}

#[test]
fn an_address_that_cannot_be_listened_on_is_refused_before_anything_starts() {
    let community = Community::found();
    let file = community.folder.path().join("node.toml");
    let (charter, file_shown) = (community.charter.to_str().unwrap(), file.to_str().unwrap());
    let options = ["--charter", charter, "--config", file_shown];
    for (setting, key, expected) in [
        ("listen = \"nonsense\"", "`listen`", "expected host:port"),
        ("listen = \"0.0.0.0\"", "`listen`", "expected host:port"),
        ("plain = \"0.0.0.0:8080\"", "`plain`", "expected an address of this machine only"),
    ] {
        fs::write(&file, format!("# A node.\n{setting}\n")).unwrap();
        for command in ["check-config", "run"] {
            let told = clerk(&community.dir, &[&[command], &options[..]].concat());
            assert_eq!((told.code, &told.json["error"]["reason"]), (5, &"config.wrong".into()));
            let place = format!("{key} is wrong in {file_shown}, line 2: ");
            assert!(told.sentence.starts_with(&place), "{}", told.sentence);
            assert!(told.sentence.contains(expected), "{}", told.sentence);
        }
    }
    let told = clerk(&community.dir, &["check-config", "--charter", charter, "--listen", "7443"]);
    assert_eq!(told.code, 5);
    assert!(told.sentence.contains("wrong in the option --listen"), "{}", told.sentence);

    fs::write(&file, "listen = \"[::]:0\"\nplain = \"127.0.0.1:0\"\n").unwrap();
    let told = clerk(&community.dir, &[&["check-config"], &options[..]].concat());
    assert_eq!((told.code, &told.json["config"]["plain"]), (0, &"127.0.0.1:0".into()));
}

#[test]
fn what_run_would_refuse_is_refused_before() {
    let community = Community::found();
    let charter = fs::read_to_string(&community.charter).unwrap();
    let other = community.folder.path().join("other.toml");
    fs::write(&other, charter.replacen("network = \"", "network = \"other.", 1)).unwrap();
    let of_another = ["--charter", other.to_str().unwrap()];
    let filtered = ["--charter", community.charter.to_str().unwrap(), "--log", "nonsense=="];
    for (options, said) in [(&of_another[..], "the network"), (&filtered[..], "log filter")] {
        for command in ["check-config", "run"] {
            let told = clerk(&community.dir, &[&[command], options].concat());
            assert_eq!(told.code, 5, "{command} {options:?}");
            assert!(told.sentence.contains(said), "{}", told.sentence);
        }
    }
}

#[test]
fn a_data_folder_that_others_can_read_is_not_used() {
    let community = Community::found();
    fs::set_permissions(&community.dir, fs::Permissions::from_mode(0o750)).unwrap();
    let told = community.command(&[]).output().unwrap();
    assert_eq!(told.status.code(), Some(5));
    let sentence = String::from_utf8(told.stderr).unwrap();
    assert!(sentence.contains("chmod"), "{sentence}");
}

#[test]
fn a_command_without_a_running_node_says_how_to_start_it() {
    let community = Community::found();
    let told = clerk(&community.dir, &["status"]);
    assert_eq!(told.code, 4);
    assert_eq!(told.json["error"]["reason"], "node.not_running");
    assert!(told.sentence.contains("folkmoot-node run"), "{}", told.sentence);
}

#[test]
fn a_folder_without_a_community_is_told_from_one_whose_node_rests() {
    let folder = tempfile::tempdir().unwrap();
    let told = clerk(folder.path(), &["status"]);
    assert_eq!((told.code, &told.json["error"]["reason"]), (5, &"folder.empty".into()));
}

#[test]
fn a_shell_learns_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let told = program(folder.path(), &["completion", "bash"]).output().unwrap();
    assert!(told.status.success());
    let script = String::from_utf8(told.stdout).unwrap();
    assert!(script.contains("check-config") && script.contains("complete -F"), "{script}");
}
