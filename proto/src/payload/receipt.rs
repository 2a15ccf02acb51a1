//! `folkmoot.record.receipt.v1` and `folkmoot.record.evidence.v1`.

use record::{
    UnixMillis,
    payload::{
        evidence::ForkEvidence,
        receipt::{HeldHead, Receipt},
    },
};
use tlog::Hash;

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{ENTRIES, NOTE, array, ascending, community, list},
};
use crate::kinds::{evidence as evidence_wire, receipt as wire};

/// The receipt in a payload: at least one head, in ascending order of community and era, each once.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_receipt(payload: wire::Receipt) -> Result<Receipt, PayloadError> {
    let wire::Receipt { received_at, heads } = payload;
    if heads.is_empty() {
        return Err(Fault::Missing).within("heads");
    }
    let heads = list(heads, ENTRIES, parse_head)
        .and_then(|heads| ascending(heads, |head| (head.community, head.era)))
        .within("heads")?;
    Ok(Receipt { received_at: UnixMillis(received_at), heads })
}

/// The message of a receipt.
#[must_use]
pub fn render_receipt(receipt: &Receipt) -> wire::Receipt {
    let Receipt { received_at, heads } = receipt;
    wire::Receipt { received_at: received_at.0, heads: heads.iter().map(render_head).collect() }
}

fn parse_head(head: wire::HeldHead) -> Result<HeldHead, PayloadError> {
    let wire::HeldHead { community: id, era, size, root } = head;
    Ok(HeldHead {
        community: community(&id).within("community")?,
        era,
        size,
        root: array(&root).map(Hash::from_bytes).within("root")?,
    })
}

fn render_head(head: &HeldHead) -> wire::HeldHead {
    let HeldHead { community, era, size, root } = *head;
    wire::HeldHead {
        community: community.as_bytes().to_vec(),
        era,
        size,
        root: root.as_bytes().to_vec(),
    }
}

/// The evidence in a payload: two notes of at most [`tlog::note::MAX_NOTE_BYTES`], as received.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_evidence(payload: evidence_wire::Evidence) -> Result<ForkEvidence, PayloadError> {
    let evidence_wire::Evidence { community: id, era, one, other } = payload;
    Ok(ForkEvidence {
        community: community(&id).within("community")?,
        era,
        one: note(one).within("one")?,
        other: note(other).within("other")?,
    })
}

/// The message of evidence.
#[must_use]
pub fn render_evidence(evidence: &ForkEvidence) -> evidence_wire::Evidence {
    let ForkEvidence { community, era, one, other } = evidence;
    evidence_wire::Evidence {
        community: community.as_bytes().to_vec(),
        era: *era,
        one: one.clone(),
        other: other.clone(),
    }
}

fn note(bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Missing);
    }
    NOTE.admit(bytes.len() as u64)?;
    Ok(bytes)
}
