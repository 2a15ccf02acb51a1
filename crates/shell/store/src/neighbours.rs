//! Neighbouring regions: items that their coordinators told, the proved records behind them, and the place in their feeds.
//!
//! ```text
//! taken ─▶ records, cases, place ─▶ items, numbered after our own of the same commit
//! ```
//!
//! Items of several regions stand in one order with our own, so that one cursor serves a reader of all of them. Nothing of
//! a neighbour enters the register: it is our own region's. Not here: what makes an item worth keeping (`coordinator`).

mod put_off;

use std::collections::BTreeSet;

use record::{
    CommunityId, ItemId, Payload, RecordId, RegionId, UnixMillis, limits::MAX_NEIGHBOUR_ITEM_BYTES,
};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store,
    accept::stored_header,
    error::StoreError,
    jobs::Job,
    read::{FeedEnd, FeedItem, Position, read_item},
    register, rows,
    transaction::{self, Value},
    writer::{MAX_CARRIED_ITEMS, Scope},
};

pub use put_off::{PutOff, PutOffs};

/// What is kept of a neighbouring region between two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourRow {
    /// What a certificate last showed of it, as whoever keeps it writes it.
    pub known: String,
    /// Whose feed was read last.
    pub coordinator: CommunityId,
    /// Up to where: `fmc1…`, or empty for the beginning.
    pub cursor: String,
}

/// A record of a neighbouring region, proved to be in its author's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourRecord {
    /// The case it belongs to.
    pub case: RecordId,
    /// Its id.
    pub id: RecordId,
    /// The header's bytes.
    pub header: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// When it was received, as the neighbour told; `None` where it did not.
    pub told_at: Option<UnixMillis>,
}

/// A case of a neighbouring region as it is folded here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourCase {
    /// The region.
    pub region: RegionId,
    /// Its id.
    pub id: RecordId,
    /// covenant, opportunity, pool or poll.
    pub kind: String,
    /// The JSON of its content.
    pub view: String,
}

/// What was read of a neighbouring region at one time. All of it is kept, or nothing.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The region.
    pub region: RegionId,
    /// The place in its feed after this.
    pub place: NeighbourRow,
    /// Records; those that are held already change nothing.
    pub records: Vec<NeighbourRecord>,
    /// Cases as they are after those records.
    pub cases: Vec<NeighbourCase>,
    /// Items with their JSON, in order; those that are held already change nothing.
    pub items: Vec<(ItemId, String)>,
    /// Items that were asked for again, which are no longer put off unless they are among the next.
    pub asked_again: Vec<ItemId>,
    /// Items that are put off; those that are already change nothing.
    pub put_off: Vec<PutOff>,
}

impl Taken {
    /// About what it takes of memory.
    pub(crate) fn n_bytes(&self) -> usize {
        let records = self.records.iter().map(|it| it.header.len() + it.payload.len());
        let cases = self.cases.iter().map(|it| it.view.len());
        let items = self.items.iter().map(|(_, item)| item.len());
        let put_off = self.put_off.iter().map(|it| it.claim.len());
        records
            .chain(cases)
            .chain(items)
            .chain(put_off)
            .fold(self.place.known.len(), usize::saturating_add)
    }
}

/// Whose items a reader of the feed wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Regions {
    /// Our own region's.
    Own,
    /// Those of every region that is read here, ours among them.
    All,
    /// Those of neighbouring regions, and ours if it says so.
    Some {
        /// Whether ours are wanted.
        own: bool,
        /// Which others.
        others: BTreeSet<RegionId>,
    },
}

impl Regions {
    /// Whether items of this region are wanted; `None` for our own.
    #[must_use]
    pub fn wants(&self, region: Option<&RegionId>) -> bool {
        match (self, region) {
            (Self::All, _) | (Self::Own, None) => true,
            (Self::Own, Some(_)) => false,
            (Self::Some { own, .. }, None) => *own,
            (Self::Some { others, .. }, Some(region)) => others.contains(region),
        }
    }

    /// A table of the wanted items for a statement, whose values come before those that follow it.
    pub(crate) fn table(&self) -> (String, Vec<Value>) {
        const OWN: &str = "SELECT seq, log_size, instant, item, NULL AS region FROM items";
        const ALL: &str = "SELECT seq, log_size, instant, item, region FROM neighbour_items";
        match self {
            Self::Own => (OWN.to_owned(), Vec::new()),
            Self::All => (format!("{OWN} UNION ALL {ALL}"), Vec::new()),
            Self::Some { own, others } => {
                let marks = vec!["?"; others.len()].join(", ");
                let others_of = format!("{ALL} WHERE region IN ({marks})");
                let values = others.iter().map(|it| it.as_bytes().into()).collect();
                match own {
                    true => (format!("{OWN} UNION ALL {others_of}"), values),
                    false => (others_of, values),
                }
            }
        }
    }
}

/// Keeps what was taken; its items wait for the end of the group, where they get their numbers.
pub(crate) async fn take(scope: &mut Scope<'_>, taken: Taken) -> Result<(), StoreError> {
    let Taken { region, place, records, cases, items, asked_again, put_off } = taken;
    let too_large = |(_, item): &(ItemId, String)| MAX_NEIGHBOUR_ITEM_BYTES < item.len();
    if items.iter().any(too_large) {
        let detail = format!("An item has more than {MAX_NEIGHBOUR_ITEM_BYTES} bytes.");
        return Err(StoreError::Invalid { reason: "neighbour.item_too_large", detail });
    }
    let sql = "INSERT INTO neighbours (region, known, coordinator, cursor) VALUES (?, ?, ?, ?)
               ON CONFLICT (region) DO UPDATE
               SET known = excluded.known, coordinator = excluded.coordinator, cursor = excluded.cursor";
    let NeighbourRow { known, coordinator, cursor } = place;
    let id = || Value::from(region.as_bytes());
    scope.tx.write(sql, [id(), known.into(), coordinator.as_bytes().into(), cursor.into()]).await?;
    for NeighbourRecord { case, id: record, header, payload, told_at } in records {
        let sql =
            "INSERT INTO neighbour_records (region, case_id, record, header, payload, told_at)
                   VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (region, case_id, record)
                   DO UPDATE SET told_at = COALESCE(told_at, excluded.told_at)";
        let key = [id(), case.as_bytes().into(), record.as_bytes().into()];
        let told_at = told_at.map(|at| rows::to_i64_at_most(at.0));
        let said = [header.into(), payload.into(), told_at.into()];
        scope.tx.write(sql, key.into_iter().chain(said)).await?;
    }
    scope.group.changed_cases |= !cases.is_empty();
    for NeighbourCase { region: _, id: case, kind, view } in cases {
        let sql = "INSERT INTO neighbour_cases (region, id, kind, view) VALUES (?, ?, ?, ?)
                   ON CONFLICT (region, id) DO UPDATE SET view = excluded.view";
        scope.tx.write(sql, [id(), case.as_bytes().into(), kind.into(), view.into()]).await?;
    }
    let told = items.iter().map(|(item, _)| *item);
    put_off::keep(scope, region, told.chain(asked_again), put_off).await?;
    scope.group.neighbour_items.extend(items.into_iter().map(|(item, json)| (region, item, json)));
    Ok(())
}

/// Writes the group's items of neighbours behind our own of the same commit. Takes the end of the feed before the group
/// and after our own items, and gives that after all.
pub(crate) async fn write_items(
    scope: &mut Scope<'_>,
    before: FeedEnd,
    after: FeedEnd,
) -> Result<FeedEnd, StoreError> {
    let waiting = std::mem::take(&mut scope.group.neighbour_items);
    if waiting.is_empty() {
        return Ok(after);
    }
    let position = if before.seq == after.seq {
        register::next_position(scope, before.position).await?
    } else {
        after.position
    };
    let mut end = after;
    for (region, id, item) in waiting {
        let key = || [Value::from(region.as_bytes()), id.as_bytes().into()];
        let held = "SELECT 1 FROM neighbour_items WHERE region = ? AND id = ?";
        if !scope.tx.read(held, key()).await?.is_empty() {
            continue;
        }
        let seq = end.seq + 1;
        let sql = "INSERT INTO neighbour_items (region, id, seq, log_size, instant, item)
                   VALUES (?, ?, ?, ?, ?, ?)";
        let place = [
            seq.into(),
            rows::to_i64(position.log_size)?.into(),
            rows::to_i64_at_most(position.instant.0).into(),
            item.as_str().into(),
        ];
        scope.tx.write(sql, key().into_iter().chain(place)).await?;
        end = FeedEnd { seq, position };
        scope.group.n_items += 1;
        if scope.group.items.len() <= MAX_CARRIED_ITEMS {
            scope.group.items.push(FeedItem { seq, position, item, region: Some(region) });
        }
    }
    Ok(end)
}

/// Takes away everything of regions that are no longer neighbours.
pub(crate) async fn forget_others(
    scope: &mut Scope<'_>,
    kept: &BTreeSet<RegionId>,
) -> Result<(), StoreError> {
    let marks = vec!["?"; kept.len()].join(", ");
    scope.group.changed_cases = true;
    let tables = [
        "neighbours",
        "neighbour_records",
        "neighbour_cases",
        "neighbour_items",
        "neighbour_put_off",
    ];
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE region NOT IN ({marks})");
        scope.tx.write(&sql, kept.iter().map(|it| it.as_bytes().into())).await?;
    }
    Ok(())
}

impl Store {
    /// Keeps what was read of a neighbouring region. Durable when it returns; a repeat changes nothing but the place.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] with `neighbour.item_too_large`: nothing was kept.
    pub async fn take_from_neighbour(&self, taken: Taken) -> Result<(), StoreError> {
        self.ask(|reply| Job::TakeFromNeighbour { taken: Box::new(taken), reply }).await
    }

    /// Takes away everything of regions that are not among these.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the disk fails; so for every reader below.
    pub async fn keep_neighbours(&self, kept: BTreeSet<RegionId>) -> Result<(), StoreError> {
        self.ask(|reply| Job::KeepNeighbours { kept, reply }).await
    }

    /// What is known of a neighbouring region, and the place in its feed.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn neighbour(&self, region: RegionId) -> Result<Option<NeighbourRow>, StoreError> {
        let sql = "SELECT known, coordinator, cursor FROM neighbours WHERE region = ?";
        let stored = self.read_of(sql, [region.as_bytes().into()]).await?;
        let Some(row) = stored.first() else { return Ok(None) };
        let coordinator: &[u8] = rows::column(row, 1)?;
        let coordinator = CommunityId::from_slice(coordinator)
            .ok_or(StoreError::Damaged { what: "a neighbour's coordinator" })?;
        let (known, cursor) = (rows::column(row, 0)?, rows::column(row, 2)?);
        Ok(Some(NeighbourRow { known, coordinator, cursor }))
    }

    /// Whether an item of a neighbouring region is held.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn holds_neighbour_item(
        &self,
        region: RegionId,
        id: ItemId,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM neighbour_items WHERE region = ? AND id = ?";
        let values = [region.as_bytes().into(), id.as_bytes().into()];
        Ok(!self.read_of(sql, values).await?.is_empty())
    }

    /// Items of these regions after a position and after a number, oldest first.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn items_of_after(
        &self,
        regions: &Regions,
        after: Position,
        after_seq: i64,
        limit: u32,
    ) -> Result<Vec<FeedItem>, StoreError> {
        if *regions == Regions::Own {
            return self.items_after(after, after_seq, limit).await;
        }
        let (log_size, instant) = (rows::to_i64(after.log_size)?, rows::to_i64(after.instant.0)?);
        let place = [log_size, instant, log_size, instant].map(Value::from);
        let stored = self.read_of(FIRST_AFTER, place).await?;
        let first: Option<i64> = stored.first().map_or(Ok(None), |row| rows::column(row, 0))?;
        let Some(first) = first else { return Ok(Vec::new()) };
        let (table, values) = regions.table();
        let sql = format!(
            "SELECT seq, log_size, instant, item, region FROM ({table}) WHERE ? <= seq ORDER BY seq LIMIT ?"
        );
        let first = first.max(after_seq.saturating_add(1));
        let values = values.into_iter().chain([first.into(), i64::from(limit).into()]);
        self.read_of(&sql, values).await?.iter().map(read_any).collect()
    }

    /// Items of these regions before a number, newest first.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn items_of_before(
        &self,
        regions: &Regions,
        before: i64,
        limit: u32,
    ) -> Result<Vec<FeedItem>, StoreError> {
        let (table, values) = regions.table();
        let sql = format!(
            "SELECT seq, log_size, instant, item, region FROM ({table}) WHERE seq < ? ORDER BY seq DESC LIMIT ?"
        );
        let values = values.into_iter().chain([before.into(), i64::from(limit).into()]);
        self.read_of(&sql, values).await?.iter().map(read_any).collect()
    }

    /// How many items of a neighbouring region are kept.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn n_neighbour_items(&self, region: RegionId) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM neighbour_items WHERE region = ?";
        let stored = self.read_of(sql, [region.as_bytes().into()]).await?;
        let n_held: i64 = stored.first().map_or(Ok(0), |row| rows::column(row, 0))?;
        Ok(n_held.unsigned_abs())
    }

    /// The proved records of a case of a neighbouring region, in ascending order of id.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn neighbour_records(
        &self,
        region: RegionId,
        case: RecordId,
    ) -> Result<Vec<NeighbourRecord>, StoreError> {
        let sql = "SELECT record, header, payload, told_at FROM neighbour_records
                   WHERE region = ? AND case_id = ? ORDER BY record";
        let values = [region.as_bytes().into(), case.as_bytes().into()];
        let stored = self.read_of(sql, values).await?;
        let record = |row: &SqliteRow| {
            let id = read_id(row, 0)?;
            let (header, payload) = (rows::column(row, 1)?, rows::column(row, 2)?);
            let told_at: Option<i64> = rows::column(row, 3)?;
            let told_at = told_at.map(|at| UnixMillis(at.unsigned_abs()));
            Ok(NeighbourRecord { case, id, header, payload, told_at })
        };
        stored.iter().map(record).collect()
    }

    /// Cases of neighbouring regions after one, in ascending order of region and id.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn neighbour_cases(
        &self,
        after: Option<(RegionId, RecordId)>,
        limit: u32,
    ) -> Result<Vec<NeighbourCase>, StoreError> {
        let (region, case) = after.map_or((Vec::new(), Vec::new()), |(region, case)| {
            (region.as_bytes().to_vec(), case.as_bytes().to_vec())
        });
        let sql = "SELECT id, region, kind, view FROM neighbour_cases
                   WHERE (?, ?) < (region, id) ORDER BY region, id LIMIT ?";
        let stored = self.read_of(sql, [region.into(), case.into(), i64::from(limit).into()]);
        let case = |row: &SqliteRow| {
            let (id, region): (RecordId, &[u8]) = (read_id(row, 0)?, rows::column(row, 1)?);
            let region = RegionId::from_slice(region)
                .ok_or(StoreError::Damaged { what: "a neighbour's id" })?;
            let (kind, view) = (rows::column(row, 2)?, rows::column(row, 3)?);
            Ok(NeighbourCase { region, id, kind, view })
        };
        stored.await?.iter().map(case).collect()
    }

    async fn read_of(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        transaction::read(&mut *self.reader().await?, sql, values).await
    }
}

impl NeighbourRecord {
    /// Header and payload, read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if they are not what was verified.
    pub fn read(&self) -> Result<(record::Header, Payload), StoreError> {
        let damaged = || StoreError::Damaged { what: "a neighbour's record" };
        let header = stored_header(&self.header)?;
        let kind = header.kind.known().ok_or_else(damaged)?;
        let payload = proto::payload::decode(kind, &self.payload).ok().ok_or_else(damaged)?;
        Ok((header, payload))
    }
}

fn read_id(row: &SqliteRow, position: usize) -> Result<RecordId, StoreError> {
    let id: &[u8] = rows::column(row, position)?;
    RecordId::from_slice(id).ok_or(StoreError::Damaged { what: "a record's id" })
}

fn read_any(row: &SqliteRow) -> Result<FeedItem, StoreError> {
    let region: Option<&[u8]> = rows::column(row, 4)?;
    let read =
        |id| RegionId::from_slice(id).ok_or(StoreError::Damaged { what: "a neighbour's id" });
    Ok(FeedItem { region: region.map(read).transpose()?, ..read_item(row)? })
}

/// The number of the first item after a position.
const FIRST_AFTER: &str = "
SELECT MIN(seq) FROM (
  SELECT * FROM (SELECT seq FROM items WHERE (log_size, instant) > (?, ?)
                 ORDER BY log_size, instant, seq LIMIT 1)
  UNION ALL
  SELECT * FROM (SELECT seq FROM neighbour_items WHERE (log_size, instant) > (?, ?)
                 ORDER BY log_size, instant, seq LIMIT 1)
)";

/// The last item of the feed, whoever's.
pub(crate) const FEED_END: &str = "
SELECT seq, log_size, instant, item, region FROM (
  SELECT * FROM (SELECT seq, log_size, instant, item, NULL AS region FROM items ORDER BY seq DESC LIMIT 1)
  UNION ALL
  SELECT * FROM (SELECT seq, log_size, instant, item, region FROM neighbour_items ORDER BY seq DESC LIMIT 1)
) ORDER BY seq DESC LIMIT 1";
