//! Each limit and each form of a payload, just inside and just outside.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a panic is the failure report"
)]

mod logs;

use proto::payload::{Fault, PayloadError, decode, encode};
use record::{
    CommunityId, Money, Payload, RecordId, RegionId, UnixMillis,
    limits::{
        MAX_BALLOTS, MAX_LANGUAGES, MAX_LIST_ENTRIES, MAX_PARTIES, MAX_PAYLOAD_BYTES,
        MAX_POLL_OPTIONS, TABLE,
    },
    payload::{
        CovenantAction, Notice, OpportunityAction, PledgeAction, PollAction, PoolAction,
        ResultAction, TallyAction, Text,
        covenant::{CovenantType, Minute, Party, PartyRole, Proposal, Signature},
        opportunity::{Publication, Release, Source, Stage},
        poll::{
            CommunitySum, Constituency, Counts, DecidingSum, Declaration, Method, Mode, Outcome,
            PollOpening, RollCommitment, Threshold, ThresholdBase,
        },
        pool::{LockRule, PoolOpening},
        words::{Language, TextHash, Wording},
    },
    place::{GssCode, Place},
    time::CivilDate,
};

/// The path and the reason of a refusal; `None` if the payload is accepted.
fn refusal(payload: &Payload) -> Option<(String, &'static str)> {
    match decode(payload.kind(), &encode(payload)) {
        Ok(decoded) => {
            assert_eq!(decoded, *payload);
            None
        }
        Err(error) => {
            let reason = error.reason();
            let PayloadError::Field { field, .. } = error else {
                return Some((String::new(), reason));
            };
            Some((field, reason))
        }
    }
}

fn refused(field: &str, reason: &'static str) -> Option<(String, &'static str)> {
    Some((field.to_owned(), reason))
}

fn id(n: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(n as u64).to_be_bytes());
    bytes
}

fn communities(n: usize) -> Vec<CommunityId> {
    (0..n).map(|n| CommunityId::from_bytes(id(n))).collect()
}

fn record_ids(n: usize) -> Vec<RecordId> {
    (0..n).map(|n| RecordId::from_bytes(id(n))).collect()
}

fn languages(n: usize) -> Vec<Language> {
    (b'a'..).take(n).map(|c| Language::parse(&format!("e{}", c as char)).unwrap()).collect()
}

fn proposal(n_parties: usize, n_languages: usize) -> Proposal {
    let role = PartyRole::Community;
    let parties = communities(n_parties).into_iter().map(|community| Party { community, role });
    let hash = |language| TextHash { language, sha256: [1; 32] };
    Proposal {
        region: RegionId::from_bytes([1; 32]),
        covenant_type: CovenantType::CommunityCovenant,
        parties: parties.collect(),
        area: vec![],
        powers: vec![],
        commitments: vec![],
        sign_before: UnixMillis(1),
        review_months: 12,
        term_months: None,
        texts: languages(n_languages).into_iter().map(hash).collect(),
    }
}

fn propose(proposal: Proposal) -> Payload {
    Payload::Covenant(CovenantAction::Propose(proposal))
}

fn sign_with_reference(reference: &str) -> Payload {
    let meeting = CivilDate::new(2027, 3, 3).unwrap();
    Payload::Covenant(CovenantAction::Sign(Signature {
        proposal: RecordId::from_bytes([1; 32]),
        texts: vec![],
        minute: Some(Minute { reference: reference.to_owned(), meeting }),
        poll_result: None,
    }))
}

fn opening() -> PollOpening {
    PollOpening {
        region: RegionId::from_bytes([1; 32]),
        method: Method::YesNo,
        n_options: 2,
        mode: Mode::Secret,
        electorate: vec![],
        opens_at: UnixMillis(1),
        closes_at: UnixMillis(2),
        roots_before: UnixMillis(3),
        tallies_before: UnixMillis(4),
        threshold: Threshold { numerator: 1, denominator: 2, base: ThresholdBase::Ballots },
        quorum_permille: 0,
        deciding_sum: DecidingSum::Ballots,
        smallest_cell: 5,
        challenge_days: 14,
    }
}

fn open(opening: PollOpening) -> Payload {
    Payload::Poll(PollAction::Open(opening))
}

fn counts(n_ballots: u64, n_options: usize) -> Counts {
    Counts { n_ballots, n_blank: 0, n_spoiled: 0, by_option: vec![1; n_options] }
}

fn pool_in(unit: &str) -> Payload {
    Payload::Pool(PoolAction::Open(PoolOpening {
        region: RegionId::from_bytes([1; 32]),
        unit: unit.to_owned(),
        threshold: 100,
        opportunity: None,
        cpv: None,
        unit_price: Some(Money::pence(5)),
        closes_at: UnixMillis(1),
        grace_millis: 0,
        lock_rule: LockRule::AtClose,
    }))
}

fn release() -> Release {
    Release {
        ocid: "ocds-b5fd17-1".to_owned(),
        release_id: String::new(),
        released_at: UnixMillis(1),
        stage: Stage::Open,
        buyer: None,
        cpv: vec![],
        value: None,
        tender_ends: None,
        places: vec![],
        n_lots: 0,
        suits_vcse: None,
        source: None,
    }
}

fn update(release: Release) -> Payload {
    Payload::Opportunity(OpportunityAction::Update(release))
}

fn wording(title: &str, text: &str, labels: &[&str]) -> Payload {
    Payload::Text(Text {
        wordings: vec![Wording {
            language: Language::english(),
            title: title.to_owned(),
            text: text.to_owned(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
        }],
    })
}

#[test]
fn a_payload_of_256_kib_is_read_and_one_byte_more_is_not() {
    let notice = |n| Payload::Notice(Notice { release_json: vec![b' '; n] });
    let n_around = encode(&notice(MAX_PAYLOAD_BYTES)).len() - MAX_PAYLOAD_BYTES;
    let most = MAX_PAYLOAD_BYTES - n_around;
    assert_eq!(encode(&notice(most)).len(), MAX_PAYLOAD_BYTES);
    assert_eq!(refusal(&notice(most)), None);
    assert_eq!(refusal(&notice(most + 1)), refused("", "record.payload_too_large"));
}

#[test]
fn a_covenant_has_at_most_64_parties() {
    let with = |n| refusal(&propose(proposal(n, 1)));
    assert_eq!(with(MAX_PARTIES), None);
    assert_eq!(with(MAX_PARTIES + 1), refused("propose.parties", "covenant.too_many_parties"));
}

#[test]
fn parties_and_languages_ascend_and_come_once() {
    let mut swapped = proposal(3, 2);
    swapped.parties.swap(1, 2);
    assert_eq!(refusal(&propose(swapped)), refused("propose.parties[2]", "payload.not_ascending"));
    let mut twice = proposal(3, 2);
    twice.parties[1] = twice.parties[0];
    assert_eq!(refusal(&propose(twice)), refused("propose.parties[1]", "payload.not_ascending"));
    let mut swapped = proposal(3, 2);
    swapped.texts.swap(0, 1);
    assert_eq!(refusal(&propose(swapped)), refused("propose.texts[1]", "payload.not_ascending"));
}

#[test]
fn a_text_has_1_to_8_languages() {
    let with = |n| {
        let wording = |language| Wording {
            language,
            title: "Baths".to_owned(),
            text: String::new(),
            labels: vec![],
        };
        let wordings = languages(n).into_iter().map(wording).collect();
        refusal(&Payload::Text(Text { wordings }))
    };
    assert_eq!(with(0), refused("wordings", "payload.missing"));
    assert_eq!(with(1), None);
    assert_eq!(with(MAX_LANGUAGES), None);
    assert_eq!(with(MAX_LANGUAGES + 1), refused("wordings", "record.too_many_languages"));
    assert_eq!(refusal(&propose(proposal(2, MAX_LANGUAGES))), None);
    let above = refusal(&propose(proposal(2, MAX_LANGUAGES + 1)));
    assert_eq!(above, refused("propose.texts", "record.too_many_languages"));
}

#[test]
fn words_are_canonical_and_titles_and_labels_have_one_line() {
    assert_eq!(refusal(&wording("Caf\u{e9}", "One\n\n\ttwo\n", &["Yes", ""])), None);
    let of_text = |text| refusal(&wording("Baths", text, &[]));
    for wrong in ["Cafe\u{301}", "space \n", "one\r\ntwo", "nul\0", "escape\u{1b}[2J"] {
        assert_eq!(of_text(wrong), refused("wordings[0].text", "payload.not_canonical_text"));
    }
    let two_lines = refusal(&wording("Baths\n", "", &[]));
    assert_eq!(two_lines, refused("wordings[0].title", "payload.wrong_form"));
    let two_lines = refusal(&wording("Baths", "", &["Yes", "N\no"]));
    assert_eq!(two_lines, refused("wordings[0].labels[1]", "payload.wrong_form"));
}

#[test]
fn the_number_of_a_minute_has_1_to_64_plain_characters() {
    let with = |reference: &str| refusal(&sign_with_reference(reference));
    let field = "sign.minute.reference";
    assert_eq!(with("FC/24-61 (b)."), None);
    assert_eq!(with(&"1".repeat(64)), None);
    assert_eq!(with(&"1".repeat(65)), refused(field, "payload.too_long"));
    for wrong in ["", "Cllr Évans", "61\n", "61;"] {
        assert_eq!(with(wrong), refused(field, "payload.wrong_form"), "{wrong}");
    }
}

#[test]
fn a_poll_has_at_most_200_options() {
    let with = |n_options| refusal(&open(PollOpening { n_options, ..opening() }));
    assert_eq!(with(200), None);
    assert_eq!(with(201), refused("open.n_options", "poll.too_many_options"));
}

#[test]
fn constituencies_ascend_and_come_once() {
    let roll = RollCommitment { n_on_roll: 1, roll_root: [1; 32] };
    let of = |ids: &[usize]| {
        let one = |&n| Constituency { community: CommunityId::from_bytes(id(n)), roll };
        refusal(&open(PollOpening { electorate: ids.iter().map(one).collect(), ..opening() }))
    };
    assert_eq!(of(&[1, 2, 3]), None);
    assert_eq!(of(&[1, 3, 2]), refused("open.constituencies[2]", "payload.not_ascending"));
    assert_eq!(of(&[1, 1]), refused("open.constituencies[1]", "payload.not_ascending"));
}

#[test]
fn a_community_counts_at_most_a_million_ballots_and_a_result_any_number() {
    let root = |n_ballots| TallyAction::Root { ballot_root: [1; 32], n_ballots };
    let of = |action| refusal(&Payload::Tally(action));
    let above = |field| refused(field, "poll.too_many_ballots");
    assert_eq!(of(root(MAX_BALLOTS)), None);
    assert_eq!(of(root(MAX_BALLOTS + 1)), above("root.n_ballots"));
    assert_eq!(of(TallyAction::Counts(counts(MAX_BALLOTS, 2))), None);
    assert_eq!(of(TallyAction::Counts(counts(MAX_BALLOTS + 1, 2))), above("counts.n_ballots"));
    assert_eq!(refusal(&declare(MAX_BALLOTS + 1, 2, 0)), None);
}

fn declare(n_ballots: u64, n_options: usize, n_tallies: usize) -> Payload {
    Payload::Result(ResultAction::Declare(Declaration {
        tallies: record_ids(n_tallies),
        counts: counts(n_ballots, n_options),
        communities: CommunitySum::default(),
        outcome: Outcome::Won { option: 1 },
    }))
}

#[test]
fn counts_have_at_most_200_options() {
    assert_eq!(refusal(&declare(1, MAX_POLL_OPTIONS, 0)), None);
    let above = refusal(&declare(1, MAX_POLL_OPTIONS + 1, 0));
    assert_eq!(above, refused("declare.counts.by_option", "poll.too_many_options"));
}

#[test]
fn a_list_has_at_most_3400_entries() {
    let close = |n| refusal(&Payload::Pool(PoolAction::Close { pledges: record_ids(n) }));
    let above = |field| refused(field, "record.list_too_long");
    assert_eq!(close(MAX_LIST_ENTRIES), None);
    assert_eq!(close(MAX_LIST_ENTRIES + 1), above("close.pledges"));
    assert_eq!(refusal(&declare(1, 2, MAX_LIST_ENTRIES)), None);
    assert_eq!(refusal(&declare(1, 2, MAX_LIST_ENTRIES + 1)), above("declare.tallies"));
    let place = Place { code: GssCode::parse("E07000223").unwrap(), vintage: 2025 };
    let area = |n| refusal(&propose(Proposal { area: vec![place; n], ..proposal(2, 1) }));
    assert_eq!(area(MAX_LIST_ENTRIES), None);
    assert_eq!(area(MAX_LIST_ENTRIES + 1), above("propose.area"));
}

#[test]
fn pledges_of_a_closing_ascend_and_come_once() {
    let close = |ids: &[usize]| {
        let pledges = ids.iter().map(|&n| RecordId::from_bytes(id(n))).collect();
        refusal(&Payload::Pool(PoolAction::Close { pledges }))
    };
    assert_eq!(close(&[]), None);
    assert_eq!(close(&[1, 2]), None);
    assert_eq!(close(&[2, 1]), refused("close.pledges[1]", "payload.not_ascending"));
    assert_eq!(close(&[2, 2]), refused("close.pledges[1]", "payload.not_ascending"));
}

#[test]
fn a_unit_has_1_to_32_letters_digits_and_inner_spaces() {
    let with = |unit: &str| refusal(&pool_in(unit));
    for right in ["each", "kWh", "hours of work", &"m".repeat(32)] {
        assert_eq!(with(right), None, "{right}");
    }
    assert_eq!(with(&"m".repeat(33)), refused("open.unit", "payload.too_long"));
    for wrong in ["", " each", "each ", "m²", "a  b", "a\tb"] {
        assert_eq!(with(wrong), refused("open.unit", "payload.wrong_form"), "{wrong}");
    }
}

#[test]
fn an_ocid_is_one_line_of_at_most_256_bytes() {
    let with = |ocid: &str| refusal(&update(Release { ocid: ocid.to_owned(), ..release() }));
    assert_eq!(with(&"o".repeat(256)), None);
    assert_eq!(with(&"o".repeat(257)), refused("update.ocid", "payload.too_long"));
    assert_eq!(with("ocds\n1"), refused("update.ocid", "payload.wrong_form"));
}

#[test]
fn what_was_imported_has_an_ocid_and_a_process_of_our_own_may_have_none() {
    let imported = Some(Source { url: String::new(), sha256: [1; 32] });
    let with = |ocid: &str, source| Release { ocid: ocid.to_owned(), source, ..release() };
    let published = |release| {
        let publication = Publication { region: RegionId::from_bytes([1; 32]), release };
        Payload::Opportunity(OpportunityAction::Publish(publication))
    };
    assert_eq!(refusal(&published(with("", None))), None);
    assert_eq!(refusal(&update(with("", None))), None);
    assert_eq!(refusal(&published(with("o", imported.clone()))), None);
    let missing = |field| refused(field, "payload.missing");
    assert_eq!(refusal(&published(with("", imported.clone()))), missing("publish.release.ocid"));
    assert_eq!(refusal(&update(with("", imported))), missing("update.ocid"));
}

#[test]
fn a_release_may_have_no_id_and_a_source_no_address() {
    let source = |n| Some(Source { url: "u".repeat(n), sha256: [1; 32] });
    let with = |n| refusal(&update(Release { source: source(n), ..release() }));
    assert_eq!(with(0), None);
    assert_eq!(with(2_048), None);
    assert_eq!(with(2_049), refused("update.source.url", "payload.too_long"));
    let release_id = "r".repeat(257);
    let above = refusal(&update(Release { release_id, ..release() }));
    assert_eq!(above, refused("update.release_id", "payload.too_long"));
}

#[test]
fn a_cpv_code_has_at_most_eight_digits() {
    let with = |code| refusal(&update(Release { cpv: vec![1, code], ..release() }));
    assert_eq!(with(99_999_999), None);
    assert_eq!(with(100_000_000), refused("update.cpv[1]", "payload.out_of_range"));
}

#[test]
fn a_place_has_a_vintage() {
    let code = GssCode::parse("E07000223").unwrap();
    let with =
        |vintage| refusal(&update(Release { places: vec![Place { code, vintage }], ..release() }));
    assert_eq!(with(2025), None);
    assert_eq!(with(0), refused("update.places[0].vintage", "payload.out_of_range"));
}

#[test]
fn what_the_rules_of_a_case_refuse_is_decoded_so_that_they_can_say_why() {
    let threshold = Threshold { numerator: 0, denominator: 0, base: ThresholdBase::Ballots };
    let numbers = PollOpening { threshold, n_options: 0, quorum_permille: 1_001, ..opening() };
    assert_eq!(refusal(&open(numbers)), None);
    assert_eq!(refusal(&propose(proposal(1, 0))), None);
    let nothing = PledgeAction::Make { quantity: 0, firm: true };
    assert_eq!(refusal(&Payload::Pledge(nothing)), None);
}

#[test]
fn every_limit_named_in_a_refusal_is_in_the_table_of_limits() {
    let mut many = proposal(2, MAX_LANGUAGES + 1);
    many.parties = proposal(MAX_PARTIES + 1, 1).parties;
    for payload in [
        propose(many),
        propose(proposal(2, MAX_LANGUAGES + 1)),
        declare(1, MAX_POLL_OPTIONS + 1, 0),
        declare(1, 2, MAX_LIST_ENTRIES + 1),
        Payload::Tally(TallyAction::Counts(counts(MAX_BALLOTS + 1, 2))),
    ] {
        let error = decode(payload.kind(), &encode(&payload)).unwrap_err();
        let PayloadError::Field { fault: Fault::AboveLimit { reason, most, .. }, .. } = error
        else {
            panic!("{error}");
        };
        assert!(
            TABLE.iter().any(|limit| limit.reason == reason && limit.value == most),
            "{reason}"
        );
    }
}
