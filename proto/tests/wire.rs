//! What is on the wire but cannot be said in core types: unknown values, wrong lengths, missing parts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test file: a panic is the failure report")]

use prost::Message;
use proto::{
    kinds::{covenant, opportunity, poll, pool, result, roll, tally},
    payload::{Fault, PayloadError, decode},
    types,
};
use record::kind::Known;

fn refusal(kind: Known, message: &impl Message) -> (String, Fault) {
    match decode(kind, &message.encode_to_vec()) {
        Err(PayloadError::Field { field, fault }) => (field, fault),
        other => panic!("{other:?}"),
    }
}

fn at(field: &str, fault: Fault) -> (String, Fault) {
    (field.to_owned(), fault)
}

#[test]
fn an_id_of_31_or_33_bytes_is_refused_with_its_place() {
    for found in [0, 31, 33] {
        let decline = covenant::Refusal { proposal: vec![1; found] };
        let message =
            covenant::Covenant { action: Some(covenant::covenant::Action::Decline(decline)) };
        let expected = at("decline.proposal", Fault::Length { expected: 32, found });
        assert_eq!(refusal(Known::Covenant, &message), expected);
    }
}

#[test]
fn a_wrong_party_is_named_by_its_number() {
    let party = |role, n| covenant::Party { community: vec![n; 32], role };
    let proposal = covenant::Proposal {
        region: vec![1; 32],
        covenant_type: 1,
        parties: vec![party(1, 1), party(8, 2)],
        ..covenant::Proposal::default()
    };
    let message =
        covenant::Covenant { action: Some(covenant::covenant::Action::Propose(proposal)) };
    let expected = at("propose.parties[1].role", Fault::UnknownValue { number: 8 });
    assert_eq!(refusal(Known::Covenant, &message), expected);
}

#[test]
fn an_enum_value_left_out_is_missing_and_one_from_later_is_unknown() {
    let of = |lock_rule| {
        let opening = pool::Opening {
            region: vec![1; 32],
            unit: "each".to_owned(),
            lock_rule,
            ..pool::Opening::default()
        };
        refusal(Known::Pool, &pool::Pool { action: Some(pool::pool::Action::Open(opening)) })
    };
    assert_eq!(of(0), at("open.lock_rule", Fault::Missing));
    assert_eq!(of(3), at("open.lock_rule", Fault::UnknownValue { number: 3 }));
    assert_eq!(of(-1), at("open.lock_rule", Fault::UnknownValue { number: -1 }));
}

#[test]
fn parts_that_nothing_goes_without_are_missed() {
    assert_eq!(refusal(Known::Pool, &pool::Pool { action: None }), at("action", Fault::Missing));
    assert_eq!(refusal(Known::Roll, &roll::Roll { roll: None }), at("roll", Fault::Missing));
    let publication = opportunity::Publication { region: vec![1; 32], release: None };
    let action = Some(opportunity::opportunity::Action::Publish(publication));
    let expected = at("publish.release", Fault::Missing);
    assert_eq!(refusal(Known::Opportunity, &opportunity::Opportunity { action }), expected);
    let declaration = result::Declaration::default();
    let action = Some(result::result::Action::Declare(declaration));
    let expected = at("declare.counts", Fault::Missing);
    assert_eq!(refusal(Known::Result, &result::Result { action }), expected);
}

#[test]
fn a_poll_without_threshold_or_with_a_roll_without_root_is_refused() {
    let constituency = |roll_root| poll::Constituency {
        community: vec![1; 32],
        roll: Some(types::RollCommitment { n_on_roll: 1, roll_root }),
    };
    let of = |roll_root| {
        let opening = poll::Opening {
            region: vec![1; 32],
            method: 1,
            n_options: 2,
            mode: 1,
            constituencies: vec![constituency(roll_root)],
            deciding_sum: 1,
            ..poll::Opening::default()
        };
        refusal(Known::Poll, &poll::Poll { action: Some(poll::poll::Action::Open(opening)) })
    };
    assert_eq!(of(vec![1; 32]), at("open.threshold", Fault::Missing));
    let length = Fault::Length { expected: 32, found: 0 };
    assert_eq!(of(vec![]), at("open.constituencies[0].roll.roll_root", length));
}

#[test]
fn a_winner_has_an_option_and_nothing_else_has() {
    let of = |verdict: result::Verdict, option| {
        let declaration = result::Declaration {
            counts: Some(types::Counts::default()),
            communities: Some(result::CommunitySum::default()),
            verdict: verdict.into(),
            option,
            ..result::Declaration::default()
        };
        let action = Some(result::result::Action::Declare(declaration));
        decode(Known::Result, &result::Result { action }.encode_to_vec())
            .map_err(|error| error.reason())
    };
    use result::Verdict;
    assert!(of(Verdict::Won, Some(0)).is_ok());
    assert_eq!(of(Verdict::Won, None), Err("payload.missing"));
    assert_eq!(of(Verdict::Unspecified, None), Err("payload.missing"));
    for verdict in [Verdict::Carried, Verdict::NotCarried, Verdict::NoDecision] {
        assert!(of(verdict, None).is_ok());
        assert_eq!(of(verdict, Some(0)), Err("payload.contradiction"));
    }
}

#[test]
fn a_vintage_above_65535_a_currency_in_lower_case_and_a_short_company_number_are_refused() {
    let of = |release: opportunity::Release| {
        let release = opportunity::Release { ocid: "ocds-1".to_owned(), stage: 1, ..release };
        let action = Some(opportunity::opportunity::Action::Update(release));
        refusal(Known::Opportunity, &opportunity::Opportunity { action }).0
    };
    let code = "E07000223".to_owned();
    let places = vec![types::Place { code, vintage: 65_536 }];
    let places = opportunity::Release { places, ..opportunity::Release::default() };
    assert_eq!(of(places), "update.places[0].vintage");
    let value = Some(types::Money { minor: 1, currency: "gbp".to_owned() });
    let value = opportunity::Release { value, ..opportunity::Release::default() };
    assert_eq!(of(value), "update.value.currency");
    let buyer = types::Organisation { scheme: "GB-COH".to_owned(), id: "1234567".to_owned() };
    let buyer = opportunity::Release { buyer: Some(buyer), ..opportunity::Release::default() };
    assert_eq!(of(buyer), "update.buyer");
}

#[test]
fn a_date_that_does_not_exist_is_refused() {
    let minute = covenant::Minute { reference: "61".to_owned(), meeting: 20_270_229 };
    let signature = covenant::Signature {
        proposal: vec![1; 32],
        minute: Some(minute),
        ..covenant::Signature::default()
    };
    let action = Some(covenant::covenant::Action::Sign(signature));
    let (field, fault) = refusal(Known::Covenant, &covenant::Covenant { action });
    assert_eq!(field, "sign.minute.meeting");
    assert_eq!(fault.reason(), "payload.wrong_form");
}

#[test]
fn a_default_that_is_written_out_and_fields_out_of_order_are_not_canonical() {
    let n_ballots = 3;
    let root = tally::Root { box_root: vec![1; 32], n_ballots };
    let action = Some(tally::tally::Action::Root(root.clone()));
    let good = tally::Tally { action }.encode_to_vec();
    assert!(decode(Known::Tally, &good).is_ok());

    let inner = root.encode_to_vec();
    let (box_root, n_ballots) = inner.split_at(34);
    let whole = |inner: &[u8]| [&[10, u8::try_from(inner.len()).unwrap()], inner].concat();
    assert_eq!(whole(&inner), good);
    let swapped = whole(&[n_ballots, box_root].concat());
    let zero_written = whole(&[box_root, &[16, 0]].concat());
    let long_varint = whole(&[box_root, &[16, 0x83, 0]].concat());
    let unknown_inside = whole(&[&inner[..], &[24, 1]].concat());
    for bytes in [swapped, zero_written, long_varint, unknown_inside] {
        let refusal = decode(Known::Tally, &bytes);
        assert_eq!(refusal, Err(PayloadError::NotCanonicalOrUnknownFields));
    }
}

#[test]
fn a_refusal_is_a_sentence_with_its_place() {
    let decline = covenant::Refusal { proposal: vec![] };
    let action = Some(covenant::covenant::Action::Decline(decline));
    let error = decode(Known::Covenant, &covenant::Covenant { action }.encode_to_vec());
    let sentence = error.unwrap_err().to_string();
    assert_eq!(sentence, "decline.proposal: it has 0 bytes in place of 32");
}
