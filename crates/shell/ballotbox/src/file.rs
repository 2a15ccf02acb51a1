//! The file: one writing connection, a pool of readers, and what keeps erased bytes from lying about.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use record::limits::MAX_BALLOTS;
use sqlx::{
    ConnectOptions as _, Connection as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    entropy::{Entropy, NoEntropy},
    error::{Attempt as _, BoxError},
    migrations::MIGRATIONS,
    writer::{self, CastQueue},
};

/// Readers at once: pages and receipts are read in well under a millisecond each.
const N_READERS: u32 = 4;
/// How long a statement waits for a lock that somebody else holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Read and write for the node's own user, nothing for anybody else.
const OWNER_ONLY: u32 = 0o600;

/// What a ballot box is opened with.
#[derive(Debug)]
pub struct Settings {
    /// Where salts and credentials come from.
    pub entropy: Entropy,
    /// The most people the box holds, so that no roll and no poll can exceed the limit of WIRE.md.
    pub max_people: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { entropy: Entropy::system(), max_people: MAX_BALLOTS }
    }
}

/// The people, rolls and ballots of one community.
#[derive(Debug)]
pub struct BallotBox {
    pub(crate) file: Arc<BoxFile>,
    pub(crate) casts: CastQueue,
    pub(crate) max_people: u64,
}

impl BallotBox {
    /// Opens the file at `path`, or makes it, with the system's randomness. Call inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`BoxError::File`] if the file cannot be made private; [`BoxError::Storage`] or [`BoxError::Migration`] if it is
    /// no ballot box of this version.
    pub async fn open(path: &Path) -> Result<Self, BoxError> {
        Self::open_with(path, Settings::default()).await
    }

    /// Opens the file with other randomness or another limit.
    ///
    /// # Errors
    ///
    /// As [`BallotBox::open`].
    pub async fn open_with(path: &Path, settings: Settings) -> Result<Self, BoxError> {
        let Settings { entropy, max_people } = settings;
        let file = Arc::new(BoxFile::open(path, entropy).await?);
        let casts = writer::start(Arc::clone(&file));
        Ok(Self { file, casts, max_people })
    }

    /// Stores what is queued, folds the write-ahead log into the file and closes it. A later command is answered with
    /// [`BoxError::ShutDown`]; closing twice does nothing.
    ///
    /// # Errors
    ///
    /// [`BoxError::Storage`] if the write-ahead log could not be folded in; no ballot is lost by that.
    pub async fn close(&self) -> Result<(), BoxError> {
        self.casts.stop().await;
        if self.file.write.is_closed() {
            return Ok(());
        }
        self.file.read.close().await;
        let folded = self.file.fold_write_ahead_log().await;
        self.file.write.close().await;
        folded.map(drop)
    }
}

/// The two pools over one SQLite file.
#[derive(Debug)]
pub(crate) struct BoxFile {
    write: SqlitePool,
    read: SqlitePool,
    entropy: Mutex<Entropy>,
    /// Something was erased or replaced whose old bytes still stand in the write-ahead log.
    holds_erased_bytes: AtomicBool,
}

impl BoxFile {
    async fn open(path: &Path, entropy: Entropy) -> Result<Self, BoxError> {
        make_private(path).map_err(|source| BoxError::File { source: Arc::new(source) })?;
        let options = connect_options(path);
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .before_acquire(|connection, _| {
                // SQLite rolls back by itself when the disk is full; sqlx does not see that, and such a connection
                // would refuse every transaction to come. It is replaced by a new one.
                let is_usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_usable) })
            })
            .connect_with(options.clone())
            .await
            .attempt("open its file")?;
        MIGRATIONS
            .run(&write)
            .await
            .map_err(|source| BoxError::Migration { source: Arc::new(source) })?;
        let read = SqlitePoolOptions::new()
            .max_connections(N_READERS)
            .connect_with(options.read_only(true))
            .await
            .attempt("open its file for reading")?;
        // A node that was killed may have left replaced ballots in the write-ahead log.
        let file = Self {
            write,
            read,
            entropy: Mutex::new(entropy),
            holds_erased_bytes: AtomicBool::new(true),
        };
        file.forget_erased_bytes().await?;
        Ok(file)
    }

    /// Begins the one write transaction that there can be at a time.
    pub(crate) async fn begin(
        &self,
        attempt: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, BoxError> {
        if self.write.is_closed() {
            return Err(BoxError::ShutDown);
        }
        self.write.begin_with("BEGIN IMMEDIATE").await.attempt(attempt)
    }

    /// Begins a transaction that reads one state of the file, whatever is written meanwhile.
    pub(crate) async fn begin_read(
        &self,
        attempt: &'static str,
    ) -> Result<Transaction<'static, Sqlite>, BoxError> {
        if self.read.is_closed() {
            return Err(BoxError::ShutDown);
        }
        self.read.begin().await.attempt(attempt)
    }

    /// 32 random bytes.
    pub(crate) fn draw(&self) -> Result<[u8; 32], NoEntropy> {
        self.entropy.lock().unwrap_or_else(PoisonError::into_inner).draw()
    }

    /// Notes that the transaction about to be committed erases or replaces something.
    pub(crate) fn will_erase(&self) {
        self.holds_erased_bytes.store(true, Ordering::Release);
    }

    /// Removes the old bytes of what was erased or replaced from the write-ahead log, if there are any.
    ///
    /// `secure_delete` has overwritten them with zeros in the new pages; the old pages stay in the log until it is cut.
    /// While a reader is in the way this does nothing: it is tried again after the next erasure, at closing, at opening.
    pub(crate) async fn forget_erased_bytes(&self) -> Result<(), BoxError> {
        if !self.holds_erased_bytes.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let folded = self.fold_write_ahead_log().await;
        if !matches!(folded, Ok(true)) {
            self.holds_erased_bytes.store(true, Ordering::Release);
        }
        folded.map(drop)
    }

    /// Copies the write-ahead log into the file and cuts it to nothing; `false` if a reader was in the way.
    async fn fold_write_ahead_log(&self) -> Result<bool, BoxError> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&self.write)
            .await
            .attempt("fold its write-ahead log into its file")?;
        if busy != 0 {
            tracing::debug!("a reader kept the write-ahead log of the ballot box from being cut");
        }
        Ok(busy == 0)
    }
}

/// An acknowledged ballot survives a power cut; an erased one leaves no copy, on disk or in a temporary file.
fn connect_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("secure_delete", "ON")
        .pragma("temp_store", "MEMORY")
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

/// Makes the file if it is missing, and takes it away from everybody but its owner. SQLite gives its companions
/// (`-wal`, `-shm`) the permissions of the file itself.
pub(crate) fn make_private(path: &Path) -> std::io::Result<()> {
    let file =
        OpenOptions::new().read(true).append(true).create(true).mode(OWNER_ONLY).open(path)?;
    file.set_permissions(Permissions::from_mode(OWNER_ONLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_connection_cannot_write_while_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballots.sqlite");
        let file = BoxFile::open(&path, Entropy::system()).await.unwrap();
        let impatient = connect_options(&path).busy_timeout(Duration::ZERO);
        let mut other = impatient.connect().await.unwrap();

        let held = file.begin("hold").await.unwrap();
        assert!(other.begin_with("BEGIN IMMEDIATE").await.is_err());
        held.rollback().await.unwrap();
        assert!(other.begin_with("BEGIN IMMEDIATE").await.is_ok());
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_itself_rolled_back_does_not_stop_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballots.sqlite");
        let file = BoxFile::open(&path, Entropy::system()).await.unwrap();

        // As SQLite does when the disk is full.
        let mut lost = file.begin("lose").await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *lost).await.unwrap();
        drop(lost);

        let next = file.begin("go on").await.unwrap();
        next.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballots.sqlite");
        let file = BoxFile::open(&path, Entropy::system()).await.unwrap();
        let insert = "INSERT INTO person (name) VALUES ('anybody')";

        let mut reading = file.begin_read("try").await.unwrap();
        assert!(sqlx::query(insert).execute(&mut *reading).await.is_err());
        drop(reading);
        let mut writing = file.begin("try").await.unwrap();
        assert!(sqlx::query(insert).execute(&mut *writing).await.is_ok());
    }

    #[tokio::test]
    async fn every_connection_syncs_fully_and_overwrites_what_it_deletes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ballots.sqlite");
        let file = BoxFile::open(&path, Entropy::system()).await.unwrap();
        let mut tx = file.begin("look").await.unwrap();
        for (pragma, expected) in [
            ("PRAGMA synchronous", 2),
            ("PRAGMA secure_delete", 1),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA temp_store", 2),
        ] {
            let value: i64 = sqlx::query_scalar(pragma).fetch_one(&mut *tx).await.unwrap();
            assert_eq!(value, expected, "{pragma}");
        }
    }
}
