//! From what a neighbour's coordinator sent to what is kept: claims are proved together, folded in turn, and stored at once.

use std::collections::{BTreeMap, btree_map::Entry};

use civic::{RegionView, Transition};
use record::{ItemId, RecordId, RegionId, UnixMillis};
use serde_json::json;
use store::{NeighbourCase, NeighbourRecord, Store, StoreError};

use super::{
    claim::{Cause, Claim, Refusal},
    fold::{self, Folded},
    prove::Proved,
};

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
    /// Up to so many records a case is folded for each item, and beyond it once for all that came together.
    pub(super) max_folded_each: usize,
}

/// What came of some claims.
#[derive(Default)]
pub(super) struct Judged {
    pub(super) records: Vec<NeighbourRecord>,
    pub(super) cases: BTreeMap<RecordId, NeighbourCase>,
    pub(super) items: Vec<(ItemId, String)>,
    pub(super) refused: Vec<(Claim, Refusal)>,
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
    let (mut judged, mut of_large) = (Judged::default(), Vec::new());
    for claim in claims {
        let records = held.entry(claim.case).or_default();
        match proven(&claim, records, proved)? {
            Err(refusal) => judged.refused.push((claim, refusal)),
            Ok(new) => {
                judged.records.extend(new.iter().cloned());
                place(records, new);
                if teller.max_folded_each < records.len() {
                    of_large.push(claim);
                    continue;
                }
                let folded = fold::fold(records, teller.view, teller.now)?;
                tell(teller, claim, folded.as_ref(), &mut judged);
            }
        }
    }
    let mut large: BTreeMap<RecordId, Option<Folded<'_>>> = BTreeMap::new();
    for claim in of_large {
        let folded = match large.entry(claim.case) {
            Entry::Occupied(folded) => folded.into_mut(),
            Entry::Vacant(new) => {
                let records = held.get(&claim.case).map_or(&[][..], Vec::as_slice);
                new.insert(fold::fold(records, teller.view, teller.now)?)
            }
        };
        tell(teller, claim, folded.as_ref(), &mut judged);
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

/// Writes the item, and the case as its records are folded.
fn tell(teller: &Teller<'_>, claim: Claim, folded: Option<&Folded<'_>>, judged: &mut Judged) {
    let Some(folded) = folded else {
        judged.items.push((claim.id, item_json(teller, &claim, ("unknown", None))));
        return;
    };
    if fold::kind_name(&folded.case) != claim.kind {
        judged.refused.push((claim, Refusal::Malformed { what: "kind" }));
        return;
    }
    judged.cases.insert(claim.case, fold::kept(&folded.case, teller.region));
    let (case, step) = folded.step(claim.id);
    judged.n_folded += usize::from(step.is_some());
    judged.items.push((claim.id, item_json(teller, &claim, (case.state, step))));
}

/// The item as our own are kept, and who told it. Nothing in it is a text of the neighbour's.
fn item_json(
    teller: &Teller<'_>,
    claim: &Claim,
    (state, step): (&str, Option<&Transition>),
) -> String {
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
        "state": state,
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
