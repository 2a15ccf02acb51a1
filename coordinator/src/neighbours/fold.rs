//! A neighbour's case by the rules here: folded from the records that its coordinator told and that were proved.
//!
//! The times of receipt are what the neighbour told. Where they do not give a step, the same is tried without any: a
//! record without a receipt counts provisionally, as it did when the step was told.

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

/// What the records give: the case, and the step if it is among its steps.
pub(super) struct Folded {
    pub(super) case: Case,
    pub(super) step: Option<Transition>,
}

/// Folds records; `None` if the opening record is not among them.
///
/// # Errors
///
/// [`StoreError::Damaged`] if a record is not what was verified.
pub(super) fn fold(
    records: &[NeighbourRecord],
    region: &RegionView,
    now: UnixMillis,
    item: ItemId,
) -> Result<Option<Folded>, StoreError> {
    let told: Vec<CaseRecord> = records.iter().map(case_record).collect::<Result<_, _>>()?;
    let untold: Vec<CaseRecord> =
        told.iter().map(|it| CaseRecord { received_at: None, ..it.clone() }).collect();
    let folded = |records: &[CaseRecord]| {
        let case = civic::fold(records, region, now)?;
        let step = case.transitions.iter().find(|it| it.item == item).cloned();
        Some(Folded { case, step })
    };
    let Some(by_receipts) = folded(&told) else { return Ok(None) };
    if by_receipts.step.is_some() {
        return Ok(Some(by_receipts));
    }
    let provisionally = folded(&untold).filter(|it| it.step.is_some());
    Ok(Some(provisionally.unwrap_or(by_receipts)))
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
