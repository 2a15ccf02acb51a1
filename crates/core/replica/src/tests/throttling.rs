//! Logs that have to wait: no credit, a word about it, and nobody else held up.

use record::{
    UnixMillis,
    payload::status::{Reason, Status},
};

use super::{
    author::Author,
    world::{Node, World},
};
use crate::{
    exchange::{Input, Output},
    frame::{Frame, LogName},
    limits::MAX_LOGS_IN_FLIGHT,
};

fn throttled(log: LogName) -> Input {
    let (since, until) = (UnixMillis(1), Some(UnixMillis(2)));
    Input::Treated(Status { log, since, reason: Some(Reason::RecordsPerMinute), until })
}

fn ok(log: LogName) -> Input {
    Input::Treated(Status { log, since: UnixMillis(2), reason: None, until: None })
}

#[test]
fn a_throttled_log_gets_no_credit_until_it_stands_otherwise_and_then_all_of_it_comes() {
    let author = Author::of(1, 6_000);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    for turn in 0..20 {
        world.step(turn);
    }
    let before = world.size_at(1, author.log);
    assert!(before < 6_000);
    world.give(1, throttled(author.log));
    world.settle();
    let held = world.size_at(1, author.log);
    assert!(held < 6_000, "what was granted before comes, and no more");
    assert_eq!(world.ends[0].told.len(), 1, "the author is told");
    world.give(1, ok(author.log));
    world.settle();
    assert!(world.has_all(1, &author));
    assert_eq!(world.ends[0].told.len(), 2);
}

#[test]
fn a_head_that_comes_while_a_log_is_throttled_waits_and_is_pulled_later() {
    let mut author = Author::of(1, 10);
    let mut world = World::pair(Node::holding([&author]), Node::default());
    world.settle();
    world.give(1, throttled(author.log));
    author.grow_to(20);
    world.publish(0, &author);
    world.settle();
    assert_eq!(world.size_at(1, author.log), 10);
    world.give(1, ok(author.log));
    world.settle();
    assert!(world.has_all(1, &author));
}

#[test]
fn as_many_flooders_as_are_pulled_at_once_hold_nobody_else_up() {
    let n_flooders = u8::try_from(MAX_LOGS_IN_FLIGHT).unwrap();
    let flooders: Vec<Author> = (1..=n_flooders).map(|n| Author::of(n, 600)).collect();
    let quiet = Author::of(n_flooders + 1, 3);
    let mut world = World::pair(Node::holding(flooders.iter().chain([&quiet])), Node::default());
    for flooder in &flooders {
        world.give(1, throttled(flooder.log));
    }
    world.settle();
    assert!(world.has_all(1, &quiet));
    assert!(flooders.iter().all(|it| world.size_at(1, it.log) < 600));
    for flooder in &flooders {
        world.give(1, ok(flooder.log));
    }
    world.settle();
    assert!(flooders.iter().all(|it| world.has_all(1, it)));
}

#[test]
fn nobody_is_told_of_a_log_that_does_not_travel_on_the_stream() {
    let author = Author::of(1, 1);
    let (mut exchange, _) = Node::default().open();
    assert!(exchange.handle(throttled(author.log)).is_empty());
    let status = Status { log: author.log, since: UnixMillis(1), reason: None, until: None };
    let told = exchange.handle(Input::Frame(Frame::Status(status)));
    assert_eq!(told, [Output::Told(status)]);
}
