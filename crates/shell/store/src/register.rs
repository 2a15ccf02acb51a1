//! The register: which record belongs to which case, and the fold of every case that a commit touched.

use std::collections::{BTreeMap, BTreeSet};

use civic::{Case, Verdict, case::Transition};
use proto::payload::PayloadError;
use record::{
    CommunityId, Payload, RecordId, UnixMillis, VerifiedRecord, payload::OpportunityAction,
};
use sqlx::{AssertSqlSafe, SqliteConnection};

use crate::{
    append::{Appended, own_place},
    error::StoreError,
    load::{self, Loaded},
    read::Position,
    receipts, rows,
    writer::Scope,
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
        Payload::Receipt(receipt) => receipts::note(scope, header.community, receipt).await,
        Payload::Evidence(_) => Ok(()),
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
    sqlx::query("INSERT INTO words (record, place) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(id.as_bytes().to_vec())
        .bind(place)
        .execute(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("filing words"))?;
    Ok(())
}

async fn note_roll(
    scope: &mut Scope<'_>,
    place: i64,
    community: CommunityId,
    roll: &record::payload::Roll,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO rolls (community, place, n_on_roll, roll_root) VALUES ($1, $2, $3, $4)
         ON CONFLICT (community) DO UPDATE
         SET place = excluded.place, n_on_roll = excluded.n_on_roll, roll_root = excluded.roll_root
         WHERE ((SELECT era FROM logs WHERE log_no = rolls.place >> 40), rolls.place & 1099511627775)
             < ((SELECT era FROM logs WHERE log_no = excluded.place >> 40), excluded.place & 1099511627775)",
    )
    .bind(community.as_bytes().to_vec())
    .bind(place)
    .bind(rows::to_i64_at_most(roll.roll.n_on_roll))
    .bind(roll.roll.roll_root.to_vec())
    .execute(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("filing a roll"))?;
    Ok(())
}

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
    let case_no = case_no(scope, case_id).await?;
    sqlx::query("INSERT INTO case_records (case_no, place) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(case_no)
        .bind(place)
        .execute(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("filing a record"))?;
    if let Payload::Opportunity(OpportunityAction::Publish(publication)) = payload {
        name_case(scope, case_no, &publication.release.ocid).await?;
    }
    scope.group.dirty.insert(case_no);
    Ok(())
}

/// The number of a case here; a record may name one that is still to come.
async fn case_no(scope: &mut Scope<'_>, id: RecordId) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "INSERT INTO cases (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING case_no",
    )
    .bind(id.as_bytes().to_vec())
    .fetch_one(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("numbering a case"))
}

async fn name_case(scope: &mut Scope<'_>, case_no: i64, name: &str) -> Result<(), StoreError> {
    sqlx::query("UPDATE cases SET name = $2 WHERE case_no = $1")
        .bind(case_no)
        .bind(name.to_owned())
        .execute(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("naming a case"))?;
    Ok(())
}

async fn refuse(
    scope: &mut Scope<'_>,
    place: i64,
    reason: &str,
    detail: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO refusals (place, reason, detail) VALUES ($1, $2, $3)
         ON CONFLICT (place) DO UPDATE SET reason = excluded.reason, detail = excluded.detail",
    )
    .bind(place)
    .bind(reason.to_owned())
    .bind(detail.to_owned())
    .execute(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("noting a refusal"))?;
    Ok(())
}

/// Marks the cases that the clock has something to do in.
pub(crate) async fn mark_due(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let due: Vec<i64> = sqlx::query_scalar("SELECT case_no FROM cases WHERE deadline <= $1")
        .bind(rows::to_i64_at_most(scope.now.0))
        .fetch_all(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("finding what is due"))?;
    scope.group.dirty.extend(due);
    Ok(())
}

/// When the clock next changes the register.
pub(crate) async fn next_deadline(
    tx: &mut SqliteConnection,
) -> Result<Option<UnixMillis>, StoreError> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT MIN(deadline) FROM cases WHERE deadline IS NOT NULL")
            .fetch_one(tx)
            .await
            .map_err(StoreError::storage("finding the next deadline"))?;
    Ok(next.map(|at| UnixMillis(at.unsigned_abs())))
}

/// Folds every case that the group touched. `last` is the place of the newest item in the feed.
pub(crate) async fn refold(scope: &mut Scope<'_>, last: Position) -> Result<(), StoreError> {
    let dirty = std::mem::take(&mut scope.group.dirty);
    if dirty.is_empty() {
        return Ok(());
    }
    let position = next_position(scope, last).await?;
    for case_no in dirty {
        let loaded = load::case(scope.tx, scope.config, case_no).await?;
        let Some(case) = civic::fold(&loaded.records, &scope.config.region, scope.now) else {
            continue;
        };
        write_case(scope, case_no, &case).await?;
        write_verdicts(scope, case_no, &loaded, &case).await?;
        write_items(scope, (case_no, position), &loaded, &case).await?;
    }
    Ok(())
}

/// Where this group's items stand in the feed: after all that are there, so that nobody who has read those misses one.
async fn next_position(scope: &mut Scope<'_>, last: Position) -> Result<Position, StoreError> {
    let own = scope.tails.get(scope.tx, scope.config.own.name).await?;
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
    let log_no = scope.tails.get_or_begin(scope.tx, own, None).await?.row.log_no;
    let mut of_cases: BTreeMap<i64, Vec<RecordId>> = BTreeMap::new();
    for written in appended {
        let place = own_place(log_no, written)?;
        not_refused(scope, place).await?;
        let cases: Vec<i64> =
            sqlx::query_scalar("SELECT case_no FROM case_records WHERE place = $1")
                .bind(place)
                .fetch_all(&mut *scope.tx)
                .await
                .map_err(StoreError::storage("finding the case of a record"))?;
        for case_no in cases {
            of_cases.entry(case_no).or_default().push(written.id);
        }
    }
    for (case_no, records) in of_cases {
        let loaded = load::case(scope.tx, scope.config, case_no).await?;
        let case = civic::fold(&loaded.records, &scope.config.region, scope.now);
        records.into_iter().try_for_each(|record| judge(case.as_ref(), record))?;
    }
    Ok(())
}

/// Refuses a record that could not even be filed.
async fn not_refused(scope: &mut Scope<'_>, place: i64) -> Result<(), StoreError> {
    let malformed = sqlx::query("SELECT reason, detail FROM refusals WHERE place = $1")
        .bind(place)
        .fetch_optional(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("reading a refusal"))?;
    let Some(row) = malformed else { return Ok(()) };
    let (reason, detail) = (rows::column(&row, 0)?, rows::column(&row, 1)?);
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

async fn write_case(scope: &mut Scope<'_>, case_no: i64, case: &Case) -> Result<(), StoreError> {
    let deadline = case.next_deadline.map(|(at, _)| rows::to_i64_at_most(at.0));
    sqlx::query(
        "UPDATE cases SET kind = $2, state = $3, provisional = $4, view = $5, deadline = $6, deadline_why = $7
         WHERE case_no = $1",
    )
    .bind(case_no)
    .bind(kind_name(case))
    .bind(case.state)
    .bind(i64::from(case.provisional))
    .bind(view_json(case)?)
    .bind(deadline)
    .bind(case.next_deadline.map(|(_, why)| why))
    .execute(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("writing the register"))?;
    Ok(())
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
    case_no: i64,
    loaded: &Loaded,
    case: &Case,
) -> Result<(), StoreError> {
    let noted: Vec<(i64, String, String)> = sqlx::query_as(
        "SELECT r.place, r.reason, r.detail FROM case_records AS c
         JOIN refusals AS r ON r.place = c.place WHERE c.case_no = $1",
    )
    .bind(case_no)
    .fetch_all(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("reading refusals"))?;
    let mut noted: BTreeMap<i64, (String, String)> =
        noted.into_iter().map(|(place, reason, detail)| (place, (reason, detail))).collect();
    for judgement in &case.judgements {
        let Some(place) = loaded.place(&judgement.record) else { continue };
        let before = noted.remove(&place);
        match &judgement.verdict {
            Verdict::Refused(refusal) => {
                let told = (refusal.reason().to_owned(), refusal.to_string());
                if before.as_ref() != Some(&told) {
                    refuse(scope, place, &told.0, &told.1).await?;
                }
            }
            Verdict::Counts | Verdict::Repeat => {
                if before.is_some() {
                    accept_after_all(scope, place).await?;
                }
            }
        }
    }
    Ok(())
}

async fn accept_after_all(scope: &mut Scope<'_>, place: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM refusals WHERE place = $1")
        .bind(place)
        .execute(&mut *scope.tx)
        .await
        .map_err(StoreError::storage("noting a verdict"))?;
    Ok(())
}

/// Items looked up in one statement.
const ITEMS_PER_QUERY: usize = 32;

/// Adds the steps that the feed has not told yet. An item, once told, stays; its id is equal at every coordinator.
async fn write_items(
    scope: &mut Scope<'_>,
    (case_no, position): (i64, Position),
    loaded: &Loaded,
    case: &Case,
) -> Result<(), StoreError> {
    for steps in case.transitions.chunks(ITEMS_PER_QUERY) {
        let told = told_items(scope.tx, steps).await?;
        for step in steps.iter().filter(|it| !told.contains(it.item.as_bytes().as_slice())) {
            let done = sqlx::query(
                "INSERT INTO items (id, log_size, instant, case_no, item) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(step.item.as_bytes().to_vec())
            .bind(rows::to_i64(position.log_size)?)
            .bind(rows::to_i64_at_most(position.instant.0))
            .bind(case_no)
            .bind(item_json(step, loaded, case))
            .execute(&mut *scope.tx)
            .await
            .map_err(StoreError::storage("writing the feed"))?;
            scope.group.n_items += usize::try_from(done.rows_affected()).unwrap_or(0);
            scope.group.position = Some(position);
        }
    }
    Ok(())
}

/// Which of these steps the feed has told. The statement has always the same text: an id that is missing is empty.
async fn told_items(
    tx: &mut SqliteConnection,
    steps: &[Transition],
) -> Result<BTreeSet<Vec<u8>>, StoreError> {
    let sql = format!("SELECT id FROM items WHERE id IN (?{})", ", ?".repeat(ITEMS_PER_QUERY - 1));
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
    for number in 0..ITEMS_PER_QUERY {
        query =
            query.bind(steps.get(number).map_or_else(Vec::new, |it| it.item.as_bytes().to_vec()));
    }
    let told: Vec<Vec<u8>> =
        query.fetch_all(tx).await.map_err(StoreError::storage("reading the feed"))?;
    Ok(told.into_iter().collect())
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
