//! An era ends, and the next begins.

use std::sync::Arc;

use super::{
    author::{Author, network},
    world::{Node, StoredLog, World},
};
use crate::{
    exchange::Input,
    fault::Fault,
    frame::{Frame, Head},
    head::{LogIdentity, SignedHead},
};

/// A community whose first era had 120 records when its machine was lost, and 100 of them are kept.
struct Lost {
    old: Author,
    new: Author,
    kept_head: SignedHead,
    identity: Arc<LogIdentity>,
}

fn lost() -> Lost {
    let old = Author::of(1, 120);
    let (mut new, kept_head, identity) = old.recover(100);
    new.grow_to(7);
    Lost { old, new, kept_head, identity }
}

impl Lost {
    fn kept(&self) -> Author {
        let mut kept = self.old.clone();
        kept.records.truncate(100);
        kept
    }

    /// The recovered node: what is kept of the old era, and the new one.
    fn recovered(&self) -> Node {
        let kept = StoredLog::with(&self.kept(), self.kept_head.clone(), self.identity.clone());
        let head = self.new_head(self.new.size());
        let new = StoredLog::with(&self.new, head, self.identity.clone());
        let logs = [(self.old.log, kept), (self.new.log, new)].into();
        Node { logs, ..Node::default() }
    }

    fn new_head(&self, size: u64) -> SignedHead {
        let note = self.new.note_at(size);
        SignedHead::open(&network(), self.new.log, &self.identity, &note).unwrap()
    }
}

#[test]
fn a_node_that_knows_nothing_gets_both_eras() {
    let lost = lost();
    let mut world = World::pair(lost.recovered(), Node::default());
    world.settle();
    assert!(world.has_all(1, &lost.kept()) && world.has_all(1, &lost.new));
    assert_eq!(world.reasons(0), Vec::<&str>::new());
}

#[test]
fn whoever_holds_more_of_the_ended_era_keeps_it_and_passes_on_what_is_kept() {
    let lost = lost();
    let mut world = World::of([lost.recovered(), Node::holding([&lost.old]), Node::default()]);
    world.link(0, 1);
    world.settle();
    assert!(world.has_all(1, &lost.old) && world.has_all(1, &lost.new));
    assert_eq!(world.nodes[1].logs[&lost.old.log].head_size(), Some(100));
    world.cut();
    world.link(1, 2);
    world.settle();
    assert!(world.has_all(2, &lost.kept()) && world.has_all(2, &lost.new));
    assert!(world.has_all(1, &lost.old), "nothing is cut out of a tree");
}

#[test]
fn a_head_of_the_ended_era_is_taken_up_to_what_is_kept_and_not_one_record_beyond() {
    let lost = lost();
    for (size, reason) in [(100, None), (101, Some("identity.beyond_kept"))] {
        // The thief shows an identity from before the recovery.
        let mut world = World::pair(lost.recovered(), Node::default());
        world.settle();
        let head = Head {
            log: lost.old.log,
            checkpoint: lost.old.note_at(size),
            identity: lost.old.bundle(),
            pushed_from: 0,
        };
        world.give(1, Input::Frame(Frame::Heads(vec![head])));
        world.settle();
        assert_eq!(world.reasons(0).first().copied(), reason, "{size}");
        assert_eq!(world.size_at(1, lost.old.log), 100);
    }
    let fault = Fault::BeyondKept { kept: 100, size: 101 };
    assert!(fault.to_string().contains("100") && fault.to_string().contains("101"));
}

#[test]
fn the_key_of_the_new_era_signs_what_is_kept_of_the_old_one_and_nothing_else_of_it() {
    let lost = lost();
    let by_new_key = |size| {
        let signed = tlog::sign_checkpoint(&lost.old.checkpoint_at(size), &lost.new.newest_key());
        let note: Arc<[u8]> = signed.to_bytes().into();
        SignedHead::open(&network(), lost.old.log, &lost.identity, &note).map(|it| it.size())
    };
    assert_eq!(by_new_key(100), Ok(100));
    assert_eq!(by_new_key(99), Err(Fault::UnknownKey));
    assert_eq!(by_new_key(101), Err(Fault::UnknownKey));
}
