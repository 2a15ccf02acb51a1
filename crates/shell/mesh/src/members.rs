//! The keys that belong to the region, shared by whatever must know them.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};

use libp2p::PeerId;

/// The libp2p names of members. Clones share one set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members(Arc<RwLock<BTreeSet<PeerId>>>);

impl Members {
    /// Whether this name is a member's.
    pub(crate) fn contain(&self, peer: &PeerId) -> bool {
        // A panic while the set is held cannot leave it half-changed.
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// Adds a name; tells whether it is new.
    pub(crate) fn admit(&self, peer: PeerId) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(peer)
    }

    /// Takes a name away; tells whether it was there.
    pub(crate) fn expel(&self, peer: &PeerId) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(peer)
    }
}
