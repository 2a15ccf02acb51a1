//! The life of an opportunity: a contracting process, followed release by release.
//!
//! ```text
//! planned → open --tender ends--> closed → awarded → contracted → implemented
//!                                    \→ unsuccessful / cancelled        \→ terminated
//! ```
//!
//! The stage is the newest release's, by the release's own date, so a release that comes late never moves it back.
//! An open process is closed by the clock when bids end.
//!
//! Not here: reading and writing OCDS (`formats`), the words of a notice.

mod refusal;
#[cfg(test)]
mod tests;
mod view;

use record::{
    Payload, UnixMillis,
    payload::{
        OpportunityAction,
        opportunity::{Publication, Release, Stage},
    },
    region::Roster,
};

pub use refusal::Refusal;
pub use view::{OpportunityView, SourceView};

use crate::{
    case::{CaseBody, CaseRecord, Verdict},
    clock::Clock,
    fold::{Life, other_kind},
    instant::Written,
    timeline::Timeline,
};

/// A contracting process as its records so far describe it.
#[derive(Debug, Clone)]
pub struct Opportunity<'a> {
    opening: &'a CaseRecord,
    publication: &'a Publication,
    ocid_prefix: Option<String>,
    now: UnixMillis,
    /// In order of the release's date, then canonical order. Never empty.
    releases: Vec<(&'a CaseRecord, &'a Release)>,
}

/// What a release did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is the newest: the process stands where it says.
    Current,
    /// It is older than one already here; it is kept, and the stage stays.
    Earlier,
    /// The same release was here; nothing changed.
    AlreadyHere,
}

impl<'a> Opportunity<'a> {
    pub(crate) fn new(
        opening: &'a CaseRecord,
        publication: &'a Publication,
        ocid_prefix: Option<String>,
        now: UnixMillis,
    ) -> Self {
        let releases = vec![(opening, &publication.release)];
        Self { opening, publication, ocid_prefix, now, releases }
    }

    /// Takes one record of the case.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the author did not open the case, or the release is of another process.
    pub fn handle(
        &mut self,
        record: &'a CaseRecord,
        action: &'a OpportunityAction,
    ) -> Result<Event, Refusal> {
        let release = match action {
            OpportunityAction::Update(release) => release,
            OpportunityAction::Publish(_) => return Err(Refusal::PublishedTwice),
        };
        let opener = self.opening.community;
        if record.community != opener {
            return Err(Refusal::NotTheOpener { opener });
        }
        if self.ocid_of(release) != self.ocid() {
            let expected = Some(self.ocid()).filter(|it| !it.is_empty());
            let expected = expected.unwrap_or_else(|| self.opening.id.to_string());
            return Err(Refusal::OtherOcid { expected });
        }
        verify_ocid(release, self.ocid_prefix.as_deref())?;
        if self.releases.iter().any(|(_, known)| *known == release) {
            return Ok(Event::AlreadyHere);
        }
        let place =
            self.releases.partition_point(|(_, known)| known.released_at <= release.released_at);
        let is_newest = place == self.releases.len();
        self.releases.insert(place, (record, release));
        Ok(if is_newest { Event::Current } else { Event::Earlier })
    }

    /// When bids end, while the process is open.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(UnixMillis, &'static str)> {
        self.clock().next_deadline()
    }

    /// The newest release and the record that holds it.
    fn current(&self) -> (&'a CaseRecord, &'a Release) {
        self.releases.last().copied().unwrap_or((self.opening, &self.publication.release))
    }

    fn stage(&self) -> Stage {
        let (_, Release { stage, tender_ends, .. }) = self.current();
        let ended = tender_ends.is_some_and(|end| end <= self.now);
        if *stage == Stage::Open && ended { Stage::Closed } else { *stage }
    }

    /// The instants at which the clock closed it: the end of bids in an open release, if no later release came first.
    fn closings(&self) -> Vec<UnixMillis> {
        let next_at = self.releases.iter().skip(1).map(|(_, next)| Some(next.released_at));
        let ends = |((_, release), next_at): (&(_, &Release), Option<UnixMillis>)| {
            let end = release.tender_ends.filter(|_| release.stage == Stage::Open)?;
            next_at.is_none_or(|next| end < next).then_some(end)
        };
        let mut closings: Vec<_> =
            self.releases.iter().zip(next_at.chain([None])).filter_map(ends).collect();
        closings.sort_unstable();
        closings.dedup();
        closings
    }

    fn ocid(&self) -> String {
        self.ocid_of(&self.publication.release)
    }

    /// The ocid in a release; one of our own that leaves it empty has the region's prefix and the case's id.
    fn ocid_of(&self, release: &Release) -> String {
        match (&self.ocid_prefix, release.ocid.as_str()) {
            (Some(prefix), "") => {
                let prefix = prefix.strip_suffix('-').unwrap_or(prefix);
                format!("{prefix}-{}", self.opening.id)
            }
            (None | Some(_), ocid) => ocid.to_owned(),
        }
    }
}

/// Only a local process is held to the prefix; an imported one keeps the ocid it came with (RECORDS.md, OCDS).
fn verify_ocid(release: &Release, ocid_prefix: Option<&str>) -> Result<(), Refusal> {
    let Some(prefix) = ocid_prefix else { return Ok(()) };
    let rest = release.ocid.strip_prefix(prefix);
    let ours = rest.is_some_and(|rest| {
        (prefix.ends_with('-') && !rest.is_empty()) || (rest.starts_with('-') && 1 < rest.len())
    });
    if release.source.is_some() || release.ocid.is_empty() || ours {
        Ok(())
    } else {
        Err(Refusal::OcidNotOurs { prefix: prefix.to_owned() })
    }
}

/// The state word of a stage.
const fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Open => "open",
        Stage::Closed => "closed",
        Stage::Awarded => "awarded",
        Stage::Unsuccessful => "unsuccessful",
        Stage::Cancelled => "cancelled",
        Stage::Contracted => "contracted",
        Stage::Implemented => "implemented",
        Stage::Terminated => "terminated",
    }
}

impl<'a> Life<'a> for Opportunity<'a> {
    fn verify_opening(&self, _: &Roster) -> Result<(), crate::Refusal> {
        let release = &self.publication.release;
        if release.source.is_some() && release.ocid.is_empty() {
            return Err(Refusal::OcidMissing.into());
        }
        Ok(verify_ocid(release, self.ocid_prefix.as_deref())?)
    }

    fn judge(&mut self, records: &[&'a CaseRecord]) -> Vec<Verdict> {
        let mut judge_one = |record: &'a CaseRecord| {
            let Payload::Opportunity(action) = &record.payload else { return other_kind(record) };
            match self.handle(record, action) {
                Ok(Event::AlreadyHere) => Verdict::Repeat,
                Ok(Event::Current | Event::Earlier) => Verdict::Counts,
                Err(refusal) => Verdict::Refused(refusal.into()),
            }
        };
        records.iter().map(|record| judge_one(record)).collect()
    }

    fn state(&self) -> &'static str {
        word(self.stage())
    }

    fn clock(&self) -> Clock {
        let mut clock = Clock::new(self.now);
        clock.rests_on(self.opening);
        clock.rests_on(self.current().0);
        self.closings().into_iter().for_each(|end| clock.awaits(end, "tender ends"));
        clock
    }

    fn timeline(&self) -> Timeline {
        Timeline::new(self.opening.id, self.now, self.current().1.places.clone())
    }

    fn tell(&self, timeline: &mut Timeline) {
        let case = self.opening.id;
        for (record, release) in &self.releases {
            let (community, stage) = (record.community, word(release.stage));
            let (what, done) = if record.id == case {
                ("opportunity.published", "published")
            } else {
                ("opportunity.updated", "updated")
            };
            let summary = format!("{community} {done} opportunity {case}: {stage}.");
            timeline.caused(what, &[record], summary);
        }
        for end in self.closings() {
            let summary = format!("Bidding for opportunity {case} ended on {}.", Written(end));
            timeline.due("opportunity.closed", end, &summary);
        }
    }

    fn body(&self) -> CaseBody {
        CaseBody::Opportunity(view::view(self))
    }
}
