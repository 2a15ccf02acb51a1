//! What a coordinator says of the logs that it mirrors: receipts that coalesce, indexes, statuses; and acknowledgements.

use std::{sync::Arc, time::Duration};

use record::{
    LogName, Payload, UnixMillis,
    index::IndexMap,
    kind::Known,
    payload::{
        Index, Receipt, Status,
        index::IndexEntry,
        status::{Reason, Standing},
    },
};
use runtime::clock::ManualClock;
use store::{Guard, Store};
use tlog::Hash;

use crate::world::*;

/// Every payload in a log of one kind, in order.
async fn payloads(store: &Store, log: LogName) -> Vec<Payload> {
    let records = store.records(log, 0, u64::MAX).await;
    records
        .map(|all| all.iter().filter_map(store::StoredRecord::payload).collect())
        .unwrap_or_default()
}

/// When each receipt says that its heads were received, after noon, and up to where.
async fn receipts(coordinator: &Place) -> Vec<(u64, Vec<u64>)> {
    let told = |payload| {
        let Payload::Receipt(Receipt { received_at, heads }) = payload else { return None };
        Some((received_at.0 - NOON, heads.iter().map(|it| it.size).collect()))
    };
    payloads(&coordinator.store, coordinator.log).await.into_iter().filter_map(told).collect()
}

async fn indexes(coordinator: &Place) -> Vec<Index> {
    let told = |payload| if let Payload::Index(index) = payload { Some(index) } else { None };
    payloads(&coordinator.store, coordinator.log).await.into_iter().filter_map(told).collect()
}

fn pass(places: &[&Place], millis: u64) {
    places.iter().for_each(|it| it.clock.advance(Duration::from_millis(millis)));
}

async fn grow(node: &Place, coordinator: &Place) {
    append_unknown(&node.store, 1).await;
    carry(&node.store, &coordinator.store, node.log).await;
}

#[tokio::test]
async fn heads_of_ten_seconds_share_a_receipt_that_names_the_newest_and_its_time() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    for _ in 0..3 {
        pass(&[&coordinator], 3_333);
        grow(&node, &coordinator).await;
    }
    assert_eq!(receipts(&coordinator).await, [(0, vec![1])]);
    coordinator.store.tick().await.unwrap();
    assert_eq!(receipts(&coordinator).await.len(), 1, "9,999 milliseconds are not over");
    pass(&[&coordinator], 1);
    coordinator.store.tick().await.unwrap();
    assert_eq!(receipts(&coordinator).await, [(0, vec![1]), (9_999, vec![4])]);
    pass(&[&coordinator], 60_000);
    coordinator.store.tick().await.unwrap();
    assert_eq!(receipts(&coordinator).await.len(), 2, "nothing waits any more");
}

#[tokio::test]
async fn a_log_that_was_quiet_for_ten_seconds_waits_for_nothing() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 10_000);
    grow(&node, &coordinator).await;
    assert_eq!(receipts(&coordinator).await, [(0, vec![1]), (10_000, vec![2])]);
}

#[tokio::test]
async fn what_waits_when_a_deadline_comes_is_receipted_before_it() {
    let (node, other, coordinator) = (place(1).await, place(2).await, place(101).await);
    let opened = append(&node.store, pool(10)).await.id;
    carry(&node.store, &coordinator.store, node.log).await;
    pass(&[&coordinator, &node, &other], HOUR - 3_000);
    grow(&other, &coordinator).await;
    pass(&[&coordinator], 2_000);
    append(&other.store, pledge(opened, 4)).await;
    carry(&other.store, &coordinator.store, other.log).await;
    // The pool closes, and a record comes in the same commit as the clock.
    pass(&[&coordinator], 1_000);
    append(&other.store, pledge(opened, 7)).await;
    carry(&other.store, &coordinator.store, other.log).await;
    pass(&[&coordinator], 10_000);
    coordinator.store.tick().await.unwrap();
    let told = receipts(&coordinator).await;
    let expected = [(HOUR - 3_000, vec![1]), (HOUR - 1_000, vec![2]), (HOUR, vec![3])];
    assert_eq!(told[1..], expected);
    let case = coordinator.store.case(opened).await.unwrap().unwrap().view;
    assert!(case.contains("\"quantity\":4") && !case.contains("\"quantity\":7"), "{case}");
}

#[tokio::test]
async fn what_waits_when_something_is_said_about_the_region_is_receipted_before_it() {
    let (node, other, coordinator) = (place(1).await, place(2).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 1_000);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 1_000);
    let withdraw = record::region::RegionAction::Vouch {
        region: region(),
        community: community(9),
        withdrawn: false,
    };
    append(&other.store, draft(&Payload::RegionEpoch(withdraw), Vec::new())).await;
    carry(&other.store, &coordinator.store, other.log).await;
    let told = receipts(&coordinator).await;
    assert_eq!(told, [(0, vec![1]), (1_000, vec![2]), (2_000, vec![1])]);
}

#[tokio::test]
async fn what_waits_survives_a_crash_and_is_receipted_once() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 4_000);
    grow(&node, &coordinator).await;
    // A copy of the files at this moment is what a power cut leaves.
    let copy = tempfile::tempdir().unwrap();
    for name in ["log.sqlite", "log.sqlite-wal"] {
        std::fs::copy(coordinator.folder.path().join(name), copy.path().join(name)).unwrap();
    }
    pass(&[&coordinator], 60_000);
    let store = reopen(copy.path(), 101, &coordinator.clock).await;
    let clock = std::sync::Arc::clone(&coordinator.clock);
    let killed = Place { store, clock, folder: copy, log: coordinator.log };
    killed.store.tick().await.unwrap();
    // It was held by the end of the second in which it was cosigned.
    assert_eq!(receipts(&killed).await, [(0, vec![1]), (4_999, vec![2])]);
    killed.store.close().await.unwrap();
    let again = reopen(killed.folder.path(), 101, &coordinator.clock).await;
    again.tick().await.unwrap();
    assert_eq!(n_receipts(&again, killed.log).await, 2);
}

#[tokio::test]
async fn the_writer_wakes_by_itself_when_a_receipt_is_due() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    grow(&node, &coordinator).await;
    let mut commits = coordinator.store.commits();
    pass(&[&coordinator], 10_000);
    // From here on time passes only while everybody waits.
    tokio::time::pause();
    let commit = commits.recv().await.unwrap();
    assert_eq!(commit.heads.iter().map(|it| it.name).collect::<Vec<_>>(), [coordinator.log]);
    tokio::time::resume();
    assert_eq!(receipts(&coordinator).await.len(), 2);
}

#[tokio::test]
async fn a_coordinator_whose_clock_was_a_year_fast_goes_on_by_the_right_time_after_a_restart() {
    let (node, coordinator) = (place(1).await, place(101).await);
    let opened = append(&node.store, pool(10)).await.id;
    carry(&node.store, &coordinator.store, node.log).await;
    let year = 365 * 24 * HOUR;
    pass(&[&coordinator], year);
    append(&node.store, pledge(opened, 4)).await;
    carry(&node.store, &coordinator.store, node.log).await;
    coordinator.store.tick().await.unwrap();
    let shown = async |store: &Store| store.case(opened).await.unwrap().unwrap();
    assert_eq!(shown(&coordinator.store).await.state, "closing overdue");
    coordinator.store.close().await.unwrap();

    let clock = Arc::new(ManualClock::at(NOON + 60_000));
    let store = reopen(coordinator.folder.path(), 101, &clock).await;
    store.tick().await.unwrap();
    assert_eq!(shown(&store).await.state, "forming", "it closes within the hour");
    let right = Place { store, clock, ..coordinator };
    for _ in 0..2 {
        grow(&node, &right).await;
        pass(&[&right], 10_000);
        right.store.tick().await.unwrap();
    }
    let told = receipts(&right).await;
    assert_eq!(told, [(0, vec![1]), (year, vec![2]), (60_000, vec![3]), (70_000, vec![4])]);
    pass(&[&right], 60_000);
    right.store.tick().await.unwrap();
    assert_eq!(indexes(&right).await.len(), 2);
    // The pledge was late by the wrong clock, and is in time by the right one.
    let view = shown(&right.store).await.view;
    assert!(view.contains("\"quantity\":4"), "{view}");
    // The feed goes on after what it has told.
    let items = right.store.items_before(i64::MAX, 100).await.unwrap();
    assert!(items.is_sorted_by(|newer, older| older.position <= newer.position), "{items:?}");
}

#[tokio::test]
async fn an_index_is_made_a_minute_after_the_first_change_and_none_while_nothing_changes() {
    let (node, other, coordinator) = (place(1).await, place(2).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 59_999);
    grow(&other, &coordinator).await;
    coordinator.store.tick().await.unwrap();
    assert!(indexes(&coordinator).await.is_empty());
    pass(&[&coordinator], 1);
    coordinator.store.tick().await.unwrap();
    pass(&[&coordinator], 600_000);
    coordinator.store.tick().await.unwrap();
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 60_000);
    coordinator.store.tick().await.unwrap();

    let made = indexes(&coordinator).await;
    let sizes = |it: &Index| it.changes.iter().map(|it| it.size).collect::<Vec<_>>();
    assert_eq!(made.iter().map(sizes).collect::<Vec<_>>(), [vec![1, 1], vec![2]]);
    assert_eq!(made.iter().map(|it| it.n_entries).collect::<Vec<_>>(), [2, 2]);
    // Whoever holds its log has the same map, and found every root right.
    let reader = place(3).await;
    carry(&coordinator.store, &reader.store, coordinator.log).await;
    let map = reader.store.index_of(coordinator.log.community).await.unwrap();
    assert_eq!(map.root(), made[1].root);
    assert_eq!(map, coordinator.store.index_of(coordinator.log.community).await.unwrap());
    let since = reader.store.newest_indexes().await.unwrap();
    assert_eq!(since[&coordinator.log.community].0, NOON + 720_000);
    for index in 0..size(&reader.store, coordinator.log).await {
        assert_eq!(reader.store.refusal(coordinator.log, index).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_restart_finds_what_was_not_indexed_yet() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 60_000);
    coordinator.store.tick().await.unwrap();
    grow(&node, &coordinator).await;
    coordinator.store.close().await.unwrap();
    let store = reopen(coordinator.folder.path(), 101, &coordinator.clock).await;
    store.tick().await.unwrap();
    pass(&[&coordinator], 60_000);
    store.tick().await.unwrap();
    let map = store.index_of(coordinator.log.community).await.unwrap();
    assert_eq!(map.get(&node.log).map(|it| it.size), Some(2));
    let made = payloads(&store, coordinator.log).await;
    let made = made.iter().filter(|it| it.kind() == Known::Index).count();
    assert_eq!(made, 2);
}

#[tokio::test]
async fn a_wrong_index_is_refused_with_its_reason_and_the_next_is_judged_by_itself() {
    let (coordinator, reader) = (place(101).await, place(3).await);
    let entry = |size| IndexEntry {
        log: log_of(1),
        size,
        root: Hash::from_bytes([u8::try_from(size).unwrap(); 32]),
        standing: Standing::Ok,
    };
    let right = |size| [entry(size)].into_iter().collect::<IndexMap>().root();
    let index = |size, root| {
        let changes = vec![entry(size)];
        draft(&Payload::Index(Index { root, n_entries: 1, n_to_follow: 0, changes }), Vec::new())
    };
    append(&coordinator.store, index(1, right(1))).await;
    append(&coordinator.store, index(2, right(9))).await;
    append(&coordinator.store, index(3, right(3))).await;
    append(&coordinator.store, raw("folkmoot.record.index.v1", vec![1, 2, 3])).await;
    carry(&coordinator.store, &reader.store, coordinator.log).await;
    let mut reasons = Vec::new();
    for place in 0..4 {
        let refusal = reader.store.refusal(coordinator.log, place).await.unwrap();
        reasons.push(refusal.map(|it| it.0));
    }
    let (wrong, malformed) = ("index.wrong_root".to_owned(), "payload.malformed".to_owned());
    assert_eq!(reasons, [None, Some(wrong), None, Some(malformed)]);
    // Whoever is not seated is not judged, and what it says is known should it be seated.
    let node = place(1).await;
    append(&node.store, index(2, right(9))).await;
    append(&node.store, index(1, right(1))).await;
    carry(&node.store, &reader.store, node.log).await;
    for place in 0..2 {
        assert_eq!(reader.store.refusal(node.log, place).await.unwrap(), None);
    }
    let known = reader.store.indexed_size(node.log.community, log_of(1)).await.unwrap();
    assert_eq!(known, 2, "sizes do not go down");
}

#[tokio::test]
async fn the_newest_status_of_a_log_counts_and_stands_in_the_next_index() {
    let (node, coordinator) = (place(1).await, place(101).await);
    grow(&node, &coordinator).await;
    pass(&[&coordinator], 60_000);
    coordinator.store.tick().await.unwrap();
    for (reason, since) in
        [(Some(Reason::RecordsPerMinute), 1), (None, 2), (Some(Reason::Abuse), 3)]
    {
        let status = Status { log: node.log, since: UnixMillis(since), reason, until: None };
        let filed = vec![draft(&Payload::Status(status), Vec::new())];
        coordinator.store.append(filed, Guard::None).await.unwrap();
    }
    let [(by, status)] = coordinator.store.statuses().await.unwrap()[..] else { panic!("one") };
    assert_eq!((by, status.since.0), (coordinator.log.community, 3));
    pass(&[&coordinator], 60_000);
    coordinator.store.tick().await.unwrap();
    let made = indexes(&coordinator).await;
    assert_eq!(made[1].changes[0].standing, Standing::Withheld);
}

#[tokio::test]
async fn acknowledgements_of_our_own_log_are_kept_one_for_each_ten_seconds_and_of_others_the_newest()
 {
    let (node, other, coordinator) = (place(1).await, place(2).await, place(101).await);
    for n in 0..4_u64 {
        for of in [&node, &other] {
            append_unknown(&of.store, 1).await;
            let lines = carry(&of.store, &coordinator.store, of.log).await.cosignatures;
            if of.log != node.log {
                carry(&of.store, &node.store, of.log).await;
            }
            // The log has grown since: the size that was acknowledged is kept all the same.
            node.store.add_cosignatures(of.log, n + 1, lines).await.unwrap();
        }
        append_unknown(&coordinator.store, 1).await;
        pass(&[&node], 5_000);
    }
    let kept = node.store.acks().await.unwrap();
    let of = |log| kept.iter().filter(|it| it.log == log).map(|it| it.size).collect::<Vec<_>>();
    assert_eq!(of(node.log), [2, 4]);
    assert_eq!(of(other.log), [4]);
    for ack in &kept {
        let note = tlog::Note::parse(&ack.note).unwrap();
        let line = note.signatures().last().unwrap();
        tlog::verify_cosignature(note.text(), line, &mirror_verifier(101)).unwrap();
        let text = node.store.checkpoint_text(ack.log, ack.size).await.unwrap().unwrap();
        assert_eq!(text, note.text());
    }
    // What is older than three days goes.
    for (wait, expected) in [(3 * 24 * HOUR - 10_000, [4, 5]), (10_000, [5, 6])] {
        pass(&[&node], wait);
        append_unknown(&node.store, 1).await;
        let lines = carry(&node.store, &coordinator.store, node.log).await.cosignatures;
        node.store.add_cosignatures(node.log, expected[1], lines).await.unwrap();
        let kept = node.store.acks().await.unwrap();
        let sizes = kept.iter().filter(|it| it.log == node.log).map(|it| it.size);
        assert_eq!(sizes.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn only_coordinators_acknowledge_though_witnesses_cosign() {
    let (node, coordinator) = (place(1).await, place(101).await);
    append_unknown(&node.store, 1).await;
    let root = node.store.root_at(node.log, 1).await.unwrap();
    let origin = tlog::KeyName::parse(&network().log_origin(&community(1), 0)).unwrap();
    let head = tlog::Checkpoint { origin, size: 1, root };
    let name = record::identity::witness_name(&network(), &community(2));
    let name = tlog::KeyName::parse(&name).unwrap();
    let line = tlog::cosign(&head, &name, &log_key(2), 7).unwrap().render_line();
    node.store.add_cosignatures(node.log, 1, vec![line]).await.unwrap();
    assert!(node.store.acks().await.unwrap().is_empty());
    let lines = carry(&node.store, &coordinator.store, node.log).await.cosignatures;
    node.store.add_cosignatures(node.log, 1, lines).await.unwrap();
    assert_eq!(node.store.acks().await.unwrap().len(), 1);
    // Once the log has grown, a size that was acknowledged is kept if its ten seconds have none yet.
    append_unknown(&node.store, 1).await;
    let of_two = carry(&node.store, &coordinator.store, node.log).await.cosignatures;
    append_unknown(&node.store, 1).await;
    node.store.add_cosignatures(node.log, 2, of_two.clone()).await.unwrap();
    let sizes =
        async || node.store.acks().await.unwrap().iter().map(|it| it.size).collect::<Vec<_>>();
    assert_eq!(sizes().await, [1]);
    pass(&[&node], 10_000);
    node.store.add_cosignatures(node.log, 2, of_two).await.unwrap();
    assert_eq!(sizes().await, [1, 2]);
}

#[tokio::test]
async fn a_coordinator_that_is_seated_later_is_judged_from_its_first_right_root_on() {
    let (late, first, reader) = (place(103).await, place(101).await, place(4).await);
    let entry = |n, size| IndexEntry {
        log: log_of(n),
        size,
        root: Hash::from_bytes([n; 32]),
        standing: Standing::Ok,
    };
    let index = |whole: &[IndexEntry], root: Option<Hash>| {
        let map: IndexMap = whole.iter().copied().collect();
        let (n_entries, root) = (map.len() as u64, root.unwrap_or_else(|| map.root()));
        let changes = whole[whole.len() - 1..].to_vec();
        draft(&Payload::Index(Index { root, n_entries, n_to_follow: 0, changes }), Vec::new())
    };
    append(&late.store, index(&[entry(1, 1)], None)).await;
    carry(&late.store, &reader.store, late.log).await;

    let newest = reader.store.region().borrow().newest().clone();
    let (number, previous) = (newest.number + 1, newest.hash);
    let roster = roster(1..=5, &[101, 102, 103]);
    let epoch = record::region::Epoch { region: region(), number, previous, roster };
    for n in 1..=3 {
        let member = place(n).await;
        let epoch = epoch.clone();
        let file = record::region::RegionAction::File { epoch, addresses: Vec::new() };
        append(&member.store, draft(&Payload::RegionEpoch(file), Vec::new())).await;
        carry(&member.store, &first.store, member.log).await;
        carry(&member.store, &reader.store, member.log).await;
    }
    carry(&first.store, &reader.store, first.log).await;
    assert_eq!(reader.store.region().borrow().newest().number, 1);

    // Its first words were kept, so the next root is right; from then on a wrong one is refused.
    let wrong = Some(Hash::from_bytes([9; 32]));
    append(&late.store, index(&[entry(1, 1), entry(2, 1)], wrong)).await;
    append(&late.store, index(&[entry(1, 1), entry(2, 1), entry(3, 1)], None)).await;
    append(&late.store, index(&[entry(1, 1), entry(2, 1), entry(3, 2)], wrong)).await;
    carry(&late.store, &reader.store, late.log).await;
    let mut refused = Vec::new();
    for index in 0..4 {
        refused.push(reader.store.refusal(late.log, index).await.unwrap().is_some());
    }
    assert_eq!(refused, [false, false, false, true]);
}
