//! Logs travel: to the coordinator, through it, and again after it was away.

use peer::Role;
use proto::v1::{Want, frame::Step};
use record::{kind::Known, limits::MAX_PAYLOAD_BYTES};
use tokio::net::TcpListener;

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_held_cosigned_and_receipted_by_the_coordinator() {
    let region = region(1).await;
    let node = region.linked(0).await;
    append(&node, b"hello").await;
    until_cosigned(&node).await;

    let held = region.coordinator.store().log(node.own_log()).await.unwrap().unwrap();
    let own = node.store().log(node.own_log()).await.unwrap().unwrap();
    assert_eq!(held.frontier, own.frontier);
    let (_, link) = node.links().all().remove(0);
    assert_eq!((link.connected, link.acked_size), (true, 2));
    let records =
        region.coordinator.store().records(region.coordinator.own_log(), 0, 99).await.unwrap();
    let kinds = records.iter().map(|it| it.header().unwrap().kind.known());
    assert!(kinds.into_iter().any(|it| it == Some(Known::Receipt)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_gets_the_log_of_the_first_through_the_coordinator() {
    let region = region(2).await;
    let (first, second) = (region.linked(0).await, region.linked(1).await);
    for n in 0..300_u32 {
        append(&first, &n.to_be_bytes()).await;
    }
    until_held(&second, first.own_log(), 301).await;
    let own = first.store().log(first.own_log()).await.unwrap().unwrap();
    let held = second.store().log(first.own_log()).await.unwrap().unwrap();
    assert_eq!(held.frontier, own.frontier);
    assert!(second.identity_of(first.community()).await.unwrap().is_some());
    until_held(&second, region.coordinator.own_log(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_finds_the_coordinator_again_when_it_comes_back_on_the_same_port() {
    let region = region(1).await;
    let node = region.linked(0).await;
    append(&node, b"before").await;
    until_cosigned(&node).await;

    region.server.stop(&region.coordinator).await;
    region.coordinator.store().close().await.unwrap();
    append(&node, b"while it was away").await;
    let listener = in_time(TcpListener::bind(region.address)).await.unwrap();
    let back = region.seated.open(&region.charter, Role::Coordinator).await;
    let _server = serve(&back, listener);
    until_held(&back, node.own_log(), 3).await;
    append(&node, b"after").await;
    until_cosigned(&node).await;
    assert_eq!(size(&back, node.own_log()).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_payloads_travel_four_to_a_batch() {
    let region = region(1).await;
    let node = region.linked(0).await;
    for n in 0..9_u8 {
        append(&node, &vec![n; MAX_PAYLOAD_BYTES]).await;
    }
    until_held(&region.coordinator, node.own_log(), 10).await;
    until_cosigned(&node).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_never_reads_keeps_nobody_waiting() {
    let region = region(2).await;
    let node = region.linked(0).await;
    for n in 0..40_u8 {
        append(&node, &vec![n; MAX_PAYLOAD_BYTES]).await;
    }
    until_held(&region.coordinator, node.own_log(), 41).await;

    let other = region.founders[1].open(&region.charter, Role::Node).await;
    let mut stalled = Vec::new();
    for _ in 0..4 {
        let stream = Stream::of(region.address, &other).await;
        let log = node.own_log();
        let community = log.community.as_bytes().to_vec();
        let want = Want { community, era: 0, start: 0, end: 41, credit: 8 };
        stream.send(Step::Want(want)).await;
        stalled.push(stream);
    }
    for _ in 0..20 {
        append(&node, b"still here").await;
    }
    until_cosigned(&node).await;
    drop(stalled);
}
