//! Laws of every fold: the same case at every replica, whatever the order of arrival.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, strategy::ValueTree as _};
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    limits::MAX_CASE_RECORDS,
    payload::{
        opportunity::Stage,
        pool::{LockRule, PoolOpening},
    },
};

use crate::{
    Case, CaseRecord, fold,
    fold::fold_within,
    poll as polls, pool as pools,
    samples::{
        CASE, DAY, HOUR, covenant, follow, opening, opportunity, poll, pool, record_id, region,
        verdict_on,
    },
};

/// One thing that somebody does.
#[derive(Debug, Clone, Copy)]
struct Act {
    author: u8,
    hours_later: u64,
    receipt_delay: u64,
    has_receipt: bool,
    what: u8,
    number: u8,
}

fn act() -> impl Strategy<Value = Act> {
    let delay = prop_oneof![3 => Just(0u64), 1 => 1u64..3 * HOUR];
    (1u8..=6, 0u64..5, delay, prop::bool::weighted(0.9), 0u8..12, 0u8..60).prop_map(
        |(author, hours_later, receipt_delay, has_receipt, what, number)| Act {
            author,
            hours_later,
            receipt_delay,
            has_receipt,
            what,
            number,
        },
    )
}

/// A poll that most scripts reach the end of.
fn short_poll() -> record::payload::poll::PollOpening {
    let at = |hours| UnixMillis(hours * HOUR);
    record::payload::poll::PollOpening {
        opens_at: at(1),
        closes_at: at(3),
        roots_before: at(15),
        tallies_before: at(30),
        ..poll::terms()
    }
}

fn opening_of(kind: u8) -> Payload {
    let rule = if kind.is_multiple_of(2) { LockRule::AtClose } else { LockRule::OnThreshold };
    let closes_at = UnixMillis(20 * HOUR);
    match kind % 8 {
        0 | 1 => covenant::propose(covenant::proposal(&[1, 2, 3])),
        2 => opportunity::publish(opportunity::release(Stage::Open, HOUR)),
        3 | 4 => pool::open(PoolOpening { closes_at, ..pool::terms(rule) }),
        5 => poll::open(poll::terms()),
        6 => covenant::propose(covenant::proposal(&[2, 4])),
        _ => poll::open(short_poll()),
    }
}

/// What an act says; some of it depends on the case so far, as its author sees it.
fn said(kind: u8, act: &Act, case: &Case) -> Payload {
    let Act { number, what, .. } = *act;
    let n = u64::from(number);
    match (kind % 8, what) {
        (_, 11) => opportunity::publish(opportunity::release(Stage::Open, n)),
        (_, 10) => pool::close(vec![record_id(number % 4)]),
        (0 | 1 | 6, 0..=8) => covenant::sign(),
        (0 | 1 | 6, _) => covenant::decline(),
        (2, 0..=4) => opportunity::update(opportunity::release(Stage::Awarded, n * HOUR)),
        (2, _) => opportunity::update(opportunity::release(Stage::Open, n * HOUR / 2)),
        (3 | 4, 0..=3) => pool::firm(n % 8),
        (3 | 4, 4) => pool::soft(n),
        (3 | 4, 5) => pool::withdraw(record_id(number % 8)),
        (3 | 4, _) => pool::close(pools::closing_list(case)),
        (_, 0..=2) => poll::root(act.author, 50),
        (_, 3) => poll::root(number, n),
        (_, 4 | 5) => poll::counts(poll::votes(&[30, 20])),
        (_, 6) => poll::withheld(),
        (_, 7) => poll::counts(poll::votes(&[n, 50 - n.min(50)])),
        (_, _) => polls::declaration(case).map_or_else(poll::withheld, poll::declare),
    }
}

/// The records of a script. Receipts of one log never go back, as receipts cover a log up to a size.
fn played(kind: u8, acts: &[Act]) -> Vec<CaseRecord> {
    let mut records = vec![opening(1, opening_of(kind))];
    let mut now = HOUR;
    let mut received_by = [0u64; 7];
    for (n, act) in (0u8..).zip(acts) {
        now += act.hours_later * HOUR;
        let case = fold(&records, &region(), UnixMillis(now)).expect("the opening is here");
        let mut record = follow(n, act.author, now, said(kind, act, &case));
        let last = &mut received_by[usize::from(act.author)];
        *last = (*last).max(now + act.receipt_delay);
        record.received_at = act.has_receipt.then_some(UnixMillis(*last));
        records.push(record);
    }
    records
}

fn script() -> impl Strategy<Value = (u8, Vec<CaseRecord>)> {
    (0u8..8, prop::collection::vec(act(), 0..28))
        .prop_map(|(kind, acts)| (kind, played(kind, &acts)))
}

/// Everything twice, first without and then with its receipt, in an order of its own.
fn deliveries() -> impl Strategy<Value = (Vec<CaseRecord>, Vec<CaseRecord>, Vec<CaseRecord>)> {
    script().prop_flat_map(|(_, records)| {
        let mut twice = records.clone();
        twice.iter_mut().for_each(|record| record.received_at = None);
        twice.extend(records.iter().cloned());
        let (one, other) = (Just(twice.clone()).prop_shuffle(), Just(twice).prop_shuffle());
        (Just(records), one, other)
    })
}

/// Room for so many records of a log in a case: the real limit, which no script reaches, or so little that most do.
fn room() -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(MAX_CASE_RECORDS), 1 => 1usize..6]
}

/// A replica that folds whatever it has, part by part, at a time that moves on.
fn replica(most: usize, deliveries: &[CaseRecord], part: usize) -> String {
    let mut held = Vec::new();
    let mut now = UnixMillis(0);
    for batch in deliveries.chunks(part) {
        held.extend_from_slice(batch);
        now = now.plus_millis(3 * HOUR);
        let _ = fold_within(most, &held, &region(), now);
    }
    let case = fold_within(most, &held, &region(), UnixMillis(90 * HOUR));
    json(&case.expect("the opening has come"))
}

/// A replica that takes one record after the other in the order of each log, and files none without room.
fn filed(most: usize, records: &[CaseRecord]) -> (Vec<CaseRecord>, BTreeSet<RecordId>) {
    let mut n_filed: BTreeMap<CommunityId, usize> = BTreeMap::new();
    let (mut filed, mut refused) = (Vec::new(), BTreeSet::new());
    for record in records {
        // A record that opens a case is filed under its own, and the script's own opening always has room.
        let is_stray = record.payload.opens_case() && record.id != CASE;
        let n_earlier = n_filed.entry(record.community).or_default();
        if is_stray || *n_earlier < most {
            *n_earlier += usize::from(!is_stray);
            filed.push(record.clone());
        } else {
            refused.insert(record.id);
        }
    }
    (filed, refused)
}

fn json(case: &Case) -> String {
    serde_json::to_string_pretty(case).expect("a case is JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn two_replicas_agree_whatever_the_order_and_however_late_the_receipts(
        (records, one, other) in deliveries(),
        (part, other_part) in (1usize..9, 1usize..9),
        most in room(),
    ) {
        let expected = fold_within(most, &records, &region(), UnixMillis(90 * HOUR)).unwrap();
        prop_assert_eq!(&replica(most, &one, part), &json(&expected));
        prop_assert_eq!(&replica(most, &other, other_part), &json(&expected));
    }

    #[test]
    fn whoever_files_nothing_without_room_has_the_same_case(
        (_, records) in script(),
        most in room(),
        now in 0u64..90 * HOUR,
    ) {
        let (filed, refused) = filed(most, &records);
        let whole = fold_within(most, &records, &region(), UnixMillis(now)).unwrap();
        let short = fold_within(most, &filed, &region(), UnixMillis(now)).unwrap();
        let (judged, without_room) = whole.judgements.split_at(short.judgements.len());
        prop_assert_eq!(judged, short.judgements.as_slice());
        prop_assert_eq!(without_room.iter().map(|it| it.record).collect::<BTreeSet<_>>(), refused);
        for judgement in without_room {
            prop_assert_eq!(verdict_on(&whole, judgement.record), "case.too_many");
        }
        let whole = Case { judgements: short.judgements.clone(), ..whole };
        prop_assert_eq!(json(&whole), json(&short));
    }

    #[test]
    fn nothing_changes_by_the_clock_before_the_next_deadline(
        (_, records) in script(),
        now in 0u64..30 * DAY,
    ) {
        let case = fold(&records, &region(), UnixMillis(now)).unwrap();
        let until = case.next_deadline.map_or(u64::MAX, |(at, _)| at.0);
        prop_assert!(now < until);
        let later = fold(&records, &region(), UnixMillis(until - 1)).unwrap();
        prop_assert_eq!(json(&later), json(&case));
    }

    #[test]
    fn every_record_is_judged_once_and_every_step_has_an_id_of_its_own(
        (_, records) in script(),
        now in 0u64..30 * DAY,
    ) {
        let case = fold(&records, &region(), UnixMillis(now)).unwrap();
        let judged: BTreeSet<_> = case.judgements.iter().map(|it| it.record).collect();
        let ids: BTreeSet<_> = records.iter().map(|it| it.id).collect();
        prop_assert_eq!(judged, ids);
        prop_assert_eq!(case.judgements.len(), records.len());
        let items: BTreeSet<_> = case.transitions.iter().map(|it| it.item).collect();
        prop_assert_eq!(items.len(), case.transitions.len());
        prop_assert!(case.transitions.iter().all(|it| it.deadline.is_none_or(|at| at.0 <= now)));
    }

    #[test]
    fn a_strangers_records_change_nothing((_, records) in script(), now in 0u64..90 * HOUR) {
        let stranger = crate::samples::community(6);
        let members: Vec<_> =
            records.iter().filter(|it| it.community != stranger).cloned().collect();
        let with = fold(&records, &region(), UnixMillis(now)).unwrap();
        let without = fold(&members, &region(), UnixMillis(now)).unwrap();
        prop_assert_eq!((with.state, with.body), (without.state, without.body));
        prop_assert_eq!(with.transitions, without.transitions);
    }
}

/// Scripts that decide nothing would make the laws above empty.
#[test]
fn the_scripts_reach_the_states_that_matter() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    let mut n_floods = 0;
    for _ in 0..600 {
        let (_, records) = script().new_tree(&mut runner).expect("a script").current();
        let case = fold(&records, &region(), UnixMillis(90 * HOUR)).expect("the opening");
        assert_eq!(case.id, CASE);
        reached.insert(case.state);
        n_floods += usize::from(!filed(3, &records).1.is_empty());
    }
    assert!(100 < n_floods, "of 600 scripts {n_floods} exceed a little room");
    for state in ["in force", "lapsed", "awarded", "locked", "expired", "closing overdue"] {
        assert!(reached.contains(state), "{state} is not among {reached:?}");
    }
    for state in ["tallied", "declared"] {
        assert!(reached.contains(state), "{state} is not among {reached:?}");
    }
}
