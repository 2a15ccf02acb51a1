//! How much room one log has in one case: what lies beyond it is refused before any rule looks at it.
//!
//! A case is folded whole whenever it is touched, so its length is what a flood costs everybody. A log's records are
//! counted by their place in it, and only the first [`MAX_CASE_RECORDS`] of a case have room; no receipt, clock, or
//! other log has a part in that, and nothing that arrives later changes it. Whether a record counts or is refused for
//! another reason, it takes room, as it costs the same.

use std::collections::{BTreeMap, BTreeSet};

use record::{CommunityId, LogName, RecordId, limits::MAX_CASE_RECORDS};

use crate::{case::CaseRecord, refusal::Refusal};

/// The refusal of a record that has no room in its case, if it has none.
///
/// `n_earlier` is how many records of `log` are in the case and stand before this one in the log. In the case are its
/// opening record, and all that name it as their first reference, are of a kind that belongs to cases
/// ([`record::Payload::is_of_a_case`]) and open none themselves. Those without room may be counted or not: the answer
/// is the same. An opening record always has room; do not ask for it.
///
/// A case folds to the same with and without the records that have no room, save for the verdict on them. Whoever
/// stores records therefore notes this refusal, and neither files the record under the case nor folds the case anew.
#[must_use]
pub fn too_many(log: LogName, n_earlier: usize) -> Option<Refusal> {
    beyond(log, n_earlier, MAX_CASE_RECORDS)
}

fn beyond(log: LogName, n_earlier: usize, most: usize) -> Option<Refusal> {
    (most <= n_earlier).then_some(Refusal::TooMany { log, most })
}

/// Takes out of a fold's records those that have no room in the case, with their refusals, log by log.
///
/// Records that belong to another case, or to none, stay: they take no room in this one. The order given does not
/// matter, and is kept.
pub(crate) fn take_out(
    records: &mut Vec<&CaseRecord>,
    opening: RecordId,
    most: usize,
) -> Vec<(RecordId, Refusal)> {
    if records.len() <= most {
        return Vec::new();
    }
    let in_case = records.iter().filter(|record| takes_room(record, opening));
    let in_log_order: BTreeSet<(CommunityId, u32, u64, RecordId)> =
        in_case.map(|it| (it.community, it.era, it.index, it.id)).collect();
    let mut n_of_logs: BTreeMap<LogName, usize> = BTreeMap::new();
    let mut refused = Vec::new();
    for (community, era, _, id) in in_log_order {
        let log = LogName { community, era };
        let n_earlier = n_of_logs.entry(log).or_default();
        let refusal = beyond(log, *n_earlier, most).filter(|_| id != opening);
        refused.extend(refusal.map(|refusal| (id, refusal)));
        *n_earlier += 1;
    }
    let ids: BTreeSet<RecordId> = refused.iter().map(|(id, _)| *id).collect();
    records.retain(|record| !ids.contains(&record.id));
    refused
}

fn takes_room(record: &CaseRecord, opening: RecordId) -> bool {
    let CaseRecord { id, references, payload, .. } = record;
    let follows = payload.is_of_a_case() && !payload.opens_case();
    *id == opening || (follows && references.first() == Some(&opening))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Case,
        fold::fold_within,
        samples::{
            CASE, HOUR, case_at, community, covenant, follow, opening, pool, record_id, region,
            verdict, verdict_on,
        },
    };
    use record::{UnixMillis, payload::pool::LockRule};

    fn with_room_for(most: usize, records: &[CaseRecord]) -> Case {
        fold_within(most, records, &region(), UnixMillis(9 * HOUR)).expect("the opening is here")
    }

    /// A pool that community 1 opened, and a pledge of 1, 2, … by community 2 every minute.
    fn pledges(n_pledges: u8) -> Vec<CaseRecord> {
        let mut records = vec![opening(1, pool::open(pool::terms(LockRule::AtClose)))];
        records.extend((1..=n_pledges).map(|n| follow(n, 2, u64::from(n), pool::firm(n.into()))));
        records
    }

    /// The id of a record that is one of thousands.
    fn id_of(n: u64) -> RecordId {
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        RecordId::from_bytes(bytes)
    }

    #[test]
    fn the_last_record_with_room_counts_and_the_next_is_refused() {
        let mut records = pledges(1);
        let many = (2..=1_025_u64).map(|n| CaseRecord {
            id: id_of(n),
            index: n,
            ..follow(2, 2, n, pool::firm(n))
        });
        records.extend(many);
        let case = case_at(&records, HOUR);
        assert_eq!(verdict_on(&case, id_of(1_024)), "counts");
        assert_eq!(verdict_on(&case, id_of(1_025)), "case.too_many");
        assert_eq!(case.judgements.len(), records.len());
        assert_eq!(case.judgements.last().map(|it| it.record), Some(id_of(1_025)));
    }

    #[test]
    fn the_place_in_the_log_decides_and_no_receipt_does() {
        let mut records = pledges(4);
        let case = with_room_for(3, &records);
        assert_eq!((verdict(&case, 3), verdict(&case, 4)), ("counts", "case.too_many"));
        // The last has a receipt before all others, which have none, and its author says that it is the oldest.
        records.iter_mut().skip(1).for_each(|it| it.received_at = None);
        records[4].received_at = Some(UnixMillis(1));
        records[4].time = UnixMillis(0);
        records.reverse();
        let case = with_room_for(3, &records);
        assert_eq!((verdict(&case, 3), verdict(&case, 4)), ("counts", "case.too_many"));
    }

    #[test]
    fn what_is_refused_takes_room_too() {
        let mut records = pledges(3);
        // Of another kind than the case, and so refused.
        records[1].payload = covenant::sign();
        let case = with_room_for(2, &records);
        let verdicts = [1, 2, 3].map(|n| verdict(&case, n));
        assert_eq!(verdicts, ["record.other_kind", "counts", "case.too_many"]);
    }

    #[test]
    fn the_opening_takes_room_in_its_log_and_always_has_it() {
        let mut records = vec![opening(2, pool::open(pool::terms(LockRule::AtClose)))];
        records.extend(pledges(2).split_off(1));
        let case = with_room_for(2, &records);
        assert_eq!((verdict(&case, 1), verdict(&case, 2)), ("counts", "case.too_many"));
        // Whoever knows a header before writing it can name it from before it.
        records[0].index = 9;
        let case = with_room_for(2, &records);
        assert_eq!((verdict_on(&case, CASE), verdict(&case, 2)), ("counts", "counts"));
        let one_more = follow(10, 2, 10, pool::firm(1));
        let case = with_room_for(2, &[records, vec![one_more]].concat());
        assert_eq!((verdict_on(&case, CASE), verdict(&case, 10)), ("counts", "case.too_many"));
    }

    #[test]
    fn another_log_and_another_era_have_room_of_their_own() {
        let mut records = pledges(4);
        records[3].community = community(3);
        records[4].era = 1;
        let case = with_room_for(2, &records);
        assert_eq!([1, 2, 3, 4].map(|n| verdict(&case, n)), ["counts"; 4]);
    }

    #[test]
    fn what_names_another_case_takes_no_room() {
        let mut records = pledges(2);
        records[1].references = vec![record_id(99)];
        let case = with_room_for(1, &records);
        assert_eq!((verdict(&case, 1), verdict(&case, 2)), ("record.other_case", "counts"));
    }

    #[test]
    fn a_flood_is_refused_for_being_one_also_where_nothing_counts() {
        let mut records = pledges(2);
        records.iter_mut().skip(1).for_each(|it| it.community = community(6));
        let case = with_room_for(1, &records);
        assert_eq!(
            (verdict(&case, 1), verdict(&case, 2)),
            ("record.not_a_member", "case.too_many")
        );
        records[0].community = community(7);
        let case = with_room_for(1, &records);
        assert_eq!(
            (verdict(&case, 1), verdict(&case, 2)),
            ("record.case_refused", "case.too_many")
        );
    }

    #[test]
    fn what_refers_to_a_record_without_room_does_not_wait_for_it() {
        let mut records = pledges(2);
        let mut late = follow(3, 3, 1, pool::firm(7));
        late.references.push(record_id(2));
        records.push(late);
        let case = with_room_for(1, &records);
        records.remove(2);
        let without = with_room_for(1, &records);
        let judged: Vec<_> = case.judgements.iter().map(|it| it.record).collect();
        assert_eq!(judged, [CASE, record_id(1), record_id(3), record_id(2)]);
        assert_eq!(case.judgements[..3], without.judgements[..]);
        assert_eq!((case.body, case.transitions), (without.body, without.transitions));
    }

    #[test]
    fn a_store_is_told_the_same_without_a_fold() {
        let log = LogName { community: community(2), era: 0 };
        assert_eq!(too_many(log, 1_023), None);
        let refusal = too_many(log, 1_024).expect("one too many");
        assert_eq!(too_many(log, 4_000), Some(refusal.clone()));
        assert_eq!(refusal.reason(), "case.too_many");
        assert!(refusal.to_string().contains("1024 records"), "{refusal}");
    }
}
