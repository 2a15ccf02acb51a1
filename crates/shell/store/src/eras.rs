//! The eras of a community: the identity that its logs share, and what a recovery keeps of an ended one.
//!
//! ```text
//! identity, of any era ─▶ the newest one, verified ─▶ every log of the community
//!                            └─ kept(era) ─▶ what stands behind: refused, and out of the register
//! ```
//!
//! It does not matter whether the recovery or the records came first: what counts afterwards is the same. What the feed
//! has told stays told.

use record::{
    CommunityId, LogName, Payload, VerifiedRecord,
    identity::{Identity, IdentityBundle},
    kind::Known,
};
use tlog::{Checkpoint, Note};

use crate::{
    accept::{self, stored_header},
    db::Waits,
    erasures,
    error::StoreError,
    forks, indexes,
    logs::{self, LogRow, MAX_LOG_RECORDS, Pending, place_of},
    proofs, receipts, region, register, rows,
    transaction::Value,
    writer::Scope,
};

/// The stable reason of a record behind what is kept of its era.
pub(crate) const BEYOND_KEPT: &str = "identity.beyond_kept";
/// Records that are read at once where a whole log is gone through.
pub(crate) const RECORDS_PER_READ: u64 = 256;

/// Keeps the identity bundle of a log, or a newer one that is known from another of its eras, for every era.
pub(crate) async fn set_identity(
    scope: &mut Scope<'_>,
    log: LogName,
    bundle: Vec<u8>,
) -> Result<(), StoreError> {
    let community = log.community;
    let known = logs_of(scope, community).await?;
    if !known.iter().any(|row| row.name == log) {
        return Err(StoreError::NotFound { what: format!("log of {community}") });
    }
    // The usual case, a log that has one era, needs no signature verified again.
    if known.len() == 1 && !tells_of_recovery(&bundle) {
        keep_identity(scope, log, &bundle).await?;
        return forks::identity_changed(scope, community).await;
    }
    let given = known.iter().filter_map(|row| row.identity.as_deref()).chain([bundle.as_slice()]);
    let newest = given.filter_map(|it| verified(scope, community, it)).max_by_key(|it| it.0);
    let Some((_, newest_bundle, identity)) = newest else {
        keep_identity(scope, log, &bundle).await?;
        return forks::identity_changed(scope, community).await;
    };
    for LogRow { name, .. } in &known {
        keep_identity(scope, *name, &newest_bundle).await?;
        if let Some(kept) = identity.kept(name.era) {
            end_era(scope, *name, kept.size).await?;
        }
    }
    forks::identity_changed(scope, community).await
}

/// The logs of a community as this transaction has them.
pub(crate) async fn logs_of(
    scope: &mut Scope<'_>,
    community: CommunityId,
) -> Result<Vec<LogRow>, StoreError> {
    let sql = "SELECT era FROM logs WHERE community = ? ORDER BY era";
    let eras = scope.tx.read(sql, [community.as_bytes().into()]).await?;
    let mut known = Vec::with_capacity(eras.len());
    for row in &eras {
        let era = u32::try_from(rows::column::<i64>(row, 0)?);
        let era = era.ok().ok_or(StoreError::Damaged { what: "a row of logs" })?;
        let tail = scope.tails.get(&mut scope.tx, LogName { community, era }).await?;
        known.extend(tail.map(|it| it.row.clone()));
    }
    Ok(known)
}

fn tells_of_recovery(bundle: &[u8]) -> bool {
    let is_recovery = |header: &[u8]| {
        stored_header(header).is_ok_and(|it| it.kind.known() == Some(Known::Recovery))
    };
    IdentityBundle::decode(bundle)
        .is_ok_and(|it| it.records.iter().any(|record| is_recovery(&record.header)))
}

/// How many records an identity has, its bundle, and what it says; `None` if it does not hold.
fn verified(
    scope: &Scope<'_>,
    community: CommunityId,
    bundle: &[u8],
) -> Option<(usize, Vec<u8>, Identity)> {
    let read = IdentityBundle::decode(bundle).ok()?;
    let verified = read.verify(Some(community), &scope.config.network, None).ok()?;
    Some((read.records.len(), bundle.to_vec(), verified.identity))
}

async fn keep_identity(
    scope: &mut Scope<'_>,
    log: LogName,
    bundle: &[u8],
) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { return Ok(()) };
    if tail.row.identity.as_deref() == Some(bundle) {
        return Ok(());
    }
    tail.row.identity = Some(bundle.into());
    // Whoever offers the log is to know of it.
    if tail.row.checkpoint.is_some() {
        scope.group.changed.insert(log);
        scope.group.heads.insert(log);
    }
    let values = [bundle.to_vec().into(), tail.row.log_no.into()];
    scope.tx.write("UPDATE logs SET identity = ? WHERE log_no = ?", values).await
}

/// Notes what is kept of an era, and takes what stands behind it out of the register.
async fn end_era(scope: &mut Scope<'_>, log: LogName, kept: u64) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { return Ok(()) };
    if tail.row.kept_size == Some(kept) {
        return Ok(());
    }
    tail.row.kept_size = Some(kept);
    let (log_no, size) = (tail.row.log_no, tail.row.frontier.size());
    let values = [rows::to_i64(kept)?.into(), log_no.into()];
    scope.tx.write("UPDATE logs SET kept_size = ? WHERE log_no = ?", values).await?;
    if kept < size { discount(scope, log, (log_no, kept)).await } else { Ok(()) }
}

/// Refuses a record behind what is kept, whatever it says. What it erases stays here; but holders who did not know of the
/// recovery have dropped it, and their logs are to be had all the same. Evidence of a fork proves itself, whoever files it.
pub(crate) async fn refuse(
    scope: &mut Scope<'_>,
    place: i64,
    record: &VerifiedRecord,
    kept: u64,
) -> Result<(), StoreError> {
    erasures::note_void(scope, place, record).await?;
    forks::accuse_if_evidence(scope, place, record).await?;
    register::refuse(scope, place, BEYOND_KEPT, &detail(kept)).await
}

fn detail(kept: u64) -> String {
    format!(
        "The community's officers ended this era and kept its first {kept} records. This one stands behind them and counts for nothing."
    )
}

/// Takes the records of a log from `kept` on out of the register: they have counted until now.
async fn discount(
    scope: &mut Scope<'_>,
    log: LogName,
    (log_no, kept): (i64, u64),
) -> Result<(), StoreError> {
    take_out_of_register(scope, (log_no, kept)).await?;
    let behind = [place_of(log_no, kept)?.into(), place_of(log_no, MAX_LOG_RECORDS)?.into()];
    let sql = "INSERT OR REPLACE INTO refusals (place, reason, detail)
               SELECT place, ?, ? FROM records WHERE ? <= place AND place < ?";
    let reason: [Value; 2] = [BEYOND_KEPT.into(), detail(kept).into()];
    scope.tx.write(sql, reason.into_iter().chain(behind)).await?;
    renote(scope, log.community).await
}

/// Takes what the records of a log from `first` on said out of the register. What rests on the whole of the log is to be
/// noted anew afterwards.
pub(crate) async fn take_out_of_register(
    scope: &mut Scope<'_>,
    (log_no, first): (i64, u64),
) -> Result<(), StoreError> {
    let behind: [Value; 2] =
        [place_of(log_no, first)?.into(), place_of(log_no, MAX_LOG_RECORDS)?.into()];
    scope.group.may_be_dirty = true;
    for sql in [
        "INSERT OR IGNORE INTO dirty SELECT case_no FROM case_records WHERE ? <= place AND place < ?",
        "INSERT OR IGNORE INTO dirty SELECT 0 FROM statements WHERE ? <= place AND place < ?",
        "DELETE FROM case_records WHERE ? <= place AND place < ?",
        "DELETE FROM words WHERE ? <= place AND place < ?",
        "DELETE FROM rolls WHERE ? <= place AND place < ?",
        "DELETE FROM statements WHERE ? <= place AND place < ?",
        "DELETE FROM affiliations WHERE ? <= place AND place < ?",
    ] {
        scope.tx.write(sql, behind.clone()).await?;
    }
    Ok(())
}

/// Notes anew what rests on the whole of a community's logs: its newest roll, its newest affiliation, and as a seat its
/// receipts, indexes, statuses and what it cosigned.
///
/// Of receipts only those are stored that are the earliest for some record, so that without one, others that were
/// superfluous are not.
pub(crate) async fn renote(
    scope: &mut Scope<'_>,
    community: CommunityId,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM receipts WHERE coordinator = ?",
        "DELETE FROM counted_receipts WHERE coordinator = ?",
        "DELETE FROM index_entries WHERE coordinator = ?",
        "DELETE FROM indexes WHERE coordinator = ?",
        "DELETE FROM statuses WHERE coordinator = ?",
        "DELETE FROM stated_heads WHERE seat = ?",
    ] {
        scope.tx.write(sql, [community.as_bytes().into()]).await?;
    }
    forks::statements_changed(scope, community).await?;
    if scope.region.coordinators().contains(&community) {
        let sql = "INSERT OR IGNORE INTO dirty SELECT ? UNION SELECT case_no FROM cases";
        scope.tx.write(sql, [region::DIRTY.into()]).await?;
    }
    for row in logs_of(scope, community).await? {
        let size = row.frontier.size();
        let end = row.kept_size.map_or(size, |kept| kept.min(size));
        let mut start = 0;
        while start < end {
            let next = end.min(start.saturating_add(RECORDS_PER_READ));
            renote_run(scope, &row, (start, next)).await?;
            start = next;
        }
    }
    Ok(())
}

const fn rests_on_the_whole(kind: Known) -> bool {
    matches!(
        kind,
        Known::Roll
            | Known::Affiliation
            | Known::Receipt
            | Known::Index
            | Known::Status
            | Known::Cosignatures
    )
}

async fn renote_run(
    scope: &mut Scope<'_>,
    row: &LogRow,
    (start, end): (u64, u64),
) -> Result<(), StoreError> {
    let sql = "SELECT place, header, payload FROM records WHERE ? <= place AND place < ?";
    let range = [place_of(row.log_no, start)?.into(), place_of(row.log_no, end)?.into()];
    for stored in &scope.tx.read(sql, range).await? {
        let header: &[u8] = rows::column(stored, 1)?;
        let payload: Option<&[u8]> = rows::column(stored, 2)?;
        let header = stored_header(header)?;
        let (Some(kind), Some(payload)) = (header.kind.known(), payload) else { continue };
        if !rests_on_the_whole(kind) {
            continue;
        }
        let (place, time, community) = (rows::column(stored, 0)?, header.time, row.name.community);
        match proto::payload::decode(kind, payload) {
            Ok(Payload::Roll(roll)) => {
                register::note_roll(scope, place, community, &roll).await?;
            }
            Ok(Payload::Affiliation(_)) => {
                region::note_affiliation(scope, place, community).await?
            }
            Ok(Payload::Receipt(receipt)) => receipts::note(scope, &header, &receipt).await?,
            Ok(Payload::Index(index)) => {
                indexes::note(scope, (place, time), community, &index).await?;
            }
            Ok(Payload::Cosignatures(stated)) => {
                forks::state_all(scope, community, &stated).await?
            }
            Ok(Payload::Status(status)) => indexes::note_status(scope, community, &status).await?,
            // A payload with something unknown in it counts for nothing.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Makes the head at exactly what is kept of an ended era the one that is kept and offered.
pub(crate) async fn keep_head(
    scope: &mut Scope<'_>,
    log: LogName,
    bundle: Vec<u8>,
    note: Vec<u8>,
) -> Result<(), StoreError> {
    set_identity(scope, log, bundle).await?;
    let malformed = || StoreError::Invalid {
        reason: "note.malformed",
        detail: "The checkpoint is not a note of a checkpoint.".to_owned(),
    };
    let parsed = Note::parse(&note).ok().ok_or_else(malformed)?;
    let checkpoint = Checkpoint::parse_text(parsed.text()).ok().ok_or_else(malformed)?;
    let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { return Ok(()) };
    let (log_no, size) = (tail.row.log_no, tail.row.frontier.size());
    let is_kept = tail.row.kept_size == Some(checkpoint.size) && checkpoint.size <= size;
    let is_there = tail.row.checkpoint.as_ref().is_some_and(|(held, _)| *held == checkpoint.size);
    if !is_kept || is_there {
        return Ok(());
    }
    let db = scope.tx.connection().await?;
    if proofs::root_at(db, log_no, checkpoint.size).await? != checkpoint.root {
        return Err(StoreError::other_tree(checkpoint.size));
    }
    if let Some(tail) = scope.tails.get(&mut scope.tx, log).await? {
        // What was held beyond it stays, under the head by which it was verified.
        let larger = tail.row.checkpoint.take().filter(|(held, _)| checkpoint.size < *held);
        // Without a pending head, the larger one is of all that is held.
        let larger = larger.map(|(_, note)| Pending { checkpoint: note, proof: Vec::new() });
        tail.row.pending = tail.row.pending.take().or(larger);
        tail.row.pending = tail.row.pending.take().filter(|_| checkpoint.size < size);
    }
    accept::keep_checkpoint(scope, log, checkpoint.size, note).await
}

impl crate::Store {
    /// The log of a community's newest era that is known here with its identity.
    ///
    /// # Errors
    ///
    /// As [`crate::Store::logs`].
    pub async fn newest_log(&self, community: CommunityId) -> Result<Option<LogRow>, StoreError> {
        logs::newest_log(&mut *self.reader().await?, community).await
    }
}

/// The logs of one community in a file that no process has open, each with its last record.
///
/// # Errors
///
/// [`StoreError::Storage`] if the file cannot be read, or brought to this release's form.
pub async fn peek(
    path: &std::path::Path,
    community: CommunityId,
) -> Result<Vec<(LogRow, Option<crate::StoredRecord>)>, StoreError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut file = crate::connection::WriteFile::new(path, None, Waits::InTurn);
    let mut db = file.take().await?;
    crate::connection::migrate(&mut db).await?;
    let mut peeked = Vec::new();
    for row in logs::all_logs(&mut db).await? {
        if row.name.community != community {
            continue;
        }
        let size = row.frontier.size();
        let last = crate::read::range(&mut db, row.log_no, size.saturating_sub(1), size).await?;
        peeked.push((row, last.into_iter().next()));
    }
    file.put_back(db);
    file.close().await?;
    peeked.sort_by_key(|(row, _)| row.name.era);
    Ok(peeked)
}
