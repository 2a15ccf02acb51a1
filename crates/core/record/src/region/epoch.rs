//! An epoch: a numbered state of a region, named by the hash of the one before.
//!
//! ```proto
//! message Epoch {
//!   bytes region = 1;
//!   uint64 number = 2;               // from 1
//!   bytes previous = 3;              // the hash of the epoch before; of epoch 0, the region's id
//!   repeated bytes communities = 4;  // the members, ascending, each once
//!   repeated bytes coordinators = 5; // likewise
//!   repeated bytes witnesses = 6;    // likewise
//!   uint32 receipts_needed = 7;
//!   Rules rules = 8;
//! }
//! message Rules { uint32 vouches_needed = 1; uint32 records_per_minute = 2; uint64 bytes_per_day = 3; }
//! ```

use std::fmt;

use super::roster::{Roster, RosterError, Rules};
use crate::{
    ids::{CommunityId, RegionId, tagged_hash},
    wire::{Field, Reader, WireError, Writer},
};

/// The number of an epoch. Epoch 0 is the charter.
pub type EpochNumber = u64;

/// What names an epoch: SHA-256("folkmoot/epoch/v1\0" ‖ epoch), and for epoch 0 the region's id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochHash([u8; 32]);

impl EpochHash {
    /// The name of epoch 0.
    #[must_use]
    pub const fn of_charter(region: RegionId) -> Self {
        Self(*region.as_bytes())
    }

    /// The hash with these 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EpochHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for EpochHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A numbered state of a region. It holds once more than half of the members before it have filed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// The region.
    pub region: RegionId,
    /// Its number: at least 1.
    pub number: EpochNumber,
    /// The epoch that it follows.
    pub previous: EpochHash,
    /// Who votes and is seated from then on, and by which rules.
    pub roster: Roster,
}

/// Why bytes are not an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EpochError {
    /// The bytes are not in the strict subset.
    #[error("the epoch is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("field {field} of the epoch is missing or malformed")]
    Field {
        /// The field's number.
        field: u64,
    },
    /// Members, seats or rules are refused.
    #[error(transparent)]
    Roster(#[from] RosterError),
    /// The bytes mean an epoch, but are not its one encoding.
    #[error("the epoch is not in its one canonical encoding")]
    NotCanonical,
}

impl EpochError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "region.epoch_malformed",
            Self::Roster(error) => error.reason(),
        }
    }
}

impl Epoch {
    /// What names this epoch.
    #[must_use]
    pub fn hash(&self) -> EpochHash {
        EpochHash(tagged_hash("folkmoot/epoch/v1", &[&self.encode()]))
    }

    /// The epoch's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { region, number, previous, roster } = self;
        let mut writer = Writer::default();
        writer.bytes(1, region.as_bytes()).number(2, *number).bytes(3, previous.as_bytes());
        roster.write(&mut writer, 4);
        writer.finish()
    }

    /// The epoch in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`EpochError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, EpochError> {
        let mut raw = Raw::default();
        let mut reader = Reader::new(bytes);
        while let Some(field) = reader.next()? {
            raw.take(field)?;
        }
        let epoch = raw.check()?;
        if epoch.encode() == bytes { Ok(epoch) } else { Err(EpochError::NotCanonical) }
    }
}

/// Fields as found, before any is believed.
#[derive(Default)]
struct Raw {
    region: Option<RegionId>,
    number: u64,
    previous: Option<EpochHash>,
    /// Members, coordinators, witnesses.
    communities: [Vec<CommunityId>; 3],
    receipts_needed: u64,
    rules: Option<Rules>,
}

impl Raw {
    fn take(&mut self, field: Field<'_>) -> Result<(), EpochError> {
        let Field { number: field, value } = field;
        let malformed = EpochError::Field { field };
        let bytes = || value.array().ok_or(malformed);
        let [members, coordinators, witnesses] = &mut self.communities;
        match field {
            1 => self.region = Some(RegionId::from_bytes(bytes()?)),
            2 => self.number = value.number().ok_or(malformed)?,
            3 => self.previous = Some(EpochHash(bytes()?)),
            4 => members.push(CommunityId::from_bytes(bytes()?)),
            5 => coordinators.push(CommunityId::from_bytes(bytes()?)),
            6 => witnesses.push(CommunityId::from_bytes(bytes()?)),
            7 => self.receipts_needed = value.number().ok_or(malformed)?,
            8 => self.rules = Rules::read(value.bytes().ok_or(malformed)?)?,
            _ => return Err(malformed),
        }
        Ok(())
    }

    fn check(self) -> Result<Epoch, EpochError> {
        let missing = |field| EpochError::Field { field };
        let Self { region, number, previous, communities, receipts_needed, rules } = self;
        let [members, coordinators, witnesses] = communities;
        let n_coordinators = coordinators.len();
        let too_many = RosterError::Receipts { receipts_needed, n_coordinators };
        let receipts_needed = u32::try_from(receipts_needed).ok().ok_or(too_many)?;
        Ok(Epoch {
            region: region.ok_or(missing(1))?,
            number: Some(number).filter(|it| 0 < *it).ok_or(missing(2))?,
            previous: previous.ok_or(missing(3))?,
            roster: Roster::new(members, coordinators, receipts_needed)?
                .with_witnesses(witnesses)?
                .with_rules(rules.ok_or(missing(8))?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::roster::{Quota, tests::communities},
        *,
    };

    fn epoch() -> Epoch {
        Epoch {
            region: RegionId::from_bytes([1; 32]),
            number: 1,
            previous: EpochHash::of_charter(RegionId::from_bytes([1; 32])),
            roster: Roster::new(communities(2), communities(1), 1).unwrap(),
        }
    }

    #[test]
    fn the_encoding_and_the_hash_never_change() {
        let hex = data_encoding::HEXLOWER.encode(&epoch().encode());
        let ([ones, zeros], one) = (["01", "00"].map(|it| it.repeat(32)), "0001");
        let second = format!("{one}{}", "00".repeat(30));
        let expected = format!(
            "0a20{ones}10011a20{ones}2220{zeros}2220{second}2a20{zeros}3801420b080110f02e188080808004"
        );
        assert_eq!(hex, expected);
        assert_eq!(epoch().hash().to_string(), HASH);
    }

    /// Computed apart from this code.
    const HASH: &str = "5d41002c24c24fbfc98fb7aeb36e8d4d3679d78effd319f6e99230a910090ac4";

    #[test]
    fn every_part_changes_the_hash() {
        let base = epoch();
        let other = RegionId::from_bytes([2; 32]);
        let roster =
            |it: Result<Roster, RosterError>| Epoch { roster: it.unwrap(), ..base.clone() };
        let quota = Quota { records_per_minute: 1, bytes_per_day: 1 };
        let rules = Rules { vouches_needed: 1, quota };
        let all = [
            base.clone(),
            Epoch { region: other, ..base.clone() },
            Epoch { number: 2, ..base.clone() },
            Epoch { previous: EpochHash::of_charter(other), ..base.clone() },
            roster(Roster::new(communities(3), communities(1), 1)),
            roster(Roster::new(communities(2), communities(0), 1)),
            roster(base.roster.clone().with_witnesses(communities(1))),
            roster(base.roster.clone().with_rules(rules)),
        ];
        let hashes: std::collections::BTreeSet<_> = all.iter().map(Epoch::hash).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn epoch_0_is_no_epoch_of_its_own() {
        let zero = Epoch { number: 0, ..epoch() }.encode();
        assert_eq!(Epoch::decode(&zero), Err(EpochError::Field { field: 2 }));
    }

    #[test]
    fn refuses_an_epoch_without_rules_and_with_an_unknown_rule() {
        let bytes = epoch().encode();
        let without = &bytes[..bytes.len() - 13];
        assert_eq!(Epoch::decode(without), Err(EpochError::Field { field: 8 }));
        let unknown = [without, &[0x42, 2, 0x20, 1]].concat();
        assert_eq!(Epoch::decode(&unknown), Err(EpochError::Field { field: 8 }));
    }

    proptest! {
        #[test]
        fn an_epoch_reads_back(
            number in 1u64..,
            (members, coordinators, witnesses) in (1u16..40, 0u16..=16, 0u16..=16),
            (per_minute, per_day) in (1u32.., 1u64..),
        ) {
            let quota = Quota { records_per_minute: per_minute, bytes_per_day: per_day };
            let roster = Roster::new(communities(members), communities(coordinators), 1)
                .and_then(|it| it.with_witnesses(communities(witnesses)))
                .and_then(|it| it.with_rules(Rules { vouches_needed: u32::from(members), quota }))
                .unwrap();
            let epoch = Epoch { number, roster, ..epoch() };
            prop_assert_eq!(Epoch::decode(&epoch.encode()), Ok(epoch));
        }

        #[test]
        fn whatever_is_accepted_is_the_one_encoding(at in 0usize..300, byte in any::<u8>()) {
            let mut bytes = epoch().encode();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(epoch) = Epoch::decode(&bytes) {
                prop_assert_eq!(epoch.encode(), bytes);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Epoch::decode(&bytes);
        }
    }
}
