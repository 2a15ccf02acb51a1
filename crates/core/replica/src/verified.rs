//! What was verified lately, for every stream of a process: each neighbour shows the same heads of the same logs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use record::{CommunityId, Network};
use tlog::VerifierKey;

use crate::{
    fault::Fault,
    frame::LogName,
    head::{LogIdentity, SignedHead, UnverifiedHead},
};

/// Heads of one generation: two generations of 256 heads at about 500 bytes take 256 KiB.
const MAX_HEADS: usize = 256;
/// Identities of one generation: two generations of 128 at up to twice 8 KiB take 4 MiB at most, mostly 512 KiB.
const MAX_IDENTITIES: usize = 128;
/// The longest bundle that is remembered, in bytes.
const MAX_REMEMBERED_BUNDLE_BYTES: usize = 8 * 1024;

/// Signatures that have been verified. What is answered does not depend on what is remembered.
#[derive(Debug, Default)]
pub struct Verified {
    heads: Mutex<Lately<Arc<[u8]>, VerifierKey>>,
    identities: Mutex<Lately<Arc<[u8]>, Arc<LogIdentity>>>,
}

impl Verified {
    /// As [`SignedHead::open`].
    ///
    /// # Errors
    ///
    /// As [`SignedHead::open`].
    pub fn head(
        &self,
        network: &Network,
        log: LogName,
        identity: &LogIdentity,
        note: &Arc<[u8]>,
    ) -> Result<SignedHead, Fault> {
        let read = UnverifiedHead::read(network, log, identity, note)?;
        let Some((key, bare)) = read.signed_by() else { return read.verify() };
        if self.of_heads(|heads| heads.get(&bare).is_some_and(|by| *by == key)) {
            return Ok(read.known());
        }
        let head = read.verify()?;
        self.of_heads(|heads| heads.insert(bare, key, MAX_HEADS));
        Ok(head)
    }

    /// As [`LogIdentity::verify`].
    ///
    /// # Errors
    ///
    /// As [`LogIdentity::verify`].
    pub fn identity(
        &self,
        network: &Network,
        community: CommunityId,
        bundle: &Arc<[u8]>,
    ) -> Result<Arc<LogIdentity>, Fault> {
        let known = self.of_identities(|identities| identities.get(bundle).cloned());
        let is_it = |it: &Arc<LogIdentity>| {
            (it.identity().network(), it.identity().community()) == (network, community)
        };
        if let Some(known) = known.filter(is_it) {
            return Ok(known);
        }
        let verified = Arc::new(LogIdentity::verify(network, community, bundle)?);
        if bundle.len() <= MAX_REMEMBERED_BUNDLE_BYTES {
            let (bundle, identity) = (bundle.clone(), verified.clone());
            self.of_identities(|identities| identities.insert(bundle, identity, MAX_IDENTITIES));
        }
        Ok(verified)
    }

    // A panic while one of these is held cannot leave its map half-changed.

    fn of_heads<T>(&self, ask: impl FnOnce(&mut Lately<Arc<[u8]>, VerifierKey>) -> T) -> T {
        ask(&mut self.heads.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of_identities<T>(
        &self,
        ask: impl FnOnce(&mut Lately<Arc<[u8]>, Arc<LogIdentity>>) -> T,
    ) -> T {
        ask(&mut self.identities.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was used lately: two generations, of which the older one is dropped when the younger is full.
#[derive(Debug)]
struct Lately<K, V> {
    young: BTreeMap<K, V>,
    old: BTreeMap<K, V>,
}

impl<K, V> Default for Lately<K, V> {
    fn default() -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new() }
    }
}

impl<K: Ord, V> Lately<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn insert(&mut self, key: K, value: V, max: usize) {
        if max <= self.young.len() {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::Lately;

    #[test]
    fn no_more_than_two_generations_are_remembered() {
        let mut lately = Lately::default();
        for n in 0..100 {
            lately.insert(n, n, 10);
            assert!(lately.young.len() <= 10 && lately.old.len() <= 10);
        }
        assert_eq!([79, 80, 99].map(|n| lately.get(&n).copied()), [None, Some(80), Some(99)]);
    }
}
