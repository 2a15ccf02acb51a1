//! Relays: for members of the region, and for nobody else.

use std::time::Duration;

use mesh::{Address, Event, MeshConfig, RelayLimits};

use crate::support::{MAX_FRAME_BYTES, Node, TCP, config, first_of, key, soon};

/// A relay to which nodes 1 and 2 are members.
async fn relay() -> Node {
    relay_with(RelayLimits::default()).await
}

/// The same with other limits; nodes 3 and 4 are members, too.
async fn relay_with(limits: RelayLimits) -> Node {
    let listening = Node::start(7, config(TCP), &[]).await.mesh.listening();
    let mut relaying = MeshConfig { relay: true, ..config(TCP) };
    relaying.limits.relay = limits;
    relaying.external.clone_from(&listening);
    relaying.listen = listening;
    // A member that asks before it was admitted asks again.
    Node::start(8, relaying, &[1, 2, 3, 4]).await
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

/// Whether the node is reached through the relay.
fn is_reserved(node: &Node) -> bool {
    !node.mesh.listening().is_empty()
}

/// Goes to this node by way of the relay; tells whether it is reached.
async fn goes(from: &mut Node, relay: &Node, to: &Node) -> bool {
    from.mesh.learn(to.key, vec![circuit(relay)]).await;
    from.mesh.connect(to.key).await;
    from.wait_for(|it| {
        let told = it.take_if(|it| match it {
            Event::Connected(key) | Event::Unreachable(key) => *key == to.key,
            Event::Disconnected(_) | Event::Opened(..) | Event::Rung(_) => false,
        })?;
        Some(matches!(told, Event::Connected(_)))
    })
    .await
}

/// Waits so many quarters of a second, in which the node does something else.
async fn meanwhile(node: &Node, n_quarters: u8) {
    let mesh = node.mesh.clone();
    let mut turn = tokio::time::interval(Duration::from_millis(250));
    for number in 0..n_quarters {
        turn.tick().await;
        mesh.ring(vec![number]).await;
    }
}

#[tokio::test]
async fn the_last_reservation_is_given_and_the_next_only_when_one_is_free() {
    let relay = relay_with(RelayLimits { max_reservations: 1, ..RelayLimits::default() }).await;
    let a = Node::start(1, at(&relay), &[8]).await;
    reserved(&a).await;
    let mut b = Node::start(2, at(&relay), &[8]).await;
    b.connected_to(relay.key).await;
    meanwhile(&relay, 8).await;
    assert!(!is_reserved(&b), "there is no room");
    drop(a);
    reserved(&b).await;
}

#[tokio::test]
async fn a_member_has_as_many_circuits_as_it_may_have_and_others_have_theirs() {
    let limits = RelayLimits { max_circuits_per_key: 1, ..RelayLimits::default() };
    let relay = relay_with(limits).await;
    let a = Node::start(1, at(&relay), &[3, 4, 8]).await;
    let b = Node::start(2, at(&relay), &[3, 4, 8]).await;
    reserved(&a).await;
    reserved(&b).await;
    let mut c = Node::start(3, nowhere(), &[1, 2, 8]).await;
    let mut d = Node::start(4, nowhere(), &[1, 2, 8]).await;
    assert!(goes(&mut c, &relay, &a).await);
    assert!(!goes(&mut c, &relay, &b).await, "its one circuit is taken");
    assert!(goes(&mut d, &relay, &b).await);
}

#[tokio::test]
async fn a_circuit_carries_what_it_may_carry_and_is_cut_beyond() {
    let max_circuit_bytes = 16 * MAX_FRAME_BYTES as u64;
    let relay = relay_with(RelayLimits { max_circuit_bytes, ..RelayLimits::default() }).await;
    let mut a = Node::start(1, at(&relay), &[3, 8]).await;
    reserved(&a).await;
    let mut c = Node::start(3, nowhere(), &[1, 8]).await;
    assert!(goes(&mut c, &relay, &a).await);
    let near = c.mesh.open(a.key).await.unwrap();
    let sending = async {
        // Whoever is cut off takes no more.
        while near.outgoing.send(vec![7; MAX_FRAME_BYTES]).await.is_ok() {}
    };
    let taken = async {
        let (_, mut far) = a.opened().await;
        let mut n_frames = 0;
        while let Some(Ok(frame)) = soon(far.incoming.recv()).await {
            assert_eq!(frame.len(), MAX_FRAME_BYTES);
            n_frames += 1;
        }
        n_frames
    };
    let (n_frames, ()) = tokio::join!(taken, sending);
    assert!((12..16).contains(&n_frames), "{n_frames} frames of a sixteenth each");
    a.parted_from(c.key).await;
}

/// A node that nobody reaches and that is at no relay.
fn nowhere() -> MeshConfig {
    MeshConfig { listen: Vec::new(), ..config(TCP) }
}

/// How long a circuit lasts in the following tests.
const SHORT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_circuit_lasts_as_long_as_it_may_where_there_is_no_direct_way() {
    let relay = relay_with(RelayLimits { max_circuit_time: SHORT, ..RelayLimits::default() }).await;
    let mut a = Node::start(1, at(&relay), &[3, 8]).await;
    reserved(&a).await;
    let mut c = Node::start(3, nowhere(), &[1, 8]).await;
    assert!(goes(&mut c, &relay, &a).await);
    a.connected_to(c.key).await;
    first_of(meanwhile(&relay, 6), c.parted_from(a.key)).await;
    c.parted_from(a.key).await;
}

#[tokio::test]
async fn a_circuit_leads_to_a_direct_way_which_stays_when_the_circuit_ends() {
    let relay = relay_with(RelayLimits { max_circuit_time: SHORT, ..RelayLimits::default() }).await;
    // Both listen, and each knows of the other the way over the relay alone.
    let mut listening = config(TCP);
    listening.listen.push(circuit(&relay));
    let mut a = Node::start(1, listening, &[3, 8]).await;
    reserved(&a).await;
    let mut c =
        Node::start(3, MeshConfig { peers: relay.addresses(), ..config(TCP) }, &[1, 8]).await;
    c.connected_to(relay.key).await;
    // By then the relay has told it from where it is seen.
    meanwhile(&relay, 8).await;
    assert!(goes(&mut c, &relay, &a).await);
    a.connected_to(c.key).await;
    // Twice as long as the circuit lasts.
    first_of(meanwhile(&relay, 24), c.parted_from(a.key)).await;
    drop(relay);
    let near = c.mesh.open(a.key).await.unwrap();
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
