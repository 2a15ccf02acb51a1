//! The raw ids, hashes and contents that the services carry, checked for their lengths.
//!
//! Not here: frames as a whole, which `peer` converts to the steps of the replication protocol.

use record::{
    CommunityId, RecordId, RegionId, VerifiedRecord, commitment::Salt, verified::Content,
};
use tlog::Hash;

use crate::v1;

/// Why a field of a service message does not hold an id, hash or salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {found} bytes in place of 32")]
pub struct LengthError {
    /// What was expected.
    pub what: &'static str,
    /// The number of bytes that came.
    pub found: usize,
}

impl LengthError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "message.wrong_length"
    }
}

fn array(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], LengthError> {
    bytes.try_into().ok().ok_or(LengthError { what, found: bytes.len() })
}

/// The community id in these bytes.
///
/// # Errors
///
/// [`LengthError`] unless they are 32.
pub fn community_from(bytes: &[u8]) -> Result<CommunityId, LengthError> {
    array("the id of a community", bytes).map(CommunityId::from_bytes)
}

/// The region id in these bytes.
///
/// # Errors
///
/// [`LengthError`] unless they are 32.
pub fn region_from(bytes: &[u8]) -> Result<RegionId, LengthError> {
    array("the id of a region", bytes).map(RegionId::from_bytes)
}

/// The record id in these bytes.
///
/// # Errors
///
/// [`LengthError`] unless they are 32.
pub fn record_id_from(bytes: &[u8]) -> Result<RecordId, LengthError> {
    array("the id of a record", bytes).map(RecordId::from_bytes)
}

/// The hash in these bytes.
///
/// # Errors
///
/// [`LengthError`] unless they are 32.
pub fn hash_from(bytes: &[u8]) -> Result<Hash, LengthError> {
    array("a hash", bytes).map(Hash::from_bytes)
}

/// The hashes of a proof, in order.
///
/// # Errors
///
/// [`LengthError`] unless each has 32 bytes.
pub fn hashes_from(all: &[Vec<u8>]) -> Result<Vec<Hash>, LengthError> {
    all.iter().map(|bytes| hash_from(bytes)).collect()
}

/// The hashes of a proof as bytes, in order.
#[must_use]
pub fn hashes_to(all: &[Hash]) -> Vec<Vec<u8>> {
    all.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

/// The salt and payload in a message.
///
/// # Errors
///
/// [`LengthError`] unless the salt has 32 bytes.
pub fn content_from(content: v1::Content) -> Result<Content, LengthError> {
    let v1::Content { salt, payload } = content;
    Ok(Content { salt: Salt(array("the salt of a payload", &salt)?), payload })
}

/// The message of a salt and payload.
#[must_use]
pub fn content_to(content: &Content) -> v1::Content {
    let Content { salt: Salt(salt), payload } = content;
    v1::Content { salt: salt.to_vec(), payload: payload.clone() }
}

/// The header's bytes and the content of a record, neither of them verified.
///
/// # Errors
///
/// [`LengthError`] unless the salt, if there is one, has 32 bytes.
pub fn raw_record_from(record: v1::RawRecord) -> Result<(Vec<u8>, Option<Content>), LengthError> {
    let v1::RawRecord { header, content, erased_by: _ } = record;
    Ok((header, content.map(content_from).transpose()?))
}

/// The message of a record, from its header's bytes and its content, if that is not erased.
#[must_use]
pub fn raw_record_to(header: &[u8], content: Option<&Content>) -> v1::RawRecord {
    v1::RawRecord {
        header: header.to_vec(),
        content: content.map(content_to),
        erased_by: Vec::new(),
    }
}

/// The message of a verified record.
#[must_use]
pub fn verified_record_to(record: &VerifiedRecord) -> v1::RawRecord {
    raw_record_to(record.header_bytes(), record.content())
}

/// Bytes that are no message of the expected form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be read: {what}")]
pub struct MalformedError {
    /// What is wrong.
    pub what: String,
}

impl MalformedError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "message.malformed"
    }
}

fn decode<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, MalformedError> {
    M::decode(bytes).map_err(|error| MalformedError { what: error.to_string() })
}

/// The frame in these bytes, for streams that carry no gRPC.
///
/// # Errors
///
/// [`MalformedError`] if they are no frame.
pub fn decode_frame(bytes: &[u8]) -> Result<v1::Frame, MalformedError> {
    decode(bytes)
}

/// The bytes of a frame.
#[must_use]
pub fn encode_frame(frame: &v1::Frame) -> Vec<u8> {
    prost::Message::encode_to_vec(frame)
}

/// The doorbell in these bytes.
///
/// # Errors
///
/// [`MalformedError`] if they are none.
pub fn decode_doorbell(bytes: &[u8]) -> Result<v1::Doorbell, MalformedError> {
    decode(bytes)
}

/// The bytes of a doorbell.
#[must_use]
pub fn encode_doorbell(doorbell: &v1::Doorbell) -> Vec<u8> {
    prost::Message::encode_to_vec(doorbell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_32_bytes_and_neither_31_nor_33() {
        assert_eq!(community_from(&[7; 32]), Ok(CommunityId::from_bytes([7; 32])));
        assert_eq!(region_from(&[7; 32]), Ok(RegionId::from_bytes([7; 32])));
        assert_eq!(record_id_from(&[7; 32]), Ok(RecordId::from_bytes([7; 32])));
        for found in [0, 31, 33] {
            let bytes = vec![7; found];
            assert_eq!(community_from(&bytes).unwrap_err().found, found);
            assert_eq!(region_from(&bytes).unwrap_err().found, found);
            assert_eq!(record_id_from(&bytes).unwrap_err().found, found);
            assert_eq!(hash_from(&bytes).unwrap_err().found, found);
        }
    }

    #[test]
    fn a_proof_with_one_short_hash_is_refused() {
        let proof = hashes_to(&[Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])]);
        assert_eq!(hashes_from(&proof).map(|all| hashes_to(&all)), Ok(proof.clone()));
        let short = [proof, vec![vec![3; 31]]].concat();
        assert_eq!(hashes_from(&short).unwrap_err().found, 31);
    }

    #[test]
    fn a_record_reads_back_with_and_without_its_content() {
        let content = Content { salt: Salt([5; 32]), payload: b"payload".to_vec() };
        for content in [Some(content), None] {
            let message = raw_record_to(b"header", content.as_ref());
            assert_eq!(raw_record_from(message), Ok((b"header".to_vec(), content)));
        }
    }

    #[test]
    fn a_salt_of_31_bytes_is_refused() {
        let content = v1::Content { salt: vec![5; 31], payload: vec![] };
        let record = v1::RawRecord { content: Some(content), ..v1::RawRecord::default() };
        let refusal = raw_record_from(record).unwrap_err();
        assert_eq!(refusal.to_string(), "the salt of a payload has 31 bytes in place of 32");
        assert_eq!(refusal.reason(), "message.wrong_length");
    }

    #[test]
    fn frames_and_doorbells_read_back_and_half_of_one_does_not() {
        let want = v1::Want { community: vec![7; 32], era: 1, start: 2, end: 3, credit: 4 };
        let frame = v1::Frame { step: Some(v1::frame::Step::Want(want)) };
        let bytes = encode_frame(&frame);
        assert_eq!(decode_frame(&bytes), Ok(frame));
        assert!(decode_frame(bytes.split_last().unwrap().1).is_err());
        let doorbell =
            v1::Doorbell { community: vec![7; 32], era: 1, size: 2, checkpoint: vec![3; 9] };
        let bytes = encode_doorbell(&doorbell);
        assert_eq!(decode_doorbell(&bytes), Ok(doorbell));
        assert_eq!(decode_doorbell(&bytes[..9]).unwrap_err().reason(), "message.malformed");
    }
}
