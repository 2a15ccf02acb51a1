//! Our own log after a start: nothing is signed that a peer could contradict.

use std::path::Path;

use runtime::clock::ManualClock;
use store::{Guard, Store, StoreConfig, StoreError};

use crate::world::*;

/// Opened as a folder that may have come from a backup.
async fn unsettled(folder: &Path, n: u8) -> Store {
    let clock = std::sync::Arc::new(ManualClock::at(NOON));
    let config = StoreConfig { is_settled: false, ..config(n, &clock) };
    Store::open(&folder.join("log.sqlite"), config).await.unwrap()
}

async fn signed_size(store: &Store) -> u64 {
    let row = store.log(store.config().own.name).await.unwrap();
    row.and_then(|it| it.checkpoint).map_or(0, |(size, _)| size)
}

async fn append_pools(store: &Store, n_pools: usize, threshold: u64) {
    let drafts = (threshold..).take(n_pools).map(pool).collect();
    store.append(drafts, Guard::None).await.unwrap();
}

/// A node that went on after its backup was made, a peer that holds all of it, and the backup.
struct Restored {
    peer: Place,
    live: Place,
    backup: tempfile::TempDir,
    store: Store,
}

/// The backup has `n_kept` records of the live node's log, and `n_more` came afterwards.
async fn restored(n_kept: usize, n_more: usize) -> Restored {
    let live = place(1).await;
    append_pools(&live.store, n_kept, 100).await;
    gone_on(live, n_more).await
}

/// As [`restored`], of this node.
async fn gone_on(live: Place, n_more: usize) -> Restored {
    let peer = place(2).await;
    live.store.close().await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    let file = live.folder.path().join("log.sqlite");
    std::fs::copy(&file, backup.path().join("log.sqlite")).unwrap();
    let store = reopen(live.folder.path(), 1, &live.clock).await;
    append_pools(&store, n_more, 900).await;
    carry(&store, &peer.store, live.log).await;
    let live = Place { store, ..live };
    let store = unsettled(backup.path(), 1).await;
    Restored { peer, live, backup, store }
}

#[tokio::test]
async fn what_is_written_before_the_log_is_settled_waits_to_be_signed_and_survives_a_restart() {
    let Restored { peer: _peer, live: _live, backup, store } = restored(3, 0).await;
    append(&store, pool(7)).await;
    assert_eq!((signed_size(&store).await, store.n_unsigned().await.unwrap()), (3, 1));
    store.close().await.unwrap();

    let store = unsettled(backup.path(), 1).await;
    append(&store, pool(8)).await;
    assert_eq!((signed_size(&store).await, store.n_unsigned().await.unwrap()), (3, 2));
    store.settle().await.unwrap();
    assert!(store.is_settled());
    assert_eq!((signed_size(&store).await, store.n_unsigned().await.unwrap()), (5, 0));
    append(&store, pool(9)).await;
    assert_eq!(signed_size(&store).await, 6);
}

#[tokio::test]
async fn what_peers_hold_comes_first_and_what_was_written_meanwhile_behind_it() {
    for (n_kept, n_more) in [(1, 1), (3, 2), (255, 3), (254, 1), (250, 10), (256, 256), (300, 300)]
    {
        let Restored { peer, live, store, backup: _backup } = restored(n_kept, n_more).await;
        let opened = append(&store, pool(50)).await;
        append(&store, pledge(opened.id, 60)).await;
        let all = n_kept + n_more;

        let theirs = incoming(&peer.store, live.log, n_kept as u64, all as u64).await;
        accept(&store, theirs).await.unwrap();
        assert_eq!(signed_size(&store).await, all as u64, "{n_kept} + {n_more}");
        let shown = store.log(live.log).await.unwrap().unwrap();
        assert_eq!(shown.frontier, live.store.log(live.log).await.unwrap().unwrap().frontier);
        assert_eq!(store.n_unsigned().await.unwrap(), 2);
        assert!(
            !views(&store).await.contains_key(&opened.id),
            "the pool is no case until it is appended anew"
        );

        store.settle().await.unwrap();
        assert_eq!(signed_size(&store).await, all as u64 + 2);
        // The peer, which verifies everything, takes what is new; and both have the same register.
        carry(&store, &peer.store, live.log).await;
        assert_eq!(views(&store).await, views(&peer.store).await);
        let pledged =
            views(&store).await.into_values().filter(|it| format!("{it:?}").contains("60"));
        assert!(0 < pledged.count(), "the pledge refers to the pool as it is called now");
    }
}

#[tokio::test]
async fn what_was_erased_before_the_log_is_settled_is_erased_by_the_record_as_it_is_called_then() {
    let live = place(1).await;
    let kept = append(&live.store, crate::erasing::words()).await;
    let Restored { peer, live, store, backup: _backup } = gone_on(live, 2).await;
    let unsigned = append(&store, crate::erasing::words()).await;
    for target in [kept, unsigned] {
        append(&store, crate::erasing::erase(target)).await;
    }
    let theirs = incoming(&peer.store, live.log, 1, 3).await;
    accept(&store, theirs).await.unwrap();
    assert_eq!(store.erasures(live.log).await.unwrap(), []);
    assert!(store.records(live.log, 1, 3).await.unwrap().iter().all(|it| it.erased_by.is_none()));

    store.settle().await.unwrap();
    let erasures = store.erasures(live.log).await.unwrap();
    assert_eq!(erasures.iter().map(|it| it.erase.record).collect::<Vec<_>>(), [kept.id]);
    let (own, other) = (store.records(live.log, 0, 4).await.unwrap(), place(3).await);
    assert_eq!(own[0].erased_by, Some(own[3].id()));
    // Who holds nothing yet believes what is named for the missing payload.
    carry(&store, &other.store, live.log).await;
    carry(&store, &peer.store, live.log).await;
    for holder in [&other, &peer] {
        let held = holder.store.records(live.log, 0, 4).await.unwrap();
        assert_eq!((held.len(), held[0].content.is_some()), (4, false));
    }
}

#[tokio::test]
async fn while_our_own_records_are_coming_nothing_is_written_between_them() {
    let Restored { peer: _peer, live, store, backup: _backup } = restored(2, 4).await;
    let mut part = incoming(&live.store, live.log, 2, 4).await;
    let all = incoming(&live.store, live.log, 2, 6).await;
    (part.completes, part.checkpoint) = (false, all.checkpoint.clone());
    part.proof = live.store.beginning(live.log, 4, 6).await.unwrap().1;
    accept(&store, part).await.unwrap();

    let written = store.append(vec![pool(5)], Guard::None).await;
    assert!(
        matches!(written, Err(StoreError::Refused { reason, .. }) if reason == "log.catching_up")
    );
    assert!(store.settle().await.is_err());

    accept(&store, all).await.unwrap();
    store.settle().await.unwrap();
    assert_eq!(append(&store, pool(5)).await.index, 6);
}

#[tokio::test]
async fn a_coordinator_says_nothing_until_its_log_is_settled_and_then_everything() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(
        &folder.path().join("log.sqlite"),
        config(101, &std::sync::Arc::new(ManualClock::at(NOON))),
    )
    .await
    .unwrap();
    append(&first, pool(1)).await;
    first.close().await.unwrap();
    let store = unsettled(folder.path(), 101).await;
    let (other, eraser) = (place(1).await, place(3).await);
    append(&other.store, pool(10)).await;
    carry(&other.store, &store, other.log).await;
    let words = append(&eraser.store, crate::erasing::words()).await;
    append(&eraser.store, crate::erasing::erase(words)).await;
    carry(&eraser.store, &store, eraser.log).await;
    assert_eq!((size(&store, log_of(101)).await, signed_size(&store).await), (1, 1));

    store.settle().await.unwrap();
    let kinds = async || {
        let records = store.records(log_of(101), 1, 9).await.unwrap();
        let kind =
            |it: &store::StoredRecord| record::Header::decode(&it.header_bytes).unwrap().kind;
        records.iter().map(kind).map(|it| it.known().unwrap()).collect::<Vec<_>>()
    };
    let mut commits = store.commits();
    while !kinds().await.contains(&record::kind::Known::Receipt) {
        commits.recv().await.unwrap();
    }
    assert!(kinds().await.contains(&record::kind::Known::Erased));
}
