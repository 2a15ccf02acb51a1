//! A payload in one line, for people who read a log.

use record::{
    Money, Payload,
    payload::{
        affiliation::Affiliation,
        covenant::{CovenantAction, CovenantType, Proposal, Signature},
        erasure::{Erase, Erased},
        evidence::ForkEvidence,
        index::Index,
        opportunity::{OpportunityAction, Publication, Release, Stage},
        poll::{
            Counts, Declaration, Method, Outcome, PollAction, PollOpening, ResultAction, Roll,
            TallyAction,
        },
        pool::{PledgeAction, PoolAction, PoolOpening},
        receipt::{Cosignatures, Receipt},
        status::Status,
        words::{Notice, Text},
    },
    region::RegionAction,
};

/// The payload in one line of English, without a full stop. It holds numbers, ids and the first title of a text;
/// instants are milliseconds since 1970, UTC. Control characters are shown as spaces, so that nothing from outside can
/// steer a terminal.
#[must_use]
pub fn describe(payload: &Payload) -> String {
    let line = match payload {
        Payload::Text(text) => text_line(text),
        Payload::Notice(Notice { release_json }) => {
            format!("notice of {}", n_of(release_json.len(), "byte"))
        }
        Payload::Covenant(action) => covenant_line(action),
        Payload::Opportunity(action) => opportunity_line(action),
        Payload::Pool(action) => pool_line(action),
        Payload::Pledge(action) => pledge_line(action),
        Payload::Roll(Roll { roll }) => format!("roll of {}", n_of(roll.n_on_roll, "person")),
        Payload::Poll(PollAction::Open(opening)) => poll_line(opening),
        Payload::Tally(action) => tally_line(action),
        Payload::Result(ResultAction::Declare(declaration)) => result_line(declaration),
        Payload::Receipt(Receipt { received_at, heads }) => {
            format!("receipt for {}, received at {}", n_of(heads.len(), "log"), received_at.0)
        }
        Payload::Cosignatures(Cosignatures { stated_at, heads }) => {
            format!("cosigned heads of {}, as of {}", n_of(heads.len(), "log"), stated_at.0)
        }
        Payload::Evidence(ForkEvidence { community, era, .. }) => {
            format!("evidence that the log of {community} forked in era {era}")
        }
        Payload::Erase(Erase { era, index, ground, asked_by, .. }) => format!(
            "erases the payload of number {index} of era {era}: {ground:?}, asked by {asked_by:?}"
        )
        .to_lowercase(),
        Payload::Erased(Erased { erasures }) => {
            format!("has dropped {}", n_of(erasures.len(), "payload"))
        }
        Payload::RegionEpoch(action) => region_line(action),
        Payload::Affiliation(Affiliation { addresses, coordinators, .. }) => format!(
            "is reached at {}; sends its log to {}",
            n_of(addresses.len(), "address"),
            n_of(coordinators.len(), "coordinator"),
        ),
        Payload::Index(Index { n_entries, changes, .. }) => {
            format!("index of {n_entries} logs, of which {} changed", changes.len())
        }
        Payload::Status(status) => status_line(status),
    };
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn status_line(status: &Status) -> String {
    let why = status.reason.map_or("ok", |reason| reason.token());
    format!("{} is {} since {}: {why}", status.log, status.standing().token(), status.since.0)
}

fn text_line(text: &Text) -> String {
    let Text { wordings } = text;
    let tags: Vec<_> = wordings.iter().map(|wording| wording.language.as_str()).collect();
    let title = wordings.first().map_or("", |wording| wording.title.as_str());
    format!("text “{title}” ({})", tags.join(", "))
}

fn covenant_line(action: &CovenantAction) -> String {
    match action {
        CovenantAction::Propose(proposal) => {
            let Proposal { covenant_type, parties, powers, commitments, sign_before, .. } =
                proposal;
            format!(
                "proposes {}: {}, {}, {}, to be signed before {}",
                type_words(*covenant_type),
                n_of(parties.len(), "party"),
                n_of(powers.len(), "power"),
                n_of(commitments.len(), "commitment"),
                sign_before.0
            )
        }
        CovenantAction::Sign(Signature { proposal, minute, .. }) => match minute {
            Some(minute) => {
                format!(
                    "signs covenant {proposal}, minute {} of {}",
                    minute.reference, minute.meeting
                )
            }
            None => format!("signs covenant {proposal}"),
        },
        CovenantAction::Decline { proposal } => format!("declines covenant {proposal}"),
    }
}

const fn type_words(covenant_type: CovenantType) -> &'static str {
    match covenant_type {
        CovenantType::CommunityCovenant => "a community covenant",
        CovenantType::ImprovementDistrict => "an improvement district",
        CovenantType::ServiceAgreement => "a service agreement",
        CovenantType::CharterRatification => "the ratification of a charter",
    }
}

fn region_line(action: &RegionAction) -> String {
    match action {
        RegionAction::File { epoch, addresses: _ } => format!(
            "files epoch {} of the region: {}, {}",
            epoch.number,
            n_of(epoch.roster.members().len(), "community"),
            n_of(epoch.roster.coordinators().len(), "coordinator"),
        ),
        RegionAction::Vouch { community, withdrawn: false, .. } => {
            format!("vouches for {community}")
        }
        RegionAction::Vouch { community, .. } => format!("no longer vouches for {community}"),
    }
}

fn opportunity_line(action: &OpportunityAction) -> String {
    let (verb, release) = match action {
        OpportunityAction::Publish(Publication { release, .. }) => ("publishes", release),
        OpportunityAction::Update(release) => ("updates", release),
    };
    let Release { ocid, stage, value, .. } = release;
    let value = value.map_or_else(String::new, |value| format!(", {}", money_words(value)));
    let named = if ocid.is_empty() { String::new() } else { format!(" {ocid}") };
    format!("{verb} opportunity{named}: {}{value}", stage_words(*stage))
}

const fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Open => "open",
        Stage::Closed => "closed",
        Stage::Awarded => "awarded",
        Stage::Unsuccessful => "unsuccessful",
        Stage::Cancelled => "cancelled",
        Stage::Contracted => "contracted",
        Stage::Implemented => "implemented",
        Stage::Terminated => "terminated",
    }
}

fn money_words(money: Money) -> String {
    let sign = if money.minor < 0 { "-" } else { "" };
    let minor = money.minor.unsigned_abs();
    format!("{} {sign}{}.{:02}", money.currency, minor / 100, minor % 100)
}

fn pool_line(action: &PoolAction) -> String {
    match action {
        PoolAction::Open(PoolOpening { unit, threshold, closes_at, .. }) => {
            format!("opens a pool for at least {threshold} {unit}, closing at {}", closes_at.0)
        }
        PoolAction::Close { pledges } => {
            format!("closes the pool with {}", n_of(pledges.len(), "firm pledge"))
        }
    }
}

fn pledge_line(action: &PledgeAction) -> String {
    match action {
        PledgeAction::Make { quantity, firm: true } => format!("pledges {quantity}, firm"),
        PledgeAction::Make { quantity, firm: false } => format!("pledges {quantity}, soft"),
        PledgeAction::Withdraw { pledge } => format!("withdraws pledge {pledge}"),
    }
}

fn poll_line(opening: &PollOpening) -> String {
    let PollOpening { method, n_options, electorate, opens_at, closes_at, .. } = opening;
    let method = match method {
        Method::YesNo => "yes/no",
        Method::Plurality => "plurality",
        Method::Approval => "approval",
    };
    format!(
        "opens a {method} poll on {} in {}, from {} to {}",
        n_of(u64::from(*n_options), "option"),
        n_of(electorate.len(), "community"),
        opens_at.0,
        closes_at.0
    )
}

fn tally_line(action: &TallyAction) -> String {
    match action {
        TallyAction::Root { n_ballots, .. } => {
            format!("publishes the root of {}", n_of(*n_ballots, "ballot"))
        }
        TallyAction::Counts(counts) => format!("counts {}", counts_words(counts)),
        TallyAction::Withheld => "withholds counts that are too small".to_owned(),
    }
}

fn counts_words(counts: &Counts) -> String {
    let Counts { n_ballots, n_blank, n_spoiled, by_option } = counts;
    let votes: Vec<_> = by_option.iter().map(u64::to_string).collect();
    let ballots = n_of(*n_ballots, "ballot");
    format!("{ballots} ({n_blank} blank, {n_spoiled} spoiled): {}", votes.join(", "))
}

fn result_line(declaration: &Declaration) -> String {
    let Declaration { tallies, counts, outcome, .. } = declaration;
    let outcome = match outcome {
        Outcome::Carried => "carried".to_owned(),
        Outcome::NotCarried => "not carried".to_owned(),
        Outcome::Won { option } => format!("won by option {option}"),
        Outcome::NoDecision => "no decision".to_owned(),
    };
    format!("declares {outcome} from {}, {}", n_of(tallies.len(), "record"), counts_words(counts))
}

/// `1 party`, `2 parties`.
fn n_of(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if noun == "person" => "people".to_owned(),
        None => format!("{noun}s"),
    };
    if number == 1 { format!("1 {noun}") } else { format!("{number} {plural}") }
}

#[cfg(test)]
mod tests {
    use record::{
        UnixMillis,
        payload::words::{Language, Wording},
    };

    use super::*;

    #[test]
    fn a_pledge_says_whether_it_is_firm() {
        let line = |firm| describe(&Payload::Pledge(PledgeAction::Make { quantity: 30, firm }));
        assert_eq!(line(true), "pledges 30, firm");
        assert_eq!(line(false), "pledges 30, soft");
    }

    #[test]
    fn an_opportunity_without_an_ocid_is_not_named() {
        let release = |ocid: &str| Release {
            ocid: ocid.to_owned(),
            release_id: String::new(),
            released_at: UnixMillis(1),
            stage: Stage::Planned,
            buyer: None,
            cpv: vec![],
            value: None,
            tender_ends: None,
            places: vec![],
            n_lots: 0,
            suits_vcse: None,
            source: None,
        };
        let line = |ocid| opportunity_line(&OpportunityAction::Update(release(ocid)));
        assert_eq!(line("ocds-a1b2c3-1"), "updates opportunity ocds-a1b2c3-1: planned");
        assert_eq!(line(""), "updates opportunity: planned");
    }

    #[test]
    fn one_is_singular_and_none_and_two_are_plural() {
        let line =
            |n| describe(&Payload::Tally(TallyAction::Root { ballot_root: [0; 32], n_ballots: n }));
        assert_eq!(line(1), "publishes the root of 1 ballot");
        assert_eq!(line(0), "publishes the root of 0 ballots");
        assert_eq!(n_of(2_u64, "party"), "2 parties");
        assert_eq!(n_of(2_u64, "person"), "2 people");
    }

    #[test]
    fn a_title_cannot_steer_the_terminal() {
        let title = "Harbour\u{1b}[2JBaths".to_owned();
        let wording =
            Wording { language: Language::english(), title, text: String::new(), labels: vec![] };
        let line = describe(&Payload::Text(Text { wordings: vec![wording] }));
        assert_eq!(line, "text “Harbour [2JBaths” (en)");
    }

    #[test]
    fn counts_stand_in_the_order_of_the_options() {
        let counts = Counts { n_ballots: 11, n_blank: 1, n_spoiled: 2, by_option: vec![7, 3] };
        let line = describe(&Payload::Tally(TallyAction::Counts(counts)));
        assert_eq!(line, "counts 11 ballots (1 blank, 2 spoiled): 7, 3");
    }

    #[test]
    fn money_has_two_digits_after_the_point() {
        assert_eq!(money_words(Money::pence(-5)), "GBP -0.05");
        assert_eq!(money_words(Money::pence(123_456)), "GBP 1234.56");
    }
}
