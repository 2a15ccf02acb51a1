//! Polls across communities: rolls, openings, tallies, results. Counts and roots only; no person appears here.

use crate::{
    ids::{CommunityId, RecordId, RegionId},
    time::UnixMillis,
};

/// The number and salted root of the people who may vote in one community.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RollCommitment {
    /// People on the roll.
    pub n_on_roll: u64,
    /// Root of the RFC 6962 tree over the salted roll leaves.
    #[serde(serialize_with = "hex")]
    pub roll_root: [u8; 32],
}

/// A community's roll as it now stands, in its own log. Belongs to no case: an opening copies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roll {
    /// The commitment.
    pub roll: RollCommitment,
}

/// How votes are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Two options: 0 is yes (for), 1 is no (against).
    YesNo,
    /// One option each; the most votes win.
    Plurality,
    /// Any number of options each; the most votes win.
    Approval,
}

/// Whether names are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nobody outside the community learns who voted how.
    Secret,
    /// Names and votes are public at the community.
    RollCall,
}

/// What a threshold is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdBase {
    /// For and against.
    ForAndAgainst,
    /// Ballots cast.
    Ballots,
    /// People on the roll.
    Roll,
}

/// For is carried if it is more than n/d of the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Threshold {
    /// n, at least 1 and below `denominator`.
    pub numerator: u32,
    /// d.
    pub denominator: u32,
    /// What it is a share of.
    pub base: ThresholdBase,
}

/// Which of the sums decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidingSum {
    /// All ballots together.
    Ballots,
    /// One community, one vote: its own outcome.
    Communities,
}

/// One community of the electorate, with its roll as frozen at the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Constituency {
    /// The community.
    pub community: CommunityId,
    /// Its roll.
    pub roll: RollCommitment,
}

/// The opening record of a poll: everything that decides, frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollOpening {
    /// The region to whose register it belongs.
    pub region: RegionId,
    /// How votes are counted.
    pub method: Method,
    /// 2 to 200; their words are the labels of the text.
    pub n_options: u32,
    /// Secret or roll-call.
    pub mode: Mode,
    /// The communities that vote, in ascending order, each once.
    pub electorate: Vec<Constituency>,
    /// Voting begins.
    pub opens_at: UnixMillis,
    /// Voting ends everywhere at this instant.
    pub closes_at: UnixMillis,
    /// Roots are published by then; counts are published once every root is in, or from then on.
    pub roots_before: UnixMillis,
    /// Tallies count when received before this instant.
    pub tallies_before: UnixMillis,
    /// For yes/no only.
    pub threshold: Threshold,
    /// Ballots cast over people on all rolls, in thousandths, that the poll needs to decide; 0 for none.
    pub quorum_permille: u32,
    /// The sum that decides.
    pub deciding_sum: DecidingSum,
    /// A community with fewer ballots, or with 1 to 4 in any cell, publishes no counts.
    pub smallest_cell: u32,
    /// How long the result may be challenged, in days.
    pub challenge_days: u32,
}

/// One action in a poll's life at its opener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollAction {
    /// Opens it.
    Open(PollOpening),
}

/// What one community counted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Ballots handed in, blank ones included, spoiled ones not.
    pub n_ballots: u64,
    /// Ballots handed in unmarked.
    pub n_blank: u64,
    /// Paper ballots that could not be read.
    pub n_spoiled: u64,
    /// Votes for each option, in the poll's order.
    pub by_option: Vec<u64>,
}

/// One action of a community's count, in its own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TallyAction {
    /// The box is closed: its root and how many ballots it holds, before any count.
    Root {
        /// Root of the RFC 6962 tree over the ballot leaves.
        ballot_root: [u8; 32],
        /// Ballots cast.
        n_ballots: u64,
    },
    /// The counts.
    Counts(Counts),
    /// The community is too small, or a cell too thin, to publish its counts (VOTES.md, small communities).
    Withheld,
}

/// What a poll decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// For passed the threshold.
    Carried,
    /// It did not.
    NotCarried,
    /// One option won, by number from 0.
    Won {
        /// The option.
        option: u32,
    },
    /// The quorum was missed, nobody voted, or the first place is tied.
    NoDecision,
}

/// One action of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResultAction {
    /// Declares what the tallies listed add up to.
    Declare(Declaration),
}

/// A result, which anyone recomputes from the tallies that it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The tally records in it, in ascending order of record id.
    pub tallies: Vec<RecordId>,
    /// The sum by ballots.
    pub counts: Counts,
    /// Communities for, against and undecided by their own outcome.
    pub communities: CommunitySum,
    /// What was decided.
    pub outcome: Outcome,
}

/// How many communities came to which outcome. For polls of more than two options only `undecided` and the winner's
/// number are of use; see the register for each community's own winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct CommunitySum {
    /// Carried, or a winner was found.
    pub carried: u32,
    /// Not carried.
    pub not_carried: u32,
    /// No decision.
    pub undecided: u32,
}

fn hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&data_encoding::HEXLOWER.encode_display(bytes))
}
