//! Keys of nodes, and the libp2p names that are made of them.

use std::fmt;

use data_encoding::HEXLOWER;
use libp2p::{PeerId, identity};
use zeroize::Zeroizing;

/// The public half of a node's transport key: 32 bytes as in RFC 8032, shown as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey(pub [u8; 32]);

impl NodeKey {
    /// The libp2p name of this key; `None` if the bytes are no point of the curve.
    pub(crate) fn peer_id(self) -> Option<PeerId> {
        let key = identity::ed25519::PublicKey::try_from_bytes(&self.0).ok()?;
        Some(identity::PublicKey::from(key).to_peer_id())
    }

    /// The key in a libp2p name, which holds an Ed25519 key as it is; `None` if it is the hash of another kind of key.
    pub(crate) fn of(peer: &PeerId) -> Option<Self> {
        let multihash = peer.as_ref();
        if multihash.code() != IDENTITY {
            return None;
        }
        let key = identity::PublicKey::try_decode_protobuf(multihash.digest()).ok()?;
        Some(Self(key.try_into_ed25519().ok()?.to_bytes()))
    }

    /// The key as libp2p names it in addresses (`12D3Koo…`); `None` if the bytes are no point of the curve.
    #[must_use]
    pub fn peer_name(self) -> Option<String> {
        self.peer_id().map(|it| it.to_base58())
    }
}

/// The multihash code of "no hash".
const IDENTITY: u64 = 0;

impl fmt::Display for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({self})")
    }
}

/// The libp2p key pair that grows from a transport key's seed; libp2p overwrites the copy that it takes it from.
pub(crate) fn key_pair(seed: &Zeroizing<[u8; 32]>) -> Option<identity::Keypair> {
    let mut copy = seed.clone();
    identity::Keypair::ed25519_from_bytes(copy.as_mut_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_name_is_computed_from_the_public_key_alone_and_back() {
        let pair = key_pair(&Zeroizing::new([7; 32])).unwrap();
        let public = pair.public().try_into_ed25519().unwrap().to_bytes();
        assert_eq!(NodeKey(public).peer_id(), Some(pair.public().to_peer_id()));
        assert_eq!(NodeKey::of(&pair.public().to_peer_id()), Some(NodeKey(public)));
    }

    #[test]
    fn a_name_that_is_a_hash_holds_no_key() {
        let hash = libp2p::multihash::Multihash::<64>::wrap(0x12, &[1; 32]).unwrap();
        assert_eq!(NodeKey::of(&PeerId::from_multihash(hash).unwrap()), None);
    }

    #[test]
    fn bytes_that_are_no_point_have_no_name() {
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert_eq!(NodeKey(no_point).peer_id(), None);
    }
}
