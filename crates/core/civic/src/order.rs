//! The canonical order of a case's records: references, log order, then time, community, index.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use record::{CommunityId, RecordId, UnixMillis};

use crate::case::CaseRecord;

type Rank = (UnixMillis, CommunityId, u32, u64, RecordId);

fn rank(record: &CaseRecord) -> Rank {
    (record.time, record.community, record.era, record.index, record.id)
}

/// The records, each once, so that none comes before one it refers to or one earlier in its own log.
///
/// Of copies that differ in their receipt, the earliest receipt counts. Records that refer to each other in a circle
/// cannot exist, since ids are hashes; if they are given all the same, they come last, by rank.
pub(crate) fn canonical<'a>(
    records: impl IntoIterator<Item = &'a CaseRecord>,
) -> Vec<&'a CaseRecord> {
    let by_id = distinct(records);
    let mut followers: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
    let mut n_awaited: BTreeMap<RecordId, usize> = BTreeMap::new();
    for (before, after) in edges(&by_id) {
        followers.entry(before).or_default().push(after);
        *n_awaited.entry(after).or_default() += 1;
    }
    let mut ready: BinaryHeap<Reverse<Rank>> = by_id
        .values()
        .filter(|record| !n_awaited.contains_key(&record.id))
        .map(|record| Reverse(rank(record)))
        .collect();
    let mut ordered = Vec::with_capacity(by_id.len());
    let mut placed = BTreeSet::new();
    while let Some(Reverse((.., id))) = ready.pop() {
        placed.insert(id);
        ordered.extend(by_id.get(&id).copied());
        for after in followers.get(&id).into_iter().flatten() {
            let Some(awaited) = n_awaited.get_mut(after) else { continue };
            *awaited -= 1;
            if *awaited == 0 {
                ready.extend(by_id.get(after).map(|record| Reverse(rank(record))));
            }
        }
    }
    let mut circular: Vec<_> =
        by_id.values().copied().filter(|record| !placed.contains(&record.id)).collect();
    circular.sort_by_key(|record| rank(record));
    ordered.extend(circular);
    ordered
}

fn distinct<'a>(
    records: impl IntoIterator<Item = &'a CaseRecord>,
) -> BTreeMap<RecordId, &'a CaseRecord> {
    let receipt = |record: &CaseRecord| record.received_at.map_or(u64::MAX, |at| at.0);
    let mut by_id: BTreeMap<RecordId, &CaseRecord> = BTreeMap::new();
    for record in records {
        let kept = by_id.entry(record.id).or_insert(record);
        if receipt(record) < receipt(kept) {
            *kept = record;
        }
    }
    by_id
}

/// Pairs (earlier, later), each once, from references and from the order of each log.
fn edges(by_id: &BTreeMap<RecordId, &CaseRecord>) -> BTreeSet<(RecordId, RecordId)> {
    let mut edges = BTreeSet::new();
    let mut logs: BTreeMap<(CommunityId, u32, u64, RecordId), RecordId> = BTreeMap::new();
    for record in by_id.values() {
        let earlier = record.references.iter().filter(|id| by_id.contains_key(*id));
        edges.extend(earlier.map(|id| (*id, record.id)));
        logs.insert((record.community, record.era, record.index, record.id), record.id);
    }
    let in_log_order: Vec<_> = logs.into_iter().map(|(key, id)| (key.0, id)).collect();
    for (one, next) in in_log_order.iter().zip(in_log_order.iter().skip(1)) {
        if one.0 == next.0 {
            edges.insert((one.1, next.1));
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{community, record_id};
    use record::payload::{Payload, Roll, poll::RollCommitment};

    fn record(n: u8, index: u64, time: u64, references: &[u8]) -> CaseRecord {
        let roll = RollCommitment { n_on_roll: 1, roll_root: [0; 32] };
        CaseRecord {
            id: record_id(n),
            community: community(n / 10),
            era: 0,
            index,
            time: UnixMillis(time),
            references: references.iter().map(|n| record_id(*n)).collect(),
            received_at: None,
            frozen: false,
            payload: Payload::Roll(Roll { roll }),
        }
    }

    fn ids(records: &[CaseRecord]) -> Vec<RecordId> {
        canonical(records).iter().map(|record| record.id).collect()
    }

    #[test]
    fn a_reference_and_the_log_come_before_the_authors_time() {
        let records = [record(10, 5, 50, &[]), record(11, 6, 1, &[]), record(20, 0, 0, &[11])];
        assert_eq!(ids(&records), [record_id(10), record_id(11), record_id(20)]);
    }

    #[test]
    fn unrelated_records_come_in_order_of_time_then_community() {
        let records = [record(30, 0, 7, &[]), record(20, 0, 7, &[]), record(10, 0, 8, &[])];
        assert_eq!(ids(&records), [record_id(20), record_id(30), record_id(10)]);
    }

    #[test]
    fn the_earliest_receipt_of_two_copies_counts() {
        let mut received = record(10, 0, 0, &[]);
        received.received_at = Some(UnixMillis(4));
        let copies = [record(10, 0, 0, &[]), received];
        assert_eq!(canonical(&copies).first().unwrap().received_at, Some(UnixMillis(4)));
        assert_eq!(canonical(&copies).len(), 1);
    }

    #[test]
    fn a_circle_and_a_reference_to_itself_lose_no_record() {
        let records = [record(10, 0, 0, &[20]), record(20, 0, 0, &[10]), record(30, 0, 0, &[30])];
        assert_eq!(ids(&records).len(), 3);
    }
}
