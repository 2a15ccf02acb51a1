//! Receipts: what coordinators say they hold since when, and what that makes of a record's time.

use record::{
    CommunityId, Kind, LogName, Payload,
    commitment::Salt,
    kind::Known,
    payload::{Receipt, receipt::HeldHead},
};

use crate::{
    append::{self, Draft},
    error::StoreError,
    forks,
    logs::{MAX_LOG_RECORDS, place_of},
    rows,
    transaction::Value,
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
        keep(scope, &entry).await?;
        mark_dirty(scope, &entry).await?;
        forks::state(scope, coordinator, head).await?;
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
    /// What every statement begins with: whose receipt, and of which log up to where.
    fn key(&self) -> [Value; 4] {
        let (community, era) = (self.log.community.as_bytes(), i64::from(self.log.era));
        [community.into(), era.into(), self.coordinator.as_bytes().into(), self.size.into()]
    }

    /// Its key and its time.
    fn row(&self) -> [Value; 5] {
        let [community, era, coordinator, size] = self.key();
        [community, era, coordinator, size, self.at.into()]
    }
}

/// Keeps a receipt if it is the earliest for any record.
///
/// What is kept does not depend on the order in which receipts come: of two, one that covers no less and is no later
/// makes the other superfluous.
async fn keep(scope: &mut Scope<'_>, entry: &Entry) -> Result<(), StoreError> {
    // One that says the same is kept, and this one is not.
    let superfluous = "DELETE FROM receipts
        WHERE community = ? AND era = ? AND coordinator = ? AND size <= ? AND ? <= received_at
          AND NOT (size = ? AND received_at = ?)";
    let same = [entry.size.into(), entry.at.into()];
    scope.tx.write(superfluous, entry.row().into_iter().chain(same)).await?;
    let sql = "INSERT INTO receipts (community, era, coordinator, size, received_at)
               SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (
                 SELECT 1 FROM receipts
                 WHERE community = ? AND era = ? AND coordinator = ? AND ? <= size AND received_at <= ?
               )";
    scope.tx.write(sql, entry.row().into_iter().chain(entry.row())).await
}

/// If the statement before kept the receipt, cases with a record whose time it changes must be folded anew: those beyond the next
/// smaller receipt.
async fn mark_dirty(scope: &mut Scope<'_>, entry: &Entry) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, entry.log).await? else { return Ok(()) };
    let log_no = tail.row.log_no;
    let (start, end) = (place_of(log_no, 0)?, place_of(log_no, entry.size.unsigned_abs())?);
    let sql = "INSERT OR IGNORE INTO dirty SELECT case_no FROM case_records
               WHERE ? + COALESCE((
                 SELECT MAX(size) FROM receipts
                 WHERE community = ? AND era = ? AND coordinator = ? AND size < ?
               ), 0) <= place AND place < ? AND 0 < changes()";
    let values = [start.into()].into_iter().chain(entry.key()).chain([end.into()]);
    scope.group.may_be_dirty = true;
    scope.tx.write(sql, values).await
}
