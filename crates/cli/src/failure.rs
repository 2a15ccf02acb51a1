//! Why a command did not do what was asked: what happened, what is safe, what to do.

use std::io;

use runtime::exit::Exit;

use crate::console::Console;

/// A sentence for a person, a reason for a program, an exit code for a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Failure {
    exit: Exit,
    reason: &'static str,
    detail: String,
}

/// The reason of a failure that is none: nobody reads the answers any more.
const READER_GONE: &str = "output.reader_gone";

impl Failure {
    /// A failure with its exit code, stable reason (`area.what`) and sentence.
    #[must_use]
    pub fn new(exit: Exit, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { exit, reason, detail: detail.into() }
    }

    /// Something was verified and does not hold.
    #[must_use]
    pub fn does_not_hold(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Exit::Verification, reason, detail)
    }

    /// The answer could not be written. A reader that went away, as `head` does, has what it wanted.
    #[must_use]
    pub fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Ok, READER_GONE, "");
        }
        let detail = format!("The answer could not be written: {error}.");
        Self::new(Exit::Failed, "output.failed", detail)
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether the only thing that failed is that nobody reads on.
    #[must_use]
    pub fn is_reader_gone(&self) -> bool {
        self.reason == READER_GONE
    }

    /// Tells a person, and gives the exit code.
    pub(crate) fn tell(&self, console: &Console) -> Exit {
        if !self.is_reader_gone() {
            console.remark(&self.detail);
        }
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        let gone = Failure::output(&io::ErrorKind::BrokenPipe.into());
        let full = Failure::output(&io::ErrorKind::StorageFull.into());
        let (console, captured) = Console::captured();
        assert_eq!(gone.tell(&console), Exit::Ok);
        assert_eq!(captured.remarks(), "");
        assert_eq!(full.tell(&console), Exit::Failed);
        assert!(captured.remarks().contains("could not be written"));
    }
}
