//! The records of a case with their receipts, ready to be folded.

use std::collections::{BTreeMap, BTreeSet};

use civic::{Case, CaseRecord, RegionView};
use data_encoding::HEXUPPER;
use record::{CommunityId, ItemId, RecordId, UnixMillis};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store,
    accept::stored_header,
    error::StoreError,
    receipts::counted::{Apart, first_receipt},
    rows,
    transaction::{self, Transaction, Value},
};

/// The records of a case, where each stands, and what was noted of it.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) records: Vec<CaseRecord>,
    /// The place of each, in the same order.
    places: Vec<i64>,
    by_id: BTreeMap<RecordId, usize>,
    /// Reason and detail of every refusal noted so far, by place.
    pub(crate) refusals: BTreeMap<i64, (String, String)>,
}

impl Loaded {
    pub(crate) fn record(&self, id: &RecordId) -> Option<&CaseRecord> {
        self.records.get(*self.by_id.get(id)?)
    }

    pub(crate) fn place(&self, id: &RecordId) -> Option<i64> {
        self.places.get(*self.by_id.get(id)?).copied()
    }
}

impl Store {
    /// A case folded from its records and receipts at this moment; `None` while its opening record is not here.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn fold(&self, id: RecordId) -> Result<Option<Case>, StoreError> {
        let Some(row) = self.case(id).await? else { return Ok(None) };
        let now = UnixMillis(self.config().clock.now_millis());
        let region = self.region_now();
        let (sql, coordinators) = question(&region, None, "?");
        let values = coordinators.into_iter().chain([row.case_no.into()]);
        let stored = transaction::read(&mut *self.reader().await?, &sql, values).await?;
        let loaded = read_case(&region, &stored)?;
        Ok(civic::fold(&loaded.records, &region, now))
    }
}

/// A case that the transaction touched.
pub(crate) struct Touched {
    pub(crate) case_no: i64,
    /// Whether there is another.
    pub(crate) has_next: bool,
    pub(crate) loaded: Loaded,
    /// The ids of its items that the feed has told.
    pub(crate) told: BTreeSet<ItemId>,
}

/// The lowest number of a touched case. Alone in its SELECT it is looked up; beside another aggregate all would be read.
const LOWEST: &str = "(SELECT MIN(case_no) FROM dirty)";

/// The touched case of the lowest number; `None` once there is none.
pub(crate) async fn next_touched(
    tx: &mut Transaction<'_>,
    region: &RegionView,
    apart: &Apart,
) -> Result<Option<Touched>, StoreError> {
    let next = format!(
        "SELECT {LOWEST}, EXISTS (SELECT 1 FROM dirty LIMIT 1 OFFSET 1), (
           SELECT group_concat(hex(id), '') FROM items WHERE case_no = {LOWEST}
         )"
    );
    let (records, coordinators) = question(region, Some(apart), LOWEST);
    let [next, stored] = tx.read_each([(&next, Vec::new()), (&records, coordinators)]).await?;
    let Some(next) = next.first() else { return Ok(None) };
    let Some(case_no) = rows::column(next, 0)? else { return Ok(None) };
    let told: Option<&str> = rows::column(next, 2)?;
    Ok(Some(Touched {
        case_no,
        has_next: rows::column(next, 1)?,
        loaded: read_case(region, &stored)?,
        told: read_ids(told.unwrap_or_default())
            .ok_or(StoreError::Damaged { what: "the ids of items" })?,
    }))
}

/// Ids in hexadecimal, one after the other: as one value, because each row costs a signal between threads.
fn read_ids(hex: &str) -> Option<BTreeSet<ItemId>> {
    let (ids, rest) = hex.as_bytes().as_chunks::<64>();
    let id = |digits| {
        let bytes = HEXUPPER.decode(digits).ok()?;
        Some(ItemId::from_bytes(bytes.try_into().ok()?))
    };
    rest.is_empty().then(|| ids.iter().map(|it| id(it.as_slice())).collect())?
}

/// Reads a case as this transaction has it.
pub(crate) async fn case(
    tx: &mut Transaction<'_>,
    region: &RegionView,
    apart: &Apart,
    case_no: i64,
) -> Result<Loaded, StoreError> {
    let (sql, coordinators) = question(region, Some(apart), "?");
    read_case(region, &tx.read(&sql, coordinators.into_iter().chain([case_no.into()])).await?)
}

/// Columns before those of the coordinators.
const N_FIXED_COLUMNS: usize = 6;

/// The statement that gives a case: its records in order with what was noted of them and, for each coordinator that was
/// ever seated, the time of its first receipt that covers the record.
///
/// `case_no` is the expression that numbers the case. The values are the coordinators; what it needs comes after them.
fn question(region: &RegionView, apart: Option<&Apart>, case_no: &str) -> (String, Vec<Value>) {
    let coordinators = region.coordinators();
    let (mut received, mut values) = (String::new(), Vec::with_capacity(coordinators.len()));
    for coordinator in &coordinators {
        let (first, n_bound) = first_receipt(apart, coordinator);
        received.push_str(", ");
        received.push_str(&first);
        values.extend((0..n_bound).map(|_| Value::from(coordinator.as_bytes())));
    }
    let sql = format!(
        "SELECT r.place, r.header, r.payload, f.reason, f.detail,
           COALESCE(k.frozen_size <= (c.place & 1099511627775), 0){received}
         FROM case_records AS c
         JOIN records AS r ON r.place = c.place JOIN logs AS l ON l.log_no = c.place >> 40
         LEFT JOIN refusals AS f ON f.place = c.place
         LEFT JOIN forks AS k ON k.community = l.community AND k.era = l.era
         WHERE c.case_no = {case_no} ORDER BY c.place"
    );
    (sql, values)
}

fn read_case(region: &RegionView, stored: &[SqliteRow]) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let coordinators = region.coordinators();
    for row in stored {
        let place: i64 = rows::column(row, 0)?;
        let header: &[u8] = rows::column(row, 1)?;
        let payload: Option<&[u8]> = rows::column(row, 2)?;
        if let (Some(reason), Some(detail)) = (rows::column(row, 3)?, rows::column(row, 4)?) {
            loaded.refusals.insert(place, (reason, detail));
        }
        let frozen = rows::column(row, 5)?;
        let received_at = region.received_at(receipts(&coordinators, row)?);
        let told = (received_at, frozen);
        let record = read_case_record(header, payload.unwrap_or_default(), told)?;
        loaded.by_id.insert(record.id, loaded.records.len());
        loaded.places.push(place);
        loaded.records.push(record);
    }
    Ok(loaded)
}

/// The first receipt of a record by each coordinator that has one.
fn receipts(
    coordinators: &BTreeSet<CommunityId>,
    row: &SqliteRow,
) -> Result<Vec<(CommunityId, UnixMillis)>, StoreError> {
    let mut receipts = Vec::with_capacity(coordinators.len());
    for (column, coordinator) in (N_FIXED_COLUMNS..).zip(coordinators) {
        let at: Option<i64> = rows::column(row, column)?;
        receipts.extend(at.map(|at| (*coordinator, UnixMillis(at.unsigned_abs()))));
    }
    Ok(receipts)
}

fn read_case_record(
    header_bytes: &[u8],
    payload: &[u8],
    (received_at, frozen): (Option<UnixMillis>, bool),
) -> Result<CaseRecord, StoreError> {
    let header = stored_header(header_bytes)?;
    let damaged = || StoreError::Damaged { what: "a record of a case" };
    let kind = header.kind.known().ok_or_else(damaged)?;
    Ok(CaseRecord {
        id: RecordId::from_leaf(tlog::leaf_hash(header_bytes)),
        community: header.community,
        era: header.era,
        index: header.index,
        time: header.time,
        references: header.references,
        received_at,
        frozen,
        payload: proto::payload::decode(kind, payload).ok().ok_or_else(damaged)?,
    })
}
