//! The life of a covenant: proposed, signed by every party in its own log, in force.
//!
//! ```text
//! proposed --first signature--> ratifying --every party's signature--> in force
//!     \____________________________/--a party declines, or signing closes--> lapsed
//! ```
//!
//! A party's first answer in its log is its answer, so signatures of different parties commute: no order between them
//! decides anything. Proposing is not signing: the proposer signs in its own log like any party.
//!
//! Not here: what follows the day it comes into force (reports, review, leaving).

mod refusal;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    limits::MAX_PARTIES,
    payload::{
        CovenantAction,
        covenant::{Proposal, Signature},
    },
    region::Roster,
};

pub use refusal::Refusal;
pub use view::{CommitmentView, CovenantView, PartyView, TextView};

use crate::{
    case::{CaseBody, CaseRecord, Verdict},
    clock::Clock,
    fold::{Life, other_kind},
    instant::Written,
    timeline::Timeline,
};

/// A covenant as its records so far describe it.
#[derive(Debug, Clone)]
pub struct Covenant<'a> {
    opening: &'a CaseRecord,
    proposal: &'a Proposal,
    now: UnixMillis,
    answers: BTreeMap<CommunityId, Answer<'a>>,
    /// In canonical order.
    order_of_answers: Vec<CommunityId>,
}

/// A party's answer, and the record that holds it.
#[derive(Debug, Clone, Copy)]
enum Answer<'a> {
    Signed(&'a CaseRecord, &'a Signature),
    Declined(&'a CaseRecord),
}

impl<'a> Answer<'a> {
    const fn record(self) -> &'a CaseRecord {
        match self {
            Self::Signed(record, _) | Self::Declined(record) => record,
        }
    }
}

/// What a record did to a covenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The signature counts; `n_remaining` parties have still to sign.
    Signed {
        /// Parties yet to sign, never zero.
        n_remaining: usize,
    },
    /// This was the last signature: the covenant binds its parties.
    CameIntoForce,
    /// A party said no: the covenant has lapsed.
    Declined,
    /// The party had said the same before; nothing changed.
    AlreadyAnswered,
}

impl<'a> Covenant<'a> {
    pub(crate) fn new(opening: &'a CaseRecord, proposal: &'a Proposal, now: UnixMillis) -> Self {
        let (answers, order_of_answers) = (BTreeMap::new(), Vec::new());
        Self { opening, proposal, now, answers, order_of_answers }
    }

    /// Takes one record of the case.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the author is no party, names another proposal or other texts, comes too late, or has answered
    /// the opposite before.
    pub fn handle(
        &mut self,
        record: &'a CaseRecord,
        action: &'a CovenantAction,
    ) -> Result<Event, Refusal> {
        let (named, answer) = match action {
            CovenantAction::Sign(signature) => {
                (signature.proposal, Answer::Signed(record, signature))
            }
            CovenantAction::Decline { proposal } => (*proposal, Answer::Declined(record)),
            CovenantAction::Propose(_) => return Err(Refusal::ProposedTwice),
        };
        self.verify_answer(record, named, answer)?;
        match (self.answers.get(&record.community), answer) {
            (None, _) => {}
            (Some(Answer::Signed(..)), Answer::Signed(..))
            | (Some(Answer::Declined(_)), Answer::Declined(_)) => {
                return Ok(Event::AlreadyAnswered);
            }
            (Some(Answer::Signed(..)), Answer::Declined(_)) => return Err(Refusal::AlreadySigned),
            (Some(Answer::Declined(_)), Answer::Signed(..)) => {
                return Err(Refusal::AlreadyDeclined);
            }
        }
        self.answers.insert(record.community, answer);
        self.order_of_answers.push(record.community);
        Ok(match (answer, self.proposal.parties.len().saturating_sub(self.n_signed())) {
            (Answer::Declined(_), _) => Event::Declined,
            (Answer::Signed(..), 0) => Event::CameIntoForce,
            (Answer::Signed(..), n_remaining) => Event::Signed { n_remaining },
        })
    }

    fn verify_answer(
        &self,
        record: &CaseRecord,
        named: RecordId,
        answer: Answer<'_>,
    ) -> Result<(), Refusal> {
        let Proposal { parties, sign_before, texts, .. } = self.proposal;
        if parties.iter().all(|party| party.community != record.community) {
            return Err(Refusal::NotAParty { community: record.community });
        }
        if named != self.opening.id {
            return Err(Refusal::OtherProposal { named, expected: self.opening.id });
        }
        if let Answer::Signed(_, signature) = answer
            && signature.texts != *texts
        {
            return Err(Refusal::OtherText { n_expected: texts.len() });
        }
        if !record.is_before(*sign_before) {
            return Err(Refusal::SigningClosed { closed_at: *sign_before });
        }
        Ok(())
    }

    /// When signing closes, while that is open; and why a fold is due then.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        self.clock().next_deadline()
    }

    fn n_signed(&self) -> usize {
        self.signatures().count()
    }

    fn signatures(&self) -> impl Iterator<Item = &'a CaseRecord> {
        self.answers.values().filter_map(|answer| match answer {
            Answer::Signed(record, _) => Some(*record),
            Answer::Declined(_) => None,
        })
    }

    fn is_in_force(&self) -> bool {
        self.n_signed() == self.proposal.parties.len()
    }

    /// The answer that ended it: the first received of those that say no; those without a receipt come last.
    fn first_decline(&self) -> Option<&'a CaseRecord> {
        let declines = self.order_of_answers.iter().filter_map(|community| {
            match self.answers.get(community) {
                Some(Answer::Declined(record)) => Some(*record),
                Some(Answer::Signed(..)) | None => None,
            }
        });
        declines.min_by_key(|record| record.received_at.map_or(u64::MAX, |at| at.0))
    }

    fn tell_answers(&self, timeline: &mut Timeline) {
        let case = self.opening.id;
        let answers = self.order_of_answers.iter().filter_map(|it| self.answers.get(it));
        for answer in answers {
            let record = answer.record();
            let (what, word) = match answer {
                Answer::Signed(..) => ("covenant.signed", "signed"),
                Answer::Declined(_) => ("covenant.declined", "declined to sign"),
            };
            timeline.caused(what, &[record], format!("{} {word} {case}.", record.community));
        }
    }
}

impl<'a> Life<'a> for Covenant<'a> {
    fn verify_opening(&self, roster: &Roster) -> Result<(), crate::Refusal> {
        let Proposal { parties, commitments, sign_before, texts, .. } = self.proposal;
        if !(2..=MAX_PARTIES).contains(&parties.len()) {
            return Err(Refusal::NParties { n_parties: parties.len() }.into());
        }
        let ascending = parties.is_sorted_by(|one, next| one.community < next.community);
        if !ascending {
            return Err(Refusal::PartiesUnordered.into());
        }
        let stranger = parties.iter().find(|party| !roster.is_member(&party.community));
        if let Some(party) = stranger {
            return Err(Refusal::PartyNotAMember { community: party.community }.into());
        }
        let is_party = |community| parties.iter().any(|party| party.community == community);
        if let Some(commitment) = commitments.iter().find(|it| !is_party(it.party)) {
            return Err(Refusal::CommitmentOfAStranger { community: commitment.party }.into());
        }
        if texts.is_empty() || !texts.is_sorted_by(|one, next| one.language < next.language) {
            return Err(Refusal::TextsUnordered.into());
        }
        if *sign_before <= self.opening.shown_at() {
            return Err(Refusal::NoTimeToSign { sign_before: *sign_before }.into());
        }
        Ok(())
    }

    fn judge(&mut self, records: &[&'a CaseRecord]) -> Vec<Verdict> {
        let mut judge_one = |record: &'a CaseRecord| {
            let Payload::Covenant(action) = &record.payload else { return other_kind(record) };
            match self.handle(record, action) {
                Ok(Event::AlreadyAnswered) => Verdict::Repeat,
                Ok(Event::Signed { .. } | Event::CameIntoForce | Event::Declined) => {
                    Verdict::Counts
                }
                Err(refusal) => Verdict::Refused(refusal.into()),
            }
        };
        records.iter().map(|record| judge_one(record)).collect()
    }

    fn state(&self) -> &'static str {
        if self.is_in_force() {
            "in force"
        } else if self.first_decline().is_some() || self.proposal.sign_before <= self.now {
            "lapsed"
        } else if self.answers.is_empty() {
            "proposed"
        } else {
            "ratifying"
        }
    }

    fn clock(&self) -> Clock {
        let mut clock = Clock::new(self.now);
        clock.rests_on(self.opening);
        self.answers.values().for_each(|answer| clock.rests_on(answer.record()));
        if !self.is_in_force() && self.first_decline().is_none() {
            clock.awaits(self.proposal.sign_before, "signing closes");
            clock.decided(self.proposal.sign_before);
        }
        clock
    }

    fn timeline(&self) -> Timeline {
        Timeline::new(self.opening.id, self.now, self.proposal.area.clone())
    }

    fn tell(&self, timeline: &mut Timeline) {
        let case = self.opening.id;
        let (proposer, n_parties) = (self.opening.community, self.proposal.parties.len());
        let proposed = format!("{proposer} proposed covenant {case} to {n_parties} parties.");
        timeline.caused("covenant.proposed", &[self.opening], proposed);
        self.tell_answers(timeline);
        if self.is_in_force() {
            let signatures: Vec<_> = self.signatures().collect();
            let summary =
                format!("Covenant {case} is in force: all {n_parties} parties have signed.");
            timeline.caused("covenant.in_force", &signatures, summary);
        } else if let Some(decline) = self.first_decline() {
            let summary = format!("Covenant {case} lapsed: {} declined.", decline.community);
            timeline.caused("covenant.lapsed", &[decline], summary);
        } else {
            let sign_before = self.proposal.sign_before;
            let (n_signed, closed) = (self.n_signed(), Written(sign_before));
            let summary = format!(
                "Covenant {case} lapsed: signing closed on {closed} with {n_signed} of {n_parties} signatures."
            );
            timeline.due("covenant.lapsed", sign_before, &summary);
        }
    }

    fn body(&self) -> CaseBody {
        CaseBody::Covenant(view::view(self))
    }
}
