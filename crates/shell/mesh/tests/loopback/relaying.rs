//! Relays: for members of the region, and for nobody else.

use std::time::Duration;

use mesh::{Address, Event, MeshConfig};

use crate::support::{Node, TCP, config, key, soon};

/// A relay to which nodes 1 and 2 are members.
async fn relay() -> Node {
    let listening = Node::start(7, config(TCP), &[]).await.mesh.listening();
    let mut relaying = MeshConfig { relay: true, ..config(TCP) };
    relaying.external.clone_from(&listening);
    relaying.listen = listening;
    // A member that asks before it was admitted asks again.
    Node::start(8, relaying, &[1, 2]).await
}

/// The address of a node at the relay.
fn circuit(relay: &Node) -> Address {
    format!("{}/p2p-circuit", relay.addresses()[0]).parse().unwrap()
}

/// A node that listens at the relay alone.
fn at(relay: &Node) -> MeshConfig {
    let mut config = config(TCP);
    config.listen = vec![circuit(relay)];
    config
}

/// Waits until the node is reached through the relay.
async fn reserved(node: &Node) {
    let listening = async {
        while !node.mesh.listening().iter().any(|it| it.to_string().contains("p2p-circuit")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(listening).await;
}

#[tokio::test]
async fn a_member_that_nobody_reaches_is_reached_through_a_relay() {
    let relay = relay().await;
    let mut a = Node::start(1, at(&relay), &[2, 8]).await;
    reserved(&a).await;
    let mut b = Node::start(2, config(TCP), &[1, 8]).await;
    b.mesh.learn(a.key, vec![circuit(&relay)]).await;
    b.mesh.connect(a.key).await;
    b.connected_to(a.key).await;
    a.connected_to(b.key).await;
    let near = b.mesh.open(a.key).await.unwrap();
    near.outgoing.send(vec![1]).await.unwrap();
    let (_, mut far) = a.opened().await;
    assert_eq!(soon(far.incoming.recv()).await, Some(Ok(vec![1])));
}

#[tokio::test]
async fn a_stranger_is_neither_reached_nor_let_through() {
    let relay = relay().await;
    let mut a = Node::start(1, at(&relay), &[2, 8, 9]).await;
    reserved(&a).await;
    let mut stranger = Node::start(9, at(&relay), &[1, 8]).await;
    stranger.connected_to(relay.key).await;
    // It tries to get to a member.
    stranger.mesh.learn(a.key, vec![circuit(&relay)]).await;
    stranger.mesh.connect(a.key).await;
    stranger.wait_for(|it| it.take_if(|it| matches!(it, Event::Unreachable(_))).map(drop)).await;
    // A member tries to get to it.
    a.mesh.learn(stranger.key, vec![circuit(&relay)]).await;
    a.mesh.connect(key(9)).await;
    a.wait_for(|it| it.take_if(|it| matches!(it, Event::Unreachable(_))).map(drop)).await;
    assert_eq!(stranger.mesh.listening(), []);
}
