//! The writer's connection, which is opened anew after a fault, and the bounds of its write-ahead log.
//!
//! SQLite may end a transaction by itself when the disk fails or is full; what the driver then believes about the
//! connection is no longer true, so it is thrown away.

use std::{
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use sqlx::{
    AssertSqlSafe,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    db::{Db, Waits},
    error::StoreError,
    migrations::MIGRATIONS,
};

/// The WAL is folded into the file at about this many pages: 8,000 × 4 KiB = 32 MiB. SQLite's own 1,000 halves the
/// rate of indexed inserts.
const WAL_AUTOCHECKPOINT_PAGES: &str = "8000";
/// After a fold the WAL's file is cut to this: 64 MiB, two rounds, so that it is not cut and grown every time.
const WAL_KEPT_BYTES: &str = "67108864";
/// Beyond this the writer waits for readers to let go of the WAL: 128 MiB, what a fold leaves behind only if readers
/// have overlapped for four rounds.
const MAX_WAL_BYTES: u64 = 128 * 1024 * 1024;
/// How long SQLite waits for another connection of this process.
const BUSY_TIME_OUT: Duration = Duration::from_secs(5);
/// Rows that a statement may give before the first is taken: a batch. Past fewer, SQLite's thread and ours wake each
/// other for every row.
const ROWS_AHEAD: usize = record::limits::MAX_BATCH_RECORDS;

/// The file, as the writer has it.
#[derive(Debug)]
pub(crate) struct WriteFile {
    wal: PathBuf,
    options: SqliteConnectOptions,
    /// How many pages the file may have; `None` for as many as the disk takes.
    room: Option<Arc<AtomicU32>>,
    waits: Waits,
    open: Option<Db>,
}

/// How the file is opened.
pub(crate) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        // The one temporary table holds a number for each touched case, and readers sort little: neither may need a
        // disk that may be full.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)
        .pragma("journal_size_limit", WAL_KEPT_BYTES)
        .busy_timeout(BUSY_TIME_OUT)
        .row_buffer_size(ROWS_AHEAD)
}

/// Makes the file, for its owner alone, if it is not there. SQLite gives the WAL the same mode.
pub(crate) fn create_private(path: &Path) -> Result<(), StoreError> {
    let made = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    made.map(drop).map_err(|error| StoreError::storage("making the log file")(error.into()))
}

/// Brings the file to this release's form.
pub(crate) async fn migrate(db: &mut Db) -> Result<(), StoreError> {
    let (driver, waits) = db.driver();
    let migrated = waits.for_the(MIGRATIONS.run(driver)).await;
    migrated.map_err(|error| StoreError::storage("bringing the log file up to date")(error.into()))
}

impl WriteFile {
    pub(crate) fn new(path: &Path, room: Option<Arc<AtomicU32>>, waits: Waits) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self { wal: wal.into(), options: options(path), room, waits, open: None }
    }

    /// The connection, opened if there is none.
    pub(crate) async fn take(&mut self) -> Result<Db, StoreError> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let storage = StoreError::storage("opening the log file");
        let mut db = Db::open(&self.options, self.waits).await.map_err(&storage)?;
        if let Some(room) = &self.room {
            let pragma = format!("PRAGMA max_page_count = {}", room.load(Ordering::Relaxed));
            sqlx::query(AssertSqlSafe(pragma)).execute(&mut db).await.map_err(&storage)?;
        }
        // Cases that the present transaction touched, which are to be folded before it ends.
        sqlx::query("CREATE TEMP TABLE dirty (case_no INTEGER PRIMARY KEY)")
            .execute(&mut db)
            .await
            .map_err(&storage)?;
        Ok(db)
    }

    /// Takes a sound connection back.
    pub(crate) fn put_back(&mut self, db: Db) {
        self.open = Some(db);
    }

    /// Cuts the WAL, if readers kept it from being cut for too long.
    pub(crate) async fn bound_wal(&mut self) {
        let n_bytes = std::fs::metadata(&self.wal).map_or(0, |it| it.len());
        if n_bytes <= MAX_WAL_BYTES {
            return;
        }
        if let Err(error) = self.truncate_wal().await {
            tracing::warn!(%error, n_bytes, "the write-ahead log could not be cut; trying again after the next commit");
        }
    }

    /// Folds the whole WAL into the file and cuts it; tells whether that is done, or a reader still keeps it.
    pub(crate) async fn fold(&mut self) -> bool {
        let Ok(mut db) = self.take().await else { return false };
        let done = sqlx::query_scalar::<_, i64>("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut db)
            .await;
        self.put_back(db);
        done.is_ok_and(|is_busy| is_busy == 0)
    }

    /// Folds the whole WAL into the file.
    async fn truncate_wal(&mut self) -> Result<(), StoreError> {
        let mut db = self.take().await?;
        let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut db).await;
        self.put_back(db);
        done.map(drop).map_err(StoreError::storage("folding the write-ahead log into the file"))
    }

    /// Folds the WAL into the file and closes it.
    pub(crate) async fn close(mut self) -> Result<(), StoreError> {
        self.truncate_wal().await?;
        match self.open.take() {
            Some(db) => db.close().await.map_err(StoreError::storage("closing the log file")),
            None => Ok(()),
        }
    }
}
