//! What a coordinator has to say of the logs that it mirrors, as it stands between commits.
//!
//! It is read from the file when the writer begins and after a fault, and kept beside the file from then on: what was
//! mirrored and not yet receipted or indexed is found again, because the newest receipts and the newest index are there.

use std::collections::BTreeMap;

use record::{LogName, UnixMillis, payload::status::Status};
use sqlx::sqlite::SqliteRow;
use tlog::{Checkpoint, Hash, Note};

use crate::{
    Cosigner,
    error::StoreError,
    indexes::{self, Draught},
    logs::{self, LogRow},
    receipts::pending::Pending,
    rows, witness,
    writer::Scope,
};

/// Receipts that wait, and the index that is being drawn up.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    pub(crate) receipts: Pending,
    pub(crate) index: Draught,
}

impl Duties {
    /// When something is to be filed.
    pub(crate) fn due(&self) -> Option<UnixMillis> {
        self.receipts.due().into_iter().chain(self.index.due()).min()
    }
}

/// The newest receipt of ours for each log.
const OURS: &str = "SELECT community, era, MAX(size) FROM receipts WHERE coordinator = ?
                    GROUP BY community, era ORDER BY community, era";

/// Reads from the file what is still to be said.
pub(crate) async fn read(scope: &mut Scope<'_>, mirror: &Cosigner) -> Result<Duties, StoreError> {
    let own = scope.config.own.name;
    let receipted = scope.tx.read(OURS, [own.community.as_bytes().into()]).await?;
    let receipted: BTreeMap<LogName, u64> =
        receipted.iter().map(read_size).collect::<Result<_, _>>()?;
    let map = indexes::stored(&mut scope.tx, own.community).await?.map;
    let statuses = scope.tx.read(indexes::STATUSES, []).await?;
    let statuses: Vec<_> = statuses.iter().map(indexes::read_status).collect::<Result<_, _>>()?;
    let ours = statuses.into_iter().filter(|(by, _)| *by == own.community);
    let standings = ours.map(|(_, it): (_, Status)| (it.log, it.standing())).collect();
    let mut duties = Duties { receipts: Pending::default(), index: Draught::new(map, standings) };
    for row in logs::all_logs(scope.tx.connection().await?).await? {
        let Some((size, _)) = row.checkpoint.as_ref().filter(|_| row.name != own) else { continue };
        let receipted = receipted.get(&row.name).copied().unwrap_or_default();
        let indexed = duties.index.indexed_size(&row.name);
        if *size <= receipted && *size <= indexed {
            continue;
        }
        let (root, held_at) = head_of(&row, mirror)?;
        if *size <= receipted && has_stated_another(scope, row.name, (*size, root)).await? {
            continue;
        }
        // What was accepted of a log after it forked is held and not receipted.
        if receipted < *size && witness::may_cosign(scope, row.name, Some(&row), &[]).await? {
            duties.receipts.recover(row.name, (*size, root), held_at.min(scope.now));
        }
        duties.index.note_head(row.name, (*size, root), indexed < *size, scope.now);
    }
    Ok(duties)
}

/// Whether we have stated another head of this size: another branch of a forked log is held now.
async fn has_stated_another(
    scope: &mut Scope<'_>,
    log: LogName,
    (size, root): (u64, Hash),
) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM stated_heads
               WHERE community = ? AND era = ? AND size = ? AND root <> ? AND seat = ? LIMIT 1";
    let own = scope.config.own.name.community;
    let values = [
        log.community.as_bytes().into(),
        i64::from(log.era).into(),
        rows::to_i64(size)?.into(),
        root.as_bytes().into(),
        own.as_bytes().into(),
    ];
    Ok(!scope.tx.read(sql, values).await?.is_empty())
}

fn read_size(row: &SqliteRow) -> Result<(LogName, u64), StoreError> {
    let size: i64 = rows::column(row, 2)?;
    Ok((rows::log_name(row, 0)?, size.unsigned_abs()))
}

/// The root of a log's newest checkpoint, and the last millisecond of the second in which we cosigned it: it was held
/// by then, and a deadline on a whole second lies on the right side of it.
fn head_of(row: &LogRow, mirror: &Cosigner) -> Result<(Hash, UnixMillis), StoreError> {
    let damaged = || StoreError::Damaged { what: "a checkpoint" };
    let (_, note) = row.checkpoint.as_ref().ok_or_else(damaged)?;
    let note = Note::parse(note).ok().ok_or_else(damaged)?;
    let checkpoint = Checkpoint::parse_text(note.text()).ok().ok_or_else(damaged)?;
    let key = tlog::VerifierKey::cosignature(mirror.name.clone(), &mirror.key.verifying_key());
    let key = key.ok().ok_or_else(damaged)?;
    let ours = note.signatures().iter().find(|it| it.is_by(&key));
    let at_secs = ours.and_then(|it| tlog::verify_cosignature(note.text(), it, &key).ok());
    let held_at = at_secs.map_or(u64::MAX, |secs| secs.saturating_mul(1_000).saturating_add(999));
    Ok((checkpoint.root, UnixMillis(held_at)))
}
