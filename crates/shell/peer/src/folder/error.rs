//! Why a data folder cannot be used.

use std::path::PathBuf;

use record::identity::{KeyError, OfficersError};
use runtime::{exit::Exit, files::FileError};

/// Why a data folder cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file could not be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a community here already.
    #[error(
        "{} holds a community already. Nothing was changed. Choose an empty folder to found another.", .path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing was founded here.
    #[error("{} holds no community. Found one with `init`.", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{} is damaged: {what}. Restore it from a backup; nothing was changed.", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The keys are not those that the community's identity names.
    #[error(
        "The keys in {} are not those of the community in this folder: the folder is older than its newest keys, or the \
         community was recovered elsewhere. Nothing was changed.", .path.display()
    )]
    OtherKeys {
        /// The key file.
        path: PathBuf,
    },
    /// The log was begun before, and is not here.
    #[error(
        "{} is not here, but the log of this community was begun before. To begin it again would give it two histories. \
         Nothing was written. Fetch it back from the others: `folkmoot-node restore`.", .path.display()
    )]
    LogMissing {
        /// The log file.
        path: PathBuf,
    },
    /// There is a key file that would be overwritten.
    #[error("{} is there already, and a key is never overwritten. Nothing was changed.", .path.display())]
    KeyThere {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("The system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// A key was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The officers were refused.
    #[error(transparent)]
    Officers(#[from] OfficersError),
}

impl FolderError {
    /// How a program ends by it, and the stable reason for a script.
    #[must_use]
    pub fn ending(&self) -> (Exit, &'static str) {
        match self {
            Self::Occupied { .. } => (Exit::Failed, "folder.occupied"),
            Self::KeyThere { .. } => (Exit::Failed, "folder.key_there"),
            Self::Empty { .. } => (Exit::Config, "folder.empty"),
            Self::LogMissing { .. } => (Exit::Config, "folder.log_missing"),
            Self::File(FileError::InUse { .. }) => (Exit::Failed, "folder.in_use"),
            Self::File(_) => (Exit::Config, "folder.file"),
            Self::Damaged { .. } | Self::OtherKeys { .. } => (Exit::Config, "folder.damaged"),
            Self::Randomness(_) | Self::Key(_) | Self::Officers(_) => {
                (Exit::Failed, "folder.founding")
            }
        }
    }
}
