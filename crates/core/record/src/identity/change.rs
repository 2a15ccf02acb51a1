//! Changes within an era: a rotation of keys, and a change of officers.
//!
//! ```proto
//! message Rotation {
//!   bytes previous = 1;                        // leaf hash of the previous identity record
//!   EpochKeys keys = 2;
//!   repeated OfficerSignature signatures = 3;
//! }
//! message OfficerChange {
//!   bytes previous = 1;
//!   repeated Officer officers = 2;             // the new ones, ascending by key
//!   uint32 threshold = 3;
//!   repeated SpareSignature signatures = 4;    // by spare keys of those in office
//! }
//! ```
//!
//! `OfficerSignature` and `SpareSignature` are described in `signing`. A rotation takes effect at its own leaf: the
//! checkpoint that ends with it, and all later ones, are signed by the new key alone.

use ed25519_dalek::SigningKey;

use super::{
    IdentityAction,
    codec::{PayloadError, push_within, read_fields, required},
    genesis::{Officers, RawOfficers},
    keys::EpochKeys,
    signing::{Context, MAX_OFFICER_SIGNATURES, OfficerSignature, SignatureError, SpareSignature},
};
use crate::{ids::RecordId, wire::Writer};

/// New keys for a new epoch, signed by the threshold of officers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The identity record that this one follows.
    pub previous: RecordId,
    /// The keys from this record on.
    pub keys: EpochKeys,
    /// By officers in office.
    pub signatures: Vec<OfficerSignature>,
}

impl Rotation {
    /// A rotation that nobody has signed yet.
    #[must_use]
    pub const fn new(previous: RecordId, keys: EpochKeys) -> Self {
        Self { previous, keys, signatures: Vec::new() }
    }

    /// Adds the signature of the officer at this place, from 0.
    pub fn sign(&mut self, context: &Context<'_>, officer_index: u32, key: &SigningKey) {
        let message = self.signed_bytes(context);
        self.signatures.push(OfficerSignature::make(officer_index, key, &message));
    }

    /// Checks that enough of these officers have signed.
    ///
    /// # Errors
    ///
    /// [`SignatureError`].
    pub fn verify(&self, context: &Context<'_>, officers: &Officers) -> Result<(), SignatureError> {
        officers.verify_signatures(&self.signed_bytes(context), &self.signatures)
    }

    fn signed_bytes(&self, context: &Context<'_>) -> Vec<u8> {
        let unsigned = Self::new(self.previous, self.keys);
        context.signed_bytes(&self.previous, &IdentityAction::Rotation(unsigned).encode())
    }

    pub(super) fn encode_inner(&self) -> Vec<u8> {
        let Self { previous, keys, signatures } = self;
        let mut writer = Writer::default();
        writer.bytes(1, previous.as_bytes()).bytes(2, &keys.encode());
        for signature in signatures {
            writer.element(3, &signature.encode());
        }
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        const MESSAGE: &str = "Rotation";
        let (mut previous, mut keys, mut signatures) = (None, None, Vec::new());
        read_fields(bytes, MESSAGE, |field, value| {
            match field {
                1 => previous = value.array().map(RecordId::from_bytes),
                2 => keys = value.bytes(),
                3 => {
                    let signature = OfficerSignature::read(required(value.bytes(), MESSAGE, 3)?)?;
                    push_within(&mut signatures, signature, MAX_OFFICER_SIGNATURES, (MESSAGE, 3))?;
                }
                _ => return Ok(None),
            }
            Ok(Some(()))
        })?;
        let keys = EpochKeys::read(required(keys, MESSAGE, 2)?)?;
        Ok(Self { previous: required(previous, MESSAGE, 1)?, keys, signatures })
    }
}

/// New officers, signed by the spare keys of the threshold of those in office. Officer keys count for nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerChange {
    /// The identity record that this one follows.
    pub previous: RecordId,
    /// The officers from this record on, each with a new spare digest.
    pub officers: Officers,
    /// By spare keys of officers in office.
    pub signatures: Vec<SpareSignature>,
}

impl OfficerChange {
    /// A change that nobody has signed yet.
    #[must_use]
    pub const fn new(previous: RecordId, officers: Officers) -> Self {
        Self { previous, officers, signatures: Vec::new() }
    }

    /// Adds the signature of the spare key of the officer at this place, from 0, and so shows that key.
    pub fn sign(&mut self, context: &Context<'_>, officer_index: u32, spare: &SigningKey) {
        let message = self.signed_bytes(context);
        self.signatures.push(SpareSignature::make(officer_index, spare, &message));
    }

    /// Checks that the spare keys of enough of these officers have signed.
    ///
    /// # Errors
    ///
    /// [`SignatureError`].
    pub fn verify(&self, context: &Context<'_>, officers: &Officers) -> Result<(), SignatureError> {
        officers.verify_spares(&self.signed_bytes(context), &self.signatures)
    }

    fn signed_bytes(&self, context: &Context<'_>) -> Vec<u8> {
        let unsigned = Self::new(self.previous, self.officers.clone());
        context.signed_bytes(&self.previous, &IdentityAction::OfficerChange(unsigned).encode())
    }

    pub(super) fn encode_inner(&self) -> Vec<u8> {
        let Self { previous, officers, signatures } = self;
        let mut writer = Writer::default();
        writer.bytes(1, previous.as_bytes());
        officers.write(&mut writer, 2, 3);
        for signature in signatures {
            writer.element(4, &signature.encode());
        }
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        const MESSAGE: &str = "OfficerChange";
        let (mut previous, mut signatures) = (None, Vec::new());
        let mut officers = RawOfficers::default();
        read_fields(bytes, MESSAGE, |field, value| {
            match field {
                1 => previous = value.array().map(RecordId::from_bytes),
                2 => officers.push(required(value.bytes(), MESSAGE, 2)?, (MESSAGE, 2))?,
                3 => officers.set_threshold(required(value.number(), MESSAGE, 3)?),
                4 => {
                    let signature = SpareSignature::read(required(value.bytes(), MESSAGE, 4)?)?;
                    push_within(&mut signatures, signature, MAX_OFFICER_SIGNATURES, (MESSAGE, 4))?;
                }
                _ => return Ok(None),
            }
            Ok(Some(()))
        })?;
        let previous = required(previous, MESSAGE, 1)?;
        Ok(Self { previous, officers: officers.check()?, signatures })
    }
}
