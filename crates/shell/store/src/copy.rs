//! The file from outside: a copy of it for a backup, which form it has, and a little of what it holds. Nothing here changes
//! it, and all of it may be asked while another process has it open.
//!
//! A copy is one state of the file, whatever is written meanwhile: what was committed when it began. Nothing that was
//! erased is in it, as `VACUUM INTO` writes only what is there.

use std::{cmp::Ordering, fs::File, path::Path, time::Duration};

use record::{CommunityId, payload::Status};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tlog::Frontier;

use crate::{
    connection::create_private,
    error::StoreError,
    indexes::{STATUSES, read_status},
    migrations::MIGRATIONS,
};

/// How long SQLite waits for another process, which holds the file alone only while it opens or closes it.
const BUSY_TIME_OUT: Duration = Duration::from_secs(5);

/// Copies a log file to a path at which nothing is, for its owner alone. The copy is durable, and was read through, when
/// this returns.
///
/// # Errors
///
/// [`StoreError::Storage`] if a file cannot be read or written; [`StoreError::Damaged`] if the copy does not hold. What is
/// then at the path is of no use.
pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let attempt = StoreError::storage("copying the log file");
    let path = to.to_str().ok_or(StoreError::Damaged { what: "the name of the copy" })?;
    create_private(to)?;
    let mut db = read_only(from).await?;
    let copied = sqlx::query("VACUUM INTO ?").bind(path).execute(&mut db).await;
    db.close().await.map_err(&attempt)?;
    copied.map_err(&attempt)?;
    // SQLite leaves that to whoever asked for the copy.
    File::open(to).and_then(|it| it.sync_all()).map_err(|error| attempt(error.into()))?;
    check(to).await
}

/// Reads a copy through.
async fn check(path: &Path) -> Result<(), StoreError> {
    let attempt = StoreError::storage("reading the copy of the log file");
    let mut db = read_only(path).await?;
    let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut db).await;
    db.close().await.map_err(&attempt)?;
    if found.map_err(&attempt)? == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged { what: "the copy" })
}

/// How the form of a log file compares with that of this release: less if it is brought up to date when it is opened,
/// greater if a later release wrote it, so that this one cannot open it.
///
/// # Errors
///
/// [`StoreError::Storage`] if it cannot be read.
pub async fn form(path: &Path) -> Result<Ordering, StoreError> {
    let attempt = StoreError::storage("looking at the form of the log file");
    let mut db = read_only(path).await?;
    let newest = sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut db)
        .await;
    db.close().await.map_err(&attempt)?;
    let known = MIGRATIONS.iter().map(|it| it.version).max();
    Ok(newest.map_err(&attempt)?.cmp(&known))
}

/// How many records of its newest era of this community's log a file holds; 0 if none.
///
/// # Errors
///
/// [`StoreError::Storage`] if it cannot be read; [`StoreError::Damaged`] if it holds no tree.
pub async fn n_records(path: &Path, community: CommunityId) -> Result<u64, StoreError> {
    let attempt = StoreError::storage("looking at a log in the log file");
    let mut db = read_only(path).await?;
    let sql = "SELECT frontier FROM logs WHERE community = ? ORDER BY era DESC LIMIT 1";
    let found = sqlx::query_scalar::<_, Vec<u8>>(sql).bind(community.as_bytes().to_vec());
    let found = found.fetch_optional(&mut db).await;
    db.close().await.map_err(&attempt)?;
    let Some(bytes) = found.map_err(&attempt)? else { return Ok(0) };
    let damaged = |_error| StoreError::Damaged { what: "a frontier" };
    Ok(Frontier::from_bytes(&bytes).map_err(damaged)?.size())
}

/// The eras of a community's log that a file holds, in ascending order.
///
/// # Errors
///
/// [`StoreError::Storage`] if it cannot be read.
pub async fn eras(path: &Path, community: CommunityId) -> Result<Vec<u32>, StoreError> {
    let attempt = StoreError::storage("looking for a log in the log file");
    let mut db = read_only(path).await?;
    let sql = "SELECT era FROM logs WHERE community = ? ORDER BY era";
    let found = sqlx::query_scalar::<_, i64>(sql).bind(community.as_bytes().to_vec());
    let found = found.fetch_all(&mut db).await;
    db.close().await.map_err(&attempt)?;
    let era = |it| u32::try_from(it).ok().ok_or(StoreError::Damaged { what: "an era" });
    found.map_err(&attempt)?.into_iter().map(era).collect()
}

/// The newest status of each log that a coordinator has filed, as a file holds them.
///
/// # Errors
///
/// [`StoreError::Storage`] if it cannot be read.
pub async fn statuses_of(path: &Path, by: CommunityId) -> Result<Vec<Status>, StoreError> {
    let attempt = StoreError::storage("reading statuses in the log file");
    let mut db = read_only(path).await?;
    let found = sqlx::query(STATUSES).fetch_all(&mut db).await;
    db.close().await.map_err(&attempt)?;
    let read: Result<Vec<_>, _> = found.map_err(&attempt)?.iter().map(read_status).collect();
    Ok(read?.into_iter().filter(|(coordinator, _)| *coordinator == by).map(|(_, it)| it).collect())
}

async fn read_only(path: &Path) -> Result<SqliteConnection, StoreError> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIME_OUT)
        .disable_statement_logging()
        .connect()
        .await
        .map_err(StoreError::storage("opening the log file"))
}
