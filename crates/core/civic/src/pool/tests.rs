use record::{
    RecordId, UnixMillis,
    payload::pool::{LockRule, PoolOpening},
};

use super::{MAX_PLEDGE, closing_list};
use crate::{
    case::{Case, CaseBody, CaseRecord},
    samples::{
        CASE, HOUR, case_at, follow, opening,
        pool::{CLOSES_AT, OVERDUE_AT, close, firm, open, soft, terms, withdraw},
        record_id, steps, verdict, verdict_on,
    },
};

fn pool_of(lock_rule: LockRule, rest: &[CaseRecord]) -> Vec<CaseRecord> {
    let mut records = vec![opening(1, open(terms(lock_rule)))];
    records.extend_from_slice(rest);
    records
}

fn at_close(rest: &[CaseRecord]) -> Vec<CaseRecord> {
    pool_of(LockRule::AtClose, rest)
}

fn ids<const N: usize>(ids: [u8; N]) -> Vec<RecordId> {
    ids.map(record_id).to_vec()
}

fn view(case: &Case) -> &super::PoolView {
    let CaseBody::Pool(view) = &case.body else { panic!("not of the kind: {:?}", case.body) };
    view
}

/// Community 2 pledges 6 as record 2, community 3 pledges `quantity` as record 3.
fn pledged(quantity: u64) -> Vec<CaseRecord> {
    at_close(&[follow(2, 2, HOUR, firm(6)), follow(3, 3, 2 * HOUR, firm(quantity))])
}

fn closed_by(author: u8, at: u64, list: Vec<RecordId>) -> Case {
    let mut records = pledged(4);
    records.push(follow(9, author, at, close(list)));
    case_at(&records, at)
}

#[test]
fn forms_meets_its_threshold_and_is_locked_by_the_leads_list() {
    let short = case_at(&pledged(3), 2 * HOUR);
    assert_eq!((short.state, view(&short).quantity), ("forming", 9));
    let met = case_at(&pledged(4), 2 * HOUR);
    assert_eq!((met.state, view(&met).quantity), ("threshold met", 10));
    assert_eq!(closing_list(&met), ids([2, 3]));
    let locked = closed_by(1, CLOSES_AT, closing_list(&met));
    assert_eq!(locked.state, "locked");
    assert_eq!(view(&locked).closing, Some(record_id(9)));
    let threshold_met =
        locked.transitions.iter().find(|it| it.what == "pool.threshold_met").unwrap();
    assert_eq!(threshold_met.causes, ids([3]));
    assert_eq!(steps(&locked).last(), Some(&"pool.locked"));
}

#[test]
fn expires_when_the_list_falls_one_short_of_the_threshold() {
    let mut records = pledged(3);
    records.push(follow(9, 1, CLOSES_AT, close(ids([2, 3]))));
    let case = case_at(&records, CLOSES_AT);
    assert_eq!((case.state, verdict(&case, 9)), ("expired", "counts"));
    assert_eq!(steps(&case).last(), Some(&"pool.expired"));
}

#[test]
fn a_closing_that_leaves_one_out_or_adds_one_is_refused() {
    let refusal = |list| verdict(&closed_by(1, CLOSES_AT, list), 9);
    assert_eq!(refusal(ids([2])), "pool.closing_omits");
    assert_eq!(refusal(ids([2, 3, 4])), "pool.closing_includes");
    assert_eq!(refusal(ids([3, 2])), "pool.closing_unordered");
    assert_eq!(refusal(ids([2, 2, 3])), "pool.closing_unordered");
    let case = closed_by(1, CLOSES_AT, ids([2]));
    assert_eq!(case.state, "threshold met");
    let refused = case.judgements.iter().find(|it| it.record == record_id(9)).unwrap();
    let omitted = super::Refusal::ClosingOmits { omitted: ids([3]) };
    assert_eq!(refused.verdict, crate::Verdict::Refused(omitted.into()));
}

#[test]
fn the_lead_closes_from_the_close_and_any_member_after_the_grace() {
    let refusal = |author, at| verdict(&closed_by(author, at, ids([2, 3])), 9);
    assert_eq!(refusal(1, CLOSES_AT - 1), "pool.too_early");
    assert_eq!(refusal(1, CLOSES_AT), "counts");
    assert_eq!(refusal(4, OVERDUE_AT - 1), "pool.not_the_lead");
    assert_eq!(refusal(4, OVERDUE_AT), "counts");
    assert_eq!(refusal(9, OVERDUE_AT), "record.not_a_member");
}

#[test]
fn a_pool_that_nobody_closes_is_overdue_after_the_grace() {
    let records = pledged(4);
    assert_eq!(case_at(&records, OVERDUE_AT - 1).state, "threshold met");
    let overdue = case_at(&records, OVERDUE_AT);
    assert_eq!(overdue.state, "closing overdue");
    assert_eq!(steps(&overdue)[4..], ["pool.pledging_closed", "pool.closing_overdue"]);
    let next = |now| case_at(&records, now).next_deadline.map(|(at, why)| (at.0, why));
    assert_eq!(next(HOUR), Some((CLOSES_AT, "pool closes")));
    assert_eq!(next(CLOSES_AT), Some((OVERDUE_AT, "closing overdue")));
    assert_eq!(next(OVERDUE_AT), Some((CLOSES_AT + 48 * HOUR, "provisional until")));
    assert_eq!(next(CLOSES_AT + 48 * HOUR), None);
}

#[test]
fn pledges_count_until_just_before_the_close() {
    let at = |at| case_at(&at_close(&[follow(2, 2, at, firm(10))]), CLOSES_AT);
    assert_eq!(verdict(&at(CLOSES_AT - 1), 2), "counts");
    assert_eq!(verdict(&at(CLOSES_AT), 2), "pool.closed");
    assert_eq!(at(CLOSES_AT).state, "forming");
}

#[test]
fn only_firm_pledges_count_and_the_newest_replaces() {
    let records = at_close(&[
        follow(2, 2, HOUR, firm(6)),
        follow(3, 2, HOUR, firm(7)),
        follow(4, 3, HOUR, soft(20)),
    ]);
    let case = case_at(&records, HOUR);
    let PoolOpening { threshold, .. } = terms(LockRule::AtClose);
    let shown = view(&case);
    assert_eq!((shown.quantity, shown.soft_quantity, shown.communities), (7, 20, 1));
    assert!(shown.quantity < threshold && case.state == "forming");
    assert_eq!(closing_list(&case), ids([3]));
}

#[test]
fn a_withdrawal_takes_back_the_communitys_own_newest_pledge_once() {
    let case = case_at(
        &at_close(&[
            follow(2, 2, HOUR, firm(6)),
            follow(3, 2, HOUR, firm(7)),
            follow(4, 3, HOUR, withdraw(record_id(3))),
            follow(5, 2, HOUR, withdraw(record_id(2))),
            follow(6, 2, HOUR, withdraw(record_id(3))),
            follow(7, 2, HOUR, withdraw(record_id(3))),
        ]),
        HOUR,
    );
    let verdicts = [4, 5, 6, 7].map(|n| verdict(&case, n));
    assert_eq!(verdicts, ["pledge.not_yours", "pledge.replaced", "counts", "repeat"]);
    assert_eq!(view(&case).quantity, 0);
}

#[test]
fn a_withdrawal_is_too_late_at_the_close() {
    let at = |at| {
        let records =
            at_close(&[follow(2, 2, HOUR, firm(6)), follow(3, 2, at, withdraw(record_id(2)))]);
        case_at(&records, CLOSES_AT)
    };
    assert_eq!(view(&at(CLOSES_AT - 1)).quantity, 0);
    assert_eq!(verdict(&at(CLOSES_AT), 3), "pool.closed");
    assert_eq!(view(&at(CLOSES_AT)).quantity, 6);
}

#[test]
fn refuses_a_pledge_of_nothing_and_one_that_cannot_be_added_up() {
    let case = case_at(
        &at_close(&[
            follow(2, 2, HOUR, firm(0)),
            follow(3, 3, HOUR, firm(MAX_PLEDGE)),
            follow(4, 4, HOUR, firm(MAX_PLEDGE + 1)),
        ]),
        HOUR,
    );
    assert_eq!([2, 3, 4].map(|n| verdict(&case, n)), ["pledge.zero", "counts", "pledge.overflow"]);
}

#[test]
fn locks_early_on_the_threshold_if_the_opening_says_so() {
    let early = |quantity| {
        let mut records = pool_of(
            LockRule::OnThreshold,
            &[follow(2, 2, HOUR, firm(6)), follow(3, 3, HOUR, firm(quantity))],
        );
        records.push(follow(9, 1, 3 * HOUR, close(ids([2, 3]))));
        records
    };
    assert_eq!(verdict(&case_at(&early(3), 3 * HOUR), 9), "pool.threshold_not_met");
    let mut records = early(4);
    let case = case_at(&records, 3 * HOUR);
    assert_eq!((case.state, case.provisional), ("locked", true));
    assert!(!case_at(&records, 51 * HOUR).provisional);
    records.push(follow(10, 4, 4 * HOUR, firm(5)));
    records.push(follow(11, 2, 4 * HOUR, withdraw(record_id(2))));
    records.push(follow(12, 1, 4 * HOUR, close(ids([2]))));
    let after = case_at(&records, 4 * HOUR);
    assert_eq!([10, 11, 12].map(|n| verdict(&after, n)), ["pool.locked"; 3]);
    assert_eq!((after.state, view(&after).quantity), ("locked", 10));
}

#[test]
fn an_early_closing_must_list_what_was_received_before_it_and_may_list_what_it_saw() {
    let with_third = |received, list| {
        let mut records = pool_of(
            LockRule::OnThreshold,
            &[
                follow(2, 2, HOUR, firm(6)),
                follow(3, 3, HOUR, firm(4)),
                follow(4, 4, received, firm(5)),
            ],
        );
        records.push(follow(9, 1, 3 * HOUR, close(list)));
        verdict(&case_at(&records, 5 * HOUR), 9)
    };
    assert_eq!(with_third(3 * HOUR - 1, ids([2, 3])), "pool.closing_omits");
    assert_eq!(with_third(3 * HOUR, ids([2, 3])), "counts");
    assert_eq!(with_third(3 * HOUR, ids([2, 3, 4])), "counts");
    assert_eq!(with_third(4 * HOUR, ids([2, 3, 4])), "counts");
    assert_eq!(with_third(CLOSES_AT, ids([2, 3, 4])), "pool.closing_includes");
}

#[test]
fn a_pledge_without_a_receipt_may_be_listed_or_left_out_and_makes_the_lock_provisional() {
    let closing = |list| {
        let mut records = pledged(4);
        records[2].received_at = None;
        records.push(follow(9, 1, CLOSES_AT, close(list)));
        case_at(&records, CLOSES_AT + 48 * HOUR)
    };
    let with = closing(ids([2, 3]));
    assert_eq!((with.state, with.provisional), ("locked", true));
    let without = closing(ids([2]));
    assert_eq!((without.state, without.provisional), ("expired", false));
    assert_eq!(verdict(&without, 3), "pool.locked");
}

#[test]
fn the_same_closing_again_is_a_repeat() {
    let mut records = pledged(4);
    records.push(follow(9, 1, CLOSES_AT, close(ids([2, 3]))));
    records.push(follow(10, 4, OVERDUE_AT, close(ids([2, 3]))));
    let case = case_at(&records, OVERDUE_AT);
    assert_eq!(verdict(&case, 10), "repeat");
}

#[test]
fn the_first_received_closing_counts_whatever_its_authors_clock_says() {
    let mut records = pledged(4);
    let mut early_clock = follow(9, 4, OVERDUE_AT + 1, close(ids([2, 3])));
    early_clock.time = UnixMillis(0);
    records.push(early_clock);
    records.push(follow(10, 1, CLOSES_AT, close(ids([2, 3]))));
    let case = case_at(&records, OVERDUE_AT + 1);
    assert_eq!((verdict(&case, 10), verdict(&case, 9)), ("counts", "repeat"));
}

#[test]
fn an_opening_names_a_unit_a_threshold_and_a_time_to_pledge() {
    let opened = |terms| verdict_on(&case_at(&[opening(1, open(terms))], HOUR), CASE);
    let valid = || terms(LockRule::AtClose);
    let unit = |unit: &str| opened(PoolOpening { unit: unit.to_owned(), ..valid() });
    assert_eq!((unit("kWh"), unit(&"a".repeat(32))), ("counts", "counts"));
    for wrong in ["", " each", "m²", "<b>", &"a".repeat(33)] {
        assert_eq!(unit(wrong), "pool.unit", "{wrong}");
    }
    assert_eq!(opened(PoolOpening { threshold: 0, ..valid() }), "pool.threshold_zero");
    assert_eq!(opened(PoolOpening { threshold: 1, ..valid() }), "counts");
    let closing = |at| opened(PoolOpening { closes_at: UnixMillis(at), ..valid() });
    assert_eq!((closing(1), closing(2)), ("pool.no_time_to_pledge", "counts"));
}
