//! Pledges as they were made, replaced and withdrawn; which of them stand at a cut.

use std::collections::{BTreeMap, BTreeSet};

use record::{CommunityId, RecordId, UnixMillis, payload::PledgeAction};

use super::{Event, MAX_PLEDGE, Refusal};
use crate::case::CaseRecord;

/// Every pledge and withdrawal that keeps the rules, in canonical order.
#[derive(Debug, Clone, Default)]
pub(super) struct Pledges<'a> {
    actions: Vec<(&'a CaseRecord, &'a PledgeAction)>,
}

/// A pledge that stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pledge<'a> {
    pub(super) record: &'a CaseRecord,
    pub(super) quantity: u64,
    pub(super) firm: bool,
}

/// Up to when pledges count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut<'a> {
    /// Received before this instant: in time, listed or not.
    pub(super) at: UnixMillis,
    /// Received at or after this instant: too late, listed or not.
    pub(super) closes_at: UnixMillis,
    /// What the closing lists; decides about receipts in between and about records without one. `None` while there is
    /// no closing: then those count.
    pub(super) listed: Option<&'a BTreeSet<RecordId>>,
}

/// How a record's receipt lies to a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timing {
    InTime,
    AsListed,
    TooLate,
}

impl Cut<'_> {
    fn timing(&self, record: &CaseRecord) -> Timing {
        match record.received_at {
            Some(at) if at < self.at => Timing::InTime,
            Some(at) if self.closes_at <= at => Timing::TooLate,
            Some(_) | None => Timing::AsListed,
        }
    }

    fn lists(&self, id: RecordId) -> Option<bool> {
        self.listed.map(|listed| listed.contains(&id))
    }
}

/// What an effective record made: a quantity, firm or soft; or `None` for a withdrawal.
pub(super) type Made = Option<(u64, bool)>;

impl<'a> Pledges<'a> {
    pub(super) fn handle(
        &mut self,
        record: &'a CaseRecord,
        action: &'a PledgeAction,
        closes_at: UnixMillis,
    ) -> Result<Event, Refusal> {
        let event = match action {
            PledgeAction::Make { quantity: 0, .. } => return Err(Refusal::PledgeZero),
            PledgeAction::Make { quantity, .. } if MAX_PLEDGE < *quantity => {
                return Err(Refusal::PledgeOverflow { quantity: *quantity });
            }
            PledgeAction::Make { .. } => Event::Pledged,
            PledgeAction::Withdraw { pledge } => {
                self.verify_withdrawal(record.community, *pledge)?;
                Event::Withdrawn
            }
        };
        if !record.is_before(closes_at) {
            return Err(Refusal::Closed { closed_at: closes_at });
        }
        if event == Event::Withdrawn && self.of(record.community).last().is_some_and(is_withdrawal)
        {
            return Ok(Event::AlreadySaid);
        }
        self.actions.push((record, action));
        Ok(event)
    }

    /// A withdrawal names the community's newest pledge.
    fn verify_withdrawal(&self, community: CommunityId, named: RecordId) -> Result<(), Refusal> {
        let makes = |(_, action): &(&CaseRecord, &PledgeAction)| match action {
            PledgeAction::Make { .. } => true,
            PledgeAction::Withdraw { .. } => false,
        };
        let mut own = self.of(community).filter(makes);
        if !own.clone().any(|(record, _)| record.id == named) {
            return Err(Refusal::PledgeNotYours { named });
        }
        match own.next_back() {
            Some((newest, _)) if newest.id != named => {
                Err(Refusal::PledgeReplaced { newest: newest.id })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn of(
        &self,
        community: CommunityId,
    ) -> impl DoubleEndedIterator<Item = (&'a CaseRecord, &'a PledgeAction)> + Clone {
        self.actions.iter().copied().filter(move |(record, _)| record.community == community)
    }

    /// The records that took effect, in canonical order, and what each made.
    pub(super) fn effective(&self, cut: Cut<'_>) -> Vec<(&'a CaseRecord, Made)> {
        let mut current: BTreeMap<CommunityId, Pledge<'a>> = BTreeMap::new();
        let mut effective = Vec::new();
        for (record, action) in &self.actions {
            let held = current.get(&record.community).copied();
            let timing = cut.timing(record);
            match action {
                PledgeAction::Make { quantity, firm } => {
                    let pledge = Pledge { record, quantity: *quantity, firm: *firm };
                    if makes_effect(timing, cut, pledge, held) {
                        current.insert(record.community, pledge);
                        effective.push((*record, Some((*quantity, *firm))));
                    }
                }
                PledgeAction::Withdraw { pledge } => {
                    let names_held = held.is_some_and(|held| held.record.id == *pledge);
                    let kept = timing == Timing::AsListed && cut.lists(*pledge) == Some(true);
                    if names_held && timing != Timing::TooLate && !kept {
                        current.remove(&record.community);
                        effective.push((*record, None));
                    }
                }
            }
        }
        effective
    }

    /// The pledges that stand, in ascending order of community.
    pub(super) fn standing(&self, cut: Cut<'_>) -> Vec<Pledge<'a>> {
        let mut standing: BTreeMap<CommunityId, Pledge<'a>> = BTreeMap::new();
        for (record, made) in self.effective(cut) {
            match made {
                Some((quantity, firm)) => {
                    standing.insert(record.community, Pledge { record, quantity, firm });
                }
                None => {
                    standing.remove(&record.community);
                }
            }
        }
        standing.into_values().collect()
    }

    /// The record with which the firm quantity first reached `threshold`, in order of receipt.
    pub(super) fn meeting(&self, threshold: u64, cut: Cut<'_>) -> Option<&'a CaseRecord> {
        let mut effective = self.effective(cut);
        effective.sort_by_key(|(record, _)| record.received_at.map_or(u64::MAX, |at| at.0));
        let mut firm: BTreeMap<CommunityId, u64> = BTreeMap::new();
        let mut total = 0u64;
        for (record, made) in effective {
            let quantity = made.filter(|(_, firm)| *firm).map_or(0, |(quantity, _)| quantity);
            let before = firm.insert(record.community, quantity).unwrap_or(0);
            total = total.saturating_sub(before).saturating_add(quantity);
            if threshold <= total {
                return Some(record);
            }
        }
        None
    }
}

fn is_withdrawal((_, action): (&CaseRecord, &PledgeAction)) -> bool {
    match action {
        PledgeAction::Withdraw { .. } => true,
        PledgeAction::Make { .. } => false,
    }
}

/// Whether a pledge took effect. In the time between, a firm one does if it is listed, and a soft one does unless the
/// closing lists the firm pledge that it would replace.
fn makes_effect(
    timing: Timing,
    cut: Cut<'_>,
    pledge: Pledge<'_>,
    held: Option<Pledge<'_>>,
) -> bool {
    match (timing, pledge.firm) {
        (Timing::InTime, _) => true,
        (Timing::TooLate, _) => false,
        (Timing::AsListed, true) => cut.lists(pledge.record.id) != Some(false),
        (Timing::AsListed, false) => {
            held.filter(|held| held.firm).is_none_or(|held| cut.lists(held.record.id) != Some(true))
        }
    }
}
