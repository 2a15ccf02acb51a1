//! Payloads of every kind, as a careful author would write them.

mod logs;

use proptest::{collection::btree_set, collection::vec, option, prelude::*, sample::select};
use record::{
    CommunityId, Money, Payload, RecordId, RegionId, UnixMillis,
    canonical_text::canonical,
    money::Currency,
    org::OrgId,
    payload::{
        Affiliation, Cosignatures, CovenantAction, Erase, Erased, Notice, OpportunityAction,
        PledgeAction, PollAction, PoolAction, Receipt, ResultAction, Roll, TallyAction, Text,
        covenant::{
            Commitment, CovenantType, Domain, Level, Minute, Party, PartyRole, Power, Proposal,
            Signature,
        },
        erasure::{Asker, Ground},
        opportunity::{Publication, Release, Source, Stage},
        poll::{
            CommunitySum, Constituency, Counts, DecidingSum, Declaration, Method, Mode, Outcome,
            PollOpening, RollCommitment, Threshold, ThresholdBase,
        },
        pool::{LockRule, PoolOpening},
        words::{Language, TextHash, Wording},
    },
    place::{GssCode, Place},
    region::{Epoch, EpochHash, RegionAction, Roster, SeatAddress},
    time::CivilDate,
};

use self::logs::{evidence, index, receipt, status};

/// Any payload that is decoded here.
pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        text().prop_map(Payload::Text),
        vec(any::<u8>(), 1..50).prop_map(|release_json| Payload::Notice(Notice { release_json })),
        covenant().prop_map(Payload::Covenant),
        opportunity().prop_map(Payload::Opportunity),
        pool().prop_map(Payload::Pool),
        pledge().prop_map(Payload::Pledge),
        roll().prop_map(|roll| Payload::Roll(Roll { roll })),
        opening().prop_map(|it| Payload::Poll(PollAction::Open(it))),
        tally().prop_map(Payload::Tally),
        declaration().prop_map(|it| Payload::Result(ResultAction::Declare(it))),
        receipt().prop_map(Payload::Receipt),
        receipt().prop_map(|Receipt { received_at: stated_at, heads }| {
            Payload::Cosignatures(Cosignatures { stated_at, heads })
        }),
        evidence().prop_map(Payload::Evidence),
        region_action().prop_map(Payload::RegionEpoch),
        affiliation().prop_map(Payload::Affiliation),
        erase().prop_map(Payload::Erase),
        record_ids()
            .prop_filter("at least one", |ids| !ids.is_empty())
            .prop_map(|erasures| Payload::Erased(Erased { erasures })),
        index().prop_map(Payload::Index),
        status().prop_map(Payload::Status),
    ]
}

fn community() -> impl Strategy<Value = CommunityId> {
    any::<[u8; 32]>().prop_map(CommunityId::from_bytes)
}

fn communities(least: usize) -> impl Strategy<Value = Vec<CommunityId>> {
    let ids = btree_set(any::<[u8; 32]>(), least..6);
    ids.prop_map(|ids| ids.into_iter().map(CommunityId::from_bytes).collect())
}

fn region() -> impl Strategy<Value = RegionId> {
    any::<[u8; 32]>().prop_map(RegionId::from_bytes)
}

fn record_id() -> impl Strategy<Value = RecordId> {
    any::<[u8; 32]>().prop_map(RecordId::from_bytes)
}

fn record_ids() -> impl Strategy<Value = Vec<RecordId>> {
    let ids = btree_set(any::<[u8; 32]>(), 0..5);
    ids.prop_map(|ids| ids.into_iter().map(RecordId::from_bytes).collect())
}

fn instant() -> impl Strategy<Value = UnixMillis> {
    any::<u64>().prop_map(UnixMillis)
}

fn money() -> impl Strategy<Value = Money> {
    let currency = "[A-Z]{3}".prop_map(|code| Currency::parse(&code).unwrap());
    (any::<i64>(), currency).prop_map(|(minor, currency)| Money { minor, currency })
}

fn place() -> impl Strategy<Value = Place> {
    let code = "[EWSNKJ][0-9]{8}".prop_map(|code| GssCode::parse(&code).unwrap());
    (code, 1..=u16::MAX).prop_map(|(code, vintage)| Place { code, vintage })
}

fn date() -> impl Strategy<Value = CivilDate> {
    (1900..=2999u16, 1..=12u8, 1..=28u8).prop_map(|(y, m, d)| CivilDate::new(y, m, d).unwrap())
}

fn languages(least: usize) -> impl Strategy<Value = Vec<Language>> {
    let tags = btree_set("[a-z]{2}", least..4);
    tags.prop_map(|tags| tags.iter().map(|tag| Language::parse(tag).unwrap()).collect())
}

fn text_hashes() -> impl Strategy<Value = Vec<TextHash>> {
    (languages(0), any::<[u8; 32]>()).prop_map(|(languages, sha256)| {
        languages.into_iter().map(|language| TextHash { language, sha256 }).collect()
    })
}

fn line() -> impl Strategy<Value = String> {
    "[a-zé́€ ]{0,12}".prop_map(|text| canonical(&text))
}

fn text() -> impl Strategy<Value = Text> {
    let body = "[a-z \n\t]{0,40}".prop_map(|text| canonical(&text));
    (languages(1), line(), body, vec(line(), 0..4)).prop_map(|(languages, title, text, labels)| {
        let wording = |language| Wording {
            language,
            title: title.clone(),
            text: text.clone(),
            labels: labels.clone(),
        };
        Text { wordings: languages.into_iter().map(wording).collect() }
    })
}

fn covenant() -> impl Strategy<Value = CovenantAction> {
    prop_oneof![
        proposal().prop_map(CovenantAction::Propose),
        signature().prop_map(CovenantAction::Sign),
        record_id().prop_map(|proposal| CovenantAction::Decline { proposal }),
    ]
}

fn parties() -> impl Strategy<Value = Vec<Party>> {
    let roles = select(vec![
        PartyRole::Community,
        PartyRole::Parish,
        PartyRole::Forum,
        PartyRole::AnchorBody,
        PartyRole::LocalAuthority,
        PartyRole::PublicBody,
        PartyRole::Regional,
    ]);
    (communities(2), roles).prop_map(|(ids, role)| {
        ids.into_iter().map(|community| Party { community, role }).collect()
    })
}

fn power() -> impl Strategy<Value = Power> {
    let domain = select(vec![
        Domain::Economy,
        Domain::Services,
        Domain::Assets,
        Domain::PlanningAndHousing,
        Domain::Spending,
    ]);
    let level = select(vec![
        Level::Informed,
        Level::Consulted,
        Level::CoDecide,
        Level::Delegated,
        Level::CommunityHeld,
    ]);
    (domain, level, option::of(money())).prop_map(|(domain, level, budget)| Power {
        domain,
        level,
        budget,
    })
}

fn commitment() -> impl Strategy<Value = Commitment> {
    (community(), option::of(money()), any::<u32>(), option::of(date()))
        .prop_map(|(party, money, staff_hours, due)| Commitment { party, money, staff_hours, due })
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let covenant_type = select(vec![
        CovenantType::CommunityCovenant,
        CovenantType::ImprovementDistrict,
        CovenantType::ServiceAgreement,
        CovenantType::CharterRatification,
    ]);
    let lists = (parties(), vec(place(), 0..3), vec(power(), 0..3), vec(commitment(), 0..3));
    let times = (instant(), any::<u32>(), option::of(any::<u32>()));
    (region(), covenant_type, lists, times, text_hashes()).prop_map(
        |(region, covenant_type, lists, (sign_before, review_months, term_months), texts)| {
            let (parties, area, powers, commitments) = lists;
            Proposal {
                region,
                covenant_type,
                parties,
                area,
                powers,
                commitments,
                sign_before,
                review_months,
                term_months,
                texts,
            }
        },
    )
}

fn signature() -> impl Strategy<Value = Signature> {
    let minute = ("[A-Za-z0-9 ./()-]{1,64}", date())
        .prop_map(|(reference, meeting)| Minute { reference, meeting });
    (record_id(), text_hashes(), option::of(minute), option::of(record_id())).prop_map(
        |(proposal, texts, minute, poll_result)| Signature { proposal, texts, minute, poll_result },
    )
}

fn opportunity() -> impl Strategy<Value = OpportunityAction> {
    prop_oneof![
        (region(), release()).prop_map(|(region, release)| {
            OpportunityAction::Publish(Publication { region, release })
        }),
        release().prop_map(OpportunityAction::Update),
    ]
}

fn release() -> impl Strategy<Value = Release> {
    let stage = select(vec![
        Stage::Planned,
        Stage::Open,
        Stage::Closed,
        Stage::Awarded,
        Stage::Unsuccessful,
        Stage::Cancelled,
        Stage::Contracted,
        Stage::Implemented,
        Stage::Terminated,
    ]);
    let buyer = select(vec![("GB-COH", "SC012345"), ("GB-LAE", "BHF")])
        .prop_map(|(scheme, id)| OrgId::new(scheme, id).unwrap());
    let source =
        ("[ -~]{0,20}", any::<[u8; 32]>()).prop_map(|(url, sha256)| Source { url, sha256 });
    let ids = ("(ocds-[a-z0-9]{1,9})?", "[!-~]{0,9}", instant(), stage);
    let numbers = (vec(0..=99_999_999u32, 0..3), option::of(money()), option::of(instant()));
    let rest = (vec(place(), 0..3), any::<u32>(), option::of(any::<bool>()), option::of(source));
    (ids, option::of(buyer), numbers, rest).prop_map(|(ids, buyer, numbers, rest)| {
        let (ocid, release_id, released_at, stage) = ids;
        let (cpv, value, tender_ends) = numbers;
        let (places, n_lots, suits_vcse, source) = rest;
        // What has no ocid is no import.
        let source = source.filter(|_| !ocid.is_empty());
        Release {
            ocid,
            release_id,
            released_at,
            stage,
            buyer,
            cpv,
            value,
            tender_ends,
            places,
            n_lots,
            suits_vcse,
            source,
        }
    })
}

fn pool() -> impl Strategy<Value = PoolAction> {
    let rule = select(vec![LockRule::AtClose, LockRule::OnThreshold]);
    let about = (option::of(record_id()), option::of(0..=99_999_999u32), option::of(money()));
    let numbers = (any::<u64>(), instant(), any::<u64>());
    let opening = (region(), "[a-zA-Z0-9]{1,32}", about, numbers, rule).prop_map(
        |(region, unit, about, (threshold, closes_at, grace_millis), lock_rule)| {
            let (opportunity, cpv, unit_price) = about;
            PoolOpening {
                region,
                unit,
                threshold,
                opportunity,
                cpv,
                unit_price,
                closes_at,
                grace_millis,
                lock_rule,
            }
        },
    );
    prop_oneof![
        opening.prop_map(PoolAction::Open),
        record_ids().prop_map(|pledges| PoolAction::Close { pledges }),
    ]
}

fn pledge() -> impl Strategy<Value = PledgeAction> {
    prop_oneof![
        (1..=u64::MAX, any::<bool>())
            .prop_map(|(quantity, firm)| PledgeAction::Make { quantity, firm }),
        record_id().prop_map(|pledge| PledgeAction::Withdraw { pledge }),
    ]
}

fn roll() -> impl Strategy<Value = RollCommitment> {
    any::<(u64, [u8; 32])>()
        .prop_map(|(n_on_roll, roll_root)| RollCommitment { n_on_roll, roll_root })
}

fn electorate() -> impl Strategy<Value = Vec<Constituency>> {
    (communities(0), roll()).prop_map(|(ids, roll)| {
        ids.into_iter().map(|community| Constituency { community, roll }).collect()
    })
}

fn threshold() -> impl Strategy<Value = Threshold> {
    let base =
        select(vec![ThresholdBase::ForAndAgainst, ThresholdBase::Ballots, ThresholdBase::Roll]);
    (1..1_000u32, 1..1_000u32, base).prop_map(|(numerator, more, base)| Threshold {
        numerator,
        denominator: numerator + more,
        base,
    })
}

fn opening() -> impl Strategy<Value = PollOpening> {
    let method = select(vec![Method::YesNo, Method::Plurality, Method::Approval]);
    let mode = select(vec![Mode::Secret, Mode::RollCall]);
    let sum = select(vec![DecidingSum::Ballots, DecidingSum::Communities]);
    let times = (instant(), instant(), instant(), instant());
    let numbers = (2..=200u32, 0..=1_000u32, any::<u32>(), any::<u32>());
    let who = (region(), electorate());
    (who, (method, mode, sum), numbers, times, threshold()).prop_map(
        |((region, electorate), (method, mode, deciding_sum), numbers, times, threshold)| {
            let (n_options, quorum_permille, smallest_cell, challenge_days) = numbers;
            let (opens_at, closes_at, roots_before, tallies_before) = times;
            PollOpening {
                region,
                method,
                n_options,
                mode,
                electorate,
                opens_at,
                closes_at,
                roots_before,
                tallies_before,
                threshold,
                quorum_permille,
                deciding_sum,
                smallest_cell,
                challenge_days,
            }
        },
    )
}

fn counts() -> impl Strategy<Value = Counts> {
    (0..=1_000_000u64, any::<u64>(), any::<u64>(), vec(any::<u64>(), 0..5)).prop_map(
        |(n_ballots, n_blank, n_spoiled, by_option)| Counts {
            n_ballots,
            n_blank,
            n_spoiled,
            by_option,
        },
    )
}

fn tally() -> impl Strategy<Value = TallyAction> {
    prop_oneof![
        (any::<[u8; 32]>(), 0..=1_000_000u64)
            .prop_map(|(ballot_root, n_ballots)| TallyAction::Root { ballot_root, n_ballots }),
        counts().prop_map(TallyAction::Counts),
        Just(TallyAction::Withheld),
    ]
}

fn declaration() -> impl Strategy<Value = Declaration> {
    let outcome = prop_oneof![
        Just(Outcome::Carried),
        Just(Outcome::NotCarried),
        any::<u32>().prop_map(|option| Outcome::Won { option }),
        Just(Outcome::NoDecision),
    ];
    let communities = any::<(u32, u32, u32)>().prop_map(|(carried, not_carried, undecided)| {
        CommunitySum { carried, not_carried, undecided }
    });
    (record_ids(), counts(), communities, outcome).prop_map(
        |(tallies, counts, communities, outcome)| Declaration {
            tallies,
            counts,
            communities,
            outcome,
        },
    )
}

fn region_action() -> impl Strategy<Value = RegionAction> {
    let addresses = proptest::collection::btree_map(any::<[u8; 32]>(), "[a-z0-9.:]{1,40}", 0..4)
        .prop_map(|all| {
            let seat =
                |(id, address)| SeatAddress { community: CommunityId::from_bytes(id), address };
            all.into_iter().map(seat).collect()
        });
    let vouch =
        (region(), community(), any::<bool>()).prop_map(|(region, community, withdrawn)| {
            RegionAction::Vouch { region, community, withdrawn }
        });
    let file = (epoch(), addresses);
    prop_oneof![file.prop_map(|(epoch, addresses)| RegionAction::File { epoch, addresses }), vouch,]
}

fn epoch() -> impl Strategy<Value = Epoch> {
    let seats = (communities(1), communities(0), communities(0));
    (region(), 1u64.., any::<[u8; 32]>(), seats).prop_map(|(region, number, previous, seats)| {
        let (members, coordinators, witnesses) = seats;
        let roster = Roster::new(members, coordinators, 1)
            .and_then(|it| it.with_witnesses(witnesses))
            .unwrap();
        Epoch { region, number, previous: EpochHash::from_bytes(previous), roster }
    })
}

fn affiliation() -> impl Strategy<Value = Affiliation> {
    (region(), vec("[a-z0-9.:/]{1,40}", 0..8), communities(0)).prop_map(
        |(region, addresses, coordinators)| Affiliation { region, addresses, coordinators },
    )
}

fn erase() -> impl Strategy<Value = Erase> {
    let grounds = [
        Ground::Personal,
        Ground::Mistake,
        Ground::Copyright,
        Ground::Unlawful,
        Ground::NoLongerNeeded,
    ];
    let askers = [Asker::Subject, Asker::Community, Asker::Authority, Asker::Court];
    (any::<u32>(), any::<u64>(), record_id(), select(grounds.to_vec()), select(askers.to_vec()))
        .prop_map(|(era, index, record, ground, asked_by)| Erase {
            era,
            index,
            record,
            ground,
            asked_by,
        })
}
