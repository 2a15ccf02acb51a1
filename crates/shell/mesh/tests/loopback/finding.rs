//! Who finds whom, and who is let in.

use std::time::Duration;

use mesh::Event;

use crate::support::{Node, TCP, config, config_at, first_of, key};

#[tokio::test]
async fn a_node_finds_a_third_through_the_one_that_both_know() {
    let mut b = Node::start(2, config(TCP), &[1, 3]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2, 3]).await;
    b.connected_to(a.key).await;
    let mut c = Node::start(3, config_at(TCP, &b), &[1, 2]).await;
    c.connected_to(b.key).await;
    c.mesh.connect(a.key).await;
    c.connected_to(a.key).await;
    a.connected_to(c.key).await;
}

#[tokio::test]
async fn a_node_is_found_through_others_that_nobody_here_is_connected_with() {
    let mut d = Node::start(4, config(TCP), &[1, 2, 3]).await;
    let mut c = Node::start(3, config_at(TCP, &d), &[1, 2, 4]).await;
    c.connected_to(d.key).await;
    d.connected_to(c.key).await;
    let mut b = Node::start(2, config_at(TCP, &c), &[1, 3, 4]).await;
    b.connected_to(c.key).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2, 3, 4]).await;
    a.connected_to(b.key).await;
    a.mesh.connect(d.key).await;
    a.connected_to(d.key).await;
    d.connected_to(a.key).await;
}

#[tokio::test]
async fn members_that_have_no_use_for_each_other_are_not_connected_by_the_one_that_both_know() {
    let mut b = Node::start(2, config(TCP), &[1, 3]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2, 3]).await;
    let mut c = Node::start(3, config_at(TCP, &b), &[1, 2]).await;
    for other in [&mut a, &mut c] {
        other.connected_to(b.key).await;
        b.connected_to(other.key).await;
    }
    // For as long as two seconds something else is done: libp2p left to itself connects them within half of one.
    let ringing = async {
        let mut turn = tokio::time::interval(Duration::from_millis(250));
        for number in 0_u8..8 {
            turn.tick().await;
            a.mesh.ring(vec![number]).await;
        }
    };
    first_of(ringing, c.connected_to(a.key)).await;
}

#[tokio::test]
async fn a_node_is_reached_by_its_key_where_it_was_seen() {
    let mut a = Node::start(1, config(TCP), &[2]).await;
    let mut b = Node::start(2, config(TCP), &[1]).await;
    b.mesh.learn(a.key, a.mesh.listening()).await;
    b.mesh.connect(a.key).await;
    b.connected_to(a.key).await;
    a.connected_to(b.key).await;
}

#[tokio::test]
async fn another_key_at_the_address_is_not_taken_for_the_right_one() {
    let a = Node::start(1, config(TCP), &[2]).await;
    let mut b = Node::start(2, config(TCP), &[9]).await;
    b.mesh.learn(key(9), a.mesh.listening()).await;
    b.mesh.connect(key(9)).await;
    let told = b.wait_for(Option::take).await;
    assert!(matches!(told, Event::Unreachable(it) if it == key(9)), "{told:?}");
}

#[tokio::test]
async fn a_stranger_is_parted_from_when_its_time_is_over_and_others_are_not_told_where_it_is() {
    let mut short = config(TCP);
    short.limits.stranger_time = Duration::from_secs(3);
    let mut b = Node::start(2, short, &[1]).await;
    let mut stranger = Node::start(9, config_at(TCP, &b), &[1, 2]).await;
    b.connected_to(stranger.key).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2, 9]).await;
    a.connected_to(b.key).await;
    a.mesh.connect(stranger.key).await;
    // Nobody has told of it.
    a.wait_for(|it| it.take_if(|it| matches!(it, Event::Unreachable(_))).map(drop)).await;
    stranger.connected_to(b.key).await;
    stranger.parted_from(b.key).await;
}

#[tokio::test]
async fn a_node_that_comes_back_is_found_again() {
    let mut b = Node::start(2, config(TCP), &[1]).await;
    let address = b.addresses();
    let mut a = Node::start(1, config_at(TCP, &b), &[2]).await;
    a.connected_to(b.key).await;
    b.connected_to(a.key).await;
    drop(b);
    a.parted_from(key(2)).await;
    let mut again = config(TCP);
    // The same port as before.
    again.listen = address.iter().map(|it| without_key(&it.to_string())).collect();
    let mut b = Node::start(2, again, &[1]).await;
    a.connected_to(b.key).await;
    b.connected_to(a.key).await;
}

#[tokio::test]
async fn the_last_connection_with_room_is_taken_and_the_next_only_when_one_has_ended() {
    let mut full = config(TCP);
    full.limits.max_connections = 1;
    let mut a = Node::start(1, full, &[2, 3]).await;
    let b = Node::start(2, config_at(TCP, &a), &[1]).await;
    a.connected_to(b.key).await;
    let mut c = Node::start(3, config_at(TCP, &a), &[1]).await;
    c.parted_from(a.key).await;
    let left = b.key;
    drop(b);
    a.parted_from(left).await;
    let told = a.wait_for(Option::take).await;
    assert!(matches!(told, Event::Connected(it) if it == c.key), "{told:?}");
}

fn without_key(address: &str) -> mesh::Address {
    address.split("/p2p/").next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_key_that_was_cut_off_is_refused() {
    let mut a = Node::start(1, config(TCP), &[2]).await;
    let mut b = Node::start(2, config_at(TCP, &a), &[1]).await;
    a.connected_to(b.key).await;
    b.connected_to(a.key).await;
    a.mesh.cut(b.key, "test.reason").await;
    a.parted_from(b.key).await;
    b.parted_from(a.key).await;
    // It tries again, and again: each time it is parted from at once, and nothing is told here.
    b.parted_from(a.key).await;
    let third = Node::start(3, config_at(TCP, &a), &[1]).await;
    let told = a.wait_for(Option::take).await;
    assert!(matches!(told, Event::Connected(it) if it == third.key), "{told:?}");
}
