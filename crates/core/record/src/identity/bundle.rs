//! The identity bundle: everything that a verifier without the log needs to know who a community is.
//!
//! ```text
//! genesis, rotations, …, recovery, rotations, …      each with salt, payload and inclusion proof
//!    └── proved against the root ──┘  └── proved against the checkpoint
//!        that the recovery keeps
//! ```
//!
//! ```proto
//! message IdentityBundle { repeated BundleRecord records = 1; bytes checkpoint = 2; }
//! message BundleRecord { bytes header = 1; bytes salt = 2; bytes payload = 3; repeated bytes proof = 4; }
//! ```
//!
//! An old bundle is still true, but not the newest: that no later identity record exists cannot be seen from it. A
//! checkpoint cosigned under the verifier's policy narrows this to what the cosigners had seen.

use tlog::{
    Hash,
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, open_note},
    note::{Note, VerifiedSignature},
    policy::Policy,
    proof::{MAX_INCLUSION_HASHES, ProofError, verify_inclusion},
};

use super::{
    names::verifier_key,
    state::{Identity, IdentityError},
};
use crate::{
    commitment::Salt,
    header::Header,
    ids::{CommunityId, Network},
    verified::{Content, ExpectedPlace, RecordError, VerifiedRecord, verify},
    wire::{Reader, WireError, Writer},
};

/// The largest bundle, in bytes: 256 records of 1 KiB.
pub const MAX_BUNDLE_BYTES: usize = 256 * 1024;
/// The most identity and recovery records in a bundle: a rotation every month for 20 years.
pub const MAX_BUNDLE_RECORDS: usize = 256;

/// An identity or recovery record with its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleRecord {
    /// The header, as the author wrote it.
    pub header: Vec<u8>,
    /// The salt and the payload.
    pub content: Content,
    /// The inclusion proof, from the leaf's sibling up: of the last era against the checkpoint, of an earlier one
    /// against the size and root that the recovery after it keeps.
    pub proof: Vec<Hash>,
}

/// The records that make an identity, and a checkpoint that holds them. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityBundle {
    /// The genesis, then every identity and recovery record in order.
    pub records: Vec<BundleRecord>,
    /// A signed checkpoint of the last era's log, as a note.
    pub checkpoint: Vec<u8>,
}

/// What the checkpoint of a bundle shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witnessed {
    /// Signed, not witnessed: the community could be showing others another identity.
    SignedOnly,
    /// Cosigned as the verifier's policy asks, and so seen by others.
    UnderPolicy,
}

/// An identity with what shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIdentity {
    /// The identity.
    pub identity: Identity,
    /// Whether others have seen it.
    pub witnessed: Witnessed,
    /// The checkpoint that holds its records.
    pub checkpoint: SignedCheckpoint,
    /// The cosignatures by witnesses of the policy, verified.
    pub cosignatures: Vec<VerifiedSignature>,
}

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// More than [`MAX_BUNDLE_BYTES`].
    #[error("the identity bundle has {n_bytes} bytes; the limit is {MAX_BUNDLE_BYTES}")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// More than [`MAX_BUNDLE_RECORDS`].
    #[error("the identity bundle has more than {MAX_BUNDLE_RECORDS} records")]
    TooManyRecords,
    /// The bytes are not in the strict subset.
    #[error("the identity bundle is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("field {field} of the identity bundle is missing or malformed")]
    Field {
        /// The field's number.
        field: u64,
    },
    /// The bytes mean a bundle, but are not its one encoding.
    #[error("the identity bundle is not in its one canonical encoding")]
    NotCanonical,
    /// The bundle is of another community than the one asked for.
    #[error("the identity bundle is of {found}, not of {expected}")]
    OtherCommunity {
        /// The community asked for.
        expected: CommunityId,
        /// The community whose genesis it holds.
        found: CommunityId,
    },
    /// A record is malformed or not what its header commits to.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record does not continue the identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A record is not proved to be in its log.
    #[error("number {index} of era {era} is not proved to be in the log: {error}")]
    Inclusion {
        /// The era of the record.
        era: u32,
        /// Its index.
        index: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
    /// The checkpoint is malformed or not signed by the community's key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl BundleError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "identity.bundle_too_large",
            Self::TooManyRecords => "identity.bundle_too_many_records",
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "identity.bundle_malformed",
            Self::OtherCommunity { .. } => "identity.other_community",
            Self::Record(error) => error.reason(),
            Self::Identity(error) => error.reason(),
            Self::Inclusion { .. } => "identity.not_in_log",
            Self::Checkpoint(_) => "identity.checkpoint",
        }
    }
}

impl IdentityBundle {
    /// The bundle's one encoding. Above [`MAX_BUNDLE_BYTES`] nobody will read it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { records, checkpoint } = self;
        let mut writer = Writer::default();
        for record in records {
            writer.element(1, &record.encode());
        }
        writer.bytes(2, checkpoint);
        writer.finish()
    }

    /// The bundle in these bytes, if they are its one encoding. Nothing in it is verified.
    ///
    /// # Errors
    ///
    /// [`BundleError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        if MAX_BUNDLE_BYTES < bytes.len() {
            return Err(BundleError::TooLarge { n_bytes: bytes.len() });
        }
        let mut bundle = Self { records: Vec::new(), checkpoint: Vec::new() };
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next()? {
            let malformed = BundleError::Field { field: field.number };
            let value = field.value.bytes().ok_or(malformed.clone())?;
            match field.number {
                1 if bundle.records.len() == MAX_BUNDLE_RECORDS => {
                    return Err(BundleError::TooManyRecords);
                }
                1 => bundle.records.push(BundleRecord::read(value)?),
                2 => bundle.checkpoint = value.to_vec(),
                _ => return Err(malformed),
            }
        }
        if bundle.encode() == bytes { Ok(bundle) } else { Err(BundleError::NotCanonical) }
    }

    /// Verifies everything: each record, how one follows the other, the officers' signatures, the inclusion proofs and
    /// the checkpoint's signature by the key that is in force at its size.
    ///
    /// Without an expected community the bundle says who it is of; the caller then compares something else that it
    /// knows, such as the transport key. Without a policy, or with one that asks for no cosignature, the answer is
    /// [`Witnessed::SignedOnly`].
    ///
    /// # Errors
    ///
    /// [`BundleError`] at the first thing that does not hold. Too few cosignatures are an answer, not an error; a
    /// cosignature of a witness of the policy that does not verify is an error.
    pub fn verify(
        &self,
        expected: Option<CommunityId>,
        network: &Network,
        policy: Option<&Policy>,
    ) -> Result<VerifiedIdentity, BundleError> {
        let (identity, records) = self.replay(expected, network)?;
        let (checkpoint, cosignatures) = self.open_checkpoint(&identity, policy)?;
        for (record, BundleRecord { proof, .. }) in records.iter().zip(&self.records) {
            let Header { era, index, .. } = *record.header();
            let head = checkpoint.checkpoint();
            let (size, root) =
                identity.kept(era).map_or((head.size, head.root), |kept| (kept.size, kept.root));
            verify_inclusion(record.id().leaf(), index, size, proof, &root)
                .map_err(|error| BundleError::Inclusion { era, index, error })?;
        }
        let witnessed = witnessed(policy, &cosignatures);
        Ok(VerifiedIdentity { identity, witnessed, checkpoint, cosignatures })
    }

    /// The identity that the records make, each verified by itself, and the records.
    fn replay(
        &self,
        expected: Option<CommunityId>,
        network: &Network,
    ) -> Result<(Identity, Vec<VerifiedRecord>), BundleError> {
        let (genesis, others) =
            self.records.split_first().ok_or(BundleError::Field { field: 1 })?;
        let community = CommunityId::of_genesis(&genesis.content.payload);
        if let Some(expected) = expected.filter(|it| *it != community) {
            return Err(BundleError::OtherCommunity { expected, found: community });
        }
        let genesis = genesis.verify(network, community)?;
        let mut identity = Identity::from_genesis(&genesis)?;
        let mut records = vec![genesis];
        for record in others {
            let record = record.verify(network, community)?;
            identity.apply(&record)?;
            records.push(record);
        }
        Ok((identity, records))
    }

    fn open_checkpoint(
        &self,
        identity: &Identity,
        policy: Option<&Policy>,
    ) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), BundleError> {
        let note = Note::parse(&self.checkpoint).map_err(CheckpointError::from)?;
        let Checkpoint { size, .. } = Checkpoint::parse_text(note.text())?;
        let era = identity.era();
        let key = identity.log_key_for(era, size).unwrap_or(identity.keys().log());
        let key = verifier_key(identity.network(), &identity.community(), era, key);
        let cosigners: Vec<_> =
            policy.iter().flat_map(|it| it.witnesses()).map(|(_, key)| key.clone()).collect();
        Ok(open_note(note, &key, &cosigners)?)
    }
}

fn witnessed(policy: Option<&Policy>, cosignatures: &[VerifiedSignature]) -> Witnessed {
    let keys: Vec<_> = cosignatures.iter().map(|it| it.key.clone()).collect();
    // A policy that asks for nobody does not make a witness of nobody.
    match policy {
        Some(policy) if !keys.is_empty() && policy.is_satisfied(&keys) => Witnessed::UnderPolicy,
        Some(_) | None => Witnessed::SignedOnly,
    }
}

impl BundleRecord {
    fn encode(&self) -> Vec<u8> {
        let Self { header, content: Content { salt, payload }, proof } = self;
        let mut writer = Writer::default();
        writer.bytes(1, header).bytes(2, &salt.0).bytes(3, payload);
        for hash in proof {
            writer.element(4, hash.as_bytes());
        }
        writer.finish()
    }

    fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let malformed = BundleError::Field { field: 1 };
        let (mut header, mut salt, mut payload, mut proof) = (None, None, None, Vec::new());
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next()? {
            let value = field.value;
            match field.number {
                1 => header = value.bytes(),
                2 => salt = value.array().map(Salt),
                3 => payload = value.bytes(),
                4 if proof.len() < MAX_INCLUSION_HASHES => {
                    proof.push(Hash::from_bytes(value.array().ok_or(malformed.clone())?));
                }
                _ => return Err(malformed),
            }
        }
        let (Some(header), Some(salt), Some(payload)) = (header, salt, payload) else {
            return Err(malformed);
        };
        let content = Content { salt, payload: payload.to_vec() };
        Ok(Self { header: header.to_vec(), content, proof })
    }

    /// The record, at the place in the community's log that it claims; its proof shows whether it is there.
    fn verify(
        &self,
        network: &Network,
        community: CommunityId,
    ) -> Result<VerifiedRecord, BundleError> {
        let Header { era, index, .. } = Header::decode(&self.header).map_err(RecordError::from)?;
        let place = ExpectedPlace { network, community, era, index };
        Ok(verify(self.header.clone(), Some(self.content.clone()), &place)?)
    }
}
