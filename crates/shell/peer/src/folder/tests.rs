//! Folders as they are made, changed and misused.

use super::*;

#[test]
fn a_folder_gives_back_the_community_that_was_founded_in_it() {
    let (_parent, folder) = empty_folder();
    let id = folder.found(&network(), &name()).unwrap();
    assert_eq!(folder.community().unwrap(), id);
    assert!(folder.keys().is_ok());
}

#[test]
fn nothing_is_founded_twice() {
    let (_parent, folder) = empty_folder();
    let id = folder.found(&network(), &name()).unwrap();
    assert!(matches!(folder.found(&network(), &name()), Err(FolderError::Occupied { .. })));
    assert_eq!(folder.community().unwrap(), id);
}

#[test]
fn refuses_the_keys_of_another_community_and_a_file_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_parent, folder) = empty_folder();
    let (_other_parent, other) = empty_folder();
    folder.found(&network(), &name()).unwrap();
    other.found(&network(), &name()).unwrap();

    fs::set_permissions(folder.keys_file(), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(folder.keys(), Err(FolderError::File(_))));

    fs::copy(other.keys_file(), folder.keys_file()).unwrap();
    fs::set_permissions(folder.keys_file(), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(folder.keys(), Err(FolderError::OtherKeys { .. })));
}

#[test]
fn an_empty_folder_says_so_and_a_damaged_one_names_the_file() {
    let (_parent, folder) = empty_folder();
    assert!(matches!(folder.keys(), Err(FolderError::File(_))));
    assert!(matches!(folder.community(), Err(FolderError::Empty { .. })));
    folder.found(&network(), &name()).unwrap();
    files::write_private_file(&folder.keys_file(), b"log = \"00\"").unwrap();
    let damaged = folder.keys().unwrap_err();
    assert!(damaged.to_string().contains("keys.toml"), "{damaged}");
}

#[test]
fn printing_keys_shows_nothing_of_them() {
    let (_parent, folder) = empty_folder();
    folder.found(&network(), &name()).unwrap();
    assert_eq!(format!("{:?}", folder.keys().unwrap()), "Keys");
}

fn empty_folder() -> (tempfile::TempDir, DataFolder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("node"));
    (parent, folder)
}

fn network() -> Network {
    "test.folkmoot.example".parse().unwrap()
}

fn name() -> Name {
    Name::parse("Harbour Baths Society").unwrap()
}
