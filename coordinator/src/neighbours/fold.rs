//! A neighbour's case by the rules here: folded from the records that its coordinator told and that were proved.
//!
//! The times of receipt are what the neighbour told. Where they do not give a step, the same is tried without any: a
//! record without a receipt counts provisionally, as it did when the step was told.

use std::cell::OnceCell;

use civic::{Case, CaseBody, CaseKind, CaseRecord, RegionView, Transition};
use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis, region::Roster, region::VerifiedRegion,
};
use serde_json::Value;
use store::{NeighbourCase, NeighbourRecord, StoreError};

/// The region as a fold needs it: everybody who ever was a member may act. Who could not when is what its own coordinators
/// judge by receipts; what they refuse, they do not tell.
pub(super) fn view_of(region: &VerifiedRegion) -> RegionView {
    let prefix = region.charter.ocid_prefix().map(ToString::to_string);
    let newest = &region.newest().roster;
    let everybody: Vec<CommunityId> = super::read::members_of(region).into_iter().collect();
    let roster = Roster::new(everybody, newest.coordinators().to_vec(), newest.receipts_needed());
    // More than a roster holds were members in turn.
    RegionView::new(region.region, prefix, roster.unwrap_or_else(|_too_many| newest.clone()))
}

/// What the records give by the times of receipt that were told, and without any where that is asked for.
pub(super) struct Folded<'a> {
    /// The case by those times: what the records of it that are held say, in whatever order they came.
    pub(super) case: Case,
    records: Vec<CaseRecord>,
    region: &'a RegionView,
    now: UnixMillis,
    without_times: OnceCell<Option<Case>>,
}

/// Folds records; `None` if the opening record is not among them.
///
/// # Errors
///
/// [`StoreError::Damaged`] if a record is not what was verified.
pub(super) fn fold<'a>(
    records: &[NeighbourRecord],
    region: &'a RegionView,
    now: UnixMillis,
) -> Result<Option<Folded<'a>>, StoreError> {
    let records: Vec<CaseRecord> = records.iter().map(case_record).collect::<Result<_, _>>()?;
    let case = civic::fold(&records, region, now);
    let without_times = OnceCell::new();
    Ok(case.map(|case| Folded { case, records, region, now, without_times }))
}

impl Folded<'_> {
    /// The case in which an item is a step, and the step; the case by the times that were told where it is none.
    pub(super) fn step(&self, item: ItemId) -> (&Case, Option<&Transition>) {
        if let Some(step) = step_of(&self.case, item) {
            return (&self.case, Some(step));
        }
        let found = self.without_times().and_then(|case| Some((case, step_of(case, item)?)));
        found.map_or((&self.case, None), |(case, step)| (case, Some(step)))
    }

    /// The same records without any time of receipt, folded once.
    fn without_times(&self) -> Option<&Case> {
        let folded = self.without_times.get_or_init(|| {
            let untold =
                self.records.iter().map(|it| CaseRecord { received_at: None, ..it.clone() });
            civic::fold(&untold.collect::<Vec<_>>(), self.region, self.now)
        });
        folded.as_ref()
    }
}

fn step_of(case: &Case, item: ItemId) -> Option<&Transition> {
    case.transitions.iter().find(|it| it.item == item)
}

fn case_record(record: &NeighbourRecord) -> Result<CaseRecord, StoreError> {
    let (header, payload) = record.read()?;
    Ok(CaseRecord {
        id: record.id,
        community: header.community,
        era: header.era,
        index: header.index,
        time: header.time,
        references: header.references,
        received_at: record.told_at,
        frozen: false,
        payload,
    })
}

/// The name of a case's kind, as in feeds.
pub(super) const fn kind_name(case: &Case) -> &'static str {
    match case.kind {
        CaseKind::Covenant => "covenant",
        CaseKind::Opportunity => "opportunity",
        CaseKind::Pool => "pool",
        CaseKind::Poll => "poll",
    }
}

/// The case as it is kept: as the register has our own, without verdicts.
pub(super) fn kept(case: &Case, region: RegionId) -> NeighbourCase {
    let content = match &case.body {
        CaseBody::Covenant(it) => serde_json::to_value(it),
        CaseBody::Opportunity(it) => serde_json::to_value(it),
        CaseBody::Pool(it) => serde_json::to_value(it),
        CaseBody::Poll(it) => serde_json::to_value(it),
    };
    // They are structs of texts and numbers: they always have a JSON form.
    let mut view = content.unwrap_or_default();
    if let Some(members) = view.as_object_mut() {
        members.insert("id".to_owned(), case.id.to_string().into());
        members.insert("kind".to_owned(), kind_name(case).into());
        members.insert("state".to_owned(), case.state.into());
    }
    let (id, kind): (RecordId, _) = (case.id, kind_name(case).to_owned());
    NeighbourCase { region, id, kind, view: Value::to_string(&view) }
}
