//! Fork evidence: two signed heads of one log that cannot both be true, so put together that anybody can check it.

use record::{
    Network,
    fork::{EvidenceError, verify_evidence},
    identity::{Identity, verifier_key},
    payload::{ForkEvidence, evidence::Beginning},
};
use tlog::{Note, Policy};

use crate::{
    fault::Fault,
    frame::LogName,
    head::{LogIdentity, SignedHead},
};

/// Two heads of one log as evidence, verified as anybody else will.
///
/// Of heads of different sizes, `beginning` shows that the larger tree does not begin with the smaller. The smaller head
/// stands first. Each note is reduced to the log's own signature, unless a key has been retired: then the cosignatures
/// say whether it counts, and `quorum` which of them are needed.
///
/// # Errors
///
/// [`Fault::RetiredKey`] if a key behind a head is retired and the quorum had not cosigned that head before: the key may
/// be a stolen one, and an innocent community must not be frozen by it. [`Fault::HeadMalformed`] if the two do not
/// contradict each other, [`Fault::OtherOrigin`] if one is of another log.
pub fn fork_evidence(
    network: &Network,
    log: LogName,
    identity: &LogIdentity,
    [one, other]: [&SignedHead; 2],
    (beginning, quorum): (Option<Beginning>, Option<&Policy>),
) -> Result<ForkEvidence, Fault> {
    let is_in_order = (one.size(), one.root()) <= (other.size(), other.root());
    let [one, other] = if is_in_order { [one, other] } else { [other, one] };
    let LogName { community, era } = log;
    let of = |notes: [&[u8]; 2]| {
        let [one, other] = notes.map(<[u8]>::to_vec);
        ForkEvidence { community, era, one, other, beginning: beginning.clone() }
    };
    let verified = |evidence: ForkEvidence| {
        verify_evidence(network, &evidence, identity.identity(), quorum).map(|_| evidence)
    };
    match verified(of([one.bare(), other.bare()])) {
        Err(EvidenceError::RetiredKey) => verified(of([one.note(), other.note()])),
        done => done,
    }
    .map_err(fault_of)
}

/// Evidence that a peer shows beside its refusal of a log, verified as if it had been found here, and without any line that
/// it does not need.
///
/// # Errors
///
/// [`Fault::BadEvidence`] with what does not hold; as for another community if it is of another log than is refused.
pub fn verified_evidence(
    network: &Network,
    (refused, evidence): (Option<LogName>, &ForkEvidence),
    identity: &LogIdentity,
    quorum: Option<&Policy>,
) -> Result<ForkEvidence, Fault> {
    let bad = |error| Fault::BadEvidence { error };
    let log = LogName { community: evidence.community, era: evidence.era };
    if refused != Some(log) {
        return Err(bad(EvidenceError::OtherCommunity));
    }
    let identity = identity.identity();
    let verified = |evidence: &ForkEvidence| {
        verify_evidence(network, evidence, identity, quorum).map(|_| evidence.clone())
    };
    let bare = |note: &[u8]| bare_note(log, identity, note);
    let of_log = bare(&evidence.one).zip(bare(&evidence.other));
    let of_log = of_log.map(|(one, other)| ForkEvidence { one, other, ..evidence.clone() });
    match of_log.as_ref().map(verified) {
        Some(Ok(evidence)) => Ok(evidence),
        // Cosignatures may redeem what a retired key signed.
        Some(Err(EvidenceError::RetiredKey)) | None => verified(evidence).map_err(bad),
        Some(Err(error)) => Err(bad(error)),
    }
}

/// A note with the one line that evidence is verified by; `None` if no key of that era signed it.
fn bare_note(log: LogName, identity: &Identity, note: &[u8]) -> Option<Vec<u8>> {
    let note = Note::parse(note).ok()?;
    let epochs = identity.epochs().iter().rev().filter(|epoch| epoch.era == log.era);
    let keys =
        epochs.map(|it| verifier_key(identity.network(), &log.community, log.era, it.keys.log()));
    let signed_by = |key| note.signatures().iter().find(|line| line.is_by(&key)).cloned();
    let line = keys.into_iter().find_map(signed_by)?;
    Some(Note::new(note.text().to_owned(), vec![line]).ok()?.render().into_bytes())
}

fn fault_of(error: EvidenceError) -> Fault {
    match error {
        EvidenceError::RetiredKey => Fault::RetiredKey,
        EvidenceError::UnknownKey => Fault::UnknownKey,
        EvidenceError::BadSignature => Fault::BadSignature,
        EvidenceError::OtherOrigin { expected, found } => Fault::OtherOrigin { expected, found },
        EvidenceError::OtherCommunity
        | EvidenceError::Malformed { .. }
        | EvidenceError::NotTwo
        | EvidenceError::NoContradiction
        | EvidenceError::Proof(_) => Fault::HeadMalformed { detail: error.to_string() },
    }
}
