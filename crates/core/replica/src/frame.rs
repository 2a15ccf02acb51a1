//! What crosses the stream: heads, wants, batches, acks and refusals.

use std::{borrow::Cow, sync::Arc};

use record::{
    RecordId,
    payload::{ForkEvidence, Status},
    verified::Content,
};
use tlog::Hash;

pub use record::LogName;

/// One message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The newest heads of some logs.
    Heads(Vec<Head>),
    /// A range of records that the speaker wants.
    Want(Want),
    /// Records, in order.
    Batch(Batch),
    /// The speaker holds a log durably.
    Ack(Ack),
    /// What the speaker does not take, or does not give.
    Refusal(Refusal),
    /// How the speaker treats a log.
    Status(Status),
    /// The speaker has offered everything that it holds.
    Offered,
}

/// The newest head of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The log.
    pub log: LogName,
    /// The checkpoint: a signed note with any cosignatures.
    pub checkpoint: Arc<[u8]>,
    /// The identity bundle, with the first offer of the log on this stream and whenever it has
    /// changed since; else empty.
    pub identity: Arc<[u8]>,
    /// The records from this index to the head follow in one batch that is not to be asked for: the
    /// peer has acknowledged everything before. 0 if they are to be asked for.
    pub pushed_from: u64,
}

/// A range of records that the speaker wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The log.
    pub log: LogName,
    /// The index of the first record that the speaker lacks.
    pub start: u64,
    /// The size of the checkpoint against which the batches are to be proved.
    pub end: u64,
    /// How many batches may be sent beyond those already granted.
    pub credit: u32,
}

/// Records in order, proved against a checkpoint that was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The log.
    pub log: LogName,
    /// The index of the first record.
    pub start: u64,
    /// 1..=256 records; their indexes never cross a multiple of 256.
    pub records: Vec<RawRecord>,
    /// The size of that checkpoint.
    pub tree_size: u64,
    /// The consistency proof from the end of the batch to that size; empty if they are equal.
    pub proof: Vec<Hash>,
}

impl Batch {
    /// The bytes that count towards the limit of a batch: headers, salts and payloads.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.records.iter().map(RawRecord::n_bytes).sum()
    }

    /// The index after the last record, or `None` beyond what can be counted.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.start.checked_add(u64::try_from(self.records.len()).ok()?)
    }
}

/// A record as it is stored and travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// The header, verbatim: the leaf.
    pub header: Vec<u8>,
    /// The salt and payload; `None` once erased.
    pub content: Option<Content>,
    /// The record of the same community that erased the payload; only where that is missing.
    pub erased_by: Option<RecordId>,
}

impl RawRecord {
    /// The bytes that count towards the limit of a batch.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        let content = self.content.as_ref();
        self.header.len() + content.map_or(0, |it| it.salt.0.len() + it.payload.len())
    }
}

/// The speaker holds a log durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The log.
    pub log: LogName,
    /// Every record below this index survives a power cut at the speaker's.
    pub size: u64,
    /// Signature lines over the checkpoint of this size, once the speaker holds all of it.
    pub cosignatures: Vec<String>,
}

/// What the speaker does not take, or does not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The log it is about, if it is about one. Nothing more is sent of that log on this stream.
    pub log: Option<LogName>,
    /// A stable reason, such as `replication.bad_root`.
    pub reason: Cow<'static, str>,
    /// A sentence for a person.
    pub detail: String,
    /// That the log forked, as whoever found it shows it: for the side that holds too little to find it by itself.
    pub evidence: Option<ForkEvidence>,
}
