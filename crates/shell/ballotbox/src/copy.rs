//! The file from outside: a copy of it for a backup, and which form it has. Neither changes it, and either may be asked
//! while another process has it open.
//!
//! A copy is one state of the file, whatever is written meanwhile. It holds what the file holds, people and ballots, and
//! nothing that was erased or replaced: `VACUUM INTO` writes only what is there.

use std::{cmp::Ordering, fs::File, path::Path, sync::Arc, time::Duration};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{
    error::{Attempt as _, BoxError, unsigned},
    file::{BallotBox, make_private},
    migrations::MIGRATIONS,
};

/// How long SQLite waits for another process, which holds the file alone only while it opens or closes it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

impl BallotBox {
    /// Copies the file of a ballot box to a path at which nothing is, for its owner alone. The copy is durable, and was
    /// read through, when this returns.
    ///
    /// The answer is how many secret polls in the copy are not closed: of those it tells who voted how, for as long as it
    /// is kept. The box itself forgets that at the close.
    ///
    /// # Errors
    ///
    /// [`BoxError::Storage`] or [`BoxError::File`] if a file cannot be read or written; [`BoxError::Damaged`] if the copy
    /// does not hold. What is then at the path is of no use.
    pub async fn copy(from: &Path, to: &Path) -> Result<u64, BoxError> {
        let attempt = "copy its file";
        let refused = |source| BoxError::File { source: Arc::new(source) };
        let path = to.to_str().ok_or(BoxError::Damaged { what: "the name of the copy" })?;
        make_private(to).map_err(refused)?;
        let mut db = read_only(from).await?;
        let copied = sqlx::query("VACUUM INTO ?").bind(path).execute(&mut db).await;
        db.close().await.attempt(attempt)?;
        copied.attempt(attempt)?;
        // SQLite leaves that to whoever asked for the copy.
        File::open(to).and_then(|it| it.sync_all()).map_err(refused)?;
        check(to).await
    }

    /// How the form of a file compares with that of this release: less if it is brought up to date when it is opened,
    /// greater if a later release wrote it, so that this one cannot open it.
    ///
    /// # Errors
    ///
    /// [`BoxError::Storage`] if it cannot be read.
    pub async fn form(path: &Path) -> Result<Ordering, BoxError> {
        let attempt = "look at the form of its file";
        let mut db = read_only(path).await?;
        let sql = "SELECT MAX(version) FROM _sqlx_migrations";
        let newest = sqlx::query_scalar::<_, Option<i64>>(sql).fetch_one(&mut db).await;
        db.close().await.attempt(attempt)?;
        let known = MIGRATIONS.iter().map(|it| it.version).max();
        Ok(newest.attempt(attempt)?.cmp(&known))
    }
}

/// Reads a copy through, and counts its secret polls that are not closed.
async fn check(path: &Path) -> Result<u64, BoxError> {
    let attempt = "read the copy of its file";
    let mut db = read_only(path).await?;
    let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut db).await;
    let sql = "SELECT COUNT(*) FROM poll WHERE mode = 'secret' AND ballot_root IS NULL";
    let n_open = sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut db).await;
    db.close().await.attempt(attempt)?;
    if found.attempt(attempt)? != "ok" {
        return Err(BoxError::Damaged { what: "the copy does not hold" });
    }
    unsigned(n_open.attempt(attempt)?)
}

async fn read_only(path: &Path) -> Result<SqliteConnection, BoxError> {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
        .connect()
        .await
        .attempt("open its file for reading")
}
