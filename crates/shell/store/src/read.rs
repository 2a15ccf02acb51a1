//! What readers ask of the store.

use std::sync::PoisonError;

use record::{
    Header, LogName, Payload, RecordId, RegionId, UnixMillis,
    commitment::Salt,
    limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES},
    verified::Content,
};
use sqlx::sqlite::SqliteRow;
use tlog::Hash;

use crate::{
    Store,
    accept::stored_header,
    db::Db,
    error::StoreError,
    logs::{self, LogRow, place_of},
    neighbours, proofs,
    readers::Reader,
    rows,
};

/// A record as stored.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    /// Its index.
    pub index: u64,
    /// The header's bytes.
    pub header_bytes: Vec<u8>,
    /// Salt and payload; `None` once erased.
    pub content: Option<Content>,
    /// The record that erased them.
    pub erased_by: Option<RecordId>,
}

impl StoredRecord {
    /// The header.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if the file does not hold one.
    pub fn header(&self) -> Result<Header, StoreError> {
        stored_header(&self.header_bytes)
    }

    /// What it says; `None` if its payload was erased, or is not of a kind or form that is known here.
    #[must_use]
    pub fn payload(&self) -> Option<Payload> {
        let kind = self.header().ok()?.kind.known()?;
        proto::payload::decode(kind, &self.content.as_ref()?.payload).ok()
    }

    /// The record's id.
    #[must_use]
    pub fn id(&self) -> RecordId {
        RecordId::from_leaf(tlog::leaf_hash(&self.header_bytes))
    }
}

/// A run of records with the proof that ties it to a larger tree.
#[derive(Debug, Clone)]
pub struct StoredBatch {
    /// The records, in order.
    pub records: Vec<StoredRecord>,
    /// Consistency proof from the end of the run to the tree asked for.
    pub proof: Vec<Hash>,
}

/// A place in the feed: everything up to it has been seen. Ordered by size, then instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Size of our own log.
    pub log_size: u64,
    /// Our time.
    pub instant: UnixMillis,
}

/// An item of the feed.
#[derive(Debug, Clone)]
pub struct FeedItem {
    /// Its number here.
    pub seq: i64,
    /// From where on it is visible.
    pub position: Position,
    /// The item as JSON: id, transition, kind, case, state, provisional, summary, at, deadline, causes, community, places.
    pub item: String,
    /// The neighbouring region whose it is; `None` for one of our own.
    pub region: Option<RegionId>,
}

/// The words that a record refers to.
#[derive(Debug, Clone)]
pub struct WordsRow {
    /// The log they are in.
    pub log: LogName,
    /// The record.
    pub record: StoredRecord,
}

pub(crate) fn read_record(row: &SqliteRow) -> Result<StoredRecord, StoreError> {
    let place: i64 = rows::column(row, 0)?;
    let salt: Option<Vec<u8>> = rows::column(row, 2)?;
    let payload: Option<Vec<u8>> = rows::column(row, 3)?;
    let content = match (salt, payload) {
        (Some(salt), Some(payload)) => {
            let salt = salt.try_into().ok().ok_or(StoreError::Damaged { what: "a salt" })?;
            Some(Content { salt: Salt(salt), payload })
        }
        (None | Some(_), None) | (None, Some(_)) => None,
    };
    let (_, index) = logs::split_place(place);
    let erased_by: Option<Vec<u8>> = rows::column(row, 4)?;
    let erased_by = erased_by.as_deref().and_then(RecordId::from_slice);
    Ok(StoredRecord { index, header_bytes: rows::column(row, 1)?, content, erased_by })
}

pub(crate) async fn range(
    db: &mut Db,
    log_no: i64,
    start: u64,
    end: u64,
) -> Result<Vec<StoredRecord>, StoreError> {
    sqlx::query(
        "SELECT r.place, r.header, r.salt, r.payload, e.erase
         FROM records AS r LEFT JOIN erasures AS e ON e.place = r.place
         WHERE $1 <= r.place AND r.place < $2 ORDER BY r.place",
    )
    .bind(place_of(log_no, start)?)
    .bind(place_of(log_no, end)?)
    .fetch_all(db)
    .await
    .map_err(StoreError::storage("reading records"))?
    .iter()
    .map(read_record)
    .collect()
}

/// The largest a record can be: header, salt and payload.
const MAX_RECORD_BYTES: usize = MAX_HEADER_BYTES + 32 + MAX_PAYLOAD_BYTES;

/// Where a run of records ends that has at most so many bytes, and at least one record. Sizes are read without the
/// payloads: 256 of the largest would be 64 MiB. So few that they fit in any case are not measured.
async fn end_within(
    db: &mut Db,
    (log_no, start, end): (i64, u64, u64),
    max_bytes: usize,
) -> Result<u64, StoreError> {
    let end = end.max(start);
    let always_fitting = (max_bytes / MAX_RECORD_BYTES).max(1) as u64;
    if end - start <= always_fitting {
        return Ok(end);
    }
    let fitting: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (
           SELECT SUM(length(header) + COALESCE(length(payload) + 32, 0)) OVER (ORDER BY place) AS n_bytes
           FROM records WHERE $1 <= place AND place < $2
         ) WHERE n_bytes <= $3",
    )
    .bind(place_of(log_no, start)?)
    .bind(place_of(log_no, end)?)
    .bind(i64::try_from(max_bytes).unwrap_or(i64::MAX))
    .fetch_one(db)
    .await
    .map_err(StoreError::storage("measuring records"))?;
    Ok(end.min(start.saturating_add(fitting.unsigned_abs().max(1))))
}

pub(crate) async fn known_log(db: &mut Db, log: LogName) -> Result<LogRow, StoreError> {
    logs::find_log(db, log)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: format!("log of {}", log.community) })
}

impl Store {
    pub(crate) async fn reader(&self) -> Result<Reader, StoreError> {
        self.read.acquire().await.map_err(StoreError::storage("opening a reader"))
    }

    /// The checkpoint of a log at this size, if it is kept.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn note_at(&self, log: LogName, size: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let newest = self.log(log).await?.and_then(|it| it.checkpoint);
        Ok(newest.filter(|(held, _)| *held == size).map(|(_, note)| note))
    }

    /// Every log held.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the disk fails; so for every reader below.
    pub async fn logs(&self) -> Result<Vec<LogRow>, StoreError> {
        logs::all_logs(&mut *self.reader().await?).await
    }

    /// One log.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn log(&self, log: LogName) -> Result<Option<LogRow>, StoreError> {
        logs::find_log(&mut *self.reader().await?, log).await
    }

    /// Records `start..end` of a log, as far as they are held.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log.
    pub async fn records(
        &self,
        log: LogName,
        start: u64,
        end: u64,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let row = self.known_log(log).await?;
        let end = end.min(row.frontier.size());
        let mut db = self.reader().await?;
        range(&mut db, row.log_no, start.min(end), end).await
    }

    /// The headers of records `start..end` of a log, as far as they are held, without their payloads.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log.
    pub async fn headers(
        &self,
        log: LogName,
        start: u64,
        end: u64,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let row = self.known_log(log).await?;
        let end = end.min(row.frontier.size());
        sqlx::query_scalar(
            "SELECT header FROM records WHERE $1 <= place AND place < $2 ORDER BY place",
        )
        .bind(place_of(row.log_no, start.min(end))?)
        .bind(place_of(row.log_no, end)?)
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading headers"))
    }

    /// A run of at most `max_records` and about `max_bytes`, never across a multiple of 256, with its proof.
    ///
    /// The first record is always in it, however large. Empty if `start` is not below `tree_size`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log; [`StoreError::Damaged`] for a tree larger than the log.
    pub async fn batch(
        &self,
        log: LogName,
        start: u64,
        limits: BatchLimits,
        tree_size: u64,
    ) -> Result<StoredBatch, StoreError> {
        let mut db = self.reader().await?;
        let log_no = self.log_no(&mut db, log).await?;
        let width = record::limits::MAX_BATCH_RECORDS as u64;
        let aligned = (start / width).saturating_add(1).saturating_mul(width);
        let end = aligned.min(tree_size).min(start.saturating_add(limits.max_records as u64));
        let end = end_within(&mut db, (log_no, start, end), limits.max_bytes).await?;
        let records = range(&mut db, log_no, start, end).await?;
        let end = start + records.len() as u64;
        let proof = proofs::consistency(&mut db, log_no, end, tree_size).await?;
        Ok(StoredBatch { records, proof })
    }

    /// The number of a log, which never changes.
    async fn log_no(&self, db: &mut Db, log: LogName) -> Result<i64, StoreError> {
        // A panic while this is held cannot leave the map half-changed.
        let numbers = || self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let known = numbers().get(&log).copied();
        if let Some(log_no) = known {
            return Ok(log_no);
        }
        let log_no = known_log(db, log).await?.log_no;
        numbers().insert(log, log_no);
        Ok(log_no)
    }

    pub(crate) async fn known_log(&self, log: LogName) -> Result<LogRow, StoreError> {
        known_log(&mut *self.reader().await?, log).await
    }

    /// A record of words by its id.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn words(&self, id: RecordId) -> Result<Option<WordsRow>, StoreError> {
        let mut db = self.reader().await?;
        let row = sqlx::query(
            "SELECT r.place, r.header, r.salt, r.payload, e.erase FROM words AS w
             JOIN records AS r ON r.place = w.place LEFT JOIN erasures AS e ON e.place = r.place
             WHERE w.record = $1",
        )
        .bind(id.as_bytes().to_vec())
        .fetch_optional(&mut *db)
        .await
        .map_err(StoreError::storage("reading words"))?;
        let Some(row) = row else { return Ok(None) };
        let (log, _) = logs::log_of_place(&mut db, rows::column(&row, 0)?).await?;
        Ok(Some(WordsRow { log, record: read_record(&row)? }))
    }

    /// Feed items after a position and after a number, oldest first. Positions never go down as numbers go up.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn items_after(
        &self,
        after: Position,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<FeedItem>, StoreError> {
        sqlx::query(
            "SELECT seq, log_size, instant, item FROM items
             WHERE MAX($3 + 1, (
               SELECT next.seq FROM items AS next WHERE (next.log_size, next.instant) > ($1, $2)
               ORDER BY next.log_size, next.instant, next.seq LIMIT 1
             )) <= seq ORDER BY seq LIMIT $4",
        )
        .bind(rows::to_i64(after.log_size)?)
        .bind(rows::to_i64(after.instant.0)?)
        .bind(after_seq)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the feed"))?
        .iter()
        .map(read_item)
        .collect()
    }

    /// Feed items before a number, newest first: the pages of a feed document.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn items_before(&self, before: i64, limit: u32) -> Result<Vec<FeedItem>, StoreError> {
        sqlx::query(
            "SELECT seq, log_size, instant, item FROM items WHERE seq < $1 ORDER BY seq DESC LIMIT $2",
        )
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the feed"))?
        .iter()
        .map(read_item)
        .collect()
    }

    /// How many feed items there are.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn item_count(&self) -> Result<u64, StoreError> {
        // Items are numbered from 1 without gaps, and never taken away.
        let n: Option<i64> = sqlx::query_scalar("SELECT MAX(seq) FROM items")
            .fetch_one(&mut *self.reader().await?)
            .await
            .map_err(StoreError::storage("counting the feed"))?;
        Ok(n.unwrap_or(0).unsigned_abs())
    }
}

/// How much a batch may hold.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Records.
    pub max_records: usize,
    /// Bytes of headers, salts and payloads.
    pub max_bytes: usize,
}

pub(crate) fn read_item(row: &SqliteRow) -> Result<FeedItem, StoreError> {
    let log_size: i64 = rows::column(row, 1)?;
    let instant: i64 = rows::column(row, 2)?;
    Ok(FeedItem {
        seq: rows::column(row, 0)?,
        position: Position {
            log_size: log_size.unsigned_abs(),
            instant: UnixMillis(instant.unsigned_abs()),
        },
        item: rows::column(row, 3)?,
        region: None,
    })
}

/// The number and place of the newest item in the feed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FeedEnd {
    pub(crate) seq: i64,
    pub(crate) position: Position,
}

/// Where the feed ends: the clock of a restarted process does not go behind it.
pub(crate) async fn feed_end(db: &mut Db) -> Result<FeedEnd, StoreError> {
    let newest = sqlx::query(neighbours::FEED_END)
        .fetch_optional(db)
        .await
        .map_err(StoreError::storage("reading the feed"))?;
    let newest = newest.map(|row| read_item(&row)).transpose()?;
    Ok(newest.map(|it| FeedEnd { seq: it.seq, position: it.position }).unwrap_or_default())
}
