//! Items of neighbouring regions beside our own.

use std::collections::BTreeSet;

use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis, limits::MAX_NEIGHBOUR_ITEM_BYTES,
};
use store::{
    NeighbourCase, NeighbourRecord, NeighbourRow, Position, PutOff, PutOffs, Regions, StoreError,
    Taken,
};

use crate::world::{Place, place};

fn region(n: u8) -> RegionId {
    RegionId::from_bytes([n; 32])
}

fn item(n: u8) -> (ItemId, String) {
    (ItemId::from_bytes([n; 32]), format!("{{\"n\":{n}}}"))
}

fn taken(of: u8, items: Vec<(ItemId, String)>) -> Taken {
    let after = NeighbourRow {
        known: "{}".to_owned(),
        coordinator: CommunityId::from_bytes([9; 32]),
        cursor: format!("cursor {}", items.len()),
    };
    Taken {
        region: region(of),
        place: after,
        records: Vec::new(),
        cases: Vec::new(),
        items,
        asked_again: Vec::new(),
        put_off: Vec::new(),
    }
}

async fn told(node: &Place, regions: &Regions) -> Vec<String> {
    let items = node.store.items_of_after(regions, Position::default(), 0, 100).await.unwrap();
    let before = node.store.items_of_before(regions, i64::MAX, 100).await.unwrap();
    let backwards: Vec<i64> = before.iter().rev().map(|it| it.seq).collect();
    assert_eq!(items.iter().map(|it| it.seq).collect::<Vec<_>>(), backwards);
    assert!(items.is_sorted_by(|one, next| (one.position, one.seq) < (next.position, next.seq)));
    items.into_iter().map(|it| it.item).collect()
}

fn only(others: &[u8]) -> Regions {
    Regions::Some { own: false, others: others.iter().map(|n| region(*n)).collect() }
}

#[tokio::test]
async fn items_of_several_regions_stand_in_one_order_and_none_twice() {
    let node = place(1).await;
    node.store.take_from_neighbour(taken(1, vec![item(1), item(2)])).await.unwrap();
    node.store.take_from_neighbour(taken(2, vec![item(1)])).await.unwrap();
    node.store.take_from_neighbour(taken(1, vec![item(2), item(3)])).await.unwrap();
    assert_eq!(told(&node, &Regions::All).await.len(), 4);
    assert_eq!(told(&node, &only(&[1])).await, [item(1).1, item(2).1, item(3).1]);
    assert_eq!(told(&node, &only(&[2])).await, [item(1).1]);
    assert!(told(&node, &Regions::Own).await.is_empty());
    let first = node.store.items_of_before(&only(&[2]), i64::MAX, 1).await.unwrap().remove(0);
    let rest = node.store.items_of_after(&Regions::All, first.position, 0, 100).await.unwrap();
    assert_eq!(rest.len(), 1, "what came after that position, and nothing else");
    assert_eq!(rest[0].region, Some(region(1)));
}

#[tokio::test]
async fn the_place_in_a_neighbours_feed_is_kept_with_what_was_taken() {
    let node = place(1).await;
    assert_eq!(node.store.neighbour(region(1)).await.unwrap(), None);
    node.store.take_from_neighbour(taken(1, vec![item(1)])).await.unwrap();
    let row = node.store.neighbour(region(1)).await.unwrap().unwrap();
    assert_eq!(row.cursor, "cursor 1");
    assert!(node.store.holds_neighbour_item(region(1), item(1).0).await.unwrap());
    assert!(!node.store.holds_neighbour_item(region(2), item(1).0).await.unwrap());
}

#[tokio::test]
async fn an_item_of_256_kib_is_kept_and_one_byte_more_is_refused_with_all_that_came_along() {
    let node = place(1).await;
    let of = |n_bytes: usize| (item(1).0, "x".repeat(n_bytes));
    let more = taken(1, vec![item(2), of(MAX_NEIGHBOUR_ITEM_BYTES + 1)]);
    let refused = node.store.take_from_neighbour(more).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid { reason: "neighbour.item_too_large", .. }));
    assert_eq!(node.store.neighbour(region(1)).await.unwrap(), None);
    let most = taken(1, vec![of(MAX_NEIGHBOUR_ITEM_BYTES)]);
    node.store.take_from_neighbour(most).await.unwrap();
    assert_eq!(told(&node, &only(&[1])).await.len(), 1);
}

#[tokio::test]
async fn records_and_cases_are_kept_and_what_is_no_neighbours_any_more_is_forgotten() {
    let node = place(1).await;
    let case = RecordId::from_bytes([7; 32]);
    for of in [1, 2] {
        let record =
            NeighbourRecord { case, id: case, header: vec![1], payload: vec![2], told_at: None };
        let view = NeighbourCase {
            region: region(of),
            id: case,
            kind: "pool".to_owned(),
            view: "{}".to_owned(),
        };
        let (records, cases) = (vec![record], vec![view]);
        let items = vec![item(of)];
        let mark = node.store.register_mark();
        node.store.take_from_neighbour(Taken { records, cases, ..taken(of, items) }).await.unwrap();
        assert_ne!(node.store.register_mark(), mark);
    }
    let mark = node.store.register_mark();
    node.store.take_from_neighbour(taken(1, vec![item(3)])).await.unwrap();
    assert_eq!(node.store.register_mark(), mark, "no case came with it");
    assert_eq!(node.store.neighbour_cases(None, 10).await.unwrap().len(), 2);
    let after = node.store.neighbour_cases(Some((region(1), case)), 10).await.unwrap();
    assert_eq!(after.iter().map(|it| it.region).collect::<Vec<_>>(), [region(2)]);
    node.store.keep_neighbours(BTreeSet::from([region(2)])).await.unwrap();
    assert!(node.store.neighbour_records(region(1), case).await.unwrap().is_empty());
    assert_eq!(node.store.neighbour_records(region(2), case).await.unwrap().len(), 1);
    assert_eq!(told(&node, &Regions::All).await, [item(2).1]);
}

fn put_off(n: u8, n_tries: u32, due_at: u64) -> PutOff {
    let claim = format!("claim {n}");
    PutOff { id: item(n).0, claim, n_tries, due_at: UnixMillis(due_at) }
}

/// The numbers of tries of what is due by then.
async fn due(node: &Place, now: u64) -> Vec<(ItemId, u32)> {
    let due = node.store.due_again(region(1), UnixMillis(now), 10).await.unwrap();
    due.into_iter().map(|it| (it.id, it.n_tries)).collect()
}

#[tokio::test]
async fn what_is_put_off_waits_until_it_is_due_and_goes_once_it_was_taken_or_given_up() {
    let node = place(1).await;
    let [one, two, three] = [put_off(1, 0, 20), put_off(2, 0, 10), put_off(3, 0, 30)];
    let first = Taken { put_off: vec![one, two, three], ..taken(1, vec![]) };
    node.store.take_from_neighbour(first).await.unwrap();
    let waiting = PutOffs { n_items: 3, n_bytes: 21, due_at: Some(UnixMillis(10)) };
    assert_eq!(node.store.put_offs(region(1)).await.unwrap(), waiting);
    assert_eq!(node.store.put_offs(region(2)).await.unwrap(), PutOffs::default());
    assert!(due(&node, 9).await.is_empty());
    assert_eq!(due(&node, 20).await, [(item(2).0, 0), (item(1).0, 0)], "the longest due first");

    // The first is told again, the second fails again, the third comes by the feed.
    let again = Taken {
        asked_again: vec![item(1).0, item(2).0],
        put_off: vec![put_off(2, 1, 50)],
        ..taken(1, vec![item(1), item(3)])
    };
    node.store.take_from_neighbour(again).await.unwrap();
    assert_eq!(due(&node, 99).await, [(item(2).0, 1)]);
    // The feed tells what is put off already: that changes nothing.
    let told = Taken { put_off: vec![put_off(2, 0, 10)], ..taken(1, vec![]) };
    node.store.take_from_neighbour(told).await.unwrap();
    assert_eq!(due(&node, 99).await, [(item(2).0, 1)]);
    node.store.keep_neighbours(BTreeSet::new()).await.unwrap();
    assert_eq!(node.store.put_offs(region(1)).await.unwrap(), PutOffs::default());
}
