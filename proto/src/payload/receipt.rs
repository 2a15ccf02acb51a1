//! `folkmoot.record.receipt.v1`, `folkmoot.record.cosignatures.v1` and `folkmoot.record.evidence.v1`.

use record::{
    UnixMillis,
    payload::{
        evidence::{Beginning, ForkEvidence},
        receipt::{Cosignatures, HeldHead, Receipt},
    },
};
use tlog::Hash;

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{ENTRIES, NOTE, PROOF, array, ascending, community, list},
};
use crate::kinds::{cosignatures as cosignatures_wire, evidence as evidence_wire, receipt as wire};

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

/// What a witness cosigned: at least one head, in ascending order of community and era, each once.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_cosignatures(
    payload: cosignatures_wire::Cosignatures,
) -> Result<Cosignatures, PayloadError> {
    let cosignatures_wire::Cosignatures { stated_at, heads } = payload;
    let parse = |head| {
        let cosignatures_wire::CosignedHead { community, era, size, root } = head;
        parse_head(wire::HeldHead { community, era, size, root })
    };
    if heads.is_empty() {
        return Err(Fault::Missing).within("heads");
    }
    let heads = list(heads, ENTRIES, parse)
        .and_then(|heads| ascending(heads, |head| (head.community, head.era)))
        .within("heads")?;
    Ok(Cosignatures { stated_at: UnixMillis(stated_at), heads })
}

/// The message of a witness's statement.
#[must_use]
pub fn render_cosignatures(cosignatures: &Cosignatures) -> cosignatures_wire::Cosignatures {
    let Cosignatures { stated_at, heads } = cosignatures;
    let render = |head| {
        let wire::HeldHead { community, era, size, root } = render_head(head);
        cosignatures_wire::CosignedHead { community, era, size, root }
    };
    cosignatures_wire::Cosignatures {
        stated_at: stated_at.0,
        heads: heads.iter().map(render).collect(),
    }
}

/// The evidence in a payload: two notes of at most [`tlog::note::MAX_NOTE_BYTES`], as received, and a proof of at most
/// [`tlog::MAX_CONSISTENCY_HASHES`]. Whether it proves anything is for [`record::fork`] to say.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_evidence(payload: evidence_wire::Evidence) -> Result<ForkEvidence, PayloadError> {
    let evidence_wire::Evidence { community: id, era, one, other, beginning } = payload;
    Ok(ForkEvidence {
        community: community(&id).within("community")?,
        era,
        one: note(one).within("one")?,
        other: note(other).within("other")?,
        beginning: beginning.map(parse_beginning).transpose().within("beginning")?,
    })
}

fn parse_beginning(beginning: evidence_wire::Beginning) -> Result<Beginning, PayloadError> {
    let evidence_wire::Beginning { root, proof } = beginning;
    let hash = |bytes: Vec<u8>| Ok(array(&bytes).map(Hash::from_bytes)?);
    Ok(Beginning {
        root: array(&root).map(Hash::from_bytes).within("root")?,
        proof: list(proof, PROOF, hash).within("proof")?,
    })
}

/// The message of evidence.
#[must_use]
pub fn render_evidence(evidence: &ForkEvidence) -> evidence_wire::Evidence {
    let ForkEvidence { community, era, one, other, beginning } = evidence;
    let bytes = |hash: &Hash| hash.as_bytes().to_vec();
    evidence_wire::Evidence {
        community: community.as_bytes().to_vec(),
        era: *era,
        one: one.clone(),
        other: other.clone(),
        beginning: beginning.as_ref().map(|Beginning { root, proof }| evidence_wire::Beginning {
            root: bytes(root),
            proof: proof.iter().map(bytes).collect(),
        }),
    }
}

fn note(bytes: Vec<u8>) -> Result<Vec<u8>, Fault> {
    if bytes.is_empty() {
        return Err(Fault::Missing);
    }
    NOTE.admit(bytes.len() as u64)?;
    Ok(bytes)
}
