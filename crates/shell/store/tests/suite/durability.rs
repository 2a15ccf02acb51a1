//! Power cuts, full disks, and an orderly end.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use store::{Guard, Store, StoreError};

use crate::world::*;

#[tokio::test]
async fn what_was_acknowledged_is_in_a_copy_made_at_any_moment_after() {
    let node = place(1).await;
    let mut opened = None;
    for n_acknowledged in 1..=12_u64 {
        if n_acknowledged == 4 {
            opened = Some(append(&node.store, pool(10)).await.id);
        } else {
            append(&node.store, unknown(b"x")).await;
        }
        // Something is under way while the copy is made.
        let store = node.store.clone();
        let under_way = tokio::spawn(async move { append(&store, unknown(b"y")).await });
        let copy = tempfile::tempdir().unwrap();
        for name in ["log.sqlite", "log.sqlite-wal"] {
            std::fs::copy(node.folder.path().join(name), copy.path().join(name)).unwrap();
        }
        under_way.await.unwrap();

        let killed = reopen(copy.path(), 1, &node.clock).await;
        let row = killed.log(node.log).await.unwrap().unwrap();
        assert!(2 * n_acknowledged - 1 <= row.frontier.size());
        assert_eq!(row.checkpoint.unwrap().0, row.frontier.size());
        assert_eq!(row.frontier, frontier(&leaves(&killed, node.log).await));
        if let Some(opened) = opened {
            assert!(killed.case(opened).await.unwrap().is_some());
        }
        append(&killed, unknown(b"z")).await;
    }
}

#[tokio::test]
async fn nobody_else_may_read_the_file_or_its_write_ahead_log() {
    let node = place(1).await;
    append_unknown(&node.store, 1).await;
    for name in ["log.sqlite", "log.sqlite-wal"] {
        let mode = std::fs::metadata(node.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn closing_does_what_was_asked_before_refuses_what_comes_after_and_leaves_one_file() {
    let node = place(1).await;
    let stores: Vec<Store> = (0..20).map(|_| node.store.clone()).collect();
    let asked: Vec<_> = stores.iter().map(|it| Box::pin(append(it, unknown(b"x")))).collect();
    let mut asked = asked;
    // Every job has been handed over once its future has been polled.
    for future in &mut asked {
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_ready()));
        assert!(!polled.await);
    }
    node.store.close().await.unwrap();
    for future in asked {
        assert!(future.await.index < 20);
    }
    node.store.close().await.unwrap();
    let late = node.store.append(vec![unknown(b"late")], Guard::None).await;
    assert!(matches!(late, Err(StoreError::Closing)));
    let names = std::fs::read_dir(node.folder.path()).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["log.sqlite"]);

    let store = reopen(node.folder.path(), 1, &node.clock).await;
    assert_eq!(size(&store, node.log).await, 20);
}

#[tokio::test]
async fn a_full_disk_is_told_to_every_caller_and_the_store_goes_on_when_there_is_room() {
    let node = place(1).await;
    append_unknown(&node.store, 3).await;
    node.store.close().await.unwrap();
    let room = Arc::new(AtomicU32::new(n_pages(node.folder.path()) + 4));
    let path = node.folder.path().join("log.sqlite");
    let store =
        Store::open_within(&path, config(1, &node.clock), Some(Arc::clone(&room))).await.unwrap();
    let other = place(2).await;
    append_unknown(&other.store, 2).await;

    let large = || store.append(vec![unknown(&[1; 100_000])], Guard::MustCount);
    let small = || store.append(vec![unknown(b"small")], Guard::None);
    let foreign = store.accept(incoming(&other.store, other.log, 0, 2).await).await.unwrap();
    let (foreign, first, second, third, tick) =
        tokio::join!(foreign, small(), large(), small(), store.tick());
    assert!(foreign.unwrap_err().is_disk_full());
    for refused in [first, second, third] {
        assert!(refused.unwrap_err().is_disk_full());
    }
    assert!(tick.unwrap_err().is_disk_full());
    let fault = store.fault();
    assert!(fault.borrow().as_ref().is_some_and(StoreError::is_disk_full));
    assert_eq!(size(&store, node.log).await, 3);
    assert_eq!(size(&store, other.log).await, 0);

    // What is small still fits.
    assert_eq!(append(&store, unknown(b"small")).await.index, 3);
    assert!(fault.borrow().is_none());
    assert!(large().await.unwrap_err().is_disk_full());
    room.store(100_000, Ordering::Relaxed);
    // The limit is read again after the next fault at the latest.
    let written = match large().await {
        Ok(written) => written,
        Err(_) => large().await.unwrap(),
    };
    assert_eq!(written[0].index, 4);
    assert_eq!(carry(&other.store, &store, other.log).await.size, 2);
    let row = store.log(node.log).await.unwrap().unwrap();
    assert_eq!(row.frontier, frontier(&leaves(&store, node.log).await));
}

fn n_pages(folder: &Path) -> u32 {
    let n_bytes = std::fs::metadata(folder.join("log.sqlite")).unwrap().len();
    u32::try_from(n_bytes / 4_096).unwrap()
}
