//! A community whose log has two histories.

use peer::Role;
use record::{Payload, kind::Known};

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_signed_heads_of_one_size_are_kept_as_evidence_and_the_first_log_stays() {
    let region = region(1).await;
    let first = region.founders[0].open(&region.charter, Role::Node).await;
    first.store().close().await.unwrap();
    // A copy of keys and log, as after a backup that was restored beside the original.
    let copied = region.founders[0].twin();
    let first = region.linked(0).await;
    append(&first, b"one history").await;
    until_cosigned(&first).await;
    let log = first.own_log();
    let held = region.coordinator.store().log(log).await.unwrap().unwrap();

    let second = copied.open(&region.charter, Role::Node).await;
    append(&second, b"another history").await;
    link(&second, &region.charter.coordinators[0]);
    let own = region.coordinator.own_log();
    let evidence = async || {
        let records = region.coordinator.store().records(own, 0, 999).await.unwrap();
        let is_evidence =
            |it: &store::StoredRecord| it.header().unwrap().kind.known() == Some(Known::Evidence);
        records.into_iter().filter(is_evidence).collect::<Vec<_>>()
    };
    until(&region.coordinator, async || !evidence().await.is_empty()).await;

    let filed = evidence().await.remove(0).content.unwrap().payload;
    let Ok(Payload::Evidence(filed)) = proto::payload::decode(Known::Evidence, &filed) else {
        panic!("no evidence");
    };
    assert_eq!(filed.community, log.community);
    let text = |note: &[u8]| tlog::Note::parse(note).unwrap().text().to_owned();
    assert_ne!(text(&filed.one), text(&filed.other));
    let now = region.coordinator.store().log(log).await.unwrap().unwrap();
    assert_eq!((now.frontier, now.checkpoint), (held.frontier, held.checkpoint));
}
