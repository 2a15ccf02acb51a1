//! How a command ends when it did not do what was asked.

use peer::{HostError, folder::FolderError, services::REASON_KEY};
use runtime::exit::Exit;
use tonic::{Code, Status};

/// A sentence for a person, a stable reason for a script, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct CommandError {
    /// What happened, what is safe, what to do.
    pub sentence: String,
    /// Stable, `area.what`.
    pub reason: String,
    /// How the program ends.
    pub exit: Exit,
}

impl CommandError {
    /// The command line, or a file that it names, says what cannot be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "command.usage", sentence)
    }

    /// Refused or failed.
    pub fn failed(reason: &str, sentence: impl Into<String>) -> Self {
        Self::new(Exit::Failed, reason, sentence)
    }

    /// With its exit code.
    pub fn new(exit: Exit, reason: &str, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), reason: reason.to_owned(), exit }
    }

    /// With the sentence and causes of this error.
    pub fn caused_by(exit: Exit, reason: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(exit, reason, runtime::exit::render(error).trim_end())
    }
}

impl From<Status> for CommandError {
    fn from(status: Status) -> Self {
        let reason = status.metadata().get(REASON_KEY).and_then(|it| it.to_str().ok());
        let exit = match status.code() {
            Code::InvalidArgument => Exit::Usage,
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => Exit::Unavailable,
            Code::Ok
            | Code::Unknown
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Exit::Failed,
        };
        Self::new(exit, reason.unwrap_or("node.error"), status.message())
    }
}

impl From<FolderError> for CommandError {
    fn from(error: FolderError) -> Self {
        let (exit, reason) = match &error {
            FolderError::Occupied { .. } => (Exit::Failed, "folder.occupied"),
            FolderError::Empty { .. } => (Exit::Config, "folder.empty"),
            FolderError::File(runtime::files::FileError::InUse { .. }) => {
                (Exit::Failed, "folder.in_use")
            }
            FolderError::File(_) => (Exit::Config, "folder.file"),
            FolderError::Damaged { .. } | FolderError::OtherKeys { .. } => {
                (Exit::Config, "folder.damaged")
            }
            FolderError::Randomness(_) | FolderError::Key(_) | FolderError::Officers(_) => {
                (Exit::Failed, "folder.founding")
            }
        };
        Self::caused_by(exit, reason, &error)
    }
}

impl From<HostError> for CommandError {
    fn from(error: HostError) -> Self {
        let (exit, reason) = match &error {
            HostError::Folder(FolderError::File(runtime::files::FileError::InUse { .. })) => {
                (Exit::Failed, "folder.in_use")
            }
            HostError::NoCharter | HostError::Charter(_) => (Exit::Config, "config.charter"),
            HostError::Folder(_) => (Exit::Config, "folder.file"),
            HostError::Peer(_) => (Exit::Config, "config.peer"),
            HostError::Tls(_) => (Exit::Config, "config.certificate"),
            HostError::Listen { .. } => (Exit::Failed, "port.in_use"),
            HostError::Telemetry(_) => (Exit::Config, "config.telemetry"),
            HostError::System(_) | HostError::Task(_) | HostError::Reflection => {
                (Exit::Failed, "node.failed")
            }
        };
        Self::caused_by(exit, reason, &error)
    }
}
