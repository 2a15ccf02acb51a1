//! `folkmoot.record.poll.v1`, `folkmoot.record.tally.v1`, `folkmoot.record.result.v1` and `folkmoot.record.roll.v1`.

use record::{
    UnixMillis,
    payload::poll::{
        CommunitySum, Constituency, Counts, DecidingSum, Declaration, Method, Mode, Outcome,
        PollAction, PollOpening, ResultAction, Roll, TallyAction, Threshold, ThresholdBase,
    },
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{
        self, BALLOTS, ENTRIES, OPTIONS, array, ascending, community, list, parse_counts,
        record_ids, region, render_counts, same_names,
    },
};
use crate::kinds::{poll as wire, result as result_wire, roll as roll_wire, tally as tally_wire};

same_names!(parse_method, render_method, Method, wire::Method, [YesNo, Plurality, Approval]);
same_names!(parse_mode, render_mode, Mode, wire::Mode, [Secret, RollCall]);
same_names!(
    parse_base,
    render_base,
    ThresholdBase,
    wire::ThresholdBase,
    [ForAndAgainst, Ballots, Roll]
);
same_names!(
    parse_deciding_sum,
    render_deciding_sum,
    DecidingSum,
    wire::DecidingSum,
    [Ballots, Communities]
);

/// The roll in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_roll(payload: roll_wire::Roll) -> Result<Roll, PayloadError> {
    let roll_wire::Roll { roll } = payload;
    Ok(Roll { roll: shapes::parse_roll(roll).within("roll")? })
}

/// The message of a roll.
#[must_use]
pub fn render_roll(roll: &Roll) -> roll_wire::Roll {
    let Roll { roll } = roll;
    roll_wire::Roll { roll: Some(shapes::render_roll(roll)) }
}

/// The action in a poll's payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_poll(payload: wire::Poll) -> Result<PollAction, PayloadError> {
    let wire::Poll { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        wire::poll::Action::Open(opening) => {
            parse_opening(opening).map(PollAction::Open).within("open")
        }
    }
}

/// The message of a poll's action.
#[must_use]
pub fn render_poll(action: &PollAction) -> wire::Poll {
    let action = match action {
        PollAction::Open(opening) => wire::poll::Action::Open(render_opening(opening)),
    };
    wire::Poll { action: Some(action) }
}

/// The opening in a message: at most 200 options, constituencies in ascending order, each once.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_opening(opening: wire::Opening) -> Result<PollOpening, PayloadError> {
    let wire::Opening {
        region: region_id,
        method,
        n_options,
        mode,
        constituencies,
        opens_at,
        closes_at,
        roots_before,
        tallies_before,
        threshold,
        quorum_permille,
        deciding_sum,
        smallest_cell,
        challenge_days,
    } = opening;
    Ok(PollOpening {
        region: region(&region_id).within("region")?,
        method: parse_method(method).within("method")?,
        n_options: OPTIONS.admit(n_options).within("n_options")?,
        mode: parse_mode(mode).within("mode")?,
        electorate: parse_electorate(constituencies).within("constituencies")?,
        opens_at: UnixMillis(opens_at),
        closes_at: UnixMillis(closes_at),
        roots_before: UnixMillis(roots_before),
        tallies_before: UnixMillis(tallies_before),
        threshold: parse_threshold(threshold).within("threshold")?,
        quorum_permille,
        deciding_sum: parse_deciding_sum(deciding_sum).within("deciding_sum")?,
        smallest_cell,
        challenge_days,
    })
}

/// The message of an opening.
#[must_use]
pub fn render_opening(opening: &PollOpening) -> wire::Opening {
    let PollOpening {
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
    } = opening;
    wire::Opening {
        region: region.as_bytes().to_vec(),
        method: render_method(*method),
        n_options: *n_options,
        mode: render_mode(*mode),
        constituencies: electorate.iter().map(render_constituency).collect(),
        opens_at: opens_at.0,
        closes_at: closes_at.0,
        roots_before: roots_before.0,
        tallies_before: tallies_before.0,
        threshold: Some(render_threshold(threshold)),
        quorum_permille: *quorum_permille,
        deciding_sum: render_deciding_sum(*deciding_sum),
        smallest_cell: *smallest_cell,
        challenge_days: *challenge_days,
    }
}

fn parse_electorate(all: Vec<wire::Constituency>) -> Result<Vec<Constituency>, PayloadError> {
    ascending(list(all, ENTRIES, parse_constituency)?, |it| it.community)
}

fn parse_constituency(constituency: wire::Constituency) -> Result<Constituency, PayloadError> {
    let wire::Constituency { community: id, roll } = constituency;
    Ok(Constituency {
        community: community(&id).within("community")?,
        roll: shapes::parse_roll(roll).within("roll")?,
    })
}

fn render_constituency(constituency: &Constituency) -> wire::Constituency {
    let Constituency { community, roll } = constituency;
    wire::Constituency {
        community: community.as_bytes().to_vec(),
        roll: Some(shapes::render_roll(roll)),
    }
}

fn parse_threshold(threshold: Option<wire::Threshold>) -> Result<Threshold, PayloadError> {
    let wire::Threshold { numerator, denominator, base } = threshold.ok_or(Fault::Missing)?;
    Ok(Threshold { numerator, denominator, base: parse_base(base).within("base")? })
}

fn render_threshold(threshold: &Threshold) -> wire::Threshold {
    let Threshold { numerator, denominator, base } = *threshold;
    wire::Threshold { numerator, denominator, base: render_base(base) }
}

/// The step in a tally's payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field; more than [`record::limits::MAX_BALLOTS`] ballots are refused.
pub fn parse_tally(payload: tally_wire::Tally) -> Result<TallyAction, PayloadError> {
    let tally_wire::Tally { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        tally_wire::tally::Action::Root(root) => parse_root(root).within("root"),
        tally_wire::tally::Action::Counts(counts) => {
            parse_own_counts(counts).map(TallyAction::Counts).within("counts")
        }
        tally_wire::tally::Action::Withheld(tally_wire::Withheld {}) => Ok(TallyAction::Withheld),
    }
}

/// The message of a tally's step.
#[must_use]
pub fn render_tally(action: &TallyAction) -> tally_wire::Tally {
    use tally_wire::tally::Action;
    let action = match action {
        TallyAction::Root { ballot_root, n_ballots } => {
            Action::Root(tally_wire::Root { box_root: ballot_root.to_vec(), n_ballots: *n_ballots })
        }
        TallyAction::Counts(counts) => Action::Counts(render_counts(counts)),
        TallyAction::Withheld => Action::Withheld(tally_wire::Withheld {}),
    };
    tally_wire::Tally { action: Some(action) }
}

fn parse_root(root: tally_wire::Root) -> Result<TallyAction, PayloadError> {
    let tally_wire::Root { box_root, n_ballots } = root;
    Ok(TallyAction::Root {
        ballot_root: array(&box_root).within("box_root")?,
        n_ballots: BALLOTS.admit(n_ballots).within("n_ballots")?,
    })
}

fn parse_own_counts(counts: crate::types::Counts) -> Result<Counts, PayloadError> {
    let counts = parse_counts(counts)?;
    BALLOTS.admit(counts.n_ballots).within("n_ballots")?;
    Ok(counts)
}

/// The action in a result's payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field; an option without the verdict `won`, or the reverse, is a
/// contradiction.
pub fn parse_result(payload: result_wire::Result) -> Result<ResultAction, PayloadError> {
    let result_wire::Result { action } = payload;
    match action.ok_or(Fault::Missing).within("action")? {
        result_wire::result::Action::Declare(declaration) => {
            parse_declaration(declaration).map(ResultAction::Declare).within("declare")
        }
    }
}

/// The message of a result's action.
#[must_use]
pub fn render_result(action: &ResultAction) -> result_wire::Result {
    let action = match action {
        ResultAction::Declare(declaration) => {
            result_wire::result::Action::Declare(render_declaration(declaration))
        }
    };
    result_wire::Result { action: Some(action) }
}

fn parse_declaration(declaration: result_wire::Declaration) -> Result<Declaration, PayloadError> {
    let result_wire::Declaration { tallies, counts, communities, verdict, option } = declaration;
    let counts = counts.ok_or(Fault::Missing).within("counts")?;
    let sum = communities.ok_or(Fault::Missing).within("communities")?;
    let result_wire::CommunitySum { carried, not_carried, undecided } = sum;
    Ok(Declaration {
        tallies: record_ids(tallies).within("tallies")?,
        counts: parse_counts(counts).within("counts")?,
        communities: CommunitySum { carried, not_carried, undecided },
        outcome: parse_outcome(verdict, option)?,
    })
}

fn render_declaration(declaration: &Declaration) -> result_wire::Declaration {
    let Declaration { tallies, counts, communities, outcome } = declaration;
    let CommunitySum { carried, not_carried, undecided } = *communities;
    let (verdict, option) = render_outcome(*outcome);
    result_wire::Declaration {
        tallies: tallies.iter().map(|id| id.as_bytes().to_vec()).collect(),
        counts: Some(render_counts(counts)),
        communities: Some(result_wire::CommunitySum { carried, not_carried, undecided }),
        verdict: verdict.into(),
        option,
    }
}

fn parse_outcome(verdict: i32, option: Option<u32>) -> Result<Outcome, PayloadError> {
    use result_wire::Verdict;
    let verdict = match Verdict::try_from(verdict) {
        Ok(verdict) => verdict,
        Err(prost::UnknownEnumValue(number)) => {
            return Err(Fault::UnknownValue { number }).within("verdict");
        }
    };
    match (verdict, option) {
        (Verdict::Unspecified, _) => Err(Fault::Missing).within("verdict"),
        (Verdict::Carried, None) => Ok(Outcome::Carried),
        (Verdict::NotCarried, None) => Ok(Outcome::NotCarried),
        (Verdict::NoDecision, None) => Ok(Outcome::NoDecision),
        (Verdict::Won, Some(option)) => Ok(Outcome::Won { option }),
        (Verdict::Won, None) => Err(Fault::Missing).within("option"),
        (Verdict::Carried | Verdict::NotCarried | Verdict::NoDecision, Some(_)) => {
            Err(Fault::Contradicts { other: "verdict" }).within("option")
        }
    }
}

fn render_outcome(outcome: Outcome) -> (result_wire::Verdict, Option<u32>) {
    use result_wire::Verdict;
    match outcome {
        Outcome::Carried => (Verdict::Carried, None),
        Outcome::NotCarried => (Verdict::NotCarried, None),
        Outcome::Won { option } => (Verdict::Won, Some(option)),
        Outcome::NoDecision => (Verdict::NoDecision, None),
    }
}
