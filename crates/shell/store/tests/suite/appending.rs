//! Our own log: places, headers, checkpoints, tiles and proofs.

use record::{Header, limits::MAX_PAYLOAD_BYTES};
use store::{Guard, Reference, StoreError};
use tlog::{
    Checkpoint, KeyName, TileCache, TileRef, VerifierKey, open_checkpoint, verify_consistency,
    verify_inclusion,
};

use crate::world::*;

fn verifier(n: u8) -> VerifierKey {
    let origin = network().log_origin(&community(n), 0);
    VerifierKey::ed25519(KeyName::parse(&origin).unwrap(), &log_key(n).verifying_key()).unwrap()
}

#[tokio::test]
async fn the_first_record_has_index_0_a_canonical_header_and_a_signed_checkpoint() {
    let node = place(1).await;
    let written = append(&node.store, unknown(b"hello")).await;
    assert_eq!(written.index, 0);

    let record = node.store.records(node.log, 0, 9).await.unwrap().remove(0);
    let header = Header::decode(&record.header_bytes).unwrap();
    assert_eq!(header.encode(), record.header_bytes);
    assert_eq!((header.community, header.index, header.time.0), (community(1), 0, NOON));
    assert_eq!(record.id(), written.id);

    let (size, note) = node.store.log(node.log).await.unwrap().unwrap().checkpoint.unwrap();
    let opened = open_checkpoint(&note, &verifier(1)).unwrap();
    let Checkpoint { size: signed, root, .. } = Checkpoint::parse_text(opened.text()).unwrap();
    assert_eq!((size, signed, root), (1, 1, frontier(&leaves(&node.store, node.log).await).root()));
}

#[tokio::test]
async fn appends_that_wait_together_share_a_checkpoint() {
    let node = place(1).await;
    let mut commits = node.store.commits();
    let tasks: Vec<_> = (0..200_u8)
        .map(|n| {
            let store = node.store.clone();
            tokio::spawn(async move { append(&store, unknown(&[n])).await.index })
        })
        .collect();
    let mut indexes = Vec::new();
    for task in tasks {
        indexes.push(task.await.unwrap());
    }
    indexes.sort_unstable();
    assert_eq!(indexes, (0..200).collect::<Vec<u64>>());
    let mut n_checkpoints = 0;
    while commits.try_recv().is_ok() {
        n_checkpoints += 1;
    }
    assert!((1..=50).contains(&n_checkpoints), "{n_checkpoints}");
}

#[tokio::test]
async fn every_tile_is_what_the_leaves_make_at_each_edge_of_256() {
    let node = place(1).await;
    for size in [1, 255, 256, 257, 512, 600] {
        grow_to(&node, size).await;
        every_tile_is_right(&node, size).await;
        every_proof_verifies(&node, size).await;
    }
}

#[tokio::test]
async fn every_tile_is_what_the_leaves_make_where_the_third_level_begins() {
    let node = place(1).await;
    for size in [65_535, 65_536, 65_537] {
        grow_to(&node, size).await;
        every_tile_is_right(&node, size).await;
        every_proof_verifies(&node, size).await;
    }
}

async fn grow_to(node: &Place, n_records: u64) {
    let mut held = size(&node.store, node.log).await;
    while held < n_records {
        let n = (n_records - held).min(4_096);
        let drafts = (held..held + n).map(|it| unknown(&it.to_be_bytes())).collect();
        node.store.append(drafts, Guard::None).await.unwrap();
        held += n;
    }
}

async fn every_tile_is_right(node: &Place, size: u64) {
    let leaves = leaves(&node.store, node.log).await;
    assert_eq!(leaves.len() as u64, size);
    for (tile, hashes) in TileCache::new().grow(0, &leaves).unwrap() {
        let stored = node.store.tile(node.log, tile).await.unwrap();
        assert_eq!(stored, TileRef::encode(&hashes), "{} of {size}", tile.path());
    }
}

async fn every_proof_verifies(node: &Place, size: u64) {
    let leaves = leaves(&node.store, node.log).await;
    let root = frontier(&leaves).root();
    for index in [0, 1, 254, 255, 256, size / 2, size - 1].into_iter().filter(|it| *it < size) {
        let proof = node.store.inclusion_proof(node.log, index, size).await.unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        verify_inclusion(leaf, index, size, &proof, &root).unwrap();
    }
    for old in [1, 255, 256, 257, size / 2, size].into_iter().filter(|it| (1..=size).contains(it)) {
        let old_root = frontier(&leaves[..usize::try_from(old).unwrap()]).root();
        assert_eq!(node.store.root_at(node.log, old).await.unwrap(), old_root);
        let proof = node.store.consistency_proof(node.log, old, size).await.unwrap();
        verify_consistency(old, &old_root, size, &root, &proof).unwrap();
    }
}

#[tokio::test]
async fn a_draft_refers_to_an_earlier_one_of_its_call_and_not_to_a_later_one() {
    let node = place(1).await;
    let mut second = unknown(b"b");
    second.references = vec![Reference::Draft(0)];
    let written =
        node.store.append(vec![unknown(b"a"), second.clone()], Guard::None).await.unwrap();
    let record = node.store.records(node.log, 1, 2).await.unwrap().remove(0);
    assert_eq!(record.header().unwrap().references, [written[0].id]);

    second.references = vec![Reference::Draft(1)];
    let refused = node.store.append(vec![unknown(b"a"), second], Guard::None).await;
    assert!(matches!(refused, Err(StoreError::Invalid { reason: "record.reference_forward", .. })));
    assert_eq!(size(&node.store, node.log).await, 2);
}

#[tokio::test]
async fn a_payload_of_the_limit_is_written_and_one_byte_more_is_refused() {
    let node = place(1).await;
    append(&node.store, unknown(&vec![0; MAX_PAYLOAD_BYTES])).await;
    let larger = unknown(&vec![0; MAX_PAYLOAD_BYTES + 1]);
    let refused = node.store.append(vec![larger], Guard::None).await;
    assert!(matches!(refused, Err(StoreError::Invalid { reason: "record.payload_too_large", .. })));
    assert_eq!(size(&node.store, node.log).await, 1);
}

#[tokio::test]
async fn an_append_of_nothing_writes_and_signs_nothing() {
    let node = place(1).await;
    assert_eq!(node.store.append(Vec::new(), Guard::None).await.unwrap(), []);
    assert!(node.store.log(node.log).await.unwrap().is_none());
}

#[tokio::test]
async fn a_batch_ends_at_256_at_its_limits_and_holds_at_least_one_record() {
    let node = place(1).await;
    grow_to(&node, 300).await;
    let limits = |max_records, max_bytes| store::BatchLimits { max_records, max_bytes };
    let n_in = async |start, limits| {
        node.store.batch(node.log, start, limits, 300).await.unwrap().records.len()
    };
    assert_eq!(n_in(0, limits(1_000, usize::MAX)).await, 256);
    assert_eq!(n_in(250, limits(1_000, usize::MAX)).await, 6);
    assert_eq!(n_in(256, limits(10, usize::MAX)).await, 10);
    assert_eq!(n_in(0, limits(256, 1)).await, 1);
    let record = node.store.records(node.log, 0, 1).await.unwrap().remove(0);
    let one = record.header_bytes.len() + 8 + 32;
    let two = one + node.store.headers(node.log, 1, 2).await.unwrap()[0].len() + 8 + 32;
    assert_eq!(n_in(0, limits(256, two)).await, 2);
    assert_eq!(n_in(0, limits(256, two - 1)).await, 1);
}
