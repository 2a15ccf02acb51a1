use record::{
    UnixMillis,
    payload::opportunity::{Release, Stage},
};

use crate::{
    case::{Case, CaseBody, CaseRecord},
    samples::{
        CASE, HOUR, case_at, follow, opening,
        opportunity::{TENDER_ENDS, publish, release, update},
        steps, verdict, verdict_on,
    },
};

fn published(rest: &[CaseRecord]) -> Vec<CaseRecord> {
    let mut records = vec![opening(1, publish(release(Stage::Open, HOUR)))];
    records.extend_from_slice(rest);
    records
}

fn view(case: &Case) -> &super::OpportunityView {
    let CaseBody::Opportunity(view) = &case.body else {
        panic!("not of the kind: {:?}", case.body)
    };
    view
}

fn local(ocid: &str) -> Case {
    let ocid = ocid.to_owned();
    let release = Release { ocid, source: None, ..release(Stage::Planned, HOUR) };
    case_at(&[opening(1, publish(release))], HOUR)
}

#[test]
fn an_open_process_is_closed_by_the_clock_when_bids_end() {
    let before = case_at(&published(&[]), TENDER_ENDS - 1);
    assert_eq!(before.state, "open");
    assert_eq!(before.next_deadline, Some((UnixMillis(TENDER_ENDS), "tender ends")));
    let after = case_at(&published(&[]), TENDER_ENDS);
    assert_eq!((after.state, after.next_deadline), ("closed", None));
    assert_eq!(steps(&after), ["opportunity.published", "opportunity.closed"]);
}

#[test]
fn a_release_that_comes_late_does_not_move_the_stage_back() {
    let records = published(&[
        follow(1, 1, 12 * HOUR, update(release(Stage::Awarded, 12 * HOUR))),
        follow(2, 1, 13 * HOUR, update(release(Stage::Planned, HOUR / 2))),
    ]);
    let case = case_at(&records, 14 * HOUR);
    assert_eq!(case.state, "awarded");
    assert_eq!((verdict(&case, 1), verdict(&case, 2)), ("counts", "counts"));
    assert_eq!(view(&case).n_releases, 3);
    assert!(steps(&case).contains(&"opportunity.closed"));
}

#[test]
fn of_two_releases_of_one_date_the_later_record_holds() {
    let mut cancelled = release(Stage::Cancelled, HOUR);
    cancelled.release_id = "again".to_owned();
    assert_eq!(
        case_at(&published(&[follow(1, 1, HOUR, update(cancelled))]), HOUR).state,
        "cancelled"
    );
}

#[test]
fn later_bids_move_the_end_and_the_clock_does_not_close_it_twice() {
    let extended =
        Release { tender_ends: Some(UnixMillis(20 * HOUR)), ..release(Stage::Open, 5 * HOUR) };
    let case = case_at(&published(&[follow(1, 1, 5 * HOUR, update(extended))]), 15 * HOUR);
    assert_eq!(case.state, "open");
    assert_eq!(case.next_deadline, Some((UnixMillis(20 * HOUR), "tender ends")));
    assert!(!steps(&case).contains(&"opportunity.closed"));
}

#[test]
fn only_the_publisher_updates_and_only_the_same_process() {
    let mut other = release(Stage::Awarded, 2 * HOUR);
    other.ocid = "ocds-zzz999-2".to_owned();
    let records = published(&[
        follow(1, 2, 2 * HOUR, update(release(Stage::Awarded, 2 * HOUR))),
        follow(2, 1, 2 * HOUR, update(other)),
        follow(3, 1, 2 * HOUR, update(release(Stage::Open, HOUR))),
        follow(4, 1, 2 * HOUR, crate::samples::pool::firm(1)),
    ]);
    let case = case_at(&records, 3 * HOUR);
    assert_eq!(case.state, "open");
    assert_eq!(verdict(&case, 1), "opportunity.not_the_opener");
    assert_eq!(verdict(&case, 2), "opportunity.other_ocid");
    assert_eq!(verdict(&case, 3), "repeat");
    assert_eq!(verdict(&case, 4), "record.other_kind");
}

#[test]
fn an_imported_process_keeps_its_ocid_and_must_have_one() {
    assert_eq!(view(&case_at(&published(&[]), HOUR)).ocid, "ocds-zzz999-1");
    let nameless = Release { ocid: String::new(), ..release(Stage::Open, HOUR) };
    let case = case_at(&[opening(1, publish(nameless))], HOUR);
    assert_eq!(verdict_on(&case, CASE), "opportunity.ocid_missing");
}

#[test]
fn a_local_process_claims_an_ocid_under_our_prefix_or_none() {
    assert_eq!(view(&local("ocds-abc123-bins")).ocid, "ocds-abc123-bins");
    assert_eq!(view(&local("")).ocid, format!("ocds-abc123-{CASE}"));
    for outside in ["ocds-zzz999-1", "ocds-abc1234-1", "ocds-abc123", "ocds-abc123-"] {
        assert_eq!(verdict_on(&local(outside), CASE), "opportunity.ocid_not_ours", "{outside}");
    }
}

#[test]
fn an_update_may_repeat_the_ocid_that_was_left_empty() {
    let of = |ocid: &str, at| {
        let ocid = ocid.to_owned();
        Release { ocid, source: None, ..release(Stage::Awarded, at) }
    };
    let derived = format!("ocds-abc123-{CASE}");
    let records = [
        opening(1, publish(of("", HOUR))),
        follow(1, 1, 2 * HOUR, update(of("", 2 * HOUR))),
        follow(2, 1, 3 * HOUR, update(of(&derived, 3 * HOUR))),
        follow(3, 1, 4 * HOUR, update(of("ocds-abc123-bins", 4 * HOUR))),
    ];
    let case = case_at(&records, 5 * HOUR);
    assert_eq!([1, 2].map(|n| verdict(&case, n)), ["counts", "counts"]);
    assert_eq!(verdict(&case, 3), "opportunity.other_ocid");
    assert_eq!(view(&case).ocid, derived);
}

#[test]
fn a_local_update_cannot_take_over_an_imported_ocid() {
    let mut taken = release(Stage::Cancelled, 2 * HOUR);
    taken.source = None;
    let case = case_at(&published(&[follow(1, 1, 2 * HOUR, update(taken))]), 2 * HOUR);
    assert_eq!(verdict(&case, 1), "opportunity.ocid_not_ours");
}
