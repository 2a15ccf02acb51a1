//! The logs that are accused of a fork, and where those are frozen that count as forked: what the writer keeps at hand, so
//! that nobody asks the file at each record.

use std::collections::BTreeMap;

use record::{CommunityId, LogName};
use sqlx::sqlite::SqliteRow;

use super::read_name;
use crate::{error::StoreError, receipts::counted::Apart, rows, writer::Scope};

/// Logs that are known here and accused, and where each is frozen that counts as forked: what the writer keeps at hand.
pub(crate) type Accused = BTreeMap<LogName, Option<Frozen>>;

/// Where a log that counts as forked is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frozen {
    pub(super) size: u64,
    /// Whether the receipts that count of its community are kept apart from all.
    pub(super) is_counted_apart: bool,
}

pub(super) async fn accused<'s>(scope: &'s mut Scope<'_>) -> Result<&'s mut Accused, StoreError> {
    if scope.tails.accused.is_none() {
        let sql = "SELECT DISTINCT a.community, a.era, f.frozen_size, f.is_counted_apart
                   FROM accusations AS a
                   JOIN logs AS l ON l.community = a.community AND l.era = a.era
                   LEFT JOIN forks AS f ON f.community = a.community AND f.era = a.era";
        let stored = scope.tx.read(sql, []).await?;
        let known = stored.iter().map(|row| Ok((read_name(row)?, read_frozen(row, 2)?)));
        let known: Accused = known.collect::<Result<_, StoreError>>()?;
        // An earlier release kept the receipts of nobody apart.
        let is_new = |it: &Frozen| !it.is_counted_apart;
        let uncounted = known.iter().filter(|(_, frozen)| frozen.as_ref().is_some_and(is_new));
        scope.group.judged.extend(uncounted.map(|(log, _)| *log));
        scope.tails.accused = Some(known);
    }
    scope.tails.accused.as_mut().ok_or(StoreError::Damaged { what: "the list of accused logs" })
}

/// Reads where a log is frozen, if it is, from this column on.
fn read_frozen(row: &SqliteRow, column: usize) -> Result<Option<Frozen>, StoreError> {
    let size: Option<i64> = rows::column(row, column)?;
    let is_counted_apart: Option<bool> = rows::column(row, column.saturating_add(1))?;
    let told = size.zip(is_counted_apart);
    Ok(told.map(|(size, is_counted_apart)| Frozen { size: size.unsigned_abs(), is_counted_apart }))
}

/// Where a log is frozen; `None` if it does not count as forked.
pub(super) async fn frozen(
    scope: &mut Scope<'_>,
    log: LogName,
) -> Result<Option<Frozen>, StoreError> {
    Ok(accused(scope).await?.get(&log).copied().flatten())
}

/// Whether a log counts as forked.
pub(crate) async fn is_forked(scope: &mut Scope<'_>, log: LogName) -> Result<bool, StoreError> {
    Ok(frozen(scope, log).await?.is_some())
}

/// How many records of a forked log count; `None` if it does not count as forked.
pub(crate) async fn frozen_size(
    scope: &mut Scope<'_>,
    log: LogName,
) -> Result<Option<u64>, StoreError> {
    Ok(frozen(scope, log).await?.map(|it| it.size))
}

/// The coordinators whose receipts that count are kept apart from all.
pub(crate) async fn apart(scope: &mut Scope<'_>) -> Result<Apart, StoreError> {
    let apart = |(log, frozen): (&LogName, &Option<Frozen>)| {
        frozen.is_some_and(|it| it.is_counted_apart).then_some(log.community)
    };
    Ok(Apart(accused(scope).await?.iter().filter_map(apart).collect()))
}

/// Whether a receipt at this place of its author's log is to be kept among those that count, as these are kept apart.
pub(crate) async fn counts_apart(
    scope: &mut Scope<'_>,
    author: LogName,
    index: u64,
) -> Result<bool, StoreError> {
    let is_apart = apart(scope).await?.0.contains(&author.community);
    Ok(is_apart && frozen_size(scope, author).await?.is_none_or(|size| index < size))
}

/// Notes that the receipts that count of this community are kept apart from all, if a log of it counts as forked; answers
/// whether one does.
pub(crate) async fn count_apart(
    scope: &mut Scope<'_>,
    community: CommunityId,
) -> Result<bool, StoreError> {
    let mut is_forked = false;
    for (log, frozen) in accused(scope).await?.iter_mut() {
        let frozen = frozen.as_mut().filter(|_| log.community == community);
        if let Some(frozen) = frozen {
            (frozen.is_counted_apart, is_forked) = (true, true);
        }
    }
    let sql = "UPDATE forks SET is_counted_apart = 1 WHERE community = ?";
    scope.tx.write(sql, [community.as_bytes().into()]).await?;
    Ok(is_forked)
}
