//! Counting: published tallies in, sums and an outcome out. No person is visible from here on.
//!
//! Two sums are always made (VOTES.md): by ballots, and by communities, each with its own outcome under the poll's
//! rule. The one frozen at the opening decides. Anyone recomputes a result with [`sum`].

use std::collections::BTreeMap;

use record::{
    CommunityId, RecordId,
    limits::MAX_BALLOTS,
    payload::poll::{
        CommunitySum, Constituency, Counts, DecidingSum, Declaration, Method, Outcome, PollOpening,
        Threshold, ThresholdBase,
    },
};

use crate::poll::Refusal;

/// A cell of 1 to this many could show how a neighbour voted, so it is not published.
pub const LARGEST_THIN_CELL: u64 = 4;

/// One community's tally, as it enters the sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// The record that holds it.
    pub record: RecordId,
    /// Whose it is.
    pub community: CommunityId,
    /// What it says.
    pub content: TallyContent,
}

/// What a tally says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TallyContent {
    /// The counts.
    Counts(Counts),
    /// Too thin to publish; only the number of ballots, from the ballot root, is known.
    Withheld {
        /// Ballots cast.
        n_ballots: u64,
    },
}

impl Tally {
    /// Ballots cast, whether their counts are published or not.
    #[must_use]
    pub const fn n_ballots(&self) -> u64 {
        match &self.content {
            TallyContent::Counts(counts) => counts.n_ballots,
            TallyContent::Withheld { n_ballots } => *n_ballots,
        }
    }

    /// The counts, if they are published.
    #[must_use]
    pub const fn counts(&self) -> Option<&Counts> {
        match &self.content {
            TallyContent::Counts(counts) => Some(counts),
            TallyContent::Withheld { .. } => None,
        }
    }
}

/// People on all rolls of the frozen electorate, whether their tallies are in or not.
#[must_use]
pub fn n_on_rolls(poll: &PollOpening) -> u64 {
    poll.electorate.iter().map(|it| it.roll.n_on_roll).fold(0, u64::saturating_add)
}

/// Turnout in thousandths, rounded down: 0..=1000. An empty roll has a turnout of 0.
#[must_use]
pub fn turnout_permille(n_ballots: u64, n_on_roll: u64) -> u16 {
    let permille = (u128::from(n_ballots) * 1000).checked_div(u128::from(n_on_roll)).unwrap_or(0);
    u16::try_from(permille).map_or(1000, |it| it.min(1000))
}

/// What these tallies add up to, and what that decides.
///
/// Withheld tallies are listed and enter no sum; their ballots count towards the quorum, since they were cast. The
/// tallies may come in any order.
#[must_use]
pub fn sum(poll: &PollOpening, tallies: &[Tally]) -> Declaration {
    let n_options = usize::try_from(poll.n_options).unwrap_or(0);
    let mut counts =
        Counts { n_ballots: 0, n_blank: 0, n_spoiled: 0, by_option: vec![0; n_options] };
    tallies.iter().filter_map(Tally::counts).for_each(|one| add(&mut counts, one));
    let n_cast = tallies.iter().map(Tally::n_ballots).fold(0, u64::saturating_add);
    let outcomes: Vec<Outcome> =
        tallies.iter().filter_map(|tally| community_outcome(poll, tally)).collect();
    let outcome = match poll.deciding_sum {
        _ if !meets_quorum(poll, n_cast, n_on_rolls(poll)) => Outcome::NoDecision,
        DecidingSum::Ballots => by_ballots(poll, &counts, n_on_rolls(poll)),
        DecidingSum::Communities => by_communities(poll, &outcomes),
    };
    let mut listed: Vec<RecordId> = tallies.iter().map(|tally| tally.record).collect();
    listed.sort_unstable();
    Declaration { tallies: listed, counts, communities: community_sum(&outcomes), outcome }
}

/// One community's own outcome under the poll's rule, quorum included; `None` where its counts are withheld.
#[must_use]
pub fn community_outcome(poll: &PollOpening, tally: &Tally) -> Option<Outcome> {
    let counts = tally.counts()?;
    let constituency = poll.electorate.iter().find(|it| it.community == tally.community)?;
    let n_on_roll = constituency.roll.n_on_roll;
    Some(if meets_quorum(poll, counts.n_ballots, n_on_roll) {
        by_ballots(poll, counts, n_on_roll)
    } else {
        Outcome::NoDecision
    })
}

fn add(total: &mut Counts, one: &Counts) {
    let Counts { n_ballots, n_blank, n_spoiled, by_option } = total;
    *n_ballots = n_ballots.saturating_add(one.n_ballots);
    *n_blank = n_blank.saturating_add(one.n_blank);
    *n_spoiled = n_spoiled.saturating_add(one.n_spoiled);
    for (cell, more) in by_option.iter_mut().zip(&one.by_option) {
        *cell = cell.saturating_add(*more);
    }
}

/// At least one ballot, and at least the quorum's thousandths of the roll.
fn meets_quorum(poll: &PollOpening, n_cast: u64, n_on_roll: u64) -> bool {
    let needed = u128::from(n_on_roll) * u128::from(poll.quorum_permille);
    0 < n_cast && needed <= u128::from(n_cast) * 1000
}

fn by_ballots(poll: &PollOpening, counts: &Counts, n_on_roll: u64) -> Outcome {
    match (poll.method, counts.by_option.as_slice()) {
        (Method::YesNo, &[for_it, against]) => {
            let base = match poll.threshold.base {
                ThresholdBase::ForAndAgainst => u128::from(for_it) + u128::from(against),
                ThresholdBase::Ballots => u128::from(counts.n_ballots),
                ThresholdBase::Roll => u128::from(n_on_roll),
            };
            yes_no(poll.threshold, (for_it, against), base)
        }
        (Method::YesNo, _) => Outcome::NoDecision,
        (Method::Plurality | Method::Approval, by_option) => most(by_option),
    }
}

/// Communities for and against in place of ballots. The bases become: communities with an outcome, communities with
/// published counts, and all communities of the electorate.
fn by_communities(poll: &PollOpening, outcomes: &[Outcome]) -> Outcome {
    let CommunitySum { carried, not_carried, undecided } = community_sum(outcomes);
    match poll.method {
        Method::YesNo => {
            let base = match poll.threshold.base {
                ThresholdBase::ForAndAgainst => u128::from(carried) + u128::from(not_carried),
                ThresholdBase::Ballots => {
                    u128::from(carried) + u128::from(not_carried) + u128::from(undecided)
                }
                ThresholdBase::Roll => poll.electorate.iter().map(|_| 1u128).sum(),
            };
            yes_no(poll.threshold, (u64::from(carried), u64::from(not_carried)), base)
        }
        Method::Plurality | Method::Approval => {
            let mut won: BTreeMap<u32, u64> = BTreeMap::new();
            for outcome in outcomes {
                match outcome {
                    Outcome::Won { option } => *won.entry(*option).or_default() += 1,
                    Outcome::Carried | Outcome::NotCarried | Outcome::NoDecision => {}
                }
            }
            let by_option: Vec<u64> =
                (0..poll.n_options).map(|option| won.get(&option).copied().unwrap_or(0)).collect();
            most(&by_option)
        }
    }
}

/// For is carried if it is strictly more than n/d of the base. A tie decides nothing, and neither does silence.
fn yes_no(threshold: Threshold, (for_it, against): (u64, u64), base: u128) -> Outcome {
    let Threshold { numerator, denominator, base: _ } = threshold;
    if for_it == against {
        Outcome::NoDecision
    } else if base * u128::from(numerator) < u128::from(for_it) * u128::from(denominator) {
        Outcome::Carried
    } else {
        Outcome::NotCarried
    }
}

/// The one option with the most votes.
fn most(by_option: &[u64]) -> Outcome {
    let top = by_option.iter().copied().max().unwrap_or(0);
    let mut winners = (0u32..).zip(by_option).filter(|(_, votes)| **votes == top);
    match (winners.next(), winners.next()) {
        (Some((option, _)), None) if 0 < top => Outcome::Won { option },
        (Some(_), _) | (None, _) => Outcome::NoDecision,
    }
}

fn community_sum(outcomes: &[Outcome]) -> CommunitySum {
    let mut sum = CommunitySum::default();
    for outcome in outcomes {
        let cell = match outcome {
            Outcome::Carried | Outcome::Won { .. } => &mut sum.carried,
            Outcome::NotCarried => &mut sum.not_carried,
            Outcome::NoDecision => &mut sum.undecided,
        };
        *cell = cell.saturating_add(1);
    }
    sum
}

/// Whether a community's counts may be published (VOTES.md, small communities).
///
/// A cell is an option's votes or the blank ballots; for approval also the ballots that leave an option out, which
/// tell as much. A spoiled paper holds no readable choice, so spoiled papers are no cell. Refused counts are filed as
/// `Withheld`.
///
/// # Errors
///
/// [`Refusal::TooSmallToPublish`] for fewer ballots than the poll's smallest number, or a cell of 1 to
/// [`LARGEST_THIN_CELL`]. It does not say which cell.
pub fn may_publish(poll: &PollOpening, counts: &Counts) -> Result<(), Refusal> {
    let thin = |cell: u64| (1..=LARGEST_THIN_CELL).contains(&cell);
    let n_marked = counts.n_ballots.saturating_sub(counts.n_blank);
    let thin_option = |votes: &u64| match poll.method {
        Method::YesNo | Method::Plurality => thin(*votes),
        Method::Approval => thin(*votes) || thin(n_marked.saturating_sub(*votes)),
    };
    let smallest = u64::from(poll.smallest_cell);
    if counts.n_ballots < smallest
        || thin(counts.n_blank)
        || counts.by_option.iter().any(thin_option)
    {
        return Err(Refusal::TooSmallToPublish { smallest });
    }
    Ok(())
}

/// Whether a number of ballots is possible for a roll.
///
/// # Errors
///
/// [`Refusal::MoreBallotsThanRoll`] or [`Refusal::TooManyBallots`].
pub fn verify_n_ballots(constituency: &Constituency, n_ballots: u64) -> Result<(), Refusal> {
    let n_on_roll = constituency.roll.n_on_roll;
    if n_on_roll < n_ballots {
        return Err(Refusal::MoreBallotsThanRoll { n_ballots, n_on_roll });
    }
    if MAX_BALLOTS < n_ballots {
        return Err(Refusal::TooManyBallots { n_ballots });
    }
    Ok(())
}

/// Whether counts are possible: as many options as the poll has, cells that add up, no more ballots than the roll.
///
/// # Errors
///
/// [`Refusal`] says what does not fit.
pub fn verify_counts(
    poll: &PollOpening,
    constituency: &Constituency,
    counts: &Counts,
) -> Result<(), Refusal> {
    let Counts { n_ballots, n_blank, n_spoiled, by_option } = counts;
    verify_n_ballots(constituency, *n_ballots)?;
    verify_n_ballots(constituency, *n_spoiled)?;
    let as_many = u32::try_from(by_option.len()) == Ok(poll.n_options);
    let marked = n_ballots.checked_sub(*n_blank);
    let add_up = match (poll.method, marked) {
        (_, None) => false,
        (Method::YesNo | Method::Plurality, Some(marked)) => {
            let votes: u128 = by_option.iter().map(|votes| u128::from(*votes)).sum();
            votes == u128::from(marked)
        }
        (Method::Approval, Some(marked)) => by_option.iter().all(|votes| *votes <= marked),
    };
    if as_many && add_up {
        Ok(())
    } else {
        Err(Refusal::CellsDoNotAddUp { n_ballots: *n_ballots, n_options: poll.n_options })
    }
}

#[cfg(test)]
mod tests;
