//! A proof that travels alone: entry number, inclusion proof, checkpoint (C2SP tlog-proof).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64>            optional, and not authenticated by anything
//! index 137
//! FzE2Zd56Q8A1…=            the inclusion proof, from the leaf's sibling up
//!
//! example.org/log           the checkpoint, with its signatures and cosignatures
//! 600
//! …
//! ```
//!
//! Reading one verifies nothing; see [`TlogProof::verify`]. Files end in `.tlog-proof`.

use data_encoding::BASE64;

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint, open_note},
    decimal::parse_decimal,
    hash::Hash,
    key::VerifierKey,
    note::{MAX_NOTE_BYTES, Note, NoteError, VerifiedSignature},
    policy::{Policy, TrustError},
    proof::{MAX_INCLUSION_HASHES, ProofError, verify_inclusion},
    tree::leaf_hash,
};

/// The largest proof: 64 KiB of checkpoint and as much of everything else.
pub const MAX_TLOG_PROOF_BYTES: usize = 2 * MAX_NOTE_BYTES;

/// The most extra bytes: their base64 takes 4/3 of it, and the rest leaves room for the hashes.
pub const MAX_EXTRA_BYTES: usize = 32 * 1024;

/// The first line.
const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof with the checkpoint that it leads to. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint_note: Note,
}

/// Why a proof cannot be read, or does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The proof is above [`MAX_TLOG_PROOF_BYTES`].
    #[error("a proof of {n_bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// The extra bytes are above [`MAX_EXTRA_BYTES`].
    #[error("a proof cannot carry {n_bytes} extra bytes")]
    ExtraTooLarge {
        /// How many there are.
        n_bytes: usize,
    },
    /// There are more hashes than [`MAX_INCLUSION_HASHES`].
    #[error("a proof of {n_hashes} hashes has too many")]
    TooManyHashes {
        /// How many there are.
        n_hashes: usize,
    },
    /// A line is not what it should be.
    #[error("line {line} of the proof is malformed")]
    Line {
        /// Its number, from 1.
        line: usize,
    },
    /// There is no empty line between the proof and the checkpoint.
    #[error("the proof has no checkpoint")]
    NoCheckpoint,
    /// The checkpoint is not a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint is refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not satisfy the policy.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The hashes do not lead from the entry to the checkpoint.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// The proof that entry `index` is in the tree of the checkpoint in `checkpoint_note`.
    ///
    /// # Errors
    ///
    /// [`TlogProofError::TooManyHashes`] above [`MAX_INCLUSION_HASHES`].
    pub fn new(
        index: u64,
        hashes: Vec<Hash>,
        checkpoint_note: Note,
    ) -> Result<Self, TlogProofError> {
        if MAX_INCLUSION_HASHES < hashes.len() {
            return Err(TlogProofError::TooManyHashes { n_hashes: hashes.len() });
        }
        Ok(Self { extra: None, index, hashes, checkpoint_note })
    }

    /// The proof with extra bytes, which nothing authenticates; with none if `extra` is empty.
    ///
    /// # Errors
    ///
    /// [`TlogProofError::ExtraTooLarge`] above [`MAX_EXTRA_BYTES`].
    pub fn with_extra(self, extra: Vec<u8>) -> Result<Self, TlogProofError> {
        if MAX_EXTRA_BYTES < extra.len() {
            return Err(TlogProofError::ExtraTooLarge { n_bytes: extra.len() });
        }
        Ok(Self { extra: (!extra.is_empty()).then_some(extra), ..self })
    }

    /// The extra bytes. Do not trust them: whoever passed the proof on may have changed them.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Which entry of the log, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The inclusion proof, from the leaf's sibling up.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The checkpoint with its signatures and cosignatures.
    #[must_use]
    pub const fn checkpoint_note(&self) -> &Note {
        &self.checkpoint_note
    }

    /// Reads what [`TlogProof::render`] writes, and no other spelling of it.
    ///
    /// # Errors
    ///
    /// [`TlogProofError`], each variant with its own meaning.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if MAX_TLOG_PROOF_BYTES < bytes.len() {
            return Err(TlogProofError::TooLarge { n_bytes: bytes.len() });
        }
        let text = str::from_utf8(bytes).ok().ok_or(NoteError::NotUtf8)?;
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::NoCheckpoint)?;
        let mut lines = (1..).zip(head.split('\n')).peekable();

        let first = lines.next().filter(|(_, line)| *line == FIRST_LINE);
        first.ok_or(TlogProofError::Line { line: 1 })?;
        let extra = match lines.next_if(|(_, line)| line.starts_with("extra ")) {
            Some((line, text)) => Some(parse_extra(text).ok_or(TlogProofError::Line { line })?),
            None => None,
        };
        let (line, index) = lines.next().ok_or(TlogProofError::Line { line: 2 })?;
        let index = index.strip_prefix("index ").and_then(parse_decimal);
        let index = index.ok_or(TlogProofError::Line { line })?;
        let hashes = lines
            .map(|(line, hash)| Hash::from_base64(hash).ok_or(TlogProofError::Line { line }))
            .collect::<Result<_, _>>()?;

        let proof = Self::new(index, hashes, Note::parse(note.as_bytes())?)?;
        proof.with_extra(extra.unwrap_or_default())
    }

    /// The proof as it travels.
    #[must_use]
    pub fn render(&self) -> String {
        let mut rendered = format!("{FIRST_LINE}\n");
        if let Some(extra) = &self.extra {
            rendered.push_str(&format!("extra {}\n", BASE64.encode(extra)));
        }
        rendered.push_str(&format!("index {}\n", self.index));
        rendered.extend(self.hashes.iter().map(|hash| format!("{hash}\n")));
        rendered.push('\n');
        rendered.push_str(&self.checkpoint_note.render());
        rendered
    }

    /// Verifies that `entry` is in the log, under the log's key alone; returns the checkpoint.
    ///
    /// Cosignatures are not looked at: see [`TlogProof::verify_under`].
    ///
    /// # Errors
    ///
    /// [`TlogProofError::Checkpoint`] or [`TlogProofError::Proof`].
    pub fn verify(
        &self,
        entry: &[u8],
        log_key: &VerifierKey,
    ) -> Result<SignedCheckpoint, TlogProofError> {
        self.verify_leaf(leaf_hash(entry), log_key)
    }

    /// As [`TlogProof::verify`], of an entry whose leaf hash is known.
    ///
    /// # Errors
    ///
    /// As [`TlogProof::verify`].
    pub fn verify_leaf(
        &self,
        leaf: Hash,
        log_key: &VerifierKey,
    ) -> Result<SignedCheckpoint, TlogProofError> {
        let (signed, _) = open_note(self.checkpoint_note.clone(), log_key, &[])?;
        self.check_inclusion(leaf, &signed)?;
        Ok(signed)
    }

    /// Verifies that the leaf is in a log of the policy, under a checkpoint with its quorum; returns
    /// the checkpoint and the cosignatures that count.
    ///
    /// # Errors
    ///
    /// [`TlogProofError::Trust`] or [`TlogProofError::Proof`].
    pub fn verify_under(
        &self,
        leaf: Hash,
        policy: &Policy,
    ) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), TlogProofError> {
        let (signed, cosignatures) = policy.open_note(self.checkpoint_note.clone())?;
        self.check_inclusion(leaf, &signed)?;
        Ok((signed, cosignatures))
    }

    fn check_inclusion(&self, leaf: Hash, signed: &SignedCheckpoint) -> Result<(), ProofError> {
        let checkpoint = signed.checkpoint();
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)
    }
}

/// The bytes of an `extra` line; without any, the line must not be there.
fn parse_extra(line: &str) -> Option<Vec<u8>> {
    let encoded = line.strip_prefix("extra ")?;
    BASE64.decode(encoded.as_bytes()).ok().filter(|extra| !extra.is_empty())
}

#[cfg(test)]
#[path = "proof_file_tests.rs"]
mod tests;
