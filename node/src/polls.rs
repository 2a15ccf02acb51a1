//! What the clock asks of this community: boxes opened and closed, counts, results and pool closings filed.
//!
//! ```text
//! a commit, or the clock ──▶ sweep: every live poll and pool ──▶ one step ──▶ records, and when to look again
//! ```
//!
//! Every step looks at the register first and writes only what is missing there, so that a crash, a repeat or a clerk
//! who asks at the same moment does no harm. A record that must be written again, because its receipt made it too early,
//! waits a little longer each time.

mod memory;
mod step;
mod sweep;

use std::sync::Arc;

use ballotbox::BallotBox;
use peer::Peer;
use record::{RecordId, UnixMillis};
use store::Appended;
use tokio::sync::Mutex;

use crate::clerk::{pool, refusal::Refusal};
use memory::Memory;

/// What one look at a case did.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// The records written, in order.
    pub written: Vec<Appended>,
    /// What is awaited, as a sentence; empty when this community's part is done.
    pub awaiting: String,
    /// When to look again, if the clock alone may bring something.
    pub next: Option<UnixMillis>,
}

/// Does what is due. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Duties {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    peer: Peer,
    ballots: BallotBox,
    /// One step at a time, whoever asks.
    turn: Mutex<Memory>,
}

impl Duties {
    /// The duties of this peer's community.
    #[must_use]
    pub fn new(peer: Peer, ballots: BallotBox) -> Self {
        Self { shared: Arc::new(Shared { peer, ballots, turn: Mutex::default() }) }
    }

    /// The ballot box.
    #[must_use]
    pub fn ballots(&self) -> &BallotBox {
        &self.shared.ballots
    }

    /// Does what is due in a poll now, at a person's request.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if there is no such poll here, or something stands in the way.
    pub async fn poll(&self, poll: RecordId) -> Result<Step, Refusal> {
        let mut memory = self.shared.turn.lock().await;
        step::poll(&self.shared.peer, &self.shared.ballots, &mut memory, poll).await
    }

    /// Closes a pool now, at a person's request; the rules say whether this community may.
    ///
    /// # Errors
    ///
    /// [`Refusal`] with the rule that forbids it.
    pub async fn close_pool(&self, id: RecordId) -> Result<Appended, Refusal> {
        let _turn = self.shared.turn.lock().await;
        pool::close(&self.shared.peer, id).await
    }
}
