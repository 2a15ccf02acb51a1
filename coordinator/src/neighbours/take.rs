//! From what a neighbour's coordinator sent to what is kept: claims are proved together, folded in turn, and stored at once.

use std::collections::{BTreeMap, btree_map::Entry};

use civic::RegionView;
use record::{ItemId, RecordId, RegionId, UnixMillis};
use serde_json::json;
use store::{NeighbourCase, NeighbourRecord, Store, StoreError};

use super::{
    claim::{Cause, Claim, Refusal},
    fold::{self, Folded},
    prove::Proved,
};

/// Up to so many records a case is folded anew for each item, and beyond it once for all that came together: the work for
/// a case is then at most 512² / 2 steps, and one fold a batch.
const MAX_FOLDED_EACH: usize = 512;

/// Cases with the records that are held of them.
pub(super) type Held = BTreeMap<RecordId, Vec<NeighbourRecord>>;

/// Who told, and by whose rules it is folded.
pub(super) struct Teller<'a> {
    pub(super) region: RegionId,
    pub(super) view: &'a RegionView,
    /// The coordinator, and where it was.
    pub(super) by: record::CommunityId,
    pub(super) address: &'a str,
    pub(super) now: UnixMillis,
}

/// What came of some claims.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) records: Vec<NeighbourRecord>,
    pub(super) cases: BTreeMap<RecordId, NeighbourCase>,
    pub(super) items: Vec<(ItemId, String)>,
    pub(super) refusals: Vec<Refusal>,
    /// How many of the items the records give here, too.
    pub(super) n_folded: usize,
}

/// The records that are held of the claims' cases.
///
/// # Errors
///
/// [`StoreError`] if the disk fails.
pub(super) async fn held_of(
    store: &Store,
    region: RegionId,
    claims: &[Claim],
) -> Result<Held, StoreError> {
    let mut held = Held::new();
    for claim in claims {
        if let Entry::Vacant(new) = held.entry(claim.case) {
            new.insert(store.neighbour_records(region, claim.case).await?);
        }
    }
    Ok(held)
}

/// The causes that are not held, with the cases that they are to belong to.
pub(super) fn wanted(claims: &[Claim], held: &Held) -> BTreeMap<Cause, RecordId> {
    let mut wanted = BTreeMap::new();
    for claim in claims {
        let known = held.get(&claim.case).map_or(&[][..], Vec::as_slice);
        let missing =
            claim.causes.iter().filter(|cause| known.iter().all(|it| it.id != cause.record));
        wanted.extend(missing.map(|cause| (*cause, claim.case)));
    }
    wanted
}

/// Takes or refuses each claim, those that open a case first: their records say whose case it is.
///
/// # Errors
///
/// [`StoreError::Damaged`] if a record that is held is not what was verified.
pub(super) fn judge(
    teller: &Teller<'_>,
    mut claims: Vec<Claim>,
    mut held: Held,
    proved: &Proved,
) -> Result<Judged, StoreError> {
    claims.sort_by_key(|claim| !claim.is_opening());
    let mut judged = Judged::default();
    for claim in claims {
        let records = held.entry(claim.case).or_default();
        match proven(&claim, records, proved)? {
            Err(refusal) => judged.refusals.push(refusal),
            Ok(new) => {
                judged.records.extend(new.iter().cloned());
                place(records, new);
                tell(teller, &claim, records, &mut judged)?;
            }
        }
    }
    Ok(judged)
}

/// The records of a claim that are new, or that have their time by it, once every cause of it holds.
fn proven(
    claim: &Claim,
    known: &[NeighbourRecord],
    proved: &Proved,
) -> Result<Result<Vec<NeighbourRecord>, Refusal>, StoreError> {
    let told_at = (claim.causes.len() == 1).then_some(claim.at);
    let mut new = Vec::new();
    for cause in &claim.causes {
        if let Some(record) = known.iter().find(|it| it.id == cause.record) {
            let (header, _) = record.read()?;
            if (header.community, header.era, header.index)
                != (cause.community, cause.era, cause.index)
            {
                return Ok(Err(Refusal::OtherRecord));
            }
            if record.told_at.is_none() && told_at.is_some() {
                new.push(NeighbourRecord { told_at, ..record.clone() });
            }
            continue;
        }
        match proved.get(&cause.record) {
            Some(Ok(record)) if record.case == claim.case => {
                new.push(NeighbourRecord { told_at, ..record.clone() });
            }
            Some(Ok(_)) => return Ok(Err(Refusal::OtherCase)),
            Some(Err(refusal)) => return Ok(Err(refusal.clone())),
            None => return Ok(Err(Refusal::NoProof("it was not asked for".to_owned()))),
        }
    }
    let mut all = known.iter().chain(&new);
    if all.any(|it| it.id == claim.case) { Ok(Ok(new)) } else { Ok(Err(Refusal::CaseUnknown)) }
}

fn place(records: &mut Vec<NeighbourRecord>, new: Vec<NeighbourRecord>) {
    for record in new {
        match records.iter_mut().find(|it| it.id == record.id) {
            Some(known) => *known = record,
            None => records.push(record),
        }
    }
}

/// Folds the case with what is new, and writes the item.
fn tell(
    teller: &Teller<'_>,
    claim: &Claim,
    records: &[NeighbourRecord],
    judged: &mut Judged,
) -> Result<(), StoreError> {
    let is_large = MAX_FOLDED_EACH < records.len() && judged.cases.contains_key(&claim.case);
    let folded =
        if is_large { None } else { fold::fold(records, teller.view, teller.now, claim.id)? };
    if let Some(Folded { case, .. }) = &folded {
        if fold::kind_name(case) != claim.kind {
            judged.refusals.push(Refusal::Malformed { what: "kind" });
            return Ok(());
        }
        judged.cases.insert(claim.case, fold::kept(case, teller.region));
    }
    judged.n_folded += usize::from(folded.as_ref().is_some_and(|it| it.step.is_some()));
    judged.items.push((claim.id, item_json(teller, claim, folded.as_ref())));
    Ok(())
}

/// The item as our own are kept, and who told it. Nothing in it is a text of the neighbour's.
fn item_json(teller: &Teller<'_>, claim: &Claim, folded: Option<&Folded>) -> String {
    let step = folded.and_then(|it| it.step.as_ref());
    let (case, by) = (claim.case, teller.by);
    let stated = || format!("{by} states {} of {} {case}.", claim.transition, claim.kind);
    let causes: Vec<_> = claim
        .causes
        .iter()
        .map(|it| {
            json!({
                "record": it.record, "community": it.community, "era": it.era, "index": it.index,
            })
        })
        .collect();
    json!({
        "id": claim.id,
        "transition": claim.transition,
        "kind": claim.kind,
        "case": case,
        "state": folded.map_or("unknown", |it| it.case.state),
        "provisional": claim.provisional,
        "summary": step.map_or_else(stated, |it| it.summary.clone()),
        "at": claim.at,
        "deadline": claim.deadline,
        "causes": causes,
        "community": step.and_then(|it| it.community),
        "places": step.map(|it| it.places.clone()).unwrap_or_default(),
        "told": {
            "by": by,
            "address": teller.address,
            "checked": if step.is_some() { "folded" } else { "stated" },
        },
    })
    .to_string()
}
