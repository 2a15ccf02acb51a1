//! Guards: what must count or not be written, and what must not contradict an earlier signature.

use std::sync::Arc;

use record::{
    Payload,
    payload::{
        Text,
        words::{Language, Wording},
    },
};
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use store::{Guard, Reference, StoreError};

use crate::world::*;

fn text() -> store::Draft {
    let wording = Wording {
        language: Language::english(),
        title: "Pool".to_owned(),
        text: String::new(),
        labels: Vec::new(),
    };
    let mut draft = draft(&Payload::Text(Text { wordings: vec![wording] }), Vec::new());
    draft.references = vec![Reference::Draft(0)];
    draft
}

#[tokio::test]
async fn a_refused_call_leaves_no_trace_and_the_next_one_works() {
    let node = place(1).await;
    append_unknown(&node.store, 254).await;
    let before = node.store.log(node.log).await.unwrap().unwrap();
    let mut commits = node.store.commits();

    // A sound pool, its words, and a pledge to a case that nobody knows: across the edge of a tile.
    let nowhere = record::RecordId::from_bytes([9; 32]);
    let drafts = vec![pool(10), text(), pledge(nowhere, 1)];
    let refused = node.store.append(drafts.clone(), Guard::MustCount).await;
    let Err(StoreError::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "case.unknown");

    let after = node.store.log(node.log).await.unwrap().unwrap();
    assert_eq!((after.frontier, after.checkpoint), (before.frontier, before.checkpoint));
    assert_eq!(node.store.case_counts().await.unwrap(), []);
    assert!(node.store.case(nowhere).await.unwrap().is_none());
    assert!(node.store.tile(node.log, tlog::TileRef::new(0, 0, 256).unwrap()).await.is_err());
    // A refusal is answered before the group ends.
    let commit = commits.recv().await.unwrap();
    assert!(commit.heads.is_empty() && commit.n_items == 0);

    let written = node.store.append(drafts[..2].to_vec(), Guard::MustCount).await.unwrap();
    assert_eq!(written[0].index, 254);
    assert!(node.store.words(written[1].id).await.unwrap().is_some());
    assert_eq!(frontier(&leaves(&node.store, node.log).await).size(), 256);
    let proof = node.store.inclusion_proof(node.log, 254, 256).await.unwrap();
    let leaves = leaves(&node.store, node.log).await;
    tlog::verify_inclusion(leaves[254], 254, 256, &proof, &frontier(&leaves).root()).unwrap();
}

#[tokio::test]
async fn in_a_group_only_the_refused_call_is_missing() {
    let node = place(1).await;
    let opened = append(&node.store, pool(10)).await.id;
    let nowhere = record::RecordId::from_bytes([9; 32]);
    let (first, refused, second, repeat) = tokio::join!(
        node.store.append(vec![unknown(b"a")], Guard::None),
        node.store.append(vec![unknown(b"b"), pledge(nowhere, 1)], Guard::MustCount),
        node.store.append(vec![pledge(opened, 3)], Guard::MustCount),
        node.store.append(vec![unknown(b"c")], Guard::MustCount),
    );
    assert!(matches!(refused, Err(StoreError::Refused { .. })));
    let indexes = [first, second, repeat].map(|it| it.unwrap()[0].index);
    assert_eq!(indexes, [1, 2, 3]);
    assert_eq!(size(&node.store, node.log).await, 4);
    let view = node.store.case(opened).await.unwrap().unwrap().view;
    assert!(view.contains("\"quantity\":3"), "{view}");
}

#[tokio::test]
async fn without_a_guard_a_record_that_does_not_count_is_kept_with_its_reason() {
    let node = place(1).await;
    let mut stray = pool(10);
    stray.kind = record::Kind::from(record::kind::Known::Pledge);
    append(&node.store, stray).await;
    let (reason, _) = node.store.refusal(node.log, 0).await.unwrap().unwrap();
    assert!(reason.starts_with("payload.") || reason.starts_with("record."), "{reason}");
}

/// An old copy of the file, put back while what was signed since is remembered.
#[tokio::test]
async fn an_old_backup_signs_nothing_that_contradicts_what_was_signed_and_goes_on_once_it_has_its_log_back()
 {
    let node = place(1).await;
    append_unknown(&node.store, 3).await;
    node.store.close().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    std::fs::copy(node.folder.path().join("log.sqlite"), old.path().join("log.sqlite")).unwrap();
    let now = reopen(node.folder.path(), 1, &node.clock).await;
    append_unknown(&now, 2).await;
    remember_head(old.path(), 5, frontier(&leaves(&now, node.log).await).root().as_bytes()).await;

    let clock = Arc::clone(&node.clock);
    let restored = reopen(old.path(), 1, &clock).await;
    let refused = restored.append(vec![unknown(b"another")], Guard::None).await;
    assert!(matches!(refused, Err(StoreError::SigningGuard { index: 5 })), "{refused:?}");
    assert_eq!(size(&restored, node.log).await, 3);

    carry(&now, &restored, node.log).await;
    assert_eq!(append(&restored, unknown(b"another")).await.index, 5);
}

async fn remember_head(folder: &std::path::Path, size: i64, root: &[u8]) {
    let path = folder.join("log.sqlite");
    let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::query("UPDATE signing_guard SET size = $1, root = $2")
        .bind(size)
        .bind(root.to_vec())
        .execute(&mut db)
        .await
        .unwrap();
    db.close().await.unwrap();
}
