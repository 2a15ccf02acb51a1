//! The clerk's API: what the people at a node ask of it, over a unix socket of the node's owner.
//!
//! Every record that is written here must count in the register, or nothing is written ([`store::Guard::MustCount`]).
//! Names and choices come in, and go nowhere but into `ballotbox` and back to the same socket: they are in no log line
//! and in no error.

mod acks;
mod cases;
mod covenant;
mod erasure;
mod import;
mod log;
mod member;
pub mod notice_file;
mod opportunity;
mod poll;
pub(crate) mod pool;
pub mod refusal;
mod region;
#[cfg(test)]
mod samples;
mod service;
pub mod socket;
mod status;
pub(crate) mod write;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ballotbox::BallotBox;
use peer::{DataFolder, Peer};
use proto::clerk::clerk_service_server::ClerkServiceServer;
use tonic::service::Routes;

use crate::polls::Duties;
use refusal::Refusal;

/// The largest message on the clerk's socket, both ways: 8 MiB holds 10,000 of the longest names, and a full bundle of
/// the largest headers.
pub const MAX_CLERK_MESSAGE_BYTES: usize = 8 * 1024 * 1024;

/// Answers the clerk. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clerk {
    peer: Peer,
    duties: Duties,
    folder: DataFolder,
    n_members: Arc<AtomicU64>,
}

impl Clerk {
    /// A clerk for this peer, its ballot box and the data folder of both.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if the ballot box cannot be read.
    pub async fn new(peer: Peer, duties: Duties, folder: DataFolder) -> Result<Self, Refusal> {
        let n_members = Arc::new(AtomicU64::new(member::count(duties.ballots()).await?));
        Ok(Self { peer, duties, folder, n_members })
    }

    fn ballots(&self) -> &BallotBox {
        self.duties.ballots()
    }

    fn note_members(&self, n_added: usize) {
        let n_added = u64::try_from(n_added).unwrap_or(u64::MAX);
        self.n_members.fetch_add(n_added, Ordering::Relaxed);
    }

    /// What the socket serves.
    pub fn routes(self) -> axum::Router {
        let service = ClerkServiceServer::new(self)
            .max_decoding_message_size(MAX_CLERK_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_CLERK_MESSAGE_BYTES);
        Routes::new(service).into_axum_router()
    }
}
