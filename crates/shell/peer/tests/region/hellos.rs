//! Who is spoken to.

use peer::{Peer, PeerError, Role};
use proto::v1::{
    ExchangeRequest, Frame, Heads, frame::Step,
    replication_service_client::ReplicationServiceClient,
};
use std::sync::Arc;
use tonic::Code;
use transport::{DialLimits, Expect, TransportKey, dial_anonymous};

use crate::world::*;

async fn told(region: &Region, key: &TransportKey, first: Frame) -> (Code, String) {
    let refused = open(region.address, key, first).await.err().expect("a refusal");
    let reason = refused.message().split(':').next().unwrap_or_default().to_owned();
    (refused.code(), reason)
}

/// A peer of a region that has nothing to do with the one under test.
async fn stranger(network: &str) -> (Founded, Peer) {
    let (office, ward) = (found(network, "Elsewhere Office"), found(network, "Elsewhere"));
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let charter = charter(network, (&office, nowhere), &[&ward]);
    let peer = ward.open(&charter, Role::Node).await;
    (ward, peer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_outside_the_charter_is_refused() {
    let region = region(1).await;
    let (_folder, stranger) = stranger(NETWORK).await;
    let hello = peer::hello::hello(&stranger).await.unwrap();
    let refused = told(&region, &stranger.keys().transport, hello).await;
    assert_eq!(refused, (Code::PermissionDenied, "hello.not_admitted".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_network_is_refused() {
    let region = region(1).await;
    let (_folder, stranger) = stranger("other.folkmoot.example").await;
    let hello = peer::hello::hello(&stranger).await.unwrap();
    let refused = told(&region, &stranger.keys().transport, hello).await;
    assert_eq!(refused, (Code::PermissionDenied, "hello.other_network".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_shown_with_another_key_than_its_own_is_refused() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    let hello = peer::hello::hello(&node).await.unwrap();
    let refused = told(&region, &TransportKey::from_seed([9; 32]), hello).await;
    assert_eq!(refused, (Code::PermissionDenied, "hello.other_key".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_a_hello_of_a_known_version() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    let heads = Frame { step: Some(Step::Heads(Heads::default())) };
    let refused = told(&region, &node.keys().transport, heads).await;
    assert_eq!(refused, (Code::PermissionDenied, "hello.missing".to_owned()));

    let mut newer = peer::hello::hello(&node).await.unwrap();
    if let Some(Step::Hello(hello)) = &mut newer.step {
        hello.protocol_versions = vec![2];
    }
    let refused = told(&region, &node.keys().transport, newer).await;
    assert_eq!(refused, (Code::PermissionDenied, "hello.version".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_key_is_refused() {
    let region = region(1).await;
    let address = region.address.to_string();
    let dialled =
        dial_anonymous(&address, Expect::AnyEd25519, DialLimits::default()).await.unwrap();
    let mut client = ReplicationServiceClient::new(dialled.channel);
    let nothing = tokio_stream::empty::<ExchangeRequest>();
    let refused = in_time(client.exchange(nothing)).await.expect_err("a refusal");
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ninth_stream_of_a_community_is_refused() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    let mut open_streams = Vec::new();
    for _ in 0..peer::links::MAX_STREAMS {
        open_streams.push(Stream::of(region.address, &node).await);
    }
    let hello = peer::hello::hello(&node).await.unwrap();
    let refused = told(&region, &node.keys().transport, hello).await;
    let reason = "replication.too_many_streams".to_owned();
    assert_eq!(refused, (Code::ResourceExhausted, reason));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_founded_in_another_network_or_outside_the_charter_is_not_opened() {
    let region = region(1).await;
    let clock = || Arc::new(runtime::clock::SystemClock::new());
    let foreign = found("other.folkmoot.example", "Elsewhere");
    let opened = Peer::open(&foreign.folder, region.charter.clone(), Role::Node, clock()).await;
    assert!(matches!(opened, Err(PeerError::OtherNetwork { .. })), "{opened:?}");
    let unnamed = found(NETWORK, "Elsewhere");
    let opened = Peer::open(&unnamed.folder, region.charter.clone(), Role::Node, clock()).await;
    assert!(matches!(opened, Err(PeerError::NotInCharter { .. })), "{opened:?}");
}

/// The region that this peer notes of the one other community that it has a stream to.
fn other_region(peer: &Peer) -> Option<record::RegionId> {
    let [(_, link)] = peer.links().all().try_into().expect("one stream");
    assert!(link.connected);
    link.other_region
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_note_that_the_other_is_of_another_region_and_go_on() {
    let region = region(1).await;
    let further = found(NETWORK, "Further");
    let seat = (&region.seated, region.address);
    let elsewhere = charter(NETWORK, seat, &[&region.founders[0], &further]);
    let node = region.founders[0].open(&elsewhere, Role::Node).await;
    link(&node, &elsewhere.coordinators[0]);
    until_cosigned(&node).await;
    assert_eq!(other_region(&node), Some(region.charter.region));
    assert_eq!(other_region(&region.coordinator), Some(elsewhere.region));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_side_notes_another_region_where_the_charters_are_the_same() {
    let region = region(1).await;
    let node = region.linked(0).await;
    until_cosigned(&node).await;
    assert_eq!(other_region(&node), None);
    assert_eq!(other_region(&region.coordinator), None);
}
