//! Why a record of a poll does not count.

use std::fmt;

use record::{
    CommunityId, RecordId, UnixMillis,
    limits::{MAX_BALLOTS, MAX_POLL_OPTIONS},
};

use crate::instant::Written;

/// The part of a result in which it differs from what its tallies add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The number of ballots.
    Ballots,
    /// The number of blank ballots.
    Blank,
    /// The number of spoiled papers.
    Spoiled,
    /// The votes for the options.
    Options,
    /// The sum by communities.
    Communities,
    /// What was decided.
    Outcome,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ballots => "the number of ballots",
            Self::Blank => "the number of blank ballots",
            Self::Spoiled => "the number of spoiled papers",
            Self::Options => "the votes for the options",
            Self::Communities => "the sum by communities",
            Self::Outcome => "the outcome",
        })
    }
}

/// Why a record of a poll does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Two options for yes or no, otherwise 2 to [`MAX_POLL_OPTIONS`].
    #[error(
        "The poll has {n_options} options; yes or no has 2, other questions 2 to {MAX_POLL_OPTIONS}. Nothing was opened: open it again with another list."
    )]
    NOptions {
        /// How many it has.
        n_options: u32,
    },
    /// At least one community, in ascending order of id, each once.
    #[error(
        "The electorate is empty, or not in ascending order, each community once. Nothing was opened: open the poll again with the list put in order."
    )]
    ElectorateUnordered,
    /// A community of the electorate is not a member of the region.
    #[error(
        "{community} is in the electorate but not a member of this region. Nothing was opened: open the poll again without it, or once it has joined."
    )]
    ElectorateNotMembers {
        /// The community.
        community: CommunityId,
    },
    /// A roll with nobody on it.
    #[error(
        "The roll of {community} is empty. Nothing was opened: open the poll again once it has published a roll, or without it."
    )]
    RollEmpty {
        /// The community.
        community: CommunityId,
    },
    /// Rolls that cannot be added up.
    #[error(
        "The rolls are too large to be added up exactly. Nothing was opened: check the rolls that were copied."
    )]
    RollsOverflow,
    /// Opening, close, roots and tallies follow each other.
    #[error(
        "The poll's times do not follow each other: it opens, closes, roots come in, tallies come in. Nothing was opened: open it again with other times."
    )]
    TimesUnordered,
    /// The poll would close before it was received.
    #[error(
        "Voting would have closed on {}, before the poll was received. Nothing was opened: open it again with later times.", Written(*.closes_at)
    )]
    NoTimeToVote {
        /// When it was to close.
        closes_at: UnixMillis,
    },
    /// n is at least 1 and below d.
    #[error(
        "The threshold is not a share between 0 and 1. Nothing was opened: open the poll again, for example with 1/2."
    )]
    Threshold,
    /// A quorum of more than everybody.
    #[error(
        "The quorum of {quorum_permille} thousandths is more than everybody. Nothing was opened: open the poll again with at most 1000."
    )]
    Quorum {
        /// The quorum.
        quorum_permille: u32,
    },
    /// The smallest number of ballots is at least 1.
    #[error(
        "The smallest number of ballots for publishing counts is 0. Nothing was opened: open the poll again with at least 1; 10 is usual."
    )]
    SmallestCell,
    /// An opening opens a case and belongs to no other.
    #[error(
        "An opening opens a poll of its own; it changes nothing in this one. To change a poll, open a new one."
    )]
    OpenedTwice,
    /// The author is not in the frozen electorate.
    #[error(
        "{community} is not in the electorate of this poll, which was frozen when it opened. Nothing was counted."
    )]
    NotInElectorate {
        /// Who wrote it.
        community: CommunityId,
    },
    /// A root before the close.
    #[error(
        "Voting is open until {}, so no box is closed before. The root was not taken up: publish it after the close.", Written(*.closes_at)
    )]
    RootEarly {
        /// When the poll closes.
        closes_at: UnixMillis,
    },
    /// A root at or after its deadline.
    #[error(
        "Ballot roots were due before {}. This one was not taken up, so this community's votes are not in the result, which names it as missing.", Written(*.roots_before)
    )]
    RootLate {
        /// When roots were due.
        roots_before: UnixMillis,
    },
    /// A second, different root.
    #[error(
        "This community closed its box with {first}, and that root stands. The other one was not taken up and remains visible in the log."
    )]
    RootChanged {
        /// The record with the first root.
        first: RecordId,
    },
    /// More ballots than people.
    #[error(
        "{n_ballots} ballots for {n_on_roll} people on the roll is impossible. Nothing was taken up: count again before publishing."
    )]
    MoreBallotsThanRoll {
        /// The ballots.
        n_ballots: u64,
        /// People on the roll.
        n_on_roll: u64,
    },
    /// More ballots than one community may have.
    #[error("{n_ballots} ballots are more than the {MAX_BALLOTS} that one community may have.")]
    TooManyBallots {
        /// The ballots.
        n_ballots: u64,
    },
    /// A tally without a root in time.
    #[error(
        "{community} published no ballot root in time, so its counts cannot be checked and were not taken up."
    )]
    NoRoot {
        /// Whose tally.
        community: CommunityId,
    },
    /// Counts while boxes can still change.
    #[error(
        "Counts wait until every box is closed; {} are not. They were not taken up: publish them again when all roots are in or their hour is over.", .missing.len()
    )]
    CountsBeforeRoots {
        /// Whose roots are missing now, in ascending order.
        missing: Vec<CommunityId>,
    },
    /// A tally at or after the deadline.
    #[error(
        "Tallies were due before {}. This one was not taken up; the result names this community as missing.", Written(*.tallies_before)
    )]
    TallyLate {
        /// When tallies were due.
        tallies_before: UnixMillis,
    },
    /// Not as many ballots as at the root.
    #[error(
        "The box was closed with {at_root} ballots and {counted} were counted. The counts were not taken up: find the difference and publish again."
    )]
    RootDiffers {
        /// Ballots at the root.
        at_root: u64,
        /// Ballots counted.
        counted: u64,
    },
    /// Counts that cannot be.
    #[error(
        "The counts do not fit {n_ballots} ballots and {n_options} options. They were not taken up: add up again and publish anew."
    )]
    CellsDoNotAddUp {
        /// Ballots counted.
        n_ballots: u64,
        /// Options of the poll.
        n_options: u32,
    },
    /// Counts that would show how single people voted.
    #[error(
        "With fewer than {smallest} ballots, or 1 to 4 alike, these counts could show how a neighbour voted, so they do not count. File the tally as withheld."
    )]
    TooSmallToPublish {
        /// The fewest ballots with which counts are published.
        smallest: u64,
    },
    /// A second, different tally.
    #[error(
        "This community's tally is {first}, and it stands. The other one was not taken up and remains visible in the log."
    )]
    AlreadyCounted {
        /// The record with the first tally.
        first: RecordId,
    },
    /// Somebody else declares before the opener's time is over.
    #[error(
        "Only {opener}, which opened this poll, may declare its result before {}. Nothing was declared: ask them, or declare it then.", Written(*.any_from)
    )]
    NotTheOpener {
        /// Who opened it.
        opener: CommunityId,
        /// From when any member may.
        any_from: UnixMillis,
    },
    /// A result while tallies may still come.
    #[error(
        "Tallies may come in until {}. Nothing was declared: declare the result when all are in, or then.", Written(*.tallies_before)
    )]
    TooEarly {
        /// When the last tally is due.
        tallies_before: UnixMillis,
    },
    /// The list is not in ascending order, each once.
    #[error(
        "The result does not list its tallies in ascending order, each once, and was not taken up. Write it again in order."
    )]
    TalliesUnordered,
    /// A tally in time is left out.
    #[error(
        "The result leaves out {} tallies received in time, so it is void. Declare it again with them.", .omitted.len()
    )]
    OmitsTally {
        /// The tallies left out, in ascending order.
        omitted: Vec<RecordId>,
    },
    /// Something listed is no tally in time.
    #[error(
        "The result lists {} records that are not tallies received in time, so it is void. Declare it again without them.", .included.len()
    )]
    IncludesTally {
        /// What does not belong, in ascending order.
        included: Vec<RecordId>,
    },
    /// The sums or the outcome are not what the tallies give.
    #[error(
        "Adding up its tallies gives another figure: {part} differs. The result is void; the tallies are safe. Add up again and declare anew."
    )]
    SumDiffers {
        /// Where it differs first.
        part: Part,
    },
    /// Another result counts.
    #[error("The result was declared by {first}, and that stands.")]
    AlreadyDeclared {
        /// The record that declared it.
        first: RecordId,
    },
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NOptions { .. } => "poll.n_options",
            Self::ElectorateUnordered => "poll.electorate_unordered",
            Self::ElectorateNotMembers { .. } => "poll.electorate_not_members",
            Self::RollEmpty { .. } => "poll.roll_empty",
            Self::RollsOverflow => "poll.rolls_overflow",
            Self::TimesUnordered => "poll.times_unordered",
            Self::NoTimeToVote { .. } => "poll.no_time_to_vote",
            Self::Threshold => "poll.threshold",
            Self::Quorum { .. } => "poll.quorum",
            Self::SmallestCell => "poll.smallest_cell",
            Self::OpenedTwice => "poll.opened_twice",
            Self::NotInElectorate { .. } => "poll.not_in_electorate",
            Self::RootEarly { .. } => "tally.root_early",
            Self::RootLate { .. } => "tally.root_late",
            Self::RootChanged { .. } => "tally.root_changed",
            Self::MoreBallotsThanRoll { .. } => "tally.more_ballots_than_roll",
            Self::TooManyBallots { .. } => "poll.too_many_ballots",
            Self::NoRoot { .. } => "tally.no_root",
            Self::CountsBeforeRoots { .. } => "tally.counts_before_roots",
            Self::TallyLate { .. } => "tally.late",
            Self::RootDiffers { .. } => "tally.root_differs",
            Self::CellsDoNotAddUp { .. } => "tally.cells_do_not_add_up",
            Self::TooSmallToPublish { .. } => "tally.too_small_to_publish",
            Self::AlreadyCounted { .. } => "tally.already_counted",
            Self::NotTheOpener { .. } => "result.not_the_opener",
            Self::TooEarly { .. } => "result.too_early",
            Self::TalliesUnordered => "result.tallies_unordered",
            Self::OmitsTally { .. } => "result.omits_tally",
            Self::IncludesTally { .. } => "result.includes_tally",
            Self::SumDiffers { .. } => "result.sum_differs",
            Self::AlreadyDeclared { .. } => "result.already_declared",
        }
    }
}
