//! Public keys, each with its role as its type, so that none can stand in for another.
//!
//! | role | what it signs |
//! |---|---|
//! | officer | rotations and recoveries |
//! | spare | changes of officers; unknown to everybody but its digest until it is used |
//! | log | checkpoints of the community's own log (note signature 0x01) |
//! | transport | TLS handshakes and the libp2p peer id |
//! | mirror | cosignatures that say "held durably" (0x04) |
//! | witness | cosignatures that say "the largest consistent head seen" (0x04) |
//!
//! ```proto
//! message EpochKeys { bytes log = 1; bytes transport = 2; bytes mirror = 3; bytes witness = 4; }
//! ```
//!
//! Every key is an Ed25519 public key of 32 bytes in its one encoding and not of small order.

use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};

use super::codec::{PayloadError, required};
use crate::{
    ids::tagged_hash,
    wire::{Field, Reader, Writer},
};

/// Why a public key, or a set of them, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve, or not in their one encoding.
    #[error("the {role} key is not an Ed25519 public key")]
    NotAKey {
        /// The key's role.
        role: &'static str,
    },
    /// A key of small order: anybody can sign for it.
    #[error("the {role} key is weak: anybody can sign for it")]
    Weak {
        /// The key's role.
        role: &'static str,
    },
    /// The mirror and the witness would cosign with one key, and their statements would be mistaken for each other.
    #[error("the mirror key and the witness key must be two keys")]
    MirrorIsWitness,
}

impl KeyError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAKey { .. } => "identity.not_a_key",
            Self::Weak { .. } => "identity.weak_key",
            Self::MirrorIsWitness => "identity.mirror_is_witness",
        }
    }
}

fn check(bytes: &[u8; 32], role: &'static str) -> Result<(), KeyError> {
    let not_a_key = KeyError::NotAKey { role };
    let key = VerifyingKey::from_bytes(bytes).ok().ok_or(not_a_key)?;
    if key.is_weak() {
        return Err(KeyError::Weak { role });
    }
    let one_encoding = key.to_edwards().compress().as_bytes() == bytes;
    if one_encoding { Ok(()) } else { Err(not_a_key) }
}

/// Whether `signature` over `message` is by the key with these bytes, by the strict rules of Ed25519.
pub(super) fn has_signed(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $role:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The key with these bytes.
            ///
            /// # Errors
            ///
            /// [`KeyError::NotAKey`] or [`KeyError::Weak`] if no signature should be trusted under it.
            pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
                check(&bytes, $role).map(|()| Self(bytes))
            }

            /// The public part of a secret key, which is never weak.
            #[must_use]
            pub fn of(secret: &SigningKey) -> Self {
                Self(secret.verifying_key().to_bytes())
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), HEXLOWER.encode(&self.0))
            }
        }
    };
}

key!(
    /// The key of an officer. Alone it changes nothing: rotations need a threshold of them, and a change of officers
    /// needs spare keys.
    OfficerKey, "officer"
);
key!(
    /// The key that an officer keeps aside. Only its [`SpareDigest`] is public until it signs a change of officers.
    SpareKey, "spare"
);
key!(
    /// The key that signs the checkpoints of a community's log.
    LogKey, "log"
);
key!(
    /// The TLS key and libp2p peer key of a node or coordinator.
    TransportKey, "transport"
);
key!(
    /// The key of cosignatures that say that a log's content is held durably.
    MirrorKey, "mirror"
);
key!(
    /// The key of cosignatures that say that a head is the largest consistent one seen.
    WitnessKey, "witness"
);

/// SHA-256("folkmoot/spare/v1\0" ‖ spare key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpareDigest(pub [u8; 32]);

impl SpareDigest {
    /// The digest of a spare key.
    #[must_use]
    pub fn of(key: &SpareKey) -> Self {
        Self::of_bytes(&key.0)
    }

    pub(super) fn of_bytes(key: &[u8; 32]) -> Self {
        Self(tagged_hash("folkmoot/spare/v1", &[key]))
    }
}

impl fmt::Debug for SpareDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpareDigest({})", HEXLOWER.encode(&self.0))
    }
}

/// The keys of one epoch: what a rotation replaces together.
///
/// The mirror key and the witness key differ; the others may be one key in a small node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochKeys {
    log: LogKey,
    transport: TransportKey,
    mirror: MirrorKey,
    witness: WitnessKey,
}

impl EpochKeys {
    /// The keys of an epoch.
    ///
    /// # Errors
    ///
    /// [`KeyError::MirrorIsWitness`] if the two cosigning keys are one.
    pub fn new(
        log: LogKey,
        transport: TransportKey,
        mirror: MirrorKey,
        witness: WitnessKey,
    ) -> Result<Self, KeyError> {
        if mirror.0 == witness.0 {
            return Err(KeyError::MirrorIsWitness);
        }
        Ok(Self { log, transport, mirror, witness })
    }

    /// The key that signs checkpoints.
    #[must_use]
    pub const fn log(&self) -> &LogKey {
        &self.log
    }

    /// The key of TLS and libp2p.
    #[must_use]
    pub const fn transport(&self) -> &TransportKey {
        &self.transport
    }

    /// The key that cosigns what is held.
    #[must_use]
    pub const fn mirror(&self) -> &MirrorKey {
        &self.mirror
    }

    /// The key that cosigns what was seen.
    #[must_use]
    pub const fn witness(&self) -> &WitnessKey {
        &self.witness
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { log, transport, mirror, witness } = self;
        let mut writer = Writer::default();
        writer.bytes(1, &log.0).bytes(2, &transport.0).bytes(3, &mirror.0).bytes(4, &witness.0);
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut keys: [Option<[u8; 32]>; 4] = [None; 4];
        let mut reader = Reader::new(bytes);
        while let Some(Field { number: field, value }) = reader.next()? {
            let malformed = PayloadError::Field { message: "EpochKeys", field };
            let place = usize::try_from(field).ok().and_then(|it| it.checked_sub(1));
            let slot = place.and_then(|it| keys.get_mut(it)).ok_or(malformed)?;
            *slot = Some(value.array().ok_or(malformed)?);
        }
        let [log, transport, mirror, witness] = keys;
        let key = |found, field| required(found, "EpochKeys", field);
        Ok(Self::new(
            LogKey::from_bytes(key(log, 1)?)?,
            TransportKey::from_bytes(key(transport, 2)?)?,
            MirrorKey::from_bytes(key(mirror, 3)?)?,
            WitnessKey::from_bytes(key(witness, 4)?)?,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    /// The eight points of small order have these y; 0 and 1 suffice to meet the check.
    fn weak(y: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = y;
        bytes
    }

    #[test]
    fn reads_a_key_and_refuses_weak_ones_and_what_is_none() {
        let bytes = secret(1).verifying_key().to_bytes();
        assert_eq!(LogKey::from_bytes(bytes), Ok(LogKey::of(&secret(1))));
        for y in [0, 1] {
            assert_eq!(LogKey::from_bytes(weak(y)), Err(KeyError::Weak { role: "log" }));
        }
        assert_eq!(OfficerKey::from_bytes(weak(2)), Err(KeyError::NotAKey { role: "officer" }));
    }

    #[test]
    fn refuses_the_second_encoding_of_a_key() {
        // y = 3 and y = p + 3 are one point; only the first is its encoding.
        let mut second = [0xff; 32];
        (second[0], second[31]) = (0xed + 3, 0x7f);
        assert!(VerifyingKey::from_bytes(&second).is_ok(), "the curve library reads it");
        assert_eq!(WitnessKey::from_bytes(second), Err(KeyError::NotAKey { role: "witness" }));
        assert!(WitnessKey::from_bytes(weak(3)).is_ok());
    }

    #[test]
    fn mirror_and_witness_are_two_keys_and_the_others_may_be_one() {
        let (one, two) = (secret(1), secret(2));
        let keys = |witness: &SigningKey| {
            let (log, transport) = (LogKey::of(&one), TransportKey::of(&one));
            EpochKeys::new(log, transport, MirrorKey::of(&one), WitnessKey::of(witness))
        };
        assert!(keys(&two).is_ok());
        assert_eq!(keys(&one), Err(KeyError::MirrorIsWitness));
    }

    #[test]
    fn the_digest_of_a_spare_key_never_changes() {
        let digest = SpareDigest::of(&SpareKey::of(&secret(1)));
        // Computed apart from this code.
        assert_eq!(HEXLOWER.encode(&digest.0), DIGEST);
        assert_ne!(digest, SpareDigest::of(&SpareKey::of(&secret(2))));
    }

    const DIGEST: &str = "173e568bd33bee152a355d6745e5eaaf9a0cb66f7c192818bab312215bf944a7";

    #[test]
    fn refuses_keys_with_one_missing_or_one_more() {
        let (log, transport) = (LogKey::of(&secret(1)), TransportKey::of(&secret(2)));
        let keys =
            EpochKeys::new(log, transport, MirrorKey::of(&secret(3)), WitnessKey::of(&secret(4)));
        let bytes = keys.unwrap().encode();
        assert_eq!(bytes.len(), 4 * 34);
        assert_eq!(EpochKeys::read(&bytes), Ok(keys.unwrap()));
        let missing = PayloadError::Field { message: "EpochKeys", field: 4 };
        assert_eq!(EpochKeys::read(&bytes[..3 * 34]), Err(missing));
        let more = [&bytes[..], &[0x2a, 1, 0]].concat();
        let unknown = PayloadError::Field { message: "EpochKeys", field: 5 };
        assert_eq!(EpochKeys::read(&more), Err(unknown));
    }
}
