//! Checkpoints: what a log signs (C2SP tlog-checkpoint).
//!
//! ```text
//! example.org/log/fm1…/0                            origin: the log's key name
//! 600                                               how many leaves
//! 2XXroxMzuth/SdcHPnZRHXwFc4SwsIyhFW3u257xIrI=      the root over them
//! ```
//!
//! The format allows further lines; logs of this network have none, and a text with any is refused.
//! A log must never sign two checkpoints that contradict each other: that is for whoever holds the
//! key to see to, before calling [`sign_checkpoint`].

use ed25519_dalek::SigningKey;

use crate::{
    decimal::parse_decimal,
    hash::Hash,
    key::{KeyId, KeyName, KeyType, VerifierKey},
    note::{MAX_SIGNATURES, Note, NoteError, NoteSignature, VerifiedSignature, sign_text},
    tree::{EMPTY_ROOT, MAX_TREE_SIZE},
};

/// The head of a log: how large it is and the root over all its leaves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log: also the name of the key that signs it.
    pub origin: KeyName,
    /// How many leaves, at most [`MAX_TREE_SIZE`].
    pub size: u64,
    /// The root over them; [`EMPTY_ROOT`] at size 0.
    pub root: Hash,
}

/// A checkpoint whose log's signature was made or verified here, with the note that carries it.
///
/// Other lines of the note, such as cosignatures, need not have been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    log_key_id: KeyId,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is malformed, or not signed as it should be.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// There are fewer than three lines, or the last does not end.
    #[error("a checkpoint has three lines, each ended by a line feed")]
    TooFewLines,
    /// There are more than three lines.
    #[error("the checkpoint has extension lines, which logs of this network do not use")]
    ExtensionLines,
    /// The first line cannot be the name of a key.
    #[error("the checkpoint's origin cannot be the name of a key")]
    Origin,
    /// The second line is not a decimal number up to [`MAX_TREE_SIZE`].
    #[error("the checkpoint's size is not a number that a log can have")]
    Size,
    /// The third line is not a hash in base64.
    #[error("the checkpoint's root is not a hash")]
    Root,
    /// A tree without leaves has only one root, and it is not this.
    #[error("the checkpoint gives an empty tree a root that it cannot have")]
    EmptyTreeRoot,
    /// The key given as the log's is not of the type that signs checkpoints (0x01).
    #[error("the key is not a log's")]
    NotALogKey,
    /// The checkpoint is of another log than the key.
    #[error("the checkpoint is of the log {stated}")]
    OtherOrigin {
        /// The origin in the text.
        stated: KeyName,
    },
    /// The log's own signature is not on the note.
    #[error("the checkpoint is not signed by its log")]
    NotSignedByLog,
    /// The two notes have different texts, so their signatures cannot be joined.
    #[error("the two checkpoints have different texts")]
    DifferentText,
}

impl Checkpoint {
    /// The three lines that are signed, each ended by LF.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads what [`Checkpoint::to_text`] writes, and no other spelling of it.
    ///
    /// # Errors
    ///
    /// [`CheckpointError`] by the line that is wrong; [`CheckpointError::ExtensionLines`] if there
    /// are more than three.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::TooFewLines)?.split('\n');
        let mut next = || lines.next().ok_or(CheckpointError::TooFewLines);
        let (origin, size, root) = (next()?, next()?, next()?);
        if lines.next().is_some() {
            return Err(CheckpointError::ExtensionLines);
        }
        let origin = KeyName::parse(origin).ok().ok_or(CheckpointError::Origin)?;
        let size = parse_decimal(size)
            .filter(|size| *size <= MAX_TREE_SIZE)
            .ok_or(CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        if size == 0 && root != EMPTY_ROOT {
            return Err(CheckpointError::EmptyTreeRoot);
        }
        Ok(Self { origin, size, root })
    }
}

/// Signs a checkpoint with its log's key (type 0x01), whose name is the origin.
///
/// Nobody will open one whose size is above [`MAX_TREE_SIZE`] or that gives the empty tree another
/// root than [`EMPTY_ROOT`].
#[must_use]
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SigningKey) -> SignedCheckpoint {
    let line = sign_text(&checkpoint.to_text(), &checkpoint.origin, key);
    let log_key_id = line.key_id();
    let note = Note::of_checkpoint(checkpoint, line);
    SignedCheckpoint { checkpoint: checkpoint.clone(), note, log_key_id }
}

/// Reads a checkpoint and verifies its log's signature. All other lines are kept, unverified.
///
/// `log_key` is the log's (type 0x01), and its name the origin that is expected.
///
/// # Errors
///
/// [`CheckpointError`], each variant with its own meaning.
pub fn open_checkpoint(
    bytes: &[u8],
    log_key: &VerifierKey,
) -> Result<SignedCheckpoint, CheckpointError> {
    let (signed, _) = open_cosigned(bytes, log_key, &[])?;
    Ok(signed)
}

/// As [`open_checkpoint`], and verifies the cosignatures of the cosigners given: one for each
/// cosigner found, in the order of the lines.
///
/// # Errors
///
/// As [`open_checkpoint`]. A cosignature by a known cosigner that fails rejects the whole note; a
/// missing one does not.
pub fn open_cosigned(
    bytes: &[u8],
    log_key: &VerifierKey,
    cosigners: &[VerifierKey],
) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), CheckpointError> {
    open_note(Note::parse(bytes)?, log_key, cosigners)
}

/// As [`open_cosigned`], of a note already read.
///
/// # Errors
///
/// As [`open_cosigned`].
pub fn open_note(
    note: Note,
    log_key: &VerifierKey,
    cosigners: &[VerifierKey],
) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), CheckpointError> {
    if log_key.key_type() != KeyType::Ed25519 {
        return Err(CheckpointError::NotALogKey);
    }
    let checkpoint = Checkpoint::parse_text(note.text())?;
    if checkpoint.origin != *log_key.name() {
        return Err(CheckpointError::OtherOrigin { stated: checkpoint.origin });
    }
    open_by_any(note, std::slice::from_ref(log_key), cosigners)
}

/// As [`open_note`], of a log that may have signed with any of several keys (type 0x01).
///
/// Keys of other logs may be among them; only one whose name is the origin counts as the log's.
pub(crate) fn open_by_any(
    note: Note,
    log_keys: &[VerifierKey],
    cosigners: &[VerifierKey],
) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), CheckpointError> {
    let checkpoint = Checkpoint::parse_text(note.text())?;
    let keys: Vec<_> = log_keys.iter().chain(cosigners).cloned().collect();
    let mut verified = match note.verify(&keys) {
        Err(NoteError::NoKnownSignature) => return Err(CheckpointError::NotSignedByLog),
        other => other?,
    };
    let is_of_log = |key: &VerifierKey| *key.name() == checkpoint.origin && log_keys.contains(key);
    let log_line = verified.iter().find(|it| is_of_log(&it.key));
    let log_key_id = log_line.ok_or(CheckpointError::NotSignedByLog)?.key.id();
    verified.retain(|it| it.cosigned_at_secs.is_some());
    Ok((SignedCheckpoint { checkpoint, note, log_key_id }, verified))
}

impl SignedCheckpoint {
    /// What is signed.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note that carries it, with all its lines.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The text that is signed and cosigned.
    #[must_use]
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The note as it travels and is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.render().into_bytes()
    }

    /// The checkpoint with one more line, such as a cosignature, at the end.
    ///
    /// A line by the same key takes the place of its earlier one, so a witness that cosigns anew is
    /// named once; the log's own line never changes. Verify a line before adding it: one that fails
    /// makes every reader who knows its key refuse the note.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::Note`] if the note would be above its limits.
    pub fn with_signature_line(&self, line: NoteSignature) -> Result<Self, CheckpointError> {
        if self.is_line_of_log(&line) {
            return Ok(self.clone());
        }
        let mut signatures = self.note.signatures().to_vec();
        match signatures.iter_mut().find(|ours| ours.has_key_of(&line)) {
            Some(ours) => *ours = line,
            None => signatures.push(line),
        }
        self.with_lines(signatures)
    }

    /// The checkpoint with those lines of `other` whose keys have none here; each key is named once,
    /// and for keys that both have, the line here stays.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::DifferentText`] if the two are not copies of one text;
    /// [`CheckpointError::Note`] if the note would be above its limits.
    pub fn merged_with(&self, other: &Note) -> Result<Self, CheckpointError> {
        if self.text() != other.text() {
            return Err(CheckpointError::DifferentText);
        }
        let mut signatures: Vec<NoteSignature> = Vec::with_capacity(MAX_SIGNATURES);
        for line in self.note.signatures().iter().chain(other.signatures()) {
            if !signatures.iter().any(|ours| ours.has_key_of(line)) {
                signatures.push(line.clone());
            }
        }
        self.with_lines(signatures)
    }

    fn with_lines(&self, signatures: Vec<NoteSignature>) -> Result<Self, CheckpointError> {
        let note = Note::new(self.text().to_owned(), signatures)?;
        Ok(Self { note, ..self.clone() })
    }

    fn is_line_of_log(&self, line: &NoteSignature) -> bool {
        *line.name() == self.checkpoint.origin && line.key_id() == self.log_key_id
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
