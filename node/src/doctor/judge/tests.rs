use super::*;
use crate::doctor::Verdict;

const NOW: u64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;

fn link(community: &str, clock_skew_millis: Option<i64>) -> LinkFacts {
    LinkFacts {
        community: community.to_owned(),
        is_coordinator: true,
        is_connected: true,
        clock_skew_millis,
        standing: None,
        silent_since: None,
    }
}

fn running(links: Vec<LinkFacts>) -> Facts {
    let version = "1".to_owned();
    let running = RunningFacts { version, is_settled: true, clock_ahead_millis: 0, links };
    Facts { log: LogFacts { n_records: 9, ..LogFacts::default() }, running: Some(running) }
}

fn named(facts: &Facts, name: &str) -> Check {
    let found = judge(facts, "1", NOW).into_iter().find(|it| it.name == name);
    found.unwrap_or_else(|| panic!("{name} was not looked at"))
}

#[test]
fn a_node_at_which_all_is_well_is_told_so_in_every_check() {
    let mut facts = running(vec![link("fm1a", Some(0)), link("fm1b", Some(-1_000))]);
    facts.log.cosigners =
        vec![Cosigner { community: "fm1a".to_owned(), size: 9, waiting_since: None }];
    for check in judge(&facts, "1", NOW) {
        assert_eq!(check.verdict, Verdict::Ok, "{check:?}");
    }
}

#[test]
fn of_a_stopped_node_it_is_said_what_cannot_be_known() {
    let facts = Facts { running: None, ..running(Vec::new()) };
    for name in ["node", "clock", "coordinators"] {
        assert_eq!(named(&facts, name).verdict, Verdict::Warn);
    }
    for name in ["forked", "settled", "cosignatures"] {
        assert_eq!(named(&facts, name).verdict, Verdict::Ok);
    }
    let all = judge(&facts, "1", NOW);
    assert!(unreadable().iter().all(|it| all.iter().any(|known| known.name == it.name)));
}

#[test]
fn a_node_of_another_version_is_to_be_restarted() {
    let facts = running(Vec::new());
    let check = judge(&facts, "2", NOW).remove(0);
    assert_eq!((check.name, check.verdict), ("node", Verdict::Warn));
}

#[test]
fn evidence_and_contradictions_are_bad_and_what_is_ahead_is_so_once_the_node_signs() {
    let of = |contradicts, is_settled: Option<bool>| {
        let mut facts = running(Vec::new());
        facts.log.foreign_heads =
            vec![ForeignHead { by: "fm1a".to_owned(), size: 12, contradicts }];
        facts.running = is_settled
            .map(|is_settled| RunningFacts { is_settled, ..facts.running.clone().unwrap() });
        let check = named(&facts, "forked");
        assert!(check.sentence.contains("fm1a") && check.sentence.contains("12"), "{check:?}");
        check.verdict
    };
    for is_settled in [None, Some(false), Some(true)] {
        assert_eq!(of(true, is_settled), Verdict::Bad);
    }
    let ahead = [None, Some(false), Some(true)].map(|it| of(false, it));
    assert_eq!(ahead, [Verdict::Warn, Verdict::Warn, Verdict::Bad]);
    let mut facts = running(Vec::new());
    facts.log.frozen_size = Some(4);
    let check = named(&facts, "forked");
    assert_eq!(check.verdict, Verdict::Bad);
    assert!(check.sentence.contains("first 4 records"), "{check:?}");
}

#[test]
fn records_that_wait_are_told_whether_the_node_runs_or_not() {
    let mut facts = running(Vec::new());
    facts.log.n_unsigned = 3;
    assert_eq!(named(&facts, "settled").verdict, Verdict::Warn);
    facts.running = None;
    let stopped = named(&facts, "settled");
    assert_eq!(stopped.verdict, Verdict::Warn);
    assert!(stopped.sentence.starts_with("3 records"), "{stopped:?}");
    facts.log.n_unsigned = 0;
    assert_eq!(named(&facts, "settled").verdict, Verdict::Ok);
    let mut unsettled = running(Vec::new());
    unsettled.running.as_mut().unwrap().is_settled = false;
    assert_eq!(named(&unsettled, "settled").verdict, Verdict::Warn);
}

#[test]
fn a_clock_is_wrong_if_most_of_at_least_two_others_tell_another_time() {
    let of = |skews: &[i64]| {
        let links = skews.iter().map(|it| link("fm1a", Some(*it))).collect();
        named(&running(links), "clock").verdict
    };
    assert_eq!(of(&[]), Verdict::Warn);
    assert_eq!(of(&[5 * MINUTE, -5 * MINUTE]), Verdict::Ok);
    assert_eq!(of(&[5 * MINUTE + 1]), Verdict::Warn, "one against one: nobody knows who is right");
    assert_eq!(of(&[0, -5 * MINUTE - 1]), Verdict::Warn);
    assert_eq!(of(&[0, 0, 6 * MINUTE, 6 * MINUTE]), Verdict::Warn, "half is not most");
    assert_eq!(of(&[0, 6 * MINUTE, 6 * MINUTE]), Verdict::Bad);
    let untold = running(vec![link("fm1a", None)]);
    assert_eq!(named(&untold, "clock").verdict, Verdict::Warn);
}

#[test]
fn a_node_whose_clock_was_set_back_by_more_than_five_minutes_is_to_be_restarted() {
    let of = |clock_ahead_millis| {
        let mut facts = running(vec![link("fm1a", Some(0))]);
        facts.running.as_mut().unwrap().clock_ahead_millis = clock_ahead_millis;
        named(&facts, "clock")
    };
    assert_eq!(of(MOST_SKEW_MILLIS).verdict, Verdict::Ok);
    let told = of(MOST_SKEW_MILLIS + 1);
    assert_eq!(told.verdict, Verdict::Warn);
    assert!(told.sentence.contains("Restart the node"), "{told:?}");
}

#[test]
fn a_coordinator_that_withholds_is_bad_and_one_that_waits_or_is_away_is_told() {
    let of = |change: fn(&mut LinkFacts)| {
        let mut odd = link("fm1b", None);
        change(&mut odd);
        named(&running(vec![link("fm1a", None), odd]), "coordinators").verdict
    };
    assert_eq!(of(|_| {}), Verdict::Ok);
    assert_eq!(of(|it| it.standing = Some(("withheld".to_owned(), String::new()))), Verdict::Bad);
    assert_eq!(of(|it| it.standing = Some(("gone".to_owned(), String::new()))), Verdict::Bad);
    assert_eq!(of(|it| it.standing = Some(("throttled".to_owned(), String::new()))), Verdict::Warn);
    assert_eq!(of(|it| it.silent_since = Some(NOW)), Verdict::Warn);
    assert_eq!(of(|it| it.is_connected = false), Verdict::Warn);
    let neighbour = |it: &mut LinkFacts| (it.is_coordinator, it.is_connected) = (false, false);
    assert_eq!(of(neighbour), Verdict::Ok, "neighbours come and go");
}

#[test]
fn a_late_cosignature_is_told_and_none_from_anybody_for_a_day_is_bad() {
    let of = |lags: &[Option<u64>]| {
        let cosigner = |lag: &Option<u64>| Cosigner {
            community: "fm1a".to_owned(),
            size: 7,
            waiting_since: lag.map(|it| NOW - it),
        };
        let mut facts = running(Vec::new());
        facts.log.cosigners = lags.iter().map(cosigner).collect();
        named(&facts, "cosignatures").verdict
    };
    assert_eq!(of(&[]), Verdict::Ok);
    assert_eq!(of(&[None, Some(LATE_COSIGNATURE_MILLIS)]), Verdict::Ok);
    assert_eq!(of(&[None, Some(LATE_COSIGNATURE_MILLIS + 1)]), Verdict::Warn);
    let day = NO_COSIGNATURE_MILLIS;
    assert_eq!(of(&[Some(day + 1), None]), Verdict::Warn, "another cosigns");
    assert_eq!(of(&[Some(day + 1), Some(day)]), Verdict::Warn);
    assert_eq!(of(&[Some(day + 1), Some(day + 1)]), Verdict::Bad);
}
