//! Two signed heads that cannot both be true.

use std::sync::Arc;

use record::{fork::verify_evidence, payload::ForkEvidence};

use super::{
    author::{Author, network},
    world::{Node, World},
};
use crate::{
    evidence::fork_evidence,
    exchange::{Exchange, Input, Output},
    fault::Fault,
    frame::{Frame, Head, LogName, Refusal},
    head::SignedHead,
    limits::MAX_FAULTS,
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
fn whoever_holds_the_shorter_branch_only_is_shown_the_evidence_with_the_refusal() {
    let branches = forked(100, 200, 700);
    let world = shown_to_both(&branches);
    let [shorter, longer] = &world.nodes[..] else { unreachable!() };
    assert_eq!(longer.evidence.len(), 1);
    assert_eq!(shorter.evidence, longer.evidence);
}

/// What a holder of the shorter branch, which both sides have offered, makes of a refusal.
fn refused_with(
    (log, evidence): (Option<LogName>, Option<ForkEvidence>),
    branches: &[Author; 2],
) -> (Exchange, Vec<Output>) {
    let (mut exchange, _) = Node::holding([&branches[0]]).open();
    let (reason, detail) = ("replication.fork".into(), String::new());
    let refusal = Refusal { log, reason, detail, evidence };
    let outputs = exchange.handle(Input::Frame(Frame::Refusal(refusal)));
    (exchange, outputs)
}

/// As a holder of the longer branch finds it.
fn found(branches: &[Author; 2]) -> ForkEvidence {
    shown_to_both(branches).nodes[1].evidence[0].clone()
}

fn n_kept(outputs: &[Output]) -> usize {
    outputs.iter().filter(|it| matches!(it, Output::Evidence(_))).count()
}

#[test]
fn evidence_that_is_shown_is_kept_once() {
    let branches = forked(100, 200, 700);
    let log = branches[0].log;
    let evidence = found(&branches);
    let (mut exchange, outputs) = refused_with((Some(log), Some(evidence.clone())), &branches);
    assert!(outputs.contains(&Output::Evidence(evidence.clone())), "{outputs:?}");
    let (reason, detail) = ("replication.fork".into(), String::new());
    let again = Refusal { log: Some(log), reason, detail, evidence: Some(evidence) };
    let outputs = exchange.handle(Input::Frame(Frame::Refusal(again)));
    assert_eq!(n_kept(&outputs), 0);
}

#[test]
fn evidence_that_is_forged_contradicts_itself_or_is_of_another_log_changes_nothing() {
    let branches = forked(100, 200, 700);
    let log = branches[0].log;
    let right = found(&branches);
    let twice = ForkEvidence { other: right.one.clone(), ..right.clone() };
    let decorated = ForkEvidence { beginning: None, ..right.clone() };
    let mut forged = right.clone();
    let last = forged.other.len() - 3;
    forged.other[last] = if forged.other[last] == b'A' { b'B' } else { b'A' };
    let other_era = ForkEvidence { era: 1, ..right.clone() };
    let other_log = LogName { era: 1, ..log };
    for (log, evidence) in [
        (Some(log), twice),
        (Some(log), decorated),
        (Some(log), forged),
        (Some(log), other_era),
        (Some(other_log), right.clone()),
        (None, right.clone()),
    ] {
        let (mut exchange, outputs) = refused_with((log, Some(evidence)), &branches);
        assert_eq!(n_kept(&outputs), 0, "{outputs:?}");
        // What is right is still believed.
        let (reason, detail) = ("replication.fork".into(), String::new());
        let log = Some(branches[0].log);
        let refusal = Refusal { log, reason, detail, evidence: Some(right.clone()) };
        assert_eq!(n_kept(&exchange.handle(Input::Frame(Frame::Refusal(refusal)))), 1);
    }
}

#[test]
fn a_peer_that_goes_on_showing_forged_evidence_is_cut_off() {
    let branches = forked(100, 200, 700);
    let log = branches[0].log;
    let mut forged = found(&branches);
    forged.beginning = None;
    let (mut exchange, _) = Node::holding([&branches[0]]).open();
    for n_shown in 1..=MAX_FAULTS + 1 {
        let (reason, detail) = ("replication.fork".into(), String::new());
        let evidence = Some(forged.clone());
        let refusal = Refusal { log: Some(log), reason, detail, evidence };
        let outputs = exchange.handle(Input::Frame(Frame::Refusal(refusal)));
        assert_eq!(n_kept(&outputs), 0);
        assert_eq!(exchange.is_closed(), MAX_FAULTS < n_shown, "{n_shown}");
    }
}

#[test]
fn what_stands_beside_the_signatures_in_evidence_is_not_kept() {
    let branches = forked(100, 200, 700);
    let log = branches[0].log;
    let right = found(&branches);
    let junk = "— witness AAAAAAAA\n".as_bytes();
    let padded = ForkEvidence { one: [&right.one, junk].concat(), ..right.clone() };
    let (_, outputs) = refused_with((Some(log), Some(padded)), &branches);
    assert!(outputs.contains(&Output::Evidence(right)), "{outputs:?}");
}

#[test]
fn evidence_by_a_stolen_retired_key_is_not_kept_when_it_is_shown() {
    let mut author = Author::of(1, 50);
    let before = author.clone();
    author.rotate();
    author.grow_to(100);
    let mut forged = Author::of(1, 20);
    forged.grow_saying(50, "forged");
    // Whoever does not know of the rotation finds evidence.
    let evidence = found(&[before.clone(), forged]);
    let (_, outputs) = refused_with((Some(author.log), Some(evidence)), &[author, before]);
    assert_eq!(n_kept(&outputs), 0);
}

#[test]
fn a_branch_of_which_only_a_part_came_is_evidence_against_a_longer_one() {
    let [part, whole] = forked(100, 700, 900);
    let log = part.log;
    let mut stored = super::world::StoredLog::of(&part);
    stored.truncate(256);
    stored.pend(&part, 700);
    let mut one = Node::default();
    one.logs.insert(log, stored);
    let mut world = World::pair(one, Node::holding([&whole]));
    world.settle();
    let [evidence] = &world.nodes[1].evidence[..] else { panic!("one piece of evidence") };
    assert_eq!(evidence.one, *part.note_at(700));
    assert_eq!(evidence.other, *whole.note_at(900));
    assert_eq!(world.nodes[0].evidence, world.nodes[1].evidence);
}

#[test]
fn a_part_that_the_whole_of_a_log_continues_is_no_evidence() {
    let whole = Author::of(1, 900);
    let mut stored = super::world::StoredLog::of(&whole);
    stored.truncate(256);
    stored.pend(&whole, 700);
    let mut one = Node::default();
    one.logs.insert(whole.log, stored);
    let mut world = World::pair(one, Node::holding([&whole]));
    world.settle();
    assert!(world.nodes.iter().all(|it| it.evidence.is_empty()));
    assert!(world.has_all(0, &whole));
    assert_eq!(world.reasons(0).len() + world.reasons(1).len(), 0);
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
