//! Why a record of a pool does not count.

use record::{CommunityId, RecordId, UnixMillis, payload::pool::MAX_UNIT_BYTES};

use super::MAX_PLEDGE;
use crate::instant::Written;

/// Why a record of a pool does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The unit is 1 to [`MAX_UNIT_BYTES`] letters, digits and inner spaces.
    #[error(
        "The unit is not 1 to {MAX_UNIT_BYTES} letters, digits and spaces, such as `each` or `kWh`. Nothing was opened: open the pool again with such a unit."
    )]
    Unit,
    /// A threshold is at least 1.
    #[error(
        "The threshold is 0, so there would be nothing to reach. Nothing was opened: open the pool again with a threshold."
    )]
    ThresholdZero,
    /// The pool would close before it was received.
    #[error(
        "The pool would have closed on {}, before it was received. Nothing was opened: open it again with a later date.", Written(*.closes_at)
    )]
    NoTimeToPledge {
        /// When it was to close.
        closes_at: UnixMillis,
    },
    /// An opening opens a case and belongs to no other.
    #[error("An opening opens a pool of its own; it changes nothing in this one.")]
    OpenedTwice,
    /// A pledge of nothing.
    #[error(
        "A pledge of 0 is no pledge, and it was not added. To take a pledge back, withdraw it."
    )]
    PledgeZero,
    /// A quantity that could not be added up.
    #[error(
        "A pledge of {quantity} is more than {MAX_PLEDGE}, the most that can be added up exactly. It was not added: pledge less, or choose a larger unit."
    )]
    PledgeOverflow {
        /// The quantity.
        quantity: u64,
    },
    /// A withdrawal names a record that is no pledge of this community in this pool.
    #[error(
        "{named} is not a pledge of this community in this pool, so nothing was withdrawn. Withdraw by the id of your own pledge."
    )]
    PledgeNotYours {
        /// What it names.
        named: RecordId,
    },
    /// A withdrawal names a pledge that a newer one has replaced.
    #[error(
        "That pledge has been replaced by {newest}, so nothing was withdrawn. Withdraw the newer one."
    )]
    PledgeReplaced {
        /// The newest pledge of the community.
        newest: RecordId,
    },
    /// Received at or after `closes_at`.
    #[error("The pool closed on {}. Nothing was added or taken back. Ask the lead to open another.", Written(*.closed_at))]
    Closed {
        /// When it closed.
        closed_at: UnixMillis,
    },
    /// A closing counts already.
    #[error(
        "The pool was closed by {by}, and what that record lists stands. Nothing was added or taken back."
    )]
    Locked {
        /// The closing.
        by: RecordId,
    },
    /// Somebody else closes before the grace is over.
    #[error(
        "Only {lead}, which leads this pool, may close it before {}. It was not closed: ask the lead, or close it then.", Written(*.any_from)
    )]
    NotTheLead {
        /// Who leads.
        lead: CommunityId,
        /// From when any member may.
        any_from: UnixMillis,
    },
    /// The lock rule waits for the close.
    #[error("The pool takes pledges until {}. It was not closed: close it then.", Written(*.closes_at))]
    TooEarly {
        /// When it closes.
        closes_at: UnixMillis,
    },
    /// An early lock needs the threshold.
    #[error(
        "Firm pledges add up to {quantity} of {threshold}, so the pool cannot be locked yet. It stays open until it closes or the threshold is met."
    )]
    ThresholdNotMet {
        /// What the firm pledges add up to.
        quantity: u64,
        /// What is needed.
        threshold: u64,
    },
    /// The list is not in ascending order, each once.
    #[error(
        "The closing does not list its pledges in ascending order, each once, and was not taken up. Write it again in order."
    )]
    ClosingUnordered,
    /// A pledge received in time is left out.
    #[error(
        "The closing leaves out {} firm pledges received in time, and was not taken up. Write it again with them.", .omitted.len()
    )]
    ClosingOmits {
        /// The pledges left out, in ascending order.
        omitted: Vec<RecordId>,
    },
    /// Something listed does not stand.
    #[error(
        "The closing lists {} records that are not firm pledges standing at the close, and was not taken up. Write it again without them.", .included.len()
    )]
    ClosingIncludes {
        /// What does not belong, in ascending order.
        included: Vec<RecordId>,
    },
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unit => "pool.unit",
            Self::ThresholdZero => "pool.threshold_zero",
            Self::NoTimeToPledge { .. } => "pool.no_time_to_pledge",
            Self::OpenedTwice => "pool.opened_twice",
            Self::PledgeZero => "pledge.zero",
            Self::PledgeOverflow { .. } => "pledge.overflow",
            Self::PledgeNotYours { .. } => "pledge.not_yours",
            Self::PledgeReplaced { .. } => "pledge.replaced",
            Self::Closed { .. } => "pool.closed",
            Self::Locked { .. } => "pool.locked",
            Self::NotTheLead { .. } => "pool.not_the_lead",
            Self::TooEarly { .. } => "pool.too_early",
            Self::ThresholdNotMet { .. } => "pool.threshold_not_met",
            Self::ClosingUnordered => "pool.closing_unordered",
            Self::ClosingOmits { .. } => "pool.closing_omits",
            Self::ClosingIncludes { .. } => "pool.closing_includes",
        }
    }
}
