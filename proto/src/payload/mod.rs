//! Payloads: from bytes to what the rules see, and back.
//!
//! [`decode`] is strict: unknown enum values, ids of another length, lists above their limits or out of order, absent
//! parts, texts that are not canonical, and unknown fields are refused, each with the path of the field. As its last
//! step it encodes what it decoded and compares, so that a payload has one encoding only. [`encode`] writes that
//! encoding and checks nothing: an author decodes what it is about to sign. Epochs of a region have a codec of their own
//! ([`record::region`]), because their bytes are hashed.
//!
//! Not here: what a payload may say in its case, such as a threshold between 0 and 1 (`civic` refuses that with a reason
//! of its own), and identity and recovery ([`record::identity`]).

pub mod affiliation;
pub mod covenant;
pub mod erasure;
mod error;
pub mod index;
pub mod opportunity;
pub mod poll;
pub mod pool;
pub mod receipt;
mod shapes;
pub mod status;
pub mod words;

pub use error::{Fault, PayloadError};

use prost::Message;
use record::{Payload, kind::Known, limits::MAX_PAYLOAD_BYTES, region::RegionAction};

/// The payload of this kind in these bytes.
///
/// # Errors
///
/// [`PayloadError`] with the field's path. [`PayloadError::OfIdentity`] for identity and recovery;
/// [`PayloadError::NotCanonicalOrUnknownFields`] if encoding the result does not give the same bytes.
pub fn decode(kind: Known, bytes: &[u8]) -> Result<Payload, PayloadError> {
    if MAX_PAYLOAD_BYTES < bytes.len() {
        return Err(PayloadError::TooLarge { found: bytes.len() });
    }
    let payload = parse(kind, bytes)?;
    if encode(&payload) == bytes {
        Ok(payload)
    } else {
        Err(PayloadError::NotCanonicalOrUnknownFields)
    }
}

fn parse(kind: Known, bytes: &[u8]) -> Result<Payload, PayloadError> {
    Ok(match kind {
        Known::Identity | Known::Recovery => return Err(PayloadError::OfIdentity(kind)),
        Known::Text => Payload::Text(words::parse_text(message(bytes)?)?),
        Known::Notice => Payload::Notice(words::parse_notice(message(bytes)?)?),
        Known::Covenant => Payload::Covenant(covenant::parse(message(bytes)?)?),
        Known::Opportunity => Payload::Opportunity(opportunity::parse(message(bytes)?)?),
        Known::Pool => Payload::Pool(pool::parse_pool(message(bytes)?)?),
        Known::Pledge => Payload::Pledge(pool::parse_pledge(message(bytes)?)?),
        Known::Roll => Payload::Roll(poll::parse_roll(message(bytes)?)?),
        Known::Poll => Payload::Poll(poll::parse_poll(message(bytes)?)?),
        Known::Tally => Payload::Tally(poll::parse_tally(message(bytes)?)?),
        Known::Result => Payload::Result(poll::parse_result(message(bytes)?)?),
        Known::Receipt => Payload::Receipt(receipt::parse_receipt(message(bytes)?)?),
        Known::Cosignatures => Payload::Cosignatures(receipt::parse_cosignatures(message(bytes)?)?),
        Known::Evidence => Payload::Evidence(receipt::parse_evidence(message(bytes)?)?),
        Known::RegionEpoch => Payload::RegionEpoch(RegionAction::decode(bytes)?),
        Known::Affiliation => Payload::Affiliation(affiliation::parse(message(bytes)?)?),
        Known::Erase => Payload::Erase(erasure::parse_erase(message(bytes)?)?),
        Known::Erased => Payload::Erased(erasure::parse_erased(message(bytes)?)?),
        Known::Index => Payload::Index(index::parse(message(bytes)?)?),
        Known::Status => Payload::Status(status::parse(message(bytes)?)?),
    })
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, PayloadError> {
    M::decode(bytes).map_err(PayloadError::Malformed)
}

/// The one encoding of a payload. Nothing is checked; [`decode`] the bytes before signing them.
#[must_use]
pub fn encode(payload: &Payload) -> Vec<u8> {
    match payload {
        Payload::Text(text) => words::render_text(text).encode_to_vec(),
        Payload::Notice(notice) => words::render_notice(notice).encode_to_vec(),
        Payload::Covenant(action) => covenant::render(action).encode_to_vec(),
        Payload::Opportunity(action) => opportunity::render(action).encode_to_vec(),
        Payload::Pool(action) => pool::render_pool(action).encode_to_vec(),
        Payload::Pledge(action) => pool::render_pledge(action).encode_to_vec(),
        Payload::Roll(roll) => poll::render_roll(roll).encode_to_vec(),
        Payload::Poll(action) => poll::render_poll(action).encode_to_vec(),
        Payload::Tally(action) => poll::render_tally(action).encode_to_vec(),
        Payload::Result(action) => poll::render_result(action).encode_to_vec(),
        Payload::Receipt(receipt) => receipt::render_receipt(receipt).encode_to_vec(),
        Payload::Cosignatures(stated) => receipt::render_cosignatures(stated).encode_to_vec(),
        Payload::Evidence(evidence) => receipt::render_evidence(evidence).encode_to_vec(),
        Payload::RegionEpoch(action) => action.encode(),
        Payload::Affiliation(affiliation) => affiliation::render(affiliation).encode_to_vec(),
        Payload::Erase(erase) => erasure::render_erase(erase).encode_to_vec(),
        Payload::Erased(erased) => erasure::render_erased(erased).encode_to_vec(),
        Payload::Index(index) => index::render(index).encode_to_vec(),
        Payload::Status(status) => status::render(status).encode_to_vec(),
    }
}
