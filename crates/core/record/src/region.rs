//! The charter of a region: what it is founded with, and what its id is the hash of.
//!
//! A region has no log and no key, so nobody owns it. Addresses of coordinators are hints that travel beside the
//! charter and are not hashed.
//!
//! ```proto
//! message Charter {
//!   string network = 1;
//!   string name = 2;
//!   repeated bytes founders = 3;        // community ids, ascending, each once
//!   repeated bytes coordinators = 4;    // community ids, ascending, each once
//!   uint32 receipts_needed = 5;
//!   string ocid_prefix = 6;             // left out where the region has none
//! }
//! ```

mod ocid_prefix;

pub use ocid_prefix::{OcidPrefix, OcidPrefixError};

use crate::{
    ids::{CommunityId, Network, RegionId, tagged_hash},
    name::{Name, NameError},
    wire::{Field, Reader, WireError, Writer},
};

/// The most founding communities of a region.
pub const MAX_FOUNDERS: usize = 1_000;
/// The most coordinators seated by a charter.
pub const MAX_COORDINATORS: usize = 16;

/// What a region is founded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    network: Network,
    name: Name,
    founders: Vec<CommunityId>,
    coordinators: Vec<CommunityId>,
    receipts_needed: u32,
    ocid_prefix: Option<OcidPrefix>,
}

/// Why a charter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// The bytes are not in the strict subset.
    #[error("the charter is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("field {field} of the charter is missing or malformed")]
    Field {
        /// The field's number.
        field: u64,
    },
    /// The name is refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no founder, or more than [`MAX_FOUNDERS`].
    #[error("a region is founded by 1 to {MAX_FOUNDERS} communities, not {n_founders}")]
    Founders {
        /// How many there are.
        n_founders: usize,
    },
    /// There are more than [`MAX_COORDINATORS`].
    #[error("a charter seats at most {MAX_COORDINATORS} coordinators, not {n_coordinators}")]
    Coordinators {
        /// How many there are.
        n_coordinators: usize,
    },
    /// The ocid prefix is refused.
    #[error(transparent)]
    OcidPrefix(#[from] OcidPrefixError),
    /// Founders or coordinators are not in ascending order, each once.
    #[error(
        "the communities in field {field} of the charter are not in ascending order, each once"
    )]
    Order {
        /// The field's number.
        field: u64,
    },
    /// A record would need no receipt, or more than there are coordinators to give one.
    #[error("{receipts_needed} receipts cannot be asked of {n_coordinators} coordinators")]
    Receipts {
        /// The number given.
        receipts_needed: u64,
        /// How many coordinators there are.
        n_coordinators: usize,
    },
    /// The bytes mean a charter, but are not its one encoding.
    #[error("the charter is not in its one canonical encoding")]
    NotCanonical,
}

impl CharterError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "region.charter_malformed",
            Self::Name(error) => error.reason(),
            Self::Founders { .. } => "region.too_many_founders",
            Self::Coordinators { .. } => "region.too_many_coordinators",
            Self::OcidPrefix(_) => "region.ocid_prefix",
            Self::Order { .. } => "region.order",
            Self::Receipts { .. } => "region.receipts_needed",
        }
    }
}

impl RegionId {
    /// SHA-256("folkmoot/charter/v1\0" ‖ charter), the charter in its one encoding.
    #[must_use]
    pub fn of_charter(charter: &[u8]) -> Self {
        Self::from_bytes(tagged_hash("folkmoot/charter/v1", &[charter]))
    }
}

impl Charter {
    /// A charter without an ocid prefix. `founders` (1..=1,000) and `coordinators` (0..=16) are in ascending order, each once;
    /// `receipts_needed` is the k of "the k-th earliest receipt": 1 up to the number of coordinators, and 1 where the
    /// charter seats none.
    ///
    /// # Errors
    ///
    /// [`CharterError`] says which rule is broken.
    pub fn new(
        network: Network,
        name: Name,
        founders: Vec<CommunityId>,
        coordinators: Vec<CommunityId>,
        receipts_needed: u32,
    ) -> Result<Self, CharterError> {
        let (n_founders, n_coordinators) = (founders.len(), coordinators.len());
        if n_founders == 0 || MAX_FOUNDERS < n_founders {
            return Err(CharterError::Founders { n_founders });
        }
        if MAX_COORDINATORS < n_coordinators {
            return Err(CharterError::Coordinators { n_coordinators });
        }
        for (field, communities) in [(3, &founders), (4, &coordinators)] {
            if !communities.is_sorted_by(|one, next| one < next) {
                return Err(CharterError::Order { field });
            }
        }
        let possible = usize::try_from(receipts_needed)
            .is_ok_and(|it| (1..=n_coordinators.max(1)).contains(&it));
        if !possible {
            let receipts_needed = u64::from(receipts_needed);
            return Err(CharterError::Receipts { receipts_needed, n_coordinators });
        }
        Ok(Self { network, name, founders, coordinators, receipts_needed, ocid_prefix: None })
    }

    /// The charter with this prefix: the charter of another region.
    #[must_use]
    pub fn with_ocid_prefix(self, ocid_prefix: OcidPrefix) -> Self {
        Self { ocid_prefix: Some(ocid_prefix), ..self }
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The region's name.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The founding communities, in ascending order: the voting members of the first epoch.
    #[must_use]
    pub fn founders(&self) -> &[CommunityId] {
        &self.founders
    }

    /// The coordinators seated first, in ascending order.
    #[must_use]
    pub fn coordinators(&self) -> &[CommunityId] {
        &self.coordinators
    }

    /// How many coordinators must have received a record before its time counts.
    #[must_use]
    pub const fn receipts_needed(&self) -> u32 {
        self.receipts_needed
    }

    /// The prefix of the region's own contracting processes; `None` where it has none.
    #[must_use]
    pub const fn ocid_prefix(&self) -> Option<&OcidPrefix> {
        self.ocid_prefix.as_ref()
    }

    /// The region's id.
    #[must_use]
    pub fn region_id(&self) -> RegionId {
        RegionId::of_charter(&self.encode())
    }

    /// The charter's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { network, name, founders, coordinators, receipts_needed, ocid_prefix } = self;
        let mut writer = Writer::default();
        writer.bytes(1, network.as_str().as_bytes()).bytes(2, name.as_str().as_bytes());
        for founder in founders {
            writer.element(3, founder.as_bytes());
        }
        for coordinator in coordinators {
            writer.element(4, coordinator.as_bytes());
        }
        writer.number(5, u64::from(*receipts_needed));
        // Empty bytes are left out.
        writer.bytes(6, ocid_prefix.as_ref().map_or(&[], |it| it.as_str().as_bytes()));
        writer.finish()
    }

    /// The charter in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`CharterError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, CharterError> {
        let mut raw = Raw::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next()? {
            raw.take(field)?;
        }
        let charter = raw.check()?;
        if charter.encode() == bytes { Ok(charter) } else { Err(CharterError::NotCanonical) }
    }
}

/// Fields as found, before any is believed.
#[derive(Default)]
struct Raw<'a> {
    network: Option<&'a str>,
    name: Option<&'a str>,
    founders: Vec<CommunityId>,
    coordinators: Vec<CommunityId>,
    receipts_needed: u64,
    ocid_prefix: Option<&'a str>,
}

impl<'a> Raw<'a> {
    fn take(&mut self, field: Field<'a>) -> Result<(), CharterError> {
        let Field { number: field, value } = field;
        let malformed = CharterError::Field { field };
        let community = || value.array().map(CommunityId::from_bytes).ok_or(malformed);
        match field {
            1 => self.network = Some(value.text().ok_or(malformed)?),
            2 => self.name = Some(value.text().ok_or(malformed)?),
            3 => self.founders.push(community()?),
            4 => self.coordinators.push(community()?),
            5 => self.receipts_needed = value.number().ok_or(malformed)?,
            6 => self.ocid_prefix = Some(value.text().ok_or(malformed)?),
            _ => return Err(malformed),
        }
        Ok(())
    }

    fn check(self) -> Result<Charter, CharterError> {
        let Self { network, name, founders, coordinators, receipts_needed, ocid_prefix } = self;
        let missing = |field| CharterError::Field { field };
        let network = network.and_then(|it| it.parse().ok()).ok_or(missing(1))?;
        let name = Name::parse(name.ok_or(missing(2))?)?;
        let n_coordinators = coordinators.len();
        let too_many = CharterError::Receipts { receipts_needed, n_coordinators };
        let receipts_needed = u32::try_from(receipts_needed).ok().ok_or(too_many)?;
        let charter = Charter::new(network, name, founders, coordinators, receipts_needed)?;
        let ocid_prefix = ocid_prefix.map(str::parse).transpose()?;
        Ok(Charter { ocid_prefix, ..charter })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn communities(n: u16) -> Vec<CommunityId> {
        let id = |n: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            CommunityId::from_bytes(bytes)
        };
        (0..n).map(id).collect()
    }

    fn charter(n_founders: u16, n_coordinators: u16, k: u32) -> Result<Charter, CharterError> {
        let network = "demo.folkmoot.example".parse().unwrap();
        let name = Name::parse("Tyne and Wear").unwrap();
        Charter::new(network, name, communities(n_founders), communities(n_coordinators), k)
    }

    fn with_prefix(prefix: &str) -> Charter {
        charter(1, 1, 1).unwrap().with_ocid_prefix(prefix.parse().unwrap())
    }

    #[test]
    fn the_encoding_and_the_id_never_change() {
        let charter = charter(1, 1, 1).unwrap();
        let hex = data_encoding::HEXLOWER.encode(&charter.encode());
        let zeros = "00".repeat(32);
        assert_eq!(
            hex,
            format!(
                "0a1564656d6f2e666f6c6b6d6f6f742e6578616d706c65\
                 120d54796e6520616e642057656172\
                 1a20{zeros}2220{zeros}2801"
            )
        );
        assert_eq!(charter.region_id().to_string(), REGION_ID);
    }

    /// Computed apart from this code.
    const REGION_ID: &str = "fmg1xtciiwwxds6ze2zklchdrcwlgeajko55wqon3x2wiuyyn45opmkq";

    #[test]
    fn the_prefix_is_a_further_field_of_the_encoding() {
        let (without, with) = (charter(1, 1, 1).unwrap(), with_prefix("ocds-a1b2c3"));
        assert_eq!(with.encode(), [&without.encode()[..], b"\x32\x0bocds-a1b2c3"].concat());
        assert_eq!(with.region_id().to_string(), REGION_ID_WITH_PREFIX);
        assert_eq!(Charter::decode(&with.encode()), Ok(with));
    }

    /// Computed apart from this code.
    const REGION_ID_WITH_PREFIX: &str = "fmg1n6recc7eoojka3skiekocliwmkbg5d7si5y3ust2j5vzbqnrv7wa";

    #[test]
    fn refuses_a_prefix_that_is_empty_malformed_or_given_twice() {
        let bytes = charter(1, 1, 1).unwrap().encode();
        let with = |rest: &[u8]| Charter::decode(&[&bytes[..], rest].concat());
        let refused = |error: OcidPrefixError| Err(CharterError::OcidPrefix(error));
        assert!(with(b"\x32\x0bocds-a1b2c3").is_ok());
        assert_eq!(with(b"\x32\x00"), refused(OcidPrefixError::Form));
        assert_eq!(with(b"\x32\x0bocds-A1b2c3"), refused(OcidPrefixError::Form));
        assert_eq!(with(b"\x32\x0cocds-a1b2c34"), refused(OcidPrefixError::Form));
        assert_eq!(with(b"\x32\x0bocds-213czf"), refused(OcidPrefixError::Documentation));
        assert_eq!(with(b"\x32\x0bocds-a1b2c\xff"), Err(CharterError::Field { field: 6 }));
        assert_eq!(with(b"\x30\x01"), Err(CharterError::Field { field: 6 }));
        let twice = [b"\x32\x0bocds-a1b2c3".as_slice(); 2].concat();
        assert_eq!(with(&twice), Err(CharterError::NotCanonical));
    }

    #[test]
    fn a_region_has_1_to_1000_founders_and_at_most_16_coordinators() {
        assert_eq!(charter(0, 1, 1), Err(CharterError::Founders { n_founders: 0 }));
        assert!(charter(1, 1, 1).is_ok());
        assert!(charter(1_000, 16, 1).is_ok());
        assert_eq!(charter(1_001, 1, 1), Err(CharterError::Founders { n_founders: 1_001 }));
        assert_eq!(charter(1, 17, 1), Err(CharterError::Coordinators { n_coordinators: 17 }));
    }

    #[test]
    fn asks_for_at_least_one_receipt_and_at_most_one_of_each_coordinator() {
        for (n_coordinators, k, is_possible) in
            [(0, 0, false), (0, 1, true), (0, 2, false), (2, 0, false), (2, 2, true), (2, 3, false)]
        {
            assert_eq!(
                charter(1, n_coordinators, k).is_ok(),
                is_possible,
                "{k} of {n_coordinators}"
            );
        }
    }

    #[test]
    fn refuses_communities_out_of_order_or_named_twice() {
        let sound = charter(2, 2, 1).unwrap();
        let with = |founders: [usize; 2], coordinators: [usize; 2]| {
            let pick = |places: [usize; 2]| places.map(|it| communities(2)[it]).to_vec();
            let Charter { network, name, .. } = sound.clone();
            Charter::new(network, name, pick(founders), pick(coordinators), 1)
        };
        assert_eq!(with([0, 1], [0, 1]), Ok(sound.clone()));
        assert_eq!(with([1, 0], [0, 1]), Err(CharterError::Order { field: 3 }));
        assert_eq!(with([0, 1], [1, 1]), Err(CharterError::Order { field: 4 }));
    }

    #[test]
    fn every_part_changes_the_id() {
        let ids = [charter(2, 2, 1), charter(1, 2, 1), charter(2, 1, 1), charter(2, 2, 2)]
            .map(|it| it.unwrap().region_id());
        let prefixes = ["ocds-a1b2c3", "ocds-a1b2c4"];
        let prefixed = prefixes.map(|prefix| {
            charter(2, 2, 1).unwrap().with_ocid_prefix(prefix.parse().unwrap()).region_id()
        });
        let distinct: std::collections::BTreeSet<_> = ids.into_iter().chain(prefixed).collect();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn refuses_missing_unknown_and_unordered_fields() {
        let bytes = charter(1, 1, 1).unwrap().encode();
        let unknown = [&bytes[..], &[0x38, 1]].concat();
        assert_eq!(Charter::decode(&unknown), Err(CharterError::Field { field: 7 }));
        assert_eq!(Charter::decode(&bytes[23..]), Err(CharterError::Field { field: 1 }));
        let unordered = [&bytes[23..], &bytes[..23]].concat();
        assert_eq!(Charter::decode(&unordered), Err(CharterError::NotCanonical));
    }

    proptest! {
        #[test]
        fn a_charter_reads_back(
            n_founders in 1u16..40,
            n_coordinators in 0u16..=16,
            prefix in prop::option::of("ocds-[a-z][0-9a-z]{5}"),
        ) {
            let mut charter = charter(n_founders, n_coordinators, 1).unwrap();
            if let Some(prefix) = prefix {
                charter = charter.with_ocid_prefix(prefix.parse().unwrap());
            }
            prop_assert_eq!(Charter::decode(&charter.encode()), Ok(charter));
        }

        #[test]
        fn whatever_is_accepted_is_the_one_encoding(at in 0usize..200, byte in any::<u8>()) {
            let mut bytes = with_prefix("ocds-a1b2c3").encode();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(charter) = Charter::decode(&bytes) {
                prop_assert_eq!(charter.encode(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Charter::decode(&bytes);
        }
    }
}
