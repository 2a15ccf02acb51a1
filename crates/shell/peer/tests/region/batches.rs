//! What cannot be verified is refused with its reason, and nothing of it is stored.

use peer::{Peer, Role};
use proto::v1::{Batch, Content, Head, Heads, RawRecord, frame::Step};
use record::limits::{MAX_BATCH_BYTES, MAX_GRPC_MESSAGE_BYTES};
use tonic::Code;

use crate::world::*;

/// A node of 301 records that offers its log by hand.
async fn author(region: &Region) -> Peer {
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    for n in 0..300_u32 {
        append(&node, &n.to_be_bytes()).await;
    }
    node
}

/// Offers the log and waits for the coordinator to want it.
async fn offered(region: &Region, node: &Peer) -> Stream {
    let mut stream = Stream::of(region.address, node).await;
    let held = node.held_logs().await.unwrap().remove(0);
    let row = node.store().log(held.log).await.unwrap().unwrap();
    let head = Head {
        community: held.log.community.as_bytes().to_vec(),
        era: 0,
        checkpoint: row.checkpoint.unwrap().1,
        identity: row.identity.unwrap().to_vec(),
        pushed_from: 0,
    };
    stream.send(Step::Heads(Heads { heads: vec![head] })).await;
    while !matches!(stream.next().await.unwrap(), Step::Want(_)) {}
    stream
}

/// The batch that an honest node would send.
async fn batch(node: &Peer, start: u64) -> Batch {
    let limits = store::BatchLimits { max_records: 256, max_bytes: MAX_BATCH_BYTES };
    let log = node.own_log();
    let stored = node.store().batch(log, start, limits, 301).await.unwrap();
    let records = stored.records.into_iter().map(|it| {
        let content =
            it.content.map(|it| Content { salt: it.salt.0.to_vec(), payload: it.payload });
        RawRecord { header: it.header_bytes, content, erased_by: Vec::new() }
    });
    Batch {
        community: log.community.as_bytes().to_vec(),
        era: 0,
        start,
        records: records.collect(),
        tree_size: 301,
        proof: stored.proof.iter().map(|it| it.as_bytes().to_vec()).collect(),
    }
}

fn content(batch: &mut Batch, n: usize) -> &mut Content {
    batch.records[n].content.as_mut().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_in_a_batch_is_refused_with_its_reason_and_the_sound_batch_is_taken() {
    let region = region(1).await;
    let node = author(&region).await;
    let sound = batch(&node, 0).await;
    let with = |change: fn(&mut Batch)| {
        let mut faulty = sound.clone();
        change(&mut faulty);
        faulty
    };
    let faulty = [
        (with(|it| content(it, 3).payload[0] ^= 1), "record.payload_mismatch"),
        (with(|it| content(it, 3).salt[0] ^= 1), "record.payload_mismatch"),
        (with(|it| it.records[3].content = None), "record.payload_missing"),
        (with(|it| it.records[3].header.push(0)), "record.header_malformed"),
        (with(|it| it.records.swap(3, 4)), "record.out_of_place"),
        (with(|it| it.proof[0][0] ^= 1), "replication.bad_proof"),
        (with(|it| it.proof.clear()), "replication.bad_proof"),
        (with(|it| it.records.clear()), "replication.batch_empty"),
        (with(|it| it.records.push(it.records[0].clone())), "replication.batch_too_many"),
        (
            with(|it| content(it, 3).payload = vec![0; MAX_BATCH_BYTES]),
            "replication.batch_too_large",
        ),
        (batch(&node, 256).await, "replication.out_of_order"),
        (with(|it| it.tree_size = 300), "replication.other_head"),
    ];
    for (number, (batch, reason)) in faulty.into_iter().enumerate() {
        let mut stream = offered(&region, &node).await;
        stream.send(Step::Batch(batch)).await;
        let refusal = stream.refusal().await;
        assert_eq!(refusal.reason, reason, "{number}: {}", refusal.detail);
        assert_eq!(size(&region.coordinator, node.own_log()).await, 0, "{number}");
    }
    let stream = offered(&region, &node).await;
    stream.send(Step::Batch(sound)).await;
    until_held(&region.coordinator, node.own_log(), 256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_above_the_limit_ends_the_stream() {
    let region = region(1).await;
    let node = author(&region).await;
    let mut stream = offered(&region, &node).await;
    let mut large = batch(&node, 0).await;
    content(&mut large, 0).payload = vec![0; MAX_GRPC_MESSAGE_BYTES];
    stream.send(Step::Batch(large)).await;
    let end = stream.end().await;
    assert_eq!(end.code(), Code::OutOfRange, "{end:?}");
    assert_eq!(size(&region.coordinator, node.own_log()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_cannot_be_read_ends_the_stream_with_its_reason() {
    let region = region(1).await;
    let node = author(&region).await;
    let mut stream = offered(&region, &node).await;
    let mut short = batch(&node, 0).await;
    short.community.pop();
    stream.send(Step::Batch(short)).await;
    let end = stream.end().await;
    assert_eq!(end.code(), Code::InvalidArgument, "{end:?}");
    let again = offered(&region, &node).await;
    again.send(Step::Batch(batch(&node, 0).await)).await;
    until_held(&region.coordinator, node.own_log(), 256).await;
}
