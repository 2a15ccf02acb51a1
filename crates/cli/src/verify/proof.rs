//! A `.tlog-proof` of one record. One saved from our pages carries the record and its author's identity.

use record::{
    Header, LogName, RecordId, UnixMillis,
    commitment::Salt,
    identity::Identity,
    proof_extra::RecordProofExtra,
    verified::{Content, ExpectedPlace},
};
use serde::Serialize;
use tlog::{Note, TlogProof, VerifierKey, leaf_hash, verify_inclusion};

use super::{
    identity::{self, Who},
    trust::{Head, Trust},
};
use crate::Failure;

/// What lies beside a proof in files of its own; it goes before what the proof carries.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// The author's identity bundle.
    pub(super) identity: Option<Vec<u8>>,
    /// The header.
    pub(super) header: Option<Vec<u8>>,
    /// Salt and payload.
    pub(super) payload: Option<Vec<u8>>,
}

/// A record that is in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RecordReport {
    #[serde(flatten)]
    pub(super) who: Who,
    /// The era of the log.
    pub(super) era: u32,
    /// The record's place in it.
    pub(super) index: u64,
    /// The record's id.
    pub(super) record: RecordId,
    /// Its kind.
    pub(super) kind: String,
    /// When its author says that it was written.
    pub(super) time: UnixMillis,
    /// `verified`, or `absent`: erased, or too large for the proof.
    pub(super) payload: &'static str,
    /// The payload's length.
    pub(super) payload_bytes: u32,
    /// The checkpoint that it leads to.
    pub(super) checkpoint: Head,
}

/// Verifies a proof with what it carries and what lies beside it.
pub(super) fn verify(bytes: &[u8], beside: Beside, trust: &Trust) -> Result<RecordReport, Failure> {
    let proof = TlogProof::parse(bytes).map_err(|error| {
        refused("proof.malformed", &format!("The proof cannot be read: {error}."))
    })?;
    let Parts { header: header_bytes, content, identity } = parts(&proof, beside)?;
    let header = Header::decode(&header_bytes)
        .map_err(|error| refused(error.reason(), &format!("The record does not hold: {error}.")))?;
    check_index(&proof, &header)?;
    let identity = identity.map(|it| open_identity(&it, &header, trust)).transpose()?;
    let key = log_key(identity.as_ref(), &header, proof.checkpoint_note(), trust)?;
    let (checkpoint, head) = trust.judge(proof.checkpoint_note().clone(), &key)?;
    let leaf = leaf_hash(&header_bytes);
    verify_inclusion(leaf, proof.index(), checkpoint.size, proof.hashes(), &checkpoint.root)
        .map_err(|error| {
            let text = format!("The record is not proved to be in the log: {error}.");
            refused("proof.not_in_log", &text)
        })?;
    if let Some(identity) = &identity {
        check_kept(identity, &header)?;
    }
    let payload = check_payload(&header, header_bytes, content)?;
    Ok(RecordReport {
        who: who(identity.as_ref(), &header, trust),
        era: header.era,
        index: header.index,
        record: RecordId::from_leaf(leaf),
        kind: header.kind.to_string(),
        time: header.time,
        payload,
        payload_bytes: header.payload_bytes,
        checkpoint: head,
    })
}

fn refused(reason: &'static str, detail: &str) -> Failure {
    Failure::does_not_hold(reason, detail)
}

/// The record and its author's identity, from wherever they came.
struct Parts {
    header: Vec<u8>,
    content: Option<Content>,
    identity: Option<Vec<u8>>,
}

fn parts(proof: &TlogProof, beside: Beside) -> Result<Parts, Failure> {
    let Beside { identity, header, payload } = beside;
    let is_foreign_allowed = header.is_some();
    let extra = match proof.extra().map(RecordProofExtra::decode) {
        Some(Ok(extra)) => Some(extra),
        // Other programs put other things there; they do not matter if the record is at hand.
        Some(Err(_)) if is_foreign_allowed => None,
        Some(Err(error)) => {
            let text = format!(
                "The record that the proof carries cannot be read: {error}. Give it with --record."
            );
            return Err(refused("proof.extra", &text));
        }
        None => None,
    };
    let (carried_header, carried_content, carried_identity) = match extra {
        Some(RecordProofExtra { header, content, identity }) => {
            (Some(header), content, Some(identity).filter(|it| !it.is_empty()))
        }
        None => (None, None, None),
    };
    let no_header = "The proof does not carry the record. Give its header with --record, or fetch the proof again from /log/ID/ERA/proof/N.";
    Ok(Parts {
        header: header.or(carried_header).ok_or_else(|| refused("proof.no_record", no_header))?,
        content: payload.map(|it| content_of(&it)).transpose()?.or(carried_content),
        identity: identity.or(carried_identity),
    })
}

/// Salt and payload, as the page of a payload gives them.
pub(super) fn content_of(page: &[u8]) -> Result<Content, Failure> {
    let (salt, payload) = page.split_first_chunk().ok_or_else(|| {
        refused(
            "record.payload_mismatch",
            "A payload begins with 32 bytes of salt; this one is shorter.",
        )
    })?;
    Ok(Content { salt: Salt(*salt), payload: payload.to_vec() })
}

fn check_index(proof: &TlogProof, header: &Header) -> Result<(), Failure> {
    if proof.index() == header.index {
        return Ok(());
    }
    let text = format!(
        "The proof is of number {}, and the record says that it is number {}.",
        proof.index(),
        header.index
    );
    Err(refused("record.out_of_place", &text))
}

fn open_identity(bytes: &[u8], header: &Header, trust: &Trust) -> Result<Identity, Failure> {
    if let Some(expected) = trust.community.filter(|it| *it != header.community) {
        let text = format!("The record is of {}, not of {expected}.", header.community);
        return Err(refused("identity.other_community", &text));
    }
    let (verified, _) = identity::open(bytes, Some(header.community))?;
    if *verified.identity.network() != header.network {
        let text = format!(
            "The record is of the network {}, and its author's identity is not.",
            header.network
        );
        return Err(refused("record.other_network", &text));
    }
    Ok(verified.identity)
}

/// The key that must have signed: that of the identity, else the one given.
fn log_key(
    identity: Option<&Identity>,
    header: &Header,
    note: &Note,
    trust: &Trust,
) -> Result<VerifierKey, Failure> {
    if let Some(identity) = identity {
        return Ok(identity::head_key(identity, header.era, note));
    }
    if let Some(expected) = trust.community.filter(|it| *it != header.community) {
        let text = format!("The record is of {}, not of {expected}.", header.community);
        return Err(refused("identity.other_community", &text));
    }
    let no_key = "The proof does not carry its author's identity. Give the log's key with --key, or the identity bundle with --identity.";
    let key = trust.key.clone().ok_or_else(|| refused("proof.no_key", no_key))?;
    let origin = header.network.log_origin(&header.community, header.era);
    if key.name().as_str() != origin {
        let text = format!("The key is of the log {}, and the record of {origin}.", key.name());
        return Err(refused("key.other", &text));
    }
    Ok(key)
}

/// What a recovery did not keep of an era no longer counts, although it was signed.
fn check_kept(identity: &Identity, header: &Header) -> Result<(), Failure> {
    match identity.kept(header.era) {
        Some(kept) if kept.size <= header.index => {
            let log = LogName { community: header.community, era: header.era };
            let text = format!(
                "The community ended era {} at {} records, and this is number {} of {log}: it was given up.",
                header.era, kept.size, header.index
            );
            Err(refused("record.not_kept", &text))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_payload(
    header: &Header,
    header_bytes: Vec<u8>,
    content: Option<Content>,
) -> Result<&'static str, Failure> {
    if content.is_none() {
        return Ok("absent");
    }
    let Header { network, community, era, index, .. } = header;
    let place = ExpectedPlace { network, community: *community, era: *era, index: *index };
    let verified = record::verified::verify(header_bytes, content, &place);
    verified
        .map(|_| "verified")
        .map_err(|error| refused(error.reason(), &format!("The record does not hold: {error}.")))
}

fn who(identity: Option<&Identity>, header: &Header, trust: &Trust) -> Who {
    match identity {
        Some(identity) => identity::who(identity, trust),
        None => Who {
            community: header.community,
            name: None,
            network: header.network.clone(),
            known_before: trust.community.is_some() || trust.key.is_some(),
        },
    }
}
