//! What goes into a fold and what comes out: records with receipts in, a case out.

use record::{CommunityId, ItemId, LogName, Payload, RecordId, UnixMillis, place::Place};

use crate::{covenant, opportunity, poll, pool, refusal::Refusal};

/// One record of a case, as the rules see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRecord {
    /// Its leaf hash.
    pub id: RecordId,
    /// Whose log it is in.
    pub community: CommunityId,
    /// Which era of that log.
    pub era: u32,
    /// The place in the log, from 0.
    pub index: u64,
    /// The author's time. It orders what commutes and never decides between parties.
    pub time: UnixMillis,
    /// The header's references. The first names the case, except in an opening record.
    pub references: Vec<RecordId>,
    /// The k-th earliest receipt; `None` while there is none, and then the record counts provisionally.
    pub received_at: Option<UnixMillis>,
    /// Whether its log forked and it lies behind the head at which the log is frozen (ARCHITECTURE §6, Forks).
    pub frozen: bool,
    /// What it says.
    pub payload: Payload,
}

impl CaseRecord {
    /// The log that it is in.
    #[must_use]
    pub const fn log(&self) -> LogName {
        LogName { community: self.community, era: self.era }
    }

    /// Whether it was received before this deadline. The instant of the deadline is too late; no receipt yet is in
    /// time, provisionally.
    #[must_use]
    pub fn is_before(&self, deadline: UnixMillis) -> bool {
        self.received_at.is_none_or(|at| at < deadline)
    }

    /// When it was received; without a receipt, `now`: it cannot be received earlier than that.
    #[must_use]
    pub fn arrives_at(&self, now: UnixMillis) -> UnixMillis {
        self.received_at.unwrap_or(now)
    }

    /// When it was received; without a receipt, the author's time. For showing, never for deciding between parties.
    #[must_use]
    pub fn shown_at(&self) -> UnixMillis {
        self.received_at.unwrap_or(self.time)
    }
}

/// The kind of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseKind {
    /// A signed agreement.
    Covenant,
    /// A contracting process.
    Opportunity,
    /// Joined demand.
    Pool,
    /// A question to several communities.
    Poll,
}

/// A case's public content, by kind. Its JSON is served in the register.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseBody {
    /// A covenant.
    Covenant(covenant::CovenantView),
    /// An opportunity.
    Opportunity(opportunity::OpportunityView),
    /// A pool with its pledges.
    Pool(pool::PoolView),
    /// A poll with its tallies.
    Poll(poll::PollView),
}

/// Whether a record counts in its case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Counts,
    /// It says again what already counts: not an error, and without effect.
    Repeat,
    /// It breaks a rule. It keeps its place in the log, and its reason is public.
    Refused(Refusal),
}

/// The verdict on one record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Judgement {
    /// The record.
    pub record: RecordId,
    /// What became of it.
    pub verdict: Verdict,
}

/// A step in a case's life, and an item of the feed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Transition {
    /// The item's id, equal at every coordinator; see [`crate::item_id`].
    pub item: ItemId,
    /// The stable name of the step, such as `covenant.in_force`.
    pub what: &'static str,
    /// The records that caused it, in ascending order of id; empty when the clock did.
    pub causes: Vec<RecordId>,
    /// The deadline that caused it, if the clock did.
    pub deadline: Option<UnixMillis>,
    /// The community whose record caused it, if it was one community.
    pub community: Option<CommunityId>,
    /// Where the case is, if its records say.
    pub places: Vec<Place>,
    /// The newest receipt among the causes, or the deadline; without a receipt, the author's time.
    pub at: UnixMillis,
    /// One sentence in English of ids, numbers and state words; nothing in it can be erased.
    pub summary: String,
}

/// A case: what its opening record started, as far as its records tell.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Case {
    /// The id of the opening record.
    pub id: RecordId,
    /// Its kind.
    pub kind: CaseKind,
    /// Where it stands, in RECORDS.md's words; `refused` when the opening record itself breaks a rule.
    pub state: &'static str,
    /// Whether a receipt is missing, or a deadline that decided something passed within
    /// [`crate::SETTLING_MILLIS`].
    pub provisional: bool,
    /// What it holds.
    pub body: CaseBody,
    /// The verdict on every record of the case, in canonical order; last come those that have no room in it.
    pub judgements: Vec<Judgement>,
    /// Its steps, in order of time.
    pub transitions: Vec<Transition>,
    /// The next instant at which the clock alone changes something here, and what: fold again then.
    pub next_deadline: Option<(UnixMillis, &'static str)>,
}
