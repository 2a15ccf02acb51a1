//! Copies of the file, made while it is written and after a power cut.

use std::{cmp::Ordering, os::unix::fs::PermissionsExt as _, path::Path};

use record::{
    Payload, UnixMillis,
    payload::{Status, status::Reason},
};
use sqlx::Connection as _;
use store::{Store, StoreConfig, StoreError};

use crate::{
    erasing::{erase, is_found, words},
    world::*,
};

/// Copies the file of a place and opens the copy; its log must be whole.
async fn copied(node: &Place, to: &Path) -> u64 {
    std::fs::create_dir(to).unwrap();
    store::copy(&node.folder.path().join("log.sqlite"), &to.join("log.sqlite")).await.unwrap();
    assert_eq!(std::fs::read_dir(to).unwrap().count(), 1, "a copy needs nothing beside it");
    let opened = reopen(to, 1, &node.clock).await;
    let row = opened.log(node.log).await.unwrap().unwrap();
    assert_eq!(row.frontier, frontier(&leaves(&opened, node.log).await));
    assert_eq!(row.checkpoint.unwrap().0, row.frontier.size());
    opened.close().await.unwrap();
    row.frontier.size()
}

#[tokio::test]
async fn a_copy_made_under_load_holds_what_was_acknowledged_before_it_and_goes_on() {
    let node = place(1).await;
    append_unknown(&node.store, 50).await;
    let load = tokio::spawn({
        let store = node.store.clone();
        async move {
            loop {
                append(&store, unknown(b"under way")).await;
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let mut n_before = 50;
    for n in 0..5 {
        let size = copied(&node, &folder.path().join(n.to_string())).await;
        assert!(n_before <= size, "{size} of {n_before}");
        n_before = size;
    }
    load.abort();
    let mode = std::fs::metadata(folder.path().join("0/log.sqlite")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_file_that_a_killed_process_left_is_copied_with_its_write_ahead_log() {
    let node = place(1).await;
    append_unknown(&node.store, 7).await;
    let killed = tempfile::tempdir().unwrap();
    for name in ["log.sqlite", "log.sqlite-wal"] {
        std::fs::copy(node.folder.path().join(name), killed.path().join(name)).unwrap();
    }
    let to = killed.path().join("copy.sqlite");
    store::copy(&killed.path().join("log.sqlite"), &to).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::rename(&to, folder.path().join("log.sqlite")).unwrap();
    let copy = reopen(folder.path(), 1, &node.clock).await;
    assert_eq!(copy.log(node.log).await.unwrap().unwrap().frontier.size(), 7);
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_of_nothing_there_is_no_copy() {
    let node = place(1).await;
    append_unknown(&node.store, 1).await;
    let to = node.folder.path().join("copy.sqlite");
    std::fs::write(&to, b"something of somebody").unwrap();
    let from = node.folder.path().join("log.sqlite");
    assert!(store::copy(&from, &to).await.is_err());
    assert_eq!(std::fs::read(&to).unwrap(), b"something of somebody");
    let missing = node.folder.path().join("missing.sqlite");
    let refused = store::copy(&missing, &node.folder.path().join("other.sqlite")).await;
    assert!(matches!(refused, Err(StoreError::Storage { .. })), "{refused:?}");
    assert!(!missing.exists());
}

/// A copy of a place's file, opened as a node is that has not met its peers yet.
async fn restored(node: &Place) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.sqlite");
    store::copy(&node.folder.path().join("log.sqlite"), &file).await.unwrap();
    let config = StoreConfig { is_settled: false, ..config(1, &node.clock) };
    let store = Store::open(&file, config).await.unwrap();
    Place { store, folder, clock: std::sync::Arc::clone(&node.clock), log: node.log }
}

#[tokio::test]
async fn a_copy_of_before_an_erasure_erases_again_once_it_has_its_log_back() {
    let (node, peer) = (place(1).await, place(2).await);
    let target = append(&node.store, words()).await;
    let before = restored(&node).await;
    append(&node.store, erase(target)).await;
    let after = restored(&node).await;
    assert!(is_found(&before) && !is_found(&after), "a copy has nothing that was erased");
    carry(&node.store, &peer.store, node.log).await;

    carry(&peer.store, &before.store, node.log).await;
    before.store.settle().await.unwrap();

    assert!(!is_found(&before));
    let words = before.store.words(target.id).await.unwrap().unwrap();
    assert_eq!(words.record.payload(), None);
    let frontier = async |it: &Place| it.store.log(node.log).await.unwrap().unwrap().frontier;
    assert_eq!(frontier(&before).await, frontier(&node).await);
}

#[tokio::test]
async fn a_file_in_which_something_was_overwritten_gives_no_copy() {
    let node = place(1).await;
    append_unknown(&node.store, 400).await;
    node.store.close().await.unwrap();
    let from = node.folder.path().join("log.sqlite");
    let mut bytes = std::fs::read(&from).unwrap();
    // Every page but the first, which says what kind of file it is.
    bytes[4096..].fill(0xa5);
    std::fs::write(&from, bytes).unwrap();
    assert!(store::copy(&from, &node.folder.path().join("copy.sqlite")).await.is_err());
}

#[tokio::test]
async fn the_form_of_a_file_is_told_without_changing_it() {
    let node = place(1).await;
    let file = node.folder.path().join("log.sqlite");
    assert_eq!(store::form(&file).await.unwrap(), Ordering::Equal);
    node.store.close().await.unwrap();
    let change = async |sql: &'static str| {
        let url = format!("sqlite://{}", file.display());
        let mut db = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(sql).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    };
    change("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1").await;
    assert_eq!(store::form(&file).await.unwrap(), Ordering::Greater);
    change("DELETE FROM _sqlx_migrations WHERE 2 < version").await;
    assert_eq!(store::form(&file).await.unwrap(), Ordering::Less);
}

#[tokio::test]
async fn eras_and_statuses_are_read_from_outside_while_the_file_is_written() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 1).await;
    carry(&node.store, &coordinator.store, node.log).await;
    let file = coordinator.folder.path().join("log.sqlite");
    assert_eq!(store::eras(&file, community(1)).await.unwrap(), [0]);
    assert_eq!(store::eras(&file, community(5)).await.unwrap(), [0; 0]);
    assert_eq!(store::n_records(&file, community(1)).await.unwrap(), 1);
    assert_eq!(store::n_records(&file, community(5)).await.unwrap(), 0);
    let status = |reason| Status { log: node.log, since: UnixMillis(NOON), reason, until: None };
    for reason in [Some(Reason::Abuse), None] {
        append(&coordinator.store, draft(&Payload::Status(status(reason)), Vec::new())).await;
        let told = store::statuses_of(&file, community(101)).await.unwrap();
        assert_eq!(told, [status(reason)]);
    }
    assert_eq!(store::statuses_of(&file, community(102)).await.unwrap(), []);
}
