//! Members seat another coordinator, and everybody follows.

use data_encoding::BASE64;
use std::collections::BTreeSet;

use peer::{CharterFile, Peer, Role, linker};
use record::{
    CommunityId, Payload,
    commitment::Salt,
    region::{Certificate, Epoch, EpochNumber, RegionAction, Roster, SeatAddress},
};
use store::{Draft, Guard};
use tokio::net::TcpListener;

use crate::{
    pages::{ask, serve_pages},
    world::*,
};

/// Files the epoch with these coordinators after the newest that this peer knows.
pub(crate) async fn file(peer: &Peer, coordinators: &[CommunityId], addresses: &[SeatAddress]) {
    let region = peer.region();
    let newest = region.newest();
    let seats: BTreeSet<CommunityId> = coordinators.iter().copied().collect();
    let members = newest.roster.members().to_vec();
    let roster = Roster::new(members, seats.into_iter().collect(), 1).unwrap();
    let (number, previous) = (newest.number + 1, newest.hash);
    let epoch = Epoch { region: region.region(), number, previous, roster };
    let payload = Payload::RegionEpoch(RegionAction::File { epoch, addresses: addresses.to_vec() });
    let draft = Draft {
        kind: payload.kind().into(),
        payload: proto::payload::encode(&payload),
        salt: Salt([7; 32]),
        references: Vec::new(),
    };
    peer.store().append(vec![draft], Guard::None).await.unwrap();
}

pub(crate) async fn until_epoch(peer: &Peer, number: EpochNumber) {
    let mut region = peer.store().region();
    in_time(async {
        while region.borrow().newest().number < number {
            region.changed().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_region_has_a_tag_that_changes_with_the_epoch() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    tokio::spawn(linker::keep_linked_to_seats(node.clone()));
    let address = serve_pages(&region.coordinator).await;
    let path = "/.well-known/folkmoot/region";
    let shown = async || {
        let page = ask(address, "GET", path, b"").await;
        let told: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        (page.header("etag").to_owned(), told["epoch"].as_u64().unwrap())
    };
    let before = shown().await;
    assert_eq!((shown().await, before.1), (before.clone(), 0));
    file(&node, &[region.seated.id], &[]).await;
    until_epoch(&region.coordinator, 1).await;
    let after = shown().await;
    assert!(after.0 != before.0 && after.1 == 1, "{after:?}");
}

/// Two members of three, linked to the coordinator that the region seats.
async fn two_linked(region: &Region) -> [Peer; 2] {
    let open = async |n: usize| {
        let node = region.founders[n].open(&region.charter, Role::Node).await;
        tokio::spawn(linker::keep_linked_to_seats(node.clone()));
        node
    };
    [open(0).await, open(1).await]
}

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn no_vote_moves_a_coordinator_that_is_seated_already() {
    let region = region(3).await;
    let nodes = two_linked(&region).await;
    let called = async |node: &Peer| {
        let seats = node.seats_to_call().await.unwrap();
        seats.into_iter().map(|it| it.address).collect::<Vec<_>>()
    };
    let right = [Some(region.address.to_string())];
    let hint = SeatAddress { community: region.seated.id, address: NOWHERE.to_owned() };
    file(&nodes[0], &[region.seated.id], std::slice::from_ref(&hint)).await;
    until_held(&nodes[1], nodes[0].own_log(), size(&nodes[0], nodes[0].own_log()).await).await;
    assert_eq!(called(&nodes[1]).await, right, "a proposal of one");
    assert_eq!(nodes[1].region().newest().number, 0);
    file(&nodes[1], &[region.seated.id], &[hint]).await;
    for node in &nodes {
        until_epoch(node, 1).await;
        assert_eq!(called(node).await, right, "an epoch that holds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_open_is_kept_when_another_address_is_told() {
    let region = region(3).await;
    let nodes = two_linked(&region).await;
    region.coordinator.affiliate(&[NOWHERE.to_owned()]).await.unwrap();
    for node in &nodes {
        let told = async || node.addresses().await.unwrap()[&region.seated.id] == NOWHERE;
        until(node, told).await;
    }
    // Every epoch has the seats looked at anew.
    for number in 1..=3 {
        for node in &nodes {
            file(node, &[region.seated.id], &[]).await;
        }
        until_epoch(&region.coordinator, number).await;
        for node in &nodes {
            until_epoch(node, number).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_coordinator_is_seated_cosigns_and_replaces_the_first() {
    let region = region(3).await;
    let mut nodes = Vec::new();
    for founder in &region.founders {
        let node = founder.open(&region.charter, Role::Node).await;
        tokio::spawn(linker::keep_linked_to_seats(node.clone()));
        nodes.push(node);
    }
    append(&nodes[0], b"under the first").await;
    until_cosigned(&nodes[0]).await;

    // It joined by the certificate of a coordinator, and waits for its seat.
    let newcomer = found(NETWORK, "Upriver Office");
    let certificate = region.coordinator.certificate().await.unwrap().encode();
    let certified = Certificate::decode(&certificate).unwrap().verify(None).unwrap();
    assert_eq!(certified.newest().number, 0);
    let joined = CharterFile::of_certificate(certified);
    let second = newcomer.open(&joined, Role::Coordinator).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let _server = serve(&second, listener);
    let hint = SeatAddress { community: newcomer.id, address };

    for node in &nodes[..2] {
        file(node, &[region.seated.id, newcomer.id], std::slice::from_ref(&hint)).await;
    }
    for peer in nodes.iter().chain([&region.coordinator, &second]) {
        until_epoch(peer, 1).await;
    }
    for node in &nodes {
        until_held(&second, node.own_log(), size(node, node.own_log()).await).await;
    }
    until(&nodes[0], async || signatures(&nodes[0], nodes[0].own_log()).await.1 == 3).await;

    // The first is gone for ever; the second alone carries what replaces it.
    region.server.stop(&region.coordinator).await;
    for node in &nodes[1..] {
        file(node, &[newcomer.id], &[]).await;
    }
    for node in &nodes {
        until_epoch(node, 2).await;
    }
    append(&nodes[2], b"under the second").await;
    until(&nodes[2], async || signatures(&nodes[2], nodes[2].own_log()).await.1 == 2).await;
    until_held(&nodes[0], nodes[2].own_log(), size(&nodes[2], nodes[2].own_log()).await).await;
    assert!(nodes[0].region().newest().since.is_some());

    let certificate = second.certificate().await.unwrap();
    let certified = certificate.verify(Some(region.charter.region)).unwrap();
    assert_eq!(certified.newest().hash, second.region().newest().hash);
    assert_eq!(certified.address(&newcomer.id), Some(hint.address.as_str()));

    // Saved as a file, by itself or in its page, the certificate stands for the charter.
    let bytes = certificate.encode();
    let page = serde_json::json!({ "certificate": BASE64.encode(&bytes) }).to_string().into_bytes();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("region");
    let read = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        CharterFile::read(&file)
    };
    for saved in [&bytes, &page] {
        let charter = read(saved).unwrap();
        assert_eq!(charter.region, region.charter.region);
        assert!(charter.everybody().contains(&newcomer.id));
    }
    assert!(read(&bytes[..bytes.len() - 1]).is_err());
}
