//! The register: which record belongs to which case, and the fold of every case that a commit touched.

use std::collections::{BTreeMap, BTreeSet};

use civic::{Case, CaseBody, Verdict, case::Transition};
use proto::payload::PayloadError;
use record::{
    CommunityId, Header, ItemId, LogName, Payload, RecordId, UnixMillis, VerifiedRecord,
    limits::MAX_CASE_RECORDS,
};
use sqlx::sqlite::SqliteRow;

use crate::{
    append::{Appended, own_place},
    erasures::{self, Noted},
    error::StoreError,
    forks, indexes,
    load::{self, Loaded, Touched},
    logs::{place_of, split_place},
    read::{FeedEnd, FeedItem, Position},
    receipts, region, rows,
    writer::{MAX_CARRIED_ITEMS, Scope},
};

/// Files a stored record where the register will find it. An unknown kind, and a payload with anything unknown in it,
/// is kept and served as it is, and folded nowhere.
pub(crate) async fn note(
    scope: &mut Scope<'_>,
    place: i64,
    record: &VerifiedRecord,
) -> Result<(), StoreError> {
    let header = record.header();
    let (Some(kind), Some(content)) = (header.kind.known(), record.content()) else {
        return Ok(());
    };
    let payload = match proto::payload::decode(kind, &content.payload) {
        Ok(payload) => payload,
        // Identity is followed by whoever verifies the log, not by the register.
        Err(PayloadError::OfIdentity(_)) => return Ok(()),
        Err(error) => return refuse(scope, place, error.reason(), &error.to_string()).await,
    };
    match &payload {
        Payload::Text(_) | Payload::Notice(_) => note_words(scope, place, record.id()).await,
        Payload::Roll(roll) => note_roll(scope, place, header.community, roll).await,
        Payload::Receipt(receipt) => receipts::note(scope, header, receipt).await,
        Payload::RegionEpoch(action) => region::note(scope, place, action).await,
        Payload::Affiliation(_) => region::note_affiliation(scope, place, header.community).await,
        Payload::Erase(erase) => {
            let author = LogName { community: header.community, era: header.era };
            let noted = Noted { place, id: record.id(), author, erase: *erase };
            scope.group.erasures.push(noted);
            Ok(())
        }
        Payload::Erased(erased) => erasures::note_erased(scope, header.community, erased).await,
        Payload::Index(index) => {
            indexes::note(scope, (place, header.time), header.community, index).await
        }
        Payload::Status(status) => indexes::note_status(scope, header.community, status).await,
        Payload::Cosignatures(stated) => forks::state_all(scope, header.community, stated).await,
        Payload::Evidence(evidence) => forks::accuse(scope, place, evidence).await,
        Payload::Covenant(_)
        | Payload::Opportunity(_)
        | Payload::Pool(_)
        | Payload::Pledge(_)
        | Payload::Poll(_)
        | Payload::Tally(_)
        | Payload::Result(_) => note_case_record(scope, place, record, &payload).await,
    }
}

async fn note_words(scope: &mut Scope<'_>, place: i64, id: RecordId) -> Result<(), StoreError> {
    let sql = "INSERT INTO words (record, place) VALUES (?, ?) ON CONFLICT DO NOTHING";
    scope.tx.write(sql, [id.as_bytes().into(), place.into()]).await
}

pub(crate) async fn note_roll(
    scope: &mut Scope<'_>,
    place: i64,
    community: CommunityId,
    roll: &record::payload::Roll,
) -> Result<(), StoreError> {
    let n_on_roll = rows::to_i64_at_most(roll.roll.n_on_roll);
    let (community, root) = (community.as_bytes(), roll.roll.roll_root.to_vec());
    let values = [community.into(), place.into(), n_on_roll.into(), root.into()];
    scope.tx.write(NEWEST_ROLL, values).await
}

/// Keeps a roll unless a later one is kept: of a later era, or further on in the same log.
const NEWEST_ROLL: &str = "
INSERT INTO rolls (community, place, n_on_roll, roll_root) VALUES (?, ?, ?, ?)
ON CONFLICT (community) DO UPDATE
SET place = excluded.place, n_on_roll = excluded.n_on_roll, roll_root = excluded.roll_root
WHERE ((SELECT era FROM logs WHERE log_no = rolls.place >> 40), rolls.place & 1099511627775)
    < ((SELECT era FROM logs WHERE log_no = excluded.place >> 40), excluded.place & 1099511627775)";

async fn note_case_record(
    scope: &mut Scope<'_>,
    place: i64,
    record: &VerifiedRecord,
    payload: &Payload,
) -> Result<(), StoreError> {
    let case_id = if payload.opens_case() {
        record.id()
    } else {
        match record.header().references.first() {
            Some(id) => *id,
            None => {
                let detail = "The record names no case: its first reference is missing.";
                return refuse(scope, place, "record.names_no_case", detail).await;
            }
        }
    };
    // A record may name a case that is still to come.
    let sql = "INSERT INTO cases (id) VALUES (?) ON CONFLICT (id) DO NOTHING";
    scope.tx.write(sql, [case_id.as_bytes().into()]).await?;
    if payload.opens_case() || record.header().index < MAX_CASE_RECORDS as u64 {
        file(scope, place, case_id).await?;
    } else {
        file_if_room(scope, place, case_id, record.header()).await?;
    }
    let sql = "INSERT OR IGNORE INTO dirty SELECT case_no FROM case_records WHERE place = ?";
    scope.group.may_be_dirty = true;
    scope.tx.write(sql, [place.into()]).await
}

async fn file(scope: &mut Scope<'_>, place: i64, case: RecordId) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO case_records (case_no, place)
               SELECT case_no, ? FROM cases WHERE id = ?";
    scope.tx.write(sql, [place.into(), case.as_bytes().into()]).await
}

/// Files a record unless its log has no room left in the case. What has no room is refused, and not even filed: else
/// every later touch would read the whole of a flood.
async fn file_if_room(
    scope: &mut Scope<'_>,
    place: i64,
    case: RecordId,
    header: &Header,
) -> Result<(), StoreError> {
    let most = i64::try_from(MAX_CASE_RECORDS).unwrap_or(i64::MAX);
    let first = place_of(split_place(place).0, 0)?;
    let sql = "INSERT OR IGNORE INTO case_records (case_no, place)
               SELECT case_no, ? FROM cases WHERE id = ? AND (
                 SELECT COUNT(*) FROM case_records AS earlier
                 WHERE earlier.case_no = cases.case_no AND ? <= earlier.place AND earlier.place < ?
               ) < ?";
    let values = [place.into(), case.as_bytes().into(), first.into(), place.into(), most.into()];
    scope.tx.write(sql, values).await?;
    let log = LogName { community: header.community, era: header.era };
    let Some(refusal) = civic::too_many(log, MAX_CASE_RECORDS) else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO refusals (place, reason, detail)
               SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM case_records WHERE place = ?)";
    let detail = refusal.to_string();
    let values = [place.into(), refusal.reason().into(), detail.into(), place.into()];
    scope.tx.write(sql, values).await
}

pub(crate) async fn refuse(
    scope: &mut Scope<'_>,
    place: i64,
    reason: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO refusals (place, reason, detail) VALUES (?, ?, ?)
               ON CONFLICT (place) DO UPDATE SET reason = excluded.reason, detail = excluded.detail";
    scope.tx.write(sql, [place.into(), reason.into(), detail.into()]).await
}

/// Marks the cases that the clock has something to do in.
pub(crate) async fn mark_due(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let now = rows::to_i64_at_most(scope.now.0);
    let sql = "INSERT OR IGNORE INTO dirty SELECT case_no FROM cases WHERE deadline <= ?";
    scope.group.may_be_dirty = true;
    scope.tx.write(sql, [now.into()]).await
}

/// Marks every case: each may fold otherwise.
pub(crate) async fn mark_all(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    scope.group.may_be_dirty = true;
    scope.tx.write("INSERT OR IGNORE INTO dirty SELECT case_no FROM cases", []).await
}

/// Asks when the clock next changes the register.
pub(crate) const NEXT_DEADLINE: &str = "SELECT MIN(deadline) FROM cases WHERE deadline IS NOT NULL";

/// The answer to [`NEXT_DEADLINE`].
pub(crate) fn read_deadline(answer: &[SqliteRow]) -> Result<Option<UnixMillis>, StoreError> {
    let next: Option<i64> = answer.first().map(|row| rows::column(row, 0)).transpose()?.flatten();
    Ok(next.map(|at| UnixMillis(at.unsigned_abs())))
}

/// Folds every case that the group touched. Takes the end of the feed before, and gives that after.
pub(crate) async fn refold(scope: &mut Scope<'_>, last: FeedEnd) -> Result<FeedEnd, StoreError> {
    if !scope.group.may_be_dirty {
        return Ok(last);
    }
    let position = next_position(scope, last.position).await?;
    let first = FeedEnd { seq: last.seq + 1, position };
    let mut has_next = true;
    while has_next {
        let apart = forks::apart(scope).await?;
        let touched = load::next_touched(&mut scope.tx, scope.region, &apart).await?;
        let Some(touched) = touched else { break };
        let Touched { case_no, loaded, told, .. } = touched;
        if case_no == region::DIRTY {
            region::refold(scope).await?;
            continue;
        }
        has_next = touched.has_next;
        scope.tx.write("DELETE FROM dirty WHERE case_no = ?", [case_no.into()]).await?;
        let Some(case) = civic::fold(&loaded.records, scope.region, scope.now) else {
            // Its opening record is still to come, or counts no longer.
            forget_case(scope, case_no).await?;
            continue;
        };
        write_case(scope, case_no, &case).await?;
        write_verdicts(scope, &loaded, &case).await?;
        write_items(scope, (case_no, first), (&loaded, &case), told).await?;
    }
    if scope.group.n_items == 0 {
        return Ok(last);
    }
    Ok(FeedEnd { seq: last.seq + scope.group.n_items, position })
}

/// Where this group's items stand in the feed: after all that are there, so that nobody who has read those misses one.
pub(crate) async fn next_position(
    scope: &mut Scope<'_>,
    last: Position,
) -> Result<Position, StoreError> {
    let own = scope.tails.get(&mut scope.tx, scope.config.own.name).await?;
    let log_size = own.map_or(0, |tail| tail.row.frontier.size());
    let earliest =
        if last.log_size < log_size { last.instant.0 } else { last.instant.0.saturating_add(1) };
    Ok(Position { log_size, instant: UnixMillis(scope.now.0.max(earliest)) })
}

/// Refuses a guarded call, if a record of it would not count.
pub(crate) async fn must_count(
    scope: &mut Scope<'_>,
    appended: &[Appended],
) -> Result<(), StoreError> {
    let own = scope.config.own.name;
    let log_no = scope.tails.get_or_begin(&mut scope.tx, own, None).await?.row.log_no;
    let mut of_cases: BTreeMap<i64, Vec<RecordId>> = BTreeMap::new();
    for written in appended {
        let place = own_place(log_no, written)?;
        not_refused(scope, place).await?;
        let sql = "SELECT case_no FROM case_records WHERE place = ?";
        for row in &scope.tx.read(sql, [place.into()]).await? {
            of_cases.entry(rows::column(row, 0)?).or_default().push(written.id);
        }
    }
    let apart = forks::apart(scope).await?;
    for (case_no, records) in of_cases {
        let loaded = load::case(&mut scope.tx, scope.region, &apart, case_no).await?;
        let case = civic::fold(&loaded.records, scope.region, scope.now);
        records.into_iter().try_for_each(|record| judge(case.as_ref(), record))?;
    }
    Ok(())
}

/// Refuses a record that could not even be filed.
async fn not_refused(scope: &mut Scope<'_>, place: i64) -> Result<(), StoreError> {
    let sql = "SELECT reason, detail FROM refusals WHERE place = ?";
    let malformed = scope.tx.read(sql, [place.into()]).await?;
    let Some(row) = malformed.first() else { return Ok(()) };
    let (reason, detail) = (rows::column(row, 0)?, rows::column(row, 1)?);
    Err(StoreError::Refused { reason, detail })
}

fn judge(case: Option<&Case>, id: RecordId) -> Result<(), StoreError> {
    let Some(case) = case else {
        return Err(StoreError::Refused {
            reason: "case.unknown".to_owned(),
            detail: "There is no such case here yet. Nothing was written. If it is new, try again in a moment."
                .to_owned(),
        });
    };
    let verdict = case.judgements.iter().find(|it| it.record == id).map(|it| &it.verdict);
    match verdict {
        Some(Verdict::Refused(refusal)) => Err(StoreError::Refused {
            reason: refusal.reason().to_owned(),
            detail: refusal.to_string(),
        }),
        Some(Verdict::Repeat) => Err(StoreError::Refused {
            reason: "record.repeat".to_owned(),
            detail: "This was said before and counts already. Nothing was written.".to_owned(),
        }),
        Some(Verdict::Counts) | None => Ok(()),
    }
}

/// Leaves a case as it is before its opening record has come.
async fn forget_case(scope: &mut Scope<'_>, case_no: i64) -> Result<(), StoreError> {
    let sql =
        "UPDATE cases SET kind = NULL, state = NULL, provisional = 0, view = NULL, deadline = NULL,
                                deadline_why = NULL, name = NULL
               WHERE case_no = ? AND kind IS NOT NULL";
    scope.group.changed_cases = true;
    scope.tx.write(sql, [case_no.into()]).await
}

async fn write_case(scope: &mut Scope<'_>, case_no: i64, case: &Case) -> Result<(), StoreError> {
    let deadline = case.next_deadline.map(|(at, _)| rows::to_i64_at_most(at.0));
    let why = case.next_deadline.map(|(_, why)| why);
    // What people look it up by.
    let name = match &case.body {
        CaseBody::Opportunity(opportunity) => Some(opportunity.ocid.as_str()),
        CaseBody::Covenant(_) | CaseBody::Pool(_) | CaseBody::Poll(_) => None,
    };
    let sql = "UPDATE cases
               SET kind = ?, state = ?, provisional = ?, view = ?, deadline = ?, deadline_why = ?,
                   name = ?
               WHERE case_no = ?";
    let values = [
        kind_name(case).into(),
        case.state.into(),
        i64::from(case.provisional).into(),
        view_json(case)?.into(),
        deadline.into(),
        why.into(),
        name.into(),
        case_no.into(),
    ];
    scope.group.changed_cases = true;
    scope.tx.write(sql, values).await
}

/// The name of a case's kind, as in /register/… and in feeds.
fn kind_name(case: &Case) -> &'static str {
    match case.kind {
        civic::CaseKind::Covenant => "covenant",
        civic::CaseKind::Opportunity => "opportunity",
        civic::CaseKind::Pool => "pool",
        civic::CaseKind::Poll => "poll",
    }
}

/// The case as the register shows it: what all kinds have, then the kind's own content.
fn view_json(case: &Case) -> Result<String, StoreError> {
    let damaged = |_error| StoreError::Damaged { what: "a case that cannot be written as JSON" };
    let refused: Vec<_> = case
        .judgements
        .iter()
        .filter_map(|it| match &it.verdict {
            Verdict::Refused(refusal) => Some(serde_json::json!({
                "record": it.record, "reason": refusal.reason(), "detail": refusal.to_string(),
            })),
            Verdict::Counts | Verdict::Repeat => None,
        })
        .collect();
    let mut view = serde_json::json!({
        "id": case.id,
        "kind": kind_name(case),
        "state": case.state,
        "provisional": case.provisional,
        "next_deadline": case.next_deadline.map(|(at, why)| serde_json::json!({ "at": at, "why": why })),
        "refused": refused,
    });
    let body = serde_json::to_value(&case.body).map_err(damaged)?;
    let content = body.as_object().and_then(|it| it.values().next()).and_then(|it| it.as_object());
    if let (Some(view), Some(content)) = (view.as_object_mut(), content) {
        for (key, value) in content {
            view.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    serde_json::to_string(&view).map_err(damaged)
}

/// Notes what changed of the verdicts: of a large case, little does.
async fn write_verdicts(
    scope: &mut Scope<'_>,
    loaded: &Loaded,
    case: &Case,
) -> Result<(), StoreError> {
    for judgement in &case.judgements {
        let Some(place) = loaded.place(&judgement.record) else { continue };
        let before = loaded.refusals.get(&place);
        match &judgement.verdict {
            Verdict::Refused(refusal) => {
                let told = (refusal.reason().to_owned(), refusal.to_string());
                if before != Some(&told) {
                    refuse(scope, place, &told.0, &told.1).await?;
                }
            }
            Verdict::Counts | Verdict::Repeat => {
                if before.is_some() {
                    let sql = "DELETE FROM refusals WHERE place = ?";
                    scope.tx.write(sql, [place.into()]).await?;
                }
            }
        }
    }
    Ok(())
}

/// Adds the steps that the feed has not told yet. An item, once told, stays; its id is equal at every coordinator.
async fn write_items(
    scope: &mut Scope<'_>,
    (case_no, first): (i64, FeedEnd),
    (loaded, case): (&Loaded, &Case),
    mut told: BTreeSet<ItemId>,
) -> Result<(), StoreError> {
    let position = first.position;
    let (log_size, instant) =
        (rows::to_i64(position.log_size)?, rows::to_i64_at_most(position.instant.0));
    for step in &case.transitions {
        if !told.insert(step.item) {
            continue;
        }
        let seq = first.seq + scope.group.n_items;
        let item = item_json(step, loaded, case);
        let values = [
            seq.into(),
            step.item.as_bytes().into(),
            log_size.into(),
            instant.into(),
            case_no.into(),
            item.as_str().into(),
        ];
        let sql = "INSERT INTO items (seq, id, log_size, instant, case_no, item)
                   VALUES (?, ?, ?, ?, ?, ?)";
        scope.tx.write(sql, values).await?;
        scope.group.n_items += 1;
        if scope.group.items.len() <= MAX_CARRIED_ITEMS {
            scope.group.items.push(FeedItem { seq, position, item, region: None });
        }
    }
    Ok(())
}

fn item_json(step: &Transition, loaded: &Loaded, case: &Case) -> String {
    let causes: Vec<_> = step
        .causes
        .iter()
        .filter_map(|id| loaded.record(id))
        .map(|it| {
            serde_json::json!({
                "record": it.id, "community": it.community, "era": it.era, "index": it.index,
            })
        })
        .collect();
    let item = serde_json::json!({
        "id": step.item,
        "transition": step.what,
        "kind": kind_name(case),
        "case": case.id,
        "state": case.state,
        "provisional": case.provisional,
        "summary": step.summary,
        "at": step.at,
        "deadline": step.deadline,
        "causes": causes,
        "community": step.community,
        "places": step.places,
    });
    item.to_string()
}
