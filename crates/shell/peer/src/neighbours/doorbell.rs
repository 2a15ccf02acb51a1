//! Doorbells: what is rung when a log grew, and what one that rang is worth.

use std::sync::Arc;

use mesh::Verdict;
use proto::{
    replication::{community_from, decode_doorbell, encode_doorbell},
    v1,
};
use record::LogName;
use replica::{Fault, HeldLog};
use store::StoreError;

use crate::peer::{Peer, PeerError};

/// The doorbell of a log's newest head; `None` if it has none.
pub(crate) fn doorbell(held: &HeldLog) -> Option<Vec<u8>> {
    let head = held.head.as_ref()?;
    let LogName { community, era } = held.log;
    Some(encode_doorbell(&v1::Doorbell {
        community: community.as_bytes().to_vec(),
        era,
        size: head.size(),
        checkpoint: head.bare().to_vec(),
    }))
}

/// What a doorbell says, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) verdict: Verdict,
    /// The log and size of which something lacks here; a hint, whose signature may not have been verified.
    pub(crate) lacking: Option<(LogName, u64)>,
}

const MALFORMED: Heard = Heard { verdict: Verdict::Malformed, lacking: None };
const UNKNOWN: Heard = Heard { verdict: Verdict::Unknown, lacking: None };

impl Peer {
    /// Judges a doorbell: sound if the log's key has signed what it says.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails or the log is damaged.
    pub(crate) async fn judge(&self, message: &[u8]) -> Result<Heard, PeerError> {
        let Ok(v1::Doorbell { community, era, size, checkpoint }) = decode_doorbell(message) else {
            return Ok(MALFORMED);
        };
        let Ok(community) = community_from(&community) else { return Ok(MALFORMED) };
        if !self.admitted().contains(&community) {
            return Ok(UNKNOWN);
        }
        let log = LogName { community, era };
        let identity = match self.identity_of(community).await {
            Ok(Some(identity)) => identity,
            // Nothing of it is here: who passed it on may have it.
            Ok(None) => return Ok(Heard { lacking: Some((log, size)), ..UNKNOWN }),
            Err(error) => return Err(error),
        };
        let note: Arc<[u8]> = checkpoint.into();
        match self.verified().head(self.network(), log, &identity, &note) {
            Ok(head) if head.size() == size && *head.bare() == note => {
                let lacks = self.holds(log).await? < size;
                let lacking = lacks.then_some((log, size));
                Ok(Heard { verdict: Verdict::Sound, lacking })
            }
            // Its keys may have changed since.
            Err(Fault::UnknownKey) => Ok(Heard { lacking: Some((log, size)), ..UNKNOWN }),
            Ok(_) | Err(_) => Ok(MALFORMED),
        }
    }

    /// How many records of a log are here.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn holds(&self, log: LogName) -> Result<u64, StoreError> {
        Ok(self.store().log(log).await?.map_or(0, |row| row.frontier.size()))
    }
}
