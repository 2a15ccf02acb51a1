//! What others say of our own log.

use std::collections::BTreeMap;

use store::{Agreement, Claim, Store, StoreError};

use crate::world::*;

/// A copy of a node's file as it is now, opened beside the original.
async fn copied(node: &Place) -> Place {
    let folder = tempfile::tempdir().unwrap();
    let from = node.folder.path().join("log.sqlite");
    store::copy(&from, &folder.path().join("log.sqlite")).await.unwrap();
    let store = reopen(folder.path(), 1, &node.clock).await;
    Place { store, folder, clock: std::sync::Arc::clone(&node.clock), log: node.log }
}

async fn claims(store: &Store) -> Vec<Claim> {
    store.claims(log_of(1)).await.unwrap()
}

#[tokio::test]
async fn a_head_that_a_coordinator_states_holds_is_ahead_or_contradicts() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 2).await;
    let old = copied(&node).await;
    assert_eq!(claims(&old.store).await, []);
    carry(&node.store, &coordinator.store, node.log).await;
    carry(&coordinator.store, &old.store, coordinator.log).await;
    let says = |size, agreement| [Claim { by: community(101), size, agreement }];
    assert_eq!(claims(&old.store).await, says(2, Agreement::Holds));

    coordinator.clock.advance(std::time::Duration::from_secs(10));
    append_unknown(&node.store, 1).await;
    carry(&node.store, &coordinator.store, node.log).await;
    carry(&coordinator.store, &old.store, coordinator.log).await;
    assert_eq!(claims(&old.store).await, says(3, Agreement::Ahead));

    append(&old.store, unknown(b"another third")).await;
    assert_eq!(claims(&old.store).await, says(3, Agreement::Contradicts));
    append(&old.store, unknown(b"and a fourth")).await;
    assert_eq!(claims(&old.store).await, says(3, Agreement::Contradicts));
    assert_eq!(claims(&node.store).await, []);
    let nobody = node.store.claims(log_of(5)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })), "{nobody:?}");
}

#[tokio::test]
async fn what_an_index_says_is_a_claim_as_well() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 2).await;
    let old = copied(&node).await;
    append_unknown(&node.store, 1).await;
    carry(&node.store, &coordinator.store, node.log).await;
    coordinator.clock.advance(std::time::Duration::from_mins(1));
    coordinator.store.tick().await.unwrap();
    carry(&coordinator.store, &old.store, coordinator.log).await;
    assert_eq!(old.store.indexed_size(community(101), node.log).await.unwrap(), 3);
    let ahead = Claim { by: community(101), size: 3, agreement: Agreement::Ahead };
    assert_eq!(claims(&old.store).await, [ahead]);
}

#[tokio::test]
async fn the_size_that_each_cosigner_has_cosigned_stays_known_while_the_log_grows() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 2).await;
    assert_eq!(node.store.cosigners(node.log).await.unwrap(), BTreeMap::new());
    let accepted = carry(&node.store, &coordinator.store, node.log).await;
    node.store.add_cosignatures(node.log, 2, accepted.cosignatures).await.unwrap();
    let name = record::identity::mirror_name(&network(), &community(101));
    let cosigned = BTreeMap::from([(name, 2)]);
    assert_eq!(node.store.cosigners(node.log).await.unwrap(), cosigned);
    append_unknown(&node.store, 1).await;
    assert_eq!(node.store.cosigners(node.log).await.unwrap(), cosigned);
}
