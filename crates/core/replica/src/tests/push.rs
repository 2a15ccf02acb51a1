//! What the writer of a log adds comes without being asked for, one batch at a time.

use record::{
    UnixMillis,
    kind::Known,
    payload::status::{Reason, Status},
};

use super::{
    author::Author,
    world::{Node, World},
};
use crate::{
    exchange::{Exchange, Input, Output},
    frame::{Ack, Batch, Frame, Head, Want},
    limits::MAX_CREDIT_BATCHES,
};

/// A node that writes this log, and one that has pulled all of it.
fn followed(author: &Author) -> World {
    let writer = Node { own: Some(author.log), ..Node::holding([author]) };
    let mut world = World::pair(writer, Node::default());
    world.settle();
    assert!(world.has_all(1, author));
    world
}

/// The head of all that the author wrote, with the batch from there behind it.
fn head(author: &Author, pushed_from: u64) -> Head {
    let checkpoint = author.note_at(author.size());
    Head { log: author.log, checkpoint, identity: author.bundle(), pushed_from }
}

fn batch(author: &Author, start: u64) -> Batch {
    let stored = super::world::StoredLog::of(author);
    stored.load(author.log, start, (256, usize::MAX), author.size())
}

fn give(exchange: &mut Exchange, frame: Frame) -> Vec<Output> {
    exchange.handle(Input::Frame(frame))
}

fn wants(outputs: &[Output]) -> Vec<Want> {
    let mut wants = Vec::new();
    for output in outputs {
        if let Output::Send(Frame::Want(want)) = output {
            wants.push(*want);
        }
    }
    wants
}

#[test]
fn what_fits_into_one_block_of_our_own_log_follows_its_head() {
    for (from, to, is_pushed) in
        [(10, 11, true), (10, 256, true), (10, 257, false), (256, 257, true)]
    {
        let mut author = Author::of(1, from);
        let mut world = followed(&author);
        let n_wanted = world.ends[1].n_wants_sent;
        author.grow_to(to);
        world.publish(0, &author);
        world.settle();
        assert!(world.has_all(1, &author), "{from} to {to}");
        assert_eq!(world.ends[1].n_wants_sent == n_wanted, is_pushed, "{from} to {to}");
    }
}

#[test]
fn nothing_is_pushed_of_a_log_that_another_writes() {
    let mut author = Author::of(1, 10);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    author.grow_to(11);
    world.publish(0, &author);
    world.settle();
    assert_eq!((world.has_all(1, &author), world.ends[1].n_wants_sent), (true, 2));
}

#[test]
fn nothing_more_is_pushed_until_what_was_offered_is_acknowledged() {
    let mut author = Author::of(1, 10);
    let writer = Node { own: Some(author.log), ..Node::holding([&author]) };
    let (mut exchange, _) = writer.open();
    let (log, cosignatures) = (author.log, Vec::new());
    let mut pushed = Vec::new();
    for (acked, size) in [(0, 11), (11, 12), (11, 13), (13, 14)] {
        if 0 < acked {
            let ack = Ack { log, size: acked, cosignatures: cosignatures.clone() };
            let _ = give(&mut exchange, Frame::Ack(ack));
        }
        author.grow_to(size);
        let held = Node::holding([&author]).held(log);
        for output in exchange.handle(Input::LocalHead(Box::new(held))) {
            if let Output::Send(Frame::Heads(heads)) = &output {
                pushed.push(heads[0].pushed_from);
            }
            if let Output::Load { start, tree_size, .. } = output {
                let stored = super::world::StoredLog::of(&author);
                let loaded = stored.load(log, start, (256, usize::MAX), tree_size);
                let _ = exchange.handle(Input::Loaded(loaded));
            }
        }
    }
    assert_eq!(pushed, [0, 11, 0, 13]);
}

#[test]
fn a_pushed_batch_that_is_cut_short_is_asked_for_further() {
    let mut author = Author::of(1, 10);
    let mut world = followed(&author);
    for _ in 0..5 {
        author.append(Known::Pool, vec![7; 250_000]);
    }
    world.publish(0, &author);
    world.settle();
    assert!(world.has_all(1, &author));
    assert!(world.ends[0].refused.is_empty() && world.ends[1].refused.is_empty());
}

#[test]
fn a_batch_that_was_announced_and_cannot_be_taken_is_asked_for_later() {
    let mut author = Author::of(1, 10);
    let mut world = followed(&author);
    let (log, since) = (author.log, UnixMillis(1));
    let treated = |reason| Input::Treated(Status { log, since, reason, until: None });
    world.give(1, treated(Some(Reason::RecordsPerMinute)));
    author.grow_to(12);
    world.publish(0, &author);
    world.settle();
    assert_eq!(world.size_at(1, log), 10);
    world.give(1, treated(None));
    world.settle();
    assert!(world.has_all(1, &author));
    assert!(world.ends[0].refused.is_empty(), "{:?}", world.ends[0].refused);
}

#[test]
fn who_asks_while_a_pushed_batch_is_loaded_gets_what_was_asked_for_instead() {
    for n_loaded_before in [0, 1] {
        let mut author = Author::of(1, 10);
        let mut world = followed(&author);
        let (log, since) = (author.log, UnixMillis(1));
        let treated = |reason| Input::Treated(Status { log, since, reason, until: None });
        world.give(1, treated(Some(Reason::RecordsPerMinute)));
        for size in [11, 12] {
            author.grow_to(size);
            let held = Node::holding([&author]).held(log);
            world.nodes[0].logs.insert(log, super::world::StoredLog::of(&author));
            world.give(0, Input::LocalHead(Box::new(held)));
        }
        // Both heads have come, and the batch behind the first is still being loaded, or has just left.
        for _ in 0..n_loaded_before {
            world.load_next(0);
        }
        for _ in 0..2 + n_loaded_before {
            world.read_next(1);
        }
        world.give(1, treated(None));
        // Two words on how the log is treated, then the want.
        for _ in 0..3 {
            world.read_next(0);
        }
        world.settle();
        let refused = [0, 1].map(|end| world.reasons(end).len());
        assert!(world.has_all(1, &author) && refused == [0, 0], "{refused:?}");
        assert_eq!(world.size_at(1, log), 12);
    }
}

#[test]
fn a_batch_that_was_announced_for_an_older_head_than_the_one_pulled_is_passed_over() {
    let mut author = Author::of(1, 10);
    let (mut exchange, _) = Node::holding([&author]).open();
    let (log, since) = (author.log, UnixMillis(1));
    let treated = |reason| Input::Treated(Status { log, since, reason, until: None });
    let _ = exchange.handle(treated(Some(Reason::RecordsPerMinute)));
    author.grow_to(11);
    let _ = give(&mut exchange, Frame::Heads(vec![head(&author, 10)]));
    let pushed = batch(&author, 10);
    author.grow_to(12);
    let _ = give(&mut exchange, Frame::Heads(vec![head(&author, 0)]));
    let asked = wants(&exchange.handle(treated(None)));
    assert!(matches!(asked[..], [Want { start: 10, end: 12, .. }]), "{asked:?}");
    let outputs = give(&mut exchange, Frame::Batch(pushed));
    assert!(outputs.is_empty(), "{outputs:?}");
    let outputs = give(&mut exchange, Frame::Batch(batch(&author, 10)));
    assert!(matches!(&outputs[..], [Output::Store(store)] if store.frontier.size() == 12));
}

#[test]
fn a_batch_of_what_has_come_by_another_way_is_passed_over() {
    let mut author = Author::of(1, 10);
    author.grow_to(11);
    let (mut exchange, _) = Node::holding([&author]).open();
    let _ = give(&mut exchange, Frame::Heads(vec![head(&author, 10)]));
    let outputs = give(&mut exchange, Frame::Batch(batch(&author, 10)));
    assert!(outputs.is_empty(), "{outputs:?}");
    // Once: the next of the same kind was not announced.
    let outputs = give(&mut exchange, Frame::Batch(batch(&author, 10)));
    let is_refusal = |it: &Output| matches!(it, Output::Send(Frame::Refusal(_)));
    assert!(outputs.iter().any(is_refusal), "{outputs:?}");
}

#[test]
fn what_follows_a_head_from_beyond_what_is_held_or_over_two_blocks_is_asked_for() {
    for (from, is_asked_for) in [(10, false), (9, false), (11, true), (0, true), (300, true)] {
        let mut author = Author::of(1, 10);
        let (mut exchange, _) = Node::holding([&author]).open();
        author.grow_to(20);
        let outputs = give(&mut exchange, Frame::Heads(vec![head(&author, from)]));
        assert_eq!(wants(&outputs).len(), usize::from(is_asked_for), "from {from}");
    }
    let mut author = Author::of(1, 250);
    let (mut exchange, _) = Node::holding([&author]).open();
    author.grow_to(257);
    let outputs = give(&mut exchange, Frame::Heads(vec![head(&author, 250)]));
    let [want] = wants(&outputs)[..] else { panic!("{outputs:?}") };
    assert!((want.start, want.end) == (250, 257) && want.credit <= MAX_CREDIT_BATCHES);
}

#[test]
fn another_batch_than_the_one_announced_is_refused() {
    let mut author = Author::of(1, 10);
    let (mut exchange, _) = Node::holding([&author]).open();
    author.grow_to(20);
    let _ = give(&mut exchange, Frame::Heads(vec![head(&author, 10)]));
    let outputs = give(&mut exchange, Frame::Batch(batch(&author, 12)));
    let is_refusal = |it: &Output| matches!(it, Output::Send(Frame::Refusal(refusal)) if refusal.reason == "replication.out_of_order");
    assert!(outputs.iter().any(is_refusal), "{outputs:?}");
}
