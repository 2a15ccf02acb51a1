//! The keys of a log, and a checkpoint opened with them.

use std::sync::Arc;

use record::{
    CommunityId, Network,
    identity::{Identity, IdentityBundle, MAX_BUNDLE_BYTES, verifier_key},
};
use tlog::{
    Checkpoint, Hash, Note, VerifierKey, checkpoint::CheckpointError, checkpoint::open_note,
    note::NoteError,
};

use crate::{fault::Fault, frame::LogName};

/// The longest text of a peer that is repeated to it in a refusal, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// Who signs the logs of a community, verified, with the bundle that proves it to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity {
    identity: Identity,
    bundle: Arc<[u8]>,
    n_records: usize,
}

impl LogIdentity {
    /// Reads and verifies an identity bundle of this community.
    ///
    /// # Errors
    ///
    /// [`Fault::IdentityTooLarge`], or [`Fault::IdentityInvalid`] with what does not hold.
    pub fn verify(
        network: &Network,
        community: CommunityId,
        bundle: &Arc<[u8]>,
    ) -> Result<Self, Fault> {
        let read = read_bundle(bundle)?;
        let verified = read
            .verify(Some(community), network, None)
            .map_err(|error| Fault::IdentityInvalid { detail: error.to_string() })?;
        let n_records = read.records.len();
        Ok(Self { identity: verified.identity, bundle: bundle.clone(), n_records })
    }

    /// What the identity records say.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The bundle, as it travels.
    #[must_use]
    pub const fn bundle(&self) -> &Arc<[u8]> {
        &self.bundle
    }

    /// Whether this identity is the other one or continues it: no key that the other knows is changed, and no record is
    /// missing, such as a change of officers.
    #[must_use]
    pub fn extends(&self, other: &Self) -> bool {
        self.identity.community() == other.identity.community()
            && other.n_records <= self.n_records
            && self.identity.epochs().starts_with(other.identity.epochs())
    }

    /// Whether this head is beyond what is kept of an era that has ended.
    #[must_use]
    pub fn is_beyond_kept(&self, log: LogName, head: &SignedHead) -> bool {
        self.identity.kept(log.era).is_some_and(|kept| kept.size < head.size())
    }

    /// Whether this head is exactly what is kept of an era that has ended.
    #[must_use]
    pub fn is_kept(&self, log: LogName, head: &SignedHead) -> bool {
        let kept = self.identity.kept(log.era);
        kept.is_some_and(|kept| (kept.size, &kept.root) == (head.size(), head.root()))
    }

    /// Whether a bundle holds more records than this one, as far as can be seen without verifying it.
    ///
    /// # Errors
    ///
    /// As [`LogIdentity::verify`], of a bundle that cannot be read.
    pub(crate) fn is_shorter_than(&self, bundle: &[u8]) -> Result<bool, Fault> {
        Ok(*bundle != *self.bundle && self.n_records < read_bundle(bundle)?.records.len())
    }
}

fn read_bundle(bundle: &[u8]) -> Result<IdentityBundle, Fault> {
    if MAX_BUNDLE_BYTES < bundle.len() {
        return Err(Fault::IdentityTooLarge { n_bytes: bundle.len() });
    }
    IdentityBundle::decode(bundle)
        .map_err(|error| Fault::IdentityInvalid { detail: error.to_string() })
}

/// A checkpoint whose log's signature has been verified, by the key in force at its size.
///
/// Cosignatures in the note are kept as they came, unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    size: u64,
    root: Hash,
    note: Arc<[u8]>,
    bare: Arc<[u8]>,
}

impl SignedHead {
    /// Reads a checkpoint of this log and verifies the log's signature.
    ///
    /// # Errors
    ///
    /// [`Fault::OtherOrigin`] if it is of another log or network; [`Fault::UnknownKey`] if the key in
    /// force at its size has not signed it; [`Fault::BadSignature`] if that key's line does not
    /// verify; [`Fault::HeadMalformed`] for anything else.
    pub fn open(
        network: &Network,
        log: LogName,
        identity: &LogIdentity,
        note_bytes: &Arc<[u8]>,
    ) -> Result<Self, Fault> {
        UnverifiedHead::read(network, log, identity, note_bytes)?.verify()
    }

    /// How many records it covers.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over them.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The note as it came, with all its lines.
    #[must_use]
    pub const fn note(&self) -> &Arc<[u8]> {
        &self.note
    }

    /// The note with the log's own signature only.
    #[must_use]
    pub const fn bare(&self) -> &Arc<[u8]> {
        &self.bare
    }

    /// Whether two heads say the same, whoever cosigned them.
    #[must_use]
    pub fn is_same_head_as(&self, other: &Self) -> bool {
        (self.size, self.root) == (other.size, other.root)
    }

    /// The head without cosignatures: a few hundred bytes.
    pub(crate) fn to_bare(&self) -> Self {
        Self { note: self.bare.clone(), ..self.clone() }
    }

    /// What the note takes of memory beyond the bare one.
    pub(crate) fn extra_bytes(&self) -> usize {
        if Arc::ptr_eq(&self.note, &self.bare) { 0 } else { self.note.len() }
    }
}

/// A checkpoint of a log as it came, with the key that is to have signed it.
#[derive(Debug)]
pub(crate) struct UnverifiedHead {
    head: SignedHead,
    note: Note,
    key: VerifierKey,
}

impl UnverifiedHead {
    /// Everything of [`SignedHead::open`] but the signature.
    pub(crate) fn read(
        network: &Network,
        log: LogName,
        identity: &LogIdentity,
        note_bytes: &Arc<[u8]>,
    ) -> Result<Self, Fault> {
        let note = Note::parse(note_bytes).map_err(|error| malformed(&error))?;
        let stated = Checkpoint::parse_text(note.text()).map_err(|error| malformed(&error))?;
        let LogName { community, era } = log;
        let expected = network.log_origin(&community, era);
        if stated.origin.as_str() != expected {
            let found = stated.origin.as_str().chars().take(MAX_SHOWN_CHARS).collect();
            return Err(Fault::OtherOrigin { expected, found });
        }
        let identity = identity.identity();
        let is_of_identity = (identity.network(), identity.community()) == (network, community);
        let log_key = identity.log_key_for(era, stated.size).filter(|_| is_of_identity);
        let log_key = *log_key.ok_or(Fault::UnknownKey)?;
        let key = verifier_key(network, &community, era, &log_key);
        // The kept head of an ended era may be signed by the key of the next: its size and root are the officers'.
        let kept_key = identity.kept_key(era).filter(|_| {
            let signed = note.signatures().iter().any(|line| line.is_by(&key));
            let kept = identity.kept(era).map(|it| (it.size, it.root));
            !signed && kept == Some((stated.size, stated.root))
        });
        let key = kept_key.map_or(key, |it| verifier_key(network, &community, era, it));
        let own_line = note.signatures().iter().find(|line| line.is_by(&key));
        let bare = Note::new(note.text().to_owned(), own_line.cloned().into_iter().collect())
            .map_err(|_no_line| Fault::UnknownKey)?;
        let bare: Arc<[u8]> = bare.render().into_bytes().into();
        let note_bytes = if bare == *note_bytes { bare.clone() } else { note_bytes.clone() };
        let head = SignedHead { size: stated.size, root: stated.root, note: note_bytes, bare };
        Ok(Self { head, note, key })
    }

    /// Verifies the signature of the log.
    pub(crate) fn verify(self) -> Result<SignedHead, Fault> {
        open_note(self.note, &self.key, &[]).map_err(|error| fault_of(&error))?;
        Ok(self.head)
    }

    /// What the signature depends on, if the log's key has signed once: the key, and the note with that line alone.
    pub(crate) fn signed_by(&self) -> Option<(VerifierKey, Arc<[u8]>)> {
        let n_lines = self.note.signatures().iter().filter(|line| line.is_by(&self.key)).count();
        (n_lines == 1).then(|| (self.key.clone(), self.head.bare.clone()))
    }

    /// The head, whose signature has been verified before.
    pub(crate) fn known(self) -> SignedHead {
        self.head
    }
}

fn malformed(error: &impl ToString) -> Fault {
    Fault::HeadMalformed { detail: error.to_string() }
}

fn fault_of(error: &CheckpointError) -> Fault {
    match error {
        CheckpointError::NotSignedByLog => Fault::UnknownKey,
        CheckpointError::Note(NoteError::BadSignature { .. }) => Fault::BadSignature,
        CheckpointError::Note(_)
        | CheckpointError::TooFewLines
        | CheckpointError::ExtensionLines
        | CheckpointError::Origin
        | CheckpointError::Size
        | CheckpointError::Root
        | CheckpointError::EmptyTreeRoot
        | CheckpointError::NotALogKey
        | CheckpointError::OtherOrigin { .. }
        | CheckpointError::DifferentText => malformed(error),
    }
}
