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
    /// What every statement begins with: whose receipt, and of which log up to where.
    fn key(&self) -> [Value; 4] {
        let (community, era) = (self.log.community.as_bytes(), i64::from(self.log.era));
        [community.into(), era.into(), self.coordinator.as_bytes().into(), self.size.into()]
    }

    /// The receipts of the same coordinator and log next to this one: that of no smaller size, that of a smaller one.
    async fn neighbours(
        &self,
        scope: &mut Scope<'_>,
    ) -> Result<(Option<Neighbour>, Option<Neighbour>), StoreError> {
        let values = self.key().into_iter().chain(self.key());
        let (mut larger, mut smaller) = (None, None);
        for row in &scope.tx.read(NEIGHBOURS, values).await? {
            let it = Neighbour { size: rows::column(row, 0)?, at: rows::column(row, 1)? };
            let neighbour = if self.size <= it.size { &mut larger } else { &mut smaller };
            *neighbour = Some(it);
        }
        Ok((larger, smaller))
    }

    /// Runs a statement that takes all five values.
    async fn write(&self, scope: &mut Scope<'_>, sql: &str) -> Result<(), StoreError> {
        scope.tx.write(sql, self.key().into_iter().chain([self.at.into()])).await
    }
}

/// A receipt that was kept before.
struct Neighbour {
    size: i64,
    at: i64,
}

const NEIGHBOURS: &str = "
SELECT * FROM (
  SELECT size, received_at FROM receipts
  WHERE community = ? AND era = ? AND coordinator = ? AND ? <= size ORDER BY size LIMIT 1
) UNION ALL SELECT * FROM (
  SELECT size, received_at FROM receipts
  WHERE community = ? AND era = ? AND coordinator = ? AND size < ? ORDER BY size DESC LIMIT 1
)";

/// Keeps a receipt if it is the earliest for any record, and answers up to which index it is not.
///
/// What is kept does not depend on the order in which receipts come: of two, one that covers no less and is no later
/// makes the other superfluous.
async fn keep(scope: &mut Scope<'_>, entry: &Entry) -> Result<Option<u64>, StoreError> {
    let (larger, mut smaller) = entry.neighbours(scope).await?;
    if larger.as_ref().is_some_and(|it| it.at <= entry.at) {
        return Ok(None);
    }
    if smaller.as_ref().is_some_and(|it| entry.at <= it.at)
        || larger.is_some_and(|it| it.size == entry.size)
    {
        entry
            .write(
                scope,
                "DELETE FROM receipts
                 WHERE community = ? AND era = ? AND coordinator = ? AND size <= ? AND ? <= received_at",
            )
            .await?;
        (_, smaller) = entry.neighbours(scope).await?;
    }
    entry
        .write(
            scope,
            "INSERT INTO receipts (community, era, coordinator, size, received_at)
             VALUES (?, ?, ?, ?, ?)",
        )
        .await?;
    Ok(Some(smaller.map_or(0, |it| it.size.unsigned_abs())))
}

/// Cases with a record whose time this receipt changes must be folded anew.
async fn mark_dirty(scope: &mut Scope<'_>, entry: &Entry, before: u64) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, entry.log).await? else { return Ok(()) };
    let log_no = tail.row.log_no;
    let (from, to) = (place_of(log_no, before)?, place_of(log_no, entry.size.unsigned_abs())?);
    let cases = scope
        .tx
        .read(
            "SELECT DISTINCT case_no FROM case_records WHERE ? <= place AND place < ?",
            [from.into(), to.into()],
        )
        .await?;
    for row in &cases {
        scope.group.dirty.insert(rows::column(row, 0)?);
    }
    Ok(())
}
