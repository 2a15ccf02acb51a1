//! Declaring a result: anyone recomputes it, and it counts only if it is what they find.

use std::collections::BTreeSet;

use record::{RecordId, payload::poll::Declaration};

use super::{Event, Part, Poll, Refusal, required};
use crate::{
    case::CaseRecord,
    count::{self, Tally},
};

impl<'a> Poll<'a> {
    pub(super) fn declare(
        &mut self,
        record: &'a CaseRecord,
        declaration: &'a Declaration,
    ) -> Result<Event, Refusal> {
        if let Some((first, declared)) = self.result {
            let declared_by = Refusal::AlreadyDeclared { first: first.id };
            return if declared == declaration { Ok(Event::AlreadySaid) } else { Err(declared_by) };
        }
        self.verify_declarer(record)?;
        let listed = self.verify_listed(declaration)?;
        verify_sums(&count::sum(self.terms, &listed), declaration)?;
        self.result = Some((record, declaration));
        Ok(Event::Declared)
    }

    /// The opener once the poll is tallied; any member 48 hours after the tally deadline.
    fn verify_declarer(&self, record: &CaseRecord) -> Result<(), Refusal> {
        let (opener, any_from) = (self.opening.community, self.any_declares_from());
        let arrives_at = record.arrives_at(self.now);
        if record.community != opener && arrives_at < any_from {
            return Err(Refusal::NotTheOpener { opener, any_from });
        }
        if arrives_at < self.tallied_at() {
            return Err(Refusal::TooEarly { tallies_before: self.terms.tallies_before });
        }
        Ok(())
    }

    /// The tallies that it lists, if they are those in time. One without a receipt may be listed or not.
    fn verify_listed(&self, declaration: &Declaration) -> Result<Vec<Tally>, Refusal> {
        if !declaration.tallies.is_sorted_by(|one, next| one < next) {
            return Err(Refusal::TalliesUnordered);
        }
        let listed: BTreeSet<RecordId> = declaration.tallies.iter().copied().collect();
        let mut omitted = required(&self.tallies);
        omitted.retain(|id| !listed.contains(id));
        omitted.sort_unstable();
        if !omitted.is_empty() {
            return Err(Refusal::OmitsTally { omitted });
        }
        let (within, ids): (Vec<Tally>, BTreeSet<RecordId>) = self
            .tallies()
            .into_iter()
            .filter(|tally| listed.contains(&tally.record))
            .map(|tally| (tally.clone(), tally.record))
            .unzip();
        let included: Vec<RecordId> = listed.difference(&ids).copied().collect();
        if !included.is_empty() {
            return Err(Refusal::IncludesTally { included });
        }
        Ok(within)
    }
}

fn verify_sums(recomputed: &Declaration, declared: &Declaration) -> Result<(), Refusal> {
    let (counts, found) = (&declared.counts, &recomputed.counts);
    let parts = [
        (Part::Ballots, counts.n_ballots == found.n_ballots),
        (Part::Blank, counts.n_blank == found.n_blank),
        (Part::Spoiled, counts.n_spoiled == found.n_spoiled),
        (Part::Options, counts.by_option == found.by_option),
        (Part::Communities, declared.communities == recomputed.communities),
        (Part::Outcome, declared.outcome == recomputed.outcome),
    ];
    match parts.into_iter().find(|(_, equal)| !equal) {
        Some((part, _)) => Err(Refusal::SumDiffers { part }),
        None => Ok(()),
    }
}
