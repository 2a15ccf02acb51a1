//! What can go wrong, by what the caller can do about it.

use std::sync::Arc;

/// Why the store did not do what was asked. Cheap to clone: every caller of a group is told the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk or the file failed; nothing of the transaction was kept.
    #[error("{attempt}: {source}")]
    Storage {
        /// What was being attempted.
        attempt: &'static str,
        /// The cause.
        #[source]
        source: Arc<sqlx::Error>,
    },
    /// The file holds something that this program did not write.
    #[error("the log file is damaged: {what}")]
    Damaged {
        /// Where.
        what: &'static str,
    },
    /// The rules refuse the record, so it was not written.
    #[error("{detail}")]
    Refused {
        /// The stable reason.
        reason: String,
        /// A sentence for a person.
        detail: String,
    },
    /// Records do not continue the log that is held.
    #[error("records from {start} do not continue a log of {size}")]
    Gap {
        /// The first index that came.
        start: u64,
        /// The size held.
        size: u64,
    },
    /// The log would contradict a head that was already signed.
    #[error(
        "record {index} would contradict a head that this node has signed; nothing was written"
    )]
    SigningGuard {
        /// The index at which it would.
        index: u64,
    },
    /// A draft exceeds a limit.
    #[error("{detail}")]
    Invalid {
        /// The stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
    /// There is no such thing here.
    #[error("there is no {what} here")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The writer has stopped, because the process is stopping.
    #[error("the store is closing")]
    Closing,
}

impl StoreError {
    /// Wraps a database error with what was being attempted.
    pub(crate) fn storage(attempt: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Storage { attempt, source: Arc::new(source) }
    }

    /// A tree that contradicts the one held.
    pub(crate) fn other_tree(size: u64) -> Self {
        Self::Refused {
            reason: "log.other_tree".to_owned(),
            detail: format!(
                "The records up to {size} are not those that are held here. Nothing was written."
            ),
        }
    }

    /// Whether the transaction itself is lost, and not only one job of it.
    pub(crate) const fn is_fault(&self) -> bool {
        matches!(self, Self::Storage { .. } | Self::Damaged { .. })
    }

    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let Self::Storage { source, .. } = self else { return false };
        // SQLITE_FULL is 13.
        source.as_database_error().and_then(|it| it.code()).as_deref() == Some("13")
    }
}
