//! One record that travels alone: a `.tlog-proof` that carries it and its author's identity, verified from the proof alone.
//!
//! What is shown: the record is in its author's log, under a checkpoint that the author's log key signed. What cannot be
//! seen from it: whether others hold that checkpoint, too; whether the record counts in its case.

use tlog::{
    Checkpoint, TlogProof, checkpoint::CheckpointError, checkpoint::open_note, proof::ProofError,
    proof_file::TlogProofError, verify_inclusion,
};

use crate::{
    header::Header,
    identity::{BundleError, IdentityBundle, verifier_key},
    ids::Network,
    proof_extra::{ProofExtraError, RecordProofExtra},
    verified::{Content, ExpectedPlace, RecordError, VerifiedRecord, verify},
};

/// Why a record is not proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvedError {
    /// The proof cannot be read.
    #[error(transparent)]
    Proof(#[from] TlogProofError),
    /// The proof does not carry what is proved.
    #[error("the proof does not carry the record and its author's identity")]
    Incomplete,
    /// What the proof carries cannot be read.
    #[error(transparent)]
    Extra(#[from] ProofExtraError),
    /// The record does not hold.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The author's identity does not hold.
    #[error(transparent)]
    Identity(#[from] BundleError),
    /// The checkpoint does not hold.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The record is not proved to be in its author's log, or its author no longer keeps it.
    #[error("the record is not proved to be in its author's log")]
    NotInLog,
}

impl From<ProofError> for ProvedError {
    fn from(_: ProofError) -> Self {
        Self::NotInLog
    }
}

/// The record that a proof carries, with its payload, which may come beside the proof where it does not fit in.
///
/// # Errors
///
/// [`ProvedError`] at the first thing that does not hold; [`ProvedError::Incomplete`] if the payload is nowhere.
pub fn open(
    network: &Network,
    proof: &[u8],
    beside: Option<Content>,
) -> Result<VerifiedRecord, ProvedError> {
    let proof = TlogProof::parse(proof)?;
    let extra = RecordProofExtra::decode(proof.extra().ok_or(ProvedError::Incomplete)?)?;
    let content = extra.content.or(beside).ok_or(ProvedError::Incomplete)?;
    let Header { community, era, index, .. } =
        Header::decode(&extra.header).map_err(RecordError::from)?;
    let place = ExpectedPlace { network, community, era, index };
    let record = verify(extra.header, Some(content), &place)?;
    let identity = IdentityBundle::decode(&extra.identity)?;
    let identity = identity.verify(Some(community), network, None)?.identity;
    let note = proof.checkpoint_note().clone();
    let stated = Checkpoint::parse_text(note.text())?;
    let log_key = identity.log_key_for(era, stated.size).ok_or(ProvedError::NotInLog)?;
    let key = verifier_key(network, &community, era, log_key);
    let (signed, _) = open_note(note, &key, &[])?;
    let Checkpoint { size, root, .. } = signed.checkpoint();
    verify_inclusion(record.id().leaf(), index, *size, proof.hashes(), root)?;
    let is_kept = identity.kept(era).is_none_or(|kept| index < kept.size);
    if proof.index() != index || !is_kept {
        return Err(ProvedError::NotInLog);
    }
    Ok(record)
}
