//! Our own log: drafts become records, and one signature covers a whole group of them.

use record::{
    Header, Kind, RecordId,
    commitment::{Commitment, Salt},
    limits::{MAX_PAYLOAD_BYTES, MAX_REFERENCES},
    verified::{Content, ExpectedPlace, VerifiedRecord, verify},
};
use tlog::{Checkpoint, Hash, KeyName, sign_checkpoint};

use crate::{accept, error::StoreError, logs::place_of, register, rows, settling, writer::Scope};

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
    settling::must_not_be_catching_up(scope).await?;
    let own = scope.config.own.name;
    let (tail, n_added) = (scope.tails.snapshot(own), scope.group.added.n_appended());
    scope.tx.write("SAVEPOINT drafts", []).await?;
    let done = match write(scope, drafts).await {
        Ok(appended) if guard == Guard::MustCount => {
            register::must_count(scope, &appended).await.map(|()| appended)
        }
        done => done,
    };
    match &done {
        Ok(_) => {
            scope.tx.write("RELEASE drafts", []).await?;
            scope.group.own_grew = true;
        }
        // The whole transaction is lost, and SQLite may have ended it already.
        Err(fault) if fault.is_fault() => {}
        Err(_) => {
            scope.tx.write("ROLLBACK TO drafts", []).await?;
            scope.tx.write("RELEASE drafts", []).await?;
            scope.tails.restore(own, tail);
            scope.group.added.take_back_to(n_added);
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
    let is_settled = *scope.settled;
    let row = &mut scope.tails.get_or_begin(&mut scope.tx, own, None).await?.row;
    let first = row.frontier.size();
    if !is_settled && row.signed_frontier.is_none() {
        row.signed_frontier = Some(row.frontier.clone());
    }
    let mut written = Vec::with_capacity(drafts.len());
    let mut records = Vec::with_capacity(drafts.len());
    for (index, draft) in (first..).zip(drafts) {
        let record = seal(scope, index, draft, &written)?;
        scope.group.added.note(index, &record);
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
    if !scope.group.own_grew || !*scope.settled {
        return Ok(());
    }
    let own = &scope.config.own;
    let tail = scope.tails.get_or_begin(&mut scope.tx, own.name, None).await?;
    tail.row.signed_frontier = None;
    let (log_no, frontier) = (tail.row.log_no, tail.row.frontier.clone());
    let size = frontier.size();
    let origin = scope.config.network.log_origin(&own.name.community, own.name.era);
    let damaged = StoreError::Damaged { what: "the origin of our own log" };
    let origin = KeyName::parse(&origin).ok().ok_or(damaged)?;
    let checkpoint = Checkpoint { origin, size, root: frontier.root() };
    hold_guard(scope, log_no, &checkpoint).await?;
    let note = sign_checkpoint(&checkpoint, &own.log_key).to_bytes();
    scope.tails.recent.push(size, note.clone());
    accept::keep_checkpoint(scope, own.name, size, note).await
}

/// Notes the head that is about to be signed, and refuses one that contradicts a head signed before.
async fn hold_guard(
    scope: &mut Scope<'_>,
    log_no: i64,
    next: &Checkpoint,
) -> Result<(), StoreError> {
    let signed = match scope.tails.signed {
        Some(signed) => Some(signed),
        None => last_signed(scope, log_no).await?,
    };
    if let Some((size, root)) = signed
        && next.size <= size
        && (next.size, next.root) != (size, root)
    {
        return Err(StoreError::SigningGuard { index: size });
    }
    scope.tails.signed = Some((next.size, next.root));
    let size = rows::to_i64(next.size)?;
    let values = [log_no.into(), size.into(), next.root.as_bytes().into()];
    scope.tx.write(KEEP_GUARD, values).await
}

/// Notes a head of our own log that we had signed, and that came back from a peer.
pub(crate) async fn note_signed(
    scope: &mut Scope<'_>,
    (size, root): (u64, Hash),
) -> Result<(), StoreError> {
    let own = scope.config.own.name;
    let log_no = scope.tails.get_or_begin(&mut scope.tx, own, None).await?.row.log_no;
    scope.tails.signed = Some((size, root));
    let values = [log_no.into(), rows::to_i64(size)?.into(), root.as_bytes().into()];
    scope.tx.write(KEEP_GUARD, values).await
}

const KEEP_GUARD: &str = "INSERT INTO signing_guard (log_no, size, root) VALUES (?, ?, ?)
    ON CONFLICT (log_no) DO UPDATE SET size = excluded.size, root = excluded.root";

/// Size and root of the newest head that was signed, as the file says.
async fn last_signed(
    scope: &mut Scope<'_>,
    log_no: i64,
) -> Result<Option<(u64, Hash)>, StoreError> {
    let signed = scope
        .tx
        .read("SELECT size, root FROM signing_guard WHERE log_no = ?", [log_no.into()])
        .await?;
    let Some(row) = signed.first() else { return Ok(None) };
    let (size, root): (i64, Vec<u8>) = (rows::column(row, 0)?, rows::column(row, 1)?);
    let root = root.try_into().ok().ok_or(StoreError::Damaged { what: "the signing guard" })?;
    Ok(Some((size.unsigned_abs(), Hash::from_bytes(root))))
}

/// The place of one of our own records.
pub(crate) fn own_place(log_no: i64, appended: &Appended) -> Result<i64, StoreError> {
    place_of(log_no, appended.index)
}
