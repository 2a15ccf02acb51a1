use record::{
    RecordId, UnixMillis,
    payload::poll::{Counts, Declaration, Method, Outcome, PollOpening, Threshold, ThresholdBase},
};

use super::declaration;
use crate::{
    case::{Case, CaseBody, CaseRecord},
    samples::{
        CASE, DAY, HOUR, case_at, community, follow, opening,
        poll::{
            CLOSES_AT, OPENS_AT, ROOTS_BEFORE, TALLIES_BEFORE, constituency, counts, declare, open,
            root, terms, votes, withheld,
        },
        record_id, steps, verdict, verdict_on,
    },
};

const ROOTED: u64 = CLOSES_AT + 10;
const COUNTED: u64 = CLOSES_AT + 20;
const ANY_DECLARES_FROM: u64 = TALLIES_BEFORE + 48 * HOUR;

fn polled(rest: Vec<CaseRecord>) -> Vec<CaseRecord> {
    let mut records = vec![opening(1, open(terms()))];
    records.extend(rest);
    records
}

/// Roots of communities 1, 2 and 3 as records 1, 2 and 3.
fn rooted() -> Vec<CaseRecord> {
    polled((1..=3).map(|n| follow(n, n, ROOTED, root(n, 50))).collect())
}

/// Tallies of 30 for and 20 against, as records 11, 12 and 13.
fn tallied() -> Vec<CaseRecord> {
    let mut records = rooted();
    records.extend((1..=3).map(|n| follow(10 + n, n, COUNTED, counts(votes(&[30, 20])))));
    records
}

fn with(mut records: Vec<CaseRecord>, more: CaseRecord) -> Vec<CaseRecord> {
    records.push(more);
    records
}

fn declared(at: u64, author: u8, change: impl FnOnce(&mut Declaration)) -> Case {
    let records = tallied();
    let mut result = declaration(&case_at(&records, COUNTED)).expect("tallied");
    change(&mut result);
    case_at(&with(records, follow(50, author, at, declare(result))), at)
}

fn view(case: &Case) -> &super::PollView {
    let CaseBody::Poll(view) = &case.body else { panic!("not of the kind: {:?}", case.body) };
    view
}

fn opened(poll: PollOpening) -> &'static str {
    verdict_on(&case_at(&[opening(1, open(poll))], HOUR), CASE)
}

#[test]
fn the_clock_announces_opens_and_closes() {
    let state = |now| case_at(&polled(vec![]), now).state;
    assert_eq!((state(OPENS_AT - 1), state(OPENS_AT)), ("announced", "open"));
    assert_eq!((state(CLOSES_AT - 1), state(CLOSES_AT)), ("open", "closed"));
    assert_eq!((state(ROOTS_BEFORE - 1), state(ROOTS_BEFORE)), ("closed", "rooted"));
    assert_eq!((state(TALLIES_BEFORE - 1), state(TALLIES_BEFORE)), ("rooted", "tallied"));
    let next = |now| case_at(&polled(vec![]), now).next_deadline.map(|(at, _)| at.0);
    assert_eq!((next(HOUR), next(OPENS_AT)), (Some(OPENS_AT), Some(CLOSES_AT)));
    assert_eq!((next(CLOSES_AT), next(ROOTS_BEFORE)), (Some(ROOTS_BEFORE), Some(TALLIES_BEFORE)));
}

#[test]
fn is_rooted_tallied_declared_and_confirmed_with_every_cause_named() {
    assert_eq!(case_at(&rooted(), ROOTED).state, "rooted");
    let case = case_at(&tallied(), COUNTED);
    assert_eq!((case.state, case.provisional), ("tallied", false));
    assert_eq!(view(&case).outcome, Some(Outcome::Carried));
    assert_eq!((view(&case).ballots, view(&case).turnout_permille), (150, 500));
    let case = declared(COUNTED + 1, 1, |_| {});
    assert_eq!((case.state, verdict(&case, 50)), ("declared", "counts"));
    assert_eq!(view(&case).level, "self-declared");
    let all = case.transitions.iter().find(|it| it.what == "poll.tallied").unwrap();
    assert_eq!(all.causes, [record_id(11), record_id(12), record_id(13)]);
    let ends = COUNTED + 1 + 14 * DAY;
    assert_eq!(case.next_deadline, Some((UnixMillis(ends), "challenge window ends")));
    let records = with(tallied(), follow(50, 1, COUNTED + 1, declare(declaration(&case).unwrap())));
    assert_eq!(case_at(&records, ends - 1).state, "declared");
    let confirmed = case_at(&records, ends);
    assert_eq!((confirmed.state, confirmed.provisional), ("confirmed", true));
    assert_eq!(steps(&confirmed).last(), Some(&"poll.confirmed"));
}

#[test]
fn a_root_counts_from_the_close_until_just_before_its_deadline() {
    let at = |at| verdict(&case_at(&polled(vec![follow(1, 1, at, root(1, 50))]), at), 1);
    assert_eq!((at(CLOSES_AT - 1), at(CLOSES_AT)), ("tally.root_early", "counts"));
    assert_eq!((at(ROOTS_BEFORE - 1), at(ROOTS_BEFORE)), ("counts", "tally.root_late"));
}

#[test]
fn a_community_has_one_root() {
    let mut records = rooted();
    records.push(follow(4, 1, ROOTED + 1, root(1, 50)));
    records.push(follow(5, 1, ROOTED + 1, root(9, 50)));
    records.push(follow(6, 1, ROOTED + 1, root(1, 51)));
    let case = case_at(&records, ROOTED + 1);
    let verdicts = [4, 5, 6].map(|n| verdict(&case, n));
    assert_eq!(verdicts, ["repeat", "tally.root_changed", "tally.root_changed"]);
}

#[test]
fn refuses_communities_outside_the_electorate_and_impossible_roots() {
    let records = polled(vec![
        follow(1, 4, ROOTED, root(1, 50)),
        follow(2, 9, ROOTED, root(1, 50)),
        follow(3, 1, ROOTED, root(1, 101)),
        follow(4, 2, ROOTED, root(1, 100)),
    ]);
    let case = case_at(&records, ROOTED);
    assert_eq!(verdict(&case, 1), "poll.not_in_electorate");
    assert_eq!(verdict(&case, 2), "record.not_a_member");
    assert_eq!(verdict(&case, 3), "tally.more_ballots_than_roll");
    assert_eq!(verdict(&case, 4), "counts");
}

#[test]
fn counts_wait_for_every_root() {
    let early = with(rooted(), follow(11, 1, ROOTED - 1, counts(votes(&[30, 20]))));
    assert_eq!(verdict(&case_at(&early, ROOTED), 11), "tally.counts_before_roots");
    let just = with(rooted(), follow(11, 1, ROOTED, counts(votes(&[30, 20]))));
    assert_eq!(verdict(&case_at(&just, ROOTED), 11), "counts");
}

#[test]
fn counts_wait_for_the_end_of_the_hour_where_a_root_is_missing() {
    let counted_at = |at| {
        let mut records = rooted();
        records.pop();
        records.push(follow(11, 1, at, counts(votes(&[30, 20]))));
        case_at(&records, at)
    };
    let early = counted_at(ROOTS_BEFORE - 1);
    assert_eq!(verdict(&early, 11), "tally.counts_before_roots");
    assert!(view(&early).sums.is_none());
    let case = counted_at(ROOTS_BEFORE);
    assert_eq!((verdict(&case, 11), case.state), ("counts", "rooted"));
    assert_eq!(view(&case).missing_roots, [community(3)]);
    assert_eq!(view(&case).missing_tallies, [community(2), community(3)]);
}

#[test]
fn a_tally_is_too_late_at_the_deadline_and_needs_a_root() {
    let at = |at| {
        let case = case_at(&with(rooted(), follow(11, 1, at, counts(votes(&[30, 20])))), at);
        verdict(&case, 11)
    };
    assert_eq!((at(TALLIES_BEFORE - 1), at(TALLIES_BEFORE)), ("counts", "tally.late"));
    let rootless = polled(vec![follow(11, 1, ROOTS_BEFORE, counts(votes(&[30, 20])))]);
    assert_eq!(verdict(&case_at(&rootless, ROOTS_BEFORE), 11), "tally.no_root");
}

#[test]
fn counts_must_fit_the_root_and_the_cells() {
    let refusal = |content: Counts| {
        verdict(&case_at(&with(rooted(), follow(11, 1, COUNTED, counts(content))), COUNTED), 11)
    };
    assert_eq!(refusal(votes(&[30, 21])), "tally.root_differs");
    let off = Counts { n_blank: 1, ..votes(&[30, 20]) };
    assert_eq!(refusal(off), "tally.cells_do_not_add_up");
    assert_eq!(refusal(votes(&[46, 4])), "tally.too_small_to_publish");
    assert_eq!(refusal(votes(&[45, 5])), "counts");
}

#[test]
fn a_communitys_first_tally_stands() {
    let mut records = tallied();
    records.push(follow(21, 1, COUNTED + 1, counts(votes(&[30, 20]))));
    records.push(follow(22, 1, COUNTED + 1, counts(votes(&[20, 30]))));
    records.push(follow(23, 1, COUNTED + 1, withheld()));
    let case = case_at(&records, COUNTED + 1);
    let verdicts = [21, 22, 23].map(|n| verdict(&case, n));
    assert_eq!(verdicts, ["repeat", "tally.already_counted", "tally.already_counted"]);
    assert_eq!(view(&case).tallies[0].counts, Some(votes(&[30, 20])));
}

#[test]
fn a_withheld_tally_is_listed_and_the_sums_say_how_many_ballots_they_are_without() {
    let mut records = rooted();
    records.push(follow(11, 1, COUNTED, withheld()));
    records.push(follow(12, 2, COUNTED, counts(votes(&[30, 20]))));
    records.push(follow(13, 3, COUNTED, counts(votes(&[30, 20]))));
    let case = case_at(&records, COUNTED);
    let shown = view(&case);
    assert_eq!((case.state, shown.without_ballots, shown.ballots), ("tallied", 50, 150));
    assert_eq!(shown.sums.as_ref().unwrap().counts, votes(&[60, 40]));
    assert_eq!(declaration(&case).unwrap().tallies.len(), 3);
    assert!(steps(&case).contains(&"tally.withheld"));
}

#[test]
fn a_result_that_leaves_out_adds_or_changes_anything_is_refused() {
    let at = COUNTED + 1;
    let refused = |change: fn(&mut Declaration)| verdict(&declared(at, 1, change), 50);
    assert_eq!(refused(|it| it.tallies.truncate(2)), "result.omits_tally");
    assert_eq!(refused(|it| it.tallies.push(record_id(60))), "result.includes_tally");
    assert_eq!(refused(|it| it.tallies.reverse()), "result.tallies_unordered");
    let sums: [fn(&mut Declaration); 6] = [
        |it| it.counts.n_ballots += 1,
        |it| it.counts.n_blank += 1,
        |it| it.counts.n_spoiled += 1,
        |it| it.counts.by_option[0] += 1,
        |it| it.communities.carried -= 1,
        |it| it.outcome = Outcome::NoDecision,
    ];
    for change in sums {
        assert_eq!(refused(change), "result.sum_differs");
    }
    assert_eq!(refused(|_| {}), "counts");
}

#[test]
fn the_opener_declares_when_tallied_and_any_member_48_hours_after_the_deadline() {
    let declare_at = |author, at| verdict(&declared(at, author, |_| {}), 50);
    assert_eq!(declare_at(1, COUNTED - 1), "result.too_early");
    assert_eq!(declare_at(1, COUNTED), "counts");
    assert_eq!(declare_at(4, ANY_DECLARES_FROM - 1), "result.not_the_opener");
    assert_eq!(declare_at(4, ANY_DECLARES_FROM), "counts");
}

#[test]
fn a_result_waits_for_the_deadline_where_a_tally_is_missing() {
    let declared_at = |at| {
        let mut records = tallied();
        records.pop();
        let result = declaration(&case_at(&records, TALLIES_BEFORE)).unwrap();
        assert_eq!(result.tallies, [record_id(11), record_id(12)]);
        case_at(&with(records, follow(50, 1, at, declare(result))), at)
    };
    assert_eq!(verdict(&declared_at(TALLIES_BEFORE - 1), 50), "result.too_early");
    let case = declared_at(TALLIES_BEFORE);
    assert_eq!((case.state, case.provisional), ("declared", true));
}

#[test]
fn a_second_result_is_a_repeat_or_refused() {
    let case = declared(COUNTED, 1, |_| {});
    let result = declaration(&case).unwrap();
    let other = Declaration { outcome: Outcome::NotCarried, ..result.clone() };
    let mut records = with(tallied(), follow(50, 1, COUNTED, declare(result.clone())));
    records.push(follow(51, 1, COUNTED, declare(result)));
    records.push(follow(52, 1, COUNTED, declare(other)));
    let case = case_at(&records, COUNTED);
    assert_eq!((verdict(&case, 51), verdict(&case, 52)), ("repeat", "result.already_declared"));
}

#[test]
fn the_first_received_result_counts_whatever_its_authors_clock_says() {
    let result = declaration(&case_at(&tallied(), COUNTED)).unwrap();
    let mut early_clock = follow(50, 4, ANY_DECLARES_FROM + 1, declare(result.clone()));
    early_clock.time = UnixMillis(0);
    let mut records = with(tallied(), early_clock);
    records.push(follow(51, 1, ANY_DECLARES_FROM, declare(result)));
    let case = case_at(&records, ANY_DECLARES_FROM + 1);
    assert_eq!((verdict(&case, 51), verdict(&case, 50)), ("counts", "repeat"));
}

#[test]
fn a_result_without_a_receipt_is_provisional_and_never_confirmed() {
    let result = declaration(&case_at(&tallied(), COUNTED)).unwrap();
    let mut unreceived = follow(50, 1, COUNTED, declare(result));
    unreceived.received_at = None;
    let case = case_at(&with(tallied(), unreceived), COUNTED + 100 * DAY);
    assert_eq!((case.state, case.provisional), ("declared", true));
}

#[test]
fn yes_or_no_has_two_options_and_other_questions_up_to_200() {
    let options = |method, n_options| opened(PollOpening { method, n_options, ..terms() });
    assert_eq!(options(Method::YesNo, 2), "counts");
    assert_eq!(options(Method::YesNo, 3), "poll.n_options");
    assert_eq!(options(Method::Plurality, 1), "poll.n_options");
    assert_eq!(options(Method::Approval, 200), "counts");
    assert_eq!(options(Method::Approval, 201), "poll.n_options");
}

#[test]
fn an_electorate_is_of_members_in_order_with_people_on_their_rolls() {
    let of = |electorate| opened(PollOpening { electorate, ..terms() });
    assert_eq!(of(vec![]), "poll.electorate_unordered");
    assert_eq!(of(vec![constituency(2, 9), constituency(1, 9)]), "poll.electorate_unordered");
    assert_eq!(of(vec![constituency(1, 9), constituency(1, 9)]), "poll.electorate_unordered");
    assert_eq!(of(vec![constituency(9, 9)]), "poll.electorate_not_members");
    assert_eq!(of(vec![constituency(1, 0)]), "poll.roll_empty");
    assert_eq!(of(vec![constituency(1, 1)]), "counts");
    let huge = vec![constituency(1, u64::MAX), constituency(2, 1)];
    assert_eq!(of(huge), "poll.rolls_overflow");
}

#[test]
fn times_follow_each_other() {
    let at = |times: [u64; 4]| {
        let [opens_at, closes_at, roots_before, tallies_before] = times.map(UnixMillis);
        opened(PollOpening { opens_at, closes_at, roots_before, tallies_before, ..terms() })
    };
    assert_eq!(at([10, 11, 12, 12]), "counts");
    assert_eq!(at([11, 11, 12, 12]), "poll.times_unordered");
    assert_eq!(at([10, 12, 12, 12]), "poll.times_unordered");
    assert_eq!(at([10, 11, 13, 12]), "poll.times_unordered");
    assert_eq!((at([0, 1, 2, 3]), at([0, 2, 3, 3])), ("poll.no_time_to_vote", "counts"));
}

#[test]
fn thresholds_quorums_and_smallest_cells_have_limits() {
    let base = ThresholdBase::Ballots;
    let share = |numerator, denominator| {
        opened(PollOpening { threshold: Threshold { numerator, denominator, base }, ..terms() })
    };
    assert_eq!((share(0, 2), share(1, 2)), ("poll.threshold", "counts"));
    assert_eq!((share(2, 2), share(1, 0)), ("poll.threshold", "poll.threshold"));
    let quorum = |quorum_permille| opened(PollOpening { quorum_permille, ..terms() });
    assert_eq!((quorum(1000), quorum(1001)), ("counts", "poll.quorum"));
    let cell = |smallest_cell| opened(PollOpening { smallest_cell, ..terms() });
    assert_eq!((cell(0), cell(1)), ("poll.smallest_cell", "counts"));
}

#[test]
fn a_stranger_opens_no_poll_and_another_regions_poll_is_no_case_here() {
    let case = case_at(&[opening(9, open(terms()))], HOUR);
    assert_eq!((case.state, verdict_on(&case, CASE)), ("refused", "record.not_a_member"));
    let mut elsewhere = terms();
    elsewhere.region = record::RegionId::from_bytes([9; 32]);
    let records = [opening(1, open(elsewhere))];
    assert_eq!(crate::fold(&records, &crate::samples::region(), UnixMillis(HOUR)), None);
}

#[test]
fn a_record_that_names_another_case_or_opens_one_is_refused_here() {
    let mut astray = follow(1, 1, ROOTED, root(1, 50));
    astray.references = vec![RecordId::from_bytes([9; 32])];
    let second = follow(2, 1, ROOTED, open(terms()));
    let case = case_at(&polled(vec![astray, second]), ROOTED);
    assert_eq!((verdict(&case, 1), verdict(&case, 2)), ("record.other_case", "record.other_case"));
}
