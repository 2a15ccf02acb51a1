//! Salted payload commitments: the header commits to a payload that may later be erased.

use crate::ids::tagged_hash;

/// The salt of a payload. Without it the commitment to a short payload cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

/// SHA-256("folkmoot/payload/v1\0" ‖ salt ‖ payload), ARCHITECTURE §4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment(pub [u8; 32]);

impl Commitment {
    /// The commitment to a payload under a salt.
    #[must_use]
    pub fn to(salt: &Salt, payload: &[u8]) -> Self {
        Self(tagged_hash("folkmoot/payload/v1", &[&salt.0, payload]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commitment_to_a_payload_never_changes() {
        let commitment = Commitment::to(&Salt([9; 32]), b"payload");
        // Computed apart from this code.
        assert_eq!(data_encoding::HEXLOWER.encode(&commitment.0), COMMITMENT);
    }

    const COMMITMENT: &str = "6469189b2bd094b7bf1e0df3659187e2acb950012011417dae92bb6d52c8c3d5";

    #[test]
    fn another_salt_or_payload_is_another_commitment() {
        let commitment = Commitment::to(&Salt([9; 32]), b"payload");
        assert_ne!(Commitment::to(&Salt([8; 32]), b"payload"), commitment);
        assert_ne!(Commitment::to(&Salt([9; 32]), b"Payload"), commitment);
        assert_ne!(Commitment::to(&Salt([9; 32]), b""), commitment);
    }
}
