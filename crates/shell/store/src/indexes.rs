//! Indexes: what coordinators say that they hold, as maps whose roots they commit to.
//!
//! A coordinator files an index within a minute of the first change since its last, and none while nothing changes. Those
//! of every coordinator that is or was seated are replayed as they come; one that is wrong is refused with the reason.

use std::collections::BTreeMap;

use record::{
    CommunityId, Kind, LogName, Payload, UnixMillis,
    commitment::Salt,
    index::{IndexMap, Replay, UnderWay},
    kind::Known,
    payload::{Index, Status, index::IndexEntry, status::Standing},
};
use sqlx::sqlite::SqliteRow;
use tlog::Hash;

use crate::{
    Store,
    append::{self, Draft},
    error::StoreError,
    logs::MAX_LOG_RECORDS,
    register, rows,
    transaction::{self, Transaction},
    writer::Scope,
};

/// A change is indexed after this long, in milliseconds, with everything that changed meanwhile.
pub(crate) const INDEX_EVERY_MILLIS: u64 = 60_000;

/// What a coordinator will say in its next index.
#[derive(Debug, Default)]
pub(crate) struct Draught {
    /// The map as of its newest index.
    map: IndexMap,
    /// Heads since.
    heads: BTreeMap<LogName, (u64, Hash)>,
    standings: BTreeMap<LogName, Standing>,
    /// When the next index is to be made.
    due: Option<UnixMillis>,
}

impl Draught {
    pub(crate) fn new(map: IndexMap, standings: BTreeMap<LogName, Standing>) -> Self {
        Self { map, heads: BTreeMap::new(), standings, due: None }
    }

    /// When the next index is to be made, if anything changed.
    pub(crate) const fn due(&self) -> Option<UnixMillis> {
        self.due
    }

    /// The size of a log in the newest index.
    pub(crate) fn indexed_size(&self, log: &LogName) -> u64 {
        self.map.get(log).map_or(0, |it| it.size)
    }

    /// A log has grown. Where that alone makes no index, it is said in the next. A smaller head than one that is still to be
    /// said is of another branch of a forked log, and is not said.
    pub(crate) fn note_head(
        &mut self,
        log: LogName,
        head: (u64, Hash),
        is_worth_one: bool,
        now: UnixMillis,
    ) {
        if self.heads.get(&log).is_some_and(|(size, _)| head.0 <= *size) {
            return;
        }
        self.heads.insert(log, head);
        if is_worth_one {
            self.note_change(now);
        }
    }

    /// A log is treated otherwise.
    pub(crate) fn note_standing(&mut self, log: LogName, standing: Standing, now: UnixMillis) {
        self.standings.insert(log, standing);
        if self.map.get(&log).is_some() || self.heads.contains_key(&log) {
            self.note_change(now);
        }
    }

    fn note_change(&mut self, now: UnixMillis) {
        self.due.get_or_insert(UnixMillis(now.0.saturating_add(INDEX_EVERY_MILLIS)));
    }

    /// The records of the index that is due.
    fn take_due(&mut self, now: UnixMillis) -> Vec<Index> {
        if self.due.is_none_or(|due| now < due) {
            return Vec::new();
        }
        self.due = None;
        let mut next = self.map.clone();
        for (log, (size, root)) in std::mem::take(&mut self.heads) {
            // Of a forked log another branch may be held than was indexed; a size never goes down.
            if next.get(&log).is_some_and(|it| size <= it.size) {
                continue;
            }
            next.set(IndexEntry { log, size, root, standing: Standing::Ok });
        }
        let entries: Vec<IndexEntry> = next.entries().collect();
        for entry in entries {
            let standing = self.standings.get(&entry.log).copied().unwrap_or_default();
            if standing != entry.standing {
                next.set(IndexEntry { standing, ..entry });
            }
        }
        let records = next.records_since(&self.map);
        self.map = next;
        records
    }
}

/// Files the index that is due, in our own log.
pub(crate) async fn file(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let now = scope.now;
    let Some(duties) = scope.duties.as_mut().filter(|_| *scope.settled) else { return Ok(()) };
    let records = duties.index.take_due(now);
    if records.is_empty() {
        return Ok(());
    }
    let drafts = records.into_iter().map(|index| Draft {
        kind: Kind::from(Known::Index),
        payload: proto::payload::encode(&Payload::Index(index)),
        // As of a receipt: there is nothing to guess.
        salt: Salt([0; 32]),
        references: Vec::new(),
    });
    append::write(scope, drafts.collect()).await?;
    scope.group.own_grew = true;
    Ok(())
}

/// Replays an index record, if its author is or was seated, and refuses one that is wrong. Of others the entries are
/// kept, unjudged: whoever is seated later goes on from them, and is judged from its first right root on.
pub(crate) async fn note(
    scope: &mut Scope<'_>,
    (place, made_at): (i64, UnixMillis),
    coordinator: CommunityId,
    index: &Index,
) -> Result<(), StoreError> {
    let is_own = coordinator == scope.config.own.name.community;
    if !is_own && !scope.region.coordinators().contains(&coordinator) {
        for entry in &index.changes {
            write_entry(scope, coordinator, entry).await?;
        }
        return write_newest(scope, (place, made_at), (coordinator, false), index).await;
    }
    let Stored { map, under_way, is_whole } = stored(&mut scope.tx, coordinator).await?;
    let mut replay = Replay::resume(map, under_way);
    let taken = replay.take(index);
    let is_whole = is_whole.unwrap_or(true) || taken == Ok(true);
    for entry in index.changes.iter().filter_map(|it| replay.map().get(&it.log)) {
        write_entry(scope, coordinator, &entry).await?;
    }
    write_newest(scope, (place, made_at), (coordinator, is_whole), index).await?;
    match taken {
        Ok(_) => Ok(()),
        Err(_) if !is_whole => Ok(()),
        Err(fault) => register::refuse(scope, place, fault.reason(), &fault.to_string()).await,
    }
}

async fn write_entry(
    scope: &mut Scope<'_>,
    coordinator: CommunityId,
    entry: &IndexEntry,
) -> Result<(), StoreError> {
    let IndexEntry { log: LogName { community, era }, size, root, standing } = entry;
    let sql = "INSERT INTO index_entries (coordinator, community, era, size, root, standing)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (coordinator, community, era)
               DO UPDATE SET size = excluded.size, root = excluded.root, standing = excluded.standing
               WHERE index_entries.size <= excluded.size";
    let values = [
        coordinator.as_bytes().into(),
        community.as_bytes().into(),
        i64::from(*era).into(),
        // A log longer than a file can hold is known as far as it goes.
        rows::to_i64((*size).min(MAX_LOG_RECORDS))?.into(),
        root.as_bytes().into(),
        i64::from(standing.number()).into(),
    ];
    scope.tx.write(sql, values).await
}

async fn write_newest(
    scope: &mut Scope<'_>,
    (place, made_at): (i64, UnixMillis),
    (coordinator, is_whole): (CommunityId, bool),
    index: &Index,
) -> Result<(), StoreError> {
    let Some(last) = index.changes.last() else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO indexes
                 (coordinator, place, made_at, root, n_to_follow, last_community, last_era, is_whole)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = [
        coordinator.as_bytes().into(),
        place.into(),
        rows::to_i64_at_most(made_at.0).into(),
        index.root.as_bytes().into(),
        i64::from(index.n_to_follow).into(),
        last.log.community.as_bytes().into(),
        i64::from(last.log.era).into(),
        i64::from(is_whole).into(),
    ];
    scope.tx.write(sql, values).await
}

const ENTRIES: &str = "SELECT community, era, size, root, standing FROM index_entries
                       WHERE coordinator = ? ORDER BY community, era";

/// What the index records of a coordinator made so far.
pub(crate) struct Stored {
    pub(crate) map: IndexMap,
    /// What is still to come of an index of several records.
    under_way: Option<UnderWay>,
    /// Whether its records were followed from the first on; `None` before any.
    is_whole: Option<bool>,
}

/// What the index records of a coordinator made so far.
pub(crate) async fn stored(
    tx: &mut Transaction<'_>,
    coordinator: CommunityId,
) -> Result<Stored, StoreError> {
    let newest = "SELECT root, n_to_follow, last_community, last_era, is_whole FROM indexes
                  WHERE coordinator = ?";
    let of = || vec![coordinator.as_bytes().into()];
    let [entries, newest] = tx.read_each([(ENTRIES, of()), (newest, of())]).await?;
    let map = entries.iter().map(read_entry).collect::<Result<_, _>>()?;
    let newest = newest.first();
    let under_way = newest.map(read_under_way).transpose()?.filter(|it| 0 < it.n_to_follow);
    let is_whole = newest.map(|row| rows::column(row, 4)).transpose()?;
    Ok(Stored { map, under_way, is_whole })
}

const DAMAGED: StoreError = StoreError::Damaged { what: "an index" };

fn read_entry(row: &SqliteRow) -> Result<IndexEntry, StoreError> {
    let (size, root, standing): (i64, &[u8], i64) =
        (rows::column(row, 2)?, rows::column(row, 3)?, rows::column(row, 4)?);
    Ok(IndexEntry {
        log: rows::log_name(row, 0)?,
        size: size.unsigned_abs(),
        root: Hash::from_slice(root).ok_or(DAMAGED)?,
        standing: Standing::of_number(standing.unsigned_abs()).ok_or(DAMAGED)?,
    })
}

fn read_under_way(row: &SqliteRow) -> Result<UnderWay, StoreError> {
    let (root, n_to_follow): (&[u8], i64) = (rows::column(row, 0)?, rows::column(row, 1)?);
    Ok(UnderWay {
        root: Hash::from_slice(root).ok_or(DAMAGED)?,
        n_to_follow: u32::try_from(n_to_follow).ok().ok_or(DAMAGED)?,
        last: rows::log_name(row, 2)?,
    })
}

/// Keeps a status: the newest of each coordinator and log, because records of one log come in order.
pub(crate) async fn note_status(
    scope: &mut Scope<'_>,
    coordinator: CommunityId,
    status: &Status,
) -> Result<(), StoreError> {
    let now = scope.now;
    if coordinator == scope.config.own.name.community
        && let Some(duties) = scope.duties.as_mut()
    {
        duties.index.note_standing(status.log, status.standing(), now);
    }
    let sql = "INSERT OR REPLACE INTO statuses (coordinator, community, era, payload)
               VALUES (?, ?, ?, ?)";
    let LogName { community, era } = status.log;
    let values = [
        coordinator.as_bytes().into(),
        community.as_bytes().into(),
        i64::from(era).into(),
        proto::payload::encode(&Payload::Status(*status)).into(),
    ];
    scope.tx.write(sql, values).await
}

/// Every status, with its coordinator.
pub(crate) const STATUSES: &str =
    "SELECT coordinator, payload FROM statuses ORDER BY coordinator, community, era";

pub(crate) fn read_status(row: &SqliteRow) -> Result<(CommunityId, Status), StoreError> {
    let damaged = || StoreError::Damaged { what: "a status" };
    let (coordinator, payload): (&[u8], &[u8]) = (rows::column(row, 0)?, rows::column(row, 1)?);
    let coordinator = CommunityId::from_slice(coordinator).ok_or_else(damaged)?;
    match proto::payload::decode(Known::Status, payload) {
        Ok(Payload::Status(status)) => Ok((coordinator, status)),
        Ok(_) | Err(_) => Err(damaged()),
    }
}

impl Store {
    /// How coordinators treat logs, where they said so: the newest status of each coordinator and log.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn statuses(&self) -> Result<Vec<(CommunityId, Status)>, StoreError> {
        let mut db = self.reader().await?;
        transaction::read(&mut db, STATUSES, []).await?.iter().map(read_status).collect()
    }

    /// The map that the index records of a coordinator make; empty if it made none that are followed here.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn index_of(&self, coordinator: CommunityId) -> Result<IndexMap, StoreError> {
        let mut db = self.reader().await?;
        let entries = transaction::read(&mut db, ENTRIES, [coordinator.as_bytes().into()]).await?;
        entries.iter().map(read_entry).collect()
    }

    /// How much of a log the newest index of a coordinator covers; 0 if it does not have it.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn indexed_size(
        &self,
        coordinator: CommunityId,
        log: LogName,
    ) -> Result<u64, StoreError> {
        let mut db = self.reader().await?;
        let sql = "SELECT size FROM index_entries
                   WHERE coordinator = ? AND community = ? AND era = ?";
        let values = [
            coordinator.as_bytes().into(),
            log.community.as_bytes().into(),
            i64::from(log.era).into(),
        ];
        let size = transaction::read(&mut db, sql, values).await?;
        let size: Option<i64> = size.first().map(|row| rows::column(row, 0)).transpose()?;
        Ok(size.unwrap_or_default().unsigned_abs())
    }

    /// When each coordinator says that it made its newest index, in ascending order of community.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn newest_indexes(&self) -> Result<BTreeMap<CommunityId, UnixMillis>, StoreError> {
        let mut db = self.reader().await?;
        let sql = "SELECT coordinator, made_at FROM indexes ORDER BY coordinator";
        let read = |row: &SqliteRow| {
            let (coordinator, at): (&[u8], i64) = (rows::column(row, 0)?, rows::column(row, 1)?);
            let coordinator = CommunityId::from_slice(coordinator).ok_or(DAMAGED)?;
            Ok((coordinator, UnixMillis(at.unsigned_abs())))
        };
        transaction::read(&mut db, sql, []).await?.iter().map(read).collect()
    }
}
