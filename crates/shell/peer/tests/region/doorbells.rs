//! A network in memory in place of libp2p, and doorbells put in by hand.

use mesh::{Command, Event, NodeKey, Rung, Switchboard, Ticket, Verdict, frame_pair, seam};
use peer::{Peer, Role, neighbours::keep_neighbours};
use proto::{replication::decode_doorbell, replication::encode_doorbell, v1};
use tokio::sync::mpsc;

use crate::world::*;

/// A peer that takes part in a mesh whose far end is held here.
struct Held {
    peer: Peer,
    key: NodeKey,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
}

fn hold(peer: Peer) -> Held {
    let (mesh, events, Switchboard { commands, events: told, .. }) = seam();
    let kept = keep_neighbours(peer.clone(), mesh, events);
    tokio::spawn(async move { kept.await.unwrap() });
    let key = NodeKey(peer.keys().transport.public().0);
    Held { peer, key, commands, events: told }
}

impl Held {
    async fn tell(&self, event: Event) {
        in_time(self.events.send(event)).await.unwrap();
    }

    /// The next command of which this makes something; others are passed over.
    async fn asked<T>(&mut self, pick: impl Fn(Command) -> Option<T>) -> T {
        in_time(async {
            loop {
                if let Some(picked) = pick(self.commands.recv().await.expect("it goes on")) {
                    return picked;
                }
            }
        })
        .await
    }

    async fn verdict(&mut self, message: Vec<u8>) -> Verdict {
        let rung = Rung { from: NodeKey([9; 32]), message, ticket: Ticket(7) };
        self.tell(Event::Rung(rung)).await;
        self.asked(|it| if let Command::Judge(Ticket(7), it) = it { Some(it) } else { None }).await
    }

    async fn rung(&mut self) -> Vec<u8> {
        self.asked(|it| if let Command::Ring(message) = it { Some(message) } else { None }).await
    }
}

/// Connects two of them, and carries their streams and doorbells until either ends.
async fn connect(mut near: Held, mut far: Held) {
    near.tell(Event::Connected(far.key)).await;
    far.tell(Event::Connected(near.key)).await;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(command) = near.commands.recv() => carry(command, near.key, &far).await,
                Some(command) = far.commands.recv() => carry(command, far.key, &near).await,
                else => return,
            }
        }
    });
}

async fn carry(command: Command, from: NodeKey, to: &Held) {
    if let Command::Open(_, answer) = command {
        let (ours, theirs) = frame_pair();
        let _ = answer.send(Ok(ours));
        to.tell(Event::Opened(from, theirs)).await;
    } else if let Command::Ring(message) = command {
        to.tell(Event::Rung(Rung { from, message, ticket: Ticket(1) })).await;
    }
}

async fn founder(region: &Region, n: usize) -> Peer {
    region.founders[n].open(&region.charter, Role::Node).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_peers_converge_over_a_network_in_memory() {
    let region = region(2).await;
    let [near, far] = [founder(&region, 0).await, founder(&region, 1).await];
    append(&near, b"here").await;
    connect(hold(near.clone()), hold(far.clone())).await;
    until_held(&far, near.own_log(), 2).await;
    append(&far, b"there").await;
    until_held(&near, far.own_log(), 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doorbell_tells_the_head_of_the_own_log_as_it_was_signed() {
    let region = region(1).await;
    let mut held = hold(founder(&region, 0).await);
    append(&held.peer, b"hello").await;
    let message = held.rung().await;
    let told = decode_doorbell(&message).unwrap();
    let row = held.peer.store().log(held.peer.own_log()).await.unwrap().unwrap();
    assert_eq!(told.size, 2);
    assert_eq!(Some((told.size, told.checkpoint)), row.checkpoint);
    assert!(message.len() < 1_024, "{}", message.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doorbell_is_passed_on_only_if_the_logs_own_key_signed_what_it_says() {
    let region = region(1).await;
    let mut held = hold(founder(&region, 0).await);
    append(&held.peer, b"hello").await;
    let message = held.rung().await;
    assert_eq!(held.verdict(message.clone()).await, Verdict::Sound);
    let sound = decode_doorbell(&message).unwrap();
    let mut forged = sound.checkpoint.clone();
    let last = forged.len() - 3;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    for (changed, verdict) in [
        (v1::Doorbell { size: 3, ..sound.clone() }, Verdict::Malformed),
        (v1::Doorbell { checkpoint: forged, ..sound.clone() }, Verdict::Malformed),
        (v1::Doorbell { checkpoint: Vec::new(), ..sound.clone() }, Verdict::Malformed),
        (v1::Doorbell { community: vec![1; 31], ..sound.clone() }, Verdict::Malformed),
        (v1::Doorbell { era: 1, ..sound.clone() }, Verdict::Malformed),
        // Of those whom nobody here knows, nothing can be said.
        (v1::Doorbell { community: vec![1; 32], ..sound.clone() }, Verdict::Unknown),
        (v1::Doorbell { community: vec![2; 32], ..sound }, Verdict::Unknown),
    ] {
        assert_eq!(held.verdict(encode_doorbell(&changed)).await, verdict, "{changed:?}");
    }
    assert_eq!(held.verdict(vec![0xff; 40]).await, Verdict::Malformed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doorbell_of_a_member_whose_log_is_not_here_leads_to_whoever_passed_it_on() {
    let region = region(2).await;
    let author = founder(&region, 1).await;
    let mut ringing = hold(author.clone());
    append(&author, b"hello").await;
    let message = ringing.rung().await;
    let mut held = hold(founder(&region, 0).await);
    // A key that is lower than ours would open the stream itself, so there is none but for the doorbell.
    let from = NodeKey([0; 32]);
    held.tell(Event::Connected(from)).await;
    let rung = Rung { from, message, ticket: Ticket(7) };
    held.tell(Event::Rung(rung)).await;
    let opened = held.asked(|it| if let Command::Open(key, _) = it { Some(key) } else { None });
    assert_eq!(opened.await, from);
}

#[tokio::test(flavor = "multi_thread")]
async fn doorbells_without_a_pause_do_not_put_off_what_one_of_them_told_of() {
    let region = region(2).await;
    let author = founder(&region, 1).await;
    let mut ringing = hold(author.clone());
    append(&author, b"hello").await;
    let message = ringing.rung().await;
    let mut held = hold(founder(&region, 0).await);
    let from = NodeKey([0; 32]);
    held.tell(Event::Connected(from)).await;
    held.tell(Event::Rung(Rung { from, message, ticket: Ticket(7) })).await;
    let events = held.events.clone();
    let flood = tokio::spawn(async move {
        loop {
            let rung = Rung { from, message: vec![0xff; 40], ticket: Ticket(8) };
            if events.send(Event::Rung(rung)).await.is_err() {
                return;
            }
        }
    });
    let opened = held.asked(|it| if let Command::Open(key, _) = it { Some(key) } else { None });
    assert_eq!(opened.await, from);
    flood.abort();
}
