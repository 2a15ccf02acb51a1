//! Cosignatures that come back for what we hold, and whose are kept; the policy of the region's seats.

use std::sync::Arc;

use record::{
    CommunityId,
    policy::{CosignerGroup, render_policy},
};
use replica::Ack;
use store::StoreError;
use tlog::{NoteSignature, Policy, VerifierKey, verify_cosignature};

use crate::{
    hello::Remote,
    peer::{Peer, PeerError},
};

/// Lines on a note beyond which those of neighbours without a seat are left out: half of the sixteen that are kept, so
/// that seats find room.
const MAX_NEIGHBOURS: usize = 8;

/// Keeps the cosignatures of an ack that are the remote's own, a mirror's or a witness's, on the checkpoint of that size.
/// On the logs of others only those of a seat are kept: the rest would fill the note, and are for their author to show.
pub(crate) async fn keep_cosignatures(
    peer: &Peer,
    remote: &Remote,
    Ack { log, size, cosignatures }: Ack,
) -> Result<(), StoreError> {
    let community = remote.community;
    let is_own = log == peer.own_log();
    if cosignatures.is_empty() || !(is_own || peer.has_seat(community)) {
        return Ok(());
    }
    let note = peer.store().note_at(log, size).await?;
    let note = note.and_then(|it| tlog::Note::parse(&it).ok());
    let is_full = note.as_ref().is_some_and(|it| MAX_NEIGHBOURS <= it.signatures().len());
    if is_full && !peer.has_seat(community) {
        return Ok(());
    }
    let text = match note {
        Some(note) => Some(note.text().to_owned()),
        // A busy log has signed another since.
        None if is_own => peer.store().checkpoint_text(log, size).await?,
        None => None,
    };
    let Some(text) = text else { return Ok(()) };
    let verifies = |line: &String| verifies(&text, line, remote.cosigning_keys());
    let (good, bad): (Vec<_>, Vec<_>) = cosignatures.into_iter().partition(verifies);
    if !bad.is_empty() {
        tracing::warn!(%community, n_lines = bad.len(), "an ack came with cosignatures that do not verify; they were left out");
    }
    if good.is_empty() {
        return Ok(());
    }
    peer.store().add_cosignatures(log, size, good).await?;
    if is_own {
        peer.links().update(community, |link| link.cosigned_size = link.cosigned_size.max(size));
    }
    Ok(())
}

fn verifies(text: &str, line: &str, keys: [&VerifierKey; 2]) -> bool {
    NoteSignature::parse_line(line)
        .is_ok_and(|line| keys.iter().any(|key| verify_cosignature(text, &line, key).is_ok()))
}

impl Peer {
    fn has_seat(&self, community: CommunityId) -> bool {
        self.region().quorum().contains(&community)
    }

    /// The policy by which more than half of the region's seats must have cosigned; `None` while the identities of too
    /// few are known here.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails or a log is damaged.
    pub async fn quorum(&self) -> Result<Option<Arc<Policy>>, PeerError> {
        let (mut known, seats) = (Vec::new(), self.region().quorum());
        let needed = seats.len() / 2 + 1;
        for seat in seats {
            known.extend(self.identity_of(seat).await?);
        }
        let members: Vec<_> = known.iter().map(|it| it.identity()).collect();
        let group = CosignerGroup { name: "seats", needed, members: &members };
        let text = render_policy(&[], &[group]);
        // A group that needs more than its members is refused.
        Ok(Policy::parse(&text).ok().filter(|_| needed <= members.len()).map(Arc::new))
    }
}
