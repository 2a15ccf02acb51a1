//! The life of a poll: opened, closed everywhere at one instant, rooted, tallied, declared.
//!
//! ```text
//! announced --opens--> open --closes--> closed --every root in, or the hour over--> rooted
//!    --every tally in, or the tally deadline--> tallied --a result that recomputes--> declared
//!    --challenge window over--> confirmed
//! ```
//!
//! Roots come before counts, so that nobody counts while a box can still change. What a community says first in its
//! log stands, so records of different communities commute; results are judged last, in order of receipt.
//!
//! Not here: ballots (`ballotbox`), challenges, revisions, answers, scrutineers.

mod opening;
mod refusal;
mod result;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    payload::{
        ResultAction, TallyAction,
        poll::{Constituency, Counts, Declaration, PollOpening},
    },
    region::Roster,
    time::DAY_MILLIS,
};

pub use refusal::{Part, Refusal};
pub use view::{PollSums, PollView, RootView, SELF_DECLARED, TallyView, declaration};

use crate::{
    case::{CaseBody, CaseRecord, Verdict},
    clock::{Clock, SETTLING_MILLIS},
    count::{self, Tally, TallyContent},
    fold::Life,
    timeline::Timeline,
};

/// A poll as its records so far describe it.
#[derive(Debug, Clone)]
pub struct Poll<'a> {
    opening: &'a CaseRecord,
    terms: &'a PollOpening,
    now: UnixMillis,
    roots: BTreeMap<CommunityId, Root<'a>>,
    tallies: BTreeMap<CommunityId, (&'a CaseRecord, Tally)>,
    result: Option<(&'a CaseRecord, &'a Declaration)>,
}

/// A closed box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Root<'a> {
    record: &'a CaseRecord,
    ballot_root: [u8; 32],
    n_ballots: u64,
}

/// What a record did to a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A community's box is closed.
    Rooted,
    /// A community's counts are in.
    Counted,
    /// A community says that its counts are too thin to publish.
    Withheld,
    /// The result is declared.
    Declared,
    /// The same was said before; nothing changed.
    AlreadySaid,
}

impl<'a> Poll<'a> {
    pub(crate) fn new(opening: &'a CaseRecord, terms: &'a PollOpening, now: UnixMillis) -> Self {
        let (roots, tallies) = (BTreeMap::new(), BTreeMap::new());
        Self { opening, terms, now, roots, tallies, result: None }
    }

    /// Takes one record of the case: all roots first, then tallies, then results in order of receipt.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the evidence.
    pub fn handle(&mut self, record: &'a CaseRecord) -> Result<Event, crate::Refusal> {
        match &record.payload {
            Payload::Tally(action) => Ok(self.handle_tally(record, action)?),
            Payload::Result(ResultAction::Declare(declaration)) => {
                Ok(self.declare(record, declaration)?)
            }
            Payload::Poll(_) => Err(Refusal::OpenedTwice.into()),
            Payload::Text(_)
            | Payload::Notice(_)
            | Payload::Covenant(_)
            | Payload::Opportunity(_)
            | Payload::Pool(_)
            | Payload::Pledge(_)
            | Payload::Roll(_)
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

    fn handle_tally(
        &mut self,
        record: &'a CaseRecord,
        action: &TallyAction,
    ) -> Result<Event, Refusal> {
        let community = record.community;
        let constituency = *self
            .terms
            .electorate
            .iter()
            .find(|it| it.community == community)
            .ok_or(Refusal::NotInElectorate { community })?;
        match action {
            TallyAction::Root { ballot_root, n_ballots } => {
                let root = Root { record, ballot_root: *ballot_root, n_ballots: *n_ballots };
                self.root(constituency, root)
            }
            TallyAction::Counts(counts) => self.tally(record, constituency, Some(counts)),
            TallyAction::Withheld => self.tally(record, constituency, None),
        }
    }

    fn root(&mut self, constituency: Constituency, root: Root<'a>) -> Result<Event, Refusal> {
        if let Some(first) = self.roots.get(&constituency.community) {
            let same = (first.ballot_root, first.n_ballots) == (root.ballot_root, root.n_ballots);
            let changed = Refusal::RootChanged { first: first.record.id };
            return if same { Ok(Event::AlreadySaid) } else { Err(changed) };
        }
        let PollOpening { closes_at, roots_before, .. } = *self.terms;
        if root.record.arrives_at(self.now) < closes_at {
            return Err(Refusal::RootEarly { closes_at });
        }
        if !root.record.is_before(roots_before) {
            return Err(Refusal::RootLate { roots_before });
        }
        count::verify_n_ballots(&constituency, root.n_ballots)?;
        self.roots.insert(constituency.community, root);
        Ok(Event::Rooted)
    }

    fn tally(
        &mut self,
        record: &'a CaseRecord,
        constituency: Constituency,
        counts: Option<&Counts>,
    ) -> Result<Event, Refusal> {
        let community = constituency.community;
        let root = *self.roots.get(&community).ok_or(Refusal::NoRoot { community })?;
        if let Some((first, tally)) = self.tallies.get(&community) {
            let same = tally.counts() == counts;
            let counted = Refusal::AlreadyCounted { first: first.id };
            return if same { Ok(Event::AlreadySaid) } else { Err(counted) };
        }
        let rooted_at = self.rooted_at();
        if record.arrives_at(self.now) < rooted_at {
            return Err(Refusal::CountsBeforeRoots { missing: self.missing_roots() });
        }
        let tallies_before = self.terms.tallies_before;
        if !record.is_before(tallies_before) {
            return Err(Refusal::TallyLate { tallies_before });
        }
        if let Some(counts) = counts {
            if counts.n_ballots != root.n_ballots {
                let (at_root, counted) = (root.n_ballots, counts.n_ballots);
                return Err(Refusal::RootDiffers { at_root, counted });
            }
            count::verify_counts(self.terms, &constituency, counts)?;
            count::may_publish(self.terms, counts)?;
        }
        let content = match counts {
            Some(counts) => TallyContent::Counts(counts.clone()),
            None => TallyContent::Withheld { n_ballots: root.n_ballots },
        };
        self.tallies.insert(community, (record, Tally { record: record.id, community, content }));
        Ok(if counts.is_some() { Event::Counted } else { Event::Withheld })
    }

    /// What the clock does next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        self.clock().next_deadline()
    }

    fn missing_roots(&self) -> Vec<CommunityId> {
        let electorate = self.terms.electorate.iter().map(|it| it.community);
        electorate.filter(|community| !self.roots.contains_key(community)).collect()
    }

    fn every_root_is_in(&self) -> bool {
        self.roots.len() == self.terms.electorate.len()
    }

    /// From when counts may be published: when the last root came in, or else when their hour is over.
    fn rooted_at(&self) -> UnixMillis {
        let closes_at = self.terms.closes_at;
        let received = |root: &Root<'_>| root.record.received_at.unwrap_or(closes_at);
        let last = self.roots.values().map(received).max();
        last.filter(|_| self.every_root_is_in()).unwrap_or(self.terms.roots_before)
    }

    fn is_rooted(&self) -> bool {
        self.every_root_is_in() || self.terms.roots_before <= self.now
    }

    fn every_tally_is_in(&self) -> bool {
        !self.roots.is_empty() && self.roots.keys().all(|it| self.tallies.contains_key(it))
    }

    /// From when the result may be declared: when the last tally that can come is in, or else at the tally deadline.
    fn tallied_at(&self) -> UnixMillis {
        let rooted_at = self.rooted_at();
        let received = |record: &CaseRecord| record.received_at.unwrap_or(rooted_at);
        let last = self.tallies.values().map(|(record, _)| received(record)).max();
        last.filter(|_| self.every_tally_is_in())
            .map_or(self.terms.tallies_before, |last| last.max(rooted_at))
    }

    fn is_tallied(&self) -> bool {
        self.every_tally_is_in() || self.terms.tallies_before <= self.now
    }

    /// From when any member may declare the result: 48 hours after the tally deadline.
    const fn any_declares_from(&self) -> UnixMillis {
        self.terms.tallies_before.plus_millis(SETTLING_MILLIS)
    }

    /// When the challenge window of a declared result is over.
    fn confirmed_at(&self) -> Option<UnixMillis> {
        let (record, _) = self.result?;
        let window = u64::from(self.terms.challenge_days).saturating_mul(DAY_MILLIS);
        Some(record.received_at?.plus_millis(window))
    }

    /// The tallies in time, each with its record, in ascending order of community.
    fn tallies(&self) -> Vec<Tally> {
        self.tallies.values().map(|(_, tally)| tally.clone()).collect()
    }

    fn verdict(&mut self, record: &'a CaseRecord) -> Verdict {
        match self.handle(record) {
            Ok(Event::AlreadySaid) => Verdict::Repeat,
            Ok(Event::Rooted | Event::Counted | Event::Withheld | Event::Declared) => {
                Verdict::Counts
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    fn tell_clock(&self, timeline: &mut Timeline) {
        let (case, terms) = (self.opening.id, self.terms);
        let opened = format!("Voting in poll {case} is open.");
        timeline.due("poll.opened", terms.opens_at, &opened);
        timeline.due("poll.closed", terms.closes_at, &format!("Voting in poll {case} is closed."));
    }

    fn tell_tallies(&self, timeline: &mut Timeline) {
        let case = self.opening.id;
        for (community, root) in &self.roots {
            let n_ballots = root.n_ballots;
            let summary =
                format!("{community} closed its box in poll {case} with {n_ballots} ballots.");
            timeline.caused("tally.rooted", &[root.record], summary);
        }
        let n_communities = self.terms.electorate.len();
        if self.every_root_is_in() {
            let causes: Vec<_> = self.roots.values().map(|root| root.record).collect();
            let summary = format!("All {n_communities} boxes of poll {case} are closed.");
            timeline.caused("poll.rooted", &causes, summary);
        } else {
            let n_roots = self.roots.len();
            let summary =
                format!("{n_roots} of {n_communities} boxes of poll {case} were closed in time.");
            timeline.due("poll.rooted", self.terms.roots_before, &summary);
        }
        for (community, (record, tally)) in &self.tallies {
            let (what, word) = match tally.content {
                TallyContent::Counts(_) => ("tally.counted", "published its counts in"),
                TallyContent::Withheld { .. } => {
                    ("tally.withheld", "is too small to publish its counts in")
                }
            };
            let summary = format!("{community} {word} poll {case} (self-declared).");
            timeline.caused(what, &[record], summary);
        }
        self.tell_tallied(timeline);
    }

    fn tell_tallied(&self, timeline: &mut Timeline) {
        let (case, n_tallies) = (self.opening.id, self.tallies.len());
        let summary = format!(
            "{n_tallies} of {} tallies of poll {case} are in time.",
            self.terms.electorate.len()
        );
        if self.every_tally_is_in() {
            let causes: Vec<_> = self.tallies.values().map(|(record, _)| *record).collect();
            timeline.caused("poll.tallied", &causes, summary);
        } else {
            timeline.due("poll.tallied", self.terms.tallies_before, &summary);
        }
    }
}

impl<'a> Life<'a> for Poll<'a> {
    fn verify_opening(&self, roster: &Roster) -> Result<(), crate::Refusal> {
        Ok(opening::verify(self.terms, self.opening.shown_at(), roster)?)
    }

    fn judge(&mut self, records: &[&'a CaseRecord]) -> Vec<Verdict> {
        let phase = |record: &CaseRecord| match &record.payload {
            Payload::Tally(TallyAction::Root { .. }) => 0u8,
            Payload::Tally(TallyAction::Counts(_) | TallyAction::Withheld) => 1,
            Payload::Result(_)
            | Payload::Text(_)
            | Payload::Notice(_)
            | Payload::Covenant(_)
            | Payload::Opportunity(_)
            | Payload::Pool(_)
            | Payload::Pledge(_)
            | Payload::Roll(_)
            | Payload::Poll(_)
            | Payload::Receipt(_)
            | Payload::Cosignatures(_)
            | Payload::Evidence(_)
            | Payload::RegionEpoch(_)
            | Payload::Affiliation(_)
            | Payload::Erase(_)
            | Payload::Erased(_)
            | Payload::Index(_)
            | Payload::Status(_) => 2,
        };
        let mut in_turn: Vec<(usize, &CaseRecord)> = records.iter().copied().enumerate().collect();
        in_turn.sort_by_key(|(place, record)| {
            let received = record.received_at.map_or(u64::MAX, |at| at.0);
            let phase = phase(record);
            (phase, if phase == 2 { received } else { 0 }, *place)
        });
        let mut verdicts: Vec<(usize, Verdict)> =
            in_turn.into_iter().map(|(place, record)| (place, self.verdict(record))).collect();
        verdicts.sort_by_key(|(place, _)| *place);
        verdicts.into_iter().map(|(_, verdict)| verdict).collect()
    }

    fn state(&self) -> &'static str {
        let terms = self.terms;
        if self.result.is_some() {
            let confirmed = self.confirmed_at().is_some_and(|at| at <= self.now);
            if confirmed { "confirmed" } else { "declared" }
        } else if self.is_tallied() {
            "tallied"
        } else if self.is_rooted() {
            "rooted"
        } else if terms.closes_at <= self.now {
            "closed"
        } else if terms.opens_at <= self.now {
            "open"
        } else {
            "announced"
        }
    }

    fn clock(&self) -> Clock {
        let PollOpening { opens_at, closes_at, roots_before, tallies_before, .. } = *self.terms;
        let mut clock = Clock::new(self.now);
        clock.rests_on(self.opening);
        self.roots.values().for_each(|root| clock.rests_on(root.record));
        self.tallies.values().for_each(|(record, _)| clock.rests_on(record));
        clock.awaits(opens_at, "poll opens");
        clock.awaits(closes_at, "poll closes");
        if !self.every_root_is_in() {
            clock.awaits(roots_before, "roots due");
            clock.decided(roots_before);
        }
        if !self.every_tally_is_in() {
            clock.awaits(tallies_before, "tallies due");
            clock.decided(tallies_before);
        }
        match (self.result, self.confirmed_at()) {
            (Some((record, _)), confirmed_at) => {
                clock.rests_on(record);
                if let Some(at) = confirmed_at {
                    clock.awaits(at, "challenge window ends");
                    clock.decided(at);
                }
            }
            (None, _) => clock.awaits(self.any_declares_from(), "any member may declare"),
        }
        clock
    }

    fn timeline(&self) -> Timeline {
        Timeline::new(self.opening.id, self.now, Vec::new())
    }

    fn tell(&self, timeline: &mut Timeline) {
        let (case, opener) = (self.opening.id, self.opening.community);
        let n_communities = self.terms.electorate.len();
        let announced = format!("{opener} announced poll {case} in {n_communities} communities.");
        timeline.caused("poll.announced", &[self.opening], announced);
        self.tell_clock(timeline);
        self.tell_tallies(timeline);
        if let Some((record, declaration)) = self.result {
            let outcome = view::outcome_words(declaration.outcome);
            let n_tallies = declaration.tallies.len();
            let summary = format!("Poll {case} is declared from {n_tallies} tallies: {outcome}.");
            timeline.caused("poll.declared", &[record], summary);
        }
        if let Some(at) = self.confirmed_at() {
            let summary = format!("The result of poll {case} is confirmed.");
            timeline.due("poll.confirmed", at, &summary);
        }
    }

    fn body(&self) -> CaseBody {
        CaseBody::Poll(view::view(self))
    }
}

/// Which records a closing or result must list: those received; those without a receipt may be.
fn required(tallies: &BTreeMap<CommunityId, (&CaseRecord, Tally)>) -> Vec<RecordId> {
    let received = tallies.values().filter(|(record, _)| record.received_at.is_some());
    received.map(|(record, _)| record.id).collect()
}
