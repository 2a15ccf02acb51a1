//! The records of a case with their receipts, ready to be folded.

use std::collections::{BTreeMap, BTreeSet};

use civic::{Case, CaseRecord};
use data_encoding::HEXUPPER;
use record::{ItemId, RecordId, UnixMillis};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store, StoreConfig,
    accept::stored_header,
    error::StoreError,
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
        let (sql, coordinators) = question(self.config(), "?");
        let values = coordinators.chain([row.case_no.into()]);
        let stored = transaction::read(&mut *self.reader().await?, &sql, values).await?;
        let loaded = read_case(self.config(), &stored)?;
        Ok(civic::fold(&loaded.records, &self.config().region, now))
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
    config: &StoreConfig,
) -> Result<Option<Touched>, StoreError> {
    let next = format!(
        "SELECT {LOWEST}, EXISTS (SELECT 1 FROM dirty LIMIT 1 OFFSET 1), (
           SELECT group_concat(hex(id), '') FROM items WHERE case_no = {LOWEST}
         )"
    );
    let (records, coordinators) = question(config, LOWEST);
    let [next, stored] =
        tx.read_each([(&next, Vec::new()), (&records, coordinators.collect())]).await?;
    let Some(next) = next.first() else { return Ok(None) };
    let Some(case_no) = rows::column(next, 0)? else { return Ok(None) };
    let told: Option<&str> = rows::column(next, 2)?;
    Ok(Some(Touched {
        case_no,
        has_next: rows::column(next, 1)?,
        loaded: read_case(config, &stored)?,
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
    config: &StoreConfig,
    case_no: i64,
) -> Result<Loaded, StoreError> {
    let (sql, coordinators) = question(config, "?");
    read_case(config, &tx.read(&sql, coordinators.chain([case_no.into()])).await?)
}

/// Columns before those of the coordinators.
const N_FIXED_COLUMNS: usize = 6;

/// The statement that gives a case: its records in order with what was noted of them and, for each coordinator, the
/// time of its first receipt that covers the record.
///
/// `case_no` is the expression that numbers the case. The values are the coordinators; what it needs comes after them.
fn question<'a>(
    config: &'a StoreConfig,
    case_no: &str,
) -> (String, impl Iterator<Item = Value> + 'a) {
    let received = ", (
      SELECT first.received_at FROM receipts AS first
      WHERE first.community = l.community AND first.era = l.era AND first.coordinator = ?
        AND (c.place & 1099511627775) < first.size ORDER BY first.size LIMIT 1
    )"
    .repeat(config.coordinators.len());
    let sql = format!(
        "SELECT r.place, r.header, r.payload, f.reason, f.detail,
           COALESCE(k.frozen_size <= (c.place & 1099511627775), 0){received}
         FROM case_records AS c
         JOIN records AS r ON r.place = c.place JOIN logs AS l ON l.log_no = c.place >> 40
         LEFT JOIN refusals AS f ON f.place = c.place
         LEFT JOIN forks AS k ON k.community = l.community AND k.era = l.era
         WHERE c.case_no = {case_no} ORDER BY c.place"
    );
    (sql, config.coordinators.iter().map(|it| Value::from(it.as_bytes())))
}

fn read_case(config: &StoreConfig, stored: &[SqliteRow]) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    for row in stored {
        let place: i64 = rows::column(row, 0)?;
        let header: &[u8] = rows::column(row, 1)?;
        let payload: Option<&[u8]> = rows::column(row, 2)?;
        if let (Some(reason), Some(detail)) = (rows::column(row, 3)?, rows::column(row, 4)?) {
            loaded.refusals.insert(place, (reason, detail));
        }
        let (frozen, received) = (rows::column(row, 5)?, received_at(config, row)?);
        let record = read_case_record(header, payload.unwrap_or_default(), (received, frozen))?;
        loaded.by_id.insert(record.id, loaded.records.len());
        loaded.places.push(place);
        loaded.records.push(record);
    }
    Ok(loaded)
}

/// When the k-th coordinator had received a record: the k-th earliest of the distinct seated coordinators' first
/// receipts that cover it (ARCHITECTURE §6).
fn received_at(config: &StoreConfig, row: &SqliteRow) -> Result<Option<UnixMillis>, StoreError> {
    let columns = (0..config.coordinators.len()).map(|number| N_FIXED_COLUMNS + number);
    let times: Vec<Option<i64>> =
        columns.map(|column| rows::column(row, column)).collect::<Result<_, _>>()?;
    let mut times: Vec<i64> = times.into_iter().flatten().collect();
    times.sort_unstable();
    let kth = config.n_receipts.checked_sub(1).and_then(|index| times.get(index));
    Ok(kth.map(|at| UnixMillis(at.unsigned_abs())))
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
