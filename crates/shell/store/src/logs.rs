//! Logs by name and number, and the part of each tree that the writer keeps at hand.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use record::{CommunityId, LogName};
use sqlx::Row as _;
use tlog::{Frontier, Hash, TileCache, TileRef, leaf_hash, tile};

use crate::{
    cosigned::RecentHeads, db::Db, error::StoreError, forks, rows, transaction::Transaction,
    witness::Unstated, writer::Scope,
};

/// A log as held.
#[derive(Debug, Clone)]
pub struct LogRow {
    /// Its number in this file.
    pub log_no: i64,
    /// Its name.
    pub name: LogName,
    /// Size and peaks of the tree held.
    pub frontier: Frontier,
    /// The newest checkpoint whose records are all held, and its size.
    pub checkpoint: Option<(u64, Vec<u8>)>,
    /// The checkpoint against which records beyond that one were verified, if a pull was cut off.
    pub pending: Option<Pending>,
    /// The largest head that our witness key has cosigned, with its size. It may be ahead of what is held.
    pub witnessed: Option<(u64, Vec<u8>)>,
    /// The largest checkpoint that more than half of the seats have cosigned, as far as that was verified here, with its
    /// size.
    pub cosigned: Option<(u64, Vec<u8>)>,
    /// The identity bundle, as it came.
    pub identity: Option<Arc<[u8]>>,
    /// The tree under the newest checkpoint, if records of ours beyond it wait to be signed.
    pub signed_frontier: Option<Frontier>,
    /// How many records are kept of an era that has ended; what stands behind counts for nothing.
    pub kept_size: Option<u64>,
}

/// A signed checkpoint of which not everything is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The signed note.
    pub checkpoint: Vec<u8>,
    /// The consistency proof to it from all that is held.
    pub proof: Vec<Hash>,
}

/// The most logs that the writer keeps at hand: each takes up to about 24 KiB (three partial tiles of 8 KiB) and its
/// identity, mostly 1 KiB: together about 25 MiB. Beyond it all are read anew as they are needed.
const MAX_TAILS: usize = 1_024;

/// Bits of a place that hold the index: a log of 2^40 records, and 2^23 logs.
const INDEX_BITS: u32 = 40;
/// The longest log, in records.
pub(crate) const MAX_LOG_RECORDS: u64 = (1 << INDEX_BITS) - 1;

/// The place of a record in the file.
pub(crate) fn place_of(log_no: i64, index: u64) -> Result<i64, StoreError> {
    i64::try_from(index)
        .ok()
        .filter(|index| index >> INDEX_BITS == 0)
        .and_then(|index| log_no.checked_mul(1 << INDEX_BITS)?.checked_add(index))
        .ok_or(StoreError::Damaged { what: "a log is longer than a file can hold" })
}

/// The log number and index of a place.
pub(crate) fn split_place(place: i64) -> (i64, u64) {
    let index = place & ((1 << INDEX_BITS) - 1);
    (place >> INDEX_BITS, index.unsigned_abs())
}

/// A log that the writer is appending to.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) row: LogRow,
    /// The partial tiles at the tree's edge.
    edge: TileCache,
}

impl Tail {
    /// Appends leaves to the tree and stores the tiles that became full, and the edge of higher levels.
    pub(crate) async fn grow(
        &mut self,
        tx: &mut Transaction<'_>,
        leaves: &[Hash],
    ) -> Result<(), StoreError> {
        let contradiction = |_error| StoreError::Damaged { what: "the edge of a tree" };
        let old_size = self.row.frontier.size();
        let grown = self.edge.grow(old_size, leaves).map_err(contradiction)?;
        for leaf in leaves {
            self.row.frontier.push(*leaf);
        }
        for (tile, hashes) in &grown {
            if tile.is_full() || 0 < tile.level() {
                store_tile(tx, self.row.log_no, tile, hashes).await?;
            }
        }
        self.trim()
    }

    /// Keeps only the partial tiles: all else is in the file.
    fn trim(&mut self) -> Result<(), StoreError> {
        let mut edge = TileCache::new();
        for tile in tile::edge_tiles(self.row.frontier.size()) {
            let hashes =
                self.edge.hashes(tile).ok_or(StoreError::Damaged { what: "the edge of a tree" })?;
            edge.insert(tile, hashes.to_vec())
                .map_err(|_error| StoreError::Damaged { what: "the edge of a tree" })?;
        }
        self.edge = edge;
        Ok(())
    }
}

async fn store_tile(
    tx: &mut Transaction<'_>,
    log_no: i64,
    tile: &TileRef,
    hashes: &[Hash],
) -> Result<(), StoreError> {
    let (level, index) = (i64::from(tile.level()), rows::to_i64(tile.index())?);
    tx.write(
        "INSERT INTO tiles (log_no, level, tile_index, hashes) VALUES (?, ?, ?, ?)
         ON CONFLICT (log_no, level, tile_index) DO UPDATE SET hashes = excluded.hashes",
        [log_no.into(), level.into(), index.into(), TileRef::encode(hashes).into()],
    )
    .await
}

/// The logs that the writer has touched since the last fault, by name.
#[derive(Debug, Default)]
pub(crate) struct Tails {
    by_name: BTreeMap<LogName, Tail>,
    /// Size and root of the newest head that we signed for our own log, once it has been read.
    pub(crate) signed: Option<(u64, Hash)>,
    /// Logs that are known here and accused of a fork, once they have been read.
    pub(crate) accused: Option<forks::Accused>,
    /// The heads of our own log that were signed last, with the cosignatures that came since, the newest at the end.
    pub(crate) recent: RecentHeads,
    /// What we cosigned as a witness and have not stated yet.
    pub(crate) unstated: Unstated,
}

impl Tails {
    /// The tail of a log, read from the file the first time; `None` if the log is not known.
    pub(crate) async fn get(
        &mut self,
        tx: &mut Transaction<'_>,
        name: LogName,
    ) -> Result<Option<&mut Tail>, StoreError> {
        match self.by_name.entry(name) {
            Entry::Occupied(tail) => Ok(Some(tail.into_mut())),
            Entry::Vacant(place) => {
                let db = tx.connection().await?;
                let Some(row) = find_log(&mut *db, name).await? else { return Ok(None) };
                let edge = load_edge(db, &row).await?;
                Ok(Some(place.insert(Tail { row, edge })))
            }
        }
    }

    /// The tail of a log, which is begun if it is not known.
    pub(crate) async fn get_or_begin(
        &mut self,
        tx: &mut Transaction<'_>,
        name: LogName,
        identity: Option<&[u8]>,
    ) -> Result<&mut Tail, StoreError> {
        if self.get(tx, name).await?.is_none() {
            begin_log(tx, name, identity).await?;
        }
        self.get(tx, name).await?.ok_or(StoreError::Damaged { what: "a log that was just begun" })
    }

    /// A copy to go back to, should a guarded job be refused.
    pub(crate) fn snapshot(&self, name: LogName) -> Option<Tail> {
        self.by_name.get(&name).cloned()
    }

    /// Puts a log back to what it was.
    pub(crate) fn restore(&mut self, name: LogName, tail: Option<Tail>) {
        match tail {
            Some(tail) => self.by_name.insert(name, tail),
            None => self.by_name.remove(&name),
        };
    }

    /// Makes a log end where it ended before; the rows beyond are taken away by the caller.
    pub(crate) async fn cut(
        &mut self,
        tx: &mut Transaction<'_>,
        name: LogName,
        frontier: Frontier,
    ) -> Result<(), StoreError> {
        if let Some(tail) = self.by_name.get_mut(&name) {
            tail.row.frontier = frontier;
            tail.edge = load_edge(tx.connection().await?, &tail.row).await?;
        }
        Ok(())
    }

    /// Forgets everything if there are too many; what is in the file is read again.
    pub(crate) fn bound(&mut self) {
        if MAX_TAILS < self.by_name.len() {
            self.by_name.clear();
        }
    }

    /// Forgets everything: after a fault the file alone is believed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

async fn begin_log(
    tx: &mut Transaction<'_>,
    name: LogName,
    identity: Option<&[u8]>,
) -> Result<(), StoreError> {
    let (community, era) = (name.community.as_bytes(), i64::from(name.era));
    let (empty, identity) = (Frontier::new().to_bytes(), identity.map(<[u8]>::to_vec));
    tx.write(
        "INSERT INTO logs (community, era, frontier, identity) VALUES (?, ?, ?, ?)",
        [community.into(), era.into(), empty.into(), identity.into()],
    )
    .await
}

/// Writes the rows of the logs that the group changed, each once, and answers those with a new checkpoint.
pub(crate) async fn write_changed(scope: &mut Scope<'_>) -> Result<Vec<LogRow>, StoreError> {
    let mut heads = Vec::with_capacity(scope.group.heads.len());
    for name in std::mem::take(&mut scope.group.changed) {
        let Some(tail) = scope.tails.get(&mut scope.tx, name).await? else { continue };
        let row = tail.row.clone();
        let (size, checkpoint) = row.checkpoint.clone().unzip();
        let size = rows::to_i64(size.unwrap_or_default())?;
        let frontier = row.frontier.to_bytes();
        let (pending, proof) =
            row.pending.clone().map(|it| (it.checkpoint, TileRef::encode(&it.proof))).unzip();
        let (witnessed_size, witnessed) = row.witnessed.clone().unzip();
        let (cosigned_size, cosigned) = row.cosigned.clone().unzip();
        scope
            .tx
            .write(
                "UPDATE logs SET frontier = ?, pending = ?, pending_proof = ?, checkpoint = ?,
                   checkpoint_size = ?, witnessed = ?, witnessed_size = ?, cosigned = ?, cosigned_size = ?,
                   signed_frontier = ?
                 WHERE log_no = ?",
                [
                    frontier.into(),
                    pending.into(),
                    proof.into(),
                    checkpoint.into(),
                    size.into(),
                    witnessed.into(),
                    witnessed_size.map(rows::to_i64).transpose()?.into(),
                    cosigned.into(),
                    cosigned_size.map(rows::to_i64).transpose()?.into(),
                    row.signed_frontier.as_ref().map(Frontier::to_bytes).into(),
                    row.log_no.into(),
                ],
            )
            .await?;
        if scope.group.heads.contains(&name) {
            heads.push(row);
        }
    }
    Ok(heads)
}

/// The statement that gives rows for [`read_log`].
macro_rules! select_logs {
    ($which:literal) => {
        concat!(
            "SELECT log_no, community, era, frontier, checkpoint, checkpoint_size, identity, pending,
                    pending_proof, witnessed, witnessed_size, cosigned, cosigned_size, kept_size,
                    signed_frontier
             FROM logs ",
            $which
        )
    };
}

/// The log of this name.
pub(crate) async fn find_log<'c>(
    db: impl sqlx::SqliteExecutor<'c>,
    name: LogName,
) -> Result<Option<LogRow>, StoreError> {
    sqlx::query(select_logs!("WHERE community = $1 AND era = $2"))
        .bind(name.community.as_bytes().to_vec())
        .bind(i64::from(name.era))
        .fetch_optional(db)
        .await
        .map_err(StoreError::storage("finding a log"))?
        .map(|row| read_log(&row))
        .transpose()
}

/// The log of a community's newest era that has an identity.
pub(crate) async fn newest_log<'c>(
    db: impl sqlx::SqliteExecutor<'c>,
    community: CommunityId,
) -> Result<Option<LogRow>, StoreError> {
    sqlx::query(select_logs!(
        "WHERE community = $1 AND identity IS NOT NULL ORDER BY era DESC LIMIT 1"
    ))
    .bind(community.as_bytes().to_vec())
    .fetch_optional(db)
    .await
    .map_err(StoreError::storage("finding a log"))?
    .map(|row| read_log(&row))
    .transpose()
}

/// Every log, in the order in which it became known.
pub(crate) async fn all_logs<'c>(
    db: impl sqlx::SqliteExecutor<'c>,
) -> Result<Vec<LogRow>, StoreError> {
    sqlx::query(select_logs!("ORDER BY log_no"))
        .fetch_all(db)
        .await
        .map_err(StoreError::storage("listing logs"))?
        .iter()
        .map(read_log)
        .collect()
}

fn read_log(row: &sqlx::sqlite::SqliteRow) -> Result<LogRow, StoreError> {
    let damaged = || StoreError::Damaged { what: "a row of logs" };
    let community: Vec<u8> = rows::column(row, 1)?;
    let frontier: Vec<u8> = rows::column(row, 3)?;
    let checkpoint: Option<Vec<u8>> = rows::column(row, 4)?;
    let checkpoint_size: i64 = rows::column(row, 5)?;
    let identity: Option<Vec<u8>> = rows::column(row, 6)?;
    let (pending, proof): (Option<Vec<u8>>, Option<Vec<u8>>) =
        (rows::column(row, 7)?, rows::column(row, 8)?);
    let (witnessed, witnessed_size): (Option<Vec<u8>>, Option<i64>) =
        (rows::column(row, 9)?, rows::column(row, 10)?);
    let (cosigned, cosigned_size): (Option<Vec<u8>>, Option<i64>) =
        (rows::column(row, 11)?, rows::column(row, 12)?);
    let signed_frontier: Option<Vec<u8>> = rows::column(row, 14)?;
    Ok(LogRow {
        log_no: rows::column(row, 0)?,
        name: LogName {
            community: CommunityId::from_slice(&community).ok_or_else(damaged)?,
            era: u32::try_from(row.get::<i64, _>(2)).ok().ok_or_else(damaged)?,
        },
        frontier: Frontier::from_bytes(&frontier).ok().ok_or_else(damaged)?,
        checkpoint: checkpoint.map(|note| (checkpoint_size.unsigned_abs(), note)),
        identity: identity.map(Arc::from),
        pending: pending
            .map(|checkpoint| {
                let proof = hashes(&proof.unwrap_or_default()).ok_or_else(damaged)?;
                Ok::<_, StoreError>(Pending { checkpoint, proof })
            })
            .transpose()?,
        witnessed: witnessed_size.map(i64::unsigned_abs).zip(witnessed),
        cosigned: cosigned_size.map(i64::unsigned_abs).zip(cosigned),
        kept_size: rows::column::<Option<i64>>(row, 13)?.map(i64::unsigned_abs),
        signed_frontier: signed_frontier
            .map(|it| Frontier::from_bytes(&it).map_err(|_error| damaged()))
            .transpose()?,
    })
}

/// Hashes that were stored one after the other.
fn hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (whole, rest) = bytes.as_chunks();
    rest.is_empty().then(|| whole.iter().map(|it| Hash::from_bytes(*it)).collect())
}

/// The partial tiles at the edge of a stored tree.
async fn load_edge(tx: &mut Db, row: &LogRow) -> Result<TileCache, StoreError> {
    let mut edge = TileCache::new();
    for tile in tile::edge_tiles(row.frontier.size()) {
        let hashes = load_tile(&mut *tx, row.log_no, tile).await?;
        edge.insert(tile, hashes)
            .map_err(|_error| StoreError::Damaged { what: "the edge of a tree" })?;
    }
    Ok(edge)
}

/// The hashes of a tile: as stored, or for a partial tile of level 0 from the headers themselves.
pub(crate) async fn load_tile(
    db: &mut Db,
    log_no: i64,
    tile: TileRef,
) -> Result<Vec<Hash>, StoreError> {
    let stored: Option<Vec<u8>> = sqlx::query_scalar(
        "SELECT hashes FROM tiles WHERE log_no = $1 AND level = $2 AND tile_index = $3",
    )
    .bind(log_no)
    .bind(i64::from(tile.level()))
    .bind(rows::to_i64(tile.index())?)
    .fetch_optional(&mut *db)
    .await
    .map_err(StoreError::storage("reading a tile"))?;
    let damaged = || StoreError::Damaged { what: "a tile" };
    if let Some(bytes) = stored {
        let wanted =
            bytes.get(..usize::from(tile.width()) * Hash::LEN_BYTES).ok_or_else(damaged)?;
        return tile.decode(wanted).ok().ok_or_else(damaged);
    }
    if 0 < tile.level() {
        return Err(damaged());
    }
    let first = place_of(log_no, tile.index() * u64::from(tile::FULL_WIDTH))?;
    let headers: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT header FROM records WHERE $1 <= place AND place < $2 ORDER BY place",
    )
    .bind(first)
    .bind(first.saturating_add(i64::from(tile.width())))
    .fetch_all(db)
    .await
    .map_err(StoreError::storage("reading headers"))?;
    let hashes: Vec<Hash> = headers.iter().map(|header| leaf_hash(header)).collect();
    if hashes.len() == usize::from(tile.width()) { Ok(hashes) } else { Err(damaged()) }
}

/// The log and index of a place, for readers.
pub(crate) async fn log_of_place(db: &mut Db, place: i64) -> Result<(LogName, u64), StoreError> {
    let (log_no, index) = split_place(place);
    let row = sqlx::query("SELECT community, era FROM logs WHERE log_no = $1")
        .bind(log_no)
        .fetch_one(db)
        .await
        .map_err(StoreError::storage("reading a log's name"))?;
    let community: Vec<u8> = rows::column(&row, 0)?;
    let damaged = || StoreError::Damaged { what: "a row of logs" };
    let community = CommunityId::from_slice(&community).ok_or_else(damaged)?;
    let era = u32::try_from(row.get::<i64, _>(1)).ok().ok_or_else(damaged)?;
    Ok((LogName { community, era }, index))
}
