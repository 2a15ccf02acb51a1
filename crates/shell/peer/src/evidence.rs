//! Evidence of forks: filed in our own log unless anybody's is held already, and told to the author.

use std::sync::PoisonError;

use record::{Kind, LogName, commitment::Salt, kind::Known, payload::ForkEvidence};
use replica::Refusal;
use store::{Draft, Fork, Guard};

use crate::peer::{Peer, PeerError};

/// The reason under which an author is told that its log forked.
pub(crate) const FORKED: &str = "log.forked";

/// Records of evidence against one log that we file while none of them counts: the log is not held, or not the identity
/// that proves them. Each stream may find such a fork anew.
const MAX_WAITING: u64 = 4;

impl Peer {
    /// Keeps evidence of a fork in our own log, unless evidence of the same log that holds is in any log held here. It
    /// spreads as a record does: whoever holds our log holds it.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if it cannot be written.
    pub async fn file_evidence(&self, evidence: ForkEvidence) -> Result<(), PeerError> {
        let log = LogName { community: evidence.community, era: evidence.era };
        // Two streams may find one fork at one time.
        if !self.shared.accused.lock().unwrap_or_else(PoisonError::into_inner).insert(log) {
            return Ok(());
        }
        let filed = self.file_unless_held(log, evidence).await;
        self.shared.accused.lock().unwrap_or_else(PoisonError::into_inner).remove(&log);
        filed
    }

    async fn file_unless_held(
        &self,
        log: LogName,
        evidence: ForkEvidence,
    ) -> Result<(), PeerError> {
        let store = self.store();
        if store.fork(log).await?.is_some()
            || MAX_WAITING <= store.n_waiting_evidence(self.own_log(), log).await?
        {
            return Ok(());
        }
        tracing::warn!(%log, "a log has signed two heads that cannot both be true; the evidence is kept in our own log");
        let draft = Draft {
            kind: Kind::from(Known::Evidence),
            payload: proto::payload::encode(&record::Payload::Evidence(evidence)),
            salt: Salt(*self.machine().randomness.seed()?),
            references: Vec::new(),
        };
        self.store().append(vec![draft], Guard::None).await?;
        Ok(())
    }
}

/// What the author of a forked log is told, once on each stream. It names the log in words only: nothing is stopped.
pub(crate) fn told_to_author(fork: &Fork) -> Refusal {
    let Fork { log, frozen_size, evidence_log, evidence_index, is_elsewhere: _ } = fork;
    let detail = format!(
        "The log {log} has two histories that contradict each other. Its first {frozen_size} records count for ever; \
         those after them are kept and shown and do not count. The evidence is record {evidence_index} of \
         {evidence_log}. The community's officers end this by a recovery."
    );
    Refusal { log: None, reason: FORKED.into(), detail, evidence: None }
}
