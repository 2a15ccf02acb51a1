//! Every reason for which something that a peer sent is not taken.

use record::{fork::EvidenceError, verified::RecordError};
use tlog::proof::ProofError;

use crate::{frame::Refusal, limits};

/// What is wrong with something that a peer sent, or why it is not given what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The community's logs are not accepted here.
    #[error("the logs of this community are not accepted here")]
    NotAdmitted,
    /// The log is unknown here, and its identity did not come with it.
    #[error("the identity of this log must come with its first head")]
    IdentityMissing,
    /// The identity bundle does not prove the log's keys.
    #[error("the identity of this log does not hold: {detail}")]
    IdentityInvalid {
        /// What is wrong.
        detail: String,
    },
    /// The identity bundle is too large.
    #[error(
        "the identity has {n_bytes} bytes; the limit is {}",
        record::identity::MAX_BUNDLE_BYTES
    )]
    IdentityTooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// The checkpoint is not a note, or not a checkpoint of ours.
    #[error("the checkpoint cannot be read: {detail}")]
    HeadMalformed {
        /// What is wrong.
        detail: String,
    },
    /// The checkpoint is of another log or another network.
    #[error("the checkpoint is of `{found}`, not of `{expected}`")]
    OtherOrigin {
        /// The origin of the log that it was offered for.
        expected: String,
        /// The origin in the checkpoint, cut to 200 characters.
        found: String,
    },
    /// The checkpoint is not signed by the key that signs this log at this size.
    #[error("the checkpoint is not signed by the key of this log at this size")]
    UnknownKey,
    /// A signature by the log's key does not verify.
    #[error("the signature on the checkpoint does not verify")]
    BadSignature,
    /// Another head of this log, signed as well, cannot be true beside this one.
    #[error("this log has signed two heads that cannot both be true; the evidence is kept")]
    Fork,
    /// Evidence that came with a refusal and proves nothing.
    #[error("the evidence of a fork proves nothing: {error}")]
    BadEvidence {
        /// What is wrong with it.
        error: EvidenceError,
    },
    /// A head contradicts what is held, but a key that no longer signs is behind one of the two.
    #[error("this head contradicts what is held here, and a retired key signed one of the two")]
    RetiredKey,
    /// A head of an era that has ended, beyond what its recovery keeps.
    #[error(
        "this era has ended, and its officers kept {kept} records of it; the head is of {size}. \
         What comes after is in the next era"
    )]
    BeyondKept {
        /// How many records are kept.
        kept: u64,
        /// The size of the head.
        size: u64,
    },
    /// A batch that nobody asked for, or beyond the credit.
    #[error("nobody asked for this batch")]
    Unsolicited,
    /// A batch that leaves a gap or repeats records.
    #[error("the batch starts at {found}; number {expected} is next")]
    OutOfOrder {
        /// The index that is next.
        expected: u64,
        /// The index at which the batch starts.
        found: u64,
    },
    /// A batch proved against another head than the one it was wanted for.
    #[error("the batch is proved against size {found}; it was wanted for size {expected}")]
    OtherHead {
        /// The size of the head it was wanted for.
        expected: u64,
        /// The size that it names.
        found: u64,
    },
    /// A batch without records.
    #[error("the batch holds no record")]
    BatchEmpty,
    /// A batch of more than 256 records.
    #[error("the batch has {n_records} records; the limit is {}", limits::BATCH_ALIGNMENT)]
    BatchTooMany {
        /// How many it has.
        n_records: usize,
    },
    /// A batch of more than 1 MiB.
    #[error("the batch has {n_bytes} bytes; the limit is {}", record::limits::MAX_BATCH_BYTES)]
    BatchTooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// A batch that crosses a multiple of 256.
    #[error("the batch of {n_records} records from {start} on crosses a multiple of 256")]
    BatchMisaligned {
        /// Where it starts.
        start: u64,
        /// How many records it has.
        n_records: usize,
    },
    /// A batch that ends after the head it names.
    #[error("the batch from {start} on ends after size {tree_size}")]
    BeyondHead {
        /// Where it starts.
        start: u64,
        /// The size of the head.
        tree_size: u64,
    },
    /// A proof of more hashes than any proof has, or than this one needs.
    #[error("the proof has {n_hashes} hashes, which are too many")]
    ProofTooLong {
        /// How many it has.
        n_hashes: usize,
    },
    /// A record that is malformed, out of place, or not what its header commits to.
    #[error("record {index}: {error}")]
    Record {
        /// Its index.
        index: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// The records do not make the tree that was signed.
    #[error("the records up to {size} do not make the tree that was signed")]
    BadRoot {
        /// The size of that tree.
        size: u64,
    },
    /// The records are not proved to begin the tree that was signed.
    #[error("the records up to {size} are not proved to begin the tree that was signed: {error}")]
    BadProof {
        /// Where the batch ends.
        size: u64,
        /// What is wrong with the proof.
        error: ProofError,
    },
    /// A want for a log that was not offered.
    #[error("this log was not offered here")]
    UnknownLog,
    /// A want for a range that was not offered, or that contradicts an earlier want.
    #[error("records {start} to {end} cannot be given: size {offered} was offered")]
    BadWant {
        /// The start of the range.
        start: u64,
        /// Its end.
        end: u64,
        /// The largest size that was offered.
        offered: u64,
    },
    /// An ack for what was not offered, or with too many or too long signature lines.
    #[error("the ack is for size {size}, of {offered} offered, or its cosignatures are too many")]
    BadAck {
        /// The size that it names.
        size: u64,
        /// The largest size that was offered.
        offered: u64,
    },
    /// A list above its limit.
    #[error("the message has {n_entries} heads; the limit is {}", limits::MAX_HEADS)]
    TooManyHeads {
        /// How many it has.
        n_entries: usize,
    },
    /// More logs than a stream keeps in mind.
    #[error("a stream carries at most {} logs", limits::MAX_LOGS)]
    TooManyLogs,
    /// What our own store says: it could not give or does not take the records.
    #[error("{detail}")]
    Store {
        /// The store's stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
}

/// What a fault says about the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// An honest peer can bring it about.
    Stray,
    /// Only a faulty peer does this.
    Faulty,
    /// It is ours.
    Ours,
}

impl Fault {
    /// The stable reason, as it stands in a [`Refusal`].
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAdmitted => "replication.not_admitted",
            Self::IdentityMissing => "replication.identity_missing",
            Self::IdentityInvalid { .. } => "replication.identity_invalid",
            Self::IdentityTooLarge { .. } => "replication.identity_too_large",
            Self::HeadMalformed { .. } => "replication.head_malformed",
            Self::OtherOrigin { .. } => "replication.other_origin",
            Self::UnknownKey => "replication.unknown_key",
            Self::BadSignature => "replication.bad_signature",
            Self::Fork => "replication.fork",
            Self::BadEvidence { error } => error.reason(),
            Self::RetiredKey => "replication.retired_key",
            Self::BeyondKept { .. } => "identity.beyond_kept",
            Self::Unsolicited => "replication.unsolicited",
            Self::OutOfOrder { .. } => "replication.out_of_order",
            Self::OtherHead { .. } => "replication.other_head",
            Self::BatchEmpty => "replication.batch_empty",
            Self::BatchTooMany { .. } => "replication.batch_too_many",
            Self::BatchTooLarge { .. } => "replication.batch_too_large",
            Self::BatchMisaligned { .. } => "replication.batch_misaligned",
            Self::BeyondHead { .. } => "replication.beyond_head",
            Self::ProofTooLong { .. } => "proof.too_long",
            Self::Record { error, .. } => error.reason(),
            Self::BadRoot { .. } => "replication.bad_root",
            Self::BadProof { .. } => "replication.bad_proof",
            Self::UnknownLog => "replication.unknown_log",
            Self::BadWant { .. } => "replication.bad_want",
            Self::BadAck { .. } => "replication.bad_ack",
            Self::TooManyHeads { .. } => "replication.too_many_heads",
            Self::TooManyLogs => "replication.too_many_logs",
            Self::Store { reason, .. } => reason,
        }
    }

    pub(crate) const fn weight(&self) -> Weight {
        match self {
            // A mirror passes on what others signed, and cannot know whom we admit, or that an era has ended.
            Self::NotAdmitted
            | Self::Fork
            | Self::RetiredKey
            | Self::BeyondKept { .. }
            | Self::TooManyLogs => Weight::Stray,
            // Whoever knows an older or a newer identity than we do judges keys otherwise.
            Self::BadEvidence { error: EvidenceError::UnknownKey | EvidenceError::RetiredKey } => {
                Weight::Stray
            }
            Self::Store { .. } => Weight::Ours,
            Self::BadEvidence { .. }
            | Self::IdentityMissing
            | Self::IdentityInvalid { .. }
            | Self::IdentityTooLarge { .. }
            | Self::HeadMalformed { .. }
            | Self::OtherOrigin { .. }
            | Self::UnknownKey
            | Self::BadSignature
            | Self::Unsolicited
            | Self::OutOfOrder { .. }
            | Self::OtherHead { .. }
            | Self::BatchEmpty
            | Self::BatchTooMany { .. }
            | Self::BatchTooLarge { .. }
            | Self::BatchMisaligned { .. }
            | Self::BeyondHead { .. }
            | Self::ProofTooLong { .. }
            | Self::Record { .. }
            | Self::BadRoot { .. }
            | Self::BadProof { .. }
            | Self::UnknownLog
            | Self::BadWant { .. }
            | Self::BadAck { .. }
            | Self::TooManyHeads { .. } => Weight::Faulty,
        }
    }

    /// The refusal that tells the peer.
    #[must_use]
    pub fn refusal(&self, log: Option<crate::LogName>) -> Refusal {
        Refusal { log, reason: self.reason().into(), detail: self.to_string(), evidence: None }
    }
}
