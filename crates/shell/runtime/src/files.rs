//! Files that nobody else on the machine may read, and the lock on a data folder.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Owner only: list and enter.
const PRIVATE_DIR_MODE: u32 = 0o700;
/// Owner only: read and write.
const PRIVATE_FILE_MODE: u32 = 0o600;
/// Whatever group and others may do.
const GROUP_AND_OTHERS: u32 = 0o077;
/// The lock's name in a data folder.
const LOCK_NAME: &str = "lock";
/// A process number has at most 10 digits; more in a lock file is not ours.
const MAX_PID_BYTES: u64 = 10;

/// Why a file or folder could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system refused.
    #[error("Could not {attempt} {}.", path.display())]
    Io {
        /// What was attempted, as in "create".
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others on this machine can read it.
    #[error(
        "Other users of this machine have access to {} (mode {mode:03o}). \
         It must be yours alone: chmod {right_mode:03o} {}",
        path.display(),
        path.display()
    )]
    TooOpen {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What they should be.
        right_mode: u32,
    },
    /// A running process holds the folder.
    #[error(
        "{} is in use by another process{}. Two processes on one data folder would damage it: \
         stop the other one first.",
        path.display(),
        pid.map(|pid| format!(" (number {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
}

/// Makes a folder, and those above it, for the owner alone. One that is there already is left as
/// it is, but must be private.
///
/// # Errors
///
/// [`FileError::Io`] if it cannot be made; [`FileError::TooOpen`] if it was there and others have
/// access.
pub fn create_private_dir(path: &Path) -> Result<(), FileError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(PRIVATE_DIR_MODE);
    builder.create(path).map_err(failed("create", path))?;
    check_private(path)
}

/// Writes a file for the owner alone, whole or not at all: after a crash at any moment there is
/// either the old content or the new.
///
/// # Errors
///
/// [`FileError::Io`]; the old content is then untouched.
pub fn write_private_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let beside = name_beside(path);
    let written = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if let Err(source) = written {
        // The first error is the one to tell; a file left over harms nobody.
        let _ = fs::remove_file(&beside);
        return Err(failed("write", path)(source));
    }
    // The new name is durable only once its folder is.
    File::open(folder_of(path)).and_then(|it| it.sync_all()).map_err(failed("write", path))
}

/// Demands that group and others have no access at all.
///
/// # Errors
///
/// [`FileError::TooOpen`] names the path and the command that closes it; [`FileError::Io`] if
/// there is nothing at the path.
pub fn check_private(path: &Path) -> Result<(), FileError> {
    let found = fs::metadata(path).map_err(failed("look at", path))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & GROUP_AND_OTHERS == 0 {
        return Ok(());
    }
    let right_mode = if found.is_dir() { PRIVATE_DIR_MODE } else { PRIVATE_FILE_MODE };
    Err(FileError::TooOpen { path: path.to_owned(), mode, right_mode })
}

/// Holds a data folder for this process. The system gives it back when the value is dropped and
/// when the process ends, however it ends.
#[derive(Debug)]
#[must_use = "the folder is held only as long as this value lives"]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the folder, which must exist.
    ///
    /// # Errors
    ///
    /// [`FileError::InUse`] if another process has it; [`FileError::Io`] if the lock file cannot
    /// be made.
    pub fn acquire(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(LOCK_NAME);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE_MODE);
        let mut file = options.open(&path).map_err(failed("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read_pid(&file);
                return Err(FileError::InUse { path: folder.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
        }
        // The number is for the message above only; the lock is what counts.
        write_pid(&mut file).map_err(failed("write", &path))?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_PID_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(std::process::id().to_string().as_bytes())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(PRIVATE_FILE_MODE).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name in the same folder (renaming works only within one file system) that no other write of
/// this or another process uses.
fn name_beside(path: &Path) -> PathBuf {
    static N_WRITES: AtomicU64 = AtomicU64::new(0);
    let n = N_WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.{n}.new", std::process::id()));
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

fn failed(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io { attempt, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_new_folder_and_those_above_it_are_private() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("node/keys");

        create_private_dir(&path).expect("made");

        assert_eq!(mode_of(&path), 0o700);
        assert_eq!(mode_of(&root.path().join("node")), 0o700);
        create_private_dir(&path).expect("a second time changes nothing");
    }

    #[test]
    fn a_folder_that_others_can_read_is_refused_with_the_command_that_closes_it() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("open");
        fs::create_dir(&path).expect("made");
        set_mode(&path, 0o750);

        let refusal = create_private_dir(&path).expect_err("the group has access");

        let sentence = refusal.to_string();
        assert!(sentence.contains("mode 750"), "{sentence}");
        assert!(sentence.ends_with(&format!("chmod 700 {}", path.display())), "{sentence}");
        set_mode(&path, 0o700);
        create_private_dir(&path).expect("closed");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_and_one_that_is_private_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("key");
        write_private_file(&path, b"secret").expect("written");

        check_private(&path).expect("private as written");
        set_mode(&path, 0o604);

        let refusal = check_private(&path).expect_err("others have access").to_string();
        assert!(refusal.ends_with(&format!("chmod 600 {}", path.display())), "{refusal}");
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("key");

        write_private_file(&path, b"first, and longer").expect("written");
        write_private_file(&path, b"second").expect("written");

        assert_eq!(fs::read(&path).expect("there"), b"second");
        assert_eq!(mode_of(&path), 0o600);
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_write_that_fails_leaves_nothing_behind_and_names_the_file() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("taken");
        fs::create_dir(&path).expect("made");
        fs::write(path.join("inside"), b"").expect("a folder with something in it");

        let error = write_private_file(&path, b"x").expect_err("a folder cannot be replaced");

        assert_eq!(error.to_string(), format!("Could not write {}.", path.display()));
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn a_data_folder_is_held_by_one_and_free_once_it_is_dropped() {
        let root = tempfile::tempdir().expect("a folder");
        let held = DirLock::acquire(root.path()).expect("free");

        let refusal = DirLock::acquire(root.path()).expect_err("held");

        let FileError::InUse { pid, .. } = &refusal else { panic!("{refusal:?}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(refusal.to_string().contains("stop the other one first"), "{refusal}");
        drop(held);
        let _held = DirLock::acquire(root.path()).expect("free again");
    }

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
    }
}
