//! Erasure: payloads that are gone from the file, proofs that still hold, and who has followed.

use record::{
    Payload, RecordId,
    payload::{
        Erase, PoolAction, Text,
        erasure::{Asker, Ground},
        words::{Language, Wording},
    },
    verified::{ExpectedPlace, verify},
};
use store::{Appended, Draft, StoreError};

use crate::world::*;

/// What nobody is to find again.
const SECRET: &str = "Mrs Invented-Person of Harbour Street";

pub(crate) fn words() -> Draft {
    let wording = Wording {
        language: Language::english(),
        title: "Baths".to_owned(),
        text: SECRET.to_owned(),
        labels: vec![],
    };
    draft(&Payload::Text(Text { wordings: vec![wording] }), Vec::new())
}

pub(crate) fn erase(target: Appended) -> Draft {
    erase_of(target.index, target.id)
}

fn erase_of(index: u64, record: RecordId) -> Draft {
    let (ground, asked_by) = (Ground::Personal, Asker::Subject);
    draft(&Payload::Erase(Erase { era: 0, index, record, ground, asked_by }), Vec::new())
}

/// Whether the secret is in any file of this folder.
pub(crate) fn is_found(place: &Place) -> bool {
    let files = std::fs::read_dir(place.folder.path()).unwrap();
    let bytes: Vec<u8> = files.flat_map(|it| std::fs::read(it.unwrap().path()).unwrap()).collect();
    bytes.windows(SECRET.len()).any(|it| it == SECRET.as_bytes())
}

#[tokio::test]
async fn an_erased_payload_is_gone_from_the_files_and_the_record_stays_in_its_log() {
    let node = place(1).await;
    let target = append(&node.store, words()).await;
    append_unknown(&node.store, 2).await;
    let root = node.store.log(node.log).await.unwrap().unwrap().frontier.root();
    assert!(is_found(&node));

    append(&node.store, erase(target)).await;

    assert!(!is_found(&node));
    let record = node.store.records(node.log, 0, 1).await.unwrap().remove(0);
    assert_eq!((record.id(), record.content), (target.id, None));
    assert_eq!(node.store.root_at(node.log, 3).await.unwrap(), root);
    let words = node.store.words(target.id).await.unwrap().unwrap();
    assert_eq!(words.record.payload(), None);
}

#[tokio::test]
async fn a_holder_drops_it_says_so_once_and_the_owner_sees_who_has_not() {
    let (owner, holder, late) = (place(1).await, place(2).await, place(3).await);
    let target = append(&owner.store, words()).await;
    for place in [&holder, &late] {
        carry(&owner.store, &place.store, owner.log).await;
    }
    append(&owner.store, erase(target)).await;
    let erased = |followers: &[u8]| followers.iter().map(|n| community(*n)).collect();
    let told = async || owner.store.erasures(owner.log).await.unwrap().remove(0).followed_by;
    assert_eq!(told().await, erased(&[]));

    carry(&owner.store, &holder.store, owner.log).await;
    assert!(!is_found(&holder) && is_found(&late));
    assert_eq!(size(&holder.store, holder.log).await, 1);
    carry(&holder.store, &owner.store, holder.log).await;
    assert_eq!(told().await, erased(&[2]));

    // The same once more, and after a restart, says nothing anew.
    let all = incoming(&owner.store, owner.log, 0, 2).await;
    accept(&holder.store, all).await.unwrap();
    holder.store.close().await.unwrap();
    let reopened = reopen(holder.folder.path(), 2, &holder.clock).await;
    assert_eq!(size(&reopened, holder.log).await, 1);
}

#[tokio::test]
async fn whoever_gets_the_log_later_never_has_the_payload_and_serves_it_without() {
    let (owner, holder, newcomer) = (place(1).await, place(2).await, place(3).await);
    let target = append(&owner.store, words()).await;
    let erasing = append(&owner.store, erase(target)).await;
    carry(&owner.store, &holder.store, owner.log).await;
    assert!(!is_found(&holder));
    let served = holder.store.records(owner.log, 0, 2).await.unwrap();
    assert_eq!(served[0].erased_by, Some(erasing.id));
    carry(&holder.store, &newcomer.store, owner.log).await;
    assert_eq!(size(&newcomer.store, newcomer.log).await, 1);
}

#[tokio::test]
async fn a_payload_that_nothing_in_the_log_erased_may_not_be_missing() {
    let (owner, holder) = (place(1).await, place(2).await);
    let target = append(&owner.store, words()).await;
    let other = append(&owner.store, words()).await;
    append(&owner.store, erase(other)).await;
    let without = |of: &store::StoredRecord, named: RecordId| {
        let network = network();
        let expected = ExpectedPlace {
            network: &network,
            community: owner.log.community,
            era: 0,
            index: of.index,
        };
        let record = verify(of.header_bytes.clone(), None, &expected).unwrap();
        record.naming_its_erasure(Some(named))
    };
    let mut incoming = incoming(&owner.store, owner.log, 0, 3).await;
    let stored = owner.store.records(owner.log, 0, 3).await.unwrap();
    // The erase record that is named is there, and is about another record.
    incoming.records[0] = without(&stored[0], incoming.records[2].id());
    let refused = accept(&holder.store, incoming).await;
    let is_told = matches!(&refused, Err(StoreError::Refused { reason, .. }) if reason == "record.payload_missing");
    assert!(is_told, "{refused:?}");
    assert_eq!(target.index, 0);
}

#[tokio::test]
async fn only_words_are_erased_only_those_before_and_only_by_their_author() {
    let (owner, stranger) = (place(1).await, place(2).await);
    let decisive = append(&owner.store, pool(10)).await;
    let target = append(&owner.store, words()).await;
    let reason = async |place: &Place, index: u64| {
        place.store.refusal(place.log, index).await.unwrap().map(|it| it.0)
    };
    let at = append(&owner.store, erase(decisive)).await.index;
    assert_eq!(reason(&owner, at).await.as_deref(), Some("erase.decisive"));
    let at = append(&owner.store, erase_of(target.index, decisive.id)).await.index;
    assert_eq!(reason(&owner, at).await.as_deref(), Some("erase.unknown"));
    let at = append(&owner.store, erase_of(99, target.id)).await.index;
    assert_eq!(reason(&owner, at).await.as_deref(), Some("erase.unknown"));

    carry(&owner.store, &stranger.store, owner.log).await;
    let at = append(&stranger.store, erase(target)).await.index;
    assert_eq!(reason(&stranger, at).await.as_deref(), Some("erase.unknown"));
    assert!(is_found(&owner) && is_found(&stranger));
    let pool = owner.store.records(owner.log, 0, 1).await.unwrap().remove(0).payload();
    assert!(matches!(pool, Some(Payload::Pool(PoolAction::Open(_)))));
}
