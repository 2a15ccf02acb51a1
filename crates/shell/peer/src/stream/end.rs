//! How a replication stream ends, and what a caller is told of it.

use store::StoreError;
use tonic::Status;

use crate::{frames::FrameError, peer::PeerError};

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamEnd {
    /// The other side ended it.
    #[error("the other side ended the stream")]
    Finished,
    /// The connection failed.
    #[error("the connection failed: {}", .0.message())]
    Connection(Status),
    /// The other side sent what cannot be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The rules of the exchange ended it.
    #[error("{detail}")]
    Closed {
        /// The stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
    /// The other side sends and never reads.
    #[error("the other side does not read what it asked for")]
    NotReading,
    /// The other side's community has replaced the key of this connection: whoever holds it speaks for nobody.
    #[error("the community has replaced the key of this connection")]
    KeyReplaced,
    /// The region has another epoch: who is admitted or seated has changed.
    #[error("the region has changed; the stream begins anew")]
    RegionChanged,
    /// How logs are treated changed faster than this stream could be told, or what is withheld changed.
    #[error("how logs are treated here has changed; the stream begins anew")]
    Missed,
    /// Another branch of a forked log is fetched from the other side, or is held here from now on.
    #[error("another branch of a log is held or asked for here; the stream begins anew")]
    OtherBranch,
    /// This process is stopping.
    #[error("this side is stopping")]
    Stopping,
    /// Something here failed.
    #[error(transparent)]
    Here(#[from] PeerError),
}

impl From<StoreError> for StreamEnd {
    fn from(error: StoreError) -> Self {
        Self::Here(error.into())
    }
}

impl StreamEnd {
    /// How a server ends the call.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Finished => Status::ok(""),
            Self::Connection(status) => status.clone(),
            Self::Frame(error) => Status::invalid_argument(error.to_string()),
            Self::Closed { reason, detail } => {
                Status::failed_precondition(format!("{reason}: {detail}"))
            }
            Self::KeyReplaced => Status::permission_denied(format!("hello.other_key: {self}")),
            Self::NotReading => Status::resource_exhausted(self.to_string()),
            Self::Stopping | Self::RegionChanged | Self::Missed | Self::OtherBranch => {
                Status::unavailable(self.to_string())
            }
            // What failed here is ours to know.
            Self::Here(_) => Status::unavailable("this side cannot go on; try again later"),
        }
    }
}
