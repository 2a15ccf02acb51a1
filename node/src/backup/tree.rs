//! The files of a data folder, and how they are copied: each for its owner alone, durable before it is relied on.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use peer::folder::{FolderError, SETTLED_NAME};
use runtime::files::create_private_dir;

use super::{BackupError, failed};

/// The file of logs and register, by its name in a data folder.
pub(super) const LOG_NAME: &str = "log.sqlite";
/// The file of people and ballots.
pub(super) const BALLOTS_NAME: &str = "ballots.sqlite";
/// What a running process has beside a SQLite file; a copy needs none of it.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// What belongs to a running process, or to this place of the folder alone.
const OF_PROCESS: [&str; 3] = ["lock", "clerk.sock", SETTLED_NAME];
/// The folder of a backup for files from outside of the data folder.
const OUTSIDE: &str = "outside";
/// The most files and folders in a data folder.
pub(super) const MAX_ENTRIES: usize = record::limits::MAX_BACKUP_FILES;
/// Owner only: read and write.
const OWNER_ONLY: u32 = 0o600;

/// A file or folder in the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is, below the data folder.
    pub(super) path: PathBuf,
    /// About how many bytes it takes in a backup.
    pub(super) n_bytes: u64,
    is_folder: bool,
}

impl Entry {
    /// Whether SQLite copies it.
    pub(super) fn is_database(&self) -> bool {
        [LOG_NAME, BALLOTS_NAME].iter().any(|it| self.path == Path::new(it))
    }
}

/// Everything in a folder that is copied, a folder before what is in it; and what is no file.
pub(super) fn entries(root: &Path) -> Result<(Vec<Entry>, Vec<PathBuf>), BackupError> {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let at = root.join(&folder);
        for entry in fs::read_dir(&at).map_err(failed("look into", &at))? {
            let entry = entry.map_err(failed("look into", &at))?;
            let path = folder.join(entry.file_name());
            if folder.as_os_str().is_empty() && is_of_process(&path) {
                continue;
            }
            let at = root.join(&path);
            let is_link = entry.file_type().map_err(failed("look at", &at))?.is_symlink();
            // A link to a file gives that file; one to a folder could lead anywhere.
            match fs::metadata(&at) {
                Ok(it) if it.is_file() => {
                    found.push(Entry {
                        n_bytes: n_bytes(root, &path, it.len()),
                        path,
                        is_folder: false,
                    });
                }
                Ok(it) if it.is_dir() && !is_link => {
                    open.push(path.clone());
                    found.push(Entry { path, n_bytes: 0, is_folder: true });
                }
                Ok(_) => left_out.push(path),
                Err(_) if is_link => left_out.push(path),
                // It went while we looked, as a file does that is written anew.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("look at", &at)(error)),
            }
            if MAX_ENTRIES < found.len() {
                return Err(BackupError::TooMany { path: root.to_owned() });
            }
        }
    }
    Ok((found, left_out))
}

/// Whether it is nothing to keep: of a running process, or left over from a write that was cut off.
fn is_of_process(path: &Path) -> bool {
    let Some(name) = path.to_str() else { return false };
    let is_companion = [LOG_NAME, BALLOTS_NAME]
        .iter()
        .any(|database| name.strip_prefix(database).is_some_and(|rest| COMPANIONS.contains(&rest)));
    is_companion || OF_PROCESS.contains(&name) || (name.starts_with('.') && name.ends_with(".new"))
}

/// What is still in the write-ahead log is in the copy as well.
fn n_bytes(root: &Path, path: &Path, len: u64) -> u64 {
    let mut wal = root.join(path).into_os_string();
    wal.push("-wal");
    let is_database = [LOG_NAME, BALLOTS_NAME].iter().any(|it| path == Path::new(it));
    let wal = if is_database { fs::metadata(wal).map_or(0, |it| it.len()) } else { 0 };
    len.saturating_add(wal)
}

/// Copies a file or makes a folder.
pub(super) fn copy_entry(from: &Path, to: &Path, entry: &Entry) -> Result<(), BackupError> {
    let at = to.join(&entry.path);
    if entry.is_folder {
        return Ok(create_private_dir(&at).map_err(FolderError::from)?);
    }
    copy_file(&from.join(&entry.path), &at)
}

/// Copies a file to where nothing is, for its owner alone, durably.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), BackupError> {
    let copy = || {
        let mut source = File::open(from)?;
        let mut options = OpenOptions::new();
        let mut copy = options.write(true).create_new(true).mode(OWNER_ONLY).open(to)?;
        io::copy(&mut source, &mut copy)?;
        copy.sync_all()
    };
    copy().map_err(failed("copy", from))
}

/// Copies files that stand outside of the data folder into a folder of their own.
pub(super) fn copy_outside(
    root: &Path,
    to: &Path,
    files: &[(&'static str, PathBuf)],
) -> Result<(), BackupError> {
    let whole = |path: &Path| path.canonicalize().map_err(failed("look at", path));
    let (root, outside) = (whole(root)?, to.join(OUTSIDE));
    for (name, path) in files {
        if !whole(path)?.starts_with(&root) {
            create_private_dir(&outside).map_err(FolderError::from)?;
            copy_file(path, &outside.join(name))?;
        }
    }
    Ok(())
}

/// Makes the names in a folder and below it durable; tells how many files there are, and how many bytes in them.
pub(super) fn sync_folders(root: &Path) -> Result<(u64, u64), BackupError> {
    let (mut n_files, mut n_bytes) = (0_u64, 0_u64);
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        let look = || -> io::Result<Vec<(PathBuf, fs::Metadata)>> {
            fs::read_dir(&folder)?
                .map(|it| it.and_then(|it| Ok((it.path(), it.metadata()?))))
                .collect()
        };
        for (path, found) in look().map_err(failed("look into", &folder))? {
            if found.is_dir() {
                open.push(path);
            } else {
                n_files = n_files.saturating_add(1);
                n_bytes = n_bytes.saturating_add(found.len());
            }
        }
        File::open(&folder).and_then(|it| it.sync_all()).map_err(failed("write", &folder))?;
    }
    Ok((n_files, n_bytes))
}

/// Where a backup is made until it is whole: in the same folder, as renaming works within one file system only.
pub(super) fn name_beside(out: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(out.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    out.with_file_name(name)
}
