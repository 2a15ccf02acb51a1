//! Pools and pledges: joined demand for one thing.

use crate::{
    ids::{RecordId, RegionId},
    money::Money,
    time::UnixMillis,
};

/// The longest name of a unit, in bytes.
pub const MAX_UNIT_BYTES: usize = 32;

/// When a pool that has met its threshold may be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockRule {
    /// Only once it has closed.
    AtClose,
    /// As soon as the threshold is met.
    OnThreshold,
}

/// The opening record of a pool. Its author leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOpening {
    /// The region to whose register it belongs.
    pub region: RegionId,
    /// The one unit that pledges are counted in: `each`, `kWh`, `hours`. 1 to
    /// [`MAX_UNIT_BYTES`] ASCII letters, digits and inner spaces.
    pub unit: String,
    /// The quantity of firm pledges that makes the purchase worth while.
    pub threshold: u64,
    /// The opportunity it is for, if any.
    pub opportunity: Option<RecordId>,
    /// The CPV code of the thing, as a number.
    pub cpv: Option<u32>,
    /// The price hoped for, for each unit, without tax.
    pub unit_price: Option<Money>,
    /// Pledges count when received before this instant.
    pub closes_at: UnixMillis,
    /// How long after `closes_at` only the lead may close; from then on any member may. Milliseconds.
    pub grace_millis: u64,
    /// When it may be locked.
    pub lock_rule: LockRule,
}

/// One action in a pool's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolAction {
    /// Opens it.
    Open(PoolOpening),
    /// Closes it: locked if the firm pledges listed reach the threshold, expired if not.
    Close {
        /// Every firm pledge that stood when it closed, in ascending order of record id.
        pledges: Vec<RecordId>,
    },
}

/// One action in a pledge's life, each in the pledging community's own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PledgeAction {
    /// Pledges a quantity. A community's newer pledge replaces its older one.
    Make {
        /// How much, in the pool's unit; never 0.
        quantity: u64,
        /// Firm pledges count; soft ones are shown.
        firm: bool,
    },
    /// Takes the community's own pledge back; only until the lock.
    Withdraw {
        /// The record that made the pledge.
        pledge: RecordId,
    },
}
