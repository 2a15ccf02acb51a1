//! Between SQLite's types and ours.

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
