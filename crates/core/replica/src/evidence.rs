//! Fork evidence: two signed heads of one log that cannot both be true, so put together that anybody can check it.

use record::{
    Network,
    fork::{EvidenceError, verify_evidence},
    payload::{ForkEvidence, evidence::Beginning},
};
use tlog::Policy;

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
