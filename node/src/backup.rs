//! Backups: a sound copy of everything in a data folder, whether a node runs on it or not.
//!
//! ```text
//! beside the target: log ─▶ ballots ─▶ every other file ─▶ synced ─▶ still the same node? ─▶ renamed to the target
//! ```
//!
//! The log is copied first, so that whatever it says of rolls and boxes is in the ballots, too. Keys change while no node
//! runs, and under the folder's lock: so a backup is thrown away if the node ended or began meanwhile. Neither SQLite file
//! is opened to be written or brought to this release's form.
//!
//! Not here: putting a backup back, which is putting the folder back. The node then meets its peers before it signs.

mod tree;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use ballotbox::{BallotBox, BoxError};
use peer::{
    DataFolder,
    folder::{BackupNote, FolderError},
};
use record::UnixMillis;
use runtime::{
    disk::free_bytes,
    files::{DirLock, FileError, create_private_dir},
};
use store::StoreError;

use tree::{BALLOTS_NAME, Entry, LOG_NAME};

/// Why there is no backup. Nothing was changed, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Something is at the place of the backup.
    #[error("{} is there already, and a backup overwrites nothing. Name a folder that is not there.", .path.display())]
    There {
        /// The place.
        path: PathBuf,
    },
    /// The folder above the backup is not there.
    #[error(
        "{} is not there, so no backup was made. If it is a disk of its own, look whether it is mounted.", .path.display()
    )]
    NoPlace {
        /// The folder above.
        path: PathBuf,
    },
    /// The backup would stand in what it is a backup of.
    #[error("{} is inside the data folder. Name a place outside of it, best on another disk.", .path.display())]
    Inside {
        /// The place.
        path: PathBuf,
    },
    /// There is too little room.
    #[error(
        "The backup takes about {n_bytes} bytes, and {} has room for {n_free}. Make room, or name another place.",
        .path.display()
    )]
    NoRoom {
        /// The folder above the backup.
        path: PathBuf,
        /// About what it takes.
        n_bytes: u64,
        /// What is free.
        n_free: u64,
    },
    /// It is no data folder.
    #[error(
        "{} holds more than {} files, so it is more than a data folder. No backup was made.",
        .path.display(), tree::MAX_ENTRIES
    )]
    TooMany {
        /// The folder.
        path: PathBuf,
    },
    /// Another command works on the folder, or the node is just starting or stopping.
    #[error(
        "A node is starting or stopping on {}, or another command works on it. No backup was made; try again in a moment.",
        .path.display()
    )]
    Busy {
        /// The data folder.
        path: PathBuf,
    },
    /// The log.
    #[error(transparent)]
    Log(#[from] StoreError),
    /// People and ballots.
    #[error(transparent)]
    Ballots(#[from] BoxError),
    /// A file.
    #[error("Could not {attempt} {}.", .path.display())]
    File {
        /// What was attempted, as in "copy".
        attempt: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BackupError {
    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Folder(error) => error.ending().1,
            Self::There { .. } => "backup.there",
            Self::NoPlace { .. } => "backup.no_place",
            Self::Inside { .. } => "backup.inside",
            Self::NoRoom { .. } => "backup.no_room",
            Self::TooMany { .. } => "backup.too_many_files",
            Self::Busy { .. } => "backup.busy",
            Self::Log(error) if error.is_disk_full() => "disk.full",
            Self::Ballots(error) if error.is_disk_full() => "disk.full",
            Self::Log(_) | Self::Ballots(_) | Self::File { .. } => "backup.failed",
        }
    }
}

/// What is copied, and where to.
#[derive(Debug)]
pub struct Order<'a> {
    /// The data folder.
    pub folder: &'a DataFolder,
    /// The backup: a folder that is not there yet.
    pub out: &'a Path,
    /// Files that the node reads and that stand elsewhere, with their names in the backup's folder `outside`. Those that
    /// stand in the data folder are copied there in any case.
    pub outside: Vec<(&'static str, PathBuf)>,
    /// The present time.
    pub now: UnixMillis,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What was noted of it.
    pub note: BackupNote,
    /// How many files it has.
    pub n_files: u64,
    /// How many bytes.
    pub n_bytes: u64,
    /// Whether a node was running.
    pub was_running: bool,
    /// Secret polls that were not closed: of those the backup tells who voted how.
    pub n_open_secret_polls: u64,
    /// What is in the folder and no file: links to folders, pipes.
    pub left_out: Vec<PathBuf>,
}

/// Makes a backup.
///
/// # Errors
///
/// [`BackupError`].
pub async fn make(order: Order<'_>, tell: impl FnMut(&str, u64, u64)) -> Result<Made, BackupError> {
    let Order { folder, out, .. } = &order;
    folder.community()?;
    let above = place(folder, out)?;
    let holder = Holder::find(folder).await?;
    let (entries, left_out) = tree::entries(folder.path())?;
    let n_bytes = entries.iter().map(|it| it.n_bytes).sum();
    let n_free = free_bytes(&above).map_err(failed("look at", &above))?;
    if n_free < n_bytes {
        return Err(BackupError::NoRoom { path: above, n_bytes, n_free });
    }
    let beside = tree::name_beside(out);
    let copied = Copying { order: &order, to: &beside, tell }.copy(&entries).await;
    let finished = match copied {
        Ok(copied) if holder.still_holds(folder) => finish(&beside, out, &above).map(|()| copied),
        Ok(_) => Err(BackupError::Busy { path: folder.path().to_owned() }),
        Err(error) => Err(error),
    };
    let Copied { note, n_files, n_bytes, n_open_secret_polls } =
        finished.inspect_err(|_error| {
            // The first error is the one to tell.
            let _ = std::fs::remove_dir_all(&beside);
        })?;
    folder.note_backup(&note)?;
    let was_running = matches!(holder, Holder::Node { .. });
    Ok(Made { note, n_files, n_bytes, was_running, n_open_secret_polls, left_out })
}

/// The folder above the backup, if a backup may be made there.
fn place(folder: &DataFolder, out: &Path) -> Result<PathBuf, BackupError> {
    if out.symlink_metadata().is_ok() {
        return Err(BackupError::There { path: out.to_owned() });
    }
    let above = match out.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        Some(_) | None => Path::new("."),
    };
    if !above.is_dir() {
        return Err(BackupError::NoPlace { path: above.to_owned() });
    }
    let whole = |path: &Path| path.canonicalize().map_err(failed("look at", path));
    if whole(above)?.starts_with(whole(folder.path())?) {
        return Err(BackupError::Inside { path: out.to_owned() });
    }
    Ok(above.to_owned())
}

/// Who holds the folder while it is copied.
#[derive(Debug)]
enum Holder {
    /// This command: no node runs.
    Us(#[expect(dead_code, reason = "held until it is dropped")] DirLock),
    /// A node that serves its clerk, by the number of its process.
    Node { pid: Option<u32> },
}

impl Holder {
    async fn find(folder: &DataFolder) -> Result<Self, BackupError> {
        match folder.lock() {
            Ok(lock) => Ok(Self::Us(lock)),
            Err(FolderError::File(FileError::InUse { pid, .. })) => {
                // A node puts its keys in their place before it opens its socket.
                match tokio::net::UnixStream::connect(folder.clerk_socket()).await {
                    Ok(_) => Ok(Self::Node { pid }),
                    Err(_) => Err(BackupError::Busy { path: folder.path().to_owned() }),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn still_holds(&self, folder: &DataFolder) -> bool {
        match self {
            Self::Us(_) => true,
            Self::Node { pid } => matches!(
                folder.lock(),
                Err(FolderError::File(FileError::InUse { pid: now, .. })) if now == *pid
            ),
        }
    }
}

struct Copied {
    note: BackupNote,
    n_files: u64,
    n_bytes: u64,
    n_open_secret_polls: u64,
}

struct Copying<'a, T> {
    order: &'a Order<'a>,
    to: &'a Path,
    /// Told which file is copied, how many bytes of it are there, and of how many about.
    tell: T,
}

impl<T: FnMut(&str, u64, u64)> Copying<'_, T> {
    async fn copy(mut self, entries: &[Entry]) -> Result<Copied, BackupError> {
        create_private_dir(self.to).map_err(FolderError::from)?;
        let copy = DataFolder::at(self.to);
        let source = self.order.folder;
        let mut n_open_secret_polls = 0;
        if let Some(entry) = entries.iter().find(|it| it.path == Path::new(LOG_NAME)) {
            let (from, to) = (source.log_file(), self.to.join(LOG_NAME));
            self.watch(entry, store::copy(&from, &to)).await?;
        }
        if let Some(entry) = entries.iter().find(|it| it.path == Path::new(BALLOTS_NAME)) {
            let (from, to) = (source.ballots_file(), self.to.join(BALLOTS_NAME));
            n_open_secret_polls = self.watch(entry, BallotBox::copy(&from, &to)).await?;
        }
        for entry in entries.iter().filter(|it| !it.is_database()) {
            tree::copy_entry(source.path(), self.to, entry)?;
        }
        tree::copy_outside(source.path(), self.to, &self.order.outside)?;
        let records = n_records(&copy).await?;
        let note = BackupNote { made_at: self.order.now, records };
        copy.note_backup(&note)?;
        let (n_files, n_bytes) = tree::sync_folders(self.to)?;
        Ok(Copied { note, n_files, n_bytes, n_open_secret_polls })
    }

    /// Waits for a copy and tells meanwhile how far it is.
    async fn watch<V, E>(
        &mut self,
        entry: &Entry,
        copied: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let name = entry.path.display().to_string();
        let path = self.to.join(&entry.path);
        tokio::pin!(copied);
        loop {
            tokio::select! {
                done = &mut copied => return done,
                () = tokio::time::sleep(TELL_EVERY) => {
                    let n_bytes = path.metadata().map_or(0, |it| it.len());
                    (self.tell)(&name, n_bytes, entry.n_bytes);
                }
            }
        }
    }
}

/// How often it is told how far a copy is.
const TELL_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// How many records of its community's log are in a folder.
async fn n_records(folder: &DataFolder) -> Result<u64, BackupError> {
    if !folder.log_file().exists() {
        return Ok(0);
    }
    Ok(store::n_records(&folder.log_file(), folder.community()?).await?)
}

/// Gives a backup that is whole its name.
fn finish(beside: &Path, out: &Path, above: &Path) -> Result<(), BackupError> {
    std::fs::rename(beside, out).map_err(failed("name the backup", out))?;
    File::open(above).and_then(|it| it.sync_all()).map_err(failed("write", above))
}

pub(crate) fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    move |source| BackupError::File { attempt, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
