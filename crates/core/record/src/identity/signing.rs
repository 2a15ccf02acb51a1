//! What officers sign, and when enough of them have.
//!
//! ```text
//! "folkmoot/identity/v1\0" ‖ length of the network's name, 1 byte ‖ network ‖ community, 32 bytes
//!     ‖ leaf hash of the previous identity record, 32 bytes ‖ body
//! ```
//!
//! The body is the payload with its signatures left out, so it begins with the action: a signature on a rotation is
//! none on a change of officers or on a recovery.
//!
//! ```proto
//! message OfficerSignature { uint32 officer = 1; bytes signature = 2; }
//! message SpareSignature { uint32 officer = 1; bytes spare_key = 2; bytes signature = 3; }
//! ```
//!
//! `officer` is the place in the list of the officers that are in office before the change, from 0. An officer who
//! signs twice counts once; one signature that does not verify refuses the whole.

use std::collections::BTreeSet;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{
    codec::{PayloadError, read_fields, required},
    genesis::{Officer, Officers},
    keys::{SpareDigest, SpareKey, has_signed},
};
use crate::{
    ids::{CommunityId, Network, RecordId},
    wire::Writer,
};

/// The most signatures of one action: one for each of the most officers.
pub const MAX_OFFICER_SIGNATURES: usize = super::MAX_OFFICERS;

/// Why the signatures on an action are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A signature names an officer that there is not.
    #[error("there is no officer number {officer_index}")]
    NoSuchOfficer {
        /// The place named, from 0.
        officer_index: u32,
    },
    /// The spare key shown is not the one that the officer's digest is of.
    #[error("the spare key shown by officer number {officer_index} is not theirs")]
    NotTheirSpare {
        /// The officer's place, from 0.
        officer_index: u32,
    },
    /// A signature does not verify.
    #[error("the signature of officer number {officer_index} does not verify")]
    Forged {
        /// The officer's place, from 0.
        officer_index: u32,
    },
    /// Too few officers have signed.
    #[error("{n_signed} of the {threshold} officers needed have signed")]
    TooFew {
        /// How many different officers have signed.
        n_signed: u32,
        /// How many are needed.
        threshold: u32,
    },
}

impl SignatureError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchOfficer { .. } => "identity.no_such_officer",
            Self::NotTheirSpare { .. } => "identity.not_their_spare",
            Self::Forged { .. } => "identity.bad_signature",
            Self::TooFew { .. } => "identity.too_few_signatures",
        }
    }
}

/// Where an action applies: no signature is good in another network or for another community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The network.
    pub network: &'a Network,
    /// The community.
    pub community: CommunityId,
}

impl Context<'_> {
    /// The bytes that officers sign.
    #[must_use]
    pub fn signed_bytes(&self, previous: &RecordId, body: &[u8]) -> Vec<u8> {
        let network = self.network.as_str().as_bytes();
        // A network's name has at most 64 bytes.
        let length = u8::try_from(network.len()).unwrap_or(u8::MAX);
        let mut bytes = b"folkmoot/identity/v1\0".to_vec();
        bytes.push(length);
        bytes.extend(network);
        bytes.extend(self.community.as_bytes());
        bytes.extend(previous.as_bytes());
        bytes.extend(body);
        bytes
    }
}

/// An officer's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfficerSignature {
    /// The officer's place among those in office, from 0.
    pub officer_index: u32,
    /// The Ed25519 signature.
    pub signature: [u8; 64],
}

/// An officer's spare key, shown, and its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpareSignature {
    /// The officer's place among those in office, from 0.
    pub officer_index: u32,
    /// The spare key.
    pub spare_key: SpareKey,
    /// The Ed25519 signature by the spare key.
    pub signature: [u8; 64],
}

impl OfficerSignature {
    pub(super) fn make(officer_index: u32, key: &SigningKey, message: &[u8]) -> Self {
        Self { officer_index, signature: key.sign(message).to_bytes() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(1, u64::from(self.officer_index)).bytes(2, &self.signature);
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        const MESSAGE: &str = "OfficerSignature";
        let (mut officer_index, mut signature) = (Some(0), None);
        read_fields(bytes, MESSAGE, |field, value| {
            match field {
                1 => officer_index = value.number().and_then(|it| u32::try_from(it).ok()),
                2 => signature = value.array(),
                _ => return Ok(None),
            }
            Ok(Some(()))
        })?;
        Ok(Self {
            officer_index: required(officer_index, MESSAGE, 1)?,
            signature: required(signature, MESSAGE, 2)?,
        })
    }

    fn verify(&self, officer: &Officer, message: &[u8]) -> Result<(), SignatureError> {
        let Self { officer_index, signature } = *self;
        let forged = SignatureError::Forged { officer_index };
        let signed = has_signed(officer.key.as_bytes(), message, &signature);
        if signed { Ok(()) } else { Err(forged) }
    }
}

impl SpareSignature {
    pub(super) fn make(officer_index: u32, spare: &SigningKey, message: &[u8]) -> Self {
        let signature = spare.sign(message).to_bytes();
        Self { officer_index, spare_key: SpareKey::of(spare), signature }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .number(1, u64::from(self.officer_index))
            .bytes(2, self.spare_key.as_bytes())
            .bytes(3, &self.signature);
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        const MESSAGE: &str = "SpareSignature";
        let (mut officer_index, mut spare_key, mut signature) = (Some(0), None, None);
        read_fields(bytes, MESSAGE, |field, value| {
            match field {
                1 => officer_index = value.number().and_then(|it| u32::try_from(it).ok()),
                2 => spare_key = value.array(),
                3 => signature = value.array(),
                _ => return Ok(None),
            }
            Ok(Some(()))
        })?;
        Ok(Self {
            officer_index: required(officer_index, MESSAGE, 1)?,
            spare_key: SpareKey::from_bytes(required(spare_key, MESSAGE, 2)?)?,
            signature: required(signature, MESSAGE, 3)?,
        })
    }

    fn verify(&self, officer: &Officer, message: &[u8]) -> Result<(), SignatureError> {
        let Self { officer_index, spare_key, signature } = *self;
        if SpareDigest::of(&spare_key) != officer.spare_digest {
            return Err(SignatureError::NotTheirSpare { officer_index });
        }
        let forged = SignatureError::Forged { officer_index };
        let signed = has_signed(spare_key.as_bytes(), message, &signature);
        if signed { Ok(()) } else { Err(forged) }
    }
}

impl Officers {
    /// Whether enough officers have signed the message with the keys of their office.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] at the first signature that is refused, or if too few different officers signed.
    pub fn verify_signatures(
        &self,
        message: &[u8],
        signatures: &[OfficerSignature],
    ) -> Result<(), SignatureError> {
        self.verify_each(signatures, |it| it.officer_index, |it, by| it.verify(by, message))
    }

    /// Whether enough officers have signed the message with their spare keys.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] at the first signature that is refused, or if too few different officers signed.
    pub fn verify_spares(
        &self,
        message: &[u8],
        signatures: &[SpareSignature],
    ) -> Result<(), SignatureError> {
        self.verify_each(signatures, |it| it.officer_index, |it, by| it.verify(by, message))
    }

    fn verify_each<S>(
        &self,
        signatures: &[S],
        officer_index: impl Fn(&S) -> u32,
        verify: impl Fn(&S, &Officer) -> Result<(), SignatureError>,
    ) -> Result<(), SignatureError> {
        let mut signed = BTreeSet::new();
        for signature in signatures {
            let officer_index = officer_index(signature);
            let nobody = SignatureError::NoSuchOfficer { officer_index };
            verify(signature, self.get(officer_index).ok_or(nobody)?)?;
            signed.insert(officer_index);
        }
        let threshold = self.threshold();
        let n_signed = u32::try_from(signed.len()).unwrap_or(u32::MAX);
        if n_signed < threshold {
            return Err(SignatureError::TooFew { n_signed, threshold });
        }
        Ok(())
    }
}
