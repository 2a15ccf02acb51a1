//! Doorbells of members and of strangers.

use std::time::Duration;

use mesh::{MAX_DOORBELL_BYTES, Mesh, Verdict};

use crate::support::{Node, TCP, config, config_at, first_of};

/// Rings with a new message four times a second, until it is dropped.
async fn keep_ringing(mesh: Mesh, first_byte: u8) -> ! {
    let mut turn = tokio::time::interval(Duration::from_millis(250));
    for number in 0_u64.. {
        turn.tick().await;
        mesh.ring([&[first_byte][..], &number.to_be_bytes()].concat()).await;
    }
    unreachable!("numbers do not end")
}

/// Three nodes, of which the second alone knows the others.
async fn three() -> (Node, Node, Node) {
    let mut b = Node::start(2, config(TCP), &[1, 3]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2]).await;
    let mut c = Node::start(3, config_at(TCP, &b), &[2]).await;
    for other in [&mut a, &mut c] {
        other.connected_to(b.key).await;
        b.connected_to(other.key).await;
    }
    (a, b, c)
}

#[tokio::test]
async fn a_sound_doorbell_is_passed_on_and_one_that_is_not_judged_sound_is_not() {
    let (a, mut b, mut c) = three().await;
    let (ringing, other) = (a.mesh.clone(), a.mesh.clone());
    let ringing = async move { tokio::join!(keep_ringing(ringing, 1), keep_ringing(other, 2)).0 };
    let (judging, b_key) = (b.mesh.clone(), b.key);
    let passing = async {
        loop {
            let rung = b.rung().await;
            assert_eq!(rung.from, a.key);
            let verdict = if rung.message[0] == 1 { Verdict::Sound } else { Verdict::Unknown };
            judging.judge(rung.ticket, verdict).await;
        }
    };
    let heard = async {
        for _ in 0..6 {
            let rung = c.rung().await;
            // Where gossip connects the two by itself, the doorbell comes from its author.
            if rung.from == b_key {
                assert_eq!(rung.message[0], 1);
            }
            c.mesh.judge(rung.ticket, Verdict::Sound).await;
        }
    };
    tokio::select! {
        () = heard => {}
        () = passing => {}
        _ = ringing => {}
    }
}

#[tokio::test]
async fn a_strangers_doorbell_is_not_heard() {
    let mut b = Node::start(2, config(TCP), &[1]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2]).await;
    let mut stranger = Node::start(9, config_at(TCP, &b), &[2]).await;
    a.connected_to(b.key).await;
    stranger.connected_to(b.key).await;
    let (ringing, strange) =
        (keep_ringing(a.mesh.clone(), 1), keep_ringing(stranger.mesh.clone(), 9));
    let heard = async {
        for _ in 0..8 {
            let rung = b.rung().await;
            assert_eq!((rung.from, rung.message[0]), (a.key, 1));
        }
    };
    tokio::select! {
        () = heard => {}
        _ = ringing => {}
        _ = strange => {}
    }
}

#[tokio::test]
async fn the_longest_doorbell_is_heard_and_a_longer_one_is_not_sent() {
    let mut b = Node::start(2, config(TCP), &[1]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2]).await;
    a.connected_to(b.key).await;
    let ringing = async {
        let mut turn = tokio::time::interval(Duration::from_millis(250));
        for number in 0_u8.. {
            turn.tick().await;
            a.mesh.ring(vec![number; MAX_DOORBELL_BYTES + 1]).await;
            a.mesh.ring(vec![number; MAX_DOORBELL_BYTES]).await;
        }
    };
    let heard = async {
        for _ in 0..3 {
            assert_eq!(b.rung().await.message.len(), MAX_DOORBELL_BYTES);
        }
    };
    first_of(heard, ringing).await;
}

#[tokio::test]
async fn who_passes_on_malformed_doorbells_is_cut_off() {
    let mut strict = config(TCP);
    strict.limits.max_doorbell_faults = 128;
    let mut b = Node::start(2, strict, &[1]).await;
    let mut a = Node::start(1, config_at(TCP, &b), &[2]).await;
    a.connected_to(b.key).await;
    let ringing = keep_ringing(a.mesh.clone(), 1);
    let judged = async {
        for _ in 0..3 {
            let rung = b.rung().await;
            b.mesh.judge(rung.ticket, Verdict::Malformed).await;
        }
        b.parted_from(a.key).await;
    };
    first_of(judged, ringing).await;
}
