//! Signed notes: a text, an empty line, signature lines (C2SP signed-note).
//!
//! ```text
//! example.org/log                     the text, every line ended by LF
//! 600
//! 2XXroxMzuth/SdcHPnZRHXwFc4SwsIyhFW3u257xIrI=
//!                                     the last empty line of the note
//! — example.org/log LhNdJ4lb…         one line for each signature
//! ```
//!
//! A note has one spelling: what is read here is written back byte for byte. The text means nothing
//! until [`open`] has found a signature by a key that the reader trusts.

use std::{collections::BTreeMap, fmt};

use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};

use crate::{
    checkpoint::Checkpoint,
    cosignature::cosigned_at,
    key::{KeyError, KeyId, KeyName, KeyType, VerifierKey, key_id},
};

/// The largest note, signatures included: 64 KiB.
pub const MAX_NOTE_BYTES: usize = 64 * 1024;

/// The most signature lines of a note. The format asks readers to accept 16 at least.
pub const MAX_SIGNATURES: usize = 32;

/// What every signature line begins with: U+2014 and a space.
const LINE_START: &str = "— ";

/// A signed note. Reading one verifies nothing; see [`open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line: whose it says to be, and the bytes, which are not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    key_id: KeyId,
    signature: Vec<u8>,
}

/// A note with at least one signature by a known key, and none by a known key that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedNote {
    note: Note,
    verified: Vec<VerifiedSignature>,
}

/// A signature that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// Whose it is.
    pub key: VerifierKey,
    /// When it was made, in POSIX seconds, if it is a cosignature (type 0x04).
    pub cosigned_at_secs: Option<u64>,
}

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is above [`MAX_NOTE_BYTES`].
    #[error("a note of {n_bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// The bytes are not UTF-8.
    #[error("the note is not UTF-8")]
    NotUtf8,
    /// There is a control character below U+0020 other than LF.
    #[error("the note holds a control character")]
    ControlCharacter,
    /// The text does not end in LF.
    #[error("the note's text does not end its last line")]
    UnfinishedText,
    /// No empty line parts the text from at least one signature line.
    #[error("the note has no signatures")]
    NoSignatures,
    /// There are more than [`MAX_SIGNATURES`] signature lines.
    #[error("a note of {n_signatures} signatures has too many")]
    TooManySignatures {
        /// How many there are.
        n_signatures: usize,
    },
    /// A signature line does not read `— <key name> <base64>`.
    #[error("signature line {line} of the note is malformed")]
    SignatureLine {
        /// Its place among the signature lines, from 0.
        line: usize,
    },
    /// Two different keys were given that a note cannot tell apart.
    #[error("two keys are both named {name}+{id}")]
    AmbiguousKey {
        /// The name of both.
        name: KeyName,
        /// The id of both.
        id: KeyId,
    },
    /// A signature by a known key does not verify. The whole note is refused.
    #[error("the signature of {name}+{id} does not verify")]
    BadSignature {
        /// The key's name.
        name: KeyName,
        /// The key's id.
        id: KeyId,
    },
    /// No signature is by a known key.
    #[error("no signature of the note is by a known key")]
    NoKnownSignature,
}

impl NoteSignature {
    /// A signature line of these parts, or `None` if the signature is empty.
    #[must_use]
    pub fn new(name: KeyName, key_id: KeyId, signature: Vec<u8>) -> Option<Self> {
        (!signature.is_empty()).then_some(Self { name, key_id, signature })
    }

    /// The name of the key that the line says it is by.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of that key.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The signature's bytes without the key id: 64 of type 0x01, 72 of type 0x04.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the line says that it is by this key.
    #[must_use]
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.name == *key.name() && self.key_id == key.id()
    }

    /// Whether two lines say that they are by the same key.
    pub(crate) fn has_key_of(&self, other: &Self) -> bool {
        self.name == other.name && self.key_id == other.key_id
    }

    /// The line, its LF included.
    #[must_use]
    pub fn render_line(&self) -> String {
        let mut bytes = self.key_id.as_bytes().to_vec();
        bytes.extend(&self.signature);
        format!("{LINE_START}{} {}\n", self.name, BASE64.encode(&bytes))
    }

    /// Reads one line as [`NoteSignature::render_line`] writes it, its LF included.
    ///
    /// # Errors
    ///
    /// [`NoteError::SignatureLine`] if it is anything else.
    pub fn parse_line(line: &str) -> Result<Self, NoteError> {
        let parse = || {
            let (name, encoded) =
                line.strip_suffix('\n')?.strip_prefix(LINE_START)?.split_once(' ')?;
            let bytes = BASE64.decode(encoded.as_bytes()).ok()?;
            let (key_id, signature) = bytes.split_first_chunk()?;
            Self::new(KeyName::parse(name).ok()?, KeyId::from_bytes(*key_id), signature.to_vec())
        };
        parse().ok_or(NoteError::SignatureLine { line: 0 })
    }

    /// Reads lines one after the other, each with its LF: what a witness answers.
    ///
    /// # Errors
    ///
    /// [`NoteError::NoSignatures`] if there is none; [`NoteError::TooManySignatures`] above
    /// [`MAX_SIGNATURES`]; [`NoteError::SignatureLine`] with the place of the first malformed one.
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, NoteError> {
        let n_signatures = lines.split_inclusive('\n').count();
        check_count(n_signatures)?;
        lines
            .split_inclusive('\n')
            .enumerate()
            .map(|(at, line)| {
                Self::parse_line(line).ok().ok_or(NoteError::SignatureLine { line: at })
            })
            .collect()
    }
}

impl Note {
    /// A note of this text and these signature lines, which are not verified.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if the text or the number of signatures is one that no note may have.
    pub fn new(text: String, signatures: Vec<NoteSignature>) -> Result<Self, NoteError> {
        check_text(&text)?;
        check_count(signatures.len())?;
        let note = Self { text, signatures };
        check_size(note.render().len())?;
        Ok(note)
    }

    /// The note of a checkpoint with its log's line alone: always within the limits, because three
    /// lines whose origin is a key's name hold nothing that a note may not have.
    pub(crate) fn of_checkpoint(checkpoint: &Checkpoint, line: NoteSignature) -> Self {
        Self { text: checkpoint.to_text(), signatures: vec![line] }
    }

    /// Reads a note and verifies nothing.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if the bytes are not the one spelling of a note, or above the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        check_size(bytes.len())?;
        let whole = str::from_utf8(bytes).ok().ok_or(NoteError::NotUtf8)?;
        check_text(whole)?;
        // The text keeps the first of the two LF.
        let (before, lines) = whole.rsplit_once("\n\n").ok_or(NoteError::NoSignatures)?;
        let signatures = NoteSignature::parse_lines(lines)?;
        Ok(Self { text: format!("{before}\n"), signatures })
    }

    /// The text that is signed, its last LF included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in their order: 1..=[`MAX_SIGNATURES`].
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// The note as it travels.
    #[must_use]
    pub fn render(&self) -> String {
        let mut rendered = format!("{}\n", self.text);
        rendered.extend(self.signatures.iter().map(NoteSignature::render_line));
        rendered
    }

    /// Verifies the signatures by known keys and ignores all others.
    ///
    /// Every line by a known key must verify. Of several by one key, only one is reported: the first,
    /// or of cosignatures the one with the latest time. Keys whose algorithm is not supported count
    /// as unknown.
    ///
    /// # Errors
    ///
    /// [`NoteError::BadSignature`] if any line by a known key fails; [`NoteError::NoKnownSignature`] if
    /// there is none; [`NoteError::AmbiguousKey`] if the keys given cannot be told apart.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<Vec<VerifiedSignature>, NoteError> {
        let known = index_keys(keys)?;
        let mut verified: Vec<VerifiedSignature> = Vec::new();
        for line in &self.signatures {
            let Some(key) = known.get(&(&line.name, line.key_id)) else { continue };
            let cosigned_at_secs = verify_line(&self.text, line, key)?;
            match verified.iter_mut().find(|it| it.key == **key) {
                Some(earlier) => {
                    earlier.cosigned_at_secs = earlier.cosigned_at_secs.max(cosigned_at_secs);
                }
                None => {
                    verified.push(VerifiedSignature { key: (*key).clone(), cosigned_at_secs });
                }
            }
        }
        if verified.is_empty() {
            return Err(NoteError::NoKnownSignature);
        }
        Ok(verified)
    }
}

impl OpenedNote {
    /// The text that the verified signatures stand for.
    #[must_use]
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// The note, with all its lines.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The signatures that were verified, one for each key, in the order of the first line of each.
    #[must_use]
    pub fn verified(&self) -> &[VerifiedSignature] {
        &self.verified
    }

    /// The note and its verified signatures.
    #[must_use]
    pub fn into_parts(self) -> (Note, Vec<VerifiedSignature>) {
        (self.note, self.verified)
    }
}

/// Reads a note and verifies it, as [`Note::parse`] and [`Note::verify`] do.
///
/// # Errors
///
/// Those of [`Note::parse`] and [`Note::verify`].
pub fn open(bytes: &[u8], keys: &[VerifierKey]) -> Result<OpenedNote, NoteError> {
    let note = Note::parse(bytes)?;
    let verified = note.verify(keys)?;
    Ok(OpenedNote { note, verified })
}

/// Signs notes with an Ed25519 key (type 0x01). Its `Debug` does not show the key.
pub struct Signer {
    name: KeyName,
    key: SigningKey,
}

impl Signer {
    /// The signer of this name.
    #[must_use]
    pub const fn new(name: KeyName, key: SigningKey) -> Self {
        Self { name, key }
    }

    /// The key that verifies what this signer signs.
    ///
    /// # Errors
    ///
    /// [`KeyError::Weak`] cannot happen with a key made from a seed; it is passed on all the same.
    pub fn verifier_key(&self) -> Result<VerifierKey, KeyError> {
        VerifierKey::ed25519(self.name.clone(), &self.key.verifying_key())
    }

    /// This signer's line for a text, which is not checked: see [`Signer::sign_note`].
    #[must_use]
    pub fn sign(&self, text: &str) -> NoteSignature {
        sign_text(text, &self.name, &self.key)
    }

    /// A note of this text with this signer's line alone.
    ///
    /// # Errors
    ///
    /// As [`Note::new`].
    pub fn sign_note(&self, text: String) -> Result<Note, NoteError> {
        let signature = self.sign(&text);
        Note::new(text, vec![signature])
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The line of type 0x01 for a text.
pub(crate) fn sign_text(text: &str, name: &KeyName, key: &SigningKey) -> NoteSignature {
    NoteSignature {
        name: name.clone(),
        key_id: key_id(name, KeyType::Ed25519, key.verifying_key().as_bytes()),
        signature: key.sign(text.as_bytes()).to_bytes().to_vec(),
    }
}

/// The keys that can be verified, by the name and id that lines give.
fn index_keys(
    keys: &[VerifierKey],
) -> Result<BTreeMap<(&KeyName, KeyId), &VerifierKey>, NoteError> {
    let mut known = BTreeMap::new();
    for key in keys.iter().filter(|key| key.is_supported()) {
        if let Some(other) = known.insert((key.name(), key.id()), key)
            && other != key
        {
            return Err(NoteError::AmbiguousKey { name: key.name().clone(), id: key.id() });
        }
    }
    Ok(known)
}

/// Verifies a line by a known key; gives the time of a cosignature.
fn verify_line(
    text: &str,
    line: &NoteSignature,
    key: &VerifierKey,
) -> Result<Option<u64>, NoteError> {
    let bad = || NoteError::BadSignature { name: line.name.clone(), id: line.key_id };
    match key.key_type() {
        KeyType::Ed25519 => {
            let signature: &[u8; 64] = line.signature.as_slice().try_into().ok().ok_or_else(bad)?;
            key.signed(text.as_bytes(), signature).then_some(None).ok_or_else(bad)
        }
        KeyType::Cosignature => {
            cosigned_at(text, &line.signature, key).map(Some).ok().ok_or_else(bad)
        }
        KeyType::MlDsa44 => Err(bad()),
    }
}

fn check_size(n_bytes: usize) -> Result<(), NoteError> {
    if MAX_NOTE_BYTES < n_bytes { Err(NoteError::TooLarge { n_bytes }) } else { Ok(()) }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::UnfinishedText);
    }
    Ok(())
}

fn check_count(n_signatures: usize) -> Result<(), NoteError> {
    match n_signatures {
        0 => Err(NoteError::NoSignatures),
        1..=MAX_SIGNATURES => Ok(()),
        _ => Err(NoteError::TooManySignatures { n_signatures }),
    }
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
