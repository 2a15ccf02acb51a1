//! Cases to test with: small ids, short times, one call a record.

use record::{CommunityId, Payload, RecordId, RegionId, UnixMillis, region::Roster};

use crate::{
    case::{Case, CaseRecord, Verdict},
    fold,
    region::RegionView,
};

pub(crate) fn community(n: u8) -> CommunityId {
    CommunityId::from_bytes([n; 32])
}

pub(crate) fn record_id(n: u8) -> RecordId {
    RecordId::from_bytes([n; 32])
}

pub(crate) const REGION: RegionId = RegionId::from_bytes([200; 32]);
pub(crate) const HOUR: u64 = record::time::HOUR_MILLIS;
pub(crate) const DAY: u64 = record::time::DAY_MILLIS;

/// The id of every case here: the opening record's.
pub(crate) const CASE: RecordId = RecordId::from_bytes([100; 32]);

/// Communities 1 to 5 are members; any other is a stranger.
pub(crate) fn region() -> RegionView {
    region_of(5)
}

/// Communities 1 to `n` are members; any other is a stranger.
pub(crate) fn region_of(n: u8) -> RegionView {
    let roster = Roster::new((1..=n).map(community).collect(), vec![], 1).unwrap();
    RegionView::new(REGION, Some("ocds-abc123".to_owned()), roster)
}

/// An opening by this community, received at 1.
pub(crate) fn opening(author: u8, payload: Payload) -> CaseRecord {
    CaseRecord {
        id: CASE,
        community: community(author),
        era: 0,
        index: 0,
        time: UnixMillis(0),
        references: Vec::new(),
        received_at: Some(UnixMillis(1)),
        frozen: false,
        payload,
    }
}

/// Record `n` of a case, by `author`, written and received at `at`. Later numbers are later in their log.
pub(crate) fn follow(n: u8, author: u8, at: u64, payload: Payload) -> CaseRecord {
    CaseRecord {
        id: record_id(n),
        community: community(author),
        era: 0,
        index: u64::from(n) + 1,
        time: UnixMillis(at),
        references: vec![CASE],
        received_at: Some(UnixMillis(at)),
        frozen: false,
        payload,
    }
}

pub(crate) fn case_at(records: &[CaseRecord], now: u64) -> Case {
    fold(records, &region(), UnixMillis(now)).expect("the opening is among the records")
}

/// The reason for which record `n` was refused, or `counts` or `repeat`.
pub(crate) fn verdict(case: &Case, n: u8) -> &'static str {
    verdict_on(case, record_id(n))
}

pub(crate) fn verdict_on(case: &Case, id: RecordId) -> &'static str {
    let judgement = case.judgements.iter().find(|it| it.record == id).expect("a judgement");
    match &judgement.verdict {
        Verdict::Counts => "counts",
        Verdict::Repeat => "repeat",
        Verdict::Refused(refusal) => refusal.reason(),
    }
}

pub(crate) fn steps(case: &Case) -> Vec<&'static str> {
    case.transitions.iter().map(|transition| transition.what).collect()
}

pub(crate) mod covenant {
    //! A covenant of communities 1 and 2, to be signed before hour 10.
    use record::{
        Payload, UnixMillis,
        payload::{
            CovenantAction,
            covenant::{CovenantType, Party, PartyRole, Proposal, Signature},
            words::{Language, TextHash},
        },
    };

    use super::{CASE, HOUR, REGION, community};

    pub(crate) const SIGN_BEFORE: u64 = 10 * HOUR;

    pub(crate) fn text(language: &str, byte: u8) -> TextHash {
        TextHash { language: Language::parse(language).expect("a language"), sha256: [byte; 32] }
    }

    pub(crate) fn proposal(parties: &[u8]) -> Proposal {
        let party = |n: &u8| Party { community: community(*n), role: PartyRole::Community };
        Proposal {
            region: REGION,
            covenant_type: CovenantType::CommunityCovenant,
            parties: parties.iter().map(party).collect(),
            area: Vec::new(),
            powers: Vec::new(),
            commitments: Vec::new(),
            sign_before: UnixMillis(SIGN_BEFORE),
            review_months: 12,
            term_months: None,
            texts: vec![text("cy", 1), text("en", 2)],
        }
    }

    pub(crate) fn propose(proposal: Proposal) -> Payload {
        Payload::Covenant(CovenantAction::Propose(proposal))
    }

    pub(crate) fn signature() -> Signature {
        let texts = vec![text("cy", 1), text("en", 2)];
        Signature { proposal: CASE, texts, minute: None, poll_result: None }
    }

    pub(crate) fn sign() -> Payload {
        Payload::Covenant(CovenantAction::Sign(signature()))
    }

    pub(crate) fn decline() -> Payload {
        Payload::Covenant(CovenantAction::Decline { proposal: CASE })
    }
}

pub(crate) mod pool {
    //! A pool of 10 that closes at hour 10 with a grace of 5 hours.
    use record::{
        Payload, RecordId, UnixMillis,
        payload::{
            PledgeAction, PoolAction,
            pool::{LockRule, PoolOpening},
        },
    };

    use super::{HOUR, REGION};

    pub(crate) const CLOSES_AT: u64 = 10 * HOUR;
    pub(crate) const OVERDUE_AT: u64 = 15 * HOUR;

    pub(crate) fn terms(lock_rule: LockRule) -> PoolOpening {
        PoolOpening {
            region: REGION,
            unit: "each".to_owned(),
            threshold: 10,
            opportunity: None,
            cpv: None,
            unit_price: None,
            closes_at: UnixMillis(CLOSES_AT),
            grace_millis: 5 * HOUR,
            lock_rule,
        }
    }

    pub(crate) fn open(terms: PoolOpening) -> Payload {
        Payload::Pool(PoolAction::Open(terms))
    }

    pub(crate) fn firm(quantity: u64) -> Payload {
        Payload::Pledge(PledgeAction::Make { quantity, firm: true })
    }

    pub(crate) fn soft(quantity: u64) -> Payload {
        Payload::Pledge(PledgeAction::Make { quantity, firm: false })
    }

    pub(crate) fn withdraw(pledge: RecordId) -> Payload {
        Payload::Pledge(PledgeAction::Withdraw { pledge })
    }

    pub(crate) fn close(pledges: Vec<RecordId>) -> Payload {
        Payload::Pool(PoolAction::Close { pledges })
    }
}

pub(crate) mod poll {
    //! A yes/no poll in communities 1, 2 and 3: hours 10 to 20, roots before 21, tallies before 30.
    use record::{
        Payload, UnixMillis,
        payload::{
            PollAction, ResultAction, TallyAction,
            poll::{
                Constituency, Counts, DecidingSum, Declaration, Method, Mode, PollOpening,
                RollCommitment, Threshold, ThresholdBase,
            },
        },
    };

    use super::{HOUR, REGION, community};

    pub(crate) const OPENS_AT: u64 = 10 * HOUR;
    pub(crate) const CLOSES_AT: u64 = 20 * HOUR;
    pub(crate) const ROOTS_BEFORE: u64 = 21 * HOUR;
    pub(crate) const TALLIES_BEFORE: u64 = 30 * HOUR;

    pub(crate) fn terms() -> PollOpening {
        let base = ThresholdBase::ForAndAgainst;
        PollOpening {
            region: REGION,
            method: Method::YesNo,
            n_options: 2,
            mode: Mode::Secret,
            electorate: (1..=3).map(|n| constituency(n, 100)).collect(),
            opens_at: UnixMillis(OPENS_AT),
            closes_at: UnixMillis(CLOSES_AT),
            roots_before: UnixMillis(ROOTS_BEFORE),
            tallies_before: UnixMillis(TALLIES_BEFORE),
            threshold: Threshold { numerator: 1, denominator: 2, base },
            quorum_permille: 0,
            deciding_sum: DecidingSum::Ballots,
            smallest_cell: 10,
            challenge_days: 14,
        }
    }

    pub(crate) fn constituency(n: u8, n_on_roll: u64) -> Constituency {
        let roll = RollCommitment { n_on_roll, roll_root: [n; 32] };
        Constituency { community: community(n), roll }
    }

    pub(crate) fn open(terms: PollOpening) -> Payload {
        Payload::Poll(PollAction::Open(terms))
    }

    pub(crate) fn root(byte: u8, n_ballots: u64) -> Payload {
        Payload::Tally(TallyAction::Root { ballot_root: [byte; 32], n_ballots })
    }

    /// Votes for each option, and no blank or spoiled ballots, under a method of one option each.
    pub(crate) fn votes(by_option: &[u64]) -> Counts {
        let n_ballots = by_option.iter().sum();
        Counts { n_ballots, n_blank: 0, n_spoiled: 0, by_option: by_option.to_vec() }
    }

    pub(crate) fn counts(counts: Counts) -> Payload {
        Payload::Tally(TallyAction::Counts(counts))
    }

    pub(crate) fn withheld() -> Payload {
        Payload::Tally(TallyAction::Withheld)
    }

    pub(crate) fn declare(declaration: Declaration) -> Payload {
        Payload::Result(ResultAction::Declare(declaration))
    }
}

pub(crate) mod opportunity {
    //! An open process, released at hour 1, whose bids end at hour 10.
    use record::{
        Payload, UnixMillis,
        payload::{
            OpportunityAction,
            opportunity::{Publication, Release, Source, Stage},
        },
    };

    use super::{HOUR, REGION};

    pub(crate) const TENDER_ENDS: u64 = 10 * HOUR;

    pub(crate) fn release(stage: Stage, released_at: u64) -> Release {
        Release {
            ocid: "ocds-zzz999-1".to_owned(),
            release_id: format!("{released_at}"),
            released_at: UnixMillis(released_at),
            stage,
            buyer: None,
            cpv: Vec::new(),
            value: None,
            tender_ends: Some(UnixMillis(TENDER_ENDS)),
            places: Vec::new(),
            n_lots: 0,
            suits_vcse: None,
            source: Some(Source { url: "https://notices.example/1".to_owned(), sha256: [1; 32] }),
        }
    }

    pub(crate) fn publish(release: Release) -> Payload {
        let publication = Publication { region: REGION, release };
        Payload::Opportunity(OpportunityAction::Publish(publication))
    }

    pub(crate) fn update(release: Release) -> Payload {
        Payload::Opportunity(OpportunityAction::Update(release))
    }
}
