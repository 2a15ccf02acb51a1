//! Two signed heads that cannot both be true.

use std::sync::Arc;

use record::fork::verify_evidence;

use super::{
    author::{Author, network},
    world::{Node, World},
};
use crate::{
    evidence::fork_evidence,
    exchange::{Input, Output},
    fault::Fault,
    frame::{Frame, Head},
    head::SignedHead,
};

/// Two histories of one log that part at `at`.
fn forked(at: usize, one: usize, other: usize) -> [Author; 2] {
    let trunk = Author::of(1, at);
    [(one, "one"), (other, "other")].map(|(size, words)| {
        let mut branch = trunk.clone();
        branch.grow_saying(size, words);
        branch
    })
}

fn shown_to_both(branches: &[Author; 2]) -> World {
    let [one, other] = branches;
    let mut world = World::pair(Node::holding([one]), Node::holding([other]));
    world.settle();
    world
}

#[test]
fn two_heads_of_one_size_are_evidence_at_both_ends() {
    let branches = forked(100, 300, 300);
    let world = shown_to_both(&branches);
    let [one, other] = &world.nodes[..] else { unreachable!() };
    assert_eq!(one.evidence.len(), 1);
    assert_eq!(one.evidence, other.evidence);
    let evidence = &one.evidence[0];
    let mut notes = branches.each_ref().map(|it| it.note_at(300).to_vec());
    notes.sort_by_key(|note| evidence.one != *note);
    assert_eq!([&evidence.one, &evidence.other], [&notes[0], &notes[1]]);
    assert!(world.reasons(0).contains(&"replication.fork"));
    assert_eq!(world.ends[0].n_batches_sent + world.ends[1].n_batches_sent, 0);
}

#[test]
fn a_smaller_head_that_is_not_the_beginning_is_evidence_at_the_larger() {
    let branches = forked(100, 200, 700);
    let world = shown_to_both(&branches);
    let [evidence] = &world.nodes[1].evidence[..] else { panic!("one piece of evidence") };
    assert_eq!(evidence.one, *branches[0].note_at(200));
    assert_eq!(evidence.other, *branches[1].note_at(700));
    let identity = branches[0].identity();
    assert!(verify_evidence(&network(), evidence, identity.identity(), None).is_ok());
    assert!(world.has_all(0, &branches[0]) && world.has_all(1, &branches[1]));
}

#[test]
fn a_peer_that_never_finishes_does_not_escape_evidence() {
    let [small, large] = forked(100, 200, 700);
    let (mut exchange, _) = Node::default().open();
    let mut stored = super::world::StoredLog::of(&large);
    let log = large.log;
    let offer = |author: &Author, size| {
        let (checkpoint, identity) = (author.note_at(size), author.bundle());
        Input::Frame(Frame::Heads(vec![Head { log, checkpoint, identity, pushed_from: 0 }]))
    };
    let _ = exchange.handle(offer(&large, 700));
    // One batch comes, of three, and never another.
    let batch = stored.load(log, 0, (256, usize::MAX), 700);
    let _ = exchange.handle(Input::Frame(Frame::Batch(batch)));
    let _ = exchange.handle(Input::Durable { log, size: 256, cosignatures: Vec::new() });
    let outputs = exchange.handle(offer(&small, 200));
    let (size, tree_size) = (200, 256);
    assert!(outputs.contains(&Output::CheckRoot { log, size, tree_size }), "{outputs:?}");
    stored.truncate(256);
    let outputs = exchange.handle(stored.root_at(log, size, tree_size));
    let found = |it: &Output| {
        if let Output::Evidence(evidence) = it { Some(evidence.clone()) } else { None }
    };
    let evidence = outputs.iter().find_map(found).unwrap();
    assert_eq!(evidence.other, *large.note_at(700));
    let identity = large.identity();
    assert!(verify_evidence(&network(), &evidence, identity.identity(), None).is_ok());
}

#[test]
fn a_pull_that_was_cut_off_before_a_restart_still_gives_evidence() {
    let [small, large] = forked(100, 200, 700);
    let log = large.log;
    let mut stored = super::world::StoredLog::of(&large);
    stored.truncate(256);
    stored.pend(&large, 700);
    let mut node = Node::default();
    node.logs.insert(log, stored.clone());
    let (mut exchange, _) = node.open();
    let (checkpoint, identity) = (small.note_at(200), small.bundle());
    let head = Head { log, checkpoint, identity, pushed_from: 0 };
    let _ = exchange.handle(Input::Frame(Frame::Heads(vec![head])));
    let outputs = exchange.handle(stored.root_at(log, 200, 256));
    assert!(outputs.iter().any(|it| matches!(it, Output::Evidence(_))), "{outputs:?}");
}

#[test]
fn a_smaller_head_that_is_the_beginning_is_no_evidence() {
    let (short, long) = (Author::of(1, 200), Author::of(1, 700));
    let mut world = World::pair(Node::holding([&short]), Node::holding([&long]));
    world.settle();
    assert!(world.nodes.iter().all(|it| it.evidence.is_empty()));
    assert!(world.has_all(0, &long));
}

#[test]
fn a_fork_shown_while_it_grows_is_evidence() {
    let [mut one, mut other] = forked(100, 100, 100);
    let mut world = World::pair(Node::holding([&one]), Node::holding([&other]));
    world.settle();
    one.grow_saying(150, "one");
    other.grow_saying(150, "other");
    world.publish(0, &one);
    world.publish(1, &other);
    world.settle();
    assert!(world.nodes.iter().all(|it| it.evidence.len() == 1));
}

#[test]
fn a_fork_refused_for_its_records_becomes_evidence_when_our_log_has_grown() {
    let branches = forked(100, 200, 300);
    let mut ours = branches[0].clone();
    let (mut exchange, _) = Node::holding([&ours]).open();
    let [_, theirs] = &branches;
    let offer = Head {
        log: theirs.log,
        checkpoint: theirs.note_at(300),
        identity: theirs.bundle(),
        pushed_from: 0,
    };
    let _ = exchange.handle(Input::Frame(Frame::Heads(vec![offer])));
    let stored = super::world::StoredLog::of(theirs);
    let batch = stored.load(theirs.log, 200, (56, usize::MAX), 300);
    let outputs = exchange.handle(Input::Frame(Frame::Batch(batch)));
    assert!(outputs.iter().all(|it| !matches!(it, Output::Store(_) | Output::Evidence(_))));

    ours.grow_saying(400, "one");
    let held = Node::holding([&ours]).held(ours.log);
    let outputs = exchange.handle(Input::LocalHead(Box::new(held)));
    let (log, size, tree_size) = (ours.log, 300, 400);
    assert!(outputs.contains(&Output::CheckRoot { log, size, tree_size }));
    let outputs = exchange.handle(super::world::StoredLog::of(&ours).root_at(log, size, tree_size));
    assert!(outputs.iter().any(|it| matches!(it, Output::Evidence(_))), "{outputs:?}");
}

#[test]
fn what_the_store_has_not_confirmed_is_no_ground_for_evidence() {
    let [ours, theirs] = forked(100, 280, 300);
    let (log, identity) = (theirs.log, theirs.bundle());
    let (mut exchange, _) = Node::default().open();
    let mut give = |input| {
        let outputs = exchange.handle(input);
        let asks = |it: &Output| matches!(it, Output::CheckRoot { .. } | Output::Evidence(_));
        assert!(!outputs.iter().any(asks));
        outputs.iter().filter(|it| matches!(it, Output::Store(_))).count()
    };
    let offer = |give: &mut dyn FnMut(Input) -> usize, size| {
        let (checkpoint, identity) = (theirs.note_at(size), identity.clone());
        give(Input::Frame(Frame::Heads(vec![Head { log, checkpoint, identity, pushed_from: 0 }])))
    };
    offer(&mut give, 300);
    let stored = super::world::StoredLog::of(&theirs);
    for (start, n_records) in [(0, 256), (256, 44)] {
        let batch = stored.load(log, start, (n_records, usize::MAX), 300);
        assert_eq!(give(Input::Frame(Frame::Batch(batch))), 1);
    }
    // Another stream was faster, with the other branch, and its head is not here yet.
    let mut held = Node::holding([&ours]).held(log);
    held.head = None;
    give(Input::LocalHead(Box::new(held)));
    offer(&mut give, 270);
}

#[test]
fn nothing_is_pulled_or_served_after_a_fork() {
    let branches = forked(100, 300, 300);
    let mut world = shown_to_both(&branches);
    let mut longer = branches[1].clone();
    longer.grow_to(900);
    world.publish(1, &longer);
    world.settle();
    assert!(world.has_all(0, &branches[0]));
    assert_eq!(world.nodes[0].evidence.len(), 1);
    assert_eq!(world.ends[1].n_batches_sent, 0);
}

#[test]
fn a_stolen_retired_key_freezes_nobody() {
    let mut author = Author::of(1, 50);
    let mut stolen = author.clone();
    author.rotate();
    author.grow_to(100);
    stolen.grow_saying(50, "stolen");
    let mut forged = Author::of(1, 20);
    forged.grow_saying(50, "forged");
    let (mut exchange, _) = Node::holding([&author]).open();
    let head = Head {
        log: author.log,
        checkpoint: forged.note_at(50),
        identity: Arc::from([]),
        pushed_from: 0,
    };
    let outputs = exchange.handle(Input::Frame(Frame::Heads(vec![head])));
    let (log, size) = (author.log, 50);
    assert_eq!(outputs, [Output::CheckRoot { log, size, tree_size: 100 }]);
    let answer = super::world::StoredLog::of(&author).root_at(log, size, 100);
    let outputs = exchange.handle(answer);
    let [Output::Send(Frame::Refusal(refusal))] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(refusal.reason, "replication.retired_key");
}

#[test]
fn one_head_with_other_cosignatures_is_no_evidence() {
    let author = Author::of(1, 10);
    let cosigned = [&*author.note_at(10), "— witness AAAAAAAA\n".as_bytes()].concat();
    let cosigned = SignedHead::open(&network(), author.log, &author.identity(), &cosigned.into());
    let (one, other) = (author.head_at(10), cosigned.unwrap());
    assert_ne!(one.note(), other.note());
    let evidence =
        fork_evidence(&network(), author.log, &author.identity(), [&one, &other], (None, None));
    assert!(matches!(evidence, Err(Fault::HeadMalformed { .. })));
}

#[test]
fn evidence_is_the_same_whoever_finds_it() {
    let [one, other] = forked(5, 10, 10).map(|it| it.head_at(10));
    let author = Author::of(1, 5);
    let identity = author.identity();
    let found =
        |heads| fork_evidence(&network(), author.log, &identity, heads, (None, None)).unwrap();
    assert_eq!(found([&one, &other]), found([&other, &one]));
}

#[test]
fn heads_of_another_author_are_no_evidence_against_this_one() {
    let (author, stranger) = (Author::of(1, 10), Author::of(2, 10));
    let heads = [&author.head_at(10), &stranger.head_at(10)];
    let evidence = fork_evidence(&network(), author.log, &author.identity(), heads, (None, None));
    assert!(matches!(evidence, Err(Fault::OtherOrigin { .. })));
}
