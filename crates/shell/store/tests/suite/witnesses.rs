//! What a witness cosigns, and what one with a seat states of it in its own log.

use std::time::Duration;

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{
    Payload, UnixMillis,
    kind::Known,
    payload::Cosignatures,
    region::{Epoch, RegionAction, Roster},
};
use store::{Cosigner, Store};
use tlog::{Checkpoint, KeyName, Note, cosign};

use crate::world::*;

/// Community 3, a witness, with a seat or without one.
async fn witness(has_seat: bool) -> Place {
    anew(place(3).await, 3, has_seat).await
}

/// Opens the store of community `n` anew, in a region that seats community 3 as a witness or does not.
async fn anew(place: Place, n: u8, has_seat: bool) -> Place {
    place.store.close().await.unwrap();
    let mut config = config(n, &place.clock);
    let roster = if has_seat { seated() } else { roster(1..=5, &[101, 102]) };
    config.region = RegionView::new(region(), None, roster);
    config.own.witness = Some(Cosigner {
        name: KeyName::parse(&format!("test.folkmoot.example/witness/{n}")).unwrap(),
        key: SigningKey::from_bytes(&[33; 32]),
    });
    let store = Store::open(&place.folder.path().join("log.sqlite"), config).await.unwrap();
    Place { store, ..place }
}

/// Community 3 is a witness.
fn seated() -> Roster {
    roster(1..=5, &[101, 102]).with_witnesses(vec![community(3)]).unwrap()
}

/// The sizes that a log's statements name, one list for each record.
async fn stated(place: &Place) -> Vec<(u64, Vec<u64>)> {
    let records = place.store.records(place.log, 0, u64::MAX).await.unwrap();
    let statements = records.into_iter().filter_map(|it| {
        let payload = it.content.unwrap().payload;
        let Ok(Payload::Cosignatures(Cosignatures { stated_at, heads })) =
            proto::payload::decode(Known::Cosignatures, &payload)
        else {
            return None;
        };
        Some((stated_at.0 - NOON, heads.iter().map(|it| it.size).collect()))
    });
    statements.collect()
}

#[tokio::test]
async fn a_seated_witness_states_what_it_cosigned_at_most_once_in_ten_seconds_and_only_changes() {
    let (one, other, witness) = (place(1).await, place(2).await, witness(true).await);
    append_unknown(&one.store, 1).await;
    carry(&one.store, &witness.store, one.log).await;
    assert_eq!(stated(&witness).await, [(0, vec![1])]);
    assert_eq!(witness.store.next_deadline().await.unwrap(), None);

    append_unknown(&one.store, 2).await;
    append_unknown(&other.store, 4).await;
    carry(&one.store, &witness.store, one.log).await;
    carry(&other.store, &witness.store, other.log).await;
    let due = Some(UnixMillis(NOON + 10_000));
    assert_eq!(witness.store.next_deadline().await.unwrap(), due);
    witness.clock.advance(Duration::from_millis(9_999));
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await.len(), 1);
    witness.clock.advance(Duration::from_millis(1));
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await, [(0, vec![1]), (10_000, vec![3, 4])]);
    assert_eq!(witness.store.next_deadline().await.unwrap(), None);

    witness.clock.advance(Duration::from_mins(1));
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await.len(), 2, "nothing changed");
}

#[tokio::test]
async fn a_witness_without_a_seat_cosigns_and_states_nothing() {
    let (one, witness) = (place(1).await, witness(false).await);
    append_unknown(&one.store, 1).await;
    let accepted = carry(&one.store, &witness.store, one.log).await;
    assert_eq!(accepted.cosignatures.len(), 1);
    assert!(accepted.cosignatures[0].contains("/witness/3"));
    assert_eq!(size(&witness.store, witness.log).await, 0);
    let row = witness.store.log(one.log).await.unwrap().unwrap();
    assert_eq!(row.witnessed.map(|(size, _)| size), Some(1));
}

#[tokio::test]
async fn what_a_witness_cosigned_before_an_epoch_seated_it_or_before_a_restart_is_stated() {
    let (one, witness) = (place(1).await, witness(false).await);
    append_unknown(&one.store, 1).await;
    carry(&one.store, &witness.store, one.log).await;
    let previous = witness.store.region().borrow().newest().hash;
    let epoch = Epoch { region: region(), number: 1, previous, roster: seated() };
    for n in [2, 4, 5] {
        let (member, epoch) = (place(n).await, epoch.clone());
        let file = RegionAction::File { epoch, addresses: Vec::new() };
        append(&member.store, draft(&Payload::RegionEpoch(file), Vec::new())).await;
        carry(&member.store, &witness.store, member.log).await;
    }
    assert_eq!(witness.store.region().borrow().newest().number, 1);
    assert_eq!(witness.store.next_deadline().await.unwrap(), Some(UnixMillis(NOON)));
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await, [(0, vec![1, 1, 1, 1])]);

    append_unknown(&one.store, 1).await;
    carry(&one.store, &witness.store, one.log).await;
    assert_eq!(stated(&witness).await.len(), 1, "ten seconds are not over");
    let witness = anew(witness, 3, false).await;
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await[1..], [(0, vec![2])]);
    let witness = anew(witness, 3, false).await;
    witness.store.tick().await.unwrap();
    assert_eq!(stated(&witness).await.len(), 2, "nothing changed");
}

#[tokio::test]
async fn a_witness_and_a_coordinator_that_hold_each_others_logs_fall_silent() {
    let (node, witness) = (place(1).await, witness(true).await);
    let coordinator = anew(place(101).await, 101, true).await;
    append_unknown(&node.store, 1).await;
    let mut sizes = Vec::new();
    for _ in 0..8 {
        for (from, to) in [
            (&node, &witness),
            (&node, &coordinator),
            (&coordinator, &witness),
            (&witness, &coordinator),
        ] {
            carry(&from.store, &to.store, from.log).await;
            to.clock.advance(Duration::from_secs(61));
            to.store.tick().await.unwrap();
        }
        sizes.push((
            size(&witness.store, witness.log).await,
            size(&coordinator.store, coordinator.log).await,
        ));
    }
    assert_eq!(sizes[3], sizes[7], "{sizes:?}");
    assert!(!stated(&witness).await.is_empty());
    // What was said of logs alone is in the next statement that something else causes.
    append_unknown(&node.store, 1).await;
    carry(&node.store, &witness.store, node.log).await;
    let size = size(&coordinator.store, coordinator.log).await;
    assert_eq!(stated(&witness).await.last().unwrap().1, [2, size]);
}

#[tokio::test]
async fn an_older_head_is_not_cosigned_once_a_newer_one_was() {
    let (one, witness) = (place(1).await, witness(false).await);
    append_unknown(&one.store, 2).await;
    let older = incoming(&one.store, one.log, 0, 2).await;
    append_unknown(&one.store, 2).await;
    carry(&one.store, &witness.store, one.log).await;
    let accepted = accept(&witness.store, older).await.unwrap();
    assert_eq!((accepted.size, accepted.cosignatures), (4, Vec::new()));
    let row = witness.store.log(one.log).await.unwrap().unwrap();
    assert_eq!(row.witnessed.map(|(size, _)| size), Some(4));
}

#[tokio::test]
async fn cosignatures_that_come_late_make_the_largest_head_that_a_quorum_cosigned() {
    let node = place(1).await;
    let line = async |seat: u8, size: u64| {
        let root = node.store.root_at(node.log, size).await.unwrap();
        let origin = network().log_origin(&node.log.community, 0);
        let head = Checkpoint { origin: KeyName::parse(&origin).unwrap(), size, root };
        let name = record::identity::mirror_name(&network(), &community(seat));
        let name = KeyName::parse(&name).unwrap();
        cosign(&head, &name, &SigningKey::from_bytes(&[seat; 32]), 7).unwrap().render_line()
    };
    let cosigned = async || {
        let row = node.store.log(node.log).await.unwrap().unwrap();
        row.cosigned.map(|(size, note)| (size, Note::parse(&note).unwrap().signatures().len()))
    };
    let add = async |seat: u8, size: u64| {
        let lines = vec![line(seat, size).await];
        node.store.add_cosignatures(node.log, size, lines).await.unwrap();
    };
    append_unknown(&node.store, 5).await;
    add(101, 3).await;
    assert_eq!(cosigned().await, None, "one of two seats is not more than half");
    add(99, 3).await;
    assert_eq!(cosigned().await, None, "a stranger has no seat");
    add(102, 3).await;
    assert_eq!(cosigned().await, Some((3, 4)));
    for seat in [101, 102] {
        add(seat, 2).await;
    }
    assert_eq!(cosigned().await, Some((3, 4)), "a smaller one takes nothing back");
    for seat in [101, 102] {
        add(seat, 5).await;
    }
    assert_eq!(cosigned().await, Some((5, 3)));
    node.store.close().await.unwrap();
    let store = reopen(node.folder.path(), 1, &node.clock).await;
    let row = store.log(node.log).await.unwrap().unwrap();
    assert_eq!(row.cosigned.map(|(size, _)| size), Some(5));
}
