//! How a command ends when it did not do what was asked.

use peer::{HostError, Role};

/// Why a command did not do what was asked; the reason may be one that the node answered.
pub type CommandError = peer::command::CommandError<String>;

/// Why the node did not start, or ended badly.
pub(super) fn not_run(error: impl Into<HostError>) -> CommandError {
    CommandError::of_host(error, Role::Node)
}
