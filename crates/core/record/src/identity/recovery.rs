//! Recovery: after a loss, theft or fork an era ends and the next begins as a new tree.
//!
//! The payload of kind `folkmoot.record.recovery.v1`, and only ever record 0 of the new era. It is valid by itself:
//! whoever knows the officers can check it without the new tree.
//!
//! ```proto
//! // folkmoot/record/recovery/v1/recovery.proto
//! message Recovery {
//!   bytes community = 1;
//!   bytes last_identity = 2;                   // leaf hash of the last identity record that is kept
//!   uint32 kept_era = 3;                       // the era that ends
//!   uint64 kept_size = 4;                      // how much of it counts for ever
//!   bytes kept_root = 5;
//!   folkmoot.record.identity.v1.EpochKeys keys = 6;
//!   repeated folkmoot.record.identity.v1.OfficerSignature signatures = 7;
//! }
//! ```
//!
//! Nothing is cut out of a tree: records behind the kept size stay in the old tree and count for nothing.

use ed25519_dalek::SigningKey;
use tlog::Hash;

use super::{
    codec::{PayloadError, push_within, read_fields, required},
    genesis::Officers,
    keys::EpochKeys,
    signing::{Context, MAX_OFFICER_SIGNATURES, OfficerSignature, SignatureError},
};
use crate::{
    ids::{CommunityId, Network, RecordId},
    wire::{Value, Writer},
};

/// The part of an ended era that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTree {
    /// The era that ended.
    pub era: u32,
    /// How many of its records count: at least 1.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
}

/// The end of an era and the keys of the next, signed by the threshold of officers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Whose log.
    pub community: CommunityId,
    /// The last identity record within the kept tree.
    pub last_identity: RecordId,
    /// What is kept of the era that ends.
    pub kept: KeptTree,
    /// The keys of the new era.
    pub keys: EpochKeys,
    /// By officers in office.
    pub signatures: Vec<OfficerSignature>,
}

impl Recovery {
    /// The era that this record begins: the one after the kept one; `None` after the last that can be counted.
    #[must_use]
    pub const fn era(&self) -> Option<u32> {
        self.kept.era.checked_add(1)
    }

    /// Adds the signature of the officer at this place, from 0.
    pub fn sign(&mut self, network: &Network, officer_index: u32, key: &SigningKey) {
        let message = self.signed_bytes(network);
        self.signatures.push(OfficerSignature::make(officer_index, key, &message));
    }

    /// Checks that enough of these officers have signed.
    ///
    /// # Errors
    ///
    /// [`SignatureError`].
    pub fn verify(&self, network: &Network, officers: &Officers) -> Result<(), SignatureError> {
        officers.verify_signatures(&self.signed_bytes(network), &self.signatures)
    }

    fn signed_bytes(&self, network: &Network) -> Vec<u8> {
        let unsigned = Self { signatures: Vec::new(), ..self.clone() };
        let context = Context { network, community: self.community };
        context.signed_bytes(&self.last_identity, &unsigned.encode())
    }

    /// The payload's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { community, last_identity, kept: KeptTree { era, size, root }, keys, signatures } =
            self;
        let mut writer = Writer::default();
        writer
            .bytes(1, community.as_bytes())
            .bytes(2, last_identity.as_bytes())
            .number(3, u64::from(*era))
            .number(4, *size)
            .bytes(5, root.as_bytes())
            .bytes(6, &keys.encode());
        for signature in signatures {
            writer.element(7, &signature.encode());
        }
        writer.finish()
    }

    /// The recovery in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut raw = Raw::default();
        read_fields(bytes, MESSAGE, |field, value| raw.take(field, value))?;
        let recovery = raw.check()?;
        if recovery.encode() == bytes { Ok(recovery) } else { Err(PayloadError::NotCanonical) }
    }
}

const MESSAGE: &str = "Recovery";

/// Fields as found, before any is believed.
#[derive(Default)]
struct Raw<'a> {
    community: Option<[u8; 32]>,
    last_identity: Option<[u8; 32]>,
    era: u64,
    size: u64,
    root: Option<[u8; 32]>,
    keys: Option<&'a [u8]>,
    signatures: Vec<OfficerSignature>,
}

impl<'a> Raw<'a> {
    fn take(&mut self, field: u64, value: Value<'a>) -> Result<Option<()>, PayloadError> {
        match field {
            1 => self.community = value.array(),
            2 => self.last_identity = value.array(),
            3 => self.era = required(value.number(), MESSAGE, field)?,
            4 => self.size = required(value.number(), MESSAGE, field)?,
            5 => self.root = value.array(),
            6 => self.keys = value.bytes(),
            7 => {
                let signature = OfficerSignature::read(required(value.bytes(), MESSAGE, field)?)?;
                push_within(
                    &mut self.signatures,
                    signature,
                    MAX_OFFICER_SIGNATURES,
                    (MESSAGE, field),
                )?;
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    fn check(self) -> Result<Recovery, PayloadError> {
        let size = (0 < self.size).then_some(self.size);
        Ok(Recovery {
            community: CommunityId::from_bytes(required(self.community, MESSAGE, 1)?),
            last_identity: RecordId::from_bytes(required(self.last_identity, MESSAGE, 2)?),
            kept: KeptTree {
                era: required(u32::try_from(self.era).ok(), MESSAGE, 3)?,
                size: required(size, MESSAGE, 4)?,
                root: Hash::from_bytes(required(self.root, MESSAGE, 5)?),
            },
            keys: EpochKeys::read(required(self.keys, MESSAGE, 6)?)?,
            signatures: self.signatures,
        })
    }
}
