//! What goes wrong with the file, and how that stands beside a refusal.
//!
//! No text here quotes a value: an error may be logged, a ballot may not.

use std::{io, sync::Arc};

use crate::entropy::NoEntropy;

/// The ballot box cannot do its work. Ballots acknowledged before are kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BoxError {
    /// SQLite refused; the transaction was rolled back.
    #[error("the ballot box could not {attempt}; ballots acknowledged before are kept")]
    Storage {
        /// What was being attempted.
        attempt: &'static str,
        /// SQLite's reason.
        source: Arc<sqlx::Error>,
    },
    /// The file cannot be made, or its permissions cannot be set.
    #[error("the file of the ballot box cannot be made readable to this node only")]
    File {
        /// The operating system's reason.
        source: Arc<io::Error>,
    },
    /// The file was written by another version of this program.
    #[error(
        "the file of the ballot box was written by another version of this program; nothing in it was changed"
    )]
    Migration {
        /// Which migration, and why.
        source: Arc<sqlx::migrate::MigrateError>,
    },
    /// There are no random numbers, so no ballot could be kept secret.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The box was shut down.
    #[error("the ballot box has been shut down; nothing was stored")]
    ShutDown,
    /// More ballots in one call than a transaction takes; nothing was stored.
    #[error("{n_casts} ballots were handed in at once and the most is {max}; none was stored")]
    TooManyCasts {
        /// How many were handed in.
        n_casts: usize,
        /// [`crate::MAX_CASTS_PER_CALL`].
        max: usize,
    },
    /// The file contradicts itself: somebody or something changed it outside this program.
    #[error("the file of the ballot box has been changed from outside: {what}")]
    Damaged {
        /// Which rule does not hold.
        what: &'static str,
    },
}

/// Why a command did not do what was asked: it was refused, or the box cannot work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure<R: std::error::Error + 'static> {
    /// A rule forbids it. Nothing was changed.
    #[error(transparent)]
    Refused(R),
    /// The box cannot do its work.
    #[error(transparent)]
    Unavailable(#[from] BoxError),
}

/// Says what was being attempted when SQLite refused.
pub(crate) trait Attempt<T> {
    fn attempt(self, attempt: &'static str) -> Result<T, BoxError>;
}

impl BoxError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        // SQLITE_FULL is 13; extended codes keep it in their low byte.
        let Self::Storage { source, .. } = self else { return false };
        let code = source.as_database_error().and_then(|it| it.code()?.parse::<i32>().ok());
        code.is_some_and(|it| it & 0xff == 13)
    }
}

impl<T> Attempt<T> for Result<T, sqlx::Error> {
    fn attempt(self, attempt: &'static str) -> Result<T, BoxError> {
        self.map_err(|source| BoxError::Storage { attempt, source: Arc::new(source) })
    }
}

/// The 32 bytes of a column that holds a hash, a root or a salt.
pub(crate) fn bytes_32(column: &[u8]) -> Result<[u8; 32], BoxError> {
    column.try_into().ok().ok_or(BoxError::Damaged { what: "a hash is not 32 bytes long" })
}

/// A number that is never negative.
pub(crate) fn unsigned(column: i64) -> Result<u64, BoxError> {
    u64::try_from(column).ok().ok_or(BoxError::Damaged { what: "a number is negative" })
}
