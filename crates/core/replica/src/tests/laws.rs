//! What holds whatever the schedule, and whatever bit is flipped.

use std::sync::Arc;

use proptest::prelude::*;
use record::{
    UnixMillis,
    payload::status::{Reason, Status},
};

use super::{
    author::{Author, network},
    world::{Node, World},
};
use crate::{
    exchange::Input,
    frame::{Batch, Frame, Head},
    head::SignedHead,
};

/// Flips one bit of a frame; which one, `n` says.
fn flip(frame: &mut Frame, n: usize) {
    match frame {
        Frame::Heads(heads) => {
            let n_heads = heads.len();
            flip_head(&mut heads[n % n_heads], n / n_heads);
        }
        Frame::Want(want) => match n % 3 {
            0 => want.start ^= 1 << (n / 3 % 64),
            1 => want.end ^= 1 << (n / 3 % 64),
            _ => want.credit ^= 1 << (n / 3 % 32),
        },
        Frame::Batch(batch) => flip_batch(batch, n),
        Frame::Ack(ack) => ack.size ^= 1 << (n % 64),
        Frame::Refusal(refusal) => refusal.log = None,
        Frame::Status(status) => status.since.0 ^= 1,
        Frame::Offered => {}
    }
}

fn flip_head(head: &mut Head, n: usize) {
    match n % 4 {
        0 | 1 => flip_shared(&mut head.checkpoint, n / 4),
        2 => flip_shared(&mut head.identity, n / 4),
        _ if n % 8 == 3 => head.pushed_from ^= 1 << (n / 8 % 64),
        _ => head.log.era ^= 1 << (n / 8 % 32),
    }
}

fn flip_batch(batch: &mut Batch, n: usize) {
    let (place, bit) = (n / 8, n / 8);
    let n_records = batch.records.len();
    let record = &mut batch.records[place % n_records];
    match n % 8 {
        0..=2 => flip_bytes(&mut record.header, bit),
        3 | 4 => flip_bytes(&mut record.content.as_mut().unwrap().payload, bit),
        5 => flip_bytes(&mut record.content.as_mut().unwrap().salt.0, bit),
        6 => batch.start ^= 1 << (bit % 64),
        _ => match batch.proof.first_mut() {
            Some(hash) => {
                let mut bytes = *hash.as_bytes();
                flip_bytes(&mut bytes, bit);
                *hash = tlog::Hash::from_bytes(bytes);
            }
            None => batch.tree_size ^= 1 << (bit % 64),
        },
    }
}

fn flip_shared(bytes: &mut Arc<[u8]>, bit: usize) {
    let mut flipped = bytes.to_vec();
    flip_bytes(&mut flipped, bit);
    *bytes = flipped.into();
}

fn flip_bytes(bytes: &mut [u8], bit: usize) {
    if let Some(n_bits) = bytes.len().checked_mul(8).filter(|it| 0 < *it) {
        bytes[bit % n_bits / 8] ^= 1 << (bit % 8);
    }
}

/// Whether what a node stored of a log is the beginning of what this author wrote.
fn is_beginning(world: &World, node: usize, author: &Author) -> bool {
    let stored = world.nodes[node].logs.get(&author.log);
    stored.is_none_or(|it| author.records.starts_with(&it.records))
}

/// Runs until nothing waits, in the order that the schedule says while it lasts.
fn run(world: &mut World, schedule: &[u16]) {
    for choice in schedule {
        if !world.step(usize::from(*choice)) {
            return;
        }
    }
    world.settle();
}

fn schedules() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..200)
}

/// What happens to the writer and the reader of a log.
#[derive(Debug, Clone)]
enum Event {
    Step(usize),
    Settle,
    Grow(usize),
    Throttle,
    Lift,
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        24 => any::<usize>().prop_map(Event::Step),
        2 => Just(Event::Settle),
        6 => (1_usize..4).prop_map(Event::Grow),
        1 => (200_usize..400).prop_map(Event::Grow),
        3 => Just(Event::Throttle),
        3 => Just(Event::Lift),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Three nodes in a triangle, each ahead of the others in a log; one grows and every stream is cut
    /// on the way.
    #[test]
    fn every_schedule_ends_with_equal_logs(
        sizes in prop::array::uniform3((1_usize..700, 1_usize..700)),
        growth in 1_usize..400,
        before in schedules(),
        after in schedules(),
    ) {
        let mut authors: Vec<_> = (1..).zip(sizes).map(|(seed, (size, _))| Author::of(seed, size)).collect();
        let part = |seed: u8| Author::of(seed, sizes[usize::from(seed) - 1].1.min(sizes[usize::from(seed) - 1].0));
        let mut world = World::of([
            Node::holding([&authors[0], &part(2)]),
            Node::holding([&authors[1], &part(3)]),
            Node::holding([&authors[2], &part(1)]),
        ]);
        for (node, author) in world.nodes.iter_mut().zip(&authors) {
            node.own = Some(author.log);
        }
        for (one, other) in [(0, 1), (1, 2), (2, 0)] {
            world.link(one, other);
        }
        for choice in &before {
            world.step(usize::from(*choice));
        }
        let grown = authors[0].size() + u64::try_from(growth).unwrap();
        authors[0].grow_to(usize::try_from(grown).unwrap());
        world.publish(0, &authors[0]);
        for choice in &after {
            world.step(usize::from(*choice));
        }
        world.cut();
        for (one, other) in [(0, 1), (1, 2), (2, 0)] {
            world.link(one, other);
        }
        run(&mut world, &before);
        for author in &authors {
            for node in 0..3 {
                prop_assert!(world.has_all(node, author));
            }
        }
        let is_well = |it: &super::world::End| it.refused.is_empty() && it.closed.is_none();
        prop_assert!(world.ends.iter().all(is_well));
        prop_assert!(world.nodes.iter().all(|it| it.evidence.is_empty()));
    }

    /// A writer whose log is throttled and let go, and grows by little and by much, at its reader and beside other logs.
    #[test]
    fn what_is_pushed_and_what_is_asked_for_never_get_in_each_others_way(
        events in prop::collection::vec(events(), 100..300),
    ) {
        let mut author = Author::of(1, 10);
        let others: Vec<_> = (2..6).map(|seed| Author::of(seed, 300)).collect();
        let logs = [&author].into_iter().chain(&others);
        let writer = Node { own: Some(author.log), ..Node::holding(logs) };
        let mut world = World::pair(writer, Node::holding([&author]));
        let treated = |reason| Input::Treated(Status { log: author.log, since: UnixMillis(1), reason, until: None });
        let [throttled, lifted] = [Some(Reason::RecordsPerMinute), None].map(treated);
        for event in events {
            match event {
                Event::Step(choice) => { world.step(choice); }
                Event::Settle => world.settle(),
                Event::Grow(n) => {
                    let size = usize::try_from(author.size()).unwrap() + n;
                    author.grow_to(size);
                    world.publish(0, &author);
                }
                Event::Throttle => world.give(1, throttled.clone()),
                Event::Lift => world.give(1, lifted.clone()),
            }
        }
        world.give(1, lifted.clone());
        world.settle();
        prop_assert!(world.has_all(1, &author));
        for end in [0, 1] {
            prop_assert!(world.reasons(end).is_empty(), "{:?}", world.ends[end].refused);
        }
    }

    #[test]
    fn a_flipped_bit_never_stores_what_the_author_did_not_sign(
        size in 1_usize..600,
        schedule in schedules(),
        flips in prop::collection::vec((any::<u16>(), any::<u16>()), 1..8),
    ) {
        let authors = [Author::of(1, size), Author::of(2, 300)];
        let mut world = World::pair(Node::holding([&authors[0]]), Node::holding([&authors[1]]));
        let mut flips = flips.into_iter();
        for choice in schedule.iter().copied().chain(0..400) {
            if choice % 4 == 0
                && let Some(frame) = world.ends.iter_mut().find_map(|it| it.frames.front_mut())
                && let Some((high, low)) = flips.next()
            {
                flip(frame, usize::from(high) << 16 | usize::from(low));
            }
            world.step(usize::from(choice));
        }
        world.settle();
        for author in &authors {
            for node in 0..2 {
                prop_assert!(is_beginning(&world, node, author));
            }
        }
        prop_assert!(world.nodes.iter().all(|it| it.evidence.is_empty()));
    }

    /// Two branches of one log, at nodes that meet directly or through a third, and that grow meanwhile.
    #[test]
    fn a_fork_is_found_if_and_only_if_there_is_one(
        at in 1_usize..400,
        lengths in prop::array::uniform2(0_usize..400),
        growths in prop::array::uniform2(prop_oneof![Just(0), 0_usize..300]),
        through_a_third in any::<bool>(),
        schedule in schedules(),
    ) {
        let mut branches = [(lengths[0], "one"), (lengths[1], "other")].map(|(length, words)| {
            let mut branch = Author::of(1, at);
            branch.grow_saying(at + length, words);
            branch
        });
        let mut world = World::of([Node::holding([&branches[0]]), Node::holding([&branches[1]]), Node::default()]);
        if through_a_third {
            world.link(0, 2);
            world.link(1, 2);
        } else {
            world.link(0, 1);
        }
        for choice in &schedule {
            world.step(usize::from(*choice));
        }
        for (node, branch) in branches.iter_mut().enumerate().filter(|(node, _)| 0 < growths[*node]) {
            // An honest holder of the other branch may have reached this node already.
            prop_assume!(is_beginning(&world, node, branch));
            branch.grow_saying(at + lengths[node] + growths[node], ["one", "other"][node]);
            world.publish(node, branch);
        }
        run(&mut world, &schedule);
        let lengths = [lengths[0] + growths[0], lengths[1] + growths[1]];
        let evidence: Vec<_> = world.nodes.iter().flat_map(|it| &it.evidence).collect();
        let is_fork = 0 < lengths[0].min(lengths[1]);
        prop_assert_eq!(!evidence.is_empty(), is_fork);
        for found in evidence {
            let identity = branches[0].identity();
            let heads = [&found.one, &found.other].map(|note| {
                SignedHead::open(&network(), branches[0].log, &identity, &note.as_slice().into()).unwrap()
            });
            for branch in &branches {
                let is_of_branch = |head: &SignedHead| {
                    head.size() <= branch.size() && *head.root() == branch.checkpoint_at(head.size()).root
                };
                prop_assert!(!heads.iter().all(is_of_branch), "the two can both be true");
            }
        }
        for node in 0..3 {
            let is_of = |branch| is_beginning(&world, node, branch);
            prop_assert!(branches.iter().any(is_of));
        }
    }

    #[test]
    fn a_head_with_one_flipped_bit_is_no_head(size in 1_usize..40, bit in any::<usize>()) {
        let author = Author::of(1, size);
        let mut note = author.note_at(author.size());
        flip_shared(&mut note, bit);
        let opened = SignedHead::open(&author.network, author.log, &author.identity(), &note);
        prop_assert!(opened.is_err());
    }
}
