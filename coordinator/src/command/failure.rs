//! How a command ends when it did not do what was asked.

use peer::{HostError, folder::FolderError};
use runtime::{
    config::ConfigError,
    exit::{Exit, render},
    files::FileError,
    telemetry::TelemetryError,
};

/// A sentence for a person, a stable reason for a script, and the exit code.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct CommandError {
    /// What happened, what is safe, what to do.
    pub sentence: String,
    /// Stable, `area.what`.
    pub reason: &'static str,
    /// How the program ends.
    pub exit: Exit,
}

impl CommandError {
    /// The command line says what cannot be.
    pub fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "command.usage", sentence)
    }

    /// With its exit code.
    pub fn new(exit: Exit, reason: &'static str, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), reason, exit }
    }

    /// With the sentence and causes of this error.
    pub fn caused_by(
        exit: Exit,
        reason: &'static str,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        Self::new(exit, reason, render(error).trim_end())
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::caused_by(Exit::Config, "config.wrong", &error)
    }
}

impl From<FolderError> for CommandError {
    fn from(error: FolderError) -> Self {
        let (exit, reason) = match &error {
            FolderError::Occupied { .. } => (Exit::Failed, "folder.occupied"),
            FolderError::Empty { .. } => (Exit::Config, "folder.empty"),
            FolderError::File(FileError::InUse { .. }) => (Exit::Failed, "folder.in_use"),
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

impl From<TelemetryError> for CommandError {
    fn from(error: TelemetryError) -> Self {
        Self::caused_by(Exit::Config, "config.telemetry", &error)
    }
}

impl From<HostError> for CommandError {
    fn from(error: HostError) -> Self {
        let (exit, reason) = match error {
            HostError::Folder(error) => return error.into(),
            HostError::Telemetry(error) => return error.into(),
            HostError::NoCharter | HostError::Charter(_) => (Exit::Config, "config.charter"),
            HostError::Peer(_) => (Exit::Config, "config.peer"),
            HostError::Tls(_) => (Exit::Config, "config.certificate"),
            HostError::Listen { .. } => (Exit::Failed, "port.in_use"),
            HostError::System(_) | HostError::Task(_) | HostError::Reflection => {
                (Exit::Failed, "coordinator.failed")
            }
        };
        Self::caused_by(exit, reason, &error)
    }
}
