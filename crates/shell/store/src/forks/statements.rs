//! What seats state of logs, in logs of their own: heads that they hold or have cosigned.

use std::collections::BTreeSet;

use record::{CommunityId, LogName, payload::Cosignatures};
use tlog::Hash;

use super::{accused, judge_if_accused, name};
use crate::{error::StoreError, logs::LogRow, proofs, rows, transaction::Value, writer::Scope};

/// Notes that somebody states to hold or to have cosigned a head. What is said by whoever has no seat is kept: an epoch
/// that is still to come may give it one.
pub(crate) async fn state(
    scope: &mut Scope<'_>,
    seat: CommunityId,
    head: &record::payload::receipt::HeldHead,
) -> Result<(), StoreError> {
    let log = LogName { community: head.community, era: head.era };
    let sql = "INSERT OR IGNORE INTO stated_heads (community, era, size, root, seat)
               VALUES (?, ?, ?, ?, ?)";
    let size = rows::to_i64_at_most(head.size);
    let rest = [size.into(), head.root.as_bytes().into(), seat.as_bytes().into()];
    scope.tx.write(sql, name(log).into_iter().chain(rest)).await?;
    judge_if_accused(scope, log).await
}

/// As [`state`], of all that a record of cosignatures says.
pub(crate) async fn state_all(
    scope: &mut Scope<'_>,
    seat: CommunityId,
    stated: &Cosignatures,
) -> Result<(), StoreError> {
    for head in &stated.heads {
        state(scope, seat, head).await?;
    }
    Ok(())
}

/// What this seat has stated counts no longer, or not all of it: every log that is accused is judged anew.
pub(crate) async fn statements_changed(
    scope: &mut Scope<'_>,
    seat: CommunityId,
) -> Result<(), StoreError> {
    if scope.region.quorum().contains(&seat) {
        let accused: Vec<LogName> = accused(scope).await?.keys().copied().collect();
        scope.group.judged.extend(accused);
    }
    Ok(())
}

/// Statements read at once.
const STATEMENTS_PER_READ: i64 = 256;

/// The size of the largest head on the tree held here that more than half of the seats have stated, each this head or a
/// larger one. 0 if they have stated none.
pub(super) async fn largest_stated(
    scope: &mut Scope<'_>,
    log: LogName,
    row: &LogRow,
) -> Result<u64, StoreError> {
    let seated = scope.region.quorum();
    let marks = vec!["?"; seated.len()].join(", ");
    let sql = format!(
        "SELECT size, root, seat FROM stated_heads
         WHERE community = ? AND era = ? AND size <= ? AND seat IN ({marks})
         ORDER BY size DESC, root, seat LIMIT ? OFFSET ?"
    );
    let held = rows::to_i64(row.frontier.size())?;
    let (mut seats, mut offset, mut ours) = (BTreeSet::new(), 0, None);
    loop {
        let seats_asked = seated.iter().map(|it| Value::from(it.as_bytes()));
        let page = [STATEMENTS_PER_READ.into(), Value::from(offset)];
        let values = name(log).into_iter().chain([held.into()]).chain(seats_asked).chain(page);
        let stored = scope.tx.read(&sql, values).await?;
        for statement in &stored {
            let size: i64 = rows::column(statement, 0)?;
            let (size, stated): (u64, &[u8]) = (size.unsigned_abs(), rows::column(statement, 1)?);
            let root = match ours {
                Some((at, root)) if at == size => root,
                Some(_) | None => root_at(scope, row, size).await?,
            };
            ours = Some((size, root));
            let seat = CommunityId::from_slice(rows::column(statement, 2)?);
            if let Some(seat) = seat
                && root.as_bytes() == stated
            {
                seats.insert(seat);
            }
            if quorum(&seated) <= seats.len() {
                return Ok(size);
            }
        }
        if i64::try_from(stored.len()).is_ok_and(|n| n < STATEMENTS_PER_READ) {
            return Ok(0);
        }
        offset += STATEMENTS_PER_READ;
    }
}

/// Whether more than half of the seats may state a head beyond this size that is not of the branch held here: each of them
/// has stated one that is not of it, or is larger than it, or one before that, which may be of both branches.
pub(super) async fn are_elsewhere(
    scope: &mut Scope<'_>,
    row: &LogRow,
    stated: u64,
) -> Result<bool, StoreError> {
    let seated = scope.region.quorum();
    let sql = format!(
        "SELECT size, root, seat FROM stated_heads
         WHERE community = ? AND era = ? AND ? < size AND seat IN ({})
         ORDER BY size DESC, root, seat LIMIT ? OFFSET ?",
        marks(&seated)
    );
    let (mut seats, mut elsewhere, mut offset) = (BTreeSet::new(), 0, 0);
    loop {
        let page = [STATEMENTS_PER_READ.into(), Value::from(offset)];
        let values = name(row.name).into_iter().chain([rows::to_i64(stated)?.into()]);
        let values = values.chain(asked(&seated)).chain(page);
        let found = scope.tx.read(&sql, values).await?;
        for statement in &found {
            let size: i64 = rows::column(statement, 0)?;
            let (size, root): (u64, &[u8]) = (size.unsigned_abs(), rows::column(statement, 1)?);
            let is_held = size <= row.frontier.size();
            if !is_held || root_at(scope, row, size).await?.as_bytes() != root {
                elsewhere = elsewhere.max(size);
            } else if elsewhere <= size {
                continue;
            }
            seats.extend(CommunityId::from_slice(rows::column(statement, 2)?));
            if quorum(&seated) <= seats.len() {
                return Ok(true);
            }
        }
        if i64::try_from(found.len()).is_ok_and(|n| n < STATEMENTS_PER_READ) {
            return Ok(false);
        }
        offset += STATEMENTS_PER_READ;
    }
}

/// Marks for the seats in a statement.
fn marks(seated: &BTreeSet<CommunityId>) -> String {
    vec!["?"; seated.len()].join(", ")
}

/// What is bound to them.
fn asked(seated: &BTreeSet<CommunityId>) -> impl Iterator<Item = Value> {
    seated.iter().map(|it| Value::from(it.as_bytes()))
}

/// The sizes of a log in `start < size <= end` that seats have stated.
pub(crate) async fn stated_sizes(
    scope: &mut Scope<'_>,
    log: LogName,
    (start, end): (u64, u64),
) -> Result<BTreeSet<u64>, StoreError> {
    let seated = scope.region.quorum();
    let sql = format!(
        "SELECT DISTINCT size FROM stated_heads
         WHERE community = ? AND era = ? AND ? < size AND size <= ? AND seat IN ({})",
        marks(&seated)
    );
    let range = [rows::to_i64(start)?.into(), rows::to_i64(end)?.into()];
    let values = name(log).into_iter().chain(range).chain(asked(&seated));
    let stored = scope.tx.read(&sql, values).await?;
    stored.iter().map(|row| Ok(rows::column::<i64>(row, 0)?.unsigned_abs())).collect()
}

/// The size of the largest head of the branch that is being fetched which more than half of the seats have stated, each
/// this head or a larger one; 0 if they have stated none.
pub(crate) async fn largest_fetched(
    scope: &mut Scope<'_>,
    log: LogName,
    log_no: i64,
) -> Result<u64, StoreError> {
    let seated = scope.region.quorum();
    let sql = format!(
        "SELECT s.size, s.seat FROM fetched_heads AS h JOIN stated_heads AS s
           ON s.community = ? AND s.era = ? AND s.size = h.size AND s.root = h.root
         WHERE h.log_no = ? AND s.seat IN ({}) ORDER BY s.size DESC, s.seat",
        marks(&seated)
    );
    let values = name(log).into_iter().chain([log_no.into()]).chain(asked(&seated));
    let mut seats = BTreeSet::new();
    for row in &scope.tx.read(&sql, values).await? {
        seats.extend(CommunityId::from_slice(rows::column(row, 1)?));
        if quorum(&seated) <= seats.len() {
            return Ok(rows::column::<i64>(row, 0)?.unsigned_abs());
        }
    }
    Ok(0)
}

async fn root_at(scope: &mut Scope<'_>, row: &LogRow, size: u64) -> Result<Hash, StoreError> {
    if size == row.frontier.size() {
        return Ok(row.frontier.root());
    }
    proofs::root_at(scope.tx.connection().await?, row.log_no, size).await
}

/// How many seats are more than half of them.
pub(crate) fn quorum(seats: &BTreeSet<CommunityId>) -> usize {
    seats.len() / 2 + 1
}
