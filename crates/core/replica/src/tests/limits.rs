//! A peer that asks too much of our memory or patience is cut off.

use std::sync::Arc;

use record::CommunityId;

use super::{
    author::Author,
    world::{Node, World},
};
use crate::{
    exchange::{Exchange, Input, Output},
    frame::{Frame, Head, LogName, Refusal},
    limits::{
        MAX_CREDIT_BATCHES, MAX_FAULTS, MAX_HEADS, MAX_LOADS_IN_FLIGHT, MAX_LOGS_IN_FLIGHT,
        MAX_STRAYS, MAX_STREAM_CREDIT_BATCHES,
    },
};

fn unknown_head(n: u32) -> Head {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    let log = LogName { community: CommunityId::from_bytes(id), era: 0 };
    Head { log, checkpoint: Arc::from([]), identity: Arc::from([]), pushed_from: 0 }
}

fn close_reason(outputs: &[Output]) -> Option<&'static str> {
    outputs.iter().find_map(|it| {
        let Output::Close { reason, .. } = it else { return None };
        Some(*reason)
    })
}

/// Sends frames until the stream is closed; says after how many, and why.
fn closed_after(exchange: &mut Exchange, frame: impl Fn(u32) -> Frame) -> (u32, &'static str) {
    for n in 0..1_000_000 {
        let outputs = exchange.handle(Input::Frame(frame(n)));
        if let Some(reason) = close_reason(&outputs) {
            assert!(exchange.is_closed());
            assert_eq!(exchange.handle(Input::Frame(frame(n))), []);
            return (n, reason);
        }
    }
    panic!("the stream was never closed");
}

#[test]
fn a_million_heads_of_strangers_close_the_stream() {
    let (mut exchange, _) = Node { admitted: Some([].into()), ..Node::default() }.open();
    let closed = closed_after(&mut exchange, |n| Frame::Heads(vec![unknown_head(n)]));
    assert_eq!(closed, (MAX_STRAYS, "replication.too_many_strays"));
}

#[test]
fn heads_without_identity_close_the_stream() {
    let (mut exchange, _) = Node::default().open();
    let closed = closed_after(&mut exchange, |n| Frame::Heads(vec![unknown_head(n)]));
    assert_eq!(closed, (MAX_FAULTS, "replication.too_many_faults"));
}

#[test]
fn endless_refusals_close_the_stream() {
    let (mut exchange, _) = Node::default().open();
    let refusal = |log| Refusal { log, reason: "no".into(), detail: String::new(), evidence: None };
    let closed = closed_after(&mut exchange, |_| Frame::Refusal(refusal(None)));
    assert_eq!(closed, (MAX_STRAYS, "replication.too_many_strays"));
}

#[test]
fn a_list_of_256_heads_is_read_and_one_of_257_closes_the_stream() {
    let author = Author::of(1, 10);
    let head = Head {
        log: author.log,
        checkpoint: author.note_at(10),
        identity: author.bundle(),
        pushed_from: 0,
    };
    let (mut exchange, _) = Node::default().open();
    let outputs = exchange.handle(Input::Frame(Frame::Heads(vec![head.clone(); MAX_HEADS])));
    assert_eq!(close_reason(&outputs), None);
    let outputs = exchange.handle(Input::Frame(Frame::Heads(vec![head; MAX_HEADS + 1])));
    assert_eq!(close_reason(&outputs), Some("replication.too_many_heads"));
}

#[test]
fn the_words_of_a_refusal_are_cut_to_a_bounded_length() {
    let (mut exchange, _) = Node::default().open();
    let long = "é".repeat(1_000_000);
    let refusal = Refusal { log: None, reason: long.clone().into(), detail: long, evidence: None };
    let outputs = exchange.handle(Input::Frame(Frame::Refusal(refusal)));
    let [Output::Refused(refusal)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((refusal.reason.len(), refusal.detail.len()), (64, 1024));
}

#[test]
fn more_logs_than_may_be_in_flight_wait_for_their_turn() {
    let authors: Vec<_> = (0..100).map(|seed| Author::of(seed, 300)).collect();
    let mut world = World::pair(Node::holding(&authors), Node::default());
    let heads = world.ends[1].frames.pop_front().unwrap();
    let outputs = world.ends[1].exchange.handle(Input::Frame(heads));
    let granted: Vec<_> = outputs
        .iter()
        .filter_map(|it| {
            let Output::Send(Frame::Want(want)) = it else { return None };
            Some(want.credit)
        })
        .collect();
    assert_eq!(granted.iter().sum::<u32>(), MAX_STREAM_CREDIT_BATCHES);
    assert!(granted.len() <= MAX_LOGS_IN_FLIGHT);
    assert!(granted.iter().all(|it| *it <= MAX_CREDIT_BATCHES));

    let mut world = World::pair(Node::holding(&authors), Node::default());
    world.settle();
    assert!(authors.iter().all(|it| world.has_all(1, it)));
}

#[test]
fn no_more_loads_are_asked_of_the_store_than_the_limit() {
    let authors: Vec<_> = (0..60).map(|seed| Author::of(seed, 300)).collect();
    let (mut exchange, _) = Node::holding(&authors).open();
    let mut n_loads = 0;
    for author in &authors {
        let want = crate::Want { log: author.log, start: 0, end: 300, credit: 2 };
        let outputs = exchange.handle(Input::Frame(Frame::Want(want)));
        n_loads += outputs.iter().filter(|it| matches!(it, Output::Load { .. })).count();
    }
    assert_eq!(n_loads, MAX_LOADS_IN_FLIGHT);
}

#[test]
fn heads_are_offered_in_messages_that_fit() {
    let authors: Vec<_> = (0..=255).map(|seed| Author::of(seed, 1)).collect();
    let mut node = Node::holding(&authors);
    let more = Author::founded(0, super::author::network());
    node.logs.insert(LogName { era: 9, ..more.log }, super::world::StoredLog::of(&more));
    let (_, outputs) = node.open();
    let lengths: Vec<_> = outputs
        .iter()
        .map(|it| {
            let Output::Send(Frame::Heads(heads)) = it else { panic!("{it:?}") };
            heads.len()
        })
        .collect();
    assert_eq!(lengths, [256, 1]);
}
