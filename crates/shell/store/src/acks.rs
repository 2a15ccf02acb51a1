//! Acknowledgements: checkpoints with the cosignature of a coordinator that said that it holds them.
//!
//! Of our own log one is kept for each 10 seconds of the last three days and the newest for ever; of other logs the
//! newest. With them, and with what a coordinator serves to anybody, `folkmoot audit` shows whether it kept its word.

use std::collections::BTreeSet;

use record::{LogName, identity::mirror_name};
use sqlx::sqlite::SqliteRow;
use tlog::{Checkpoint, KeyName, Note, NoteSignature, sign_checkpoint};

use crate::{Store, error::StoreError, logs::LogRow, proofs, rows, transaction, writer::Scope};

/// The length of a slot, in milliseconds: coordinators file one receipt for each log in that time.
const SLOT_MILLIS: u64 = 10_000;
/// Slots that are kept of our own log: three days, 25,920 of about 400 bytes for each coordinator, 10 MB.
const KEPT_SLOTS: u64 = 3 * 24 * 3_600 * 1_000 / SLOT_MILLIS;

/// A checkpoint that somebody acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAck {
    /// The log.
    pub log: LogName,
    /// Whose cosignature it bears, as in the signature line.
    pub cosigner: String,
    /// The size of the checkpoint.
    pub size: u64,
    /// The checkpoint: our own log's with its signature, and the cosignature.
    pub note: Vec<u8>,
}

/// Keeps the acknowledgement of a checkpoint of this size. The lines were verified.
pub(crate) async fn keep(
    scope: &mut Scope<'_>,
    log: LogName,
    size: u64,
    lines: &[String],
) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { return Ok(()) };
    let row = tail.row.clone();
    if size == 0 || row.frontier.size() < size {
        return Ok(());
    }
    let mut lines: Vec<NoteSignature> =
        lines.iter().filter_map(|it| NoteSignature::parse_line(it).ok()).collect();
    // Witnesses cosign, too, as many as there are neighbours; only coordinators owe what an audit looks for.
    let coordinators = scope.region.coordinators();
    let mirrors: BTreeSet<String> =
        coordinators.iter().map(|it| mirror_name(&scope.config.network, it)).collect();
    lines.retain(|it| mirrors.contains(it.name().as_str()));
    let is_ours = log == scope.config.own.name;
    let slot = if is_ours { scope.now.0 / SLOT_MILLIS } else { 0 };
    let is_newest = size == row.frontier.size();
    for line in lines {
        let cosigner = line.name().to_string();
        // The root of a log that has grown since must be found first: that is done once in a slot.
        if !is_newest && has_one(scope, (log, &cosigner, slot)).await? {
            continue;
        }
        let checkpoint = checkpoint_at(scope, &row, size).await?;
        let own = is_ours.then(|| sign_checkpoint(&checkpoint, &scope.config.own.log_key));
        let own = own.iter().flat_map(|it| it.note().signatures().to_vec());
        let note = Note::new(checkpoint.to_text(), own.chain([line]).collect());
        let Ok(note) = note else { continue };
        write(scope, (log, &cosigner, slot), size, note.render().into_bytes()).await?;
    }
    Ok(())
}

/// Whether an acknowledgement is kept in this slot.
async fn has_one(
    scope: &mut Scope<'_>,
    (log, cosigner, slot): (LogName, &str, u64),
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM acks WHERE community = ? AND era = ? AND cosigner = ? AND slot = ?";
    let key = [log.community.as_bytes().into(), i64::from(log.era).into(), cosigner.into()];
    let slot = [rows::to_i64(slot)?.into()];
    Ok(!scope.tx.read(sql, key.into_iter().chain(slot)).await?.is_empty())
}

async fn write(
    scope: &mut Scope<'_>,
    (log, cosigner, slot): (LogName, &str, u64),
    size: u64,
    note: Vec<u8>,
) -> Result<(), StoreError> {
    let oldest = rows::to_i64(slot.saturating_sub(KEPT_SLOTS))?;
    let (slot, size) = (rows::to_i64(slot)?, rows::to_i64(size)?);
    let key = || [log.community.as_bytes().into(), i64::from(log.era).into(), cosigner.into()];
    let sql = "INSERT INTO acks (community, era, cosigner, slot, size, note) VALUES (?, ?, ?, ?, ?, ?)
               ON CONFLICT (community, era, cosigner, slot)
               DO UPDATE SET size = excluded.size, note = excluded.note WHERE acks.size < excluded.size";
    let values = key().into_iter().chain([slot.into(), size.into(), note.into()]);
    scope.tx.write(sql, values).await?;
    let sql = "DELETE FROM acks WHERE community = ? AND era = ? AND cosigner = ? AND slot < ?";
    scope.tx.write(sql, key().into_iter().chain([oldest.into()])).await
}

/// The checkpoint that this log had at a size that it has or had.
async fn checkpoint_at(
    scope: &mut Scope<'_>,
    row: &LogRow,
    size: u64,
) -> Result<Checkpoint, StoreError> {
    let origin = scope.config.network.log_origin(&row.name.community, row.name.era);
    let damaged = StoreError::Damaged { what: "the origin of a log" };
    let origin = KeyName::parse(&origin).ok().ok_or(damaged)?;
    let root = if size == row.frontier.size() {
        row.frontier.root()
    } else {
        proofs::root_at(scope.tx.connection().await?, row.log_no, size).await?
    };
    Ok(Checkpoint { origin, size, root })
}

impl Store {
    /// The text of the checkpoint that a log had at this size; `None` if the log is not known or not as long.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn checkpoint_text(
        &self,
        log: LogName,
        size: u64,
    ) -> Result<Option<String>, StoreError> {
        let row = self.log(log).await?.filter(|it| 0 < size && size <= it.frontier.size());
        if row.is_none() {
            return Ok(None);
        }
        let origin = KeyName::parse(&self.config.network.log_origin(&log.community, log.era));
        let damaged = StoreError::Damaged { what: "the origin of a log" };
        let origin = origin.ok().ok_or(damaged)?;
        let root = self.root_at(log, size).await?;
        Ok(Some(Checkpoint { origin, size, root }.to_text()))
    }

    /// Every acknowledgement that is kept, by log and cosigner, the oldest first.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn acks(&self) -> Result<Vec<StoredAck>, StoreError> {
        let mut db = self.reader().await?;
        let sql = "SELECT community, era, cosigner, size, note FROM acks
                   ORDER BY community, era, cosigner, slot";
        transaction::read(&mut db, sql, []).await?.iter().map(read_ack).collect()
    }
}

fn read_ack(row: &SqliteRow) -> Result<StoredAck, StoreError> {
    let size: i64 = rows::column(row, 3)?;
    Ok(StoredAck {
        log: rows::log_name(row, 0)?,
        cosigner: rows::column(row, 2)?,
        size: size.unsigned_abs(),
        note: rows::column(row, 4)?,
    })
}
