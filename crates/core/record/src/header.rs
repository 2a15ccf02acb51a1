//! The header of a record: the leaf of the log. Written once by the author, then stored and forwarded verbatim.
//!
//! | field | number | type |
//! |---|---|---|
//! | version | 1 | number; 1 |
//! | network | 2 | string |
//! | community | 3 | 32 bytes |
//! | era | 4 | number |
//! | index | 5 | number |
//! | time | 6 | number; milliseconds since 1970, UTC |
//! | kind | 7 | string |
//! | payload commitment | 8 | 32 bytes |
//! | payload length | 9 | number; bytes |
//! | references | 10 | 32 bytes, at most 16 times |
//!
//! The numbers never change. The header holds no personal data.

use crate::{
    commitment::Commitment,
    ids::{CommunityId, Network, RecordId},
    kind::Kind,
    limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_REFERENCES},
    time::UnixMillis,
    wire::{Field, Reader, WireError, Writer},
};

/// The header version of this release.
pub const HEADER_VERSION: u32 = 1;

/// What the author says about a record, in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The network: a record of another network is refused.
    pub network: Network,
    /// Whose log it is in.
    pub community: CommunityId,
    /// Which era of that log.
    pub era: u32,
    /// The place in the log, from 0.
    pub index: u64,
    /// When the author says it was written. It orders what commutes and never decides between parties.
    pub time: UnixMillis,
    /// What the payload is.
    pub kind: Kind,
    /// The commitment to the payload.
    pub commitment: Commitment,
    /// The payload's length, in bytes.
    pub payload_bytes: u32,
    /// Leaf hashes of the records that this one builds on. The first names the case, where there is one.
    pub references: Vec<RecordId>,
}

/// Why bytes are not a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// More than [`MAX_HEADER_BYTES`].
    #[error("the header has {n_bytes} bytes; the limit is {MAX_HEADER_BYTES}")]
    TooLarge {
        /// Its size.
        n_bytes: usize,
    },
    /// More than [`MAX_REFERENCES`].
    #[error("the header has more than {MAX_REFERENCES} references")]
    TooManyReferences,
    /// A payload length above [`MAX_PAYLOAD_BYTES`].
    #[error("the payload has {n_bytes} bytes; the limit is {MAX_PAYLOAD_BYTES}")]
    PayloadTooLarge {
        /// The length that the header gives.
        n_bytes: u64,
    },
    /// A version that this release does not read.
    #[error("the header has version {version}; this release reads version {HEADER_VERSION}")]
    Version {
        /// The version found.
        version: u64,
    },
    /// The bytes are not in the strict subset.
    #[error("the header is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, out of range or of the wrong form.
    #[error("the header's field {field} is missing or malformed")]
    Field {
        /// The field's number.
        field: u64,
    },
    /// The bytes mean a header, but are not its one encoding.
    #[error("the header is not in its one canonical encoding")]
    NotCanonical,
}

impl HeaderError {
    /// The stable reason, as in [`crate::limits::TABLE`].
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "record.header_too_large",
            Self::TooManyReferences => "record.too_many_references",
            Self::PayloadTooLarge { .. } => "record.payload_too_large",
            Self::Version { .. } => "record.version_unknown",
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "record.header_malformed",
        }
    }
}

impl Header {
    /// The header's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer
            .number(1, u64::from(HEADER_VERSION))
            .bytes(2, self.network.as_str().as_bytes())
            .bytes(3, self.community.as_bytes())
            .number(4, u64::from(self.era))
            .number(5, self.index)
            .number(6, self.time.0)
            .bytes(7, self.kind.as_str().as_bytes())
            .bytes(8, &self.commitment.0)
            .number(9, u64::from(self.payload_bytes));
        for reference in &self.references {
            writer.element(10, reference.as_bytes());
        }
        writer.finish()
    }

    /// The header in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        if MAX_HEADER_BYTES < bytes.len() {
            return Err(HeaderError::TooLarge { n_bytes: bytes.len() });
        }
        let header = Raw::read(bytes)?.check()?;
        if header.encode() == bytes { Ok(header) } else { Err(HeaderError::NotCanonical) }
    }
}

/// Fields as found, before any is believed.
#[derive(Default)]
struct Raw<'a> {
    version: u64,
    network: Option<&'a str>,
    community: Option<[u8; 32]>,
    era: u64,
    index: u64,
    time: u64,
    kind: Option<&'a str>,
    commitment: Option<[u8; 32]>,
    payload_bytes: u64,
    references: Vec<RecordId>,
}

impl<'a> Raw<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let mut raw = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(Field { number: field, value }) = reader.next()? {
            let malformed = || HeaderError::Field { field };
            match field {
                1 => raw.version = value.number().ok_or_else(malformed)?,
                2 => raw.network = Some(value.text().ok_or_else(malformed)?),
                3 => raw.community = Some(value.array().ok_or_else(malformed)?),
                4 => raw.era = value.number().ok_or_else(malformed)?,
                5 => raw.index = value.number().ok_or_else(malformed)?,
                6 => raw.time = value.number().ok_or_else(malformed)?,
                7 => raw.kind = Some(value.text().ok_or_else(malformed)?),
                8 => raw.commitment = Some(value.array().ok_or_else(malformed)?),
                9 => raw.payload_bytes = value.number().ok_or_else(malformed)?,
                10 => {
                    if raw.references.len() == MAX_REFERENCES {
                        return Err(HeaderError::TooManyReferences);
                    }
                    raw.references.push(RecordId::from_bytes(value.array().ok_or_else(malformed)?));
                }
                _ => return Err(malformed()),
            }
        }
        Ok(raw)
    }

    fn check(self) -> Result<Header, HeaderError> {
        if self.version != u64::from(HEADER_VERSION) {
            return Err(HeaderError::Version { version: self.version });
        }
        if MAX_PAYLOAD_BYTES as u64 > u64::from(u32::MAX)
            || (MAX_PAYLOAD_BYTES as u64) < self.payload_bytes
        {
            return Err(HeaderError::PayloadTooLarge { n_bytes: self.payload_bytes });
        }
        let malformed = |field| HeaderError::Field { field };
        Ok(Header {
            network: self.network.and_then(|it| it.parse().ok()).ok_or(malformed(2))?,
            community: CommunityId::from_bytes(self.community.ok_or(malformed(3))?),
            era: u32::try_from(self.era).ok().ok_or(malformed(4))?,
            index: self.index,
            time: UnixMillis(self.time),
            kind: self.kind.and_then(|it| it.parse().ok()).ok_or(malformed(7))?,
            commitment: Commitment(self.commitment.ok_or(malformed(8))?),
            payload_bytes: u32::try_from(self.payload_bytes).ok().ok_or(malformed(9))?,
            references: self.references,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(n_references: u8) -> Header {
        Header {
            network: "demo.folkmoot.example".parse().unwrap(),
            community: CommunityId::from_bytes([1; 32]),
            era: 0,
            index: 300,
            time: UnixMillis(1_800_000_000_000),
            kind: "folkmoot.record.pool.v1".parse().unwrap(),
            commitment: Commitment([2; 32]),
            payload_bytes: 17,
            references: (0..n_references).map(|n| RecordId::from_bytes([n; 32])).collect(),
        }
    }

    #[test]
    fn the_encoding_of_version_1_never_changes() {
        let bytes = header(1).encode();
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        assert_eq!(
            hex,
            concat!(
                "0801121564656d6f2e666f6c6b6d6f6f742e6578616d706c65",
                "1a200101010101010101010101010101010101010101010101010101010101010101",
                "28ac023080a0f1c2b134",
                "3a17666f6c6b6d6f6f742e7265636f72642e706f6f6c2e7631",
                "42200202020202020202020202020202020202020202020202020202020202020202",
                "481152200000000000000000000000000000000000000000000000000000000000000000",
            )
        );
        let leaf = tlog::tree::leaf_hash(&bytes);
        assert_eq!(
            data_encoding::HEXLOWER.encode(leaf.as_bytes()),
            "43082f231dbbcff93d1cd0f58b6f99d12af370c2f517ec84eadb24b94c471897"
        );
    }

    #[test]
    fn sixteen_references_are_read_and_seventeen_are_refused() {
        let most = header(16);
        assert_eq!(Header::decode(&most.encode()), Ok(most));
        assert_eq!(Header::decode(&header(17).encode()), Err(HeaderError::TooManyReferences));
    }

    #[test]
    fn the_largest_payload_length_is_read_and_one_byte_more_is_refused() {
        let mut largest = header(0);
        largest.payload_bytes = 262_144;
        assert!(Header::decode(&largest.encode()).is_ok());
        largest.payload_bytes += 1;
        let refused = Err(HeaderError::PayloadTooLarge { n_bytes: 262_145 });
        assert_eq!(Header::decode(&largest.encode()), refused);
    }

    #[test]
    fn refuses_oversize_unordered_doubled_default_and_unknown_fields() {
        let bytes = header(1).encode();
        assert!(matches!(Header::decode(&[0; 8193]), Err(HeaderError::TooLarge { n_bytes: 8193 })));
        let unordered = [&bytes[2..], &bytes[..2]].concat();
        assert_eq!(Header::decode(&unordered), Err(HeaderError::NotCanonical));
        let doubled = [&bytes[..2], &bytes[..]].concat();
        assert_eq!(Header::decode(&doubled), Err(HeaderError::NotCanonical));
        let mut with_default_era = bytes.clone();
        with_default_era.splice(59..59, [0x20, 0x00]);
        assert_eq!(Header::decode(&with_default_era), Err(HeaderError::NotCanonical));
        let unknown = [&bytes[..], &[0x58, 1]].concat();
        assert_eq!(Header::decode(&unknown), Err(HeaderError::Field { field: 11 }));
    }

    #[test]
    fn refuses_a_version_that_is_not_known() {
        let mut bytes = header(0).encode();
        bytes[1] = 2;
        assert_eq!(Header::decode(&bytes), Err(HeaderError::Version { version: 2 }));
    }

    proptest! {
        #[test]
        fn a_header_reads_back(era in any::<u32>(), index in any::<u64>(), time in any::<u64>(), n in 0u8..=16) {
            let mut header = header(n);
            (header.era, header.index, header.time) = (era, index, UnixMillis(time));
            prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn whatever_is_accepted_is_the_one_encoding(position in 0usize..200, byte in any::<u8>()) {
            let mut bytes = header(2).encode();
            let position = position % bytes.len();
            bytes[position] = byte;
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::decode(&bytes);
        }
    }
}
