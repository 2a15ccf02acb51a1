//! The one door into the rules: a record whose header, place and payload have been checked.
//!
//! Whether the record is in a log that its community signed is the business of `tlog` and `replica`.

use tlog::Hash;

use crate::{
    commitment::{Commitment, Salt},
    header::{Header, HeaderError},
    ids::{CommunityId, Network, RecordId},
    kind::Durability,
};

/// Where a record is expected to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedPlace<'a> {
    /// The network.
    pub network: &'a Network,
    /// The community whose log it is.
    pub community: CommunityId,
    /// The era of the log.
    pub era: u32,
    /// The index in the log.
    pub index: u64,
}

/// A payload with the salt of its commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The salt.
    pub salt: Salt,
    /// The payload.
    pub payload: Vec<u8>,
}

/// A record that has been checked against its place and its commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRecord {
    id: RecordId,
    header: Header,
    header_bytes: Vec<u8>,
    content: Option<Content>,
    erased_by: Option<RecordId>,
}

impl VerifiedRecord {
    /// The record's id: its leaf hash.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header's bytes, as the author wrote them.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The payload and salt; `None` once erased.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }

    /// The record that is said to have erased the payload, where it is missing. Whether there is such a record is found
    /// once the rest of the log is held.
    #[must_use]
    pub const fn erased_by(&self) -> Option<RecordId> {
        self.erased_by
    }

    /// The same, with the record that is said to have erased its payload.
    #[must_use]
    pub fn naming_its_erasure(self, erased_by: Option<RecordId>) -> Self {
        Self { erased_by, ..self }
    }

    /// Its parts, for storing.
    #[must_use]
    pub fn into_parts(self) -> (Header, Vec<u8>, Option<Content>) {
        (self.header, self.header_bytes, self.content)
    }
}

/// Why a record was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The header is not canonical or exceeds a limit.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The record belongs to another network.
    #[error("the record is of the network `{found}`, not of this one")]
    OtherNetwork {
        /// The network that its header names.
        found: Network,
    },
    /// The record belongs elsewhere: another log, era or index.
    #[error(
        "the record says it is number {index} of {community}, era {era}: it does not belong here"
    )]
    OutOfPlace {
        /// The community in its header.
        community: CommunityId,
        /// The era in its header.
        era: u32,
        /// The index in its header.
        index: u64,
    },
    /// The payload is not as long as the header says.
    #[error("the payload has {found} bytes; the header says {expected}")]
    PayloadLength {
        /// What the header says.
        expected: u32,
        /// What came.
        found: usize,
    },
    /// The payload or the salt is not the one committed to.
    #[error("the payload is not the one that the header commits to")]
    PayloadCommitment,
    /// A payload that may never be erased is missing.
    #[error(
        "the payload of a record of the kind {kind} is missing, and such a payload is never erased"
    )]
    PayloadMissing {
        /// The kind.
        kind: String,
    },
}

impl RecordError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Header(error) => error.reason(),
            Self::OtherNetwork { .. } => "record.other_network",
            Self::OutOfPlace { .. } => "record.out_of_place",
            Self::PayloadLength { .. } | Self::PayloadCommitment => "record.payload_mismatch",
            Self::PayloadMissing { .. } => "record.payload_missing",
        }
    }
}

/// Checks a record against its place, its limits and its commitment.
///
/// # Errors
///
/// [`RecordError`] with the evidence. A missing payload is accepted only for kinds that may be erased.
pub fn verify(
    header_bytes: Vec<u8>,
    content: Option<Content>,
    expected: &ExpectedPlace<'_>,
) -> Result<VerifiedRecord, RecordError> {
    let header = Header::decode(&header_bytes)?;
    if header.network != *expected.network {
        return Err(RecordError::OtherNetwork { found: header.network });
    }
    let Header { community, era, index, .. } = header;
    if (community, era, index) != (expected.community, expected.era, expected.index) {
        return Err(RecordError::OutOfPlace { community, era, index });
    }
    match &content {
        Some(content) => verify_content(&header, content)?,
        None if header.kind.known().is_some_and(|it| it.durability() == Durability::Erasable) => {}
        None => return Err(RecordError::PayloadMissing { kind: header.kind.to_string() }),
    }
    let leaf: Hash = tlog::tree::leaf_hash(&header_bytes);
    let id = RecordId::from_leaf(leaf);
    Ok(VerifiedRecord { id, header, header_bytes, content, erased_by: None })
}

fn verify_content(header: &Header, content: &Content) -> Result<(), RecordError> {
    let Content { salt, payload } = content;
    if u32::try_from(payload.len()).ok() != Some(header.payload_bytes) {
        let expected = header.payload_bytes;
        return Err(RecordError::PayloadLength { expected, found: payload.len() });
    }
    if Commitment::to(salt, payload) != header.commitment {
        return Err(RecordError::PayloadCommitment);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kind::Known, time::UnixMillis};

    const PLACE: (u32, u64) = (1, 7);

    fn network() -> Network {
        "demo.folkmoot.example".parse().unwrap()
    }

    fn community() -> CommunityId {
        CommunityId::from_bytes([1; 32])
    }

    fn content() -> Content {
        Content { salt: Salt([9; 32]), payload: b"payload".to_vec() }
    }

    fn header(kind: &str) -> Header {
        let Content { salt, payload } = content();
        Header {
            network: network(),
            community: community(),
            era: PLACE.0,
            index: PLACE.1,
            time: UnixMillis(1),
            kind: kind.parse().unwrap(),
            commitment: Commitment::to(&salt, &payload),
            payload_bytes: 7,
            references: vec![],
        }
    }

    fn verify_here(
        header: &Header,
        content: Option<Content>,
    ) -> Result<VerifiedRecord, RecordError> {
        let (era, index) = PLACE;
        let place = ExpectedPlace { network: &network(), community: community(), era, index };
        verify(header.encode(), content, &place)
    }

    #[test]
    fn a_sound_record_is_itself_and_its_id_is_its_leaf_hash() {
        let header = header(Known::Pool.package());
        let record = verify_here(&header, Some(content())).unwrap();
        assert_eq!(record.id().leaf(), tlog::leaf_hash(&header.encode()));
        assert_eq!(record.content(), Some(&content()));
        assert_eq!((record.header(), record.header_bytes()), (&header, &header.encode()[..]));
        assert_eq!(record.into_parts(), (header.clone(), header.encode(), Some(content())));
    }

    #[test]
    fn refuses_bytes_that_are_no_header() {
        let (era, index) = PLACE;
        let place = ExpectedPlace { network: &network(), community: community(), era, index };
        let refused = Err(RecordError::Header(HeaderError::Version { version: 0 }));
        assert_eq!(verify(vec![], Some(content()), &place), refused);
    }

    #[test]
    fn refuses_a_record_of_another_network() {
        let found: Network = "other.example".parse().unwrap();
        let header = Header { network: found.clone(), ..header(Known::Pool.package()) };
        let refused = Err(RecordError::OtherNetwork { found });
        assert_eq!(verify_here(&header, Some(content())), refused);
    }

    #[test]
    fn refuses_a_record_of_another_community_era_or_index() {
        let sound = header(Known::Pool.package());
        let other = CommunityId::from_bytes([2; 32]);
        for header in [
            Header { community: other, ..sound.clone() },
            Header { era: PLACE.0 - 1, ..sound.clone() },
            Header { era: PLACE.0 + 1, ..sound.clone() },
            Header { index: PLACE.1 - 1, ..sound.clone() },
            Header { index: PLACE.1 + 1, ..sound.clone() },
        ] {
            let Header { community, era, index, .. } = header;
            let refused = Err(RecordError::OutOfPlace { community, era, index });
            assert_eq!(verify_here(&header, Some(content())), refused);
        }
    }

    #[test]
    fn refuses_a_payload_one_byte_shorter_or_longer_than_the_header_says() {
        for (n_bytes, is_accepted) in [(6, false), (7, true), (8, false)] {
            let payload = vec![b'x'; n_bytes];
            let commitment = Commitment::to(&Salt([9; 32]), &payload);
            let header = Header { commitment, ..header(Known::Pool.package()) };
            let answer = verify_here(&header, Some(Content { payload, ..content() }));
            let refused = RecordError::PayloadLength { expected: 7, found: n_bytes };
            assert_eq!(answer.err(), (!is_accepted).then_some(refused));
        }
    }

    #[test]
    fn refuses_another_payload_of_the_same_length_and_another_salt() {
        let header = header(Known::Text.package());
        let payload = Content { payload: b"Payload".to_vec(), ..content() };
        let salt = Content { salt: Salt([8; 32]), ..content() };
        for other in [payload, salt] {
            let refused = Err(RecordError::PayloadCommitment);
            assert_eq!(verify_here(&header, Some(other)), refused);
        }
        assert!(verify_here(&header, Some(content())).is_ok());
    }

    #[test]
    fn a_missing_payload_is_accepted_only_where_it_may_be_erased() {
        for known in Known::ALL {
            let erased = verify_here(&header(known.package()), None);
            let may_be_erased = known.durability() == Durability::Erasable;
            assert_eq!(erased.is_ok(), may_be_erased, "{known:?}");
        }
        let kind = "folkmoot.record.problem.v1".to_owned();
        let unknown = verify_here(&header(&kind), None);
        assert_eq!(unknown, Err(RecordError::PayloadMissing { kind }));
    }

    #[test]
    fn an_unknown_kind_with_its_payload_is_kept() {
        assert!(verify_here(&header("folkmoot.record.problem.v1"), Some(content())).is_ok());
    }

    #[test]
    fn every_refusal_has_its_reason() {
        let network = network();
        let (community, (era, index)) = (community(), PLACE);
        let reasons = [
            RecordError::Header(HeaderError::TooManyReferences).reason(),
            RecordError::OtherNetwork { found: network }.reason(),
            RecordError::OutOfPlace { community, era, index }.reason(),
            RecordError::PayloadCommitment.reason(),
            RecordError::PayloadMissing { kind: String::new() }.reason(),
        ];
        let distinct: std::collections::BTreeSet<_> = reasons.into_iter().collect();
        assert_eq!(distinct.len(), reasons.len());
        assert!(reasons.iter().all(|it| it.starts_with("record.")));
    }
}
