//! When a data folder was last copied. The note stands in the folder, and in the copy.

use std::{fs, io::ErrorKind, path::PathBuf};

use record::UnixMillis;
use runtime::files;
use serde::{Deserialize, Serialize};

use super::{DataFolder, FolderError};

/// What is noted of a backup. Where it went is not: that is nobody's business who reads the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BackupNote {
    /// When it was begun, by this machine's clock: nothing later is in it for certain.
    pub made_at: UnixMillis,
    /// How many records of the community's log are in it.
    pub records: u64,
}

/// The note as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    made_at: u64,
    records: u64,
}

impl BackupNote {
    /// The text of its file.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { made_at: UnixMillis(made_at), records } = self;
        format!(
            "# When this folder was last copied by `folkmoot-node backup`, in milliseconds since 1970.\n\
             made_at = {made_at}\nrecords = {records}\n"
        )
    }
}

impl DataFolder {
    /// The file of that note.
    #[must_use]
    pub fn backup_file(&self) -> PathBuf {
        self.path().join("backup.toml")
    }

    /// Notes a backup.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn note_backup(&self, note: &BackupNote) -> Result<(), FolderError> {
        Ok(files::write_private_file(&self.backup_file(), note.render().as_bytes())?)
    }

    /// The newest backup; `None` if there was none.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the note cannot be read.
    pub fn last_backup(&self) -> Result<Option<BackupNote>, FolderError> {
        let path = self.backup_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.damaged(path, error.to_string())),
        };
        let written = toml::from_str(&text);
        let Written { made_at, records } =
            written.map_err(|_error| self.damaged(path, "it is no note of a backup".to_owned()))?;
        Ok(Some(BackupNote { made_at: UnixMillis(made_at), records }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_noted_read_again_and_replaced_by_the_next() {
        let root = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(root.path());
        assert_eq!(folder.last_backup().unwrap(), None);
        for records in [7, 8] {
            let note = BackupNote { made_at: UnixMillis(1_800_000_000_000), records };
            folder.note_backup(&note).unwrap();
            assert_eq!(folder.last_backup().unwrap(), Some(note));
        }
        fs::write(folder.backup_file(), "made_at = \"yesterday\"").unwrap();
        assert!(matches!(folder.last_backup(), Err(FolderError::Damaged { .. })));
    }
}
