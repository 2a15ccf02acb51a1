//! A pool as the register shows it, and the list that its closing needs.

use record::{
    CommunityId, Money, RecordId, RegionId, UnixMillis,
    payload::pool::{LockRule, PoolOpening},
};

use super::Pool;
use crate::case::{Case, CaseBody};

/// A pool's public content.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PoolView {
    /// The region.
    pub region: RegionId,
    /// Who leads it.
    pub lead: CommunityId,
    /// The unit that pledges are counted in.
    pub unit: String,
    /// The firm quantity that makes the purchase worth while.
    pub threshold: u64,
    /// The firm quantity pledged.
    pub quantity: u64,
    /// The soft quantity pledged, which is shown and does not count.
    pub soft_quantity: u64,
    /// How many communities have pledged firmly.
    pub communities: usize,
    /// The pledges that stand, in ascending order of community.
    pub pledges: Vec<PledgeView>,
    /// Pledges count when received before this instant.
    pub closes_at: UnixMillis,
    /// From then on any member may close it.
    pub any_member_closes_from: UnixMillis,
    /// When it may be locked.
    pub lock_rule: LockRule,
    /// The opportunity it is for.
    pub opportunity: Option<RecordId>,
    /// The CPV code of the thing.
    pub cpv: Option<u32>,
    /// The price hoped for, for each unit, without tax.
    pub unit_price: Option<Money>,
    /// The closing that counts.
    pub closing: Option<RecordId>,
}

/// A pledge that stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PledgeView {
    /// The record that made it.
    pub record: RecordId,
    /// Who pledged.
    pub community: CommunityId,
    /// How much.
    pub quantity: u64,
    /// Firm pledges count; soft ones are shown.
    pub firm: bool,
    /// When it was received.
    pub received_at: Option<UnixMillis>,
}

/// What a closing of this pool must list now: the firm pledges that stand, in ascending order of record id.
///
/// Empty for a case of another kind.
#[must_use]
pub fn closing_list(case: &Case) -> Vec<RecordId> {
    let pledges: &[PledgeView] = match &case.body {
        CaseBody::Pool(pool) => &pool.pledges,
        CaseBody::Covenant(_) | CaseBody::Opportunity(_) | CaseBody::Poll(_) => &[],
    };
    let mut list: Vec<RecordId> =
        pledges.iter().filter(|pledge| pledge.firm).map(|pledge| pledge.record).collect();
    list.sort_unstable();
    list
}

pub(super) fn view(pool: &Pool<'_>) -> PoolView {
    let PoolOpening {
        region,
        unit,
        threshold,
        opportunity,
        cpv,
        unit_price,
        closes_at,
        grace_millis: _,
        lock_rule,
    } = pool.terms;
    let standing = pool.pledges.standing(pool.cut());
    let soft = standing.iter().filter(|pledge| !pledge.firm).map(|pledge| pledge.quantity);
    let pledges = standing.iter().map(|pledge| PledgeView {
        record: pledge.record.id,
        community: pledge.record.community,
        quantity: pledge.quantity,
        firm: pledge.firm,
        received_at: pledge.record.received_at,
    });
    PoolView {
        region: *region,
        lead: pool.opening.community,
        unit: unit.clone(),
        threshold: *threshold,
        quantity: pool.quantity(),
        soft_quantity: soft.fold(0, u64::saturating_add),
        communities: standing.iter().filter(|pledge| pledge.firm).count(),
        pledges: pledges.collect(),
        closes_at: *closes_at,
        any_member_closes_from: pool.overdue_at(),
        lock_rule: *lock_rule,
        opportunity: *opportunity,
        cpv: *cpv,
        unit_price: *unit_price,
        closing: pool.closing.as_ref().map(|closing| closing.record.id),
    }
}
