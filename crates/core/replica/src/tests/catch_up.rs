//! Logs that travel as they should.

use record::{kind::Known, limits::MAX_BATCH_BYTES};

use super::{
    author::Author,
    world::{Node, World},
};
use crate::frame::Frame;

#[test]
fn a_new_node_catches_up_with_many_logs_of_sizes_around_a_batch() {
    let sizes = [1, 2, 255, 256, 257, 511, 512, 513, 1000];
    let authors: Vec<_> = (1..).zip(sizes).map(|(seed, size)| Author::of(seed, size)).collect();
    let mut world = World::pair(Node::holding(&authors), Node::default());
    world.settle();
    for author in &authors {
        assert!(world.has_all(1, author), "size {}", author.size());
        let cosigned = vec![format!("cosigned {}", author.size())];
        assert_eq!(world.ends[0].acked[&author.log], (author.size(), cosigned));
    }
    assert_eq!(world.ends[0].n_batches_sent, 1 + 1 + 1 + 1 + 2 + 2 + 2 + 3 + 4);
}

#[test]
fn both_ends_pull_what_they_lack_at_once() {
    let (one, other) = (Author::of(1, 700), Author::of(2, 300));
    let (ahead, behind) = (Author::of(3, 600), Author::of(3, 100));
    let mut world = World::pair(Node::holding([&one, &ahead]), Node::holding([&other, &behind]));
    world.settle();
    for author in [&one, &other, &ahead] {
        assert!(world.has_all(0, author) && world.has_all(1, author));
    }
}

#[test]
fn a_log_that_grows_is_followed_and_never_offered_back() {
    let mut author = Author::of(1, 10);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    for size in [11, 12, 255, 256, 257, 900] {
        author.grow_to(size);
        world.publish(0, &author);
        world.settle();
        assert!(world.has_all(1, &author), "size {size}");
    }
    assert_eq!(world.ends[0].heads_sent.len(), 7);
    assert!(world.ends[1].heads_sent.is_empty());
}

#[test]
fn a_head_that_comes_while_pulling_is_pulled_after_it() {
    let mut author = Author::of(1, 1000);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    for turn in 0..12 {
        assert!(world.step(turn));
    }
    for size in [1001, 1100, 2000] {
        author.grow_to(size);
        world.publish(0, &author);
    }
    world.settle();
    assert!(world.has_all(1, &author));
    assert_eq!(world.ends[0].acked[&author.log].0, 2000);
}

#[test]
fn a_stream_that_is_cut_goes_on_from_what_is_stored() {
    let author = Author::of(1, 3000);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    let mut turn = 0;
    while world.size_at(1, author.log) < 512 {
        turn += 1;
        assert!(world.step(turn));
    }
    let stored = world.size_at(1, author.log);
    assert!(stored < 3000);
    world.cut();
    world.link(0, 1);
    world.settle();
    assert!(world.has_all(1, &author));
    let blocks_left = 3000_u64.div_ceil(256) - stored / 256;
    assert_eq!(world.ends[0].n_batches_sent, usize::try_from(blocks_left).unwrap());
}

#[test]
fn a_node_that_holds_everything_is_told_so_by_an_ack_with_cosignatures() {
    let author = Author::of(1, 300);
    let mut world = World::pair(Node::holding([&author]), Node::holding([&author]));
    world.settle();
    let cosigned = (300, vec!["cosigned 300".to_owned()]);
    assert_eq!(world.ends[0].acked[&author.log], cosigned);
    assert_eq!(world.ends[1].acked[&author.log], cosigned);
    assert_eq!(world.ends[0].n_batches_sent + world.ends[1].n_batches_sent, 0);
}

#[test]
fn a_log_travels_through_a_node_in_the_middle() {
    let author = Author::of(1, 700);
    let mut world = World::of([Node::holding([&author]), Node::default(), Node::default()]);
    world.link(0, 1);
    world.link(1, 2);
    world.settle();
    assert!(world.has_all(1, &author) && world.has_all(2, &author));
}

#[test]
fn two_streams_that_bring_the_same_log_agree() {
    let author = Author::of(1, 2500);
    let holder = || Node::holding([&author]);
    let mut world = World::of([holder(), holder(), Node::default()]);
    world.link(0, 2);
    world.link(1, 2);
    world.settle();
    assert!(world.has_all(2, &author));
    assert!(world.ends.iter().all(|it| it.refused.is_empty() && it.closed.is_none()));
}

#[test]
fn records_too_large_for_one_batch_travel_in_several() {
    let mut author = Author::of(1, 250);
    for _ in 0..10 {
        author.append(Known::Pool, vec![7; 250_000]);
    }
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    assert!(world.has_all(1, &author));
    let least = 10 * 250_000_usize.div_ceil(MAX_BATCH_BYTES);
    assert!(3 <= world.ends[0].n_batches_sent && world.ends[0].n_batches_sent <= least);
}

#[test]
fn keys_are_rotated_while_the_log_travels() {
    let mut author = Author::of(1, 100);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    author.rotate();
    world.publish(0, &author);
    world.settle();
    author.grow_to(300);
    author.rotate();
    author.grow_to(400);
    world.publish(0, &author);
    world.settle();
    assert!(world.has_all(1, &author));
    assert!(world.ends[0].refused.is_empty());
}

#[test]
fn an_erased_text_travels_as_an_absence() {
    let mut author = Author::of(1, 3);
    author.append(Known::Text, b"gone".to_vec());
    author.records[3].content = None;
    author.records[3].erased_by = Some(record::RecordId::from_bytes([9; 32]));
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    assert!(world.has_all(1, &author));
}

#[test]
fn a_head_offered_again_asks_for_nothing_twice() {
    let author = Author::of(1, 600);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    let head = world.ends[1].frames[0].clone();
    assert!(matches!(&head, Frame::Heads(heads) if heads.len() == 1));
    for _ in 0..3 {
        world.ends[1].frames.push_back(head.clone());
    }
    world.settle();
    assert!(world.has_all(1, &author));
    assert_eq!(world.ends[0].n_batches_sent, 3);
}
