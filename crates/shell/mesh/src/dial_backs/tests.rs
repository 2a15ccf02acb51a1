//! The rules by themselves, and a server that is asked over the loopback.

use std::time::Duration;

use futures::StreamExt as _;
use libp2p::{
    Swarm, Transport as _, autonat, core::upgrade::Version, identify, noise, swarm::SwarmEvent,
    tcp, yamux,
};
use zeroize::Zeroizing;

use super::*;
use crate::key::key_pair;

fn peer(byte: u8) -> PeerId {
    key_pair(&Zeroizing::new([byte; 32])).unwrap().public().to_peer_id()
}

/// Rules under which the keys of these bytes are members'.
fn rules(members: &[u8]) -> Rules {
    let all = Members::default();
    for member in members {
        all.admit(peer(*member));
    }
    DialBacks::new(all).rules
}

#[test]
fn the_eighth_address_of_a_member_in_a_minute_is_tried_and_the_ninth_is_not() {
    let (mut rules, start) = (rules(&[1, 2]), Instant::now());
    for _ in 0..MAX_DIAL_BACKS {
        assert_eq!(rules.count(peer(1), start), Ok(()));
    }
    assert_eq!(rules.count(peer(1), start), Err(NotTried::TooMany));
    assert_eq!(rules.count(peer(2), start), Ok(()), "another may still ask");
    assert_eq!(
        rules.count(peer(1), start + DIAL_BACK_SPAN),
        Ok(()),
        "and so may it a minute later"
    );
}

#[test]
fn all_together_ask_no_more_than_all_may() {
    let everybody: Vec<u8> = (1..=9).collect();
    let (mut rules, start) = (rules(&everybody), Instant::now());
    for member in &everybody[..8] {
        for _ in 0..MAX_DIAL_BACKS {
            assert_eq!(rules.count(peer(*member), start), Ok(()));
        }
    }
    assert_eq!(rules.count(peer(9), start), Err(NotTried::TooMany));
}

#[test]
fn a_stranger_may_not_ask_and_takes_no_room() {
    let (mut rules, start) = (rules(&[1]), Instant::now());
    assert_eq!(rules.count(peer(9), start), Err(NotTried::Stranger));
    assert!(rules.counted.is_empty());
}

#[test]
fn an_address_is_tried_if_it_is_of_the_host_that_asks() {
    let mut rules = rules(&[1, 2]);
    let here = ConnectionId::new_unchecked(1);
    rules.hosts.insert(here, (peer(1), "192.0.2.1".parse().unwrap()));
    let check = |rules: &Rules, key: u8, address: &str| {
        rules.check_hosts(&peer(key), &[address.parse().unwrap()])
    };
    assert_eq!(check(&rules, 1, "/ip4/192.0.2.1/tcp/7444"), Ok(()));
    assert_eq!(check(&rules, 1, "/ip4/192.0.2.1/udp/7444/quic-v1"), Ok(()));
    for other in [
        "/ip4/192.0.2.2/tcp/7444",
        "/ip4/127.0.0.1/tcp/22",
        "/ip6/::ffff:192.0.2.1/tcp/7444",
        "/dns/node.example/tcp/7444",
        "/ip4/192.0.2.1/tcp/7444/p2p-circuit",
    ] {
        assert_eq!(check(&rules, 1, other), Err(NotTried::OtherHost), "{other}");
    }
    assert_eq!(check(&rules, 2, "/ip4/192.0.2.1/tcp/7444"), Err(NotTried::OtherHost));
    rules.hosts.remove(&here);
    assert_eq!(check(&rules, 1, "/ip4/192.0.2.1/tcp/7444"), Err(NotTried::OtherHost));
}

#[derive(NetworkBehaviour)]
struct Asking {
    identify: identify::Behaviour,
    client: autonat::v2::client::Behaviour,
}

#[derive(NetworkBehaviour)]
struct Answering {
    identify: identify::Behaviour,
    dial_backs: DialBacks,
}

/// A swarm on a free port of the loopback, and where it listens.
async fn swarm<B: NetworkBehaviour>(
    byte: u8,
    behaviour: impl FnOnce(identify::Behaviour) -> B,
) -> (Swarm<B>, Multiaddr) {
    let pair = key_pair(&Zeroizing::new([byte; 32])).unwrap();
    let wire = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&pair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let identify = identify::Config::new("/test/1".to_owned(), pair.public());
    let settings = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(60));
    let behaviour = behaviour(identify::Behaviour::new(identify));
    let mut swarm = Swarm::new(wire, behaviour, pair.public().to_peer_id(), settings);
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return (swarm, address);
        }
    }
}

/// What a server to which key 1 is a member says of the address at which this key listens.
async fn is_reached(byte: u8) -> bool {
    let members = Members::default();
    members.admit(peer(1));
    let (mut server, at) =
        swarm(7, |identify| Answering { identify, dial_backs: DialBacks::new(members) }).await;
    let client = autonat::v2::client::Behaviour::default();
    let (mut client, _) = swarm(byte, |identify| Asking { identify, client }).await;
    client.dial(at).unwrap();
    let told = async {
        loop {
            tokio::select! {
                event = client.select_next_some() => {
                    if let SwarmEvent::Behaviour(AskingEvent::Client(told)) = event {
                        return told.result.is_ok();
                    }
                    if let SwarmEvent::ExternalAddrConfirmed { .. } = event {
                        return true;
                    }
                }
                _ = server.select_next_some() => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.expect("an answer")
}

#[tokio::test]
async fn a_members_address_is_tried_and_a_strangers_is_not() {
    assert_eq!(tokio::join!(is_reached(1), is_reached(9)), (true, false));
}
