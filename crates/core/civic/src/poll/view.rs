//! A poll as the register shows it.

use record::{
    CommunityId, RecordId, RegionId, UnixMillis,
    payload::poll::{
        CommunitySum, Constituency, Counts, DecidingSum, Declaration, Method, Mode, Outcome,
        PollOpening, Threshold,
    },
};

use super::Poll;
use crate::{
    case::{Case, CaseBody},
    count::{self, Tally},
};

/// A poll's public content. Every figure is from published tallies; none is of a person.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PollView {
    /// The region.
    pub region: RegionId,
    /// Who opened it.
    pub opener: CommunityId,
    /// How votes are counted.
    pub method: Method,
    /// Secret or roll-call.
    pub mode: Mode,
    /// The number of options; their words are the labels of the text.
    pub options: u32,
    /// Who votes, with the rolls as frozen.
    pub electorate: Vec<Constituency>,
    /// Voting begins.
    pub opens_at: UnixMillis,
    /// Voting ends.
    pub closes_at: UnixMillis,
    /// Roots are due before this instant.
    pub roots_before: UnixMillis,
    /// Tallies are due before this instant.
    pub tallies_before: UnixMillis,
    /// For yes or no: more than this share carries it.
    pub threshold: Threshold,
    /// The turnout that the poll needs to decide, in thousandths.
    pub quorum_permille: u32,
    /// The sum that decides.
    pub deciding_sum: DecidingSum,
    /// The fewest ballots with which a community publishes counts.
    pub smallest_cell: u32,
    /// How long the result may be challenged, in days.
    pub challenge_days: u32,
    /// The closed boxes, in ascending order of community.
    pub roots: Vec<RootView>,
    /// The communities without a root, in ascending order.
    pub missing_roots: Vec<CommunityId>,
    /// The tallies in time, in ascending order of community.
    pub tallies: Vec<TallyView>,
    /// The communities without a tally, in ascending order.
    pub missing_tallies: Vec<CommunityId>,
    /// The sums of the published counts; none while there is no tally.
    pub sums: Option<PollSums>,
    /// Ballots cast in all tallies in time, withheld ones included.
    pub ballots: u64,
    /// People on all rolls, whether their tallies are in or not.
    pub roll: u64,
    /// Ballots over roll, in thousandths, rounded down.
    pub turnout_permille: u16,
    /// Ballots in withheld tallies, which the sums are without.
    pub without_ballots: u64,
    /// What was decided; none until every tally that can come is in.
    pub outcome: Option<Outcome>,
    /// The record that declared it.
    pub result: Option<RecordId>,
    /// When the challenge window is over, once the result is declared.
    pub confirmed_at: Option<UnixMillis>,
    /// How far the figures have been checked: `self-declared` means signed by each community, and no more.
    pub level: &'static str,
}

/// A closed box.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RootView {
    /// Whose.
    pub community: CommunityId,
    /// The record.
    pub record: RecordId,
    /// The root, in hexadecimal.
    #[serde(serialize_with = "crate::instant::hex")]
    pub ballot_root: [u8; 32],
    /// Ballots cast.
    pub n_ballots: u64,
}

/// One community's tally.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TallyView {
    /// Whose.
    pub community: CommunityId,
    /// The record.
    pub record: RecordId,
    /// Ballots cast.
    pub n_ballots: u64,
    /// The counts; none where they are withheld.
    pub counts: Option<Counts>,
    /// The community's own outcome under the poll's rule; none where the counts are withheld.
    pub outcome: Option<Outcome>,
    /// As for the poll.
    pub level: &'static str,
}

/// The sums that are always made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PollSums {
    /// By ballots.
    pub counts: Counts,
    /// By communities.
    pub communities: CommunitySum,
}

/// The result of this poll as it is to be declared now; `None` until every tally that can come is in, and for a case of
/// another kind.
#[must_use]
pub fn declaration(case: &Case) -> Option<Declaration> {
    let poll = match &case.body {
        CaseBody::Poll(poll) => poll,
        CaseBody::Covenant(_) | CaseBody::Opportunity(_) | CaseBody::Pool(_) => return None,
    };
    let outcome = poll.outcome?;
    let mut tallies: Vec<RecordId> = poll.tallies.iter().map(|tally| tally.record).collect();
    tallies.sort_unstable();
    let by_option = vec![0; usize::try_from(poll.options).unwrap_or(0)];
    let nothing = PollSums {
        counts: Counts { n_ballots: 0, n_blank: 0, n_spoiled: 0, by_option },
        communities: CommunitySum::default(),
    };
    let PollSums { counts, communities } = poll.sums.clone().unwrap_or(nothing);
    Some(Declaration { tallies, counts, communities, outcome })
}

/// The only level there is without scrutineers (VOTES.md, Levels).
pub const SELF_DECLARED: &str = "self-declared";

pub(super) fn view(poll: &Poll<'_>) -> PollView {
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
    } = poll.terms;
    let tallies = poll.tallies();
    let sum = count::sum(poll.terms, &tallies);
    let n_cast = n_ballots(tallies.iter());
    let roll = count::n_on_rolls(poll.terms);
    let missing = electorate.iter().map(|it| it.community);
    PollView {
        region: *region,
        opener: poll.opening.community,
        method: *method,
        mode: *mode,
        options: *n_options,
        electorate: electorate.clone(),
        opens_at: *opens_at,
        closes_at: *closes_at,
        roots_before: *roots_before,
        tallies_before: *tallies_before,
        threshold: *threshold,
        quorum_permille: *quorum_permille,
        deciding_sum: *deciding_sum,
        smallest_cell: *smallest_cell,
        challenge_days: *challenge_days,
        roots: root_views(poll),
        missing_roots: poll.missing_roots(),
        tallies: tallies.iter().map(|tally| tally_view(poll.terms, tally)).collect(),
        missing_tallies: missing.filter(|it| !poll.tallies.contains_key(it)).collect(),
        sums: (!tallies.is_empty())
            .then_some(PollSums { counts: sum.counts, communities: sum.communities }),
        ballots: n_cast,
        roll,
        turnout_permille: count::turnout_permille(n_cast, roll),
        without_ballots: n_ballots(tallies.iter().filter(|tally| tally.counts().is_none())),
        outcome: poll.is_tallied().then_some(sum.outcome),
        result: poll.result.map(|(record, _)| record.id),
        confirmed_at: poll.confirmed_at(),
        level: SELF_DECLARED,
    }
}

fn n_ballots<'t>(tallies: impl Iterator<Item = &'t Tally>) -> u64 {
    tallies.map(Tally::n_ballots).fold(0, u64::saturating_add)
}

fn root_views(poll: &Poll<'_>) -> Vec<RootView> {
    let root_view = |(community, root): (&CommunityId, &super::Root<'_>)| RootView {
        community: *community,
        record: root.record.id,
        ballot_root: root.ballot_root,
        n_ballots: root.n_ballots,
    };
    poll.roots.iter().map(root_view).collect()
}

fn tally_view(terms: &PollOpening, tally: &Tally) -> TallyView {
    TallyView {
        community: tally.community,
        record: tally.record,
        n_ballots: tally.n_ballots(),
        counts: tally.counts().cloned(),
        outcome: count::community_outcome(terms, tally),
        level: SELF_DECLARED,
    }
}

/// An outcome in words; options are numbered from 1, as people see them.
pub(super) fn outcome_words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Carried => "carried".to_owned(),
        Outcome::NotCarried => "not carried".to_owned(),
        Outcome::Won { option } => format!("option {} won", u64::from(option) + 1),
        Outcome::NoDecision => "no decision".to_owned(),
    }
}
