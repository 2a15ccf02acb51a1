//! Timestamped Ed25519 cosignatures, type 0x04 (C2SP tlog-cosignature).
//!
//! A witness or a mirror states: of all the consistent heads I have seen for this origin, this is the
//! largest, as of this time. One key serves one cosigner: what is signed does not name it.
//!
//! ```text
//! signed:  cosignature/v1 LF  time <seconds> LF  <the checkpoint's three lines>
//! line:    key id ‖ seconds as 8 bytes big-endian ‖ 64-byte signature
//! ```
//!
//! Whether a time is plausible is not judged here.

use ed25519_dalek::{Signer as _, SigningKey};

use crate::{
    checkpoint::Checkpoint,
    key::{KeyName, KeyType, VerifierKey, key_id},
    note::NoteSignature,
};

/// The latest time that a cosignature can state: 2^63 - 1 seconds (tlog-cosignature, "Format").
pub const MAX_COSIGNATURE_SECS: u64 = (1 << 63) - 1;

/// Why a cosignature is refused or cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CosignatureError {
    /// The key is not one that cosigns (type 0x04).
    #[error("the key is not a cosigner's")]
    NotACosigner,
    /// The line is by another key: another name or id.
    #[error("the line is by another key")]
    OtherKey,
    /// The signature is not 8 + 64 bytes.
    #[error("a cosignature does not have {n_bytes} bytes")]
    Length {
        /// How many bytes it has.
        n_bytes: usize,
    },
    /// The time is above [`MAX_COSIGNATURE_SECS`].
    #[error("{secs} seconds is later than a cosignature can say")]
    Time {
        /// The time in POSIX seconds.
        secs: u64,
    },
    /// The signature does not verify.
    #[error("the cosignature does not verify")]
    BadSignature,
}

/// The signature line by which the cosigner `name` states that it saw this checkpoint at `unix_secs`
/// as the largest consistent head of its origin.
///
/// Check consistency and persist the head before the line leaves the house.
///
/// # Errors
///
/// [`CosignatureError::Time`] above [`MAX_COSIGNATURE_SECS`].
pub fn cosign(
    checkpoint: &Checkpoint,
    name: &KeyName,
    key: &SigningKey,
    unix_secs: u64,
) -> Result<NoteSignature, CosignatureError> {
    check_time(unix_secs)?;
    let message = signed_message(&checkpoint.to_text(), unix_secs);
    let mut payload = unix_secs.to_be_bytes().to_vec();
    payload.extend(key.sign(message.as_bytes()).to_bytes());
    let n_bytes = payload.len();
    let id = key_id(name, KeyType::Cosignature, key.verifying_key().as_bytes());
    NoteSignature::new(name.clone(), id, payload).ok_or(CosignatureError::Length { n_bytes })
}

/// Verifies that `line` is `key`'s cosignature on a checkpoint's text; returns its time in POSIX
/// seconds.
///
/// # Errors
///
/// [`CosignatureError`], each variant with its own meaning.
pub fn verify_cosignature(
    text: &str,
    line: &NoteSignature,
    key: &VerifierKey,
) -> Result<u64, CosignatureError> {
    if !line.is_by(key) {
        return Err(CosignatureError::OtherKey);
    }
    cosigned_at(text, line.signature(), key)
}

/// Verifies a cosignature's payload, time and signature; returns the time.
pub(crate) fn cosigned_at(
    text: &str,
    payload: &[u8],
    key: &VerifierKey,
) -> Result<u64, CosignatureError> {
    if key.key_type() != KeyType::Cosignature {
        return Err(CosignatureError::NotACosigner);
    }
    let wrong_length = CosignatureError::Length { n_bytes: payload.len() };
    let (secs, signature) = payload.split_first_chunk().ok_or(wrong_length)?;
    let signature: &[u8; 64] = signature.try_into().ok().ok_or(wrong_length)?;
    let secs = u64::from_be_bytes(*secs);
    check_time(secs)?;
    if !key.signed(signed_message(text, secs).as_bytes(), signature) {
        return Err(CosignatureError::BadSignature);
    }
    Ok(secs)
}

fn signed_message(text: &str, unix_secs: u64) -> String {
    format!("cosignature/v1\ntime {unix_secs}\n{text}")
}

fn check_time(secs: u64) -> Result<(), CosignatureError> {
    if MAX_COSIGNATURE_SECS < secs { Err(CosignatureError::Time { secs }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Hash;

    #[test]
    fn a_cosignature_verifies_for_its_text_key_and_time_alone() {
        let line = cosign(&checkpoint(), &name("w"), &signing(9), 1_700_000_000).unwrap();
        let text = checkpoint().to_text();
        assert_eq!(verify_cosignature(&text, &line, &witness("w", 9)), Ok(1_700_000_000));

        let other = text.replace("600", "601");
        let refused = Err(CosignatureError::BadSignature);
        assert_eq!(verify_cosignature(&other, &line, &witness("w", 9)), refused);
        for key in [witness("w", 8), witness("v", 9)] {
            let refused = Err(CosignatureError::OtherKey);
            assert_eq!(verify_cosignature(&text, &line, &key), refused);
        }
    }

    #[test]
    fn refuses_a_right_signature_under_another_name() {
        let line = cosign(&checkpoint(), &name("w"), &signing(9), 5).unwrap();
        let renamed = NoteSignature::new(name("v"), line.key_id(), line.signature().to_vec());
        let text = checkpoint().to_text();
        let refused = verify_cosignature(&text, &renamed.unwrap(), &witness("w", 9));
        assert_eq!(refused, Err(CosignatureError::OtherKey));
    }

    #[test]
    fn one_flipped_bit_is_refused() {
        let line = cosign(&checkpoint(), &name("w"), &signing(9), 1_700_000_000).unwrap();
        let text = checkpoint().to_text();
        for bit in 0..line.signature().len() * 8 {
            let mut payload = line.signature().to_vec();
            payload[bit / 8] ^= 1 << (bit % 8);
            assert!(cosigned_at(&text, &payload, &witness("w", 9)).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_latest_time_is_signed_and_the_next_refused() {
        let at = |secs| cosign(&checkpoint(), &name("w"), &signing(9), secs);
        let line = at(MAX_COSIGNATURE_SECS).unwrap();
        let text = checkpoint().to_text();
        assert_eq!(verify_cosignature(&text, &line, &witness("w", 9)), Ok(MAX_COSIGNATURE_SECS));
        let secs = MAX_COSIGNATURE_SECS + 1;
        assert_eq!(at(secs), Err(CosignatureError::Time { secs }));
        let mut payload = secs.to_be_bytes().to_vec();
        payload.extend([0; 64]);
        let refused = Err(CosignatureError::Time { secs });
        assert_eq!(cosigned_at(&text, &payload, &witness("w", 9)), refused);
    }

    #[test]
    fn refuses_a_log_key_and_a_payload_of_other_length() {
        let key = VerifierKey::ed25519(name("w"), &signing(9).verifying_key()).unwrap();
        let refused = Err(CosignatureError::NotACosigner);
        assert_eq!(cosigned_at("", &[0; 72], &key), refused);
        for n_bytes in [0, 7, 8, 71, 73] {
            let refused = Err(CosignatureError::Length { n_bytes });
            assert_eq!(cosigned_at("", &vec![0; n_bytes], &witness("w", 9)), refused);
        }
    }

    fn checkpoint() -> Checkpoint {
        let root = Hash::from_bytes([3; 32]);
        Checkpoint { origin: name("example.org/log"), size: 600, root }
    }

    fn name(text: &str) -> KeyName {
        KeyName::parse(text).unwrap()
    }

    fn signing(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn witness(text: &str, seed: u8) -> VerifierKey {
        VerifierKey::cosignature(name(text), &signing(seed).verifying_key()).unwrap()
    }
}
