//! The register: the same at every replica, whatever the order in which logs come.

use std::time::Duration;

use proptest::prelude::*;
use record::{
    LogName, Payload, RecordId, UnixMillis,
    payload::{Receipt, receipt::HeldHead},
};
use store::{Guard, Store, StoreError};
use tlog::Hash;

use crate::world::*;

#[tokio::test]
async fn unknown_kinds_and_unknown_fields_are_kept_and_served_and_not_folded() {
    let node = place(1).await;
    append(&node.store, unknown(b"raw")).await;
    let mut newer = pool(10);
    // Field 200, of a later release.
    newer.payload.extend([0xc0, 0x0c, 0x01]);
    append(&node.store, newer.clone()).await;

    assert!(node.store.refusal(node.log, 0).await.unwrap().is_none());
    assert!(node.store.refusal(node.log, 1).await.unwrap().is_some());
    assert!(views(&node.store).await.is_empty());
    let records = node.store.records(node.log, 0, 2).await.unwrap();
    let payloads: Vec<_> = records.into_iter().map(|it| it.content.unwrap().payload).collect();
    assert_eq!(payloads, [b"raw".to_vec(), newer.payload]);
}

#[tokio::test]
async fn a_record_waits_for_its_opening_and_counts_when_that_comes() {
    let (opener, pledger, reader) = (place(1).await, place(2).await, place(3).await);
    let opened = append(&opener.store, pool(10)).await.id;
    append(&pledger.store, pledge(opened, 4)).await;

    carry(&pledger.store, &reader.store, pledger.log).await;
    assert!(reader.store.case(opened).await.unwrap().is_none());
    assert_eq!(reader.store.item_count().await.unwrap(), 0);

    carry(&opener.store, &reader.store, opener.log).await;
    let view = reader.store.case(opened).await.unwrap().unwrap().view;
    assert!(view.contains("\"quantity\":4"), "{view}");
    assert!(1 < reader.store.item_count().await.unwrap());
}

#[tokio::test]
async fn a_replayed_log_changes_nothing() {
    let region = Region::told().await;
    let reader = place(4).await;
    for (store, log) in region.logs() {
        carry(store, &reader.store, log).await;
    }
    let before = (views(&reader.store).await, reader.store.item_count().await.unwrap());
    for (store, log) in region.logs() {
        let end = size(store, log).await;
        accept(&reader.store, incoming(store, log, 0, end).await).await.unwrap();
    }
    assert_eq!((views(&reader.store).await, reader.store.item_count().await.unwrap()), before);
}

#[tokio::test]
async fn the_1025th_record_of_a_log_in_a_case_is_kept_and_not_filed_and_others_still_count() {
    let (opener, flooder, pledger) = (place(1).await, place(2).await, place(3).await);
    let opened = append(&opener.store, pool(10)).await.id;
    for node in [&flooder, &pledger] {
        carry(&opener.store, &node.store, opener.log).await;
    }
    // The same again and again: what adds nothing takes room, too.
    let flood = vec![pledge(opened, 4); record::limits::MAX_CASE_RECORDS];
    for drafts in flood.chunks(record::limits::MAX_DRAFTS) {
        flooder.store.append(drafts.to_vec(), Guard::None).await.unwrap();
    }
    let last = size(&flooder.store, flooder.log).await - 1;
    assert!(flooder.store.refusal(flooder.log, last).await.unwrap().is_none());
    let guarded = flooder.store.append(vec![pledge(opened, 5)], Guard::MustCount).await;
    assert!(
        matches!(&guarded, Err(StoreError::Refused { reason, .. }) if reason == "case.too_many"),
        "{guarded:?}"
    );
    append(&flooder.store, pledge(opened, 6)).await;
    let (reason, _) = flooder.store.refusal(flooder.log, last + 1).await.unwrap().unwrap();
    assert_eq!(reason, "case.too_many");

    append(&pledger.store, pledge(opened, 7)).await;
    carry(&flooder.store, &pledger.store, flooder.log).await;
    let view = pledger.store.case(opened).await.unwrap().unwrap().view;
    assert!(view.contains("\"quantity\":11"), "{view:.400}");
}

#[tokio::test]
async fn a_commit_carries_its_items_as_the_file_has_them_up_to_16() {
    let node = place(1).await;
    let mut commits = node.store.commits();
    let mut read = 0;
    // Each pool has one item for its opening.
    for n_pools in [1, 16, 17] {
        node.store.append(vec![pool(10); n_pools], Guard::None).await.unwrap();
        let commit = commits.recv().await.unwrap();
        assert_eq!(commit.n_items, n_pools);
        let told = node.store.items_after(store::Position::default(), read, 100).await.unwrap();
        read = told.last().unwrap().seq;
        let told = if n_pools <= 16 { told } else { Vec::new() };
        let whole = |it: &store::FeedItem| (it.seq, it.position, it.item.clone());
        assert!(commit.items.iter().map(whole).eq(told.iter().map(whole)), "{n_pools}");
    }
}

#[tokio::test]
async fn positions_in_the_feed_go_up_and_a_cursor_misses_nothing() {
    let (node, reader) = (place(1).await, place(2).await);
    let mut seen = Vec::new();
    let mut cursor = store::Position::default();
    // The clock stands still, and the reader's own log does not grow.
    for _ in 0..5 {
        append(&node.store, pool(10)).await;
        carry(&node.store, &reader.store, node.log).await;
        let items = reader.store.items_after(cursor, 0, 100).await.unwrap();
        assert!(!items.is_empty());
        cursor = items.last().unwrap().position;
        seen.extend(items.into_iter().map(|it| it.seq));
    }
    let all = reader.store.item_count().await.unwrap();
    assert_eq!(seen, (1..=i64::try_from(all).unwrap()).collect::<Vec<_>>());
    assert!(reader.store.items_after(cursor, 0, 100).await.unwrap().is_empty());
    let newest = reader.store.items_before(i64::MAX, 2).await.unwrap();
    assert_eq!(newest[0].seq, seen[seen.len() - 1]);
}

#[tokio::test]
async fn the_earliest_of_a_coordinators_receipts_counts_in_whatever_order_they_come() {
    // Three receipts by one coordinator whose clock went back: sizes and times disagree.
    let receipts = [(1, 3 * HOUR), (3, 2 * HOUR / 4), (2, 2 * HOUR)];
    let mut views_seen = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1]] {
        let (opener, pledger) = (place(1).await, place(2).await);
        let opened = append(&opener.store, pool(10)).await.id;
        append(&pledger.store, unknown(b"first")).await;
        append(&pledger.store, pledge(opened, 4)).await;
        append(&pledger.store, unknown(b"third")).await;
        let coordinator = place(101).await;
        for which in order {
            let (size, after) = receipts[which];
            append(&coordinator.store, receipt(pledger.log, size, NOON + after)).await;
        }
        let reader = place(3).await;
        reader.clock.advance(Duration::from_hours(1));
        for from in [&opener, &pledger, &coordinator] {
            carry(&from.store, &reader.store, from.log).await;
        }
        views_seen.push(views(&reader.store).await);
    }
    let in_time = &views_seen[0];
    assert!(in_time.values().all(|it| it.contains("\"quantity\":4")), "{in_time:?}");
    assert!(views_seen.iter().all(|it| it == in_time));
}

#[tokio::test]
async fn numbers_beyond_anything_sensible_stop_nobody() {
    let (node, coordinator, reader) = (place(1).await, place(101).await, place(3).await);
    append(&node.store, pool(10)).await;
    append(&coordinator.store, receipt(node.log, u64::MAX, u64::MAX)).await;
    append(&coordinator.store, receipt(node.log, 1 << 50, NOON)).await;
    for from in [&coordinator, &node] {
        carry(&from.store, &reader.store, from.log).await;
    }
    assert_eq!(views(&reader.store).await.len(), 1);
    append_unknown(&reader.store, 1).await;
}

fn receipt(log: LogName, size: u64, at: u64) -> store::Draft {
    let head =
        HeldHead { community: log.community, era: log.era, size, root: Hash::from_bytes([0; 32]) };
    let receipt = Receipt { received_at: UnixMillis(at), heads: vec![head] };
    draft(&Payload::Receipt(receipt), Vec::new())
}

/// Two nodes and two coordinators with something to tell: pools, pledges in time and late, repeats, strays.
struct Region {
    places: Vec<Place>,
}

impl Region {
    async fn told() -> Self {
        let mut places = Vec::new();
        for n in [1, 2, 101, 102] {
            places.push(place(n).await);
        }
        let region = Self { places };
        let [one, two, first, second] = &region.places[..] else { panic!("four places") };
        let opened = append(&one.store, pool(10)).await.id;
        region.mirror(first).await;
        append(&two.store, pledge(opened, 4)).await;
        append(&one.store, pledge(opened, 6)).await;
        append(&two.store, pledge(RecordId::from_bytes([9; 32]), 1)).await;
        region.pass(HOUR / 2);
        region.mirror(second).await;
        append(&one.store, pool(20)).await;
        append(&two.store, pledge(opened, 7)).await;
        region.pass(HOUR);
        region.mirror(first).await;
        append(&two.store, pledge(opened, 9)).await;
        region.mirror(second).await;
        region
    }

    fn pass(&self, millis: u64) {
        self.places.iter().for_each(|it| it.clock.advance(Duration::from_millis(millis)));
    }

    async fn mirror(&self, coordinator: &Place) {
        for node in &self.places[..2] {
            if 0 < size(&node.store, node.log).await {
                carry(&node.store, &coordinator.store, node.log).await;
            }
        }
    }

    fn logs(&self) -> impl Iterator<Item = (&Store, LogName)> {
        self.places.iter().map(|it| (&it.store, it.log))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_of_four_logs_gives_the_same_register(
        steps in proptest::collection::vec((0..4_usize, 1..4_u64), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, reference) = runtime.block_on(interleaved(steps));
        prop_assert_eq!(ours.len(), 2);
        prop_assert_eq!(ours, reference);
    }
}

type Views = std::collections::BTreeMap<RecordId, String>;

async fn interleaved(steps: Vec<(usize, u64)>) -> (Views, Views) {
    let region = Region::told().await;
    let (reader, reference) = (place(4).await, place(4).await);
    for place in [&reader, &reference] {
        place.clock.advance(Duration::from_hours(3));
    }
    let logs: Vec<_> = region.logs().collect();
    for (which, n_records) in steps {
        let (store, log) = logs[which];
        let start = size(&reader.store, log).await;
        let end = size(store, log).await.min(start + n_records);
        accept(&reader.store, incoming(store, log, start, end).await).await.unwrap();
    }
    for (store, log) in &logs {
        carry(store, &reader.store, *log).await;
        carry(store, &reference.store, *log).await;
    }
    (views(&reader.store).await, views(&reference.store).await)
}

#[tokio::test]
async fn the_mark_of_the_register_changes_with_cases_and_with_nothing_else() {
    let node = place(1).await;
    let mut marks = vec![node.store.register_mark()];
    let opened = append(&node.store, pool(10)).await;
    marks.push(node.store.register_mark());
    append(&node.store, pledge(opened.id, 4)).await;
    marks.push(node.store.register_mark());
    assert!(marks.windows(2).all(|it| it[0] != it[1]), "{marks:?}");
    append_unknown(&node.store, 1).await;
    assert_eq!(marks.last(), Some(&node.store.register_mark()), "it is of no case");
}
