//! Our own log: drafts become records, and one signature covers a whole group of them.

use record::{
    Header, Kind, RecordId,
    commitment::{Commitment, Salt},
    limits::{MAX_PAYLOAD_BYTES, MAX_REFERENCES},
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};
use sqlx::{Connection as _, Row as _};
use tlog::{Checkpoint, KeyName, sign_checkpoint};

use crate::{
    accept,
    error::StoreError,
    logs::place_of,
    register, rows,
    writer::{CommittedHead, Scope},
};

/// A record to be written: the store gives it its place, its time and its header.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The kind.
    pub kind: Kind,
    /// The payload.
    pub payload: Vec<u8>,
    /// 32 fresh random bytes.
    pub salt: Salt,
    /// What it builds on; the first names the case.
    pub references: Vec<Reference>,
}

/// A reference of a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// To a record that exists.
    Record(RecordId),
    /// To an earlier draft of the same call, by its number from 0.
    Draft(usize),
}

/// What is asked of the register before records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: the log tells what was said.
    None,
    /// Every record must count; else none of the call is written.
    MustCount,
}

/// A record that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its id.
    pub id: RecordId,
    /// Its index in our own log.
    pub index: u64,
}

/// Appends drafts; a guarded call that is refused leaves no trace.
pub(crate) async fn append(
    scope: &mut Scope<'_>,
    drafts: Vec<Draft>,
    guard: Guard,
) -> Result<Vec<Appended>, StoreError> {
    if drafts.is_empty() {
        return Ok(Vec::new());
    }
    let own = scope.config.own.name;
    let tail = scope.tails.snapshot(own);
    let dirty = scope.group.dirty.clone();
    let storage = StoreError::storage("writing our own records");
    let mut savepoint = scope.tx.begin().await.map_err(&storage)?;
    let mut inner = Scope {
        tx: &mut savepoint,
        config: scope.config,
        tails: &mut *scope.tails,
        group: &mut *scope.group,
        now: scope.now,
    };
    let done = match write(&mut inner, drafts).await {
        Ok(appended) if guard == Guard::MustCount => {
            register::must_count(&mut inner, &appended).await.map(|()| appended)
        }
        done => done,
    };
    match &done {
        Ok(_) => {
            savepoint.commit().await.map_err(&storage)?;
            scope.group.own_grew = true;
        }
        // The whole transaction is lost, and SQLite may have ended it already.
        Err(fault) if fault.is_fault() => {}
        Err(_) => {
            savepoint.rollback().await.map_err(&storage)?;
            scope.tails.restore(own, tail);
            scope.group.dirty = dirty;
        }
    }
    done
}

/// Writes drafts without any guard.
pub(crate) async fn write(
    scope: &mut Scope<'_>,
    drafts: Vec<Draft>,
) -> Result<Vec<Appended>, StoreError> {
    let own = scope.config.own.name;
    let first = scope.tails.get_or_begin(scope.tx, own, None).await?.row.frontier.size();
    let mut written = Vec::with_capacity(drafts.len());
    let mut records = Vec::with_capacity(drafts.len());
    for (index, draft) in (first..).zip(drafts) {
        let record = seal(scope, index, draft, &written)?;
        written.push(Appended { id: record.id(), index });
        records.push(record);
    }
    accept::store_records(scope, own, records, None).await?;
    Ok(written)
}

/// Gives a draft its header, and verifies it as anybody else will.
fn seal(
    scope: &Scope<'_>,
    index: u64,
    draft: Draft,
    earlier: &[Appended],
) -> Result<VerifiedRecord, StoreError> {
    let own = scope.config.own.name;
    let Draft { kind, payload, salt, references } = draft;
    let payload_bytes = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    if MAX_PAYLOAD_BYTES < payload.len() {
        let detail =
            format!("The record has {payload_bytes} bytes; the limit is {MAX_PAYLOAD_BYTES}.");
        return Err(StoreError::Invalid { reason: "record.payload_too_large", detail });
    }
    if MAX_REFERENCES < references.len() {
        let detail = format!("A record refers to at most {MAX_REFERENCES} others.");
        return Err(StoreError::Invalid { reason: "record.too_many_references", detail });
    }
    let resolve = |reference| match reference {
        Reference::Record(id) => Ok(id),
        Reference::Draft(number) => {
            earlier.get(number).map(|it| it.id).ok_or(StoreError::Invalid {
                reason: "record.reference_forward",
                detail: "A record can refer only to earlier ones.".to_owned(),
            })
        }
    };
    let header = Header {
        network: scope.config.network.clone(),
        community: own.community,
        era: own.era,
        index,
        time: scope.now,
        kind,
        commitment: Commitment::to(&salt, &payload),
        payload_bytes,
        references: references.into_iter().map(resolve).collect::<Result<_, _>>()?,
    };
    let place = ExpectedPlace {
        network: &scope.config.network,
        community: own.community,
        era: own.era,
        index,
    };
    verify(header.encode(), Some(Content { salt, payload }), &place)
        .map_err(|error| StoreError::Invalid { reason: error.reason(), detail: error.to_string() })
}

/// Signs the head of our own log, once for everything that the group appended to it.
pub(crate) async fn sign_head(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    if !scope.group.own_grew {
        return Ok(());
    }
    let own = &scope.config.own;
    let tail = scope.tails.get_or_begin(scope.tx, own.name, None).await?;
    let (log_no, frontier) = (tail.row.log_no, tail.row.frontier.clone());
    let size = frontier.size();
    let origin = scope.config.network.log_origin(&own.name.community, own.name.era);
    let damaged = StoreError::Damaged { what: "the origin of our own log" };
    let origin = KeyName::parse(&origin).ok().ok_or(damaged)?;
    let checkpoint = Checkpoint { origin, size, root: frontier.root() };
    hold_guard(scope, log_no, &checkpoint).await?;
    let note = sign_checkpoint(&checkpoint, &own.log_key).to_bytes();
    accept::store_checkpoint(scope, own.name, size, &note).await?;
    let head = CommittedHead { log: own.name, frontier, size, checkpoint: note.into() };
    scope.group.heads.insert(own.name, head);
    Ok(())
}

/// Notes the head that is about to be signed, and refuses one that contradicts a head signed before.
async fn hold_guard(
    scope: &mut Scope<'_>,
    log_no: i64,
    next: &Checkpoint,
) -> Result<(), StoreError> {
    let storage = StoreError::storage("keeping the signing guard");
    let signed = sqlx::query("SELECT size, root FROM signing_guard WHERE log_no = $1")
        .bind(log_no)
        .fetch_optional(&mut *scope.tx)
        .await
        .map_err(&storage)?;
    if let Some(row) = signed {
        let size = row.get::<i64, _>(0).unsigned_abs();
        let root: Vec<u8> = rows::column(&row, 1)?;
        let same = size == next.size && root == next.root.as_bytes();
        if next.size <= size && !same {
            return Err(StoreError::SigningGuard { index: size });
        }
    }
    sqlx::query(
        "INSERT INTO signing_guard (log_no, size, root) VALUES ($1, $2, $3)
         ON CONFLICT (log_no) DO UPDATE SET size = excluded.size, root = excluded.root",
    )
    .bind(log_no)
    .bind(rows::to_i64(next.size)?)
    .bind(next.root.as_bytes().to_vec())
    .execute(&mut *scope.tx)
    .await
    .map_err(&storage)?;
    Ok(())
}

/// The place of one of our own records.
pub(crate) fn own_place(log_no: i64, appended: &Appended) -> Result<i64, StoreError> {
    place_of(log_no, appended.index)
}
