//! Evidence of a fork, verified with nothing but the identity of the log.
//!
//! ```text
//! one, other ─signed by keys of that era─▶ two heads ─▶ of one size: the roots differ
//!                                                  └──▶ else: the larger begins with another tree, and a proof shows it
//! ```
//!
//! Whoever is accused is innocent until all of it holds. Retired keys get stolen: a head by one of them is evidence only
//! if the region's quorum cosigned it before the key retired (ARCHITECTURE §6, Forks), or as long as nobody has seen the
//! rotation, which is for the register to say: [`Standing`].

use tlog::{
    Checkpoint, Note, Policy, VerifierKey,
    checkpoint::{CheckpointError, open_note},
    note::NoteError,
    proof::ProofError,
    verify_consistency, verify_cosignature,
};

use crate::{
    identity::{Epoch, Identity, verifier_key},
    ids::{LogName, Network},
    payload::{ForkEvidence, evidence::Beginning},
    time::UnixMillis,
};

/// The longest text of somebody else that an error repeats, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is of another community or network than the identity.
    #[error("the evidence is of another community or network than the identity")]
    OtherCommunity,
    /// A head is not a note of a checkpoint.
    #[error("a head of the evidence cannot be read: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// A head is of another log than the one accused.
    #[error("a head is of `{found}`, not of `{expected}`")]
    OtherOrigin {
        /// The origin of the log accused.
        expected: String,
        /// The origin in the head, cut to 200 characters.
        found: String,
    },
    /// A head is not signed by any key that the identity gives that era.
    #[error("a head is signed by no key of this log")]
    UnknownKey,
    /// A signature by a key of the log does not verify.
    #[error("the signature on a head does not verify")]
    BadSignature,
    /// The heads are one, or do not stand in ascending order of size and root.
    #[error("the two heads are one, or do not stand in order")]
    NotTwo,
    /// Nothing shows that the heads contradict each other, or something is shown that is not asked for.
    #[error("nothing shows that the two heads contradict each other")]
    NoContradiction,
    /// The larger tree is not proved to begin with another tree.
    #[error("the larger tree is not proved to begin with another: {0}")]
    Proof(ProofError),
    /// A retired key signed one of the heads, and no quorum had cosigned that head before.
    #[error("a retired key signed one of the heads, and no quorum had cosigned it before")]
    RetiredKey,
}

impl EvidenceError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OtherCommunity => "evidence.other_community",
            Self::Malformed { .. } => "evidence.malformed",
            Self::OtherOrigin { .. } => "evidence.other_origin",
            Self::UnknownKey => "evidence.unknown_key",
            Self::BadSignature => "evidence.bad_signature",
            Self::NotTwo => "evidence.not_two",
            Self::NoContradiction => "evidence.no_contradiction",
            Self::Proof(_) => "evidence.bad_proof",
            Self::RetiredKey => "evidence.retired_key",
        }
    }
}

/// What the keys behind two contradicting heads make of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The newest key of the log signed both, or a quorum cosigned in time what a retired key signed.
    Holds,
    /// A key signed that a later record of this log retires. A community could take back what it signed by a rotation
    /// that nobody has seen, so the evidence holds while no quorum has stated a head that covers that record.
    UntilCovered {
        /// The index of the record.
        rotation_index: u64,
    },
    /// The era has ended: what counts of it is for the officers' recovery to say.
    Ended,
}

/// Two heads of one log that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedFork {
    /// The log.
    pub log: LogName,
    /// The heads in ascending order of size and root.
    pub heads: [Checkpoint; 2],
    /// What their keys make of them.
    pub standing: Standing,
}

/// Verifies that a log forked. `quorum` says whose cosignatures redeem a head by a retired key; without it none does.
///
/// # Errors
///
/// [`EvidenceError::RetiredKey`] if a head is by a retired key and not redeemed, and any error of [`open_evidence`].
pub fn verify_evidence(
    network: &Network,
    evidence: &ForkEvidence,
    identity: &Identity,
    quorum: Option<&Policy>,
) -> Result<VerifiedFork, EvidenceError> {
    let fork = open_evidence(network, evidence, identity, quorum)?;
    match fork.standing {
        Standing::Holds => Ok(fork),
        Standing::UntilCovered { .. } | Standing::Ended => Err(EvidenceError::RetiredKey),
    }
}

/// Verifies that two heads of one log were signed by keys of that era and contradict each other, and says what the keys
/// make of that.
///
/// # Errors
///
/// [`EvidenceError`] at the first thing that does not hold.
pub fn open_evidence(
    network: &Network,
    evidence: &ForkEvidence,
    identity: &Identity,
    quorum: Option<&Policy>,
) -> Result<VerifiedFork, EvidenceError> {
    let ForkEvidence { community, era, one, other, beginning } = evidence;
    let log = LogName { community: *community, era: *era };
    if (identity.network(), identity.community()) != (network, *community) {
        return Err(EvidenceError::OtherCommunity);
    }
    let [one, other] = [one, other].map(|note| SignedBy::open(log, identity, note));
    let (one, other) = (one?, other?);
    check_contradiction(&one.head, &other.head, beginning.as_ref())?;
    let standing = standing(log, identity, quorum, [&one, &other]);
    Ok(VerifiedFork { log, heads: [one.head, other.head], standing })
}

fn check_contradiction(
    one: &Checkpoint,
    other: &Checkpoint,
    beginning: Option<&Beginning>,
) -> Result<(), EvidenceError> {
    if (other.size, other.root) <= (one.size, one.root) {
        return Err(EvidenceError::NotTwo);
    }
    match beginning {
        // Of one size, in ascending order: the roots differ.
        None if one.size == other.size => Ok(()),
        Some(Beginning { root, proof }) if one.size < other.size && *root != one.root => {
            verify_consistency(one.size, root, other.size, &other.root, proof)
                .map_err(EvidenceError::Proof)
        }
        Some(_) | None => Err(EvidenceError::NoContradiction),
    }
}

/// A head with the epoch whose key signed it.
struct SignedBy {
    head: Checkpoint,
    note: Note,
    /// The number, in the identity, of the last epoch of that era with this log key.
    epoch_index: usize,
}

impl SignedBy {
    fn open(log: LogName, identity: &Identity, bytes: &[u8]) -> Result<Self, EvidenceError> {
        let malformed =
            |error: &dyn ToString| EvidenceError::Malformed { detail: error.to_string() };
        let note = Note::parse(bytes).map_err(|error| malformed(&error))?;
        let head = Checkpoint::parse_text(note.text()).map_err(|error| malformed(&error))?;
        let LogName { community, era } = log;
        let expected = identity.network().log_origin(&community, era);
        if head.origin.as_str() != expected {
            let found = head.origin.as_str().chars().take(MAX_SHOWN_CHARS).collect();
            return Err(EvidenceError::OtherOrigin { expected, found });
        }
        let epochs = identity.epochs().iter().enumerate().rev();
        for (epoch_index, epoch) in epochs.filter(|(_, epoch)| epoch.era == era) {
            let key = verifier_key(identity.network(), &community, era, epoch.keys.log());
            match open_note(note.clone(), &key, &[]) {
                Ok(_) => return Ok(Self { head, note, epoch_index }),
                Err(
                    CheckpointError::NotSignedByLog
                    | CheckpointError::Note(NoteError::NoKnownSignature),
                ) => {}
                Err(CheckpointError::Note(NoteError::BadSignature { .. })) => {
                    return Err(EvidenceError::BadSignature);
                }
                Err(error) => return Err(malformed(&error)),
            }
        }
        Err(EvidenceError::UnknownKey)
    }

    /// The epoch that retired the key which signed, if one did.
    fn retired_by<'a>(&self, identity: &'a Identity) -> Option<&'a Epoch> {
        identity.epochs().get(self.epoch_index.checked_add(1)?)
    }

    /// Whether a quorum cosigned this head before that time.
    fn is_cosigned_before(&self, quorum: Option<&Policy>, retired_at: UnixMillis) -> bool {
        let Some(policy) = quorum else { return false };
        let in_time = |key: &VerifierKey| {
            let mut times = self.note.signatures().iter().filter_map(|line| {
                verify_cosignature(self.note.text(), line, key).ok()?.checked_mul(1_000)
            });
            times.any(|at| at < retired_at.0)
        };
        let cosigned: Vec<_> =
            policy.witnesses().map(|(_, key)| key.clone()).filter(in_time).collect();
        // A policy that asks for nobody makes no quorum of nobody.
        !cosigned.is_empty() && policy.is_satisfied(&cosigned)
    }
}

fn standing(
    log: LogName,
    identity: &Identity,
    quorum: Option<&Policy>,
    heads: [&SignedBy; 2],
) -> Standing {
    if identity.kept(log.era).is_some() {
        return Standing::Ended;
    }
    let retired = heads.into_iter().filter_map(|it| Some((it, it.retired_by(identity)?)));
    let unredeemed = retired.filter(|(it, epoch)| !it.is_cosigned_before(quorum, epoch.since));
    match unredeemed.map(|(_, epoch)| epoch.from_index).min() {
        Some(rotation_index) => Standing::UntilCovered { rotation_index },
        None => Standing::Holds,
    }
}
