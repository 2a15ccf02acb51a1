//! The charter of a region: what it is founded with, and what its id is the hash of.
//!
//! Addresses of coordinators are hints that travel beside the charter and are not hashed.
//!
//! ```proto
//! message Charter {
//!   string network = 1;
//!   string name = 2;
//!   repeated bytes founders = 3;        // community ids, ascending, each once
//!   repeated bytes coordinators = 4;    // community ids, ascending, each once
//!   uint32 receipts_needed = 5;
//!   string ocid_prefix = 6;             // left out where the region has none
//!   repeated bytes witnesses = 7;       // community ids, ascending, each once
//!   bytes refounds = 8;                 // left out but for a region that continues another
//! }
//! ```

use super::{
    ocid_prefix::{OcidPrefix, OcidPrefixError},
    roster::{Roster, RosterError},
};
use crate::{
    ids::{CommunityId, Network, RegionId, tagged_hash},
    name::{Name, NameError},
    wire::{Field, Reader, WireError, Writer},
};

/// What a region is founded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    network: Network,
    name: Name,
    roster: Roster,
    ocid_prefix: Option<OcidPrefix>,
    refounds: Option<RegionId>,
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
    /// Members or seats are refused.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The ocid prefix is refused.
    #[error(transparent)]
    OcidPrefix(#[from] OcidPrefixError),
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
            Self::Roster(error) => error.reason(),
            Self::OcidPrefix(_) => "region.ocid_prefix",
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
    /// A charter without an ocid prefix, with the members and seats of this roster and the rules of a founding.
    #[must_use]
    pub fn new(network: Network, name: Name, roster: Roster) -> Self {
        Self { network, name, roster, ocid_prefix: None, refounds: None }
    }

    /// The charter with this prefix: the charter of another region.
    #[must_use]
    pub fn with_ocid_prefix(self, ocid_prefix: OcidPrefix) -> Self {
        Self { ocid_prefix: Some(ocid_prefix), ..self }
    }

    /// The charter of a region that continues this one, which could not reach its majority.
    #[must_use]
    pub fn refounding(self, region: RegionId) -> Self {
        Self { refounds: Some(region), ..self }
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

    /// Members and seats of epoch 0.
    #[must_use]
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The founding communities, in ascending order: the voting members of epoch 0.
    #[must_use]
    pub fn founders(&self) -> &[CommunityId] {
        self.roster.members()
    }

    /// The prefix of the region's own contracting processes; `None` where it has none.
    #[must_use]
    pub const fn ocid_prefix(&self) -> Option<&OcidPrefix> {
        self.ocid_prefix.as_ref()
    }

    /// The region that this one continues, where there is one.
    #[must_use]
    pub const fn refounds(&self) -> Option<RegionId> {
        self.refounds
    }

    /// The region's id.
    #[must_use]
    pub fn region_id(&self) -> RegionId {
        RegionId::of_charter(&self.encode())
    }

    /// The charter's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { network, name, roster, ocid_prefix, refounds } = self;
        let mut writer = Writer::default();
        writer.bytes(1, network.as_str().as_bytes()).bytes(2, name.as_str().as_bytes());
        for founder in roster.members() {
            writer.element(3, founder.as_bytes());
        }
        for coordinator in roster.coordinators() {
            writer.element(4, coordinator.as_bytes());
        }
        writer.number(5, u64::from(roster.receipts_needed()));
        // Empty bytes are left out.
        writer.bytes(6, ocid_prefix.as_ref().map_or(&[], |it| it.as_str().as_bytes()));
        for witness in roster.witnesses() {
            writer.element(7, witness.as_bytes());
        }
        writer.bytes(8, refounds.as_ref().map_or(&[], |it| it.as_bytes()));
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
    witnesses: Vec<CommunityId>,
    refounds: Option<RegionId>,
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
            7 => self.witnesses.push(community()?),
            8 => {
                self.refounds = Some(value.array().map(RegionId::from_bytes).ok_or(malformed)?);
            }
            _ => return Err(malformed),
        }
        Ok(())
    }

    fn check(self) -> Result<Charter, CharterError> {
        let missing = |field| CharterError::Field { field };
        let network = self.network.and_then(|it| it.parse().ok()).ok_or(missing(1))?;
        let name = Name::parse(self.name.ok_or(missing(2))?)?;
        let (receipts_needed, n_coordinators) = (self.receipts_needed, self.coordinators.len());
        let too_many = RosterError::Receipts { receipts_needed, n_coordinators };
        let receipts_needed = u32::try_from(receipts_needed).ok().ok_or(too_many)?;
        let roster = Roster::new(self.founders, self.coordinators, receipts_needed)?
            .with_witnesses(self.witnesses)?;
        let ocid_prefix = self.ocid_prefix.map(str::parse).transpose()?;
        Ok(Charter { network, name, roster, ocid_prefix, refounds: self.refounds })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::roster::tests::communities, *};

    fn charter(n_founders: u16, n_coordinators: u16, k: u32) -> Result<Charter, CharterError> {
        let network = "demo.folkmoot.example".parse().unwrap();
        let name = Name::parse("Tyne and Wear").unwrap();
        let roster = Roster::new(communities(n_founders), communities(n_coordinators), k)?;
        Ok(Charter::new(network, name, roster))
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
    fn every_part_changes_the_id() {
        let ids = [charter(2, 2, 1), charter(1, 2, 1), charter(2, 1, 1), charter(2, 2, 2)]
            .map(|it| it.unwrap().region_id());
        let prefixes = ["ocds-a1b2c3", "ocds-a1b2c4"];
        let prefixed = prefixes.map(|prefix| {
            charter(2, 2, 1).unwrap().with_ocid_prefix(prefix.parse().unwrap()).region_id()
        });
        let mut witnessed = charter(2, 2, 1).unwrap();
        witnessed.roster = witnessed.roster.with_witnesses(communities(1)).unwrap();
        let refounded = charter(2, 2, 1).unwrap().refounding(ids[1]);
        let further = [witnessed.region_id(), refounded.region_id()];
        let distinct: std::collections::BTreeSet<_> =
            ids.into_iter().chain(prefixed).chain(further).collect();
        assert_eq!(distinct.len(), 8);
    }

    #[test]
    fn refuses_missing_unknown_and_unordered_fields() {
        let bytes = charter(1, 1, 1).unwrap().encode();
        let unknown = [&bytes[..], &[0x48, 1]].concat();
        assert_eq!(Charter::decode(&unknown), Err(CharterError::Field { field: 9 }));
        assert_eq!(Charter::decode(&bytes[23..]), Err(CharterError::Field { field: 1 }));
        let unordered = [&bytes[23..], &bytes[..23]].concat();
        assert_eq!(Charter::decode(&unordered), Err(CharterError::NotCanonical));
    }

    proptest! {
        #[test]
        fn a_charter_reads_back(
            n_founders in 1u16..40,
            n_coordinators in 0u16..=16,
            n_witnesses in 0u16..=16,
            prefix in prop::option::of("ocds-[a-z][0-9a-z]{5}"),
            refounds in prop::option::of(any::<[u8; 32]>()),
        ) {
            let mut charter = charter(n_founders, n_coordinators, 1).unwrap();
            charter.roster = charter.roster.with_witnesses(communities(n_witnesses)).unwrap();
            charter.refounds = refounds.map(RegionId::from_bytes);
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
