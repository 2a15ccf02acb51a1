//! What a community says about its region, in its own log: which epoch it votes for, and whom it vouches for.
//!
//! The payload of kind `folkmoot.record.region_epoch.v1`.
//!
//! ```proto
//! message RegionEpoch { oneof action { File file = 1; Vouch vouch = 2; } }
//! message File { bytes epoch = 1; repeated SeatAddress addresses = 2; }
//! message Vouch { bytes region = 1; bytes community = 2; bool withdrawn = 3; }
//! message SeatAddress { bytes community = 1; string address = 2; }
//! ```
//!
//! Addresses are hints of whoever files: they are not part of the epoch, so that two members who know a coordinator by
//! two addresses still file the same epoch.

use super::{
    epoch::{Epoch, EpochError},
    roster::MAX_SEATS,
};
use crate::{
    ids::{CommunityId, RegionId},
    wire::{Field, Reader, WireError, Writer},
};

/// The longest address, in bytes: a DNS name of 253 and a port.
pub const MAX_ADDRESS_BYTES: usize = 259;
/// The most addresses beside an epoch: one for each coordinator and each witness.
const MAX_ADDRESSES: usize = 2 * MAX_SEATS;

/// Where a community was last reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeatAddress {
    /// Which community.
    pub community: CommunityId,
    /// `host:port`, as far as its form goes; at most [`MAX_ADDRESS_BYTES`].
    pub address: String,
}

/// One thing that a community says about its region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegionAction {
    /// A vote for an epoch. Only a member's first for a number counts.
    File {
        /// The epoch.
        epoch: Epoch,
        /// Where its coordinators and witnesses are, as far as the filer knows: ascending by community, each once.
        addresses: Vec<SeatAddress>,
    },
    /// A community is known to the speaker, and its log may be carried.
    Vouch {
        /// The region.
        region: RegionId,
        /// Who is vouched for.
        community: CommunityId,
        /// The speaker takes an earlier vouch back.
        withdrawn: bool,
    },
}

/// Why bytes are not such an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegionActionError {
    /// The bytes are not in the strict subset.
    #[error("the payload is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("a field of `{message}` is missing or malformed")]
    Field {
        /// The message that it is a field of.
        message: &'static str,
    },
    /// The epoch is refused.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The bytes mean an action, but are not its one encoding.
    #[error("the payload is not in its one canonical encoding")]
    NotCanonical,
}

impl RegionActionError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "region.filing_malformed",
            Self::Epoch(error) => error.reason(),
        }
    }
}

impl SeatAddress {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(1, self.community.as_bytes()).bytes(2, self.address.as_bytes());
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, RegionActionError> {
        const MALFORMED: RegionActionError = RegionActionError::Field { message: "SeatAddress" };
        let (mut community, mut address) = (None, None);
        read(bytes, |Field { number, value }| {
            match number {
                1 => community = value.array().map(CommunityId::from_bytes),
                2 => address = value.text(),
                _ => return Err(MALFORMED),
            }
            Ok(())
        })?;
        let is_address =
            |it: &&str| it.len() <= MAX_ADDRESS_BYTES && it.bytes().all(|it| it.is_ascii_graphic());
        let address = address.filter(is_address).ok_or(MALFORMED)?.to_owned();
        Ok(Self { community: community.ok_or(MALFORMED)?, address })
    }
}

impl RegionAction {
    /// The region that the action is about.
    #[must_use]
    pub const fn region(&self) -> RegionId {
        match self {
            Self::File { epoch, addresses: _ } => epoch.region,
            Self::Vouch { region, .. } => *region,
        }
    }

    /// The payload's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (mut writer, mut action) = (Writer::default(), Writer::default());
        match self {
            Self::File { epoch, addresses } => {
                action.bytes(1, &epoch.encode());
                for address in addresses {
                    action.element(2, &address.encode());
                }
                writer.element(1, &action.finish());
            }
            Self::Vouch { region, community, withdrawn } => {
                action.bytes(1, region.as_bytes()).bytes(2, community.as_bytes());
                action.number(3, (*withdrawn).into());
                writer.element(2, &action.finish());
            }
        }
        writer.finish()
    }

    /// The action in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`RegionActionError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, RegionActionError> {
        let mut found = None;
        read(bytes, |Field { number, value }| {
            let malformed = RegionActionError::Field { message: "RegionEpoch" };
            let inner = value.bytes().ok_or(malformed)?;
            found = Some(match number {
                1 => Self::read_file(inner)?,
                2 => Self::read_vouch(inner)?,
                _ => return Err(malformed),
            });
            Ok(())
        })?;
        let action = found.ok_or(RegionActionError::Field { message: "RegionEpoch" })?;
        if action.encode() == bytes { Ok(action) } else { Err(RegionActionError::NotCanonical) }
    }

    fn read_file(bytes: &[u8]) -> Result<Self, RegionActionError> {
        const MALFORMED: RegionActionError = RegionActionError::Field { message: "File" };
        let (mut epoch, mut addresses) = (None, Vec::new());
        read(bytes, |Field { number, value }| {
            match number {
                1 => epoch = value.bytes(),
                2 if addresses.len() < MAX_ADDRESSES => {
                    addresses.push(SeatAddress::read(value.bytes().ok_or(MALFORMED)?)?);
                }
                _ => return Err(MALFORMED),
            }
            Ok(())
        })?;
        if !addresses.is_sorted_by(|one, next| one.community < next.community) {
            return Err(MALFORMED);
        }
        Ok(Self::File { epoch: Epoch::decode(epoch.ok_or(MALFORMED)?)?, addresses })
    }

    fn read_vouch(bytes: &[u8]) -> Result<Self, RegionActionError> {
        const MALFORMED: RegionActionError = RegionActionError::Field { message: "Vouch" };
        let (mut region, mut community, mut withdrawn) = (None, None, 0);
        read(bytes, |Field { number, value }| {
            match number {
                1 => region = value.array().map(RegionId::from_bytes),
                2 => community = value.array().map(CommunityId::from_bytes),
                3 => withdrawn = value.number().ok_or(MALFORMED)?,
                _ => return Err(MALFORMED),
            }
            Ok(())
        })?;
        let (region, community) = region.zip(community).ok_or(MALFORMED)?;
        Ok(Self::Vouch { region, community, withdrawn: withdrawn == 1 })
    }
}

/// Hands over field after field.
fn read<'a>(
    bytes: &'a [u8],
    mut take: impl FnMut(Field<'a>) -> Result<(), RegionActionError>,
) -> Result<(), RegionActionError> {
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        take(field)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{
            epoch::EpochHash,
            roster::{Roster, tests::communities},
        },
        *,
    };

    fn seat(n: u8, address: &str) -> SeatAddress {
        SeatAddress { community: CommunityId::from_bytes([n; 32]), address: address.to_owned() }
    }

    fn file(addresses: Vec<SeatAddress>) -> RegionAction {
        let region = RegionId::from_bytes([1; 32]);
        let roster = Roster::new(communities(2), communities(1), 1).unwrap();
        let previous = EpochHash::of_charter(region);
        RegionAction::File { epoch: Epoch { region, number: 1, previous, roster }, addresses }
    }

    fn vouch(withdrawn: bool) -> RegionAction {
        let community = CommunityId::from_bytes([2; 32]);
        RegionAction::Vouch { region: RegionId::from_bytes([1; 32]), community, withdrawn }
    }

    #[test]
    fn actions_read_back() {
        let hints = vec![seat(1, "a.example:7443"), seat(2, "[2001:db8::1]:7443")];
        for action in [file(vec![]), file(hints), vouch(false), vouch(true)] {
            assert_eq!(RegionAction::decode(&action.encode()), Ok(action));
        }
    }

    #[test]
    fn an_address_has_at_most_259_visible_characters() {
        let with = |address: &str| RegionAction::decode(&file(vec![seat(1, address)]).encode());
        assert!(with(&"a".repeat(MAX_ADDRESS_BYTES)).is_ok());
        assert!(with(&"a".repeat(MAX_ADDRESS_BYTES + 1)).is_err());
        assert!(with("a b:1").is_err());
        assert!(with("").is_err());
    }

    #[test]
    fn refuses_addresses_out_of_order_or_of_one_community_twice() {
        let (a, b) = (seat(1, "a:1"), seat(2, "b:1"));
        let decoded = |hints: Vec<SeatAddress>| RegionAction::decode(&file(hints).encode());
        assert!(decoded(vec![a.clone(), b.clone()]).is_ok());
        assert!(decoded(vec![b, a.clone()]).is_err());
        assert!(decoded(vec![a.clone(), a]).is_err());
    }

    #[test]
    fn refuses_nothing_two_actions_and_a_number_for_a_truth() {
        assert!(RegionAction::decode(&[]).is_err());
        let both = [file(vec![]).encode(), vouch(false).encode()].concat();
        assert_eq!(RegionAction::decode(&both), Err(RegionActionError::NotCanonical));
        let mut two = vouch(true).encode();
        *two.last_mut().unwrap() = 2;
        assert_eq!(RegionAction::decode(&two), Err(RegionActionError::NotCanonical));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = RegionAction::decode(&bytes);
        }
    }
}
