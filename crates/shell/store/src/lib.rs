//! Public logs and the register in one SQLite file.
//!
//! ```text
//! append (own log) ─┐                        ┌─ records, tiles, checkpoint
//! accept (others')  ├─▶ writer, group commit ┼─ receipt of a coordinator, in its own log
//! cosigned, tick   ─┘   one transaction      └─ register: cases refolded, feed items
//! ```
//!
//! One task writes; many readers read. What a job's answer says is durable: WAL with `synchronous=FULL`. A job that
//! breaks a rule is refused before anything is written for it, or rolled back alone; a fault of the disk fails the
//! whole group, and nothing of it is kept.
//!
//! Not here: verification of what others sent (`replica`), the rules (`civic`), people and ballots (`ballotbox`).

mod accept;
mod acks;
mod added;
mod append;
mod branches;
mod claims;
mod connection;
mod copy;
mod cosigned;
mod db;
mod duties;
mod eras;
mod erasures;
mod error;
mod forks;
mod indexes;
mod jobs;
mod load;
mod logs;
mod migrations;
mod neighbours;
mod proofs;
mod read;
mod read_register;
mod readers;
mod receipts;
mod region;
mod region_news;
mod register;
mod rows;
mod settling;
mod transaction;
mod witness;
mod writer;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicU32},
};

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{LogName, Network, UnixMillis, region::Roster};
use tlog::{KeyName, KeyType, NoteSignature, key::key_id};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::{connection::WriteFile, readers::Readers};

pub use accept::{Accepted, Incoming};
pub use acks::StoredAck;
pub use append::{Appended, Draft, Guard, Reference};
pub use branches::Fetched;
pub use claims::{Agreement, Claim};
pub use copy::{copy, eras, form, n_records, statuses_of};
pub use db::Waits;
pub use eras::peek;
pub use erasures::Erasure;
pub use error::StoreError;
pub use forks::Fork;
pub use logs::{LogRow, Pending};
pub use neighbours::{
    NeighbourCase, NeighbourRecord, NeighbourRow, PutOff, PutOffs, Regions, Taken,
};
pub use read::{BatchLimits, FeedItem, Position, StoredBatch, StoredRecord, WordsRow};
pub use read_register::{CaseRow, RegisterMark};
pub use region::RegionMark;
pub use region_news::{NoMoreNews, RegionNews};
pub use witness::{AddCheckpoint, Witnessed};
pub use writer::Commit;

/// What the store must know besides the file.
#[derive(Clone)]
pub struct StoreConfig {
    /// The network of every log here.
    pub network: Network,
    /// The region whose register is kept, as it was founded.
    pub region: RegionView,
    /// The log that this process writes.
    pub own: OwnLog,
    /// Whether our own log is known to be the newest that anybody holds. `false` for a folder that may have come from a
    /// backup: nothing is signed until [`Store::settle`].
    pub is_settled: bool,
    /// The one source of time.
    pub clock: Arc<dyn runtime::clock::Clock>,
    /// How SQLite is waited for.
    pub waits: Waits,
}

/// The log that this process writes, and what it signs with.
#[derive(Clone)]
pub struct OwnLog {
    /// Its name.
    pub name: LogName,
    /// The key that signs its checkpoints.
    pub log_key: SigningKey,
    /// A coordinator cosigns what it holds and files receipts; a node does not.
    pub mirror: Option<Cosigner>,
    /// The key with which heads are cosigned that were found consistent: by a node those that it came to hold, by
    /// everybody those that are brought to it.
    pub witness: Option<Cosigner>,
}

/// The key with which a mirror or a witness cosigns; one key is one of the two.
#[derive(Clone)]
pub struct Cosigner {
    /// The cosigner's name in signature lines.
    pub name: KeyName,
    /// Its key.
    pub key: SigningKey,
}

impl Cosigner {
    /// Whether a signature line says that it is by this key.
    #[must_use]
    pub fn has_signed(&self, line: &NoteSignature) -> bool {
        let public_key = self.key.verifying_key();
        line.name() == &self.name
            && line.key_id() == key_id(&self.name, KeyType::Cosignature, public_key.as_bytes())
    }
}

impl StoreConfig {
    /// For a log that is written while no node runs: what is appended so is of no region's register.
    #[must_use]
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "one member makes a roster")]
    pub fn of_no_region(
        network: Network,
        own: OwnLog,
        clock: Arc<dyn runtime::clock::Clock>,
    ) -> Self {
        let region = record::RegionId::from_bytes([0; 32]);
        let roster =
            Roster::new(vec![own.name.community], Vec::new(), 1).expect("one member is enough");
        Self {
            network,
            region: RegionView::new(region, None, roster),
            own,
            is_settled: true,
            clock,
            waits: Waits::GivingWay,
        }
    }
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreConfig").field("network", &self.network).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for OwnLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnLog").field("name", &self.name).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cosigner").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The most jobs that wait for the writer; further callers wait their turn.
const MAX_WAITING_JOBS: usize = 1_024;

/// The store: cheap to clone, one per process and file.
#[derive(Debug, Clone)]
pub struct Store {
    jobs: mpsc::Sender<jobs::Waiting>,
    room: Arc<Semaphore>,
    read: Readers,
    commits: broadcast::Sender<Arc<Commit>>,
    fault: watch::Receiver<Option<StoreError>>,
    region: RegionNews,
    /// When a witness has something to state.
    statement_due: watch::Receiver<Option<UnixMillis>>,
    n_register_changes: watch::Receiver<u64>,
    settled: watch::Receiver<bool>,
    /// The numbers of the logs that batches were read from.
    numbers: Arc<Mutex<BTreeMap<LogName, i64>>>,
    config: Arc<StoreConfig>,
}

impl Store {
    /// Opens or creates the file and starts the writer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the file cannot be opened or brought to this release's form.
    pub async fn open(path: &Path, config: StoreConfig) -> Result<Self, StoreError> {
        Self::open_within(path, config, None).await
    }

    /// As [`Store::open`], in a file that may grow to so many pages of 4 KiB: what a full disk does, at will. The number
    /// is looked at when the writer opens the file, and again after every fault.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_within(
        path: &Path,
        config: StoreConfig,
        max_pages: Option<Arc<AtomicU32>>,
    ) -> Result<Self, StoreError> {
        connection::create_private(path)?;
        let options = connection::options(path);
        let storage = StoreError::storage("opening the log file");
        let mut write = WriteFile::new(path, max_pages, config.waits);
        let mut db = write.take().await?;
        connection::migrate(&mut db).await?;
        write.put_back(db);
        let read = Readers::open(options, config.waits).await.map_err(&storage)?;
        let config = Arc::new(config);
        let (jobs, waiting) = mpsc::channel(MAX_WAITING_JOBS);
        let room = Arc::new(Semaphore::new(jobs::MAX_WAITING_BYTES));
        let mut db = read.acquire().await.map_err(&storage)?;
        let last_item = read::feed_end(&mut db).await?;
        let now = Arc::new(region::read(&mut db, &config.region).await?);
        let deadline = transaction::read(&mut db, register::NEXT_DEADLINE, []).await?;
        let deadline = register::read_deadline(&deadline)?;
        drop(db);
        let (region, read_pool, settled) = (now, read.clone(), config.is_settled);
        let files = writer::Files { write, read: read_pool, last_item, region, deadline, settled };
        let told = writer::start(files, Arc::clone(&config), waiting);
        let writer::Told { commits, fault, region, statement_due, n_register_changes, settled } =
            told;
        let numbers = Arc::default();
        Ok(Self {
            jobs,
            room,
            read,
            commits,
            fault,
            region,
            statement_due,
            n_register_changes,
            settled,
            numbers,
            config,
        })
    }

    /// Tells of every commit from now on. Whoever falls behind is told so, and reads everything anew.
    #[must_use]
    pub fn commits(&self) -> broadcast::Receiver<Arc<Commit>> {
        self.commits.subscribe()
    }

    /// The fault that the newest transaction met; `None` if it was committed.
    #[must_use]
    pub fn fault(&self) -> watch::Receiver<Option<StoreError>> {
        self.fault.clone()
    }

    /// The region as the records here tell it.
    #[must_use]
    pub fn region_now(&self) -> Arc<RegionView> {
        self.region.borrow()
    }

    /// The region as the records here tell it, whenever that changes.
    #[must_use]
    pub fn region(&self) -> RegionNews {
        self.region.clone()
    }

    /// What the store was opened with.
    #[must_use]
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }
}
