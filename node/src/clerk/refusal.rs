//! Why the clerk was not served: one table from what went wrong to a gRPC status with a stable reason and a sentence.

use ballotbox::{
    BoxError, CastRefusal, CloseRefusal, CountRefusal, Failure, FreezeRefusal, OpenRefusal,
    PeopleRefusal,
};
use peer::{PeerError, folder::FolderError, services::refusal_status};
use proto::payload::PayloadError;
use store::StoreError;
use tonic::{Code, Status};

/// Why something asked at the clerk's socket was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    code: Code,
    reason: String,
    detail: String,
}

impl Refusal {
    /// The request itself is wrong.
    pub fn invalid(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: Code::InvalidArgument, reason: reason.into(), detail: detail.into() }
    }

    /// A rule forbids it now.
    pub fn refused(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: Code::FailedPrecondition, reason: reason.into(), detail: detail.into() }
    }

    /// There is no such thing here.
    pub fn not_found(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: Code::NotFound, reason: reason.into(), detail: detail.into() }
    }

    /// This node cannot do it at present.
    pub fn unavailable(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, reason: reason.into(), detail: detail.into() }
    }

    /// There is no room on the disk.
    fn disk_full() -> Self {
        let detail = "The disk of this node is full. Nothing was written, and what was there is safe. Make room, and \
                      ask again; the node need not be started anew.";
        Self::unavailable("disk.full", detail)
    }

    /// The stable reason, `area.what`.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The sentence for a person.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, reason, detail } = refusal;
        refusal_status(code, &reason, detail)
    }
}

const TRY_LATER: &str =
    "The node could not do this now, and nothing was changed. Look at its log, and try again.";

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { reason, detail } => Self::refused(reason, detail),
            StoreError::Invalid { reason, detail } => Self::invalid(reason, detail),
            StoreError::NotFound { what } => {
                Self::not_found("store.not_found", format!("There is no {what} here."))
            }
            StoreError::Closing => Self::unavailable(
                "node.stopping",
                "The node is stopping. Nothing was changed; ask again once it runs.",
            ),
            // The writer has logged it.
            error @ StoreError::Storage { .. } if error.is_disk_full() => Self::disk_full(),
            error @ (StoreError::Storage { .. }
            | StoreError::Damaged { .. }
            | StoreError::Gap { .. }
            | StoreError::SigningGuard { .. }) => {
                tracing::error!(%error, "a request of the clerk could not be answered");
                Self::unavailable("store.unavailable", TRY_LATER)
            }
        }
    }
}

impl From<PayloadError> for Refusal {
    fn from(error: PayloadError) -> Self {
        let detail = format!("Nothing was written, because something in it is wrong: {error}.");
        Self::invalid(error.reason(), detail)
    }
}

impl From<PeerError> for Refusal {
    fn from(error: PeerError) -> Self {
        tracing::error!(%error, "a request of the clerk could not be answered");
        Self::unavailable("peer.unavailable", TRY_LATER)
    }
}

impl From<FolderError> for Refusal {
    fn from(error: FolderError) -> Self {
        tracing::error!(%error, "a request of the clerk could not be answered");
        Self::unavailable("folder.unavailable", TRY_LATER)
    }
}

impl From<BoxError> for Refusal {
    fn from(error: BoxError) -> Self {
        // These errors and their causes quote no value (see `ballotbox`).
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(%error, %cause, "the ballot box could not do what was asked");
        if error.is_disk_full() {
            return Self::disk_full();
        }
        Self::unavailable("ballotbox.unavailable", format!("Nothing was done: {error}."))
    }
}

impl<R: std::error::Error + Reason + 'static> From<Failure<R>> for Refusal {
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::refused(refusal.reason(), refusal.to_string()),
            Failure::Unavailable(error) => error.into(),
        }
    }
}

/// A refusal of the ballot box with its stable reason.
pub(crate) trait Reason {
    /// The reason, `area.what`.
    fn reason(&self) -> &'static str;
}

impl Reason for CastRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPoll => "ballot.unknown_poll",
            Self::NotOpenYet { .. } => "ballot.not_open_yet",
            Self::Closed { .. } => "ballot.closed",
            Self::NotOnRoll => "ballot.not_on_roll",
            Self::AlreadyVoted => "ballot.already_voted",
            Self::InvalidChoice(_) => "ballot.invalid_choice",
        }
    }
}

impl Reason for OpenRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::RollNotOurs => "ballotbox.roll_not_ours",
            Self::TermsInvalid => "ballotbox.terms_invalid",
            Self::TermsDiffer => "ballotbox.terms_differ",
        }
    }
}

impl Reason for CloseRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPoll => "ballotbox.unknown_poll",
            Self::StillOpen { .. } => "ballotbox.still_open",
        }
    }
}

impl Reason for CountRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPoll => "ballotbox.unknown_poll",
            Self::NotClosed => "ballotbox.not_closed",
        }
    }
}

impl Reason for FreezeRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::NobodyOnRoll => "roll.nobody",
        }
    }
}

impl Reason for PeopleRefusal {
    fn reason(&self) -> &'static str {
        match self {
            Self::NameMissing { .. } => "member.name_missing",
            Self::TooLong { .. } => "member.name_too_long",
            Self::ControlCharacter { .. } => "member.control_character",
            Self::ReferenceTaken { .. } => "member.reference_taken",
            Self::TooManyPeople { .. } => "member.too_many",
        }
    }
}

#[cfg(test)]
mod tests {
    use peer::services::REASON_KEY;

    use super::*;

    #[test]
    fn a_refusal_travels_as_a_sentence_and_a_reason() {
        let status = Status::from(Refusal::from(Failure::Refused(CastRefusal::AlreadyVoted)));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().starts_with("You have already voted"));
        assert_eq!(status.metadata().get(REASON_KEY).unwrap(), "ballot.already_voted");
    }

    #[test]
    fn a_fault_of_the_disk_tells_the_caller_nothing_of_the_file() {
        let refusal = Refusal::from(StoreError::Damaged { what: "a row of logs" });
        assert_eq!(refusal.reason(), "store.unavailable");
        assert!(!refusal.detail().contains("row"));
    }
}
