//! Logs of others: repeats, gaps, restarts, cosignatures, receipts and contradictions.

use store::{Accepted, StoreError};
use tlog::{Note, NoteSignature, verify_cosignature};

use crate::world::*;

#[tokio::test]
async fn a_coordinator_cosigns_what_it_holds_and_files_a_receipt() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 3).await;
    let Accepted { size, cosignatures } = carry(&node.store, &coordinator.store, node.log).await;
    assert_eq!((size, cosignatures.len()), (3, 1));

    let (_, note) = coordinator.store.log(node.log).await.unwrap().unwrap().checkpoint.unwrap();
    let note = Note::parse(&note).unwrap();
    let line = NoteSignature::parse_line(&cosignatures[0]).unwrap();
    assert!(note.signatures().contains(&line));
    verify_cosignature(note.text(), &line, &mirror_verifier(101)).unwrap();
    assert_eq!(n_receipts(&coordinator.store, coordinator.log).await, 1);
}

#[tokio::test]
async fn cosignatures_wait_a_moment_for_a_record_to_share_its_commit() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 1).await;
    let lines = carry(&node.store, &coordinator.store, node.log).await.cosignatures;
    let mut commits = node.store.commits();
    // From here on time passes only while everybody waits.
    tokio::time::pause();
    let (store, log) = (node.store.clone(), node.log);
    let adding = tokio::spawn(async move { store.add_cosignatures(log, 1, lines).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    append(&node.store, unknown(b"next")).await;
    adding.await.unwrap().unwrap();
    let commit = commits.recv().await.unwrap();
    assert_eq!(commit.heads.len(), 1);
    assert!(commits.try_recv().is_err(), "there is one commit for both");

    node.store.add_cosignatures(node.log, 2, Vec::new()).await.unwrap();
    assert!(commits.recv().await.unwrap().heads.is_empty(), "alone they wait no longer than that");
}

#[tokio::test]
async fn a_node_keeps_a_log_without_cosigning_it() {
    let (node, other) = (place(1).await, place(2).await);
    append_unknown(&node.store, 3).await;
    let accepted = carry(&node.store, &other.store, node.log).await;
    assert_eq!(accepted, Accepted { size: 3, cosignatures: Vec::new() });
    assert!(other.store.log(other.log).await.unwrap().is_none());
}

#[tokio::test]
async fn a_repeat_is_answered_as_before_and_changes_nothing() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 3).await;
    let first = carry(&node.store, &coordinator.store, node.log).await;
    coordinator.clock.advance(std::time::Duration::from_mins(1));
    let note = coordinator.store.log(node.log).await.unwrap().unwrap().checkpoint;
    for start in [0, 1, 3] {
        let again = incoming(&node.store, node.log, start, 3).await;
        assert_eq!(accept(&coordinator.store, again).await.unwrap(), first);
    }
    assert_eq!(coordinator.store.log(node.log).await.unwrap().unwrap().checkpoint, note);
    assert_eq!(n_receipts(&coordinator.store, coordinator.log).await, 1);
}

#[tokio::test]
async fn what_is_repeated_under_another_head_leaves_the_head_that_it_was_verified_with() {
    let (node, other) = (place(1).await, place(2).await);
    append_unknown(&node.store, 4).await;
    let of_the_first_head = incoming(&node.store, node.log, 0, 2).await;
    append_unknown(&node.store, 4).await;
    accept(&other.store, incoming(&node.store, node.log, 0, 3).await).await.unwrap();
    let row = other.store.log(node.log).await.unwrap().unwrap();
    accept(&other.store, of_the_first_head).await.unwrap();
    let after = other.store.log(node.log).await.unwrap().unwrap();
    let newest = node.store.log(node.log).await.unwrap().unwrap().checkpoint.unwrap().1;
    let pending = row.pending.unwrap();
    assert_eq!(pending.checkpoint, newest);
    assert_eq!(after.pending, Some(pending));
}

#[tokio::test]
async fn a_gap_is_refused_and_an_overlap_is_not() {
    let (node, other) = (place(1).await, place(2).await);
    append_unknown(&node.store, 6).await;
    accept(&other.store, incoming(&node.store, node.log, 0, 2).await).await.unwrap();
    let refused = accept(&other.store, incoming(&node.store, node.log, 3, 6).await).await;
    assert!(matches!(refused, Err(StoreError::Gap { start: 3, size: 2 })), "{refused:?}");
    assert_eq!(size(&other.store, node.log).await, 2);
    accept(&other.store, incoming(&node.store, node.log, 1, 6).await).await.unwrap();
    assert_eq!(leaves(&other.store, node.log).await, leaves(&node.store, node.log).await);
}

#[tokio::test]
async fn a_pull_that_was_cut_off_goes_on_after_a_restart() {
    let (node, other) = (place(1).await, place(2).await);
    append_unknown(&node.store, 300).await;
    accept(&other.store, incoming(&node.store, node.log, 0, 257).await).await.unwrap();
    let row = other.store.log(node.log).await.unwrap().unwrap();
    assert!(row.checkpoint.is_none() && row.pending.is_some());
    other.store.close().await.unwrap();

    let store = reopen(other.folder.path(), 2, &other.clock).await;
    let pending = store.log(node.log).await.unwrap().unwrap().pending.unwrap();
    let proof = node.store.consistency_proof(node.log, 257, 300).await.unwrap();
    assert_eq!(pending.proof, proof);
    assert_eq!(carry(&node.store, &store, node.log).await.size, 300);
    let row = store.log(node.log).await.unwrap().unwrap();
    assert_eq!(row.frontier, frontier(&leaves(&node.store, node.log).await));
    assert!(row.checkpoint.is_some() && row.pending.is_none());
}

#[tokio::test]
async fn a_tree_that_contradicts_the_one_held_is_neither_stored_nor_cosigned_at_any_size() {
    let coordinator = place(101).await;
    let node = place(1).await;
    append_unknown(&node.store, 4).await;
    carry(&node.store, &coordinator.store, node.log).await;
    let before = coordinator.store.log(node.log).await.unwrap().unwrap();
    let n_own = size(&coordinator.store, coordinator.log).await;

    for n_forked in [2, 4, 6] {
        // So that each growth of the innocent has a receipt of its own.
        coordinator.clock.advance(std::time::Duration::from_secs(10));
        // The same community with the same key, and another history.
        let twin = place(1).await;
        append(&twin.store, unknown(b"another beginning")).await;
        append_unknown(&twin.store, n_forked - 1).await;
        let end = n_forked as u64;
        let forked = incoming(&twin.store, twin.log, 0, end).await;
        let innocent = place(2).await;
        append_unknown(&innocent.store, n_forked).await;
        let sound = incoming(
            &innocent.store,
            innocent.log,
            size(&coordinator.store, innocent.log).await,
            end,
        );
        let sound = coordinator.store.accept(sound.await).await.unwrap();
        let refused = coordinator.store.accept(forked).await.unwrap();
        let (sound, refused) = tokio::join!(sound, refused);

        let Err(StoreError::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "log.other_tree");
        assert_eq!(sound.unwrap().size, end);
        let after = coordinator.store.log(node.log).await.unwrap().unwrap();
        assert_eq!(
            (after.frontier, after.checkpoint),
            (before.frontier.clone(), before.checkpoint.clone())
        );
    }
    assert_eq!(size(&coordinator.store, coordinator.log).await, n_own + 3);
}

#[tokio::test]
async fn a_cosignature_is_added_once_and_only_to_the_checkpoint_it_is_for() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 2).await;
    let lines = carry(&node.store, &coordinator.store, node.log).await.cosignatures;
    let n_lines = async || {
        let (_, note) = node.store.log(node.log).await.unwrap().unwrap().checkpoint.unwrap();
        Note::parse(&note).unwrap().signatures().len()
    };
    node.store.add_cosignatures(node.log, 1, lines.clone()).await.unwrap();
    assert_eq!(n_lines().await, 1);
    for _ in 0..2 {
        node.store.add_cosignatures(node.log, 2, lines.clone()).await.unwrap();
        assert_eq!(n_lines().await, 2);
    }
    append_unknown(&node.store, 1).await;
    assert_eq!(n_lines().await, 1);
    let nonsense = node.store.add_cosignatures(node.log, 3, vec!["nonsense".to_owned()]).await;
    assert!(matches!(nonsense, Err(StoreError::Invalid { reason: "note.malformed", .. })));
}

#[tokio::test]
async fn two_coordinators_that_mirror_each_other_fall_silent() {
    let (node, one, other) = (place(1).await, place(101).await, place(102).await);
    append_unknown(&node.store, 1).await;
    carry(&node.store, &one.store, node.log).await;
    carry(&one.store, &other.store, one.log).await;
    assert_eq!(size(&other.store, other.log).await, 0);
    append_unknown(&one.store, 1).await;
    carry(&one.store, &other.store, one.log).await;
    assert_eq!(n_receipts(&other.store, other.log).await, 1);
    carry(&other.store, &one.store, other.log).await;
    assert_eq!(n_receipts(&one.store, one.log).await, 1);
}
