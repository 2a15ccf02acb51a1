//! Nodes with no coordinator, over real libp2p on the loopback.

use std::time::Duration;

use mesh::{Address, Mesh, MeshConfig, NodeKey};
use peer::{Peer, Role, neighbours::keep_neighbours};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use tokio::task::JoinHandle;

use crate::world::*;

/// How long whoever was cut off is refused, unless it is cut off again.
const CUT: Duration = Duration::from_secs(1);

/// A peer's part in the mesh; it leaves when this is dropped.
struct Part {
    mesh: Mesh,
    kept: JoinHandle<()>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kept.abort();
    }
}

/// Takes part in the mesh at this address, and looks for others at those.
async fn join(peer: &Peer, listen: Address, others: Vec<Address>) -> Part {
    let region = peer.charter().region.to_string();
    let mut config = MeshConfig::new(peer.network().as_str(), region, MAX_GRPC_MESSAGE_BYTES);
    (config.listen, config.peers) = (vec![listen], others);
    config.limits.cut_off_time = CUT;
    let (mesh, events) = mesh::start(config, &peer.keys().transport.seed()).await.unwrap();
    let kept = keep_neighbours(peer.clone(), mesh.clone(), events);
    Part { mesh, kept: tokio::spawn(async move { kept.await.unwrap() }) }
}

fn somewhere() -> Address {
    "/ip4/127.0.0.1/tcp/0".parse().unwrap()
}

/// Founders of a region whose coordinator is not there.
async fn founders(n: usize) -> (Region, Vec<Peer>) {
    let region = region(n).await;
    region.coordinator.end_streams();
    let mut peers = Vec::new();
    for founder in &region.founders {
        peers.push(founder.open(&region.charter, Role::Node).await);
    }
    (region, peers)
}

async fn until_all_hold(peers: &[Peer], n_records: u64) {
    for holder in peers {
        for author in peers {
            until_held(holder, author.own_log(), n_records).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_know_one_of_them_hold_each_others_records_with_no_coordinator() {
    let (_region, peers) = founders(4).await;
    for peer in &peers {
        append(peer, b"hello").await;
    }
    let first = join(&peers[0], somewhere(), Vec::new()).await;
    let mut parts = Vec::new();
    for peer in &peers[1..] {
        parts.push(join(peer, somewhere(), first.mesh.listening()).await);
    }
    until_all_hold(&peers, 2).await;
    append(&peers[3], b"and one more").await;
    for holder in &peers {
        until_held(holder, peers[3].own_log(), 3).await;
    }
    let links = peers[0].links().all();
    assert!(links.iter().any(|(_, link)| link.connected && link.mesh_streams == 1), "{links:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_heals_when_the_other_side_listens_again() {
    let (_region, peers) = founders(2).await;
    let near = join(&peers[0], somewhere(), Vec::new()).await;
    let address = near.mesh.listening();
    let _far = join(&peers[1], somewhere(), address.clone()).await;
    until_all_hold(&peers, 1).await;
    drop(near);
    for peer in &peers {
        append(peer, b"apart").await;
    }
    let _near = join(&peers[0], address[0].clone(), Vec::new()).await;
    until_all_hold(&peers, 2).await;
}

/// Ends every connection between the first three and the others, and refuses new ones, until it is dropped.
async fn keep_apart(near: &[(NodeKey, Mesh)], far: &[(NodeKey, Mesh)]) -> ! {
    let mut turn = tokio::time::interval(CUT / 5);
    loop {
        turn.tick().await;
        for (near_key, near) in near {
            for (far_key, far) in far {
                near.cut(*far_key, "test.apart").await;
                far.cut(*near_key, "test.apart").await;
            }
        }
    }
}

/// Whether any stream is open from one of these to one of those.
fn are_linked(near: &[Peer], far: &[Peer]) -> bool {
    let is_far = |community| far.iter().any(|it| it.community() == community);
    let mut links = near.iter().flat_map(|it| it.links().all());
    links.any(|(community, link)| link.connected && is_far(community))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_halves_that_lost_each_other_go_on_apart_and_come_together_by_themselves() {
    let (_region, peers) = founders(6).await;
    let first = join(&peers[0], somewhere(), Vec::new()).await;
    let known = first.mesh.listening();
    let mut parts = vec![first];
    for peer in &peers[1..] {
        parts.push(join(peer, somewhere(), known.clone()).await);
    }
    until_all_hold(&peers, 1).await;
    let key = |peer: &Peer| NodeKey(peer.keys().transport.public().0);
    let all = peers.iter().zip(&parts).map(|(peer, part)| (key(peer), part.mesh.clone()));
    let all: Vec<_> = all.collect();
    let (near, far) = (all[..3].to_vec(), all[3..].to_vec());
    let apart = tokio::spawn(async move { keep_apart(&near, &far).await });
    let (near, far) = peers.split_at(3);
    in_time(async {
        while are_linked(near, far) || are_linked(far, near) {
            tokio::time::sleep(CUT / 20).await;
        }
    })
    .await;
    for half in [near, far] {
        append(&half[0], b"apart").await;
        for holder in half {
            until_held(holder, half[0].own_log(), 2).await;
        }
    }
    assert_eq!(size(&far[0], near[0].own_log()).await, 1, "nothing crosses");
    assert_eq!(size(&near[0], far[0].own_log()).await, 1, "nothing crosses");
    apart.abort();
    for holder in &peers {
        until_held(holder, near[0].own_log(), 2).await;
        until_held(holder, far[0].own_log(), 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_community_that_the_charter_does_not_name_is_refused_with_the_reason() {
    let (_region, peers) = founders(1).await;
    let (_other, strangers) = founders(1).await;
    let part = join(&peers[0], somewhere(), Vec::new()).await;
    let region = peers[0].charter().region.to_string();
    let mut config = MeshConfig::new(NETWORK, region, MAX_GRPC_MESSAGE_BYTES);
    (config.listen, config.peers) = (vec![somewhere()], part.mesh.listening());
    let stranger = &strangers[0];
    let seed = stranger.keys().transport.seed();
    let (mesh, mut events) = mesh::start(config, &seed).await.unwrap();
    let key = mesh::NodeKey(peers[0].keys().transport.public().0);
    let connected =
        async { while !matches!(events.recv().await, Some(mesh::Event::Connected(_))) {} };
    in_time(connected).await;
    // A stream that crosses one of the other side's gives way, and is opened again.
    let refusal = in_time(async {
        loop {
            if let Ok(line) = mesh.open(key).await
                && let Some(refusal) = refused(line, stranger).await
            {
                return refusal;
            }
        }
    });
    assert_eq!(refusal.await.reason, "hello.not_admitted");
}

/// Says Hello, and hears the parting word, if there is one.
async fn refused(mut line: mesh::FrameStream, stranger: &Peer) -> Option<proto::v1::Refusal> {
    let hello = peer::hello::hello(stranger).await.unwrap();
    line.outgoing.send(proto::replication::encode_frame(&hello)).await.ok()?;
    let mut last = None;
    while let Some(Ok(frame)) = line.incoming.recv().await {
        last = proto::replication::decode_frame(&frame).unwrap().step;
    }
    if let proto::v1::frame::Step::Refusal(refusal) = last? { Some(refusal) } else { None }
}
