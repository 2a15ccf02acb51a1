//! Receipts: what coordinators say they hold since when, and what that makes of a record's time.

pub(crate) mod counted;
pub(crate) mod pending;

use record::{
    CommunityId, Header, Kind, LogName, Payload, UnixMillis, VerifiedRecord,
    commitment::Salt,
    kind::Known,
    payload::{Receipt, receipt::HeldHead},
};

use self::{
    counted::{ALL, APART},
    pending::ToFile,
};
use crate::{
    Store,
    append::{self, Draft},
    error::StoreError,
    forks,
    logs::{MAX_LOG_RECORDS, place_of},
    region::DIRTY,
    rows,
    transaction::{self, Value},
    writer::Scope,
};

/// Heads in one receipt: each takes up to 90 bytes, together 184 KB of the 256 KiB of a payload.
const MAX_RECEIPT_HEADS: usize = 2_048;

/// Whether records of this log make a receipt, an index or a statement. What another seat says of logs alone makes none:
/// two that hold each other's logs would never fall silent.
pub(crate) fn are_worth_one(scope: &Scope<'_>, log: LogName, records: &[VerifiedRecord]) -> bool {
    let is_of_logs =
        |it: &VerifiedRecord| it.header().kind.known().is_some_and(Known::tells_of_logs);
    let roster = &scope.region.newest().roster;
    let is_seated =
        roster.is_coordinator(&log.community) || roster.witnesses().contains(&log.community);
    !(is_seated && records.iter().all(is_of_logs))
}

/// A coordinator files what is due of its receipts in its own log; see [`pending`].
pub(crate) async fn file(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    if !*scope.settled {
        // What is held is found in the file once it may be said.
        return Ok(());
    }
    let (now, received) = (scope.now, std::mem::take(&mut scope.group.received));
    let deadline_passed = scope.deadline.filter(|at| *at <= now);
    let is_about_region = scope.group.is_about_region;
    let Some(duties) = scope.duties.as_mut() else { return Ok(()) };
    let pending = &mut duties.receipts;
    let is_barrier = is_about_region || deadline_passed.is_some_and(|at| pending.has_before(at));
    // What was read from the file was received at instants of its own.
    let is_recovered = std::mem::take(&mut scope.group.is_first);
    let before = match (is_recovered, is_barrier) {
        (true, _) => pending.take_recovered(now),
        (false, true) => pending.take_all(now).into_iter().collect(),
        (false, false) => Vec::new(),
    };
    if is_about_region {
        received.keys().for_each(|log| pending.hurry(log));
    }
    let due = pending.take_due(received, now);
    for ToFile { received_at, heads } in before.into_iter().chain(due) {
        for heads in heads.chunks(MAX_RECEIPT_HEADS) {
            write(scope, Receipt { received_at, heads: heads.to_vec() }).await?;
        }
    }
    Ok(())
}

async fn write(scope: &mut Scope<'_>, receipt: Receipt) -> Result<(), StoreError> {
    let draft = Draft {
        kind: Kind::from(Known::Receipt),
        payload: proto::payload::encode(&Payload::Receipt(receipt)),
        // A receipt is public for ever: there is nothing to guess, and one salt is as good as another.
        salt: Salt([0; 32]),
        references: Vec::new(),
    };
    append::write(scope, vec![draft]).await?;
    scope.group.own_grew = true;
    Ok(())
}

/// Takes a receipt into account, which is in a record with this header. One of a coordinator that is not seated is kept:
/// it may be seated by an epoch that is still to come.
pub(crate) async fn note(
    scope: &mut Scope<'_>,
    header: &Header,
    receipt: &Receipt,
) -> Result<(), StoreError> {
    let coordinator = header.community;
    let author = LogName { community: coordinator, era: header.era };
    let was_ever_seated = scope.region.coordinators().contains(&coordinator);
    let counts_apart = forks::counts_apart(scope, author, header.index).await?;
    for head in &receipt.heads {
        let entry = Entry::of(coordinator, head, receipt.received_at)?;
        keep(scope, ALL, &entry).await?;
        mark_dirty(scope, ALL, &entry, was_ever_seated).await?;
        if counts_apart {
            keep(scope, APART, &entry).await?;
            mark_dirty(scope, APART, &entry, was_ever_seated).await?;
        }
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
    fn of(
        coordinator: CommunityId,
        head: &HeldHead,
        received_at: UnixMillis,
    ) -> Result<Self, StoreError> {
        let log = LogName { community: head.community, era: head.era };
        // A log longer than a file can hold is covered as far as it goes.
        let size = rows::to_i64(head.size.min(MAX_LOG_RECORDS))?;
        Ok(Self { coordinator, log, size, at: rows::to_i64_at_most(received_at.0) })
    }

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
async fn keep(scope: &mut Scope<'_>, table: &str, entry: &Entry) -> Result<(), StoreError> {
    // One that says the same is kept, and this one is not.
    let superfluous = format!(
        "DELETE FROM {table}
        WHERE community = ? AND era = ? AND coordinator = ? AND size <= ? AND ? <= received_at
          AND NOT (size = ? AND received_at = ?)"
    );
    let same = [entry.size.into(), entry.at.into()];
    scope.tx.write(&superfluous, entry.row().into_iter().chain(same)).await?;
    let sql = format!(
        "INSERT INTO {table} (community, era, coordinator, size, received_at)
               SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (
                 SELECT 1 FROM {table}
                 WHERE community = ? AND era = ? AND coordinator = ? AND ? <= size AND received_at <= ?
               )"
    );
    scope.tx.write(&sql, entry.row().into_iter().chain(entry.row())).await
}

/// If the statement before kept the receipt, cases with a record whose time it changes must be folded anew: those beyond
/// the next smaller receipt. So must the region, if what was said about it is among them.
async fn mark_dirty(
    scope: &mut Scope<'_>,
    table: &str,
    entry: &Entry,
    was_ever_seated: bool,
) -> Result<(), StoreError> {
    let Some(tail) = scope.tails.get(&mut scope.tx, entry.log).await? else { return Ok(()) };
    let log_no = tail.row.log_no;
    let (start, end) = (place_of(log_no, 0)?, place_of(log_no, entry.size.unsigned_abs())?);
    let range = format!(
        "WHERE ? + COALESCE((
                   SELECT MAX(size) FROM {table}
                   WHERE community = ? AND era = ? AND coordinator = ? AND size < ?
                 ), 0) <= place AND place < ? AND 0 < changes()"
    );
    let values = || [start.into()].into_iter().chain(entry.key()).chain([end.into()]);
    scope.group.may_be_dirty = true;
    // One statement, so that both parts see what the one before changed.
    let sql = format!("INSERT OR IGNORE INTO dirty SELECT {DIRTY} FROM statements {range}");
    if !was_ever_seated {
        return scope.tx.write(&sql, values()).await;
    }
    let sql = format!("{sql} UNION SELECT case_no FROM case_records {range}");
    scope.tx.write(&sql, values().chain(values())).await
}

impl Store {
    /// The largest size of a log that one of these coordinators has receipted; 0 if none has.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn receipted_size(
        &self,
        log: LogName,
        coordinators: &[CommunityId],
    ) -> Result<u64, StoreError> {
        let mut newest = 0_i64;
        for coordinator in coordinators {
            let key = [
                log.community.as_bytes().into(),
                i64::from(log.era).into(),
                coordinator.as_bytes().into(),
            ];
            let mut db = self.reader().await?;
            let sql = "SELECT MAX(size) FROM receipts
                       WHERE community = ? AND era = ? AND coordinator = ?";
            let found = transaction::read(&mut db, sql, key).await?;
            let size: Option<i64> =
                found.first().map(|row| rows::column(row, 0)).transpose()?.flatten();
            newest = newest.max(size.unwrap_or_default());
        }
        Ok(newest.unsigned_abs())
    }
}
