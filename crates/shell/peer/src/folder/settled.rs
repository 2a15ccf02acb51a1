//! That peers have shown how much of the log they hold, since the log file was put where it is.
//!
//! Whoever signs while no process runs asks this note: a folder that came from a backup may be older than what its
//! community has published, and a head signed on it would be a second history. A process takes the note away before it
//! opens the log, and writes it once its log is settled. A copy of the folder has another log file than the note names,
//! and `backup` leaves the note out.
//!
//! Not here: a whole disk that is set back to an earlier state. Nothing in a folder could tell.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf, time::UNIX_EPOCH};

use runtime::files;
use serde::{Deserialize, Serialize};

use super::{DataFolder, FolderError};

/// The note as it stands in its file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The era that was written.
    era: u32,
    /// How many records it had.
    size: u64,
    /// Which log file.
    log_file: String,
}

impl DataFolder {
    /// The file of that note.
    #[must_use]
    pub fn settled_file(&self) -> PathBuf {
        self.path().join(SETTLED_NAME)
    }

    /// Notes that nobody holds more than these records of this era.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`]; [`FolderError::Damaged`] if there is no log file.
    pub fn note_settled(&self, era: u32, size: u64) -> Result<(), FolderError> {
        let path = self.log_file();
        let log_file = self.log_file_id().map_err(|it| self.damaged(path, it.to_string()))?;
        let text = format!(
            "# What peers have shown of this log. It is not copied: a backup must meet them first.\n\
             era = {era}\nsize = {size}\nlog_file = \"{log_file}\"\n"
        );
        Ok(files::write_private_file(&self.settled_file(), text.as_bytes())?)
    }

    /// Takes the note away.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the system refuses.
    pub fn note_unsettled(&self) -> Result<(), FolderError> {
        self.remove(self.settled_file())
    }

    /// The era and how many records of it nobody held more than, as noted of the log file that is here; `None` if nothing
    /// is noted of it.
    #[must_use]
    pub fn settled(&self) -> Option<(u32, u64)> {
        let text = fs::read_to_string(self.settled_file()).ok()?;
        let Written { era, size, log_file } = toml::from_str(&text).ok()?;
        (log_file == self.log_file_id().ok()?).then_some((era, size))
    }

    /// What tells a file from a copy of it: its place on the disk, which can be given to another file, and the instant
    /// at which it was made, where the file system keeps it.
    fn log_file_id(&self) -> io::Result<String> {
        let found = fs::metadata(self.log_file())?;
        let made = found.created().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        Ok(format!("{} {}", found.ino(), made.unwrap_or_default().as_nanos()))
    }
}

/// The note's name in a data folder.
pub const SETTLED_NAME: &str = "settled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_holds_for_the_log_file_that_it_names_and_for_no_copy_of_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(root.path());
        assert!(folder.note_settled(0, 1).is_err(), "there is no log");
        fs::write(folder.log_file(), b"a log").unwrap();
        assert_eq!(folder.settled(), None);
        folder.note_settled(1, 7).unwrap();
        assert_eq!(folder.settled(), Some((1, 7)));
        fs::write(folder.log_file(), b"a longer log").unwrap();
        assert_eq!(folder.settled(), Some((1, 7)), "the same file, written on");

        let copy = root.path().join("copy");
        fs::copy(folder.log_file(), &copy).unwrap();
        fs::rename(&copy, folder.log_file()).unwrap();
        assert_eq!(folder.settled(), None);
        folder.note_settled(1, 8).unwrap();
        folder.note_unsettled().unwrap();
        assert_eq!(folder.settled(), None);
        folder.note_unsettled().unwrap();
    }

    #[test]
    fn what_cannot_be_read_notes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(root.path());
        fs::write(folder.log_file(), b"a log").unwrap();
        folder.note_settled(1, 7).unwrap();
        let text = fs::read_to_string(folder.settled_file()).unwrap();
        fs::write(folder.settled_file(), text.replace("size = 7", "size = -7")).unwrap();
        assert_eq!(folder.settled(), None);
    }
}
