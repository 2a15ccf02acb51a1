use record::{
    Payload, UnixMillis,
    money::Money,
    payload::{
        CovenantAction,
        covenant::{Commitment, Proposal, Signature},
    },
};

use crate::{
    case::{Case, CaseBody, CaseRecord},
    samples::{
        CASE, HOUR, case_at,
        covenant::{SIGN_BEFORE, decline, proposal, propose, sign, signature, text},
        follow, opening, record_id, steps, verdict, verdict_on,
    },
};

fn proposed(proposal: Proposal, rest: &[CaseRecord]) -> Vec<CaseRecord> {
    let mut records = vec![opening(1, propose(proposal))];
    records.extend_from_slice(rest);
    records
}

fn of_two(rest: &[CaseRecord]) -> Vec<CaseRecord> {
    proposed(proposal(&[1, 2]), rest)
}

fn opening_verdict(proposal: Proposal) -> &'static str {
    let case = case_at(&proposed(proposal, &[]), HOUR);
    assert_eq!(case.state == "refused", verdict_on(&case, CASE) != "counts");
    verdict_on(&case, CASE)
}

fn view(case: &Case) -> &super::CovenantView {
    let CaseBody::Covenant(view) = &case.body else { panic!("not of the kind: {:?}", case.body) };
    view
}

#[test]
fn is_in_force_only_when_every_party_has_signed_in_its_own_log() {
    let mut records = of_two(&[]);
    assert_eq!(case_at(&records, HOUR).state, "proposed");
    records.push(follow(1, 1, HOUR, sign()));
    assert_eq!(case_at(&records, HOUR).state, "ratifying");
    records.push(follow(2, 2, 2 * HOUR, sign()));
    let case = case_at(&records, 2 * HOUR);
    assert_eq!(case.state, "in force");
    assert!(!case.provisional);
    assert_eq!(case.next_deadline, None);
    let expected = ["covenant.proposed", "covenant.signed", "covenant.signed", "covenant.in_force"];
    assert_eq!(steps(&case), expected);
    let last = case.transitions.last().unwrap();
    assert_eq!(last.causes, [record_id(1), record_id(2)]);
    assert_eq!(last.at, UnixMillis(2 * HOUR));
}

#[test]
fn counts_a_signature_just_before_the_deadline_and_refuses_one_at_it() {
    let signed_at = |at| {
        let signatures = [follow(1, 1, HOUR, sign()), follow(2, 2, at, sign())];
        case_at(&of_two(&signatures), SIGN_BEFORE)
    };
    assert_eq!(signed_at(SIGN_BEFORE - 1).state, "in force");
    let late = signed_at(SIGN_BEFORE);
    assert_eq!(late.state, "lapsed");
    assert_eq!(verdict(&late, 2), "covenant.signing_closed");
}

#[test]
fn lapses_at_the_deadline_and_stays_provisional_for_48_hours() {
    let records = of_two(&[follow(1, 1, HOUR, sign())]);
    let before = case_at(&records, SIGN_BEFORE - 1);
    assert_eq!((before.state, before.provisional), ("ratifying", false));
    assert_eq!(before.next_deadline, Some((UnixMillis(SIGN_BEFORE), "signing closes")));
    let settled = SIGN_BEFORE + 48 * HOUR;
    let after = case_at(&records, SIGN_BEFORE);
    assert_eq!((after.state, after.provisional), ("lapsed", true));
    assert_eq!(after.next_deadline, Some((UnixMillis(settled), "provisional until")));
    assert_eq!(steps(&after).last(), Some(&"covenant.lapsed"));
    assert!(case_at(&records, settled - 1).provisional);
    assert!(!case_at(&records, settled).provisional);
}

#[test]
fn a_signature_without_a_receipt_counts_provisionally_even_after_the_deadline() {
    let mut unreceived = follow(2, 2, HOUR, sign());
    unreceived.received_at = None;
    let case = case_at(&of_two(&[follow(1, 1, HOUR, sign()), unreceived]), SIGN_BEFORE + 1);
    assert_eq!((case.state, case.provisional), ("in force", true));
}

#[test]
fn refuses_a_stranger_another_proposal_and_other_texts_and_ignores_a_repeat() {
    let signing = |signature| Payload::Covenant(CovenantAction::Sign(signature));
    let other_proposal = Signature { proposal: record_id(77), ..signature() };
    let one_text = Signature { texts: vec![text("en", 2)], ..signature() };
    let other_text = Signature { texts: vec![text("cy", 1), text("en", 9)], ..signature() };
    let case = case_at(
        &of_two(&[
            follow(1, 3, HOUR, sign()),
            follow(2, 9, HOUR, sign()),
            follow(3, 1, HOUR, signing(other_proposal)),
            follow(4, 1, HOUR, signing(one_text)),
            follow(5, 1, HOUR, signing(other_text)),
            follow(6, 1, HOUR, sign()),
            follow(7, 1, HOUR, sign()),
        ]),
        HOUR,
    );
    assert_eq!(verdict(&case, 1), "covenant.not_a_party");
    assert_eq!(verdict(&case, 2), "record.not_a_member");
    assert_eq!(verdict(&case, 3), "covenant.other_proposal");
    assert_eq!(verdict(&case, 4), "covenant.other_text");
    assert_eq!(verdict(&case, 5), "covenant.other_text");
    assert_eq!(verdict(&case, 6), "counts");
    assert_eq!(verdict(&case, 7), "repeat");
    assert_eq!(view(&case).n_signed, 1);
}

#[test]
fn a_party_that_declines_ends_it() {
    let case = case_at(&of_two(&[follow(1, 1, HOUR, sign()), follow(2, 2, HOUR, decline())]), HOUR);
    assert_eq!((case.state, case.next_deadline), ("lapsed", None));
    assert!(view(&case).parties[1].declined);
    let lapsed = case.transitions.last().unwrap();
    assert_eq!((lapsed.what, &lapsed.causes), ("covenant.lapsed", &vec![record_id(2)]));
}

#[test]
fn a_partys_first_answer_stands() {
    let case = case_at(
        &of_two(&[
            follow(1, 1, HOUR, sign()),
            follow(2, 1, HOUR, decline()),
            follow(3, 2, HOUR, decline()),
            follow(4, 2, HOUR, sign()),
            follow(5, 2, HOUR, decline()),
        ]),
        HOUR,
    );
    let verdicts = [1, 2, 3, 4, 5].map(|n| verdict(&case, n));
    let already = ["covenant.already_signed", "covenant.already_declined"];
    assert_eq!(verdicts, ["counts", already[0], "counts", already[1], "repeat"]);
}

#[test]
fn a_covenant_has_two_to_64_parties() {
    assert_eq!(opening_verdict(proposal(&[1])), "covenant.too_few_parties");
    assert_eq!(opening_verdict(proposal(&[1, 2])), "counts");
    let region = crate::samples::region_of(65);
    let of = |n: u8| {
        let records = proposed(proposal(&(1..=n).collect::<Vec<_>>()), &[]);
        crate::fold(&records, &region, UnixMillis(HOUR)).unwrap()
    };
    assert_eq!(verdict_on(&of(64), CASE), "counts");
    assert_eq!(verdict_on(&of(65), CASE), "covenant.too_many_parties");
}

#[test]
fn refuses_parties_out_of_order_doubled_or_from_elsewhere() {
    assert_eq!(opening_verdict(proposal(&[2, 1])), "covenant.parties_unordered");
    assert_eq!(opening_verdict(proposal(&[1, 1])), "covenant.parties_unordered");
    assert_eq!(opening_verdict(proposal(&[1, 9])), "covenant.party_not_a_member");
}

#[test]
fn refuses_no_texts_doubled_languages_and_a_deadline_that_has_passed() {
    let texts = |texts| Proposal { texts, ..proposal(&[1, 2]) };
    assert_eq!(opening_verdict(texts(vec![])), "covenant.texts_unordered");
    let doubled = vec![text("en", 1), text("en", 2)];
    assert_eq!(opening_verdict(texts(doubled)), "covenant.texts_unordered");
    let before = |at| Proposal { sign_before: UnixMillis(at), ..proposal(&[1, 2]) };
    assert_eq!(opening_verdict(before(1)), "covenant.no_time_to_sign");
    assert_eq!(opening_verdict(before(2)), "counts");
}

#[test]
fn nothing_counts_after_a_refused_opening() {
    let case = case_at(&proposed(proposal(&[1]), &[follow(1, 1, HOUR, sign())]), HOUR);
    assert_eq!(verdict(&case, 1), "record.case_refused");
    assert!(case.transitions.is_empty());
}

#[test]
fn flags_commitments_that_name_no_resources() {
    let commitment = |party, money, staff_hours| Commitment {
        party: crate::samples::community(party),
        money,
        staff_hours,
        due: None,
    };
    let commitments = vec![
        commitment(1, Some(Money::pence(1)), 0),
        commitment(2, None, 1),
        commitment(2, None, 0),
    ];
    let case = case_at(&proposed(Proposal { commitments, ..proposal(&[1, 2]) }, &[]), HOUR);
    let flags = view(&case).commitments.iter().map(|it| it.names_resources);
    assert_eq!(flags.collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(view(&case).unresourced, 1);
    let strangers = vec![commitment(3, None, 1)];
    let refused = Proposal { commitments: strangers, ..proposal(&[1, 2]) };
    assert_eq!(opening_verdict(refused), "covenant.commitment_of_a_stranger");
}

#[test]
fn a_refusal_tells_a_person_what_happened_and_what_to_do() {
    let refusal = super::Refusal::SigningClosed { closed_at: UnixMillis(1_804_093_200_000) };
    assert_eq!(
        refusal.to_string(),
        "Signing closed on 3 March 2027 at 17:00 UTC. The answer was not added. Ask the proposer to propose the covenant again with a later date."
    );
}
