//! Receipts: what coordinators say they hold since when, and what that makes of a record's time.

use std::collections::BTreeMap;

use record::{
    CommunityId, Kind, LogName, Payload, UnixMillis,
    commitment::Salt,
    kind::Known,
    payload::{Receipt, receipt::HeldHead},
};
use sqlx::SqliteConnection;

use crate::{
    StoreConfig,
    append::{self, Draft},
    error::StoreError,
    logs::{MAX_LOG_RECORDS, place_of},
    rows,
    writer::Scope,
};

/// Heads in one receipt: each takes up to 90 bytes, together 184 KB of the 256 KiB of a payload.
const MAX_RECEIPT_HEADS: usize = 2_048;

/// A coordinator files a receipt, in its own log, for every head that the group accepted.
pub(crate) async fn file(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    if scope.config.own.mirror.is_none() || scope.group.received.is_empty() {
        return Ok(());
    }
    let heads: Vec<HeldHead> = std::mem::take(&mut scope.group.received)
        .into_iter()
        .map(|(log, (size, root))| HeldHead { community: log.community, era: log.era, size, root })
        .collect();
    for heads in heads.chunks(MAX_RECEIPT_HEADS) {
        let receipt = Receipt { received_at: scope.now, heads: heads.to_vec() };
        let draft = Draft {
            kind: Kind::from(Known::Receipt),
            payload: proto::payload::encode(&Payload::Receipt(receipt)),
            // A receipt is public for ever: there is nothing to guess, and one salt is as good as another.
            salt: Salt([0; 32]),
            references: Vec::new(),
        };
        append::write(scope, vec![draft]).await?;
        scope.group.own_grew = true;
    }
    Ok(())
}

/// Takes a receipt into account, if its author's receipts count.
pub(crate) async fn note(
    scope: &mut Scope<'_>,
    coordinator: CommunityId,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    if !scope.config.coordinators.contains(&coordinator) {
        return Ok(());
    }
    for head in &receipt.heads {
        let log = LogName { community: head.community, era: head.era };
        // A log longer than a file can hold is covered as far as it goes.
        let size = rows::to_i64(head.size.min(MAX_LOG_RECORDS))?;
        let entry =
            Entry { coordinator, log, size, at: rows::to_i64_at_most(receipt.received_at.0) };
        if let Some(before) = keep(scope, &entry).await? {
            mark_dirty(scope, &entry, before).await?;
        }
    }
    Ok(())
}

/// One head of a receipt, as stored.
struct Entry {
    coordinator: CommunityId,
    log: LogName,
    size: i64,
    at: i64,
}

impl Entry {
    /// The first receipt of the same coordinator and log that this condition finds: its size and time.
    async fn neighbour(
        &self,
        scope: &mut Scope<'_>,
        sql: &'static str,
    ) -> Result<Option<(i64, i64)>, StoreError> {
        sqlx::query_as(sql)
            .bind(self.log.community.as_bytes().to_vec())
            .bind(i64::from(self.log.era))
            .bind(self.coordinator.as_bytes().to_vec())
            .bind(self.size)
            .fetch_optional(&mut *scope.tx)
            .await
            .map_err(StoreError::storage("reading receipts"))
    }

    /// Runs a statement that takes all five values.
    async fn execute(&self, scope: &mut Scope<'_>, sql: &'static str) -> Result<(), StoreError> {
        sqlx::query(sql)
            .bind(self.log.community.as_bytes().to_vec())
            .bind(i64::from(self.log.era))
            .bind(self.coordinator.as_bytes().to_vec())
            .bind(self.size)
            .bind(self.at)
            .execute(&mut *scope.tx)
            .await
            .map(drop)
            .map_err(StoreError::storage("keeping a receipt"))
    }
}

/// Keeps a receipt if it is the earliest for any record, and answers up to which index it is not.
///
/// What is kept does not depend on the order in which receipts come: of two, one that covers no less and is no later
/// makes the other superfluous.
async fn keep(scope: &mut Scope<'_>, entry: &Entry) -> Result<Option<u64>, StoreError> {
    let larger = entry
        .neighbour(scope, "SELECT size, received_at FROM receipts WHERE community = $1 AND era = $2 AND coordinator = $3 AND $4 <= size ORDER BY size LIMIT 1")
        .await?;
    if larger.is_some_and(|(_, at)| at <= entry.at) {
        return Ok(None);
    }
    let mut smaller = entry.neighbour(scope, SMALLER).await?;
    let is_superfluous = |kept: &(i64, i64)| entry.at <= kept.1;
    if smaller.as_ref().is_some_and(is_superfluous)
        || larger.is_some_and(|(size, _)| size == entry.size)
    {
        entry
            .execute(scope, "DELETE FROM receipts WHERE community = $1 AND era = $2 AND coordinator = $3 AND size <= $4 AND $5 <= received_at")
            .await?;
        smaller = entry.neighbour(scope, SMALLER).await?;
    }
    entry
        .execute(scope, "INSERT INTO receipts (community, era, coordinator, size, received_at) VALUES ($1, $2, $3, $4, $5)")
        .await?;
    Ok(Some(smaller.map_or(0, |(size, _)| size.unsigned_abs())))
}

const SMALLER: &str = "SELECT size, received_at FROM receipts WHERE community = $1 AND era = $2 AND coordinator = $3 AND size < $4 ORDER BY size DESC LIMIT 1";

/// Cases with a record whose time this receipt changes must be folded anew.
async fn mark_dirty(scope: &mut Scope<'_>, entry: &Entry, before: u64) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(scope.tx, entry.log).await? else { return Ok(()) };
    let log_no = tail.row.log_no;
    let cases: Vec<i64> = sqlx::query_scalar(
        "SELECT DISTINCT case_no FROM case_records WHERE $1 <= place AND place < $2",
    )
    .bind(place_of(log_no, before)?)
    .bind(place_of(log_no, entry.size.unsigned_abs())?)
    .fetch_all(&mut *scope.tx)
    .await
    .map_err(StoreError::storage("finding the cases of a receipt"))?;
    scope.group.dirty.extend(cases);
    Ok(())
}

/// When the k-th coordinator had received each record of a case, by place.
///
/// The k-th earliest of the distinct seated coordinators' first receipts that cover the record (ARCHITECTURE §6).
pub(crate) async fn received_at(
    db: &mut SqliteConnection,
    config: &StoreConfig,
    case_no: i64,
) -> Result<BTreeMap<i64, UnixMillis>, StoreError> {
    let mut times: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for coordinator in &config.coordinators {
        let received: Vec<(i64, Option<i64>)> = sqlx::query_as(
            "SELECT c.place, (
               SELECT r.received_at FROM receipts AS r
               WHERE r.community = l.community AND r.era = l.era AND r.coordinator = $2
                 AND (c.place & 1099511627775) < r.size ORDER BY r.size LIMIT 1
             ) FROM case_records AS c JOIN logs AS l ON l.log_no = c.place >> 40 WHERE c.case_no = $1",
        )
        .bind(case_no)
        .bind(coordinator.as_bytes().to_vec())
        .fetch_all(&mut *db)
        .await
        .map_err(StoreError::storage("reading receipts"))?;
        for (place, at) in received {
            times.entry(place).or_default().extend(at);
        }
    }
    let kth = |mut times: Vec<i64>| {
        times.sort_unstable();
        times.get(config.n_receipts.checked_sub(1)?).map(|at| UnixMillis(at.unsigned_abs()))
    };
    Ok(times.into_iter().filter_map(|(place, times)| Some((place, kth(times)?))).collect())
}
