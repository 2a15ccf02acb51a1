//! What a `.tlog-proof` of a record carries beside the proof, so that one file is enough to check the record offline.
//!
//! | field | number | type |
//! |---|---|---|
//! | header | 1 | bytes: the header, verbatim |
//! | salt | 2 | 32 bytes; left out with the payload |
//! | payload | 3 | bytes |
//! | identity | 4 | bytes: an identity bundle |
//!
//! The format says that nothing authenticates its `extra` line, and nothing here is to be believed because it stands
//! there. But all of it can be checked against the proof: the header's leaf hash is the leaf that is proved, the header
//! commits to salt and payload and names the community, and the community's id is the hash of the bundle's genesis.

use crate::{
    commitment::Salt,
    verified::Content,
    wire::{Field, Reader, WireError, Writer},
};

/// The largest extra, in bytes: what a `.tlog-proof` may carry.
pub const MAX_PROOF_EXTRA_BYTES: usize = tlog::proof_file::MAX_EXTRA_BYTES;

/// A record and its author's identity, as they travel in the `extra` line of a proof. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordProofExtra {
    /// The header, as the author wrote it.
    pub header: Vec<u8>,
    /// The salt and the payload; `None` once erased, and where they do not fit.
    pub content: Option<Content>,
    /// The author's encoded identity bundle; empty where it does not fit.
    pub identity: Vec<u8>,
}

/// Why bytes are not an extra of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofExtraError {
    /// More than [`MAX_PROOF_EXTRA_BYTES`].
    #[error("the extra line has {n_bytes} bytes; the limit is {MAX_PROOF_EXTRA_BYTES}")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// The bytes are not in the strict subset.
    #[error("the extra line is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("field {field} of the extra line is missing or malformed")]
    Field {
        /// The field's number.
        field: u64,
    },
    /// The bytes mean an extra, but are not its one encoding.
    #[error("the extra line is not in its one canonical encoding")]
    NotCanonical,
}

impl RecordProofExtra {
    /// The extra's one encoding. Above [`MAX_PROOF_EXTRA_BYTES`] no proof can carry it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { header, content, identity } = self;
        let mut writer = Writer::default();
        writer.bytes(1, header);
        if let Some(Content { salt, payload }) = content {
            writer.bytes(2, &salt.0).bytes(3, payload);
        }
        writer.bytes(4, identity);
        writer.finish()
    }

    /// The encoding that a proof can carry: without the payload if that is what makes it too large, and without the
    /// identity if it still is. A header always fits.
    #[must_use]
    pub fn encode_to_fit(mut self) -> Vec<u8> {
        let whole = self.encode();
        if whole.len() <= MAX_PROOF_EXTRA_BYTES {
            return whole;
        }
        self.content = None;
        let without_content = self.encode();
        if without_content.len() <= MAX_PROOF_EXTRA_BYTES {
            return without_content;
        }
        self.identity = Vec::new();
        self.encode()
    }

    /// The extra in these bytes, if they are its one encoding. Nothing in it is verified.
    ///
    /// # Errors
    ///
    /// [`ProofExtraError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofExtraError> {
        if MAX_PROOF_EXTRA_BYTES < bytes.len() {
            return Err(ProofExtraError::TooLarge { n_bytes: bytes.len() });
        }
        let (mut header, mut salt, mut payload, mut identity) = (&[][..], None, &[][..], &[][..]);
        let mut reader = Reader::new(bytes);
        while let Some(Field { number: field, value }) = reader.next()? {
            let malformed = ProofExtraError::Field { field };
            match field {
                1 => header = value.bytes().ok_or(malformed)?,
                2 => salt = Some(Salt(value.array().ok_or(malformed)?)),
                3 => payload = value.bytes().ok_or(malformed)?,
                4 => identity = value.bytes().ok_or(malformed)?,
                _ => return Err(malformed),
            }
        }
        if header.is_empty() {
            return Err(ProofExtraError::Field { field: 1 });
        }
        let content = salt.map(|salt| Content { salt, payload: payload.to_vec() });
        let extra = Self { header: header.to_vec(), content, identity: identity.to_vec() };
        // A payload without its salt has been dropped above, and so is found here.
        if extra.encode() == bytes { Ok(extra) } else { Err(ProofExtraError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::limits::MAX_HEADER_BYTES;

    fn extra(n_payload_bytes: usize, n_identity_bytes: usize) -> RecordProofExtra {
        RecordProofExtra {
            header: b"header".to_vec(),
            content: Some(Content { salt: Salt([7; 32]), payload: vec![1; n_payload_bytes] }),
            identity: vec![2; n_identity_bytes],
        }
    }

    #[test]
    fn the_encoding_never_changes() {
        let mut expected = vec![0x0a, 6];
        expected.extend(b"header");
        expected.extend([0x12, 32]);
        expected.extend([7; 32]);
        expected.extend([0x1a, 2, 1, 1, 0x22, 1, 2]);
        assert_eq!(extra(2, 1).encode(), expected);
    }

    #[test]
    fn an_empty_payload_is_told_from_one_that_is_not_there() {
        let empty = extra(0, 1);
        let absent = RecordProofExtra { content: None, ..empty.clone() };
        assert_eq!(RecordProofExtra::decode(&empty.encode()), Ok(empty));
        assert_eq!(RecordProofExtra::decode(&absent.encode()), Ok(absent));
    }

    #[test]
    fn refuses_no_header_an_unknown_field_a_short_salt_and_a_payload_without_salt() {
        let field = |field| Err(ProofExtraError::Field { field });
        assert_eq!(RecordProofExtra::decode(&[]), field(1));
        let mut unknown = extra(1, 1).encode();
        unknown.extend([0x2a, 1, 0]);
        assert_eq!(RecordProofExtra::decode(&unknown), field(5));
        assert_eq!(RecordProofExtra::decode(&[0x0a, 1, b'h', 0x12, 1, 0]), field(2));
        let unsalted = [0x0a, 1, b'h', 0x1a, 1, 0];
        assert_eq!(RecordProofExtra::decode(&unsalted), Err(ProofExtraError::NotCanonical));
    }

    #[test]
    fn refuses_fields_out_of_order_and_repeated() {
        let swapped = [0x22, 1, 2, 0x0a, 1, b'h'];
        let repeated = [0x0a, 1, b'h', 0x0a, 1, b'h'];
        for bytes in [swapped, repeated] {
            assert_eq!(RecordProofExtra::decode(&bytes), Err(ProofExtraError::NotCanonical));
        }
    }

    #[test]
    fn the_largest_extra_is_read_and_one_byte_more_is_not() {
        let largest = (0..)
            .map(|n| extra(MAX_PROOF_EXTRA_BYTES - 60 + n, 0))
            .find(|it| it.encode().len() == MAX_PROOF_EXTRA_BYTES)
            .unwrap();
        assert_eq!(RecordProofExtra::decode(&largest.encode()), Ok(largest.clone()));
        assert_eq!(largest.clone().encode_to_fit(), largest.encode());
        let mut larger = largest.encode();
        larger.push(0);
        let n_bytes = MAX_PROOF_EXTRA_BYTES + 1;
        assert_eq!(RecordProofExtra::decode(&larger), Err(ProofExtraError::TooLarge { n_bytes }));
    }

    #[test]
    fn what_does_not_fit_is_left_out_payload_first() {
        let fitted = |extra: RecordProofExtra| RecordProofExtra::decode(&extra.encode_to_fit());
        let large = MAX_PROOF_EXTRA_BYTES;
        let without_content = RecordProofExtra { content: None, ..extra(0, 9) };
        assert_eq!(fitted(extra(large, 9)), Ok(without_content));
        let header = vec![3; MAX_HEADER_BYTES];
        let bare = RecordProofExtra { header, content: None, identity: Vec::new() };
        let all = RecordProofExtra { identity: vec![2; large], ..bare.clone() };
        assert_eq!(fitted(all), Ok(bare));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(extra) = RecordProofExtra::decode(&bytes) {
                prop_assert_eq!(extra.encode(), bytes);
            }
        }

        #[test]
        fn one_flipped_bit_is_refused_or_read_as_something_else(place in 0_usize..80, bit in 0_u8..8) {
            let right = extra(20, 20);
            let mut bytes = right.encode();
            let place = place % bytes.len();
            bytes[place] ^= 1 << bit;
            prop_assert_ne!(RecordProofExtra::decode(&bytes), Ok(right));
        }
    }
}
