//! What a commit carries of our own log, for those who pass it on.

use std::sync::Arc;

use store::{Commit, Draft, Guard, StoredRecord};
use tokio::sync::broadcast;

use crate::{
    erasing::{erase, words},
    world::*,
};

/// The bytes of records.
fn bytes(records: Vec<StoredRecord>) -> Vec<(u64, Vec<u8>, Option<Vec<u8>>)> {
    let of = |it: StoredRecord| (it.index, it.header_bytes, it.content.map(|it| it.payload));
    records.into_iter().map(of).collect()
}

/// What the commit of these carries.
async fn carried(
    node: &Place,
    commits: &mut broadcast::Receiver<Arc<Commit>>,
    drafts: Vec<Draft>,
) -> Vec<StoredRecord> {
    node.store.append(drafts, Guard::None).await.unwrap();
    commits.recv().await.unwrap().added.clone()
}

#[tokio::test]
async fn up_to_16_records_are_carried_as_the_file_gives_them() {
    let node = place(1).await;
    let mut commits = node.store.commits();
    let mut first = 0;
    for (n, n_carried) in [(1, 1), (16, 16), (17, 0), (2, 2)] {
        let drafts = (0..n).map(|it| unknown(&[it])).collect();
        let carried = carried(&node, &mut commits, drafts).await;
        let stored = node.store.records(node.log, first, first + n_carried).await.unwrap();
        assert!(bytes(carried) == bytes(stored), "{n}");
        first += u64::from(n);
    }
}

#[tokio::test]
async fn up_to_16_kib_of_headers_and_payloads_are_carried() {
    let node = place(1).await;
    append_unknown(&node.store, 1).await;
    let mut commits = node.store.commits();
    let one = carried(&node, &mut commits, vec![unknown(&vec![1; 16_000])]).await;
    let room = 16 * 1024 - one[0].header_bytes.len();
    for (n_bytes, n_carried) in [(room, 1), (room + 1, 0)] {
        let carried = carried(&node, &mut commits, vec![unknown(&vec![1; n_bytes])]).await;
        assert_eq!(carried.len(), n_carried, "{n_bytes}");
    }
}

#[tokio::test]
async fn what_a_refused_call_would_have_written_is_not_carried() {
    let node = place(1).await;
    let opened = append(&node.store, pool(10)).await.id;
    let nowhere = record::RecordId::from_bytes([9; 32]);
    let mut commits = node.store.commits();
    let (_, refused, _) = tokio::join!(
        node.store.append(vec![unknown(b"a")], Guard::None),
        node.store.append(vec![unknown(b"b"), pledge(nowhere, 1)], Guard::MustCount),
        node.store.append(vec![pledge(opened, 3)], Guard::MustCount),
    );
    assert!(refused.is_err());
    let mut carried = Vec::new();
    while let Ok(commit) = commits.try_recv() {
        carried.extend(bytes(commit.added.clone()));
    }
    assert_eq!(carried, bytes(node.store.records(node.log, 1, 9).await.unwrap()));
}

#[tokio::test]
async fn nothing_is_carried_beside_an_erasure() {
    let node = place(1).await;
    let target = append(&node.store, words()).await;
    let mut commits = node.store.commits();
    assert!(carried(&node, &mut commits, vec![erase(target)]).await.is_empty());
    assert_eq!(carried(&node, &mut commits, vec![unknown(b"a")]).await.len(), 1);
}

#[tokio::test]
async fn what_others_wrote_is_not_carried() {
    let [node, other] = [place(1).await, place(2).await];
    append_unknown(&other.store, 2).await;
    let mut commits = node.store.commits();
    carry(&other.store, &node.store, other.log).await;
    let commit = commits.recv().await.unwrap();
    assert!(commit.added.is_empty() && !commit.heads.is_empty());
}
