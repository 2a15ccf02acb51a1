//! The records of a case with their receipts, ready to be folded.

use std::collections::BTreeMap;

use civic::{Case, CaseRecord};
use record::{RecordId, UnixMillis};
use sqlx::SqliteConnection;

use crate::{Store, StoreConfig, accept::stored_header, error::StoreError, receipts, rows};

/// The records of a case, and where each stands.
pub(crate) struct Loaded {
    pub(crate) records: Vec<CaseRecord>,
    /// The place of each, in the same order.
    places: Vec<i64>,
    by_id: BTreeMap<RecordId, usize>,
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
        let loaded = case(&mut *self.reader().await?, self.config(), row.case_no).await?;
        Ok(civic::fold(&loaded.records, &self.config().region, now))
    }
}

/// Reads a case.
pub(crate) async fn case(
    db: &mut SqliteConnection,
    config: &StoreConfig,
    case_no: i64,
) -> Result<Loaded, StoreError> {
    let stored = sqlx::query(
        "SELECT r.place, r.header, r.payload FROM case_records AS c
         JOIN records AS r ON r.place = c.place WHERE c.case_no = $1 ORDER BY c.place",
    )
    .bind(case_no)
    .fetch_all(&mut *db)
    .await
    .map_err(StoreError::storage("reading a case"))?;
    let times = receipts::received_at(db, config, case_no).await?;
    let mut loaded = Loaded { records: Vec::new(), places: Vec::new(), by_id: BTreeMap::new() };
    for row in &stored {
        let place: i64 = rows::column(row, 0)?;
        let header: &[u8] = rows::column(row, 1)?;
        let payload: Option<&[u8]> = rows::column(row, 2)?;
        let record =
            read_case_record(header, payload.unwrap_or_default(), times.get(&place).copied())?;
        loaded.by_id.insert(record.id, loaded.records.len());
        loaded.places.push(place);
        loaded.records.push(record);
    }
    Ok(loaded)
}

fn read_case_record(
    header_bytes: &[u8],
    payload: &[u8],
    received_at: Option<UnixMillis>,
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
        payload: proto::payload::decode(kind, payload).ok().ok_or_else(damaged)?,
    })
}
