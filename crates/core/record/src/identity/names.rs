//! The names under which a community's keys sign notes.
//!
//! | key | type | name |
//! |---|---|---|
//! | log | 0x01 | `<network>/log/<community id>/<era>`, the log's origin |
//! | mirror | 0x04 | `<network>/mirror/<community id>` |
//! | witness | 0x04 | `<network>/witness/<community id>` |
//!
//! A cosigner's name has no era: it cosigns the logs of others whatever becomes of its own.

use tlog::key::{KeyName, KeyType, VerifierKey};

use super::keys::{LogKey, MirrorKey, WitnessKey};
use crate::ids::{CommunityId, Network};

/// The name of a community's mirror: `<network>/mirror/<community id>`.
#[must_use]
pub fn mirror_name(network: &Network, community: &CommunityId) -> String {
    format!("{network}/mirror/{community}")
}

/// The name of a community's witness: `<network>/witness/<community id>`.
#[must_use]
pub fn witness_name(network: &Network, community: &CommunityId) -> String {
    format!("{network}/witness/{community}")
}

/// The key that verifies the checkpoints of an era of a log; its name is the log's origin.
#[must_use]
pub fn verifier_key(
    network: &Network,
    community: &CommunityId,
    era: u32,
    key: &LogKey,
) -> VerifierKey {
    named(&network.log_origin(community, era), KeyType::Ed25519, key.as_bytes())
}

/// The key that verifies a mirror's cosignatures.
#[must_use]
pub fn mirror_verifier_key(
    network: &Network,
    community: &CommunityId,
    key: &MirrorKey,
) -> VerifierKey {
    named(&mirror_name(network, community), KeyType::Cosignature, key.as_bytes())
}

/// The key that verifies a witness's cosignatures.
#[must_use]
pub fn witness_verifier_key(
    network: &Network,
    community: &CommunityId,
    key: &WitnessKey,
) -> VerifierKey {
    named(&witness_name(network, community), KeyType::Cosignature, key.as_bytes())
}

#[expect(clippy::expect_used, reason = "both sentences are true of every network name and key")]
fn named(name: &str, key_type: KeyType, key: &[u8; 32]) -> VerifierKey {
    let name = KeyName::parse(name).expect("DNS names, base32 and slashes make a key name");
    VerifierKey::new(name, key_type, key).expect("the key was checked when its role was given")
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_role_signs_under_its_own_name() {
        let network: Network = "demo.folkmoot.example".parse().unwrap();
        let community = CommunityId::from_bytes([1; 32]);
        let secret = SigningKey::from_bytes(&[1; 32]);
        let log = verifier_key(&network, &community, 7, &LogKey::of(&secret));
        let mirror = mirror_verifier_key(&network, &community, &MirrorKey::of(&secret));
        let witness = witness_verifier_key(&network, &community, &WitnessKey::of(&secret));
        let name = |role: &str| format!("demo.folkmoot.example/{role}/{community}");
        assert_eq!(log.name().as_str(), name("log") + "/7");
        assert_eq!(mirror.name().as_str(), name("mirror"));
        assert_eq!(witness.name().as_str(), name("witness"));
        assert_eq!(log.key_type(), KeyType::Ed25519);
        assert_eq!(mirror.key_type(), KeyType::Cosignature);
        assert_eq!(witness.key_type(), KeyType::Cosignature);
    }

    proptest! {
        #[test]
        fn every_key_with_a_role_has_a_verifier_key(bytes in any::<[u8; 32]>(), era in any::<u32>()) {
            let network: Network = "demo.folkmoot.example".parse().unwrap();
            if let Ok(key) = LogKey::from_bytes(bytes) {
                let community = CommunityId::from_bytes(bytes);
                let verifier = verifier_key(&network, &community, era, &key);
                prop_assert_eq!(verifier.public_key(), bytes);
            }
        }
    }
}
