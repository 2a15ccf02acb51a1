//! Which receipts give records their times: all, but of a coordinator whose own log forked only those that stand before
//! the head at which that log is frozen. Who holds another branch of it has other receipts behind that head.
//!
//! ```text
//! receipts          all of them: epochs, what is due, what is shown as receipted
//! counted_receipts  of a coordinator of whom a log counts as forked: those that count
//! ```
//!
//! What is kept of receipts depends on each other: one behind the frozen head may make one before it superfluous. So those
//! that count are kept apart, and only where a log forked: nobody else pays for it.

use std::collections::BTreeSet;

use record::{CommunityId, Payload, kind::Known};

use super::{Entry, keep};
use crate::{
    accept::stored_header,
    eras::{self, RECORDS_PER_READ},
    error::StoreError,
    forks,
    logs::{LogRow, place_of},
    register, rows,
    writer::Scope,
};

/// The table of all receipts.
pub(super) const ALL: &str = "receipts";
/// The table of those that count, of coordinators of whom a log counts as forked.
pub(super) const APART: &str = "counted_receipts";

/// The coordinators of whom a log counts as forked: their receipts that count are kept apart from all.
#[derive(Debug, Default)]
pub(crate) struct Apart(pub(crate) BTreeSet<CommunityId>);

impl Apart {
    /// The table with the receipts of this coordinator that count.
    pub(crate) fn table(&self, coordinator: &CommunityId) -> &'static str {
        if self.0.contains(coordinator) { APART } else { ALL }
    }
}

/// The expression for the time of the first receipt of this coordinator that counts and covers the record at `c.place` of
/// the log `l`, and how often the coordinator is to be bound in it. A reader, who knows nothing of forks, lets the file
/// choose.
pub(crate) fn first_receipt(apart: Option<&Apart>, coordinator: &CommunityId) -> (String, usize) {
    let first = |table| {
        format!(
            "(
      SELECT first.received_at FROM {table} AS first
      WHERE first.community = l.community AND first.era = l.era AND first.coordinator = ?
        AND (c.place & 1099511627775) < first.size ORDER BY first.size LIMIT 1
    )"
        )
    };
    let Some(apart) = apart else {
        let is_apart = "EXISTS (SELECT 1 FROM forks WHERE community = ? AND is_counted_apart = 1)";
        let (counted, all) = (first(APART), first(ALL));
        return (format!("CASE WHEN {is_apart} THEN {counted} ELSE {all} END"), 3);
    };
    (first(apart.table(coordinator)), 1)
}

/// Goes through a coordinator's receipts anew, of whom a log came to count as forked, or no longer does, or is frozen
/// elsewhere. It may change the time of every record.
pub(crate) async fn count_anew(
    scope: &mut Scope<'_>,
    coordinator: CommunityId,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM counted_receipts WHERE coordinator = ?";
    scope.tx.write(sql, [coordinator.as_bytes().into()]).await?;
    if forks::count_apart(scope, coordinator).await? {
        for row in eras::logs_of(scope, coordinator).await? {
            count_log(scope, &row).await?;
        }
    }
    register::mark_all(scope).await
}

async fn count_log(scope: &mut Scope<'_>, row: &LogRow) -> Result<(), StoreError> {
    let frozen = forks::frozen_size(scope, row.name).await?;
    let bounds = row.kept_size.into_iter().chain(frozen);
    let end = bounds.fold(row.frontier.size(), u64::min);
    let mut start = 0;
    while start < end {
        let next = end.min(start.saturating_add(RECORDS_PER_READ));
        count_run(scope, row, (start, next)).await?;
        start = next;
    }
    Ok(())
}

async fn count_run(
    scope: &mut Scope<'_>,
    row: &LogRow,
    (start, end): (u64, u64),
) -> Result<(), StoreError> {
    let sql = "SELECT header, payload FROM records WHERE ? <= place AND place < ? ORDER BY place";
    let range = [place_of(row.log_no, start)?.into(), place_of(row.log_no, end)?.into()];
    for stored in &scope.tx.read(sql, range).await? {
        let payload: Option<&[u8]> = rows::column(stored, 1)?;
        let kind = stored_header(rows::column(stored, 0)?)?.kind.known();
        let (Some(Known::Receipt), Some(payload)) = (kind, payload) else { continue };
        // A payload with something unknown in it counts for nothing.
        let Ok(Payload::Receipt(receipt)) = proto::payload::decode(Known::Receipt, payload) else {
            continue;
        };
        for head in &receipt.heads {
            let entry = Entry::of(row.name.community, head, receipt.received_at)?;
            keep(scope, APART, &entry).await?;
        }
    }
    Ok(())
}
