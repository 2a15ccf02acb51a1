//! Between SQLite's types and ours.

use record::{CommunityId, LogName};
use sqlx::{Decode, Row as _, Sqlite, Type, sqlite::SqliteRow};

use crate::error::StoreError;

/// A column by position.
pub(crate) fn column<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(
    row: &'r SqliteRow,
    position: usize,
) -> Result<T, StoreError> {
    row.try_get(position).map_err(StoreError::storage("reading a row"))
}

/// SQLite's integers are signed: sizes and indexes stay below 2^40, times below 2^63.
pub(crate) fn to_i64(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).ok().ok_or(StoreError::Damaged { what: "a number above 2^63" })
}

/// A number that somebody else wrote: above 2^63 nothing depends on how much.
pub(crate) fn to_i64_at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The name of a log in two columns: community, era.
pub(crate) fn log_name(row: &SqliteRow, first: usize) -> Result<LogName, StoreError> {
    let damaged = || StoreError::Damaged { what: "the name of a log" };
    let (community, era): (&[u8], i64) = (column(row, first)?, column(row, first + 1)?);
    let community = CommunityId::from_slice(community).ok_or_else(damaged)?;
    Ok(LogName { community, era: u32::try_from(era).ok().ok_or_else(damaged)? })
}
