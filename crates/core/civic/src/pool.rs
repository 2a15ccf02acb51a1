//! The life of a pool: firm pledges in one unit, closed by a record that lists them.
//!
//! ```text
//! forming ⇄ threshold met --closing, threshold reached--> locked
//!     \          \_____________closing, not reached_____> expired
//!      \--nobody closed it within the grace--> closing overdue --any member closes--> locked / expired
//! ```
//!
//! What a closing must list is decided by receipts: every firm pledge received before the *cut*, which is `closes_at`,
//! or, for a pool that locks as soon as its threshold is met, the receipt of the lead's closing if that is earlier. A
//! pledge without a receipt, or received between an early cut and `closes_at`, stands if the closing lists it.
//! Closings are therefore judged after the pledges, in order of their receipts.
//!
//! Not here: prices, orders and deliveries.

mod pledges;
mod refusal;
#[cfg(test)]
mod tests;
mod view;

use std::collections::{BTreeMap, BTreeSet};

use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    limits::MAX_LIST_ENTRIES,
    payload::{
        PoolAction,
        pool::{LockRule, MAX_UNIT_BYTES, PoolOpening},
    },
    region::Roster,
};

use pledges::{Cut, Pledges};
pub use refusal::Refusal;
pub use view::{PledgeView, PoolView, closing_list};

use crate::{
    case::{CaseBody, CaseRecord, Verdict},
    clock::Clock,
    fold::{Life, other_kind},
    timeline::Timeline,
};

/// The largest quantity of one pledge: as many as a closing can list never overflow 64 bits together.
pub const MAX_PLEDGE: u64 = u64::MAX / MAX_LIST_ENTRIES as u64;

/// A pool as its records so far describe it.
#[derive(Debug, Clone)]
pub struct Pool<'a> {
    opening: &'a CaseRecord,
    terms: &'a PoolOpening,
    now: UnixMillis,
    pledges: Pledges<'a>,
    closing: Option<Closing<'a>>,
}

/// The closing that counts.
#[derive(Debug, Clone)]
struct Closing<'a> {
    record: &'a CaseRecord,
    listed: BTreeSet<RecordId>,
    cut: UnixMillis,
    quantity: u64,
}

/// What a record did to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The pledge is taken up; any earlier one of the same community is replaced.
    Pledged,
    /// The pledge is taken back.
    Withdrawn,
    /// The pool closed with its threshold reached.
    Locked {
        /// The firm quantity.
        quantity: u64,
    },
    /// The pool closed without it.
    Expired {
        /// The firm quantity.
        quantity: u64,
    },
    /// The same was said before; nothing changed.
    AlreadySaid,
}

impl<'a> Pool<'a> {
    pub(crate) fn new(opening: &'a CaseRecord, terms: &'a PoolOpening, now: UnixMillis) -> Self {
        Self { opening, terms, now, pledges: Pledges::default(), closing: None }
    }

    /// Takes one record of the case: all pledges first, then closings in order of receipt.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the evidence. A pledge accepted here may still prove too late once a closing counts: see
    /// [`Self::closed_with`].
    pub fn handle(&mut self, record: &'a CaseRecord) -> Result<Event, crate::Refusal> {
        match &record.payload {
            Payload::Pledge(action) => {
                Ok(self.pledges.handle(record, action, self.terms.closes_at)?)
            }
            Payload::Pool(PoolAction::Close { pledges }) => Ok(self.close(record, pledges)?),
            Payload::Pool(PoolAction::Open(_)) => Err(Refusal::OpenedTwice.into()),
            Payload::Text(_)
            | Payload::Notice(_)
            | Payload::Covenant(_)
            | Payload::Opportunity(_)
            | Payload::Roll(_)
            | Payload::Poll(_)
            | Payload::Tally(_)
            | Payload::Result(_)
            | Payload::Receipt(_)
            | Payload::Cosignatures(_)
            | Payload::Evidence(_)
            | Payload::RegionEpoch(_)
            | Payload::Affiliation(_)
            | Payload::Erase(_)
            | Payload::Erased(_)
            | Payload::Index(_)
            | Payload::Status(_) => {
                Err(crate::Refusal::OtherKind { kind: record.payload.kind().package() })
            }
        }
    }

    fn close(&mut self, record: &'a CaseRecord, list: &[RecordId]) -> Result<Event, Refusal> {
        if !list.is_sorted_by(|one, next| one < next) {
            return Err(Refusal::ClosingUnordered);
        }
        let listed: BTreeSet<RecordId> = list.iter().copied().collect();
        if let Some(Closing { record: by, listed: before, .. }) = &self.closing {
            let repeated = *before == listed;
            return if repeated {
                Ok(Event::AlreadySaid)
            } else {
                Err(Refusal::Locked { by: by.id })
            };
        }
        let is_early = record.arrives_at(self.now) < self.terms.closes_at;
        self.verify_closer(record, is_early)?;
        let early_cut = record.received_at.filter(|_| is_early);
        let cut = early_cut.unwrap_or(self.terms.closes_at);
        let quantity = self.verify_list(&listed, cut)?;
        let met = self.terms.threshold <= quantity;
        if is_early && !met {
            return Err(Refusal::ThresholdNotMet { quantity, threshold: self.terms.threshold });
        }
        self.closing = Some(Closing { record, listed, cut, quantity });
        Ok(if met { Event::Locked { quantity } } else { Event::Expired { quantity } })
    }

    /// Who may close when: the lead from the close on, or before it if the lock rule says so; any member after the
    /// grace.
    fn verify_closer(&self, record: &CaseRecord, is_early: bool) -> Result<(), Refusal> {
        let PoolOpening { closes_at, lock_rule, .. } = *self.terms;
        let lead = self.opening.community;
        let any_from = self.overdue_at();
        if record.community != lead && record.arrives_at(self.now) < any_from {
            return Err(Refusal::NotTheLead { lead, any_from });
        }
        match lock_rule {
            LockRule::AtClose if is_early => Err(Refusal::TooEarly { closes_at }),
            LockRule::AtClose | LockRule::OnThreshold => Ok(()),
        }
    }

    /// The firm quantity of a list that leaves out nothing and includes nothing else.
    fn verify_list(&self, listed: &BTreeSet<RecordId>, cut: UnixMillis) -> Result<u64, Refusal> {
        let cut = Cut { at: cut, closes_at: self.terms.closes_at, listed: Some(listed) };
        let firm = self.pledges.standing(cut).into_iter().filter(|pledge| pledge.firm);
        let (mut standing, mut quantity) = (BTreeSet::new(), 0u64);
        for pledge in firm {
            standing.insert(pledge.record.id);
            quantity = quantity.saturating_add(pledge.quantity);
        }
        let omitted: Vec<RecordId> = standing.difference(listed).copied().collect();
        if !omitted.is_empty() {
            return Err(Refusal::ClosingOmits { omitted });
        }
        let included: Vec<RecordId> = listed.difference(&standing).copied().collect();
        if !included.is_empty() {
            return Err(Refusal::ClosingIncludes { included });
        }
        Ok(quantity)
    }

    /// The closing that counts, and the pledges and withdrawals that took effect before its cut; any other came too
    /// late.
    #[must_use]
    pub fn closed_with(&self) -> Option<(RecordId, BTreeSet<RecordId>)> {
        let closing = self.closing.as_ref()?;
        let effective = self.pledges.effective(self.cut());
        Some((closing.record.id, effective.into_iter().map(|(record, _)| record.id).collect()))
    }

    /// When the pool closes, then when its closing is overdue.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        self.clock().next_deadline()
    }

    fn cut(&self) -> Cut<'_> {
        let closes_at = self.terms.closes_at;
        let at = self.closing.as_ref().map_or(closes_at, |closing| closing.cut);
        Cut { at, closes_at, listed: self.closing.as_ref().map(|closing| &closing.listed) }
    }

    const fn overdue_at(&self) -> UnixMillis {
        self.terms.closes_at.plus_millis(self.terms.grace_millis)
    }

    /// Whether pledging ended by the clock, and not by an early lock. A closing without a receipt may yet prove late.
    fn stayed_open_until_the_close(&self) -> bool {
        let early = |closing: &Closing<'_>| {
            closing.record.received_at.is_some() && closing.cut < self.terms.closes_at
        };
        !self.closing.as_ref().is_some_and(early)
    }

    /// Whether the grace ends without a closing.
    fn closing_came_overdue(&self) -> bool {
        let before = |closing: &Closing<'_>| {
            closing.record.received_at.is_some_and(|at| at < self.overdue_at())
        };
        !self.closing.as_ref().is_some_and(before)
    }

    /// The firm quantity that stands.
    fn quantity(&self) -> u64 {
        let standing = self.pledges.standing(self.cut());
        let firm = standing.iter().filter(|pledge| pledge.firm).map(|pledge| pledge.quantity);
        firm.fold(0, u64::saturating_add)
    }

    fn close_in_turn(&mut self, records: &[&'a CaseRecord]) -> Vec<(RecordId, Verdict)> {
        let mut closings: Vec<&CaseRecord> = records
            .iter()
            .copied()
            .filter(|record| matches!(record.payload, Payload::Pool(_)))
            .collect();
        closings.sort_by_key(|record| record.received_at.map_or(u64::MAX, |at| at.0));
        closings.into_iter().map(|record| (record.id, self.verdict(record))).collect()
    }

    fn verdict(&mut self, record: &'a CaseRecord) -> Verdict {
        match self.handle(record) {
            Ok(Event::AlreadySaid) => Verdict::Repeat,
            Ok(
                Event::Pledged | Event::Withdrawn | Event::Locked { .. } | Event::Expired { .. },
            ) => Verdict::Counts,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn tell_pledges(&self, timeline: &mut Timeline) {
        let case = self.opening.id;
        for (record, made) in self.pledges.effective(self.cut()) {
            let community: CommunityId = record.community;
            let (what, summary) = match made {
                Some((quantity, firm)) => {
                    let (word, unit) = (if firm { "firm" } else { "soft" }, &self.terms.unit);
                    let summary =
                        format!("{community} pledged {quantity} ({unit}, {word}) to pool {case}.");
                    ("pool.pledged", summary)
                }
                None => {
                    let summary = format!("{community} withdrew its pledge from pool {case}.");
                    ("pool.withdrawn", summary)
                }
            };
            timeline.caused(what, &[record], summary);
        }
    }
}

impl<'a> Life<'a> for Pool<'a> {
    fn verify_opening(&self, _: &Roster) -> Result<(), crate::Refusal> {
        let PoolOpening { unit, threshold, closes_at, .. } = self.terms;
        let formed = unit.bytes().all(|b| b.is_ascii_alphanumeric() || b == b' ')
            && unit.trim() == unit
            && (1..=MAX_UNIT_BYTES).contains(&unit.len());
        if !formed {
            return Err(Refusal::Unit.into());
        }
        if *threshold == 0 {
            return Err(Refusal::ThresholdZero.into());
        }
        if *closes_at <= self.opening.shown_at() {
            return Err(Refusal::NoTimeToPledge { closes_at: *closes_at }.into());
        }
        Ok(())
    }

    fn judge(&mut self, records: &[&'a CaseRecord]) -> Vec<Verdict> {
        let is_pledge = |record: &CaseRecord| matches!(record.payload, Payload::Pledge(_));
        let mut verdicts = BTreeMap::new();
        for record in records.iter().copied().filter(|record| is_pledge(record)) {
            verdicts.insert(record.id, self.verdict(record));
        }
        verdicts.extend(self.close_in_turn(records));
        if let Some((by, stood)) = self.closed_with() {
            let late = records.iter().filter(|it| is_pledge(it) && !stood.contains(&it.id));
            for record in late {
                if let Some(verdict @ Verdict::Counts) = verdicts.get_mut(&record.id) {
                    *verdict = Verdict::Refused(Refusal::Locked { by }.into());
                }
            }
        }
        let verdict_on = |record: &CaseRecord| match verdicts.remove(&record.id) {
            Some(verdict) => verdict,
            None => other_kind(record),
        };
        records.iter().copied().map(verdict_on).collect()
    }

    fn state(&self) -> &'static str {
        let met = |quantity| self.terms.threshold <= quantity;
        match &self.closing {
            Some(closing) if met(closing.quantity) => "locked",
            Some(_) => "expired",
            None if self.overdue_at() <= self.now => "closing overdue",
            None if met(self.quantity()) => "threshold met",
            None => "forming",
        }
    }

    fn clock(&self) -> Clock {
        let mut clock = Clock::new(self.now);
        clock.rests_on(self.opening);
        for (record, _) in self.pledges.effective(self.cut()) {
            clock.rests_on(record);
        }
        if let Some(closing) = &self.closing {
            clock.rests_on(closing.record);
        }
        if self.stayed_open_until_the_close() {
            clock.awaits(self.terms.closes_at, "pool closes");
        }
        if self.closing_came_overdue() {
            clock.awaits(self.overdue_at(), "closing overdue");
        }
        clock.decided(self.cut().at);
        clock
    }

    fn timeline(&self) -> Timeline {
        Timeline::new(self.opening.id, self.now, Vec::new())
    }

    fn tell(&self, timeline: &mut Timeline) {
        let (case, lead) = (self.opening.id, self.opening.community);
        let PoolOpening { threshold, unit, .. } = self.terms;
        let opened = format!("{lead} opened pool {case} for at least {threshold} ({unit}).");
        timeline.caused("pool.opened", &[self.opening], opened);
        self.tell_pledges(timeline);
        if let Some(record) = self.pledges.meeting(*threshold, self.cut()) {
            let summary = format!("Firm pledges to pool {case} reached {threshold} ({unit}).");
            timeline.caused("pool.threshold_met", &[record], summary);
        }
        if self.stayed_open_until_the_close() {
            let summary = format!("Pool {case} takes no more pledges.");
            timeline.due("pool.pledging_closed", self.terms.closes_at, &summary);
        }
        if self.closing_came_overdue() {
            let summary = format!(
                "The closing of pool {case} by {lead} is overdue: any member may close it."
            );
            timeline.due("pool.closing_overdue", self.overdue_at(), &summary);
        }
        if let Some(Closing { record, quantity, listed, .. }) = &self.closing {
            let locked = *threshold <= *quantity;
            let (what, word) =
                if locked { ("pool.locked", "locked") } else { ("pool.expired", "expired") };
            let n_pledges = listed.len();
            let summary = format!(
                "Pool {case} {word} with {quantity} of {threshold} ({unit}) in {n_pledges} firm pledges."
            );
            timeline.caused(what, &[record], summary);
        }
    }

    fn body(&self) -> CaseBody {
        CaseBody::Pool(view::view(self))
    }
}
