use std::{fs, os::unix::fs::PermissionsExt as _};

use record::{Network, name::Name};

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// A data folder of a community that was founded, beside a place for its backups.
struct Site {
    root: tempfile::TempDir,
    folder: DataFolder,
}

fn site() -> Site {
    let root = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&root.path().join("harbour"));
    let network: Network = "test.folkmoot.example".parse().unwrap();
    folder.found(&network, &Name::parse("Harbour Baths Society").unwrap()).unwrap();
    Site { root, folder }
}

impl Site {
    fn out(&self) -> PathBuf {
        self.root.path().join("backup")
    }

    async fn back_up(&self, out: &Path) -> Result<Made, BackupError> {
        let order = Order { folder: &self.folder, out, outside: Vec::new(), now: NOW };
        make(order, |_, _, _| {}).await
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[tokio::test]
async fn a_backup_has_every_file_but_those_of_a_process_each_for_its_owner_alone() {
    let site = site();
    let root = site.folder.path();
    fs::create_dir(root.join("officers")).unwrap();
    for name in
        ["officers/officer-1.toml", "begun", "node.toml", ".keys.toml.17.0.new", "log.sqlite-wal"]
    {
        fs::write(root.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink(root.join("node.toml"), root.join("linked.toml")).unwrap();
    std::os::unix::fs::symlink("/", root.join("everything")).unwrap();

    let made = site.back_up(&site.out()).await.unwrap();

    assert_eq!(made.note, BackupNote { made_at: NOW, records: 0 });
    assert_eq!(made.left_out, [Path::new("everything")]);
    assert!(!made.was_running);
    for name in
        ["genesis", "keys.toml", "spare.toml", "officers/officer-1.toml", "begun", "node.toml"]
    {
        let copy = site.out().join(name);
        assert_eq!(fs::read(&copy).unwrap(), fs::read(root.join(name)).unwrap(), "{name}");
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::read(site.out().join("linked.toml")).unwrap(), b"node.toml");
    for folder in [site.out(), site.out().join("officers")] {
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
    for name in ["lock", ".keys.toml.17.0.new", "log.sqlite-wal", "everything"] {
        assert!(!site.out().join(name).exists(), "{name}");
    }
    let copy = DataFolder::at(&site.out());
    assert_eq!(copy.community().unwrap(), site.folder.community().unwrap());
    assert_eq!(copy.last_backup().unwrap(), Some(made.note));
    assert_eq!(site.folder.last_backup().unwrap(), Some(made.note));
    assert_eq!(site.names(), ["backup", "harbour"], "nothing is left beside it");
}

#[tokio::test]
async fn files_from_elsewhere_come_along_and_those_of_the_folder_do_not_come_twice() {
    let site = site();
    let inside = site.folder.path().join("node.toml");
    let elsewhere = site.root.path().join("charter of the region.toml");
    fs::write(&inside, "grace_secs = 3").unwrap();
    fs::write(&elsewhere, "network = 1").unwrap();
    let outside = vec![("node.toml", inside), ("charter.toml", elsewhere)];
    let out = site.out();
    let order = Order { folder: &site.folder, out: &out, outside, now: NOW };
    make(order, |_, _, _| {}).await.unwrap();
    assert_eq!(fs::read(out.join("outside/charter.toml")).unwrap(), b"network = 1");
    assert!(!out.join("outside/node.toml").exists() && out.join("node.toml").exists());
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_stands_in_a_folder_that_is_there_outside_of_its_own() {
    let site = site();
    let reason = async |out: &Path| site.back_up(out).await.unwrap_err().reason();
    fs::create_dir(site.out()).unwrap();
    assert_eq!(reason(&site.out()).await, "backup.there");
    assert_eq!(reason(&site.root.path().join("not mounted/backup")).await, "backup.no_place");
    assert_eq!(reason(&site.folder.path().join("backup")).await, "backup.inside");
    let around = site.root.path().join("backup/../harbour/backup");
    assert_eq!(reason(&around).await, "backup.inside");
    assert_eq!(site.folder.last_backup().unwrap(), None, "nothing is noted of what was not made");
    assert_eq!(site.names(), ["backup", "harbour"]);
}

#[tokio::test]
async fn a_backup_that_fails_on_the_way_leaves_nothing_behind() {
    let site = site();
    fs::write(site.folder.log_file(), "not of SQLite, and longer than nothing").unwrap();
    let refused = site.back_up(&site.out()).await.unwrap_err();
    assert_eq!(refused.reason(), "backup.failed");
    assert_eq!(site.names(), ["harbour"]);
    assert_eq!(site.folder.last_backup().unwrap(), None);
}

#[tokio::test]
async fn a_folder_that_another_command_holds_is_not_copied() {
    let site = site();
    let held = site.folder.lock().unwrap();
    assert_eq!(site.back_up(&site.out()).await.unwrap_err().reason(), "backup.busy");
    drop(held);
    assert!(site.back_up(&site.out()).await.is_ok());
}

#[test]
fn a_backup_is_of_the_process_that_held_the_folder_when_it_began() {
    let site = site();
    let held = site.folder.lock().unwrap();
    let us = Some(std::process::id());
    assert!(Holder::Node { pid: us }.still_holds(&site.folder));
    assert!(!Holder::Node { pid: None }.still_holds(&site.folder), "another has taken it since");
    drop(held);
    assert!(!Holder::Node { pid: us }.still_holds(&site.folder), "nobody has it");
}

#[test]
fn a_home_by_mistake_is_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    for n in 0..tree::MAX_ENTRIES {
        fs::write(folder.path().join(n.to_string()), "").unwrap();
    }
    assert_eq!(tree::entries(folder.path()).unwrap().0.len(), tree::MAX_ENTRIES);
    fs::write(folder.path().join("one more"), "").unwrap();
    let refused = tree::entries(folder.path()).unwrap_err();
    assert_eq!(refused.reason(), "backup.too_many_files");
}
