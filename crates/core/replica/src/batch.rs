//! The verification of a batch: leaves folded onto the frontier, the root proved against a signed head.
//!
//! [`verify_batch`] is a pure function of a snapshot, so that it can run outside any lock: it hashes up
//! to 1 MiB twice. No signature is checked here; the one on the checkpoint stands for all records.

use record::{
    Network, VerifiedRecord,
    limits::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS},
    verified::{self, ExpectedPlace, RecordError},
};
use tlog::{Frontier, Hash, MAX_CONSISTENCY_HASHES, verify_consistency};

use crate::{
    fault::Fault,
    frame::{Batch, LogName, RawRecord},
    limits::room_at,
};

/// What a batch must continue, and what it must lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlace {
    /// The network.
    pub network: Network,
    /// The log.
    pub log: LogName,
    /// The tree that the batch continues.
    pub frontier: Frontier,
    /// The size of the signed head against which it is proved.
    pub tree_size: u64,
    /// The root of that head.
    pub tree_root: Hash,
}

/// Records that the author of the log signed, in their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBatch {
    /// The records, in order from where the frontier stood before.
    pub records: Vec<VerifiedRecord>,
    /// The tree after the last of them.
    pub frontier: Frontier,
}

/// Checks the size and form of a batch, before anything in it is hashed.
///
/// # Errors
///
/// [`Fault::BatchEmpty`], [`Fault::BatchTooMany`], [`Fault::BatchTooLarge`], [`Fault::ProofTooLong`],
/// [`Fault::BatchMisaligned`] if it crosses a multiple of 256, [`Fault::BeyondHead`] if it ends after
/// the head that it names.
pub fn check_shape(batch: &Batch) -> Result<(), Fault> {
    let n_records = batch.records.len();
    if n_records == 0 {
        return Err(Fault::BatchEmpty);
    }
    if MAX_BATCH_RECORDS < n_records {
        return Err(Fault::BatchTooMany { n_records });
    }
    if MAX_CONSISTENCY_HASHES < batch.proof.len() {
        return Err(Fault::ProofTooLong { n_hashes: batch.proof.len() });
    }
    let n_bytes = batch.n_bytes();
    if MAX_BATCH_BYTES < n_bytes {
        return Err(Fault::BatchTooLarge { n_bytes });
    }
    let beyond_head = Fault::BeyondHead { start: batch.start, tree_size: batch.tree_size };
    let end = batch.end().ok_or_else(|| beyond_head.clone())?;
    if room_at(batch.start, u64::MAX) < end - batch.start {
        return Err(Fault::BatchMisaligned { start: batch.start, n_records });
    }
    if batch.tree_size < end { Err(beyond_head) } else { Ok(()) }
}

/// Verifies a batch: its form, every record, and that the tree it makes is the beginning of the tree
/// that the author signed.
///
/// # Errors
///
/// [`Fault`] with what is wrong; nothing of the batch may then be stored.
pub fn verify_batch(place: &BatchPlace, batch: Batch) -> Result<VerifiedBatch, Fault> {
    check_shape(&batch)?;
    if batch.log != place.log {
        return Err(Fault::Unsolicited);
    }
    if batch.start != place.frontier.size() {
        return Err(Fault::OutOfOrder { expected: place.frontier.size(), found: batch.start });
    }
    if batch.tree_size != place.tree_size {
        let (expected, found) = (place.tree_size, batch.tree_size);
        return Err(Fault::OtherHead { expected, found });
    }
    let Batch { start, records, proof, .. } = batch;
    let mut verified = Vec::with_capacity(records.len());
    let mut frontier = place.frontier.clone();
    for (index, raw) in (start..).zip(records) {
        let record = verify_record(place, index, raw)?;
        frontier.push(record.id().leaf());
        verified.push(record);
    }
    verify_root(place, &frontier, &proof)?;
    Ok(VerifiedBatch { records: verified, frontier })
}

fn verify_record(place: &BatchPlace, index: u64, raw: RawRecord) -> Result<VerifiedRecord, Fault> {
    let LogName { community, era } = place.log;
    let expected = ExpectedPlace { network: &place.network, community, era, index };
    let RawRecord { header, content, erased_by } = raw;
    let has_content = content.is_some();
    let verified = verified::verify(header, content, &expected)
        .map_err(|error| Fault::Record { index, error })?;
    if !has_content && erased_by.is_none() {
        let kind = verified.header().kind.to_string();
        return Err(Fault::Record { index, error: RecordError::PayloadMissing { kind } });
    }
    Ok(verified.naming_its_erasure(erased_by.filter(|_| !has_content)))
}

fn verify_root(place: &BatchPlace, frontier: &Frontier, proof: &[Hash]) -> Result<(), Fault> {
    let (size, root) = (frontier.size(), frontier.root());
    if size == place.tree_size {
        if root != place.tree_root {
            return Err(Fault::BadRoot { size });
        }
        if !proof.is_empty() {
            return Err(Fault::ProofTooLong { n_hashes: proof.len() });
        }
        return Ok(());
    }
    verify_consistency(size, &root, place.tree_size, &place.tree_root, proof)
        .map_err(|error| Fault::BadProof { size, error })
}
