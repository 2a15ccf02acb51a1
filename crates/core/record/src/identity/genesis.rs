//! The genesis of a community: record 0 of era 0, whose hash is the community's id for ever.
//!
//! ```proto
//! message Genesis {
//!   string network = 1;
//!   string name = 2;
//!   repeated Officer officers = 3;   // ascending by key
//!   uint32 threshold = 4;
//!   EpochKeys keys = 5;
//!   bytes nonce = 6;                 // empty, or 16 to 32 bytes
//! }
//! message Officer { bytes key = 1; bytes spare_digest = 2; }
//! ```

use super::{
    codec::{PayloadError, push_within, read_fields, required},
    keys::{EpochKeys, OfficerKey, SpareDigest},
};
use crate::{ids::Network, name::Name, wire::Writer};

/// The most officers of a community.
pub const MAX_OFFICERS: usize = 32;
/// The shortest nonce, in bytes, where there is one.
pub const MIN_NONCE_BYTES: usize = 16;
/// The longest nonce, in bytes.
pub const MAX_NONCE_BYTES: usize = 32;

/// One officer: a key, and the digest of the officer's own spare key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Officer {
    /// The key that signs rotations and recoveries.
    pub key: OfficerKey,
    /// The digest of the spare key, which alone signs changes of officers.
    pub spare_digest: SpareDigest,
}

/// The officers of a community and how many of them act for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officers {
    list: Vec<Officer>,
    threshold: u32,
}

/// Why officers are not a set that can act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfficersError {
    /// There is none, or more than [`MAX_OFFICERS`].
    #[error("a community has 1 to {MAX_OFFICERS} officers, not {n_officers}")]
    Count {
        /// How many there are.
        n_officers: usize,
    },
    /// The keys are not in ascending order, each once.
    #[error("the officers are not in ascending order of their keys, each once")]
    Order,
    /// One spare key would count twice, or an officer's key would be a spare key: one theft would change officers.
    #[error("every spare key must belong to one officer and must not be an officer's key")]
    SpareShared,
    /// The threshold is not between 1 and the number of officers.
    #[error("{threshold} of {n_officers} officers cannot act")]
    Threshold {
        /// The threshold given.
        threshold: u64,
        /// How many officers there are.
        n_officers: usize,
    },
}

impl OfficersError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Count { .. } => "identity.officer_count",
            Self::Order => "identity.officer_order",
            Self::SpareShared => "identity.spare_shared",
            Self::Threshold { .. } => "identity.threshold",
        }
    }
}

impl Officers {
    /// The officers, in ascending order of their keys, of whom `threshold` act together.
    ///
    /// # Errors
    ///
    /// [`OfficersError`] if they could not act, or if one stolen key could stand for more than one officer.
    pub fn new(list: Vec<Officer>, threshold: u32) -> Result<Self, OfficersError> {
        let n_officers = list.len();
        if n_officers == 0 || MAX_OFFICERS < n_officers {
            return Err(OfficersError::Count { n_officers });
        }
        if !list.is_sorted_by(|one, next| one.key < next.key) {
            return Err(OfficersError::Order);
        }
        // 32 officers: comparing all pairs is nothing.
        let shares = |one: &Officer, other: &Officer| {
            let same_spare = one.key != other.key && one.spare_digest == other.spare_digest;
            same_spare || one.spare_digest == SpareDigest::of_bytes(other.key.as_bytes())
        };
        if list.iter().any(|one| list.iter().any(|other| shares(one, other))) {
            return Err(OfficersError::SpareShared);
        }
        if threshold == 0 || usize::try_from(threshold).is_ok_and(|it| n_officers < it) {
            return Err(OfficersError::Threshold { threshold: threshold.into(), n_officers });
        }
        Ok(Self { list, threshold })
    }

    /// The officers, in ascending order of their keys. Signatures name an officer by the place in this list, from 0.
    #[must_use]
    pub fn list(&self) -> &[Officer] {
        &self.list
    }

    /// How many of them act together: 1..=n.
    #[must_use]
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The officer at this place, from 0.
    #[must_use]
    pub fn get(&self, officer_index: u32) -> Option<&Officer> {
        self.list.get(usize::try_from(officer_index).ok()?)
    }

    /// Writes the list as one field and the threshold as another.
    pub(super) fn write(&self, writer: &mut Writer, list_field: u64, threshold_field: u64) {
        for Officer { key, spare_digest } in &self.list {
            let mut officer = Writer::default();
            officer.bytes(1, key.as_bytes()).bytes(2, &spare_digest.0);
            writer.element(list_field, &officer.finish());
        }
        writer.number(threshold_field, u64::from(self.threshold));
    }
}

/// Officers as found, before they are believed to be a set.
#[derive(Default)]
pub(super) struct RawOfficers {
    list: Vec<Officer>,
    threshold: u64,
}

impl RawOfficers {
    pub(super) fn push(
        &mut self,
        officer: &[u8],
        at: (&'static str, u64),
    ) -> Result<(), PayloadError> {
        push_within(&mut self.list, read_officer(officer)?, MAX_OFFICERS, at)
    }

    pub(super) fn set_threshold(&mut self, threshold: u64) {
        self.threshold = threshold;
    }

    pub(super) fn check(self) -> Result<Officers, OfficersError> {
        let Self { list, threshold } = self;
        let n_officers = list.len();
        let too_many = OfficersError::Threshold { threshold, n_officers };
        Officers::new(list, u32::try_from(threshold).ok().ok_or(too_many)?)
    }
}

fn read_officer(bytes: &[u8]) -> Result<Officer, PayloadError> {
    let (mut key, mut spare_digest) = (None, None);
    read_fields(bytes, "Officer", |field, value| {
        let slot = match field {
            1 => &mut key,
            2 => &mut spare_digest,
            _ => return Ok(None),
        };
        *slot = value.array();
        Ok(slot.map(|_| ()))
    })?;
    Ok(Officer {
        key: OfficerKey::from_bytes(required(key, "Officer", 1)?)?,
        spare_digest: SpareDigest(required(spare_digest, "Officer", 2)?),
    })
}

/// Bytes that make two communities of the same name and keys differ: none, or 16 to 32.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nonce(Vec<u8>);

impl Nonce {
    /// The nonce, if it has no bytes or [`MIN_NONCE_BYTES`] to [`MAX_NONCE_BYTES`].
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let allowed =
            bytes.is_empty() || (MIN_NONCE_BYTES..=MAX_NONCE_BYTES).contains(&bytes.len());
        allowed.then(|| Self(bytes.to_vec()))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a community is founded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The network.
    pub network: Network,
    /// The name for people to read.
    pub name: Name,
    /// The first officers.
    pub officers: Officers,
    /// The keys of the first epoch.
    pub keys: EpochKeys,
    /// What makes it differ from another of the same name and keys.
    pub nonce: Nonce,
}

impl Genesis {
    pub(super) fn encode_inner(&self) -> Vec<u8> {
        let Self { network, name, officers, keys, nonce } = self;
        let mut writer = Writer::default();
        writer.bytes(1, network.as_str().as_bytes()).bytes(2, name.as_str().as_bytes());
        officers.write(&mut writer, 3, 4);
        writer.bytes(5, &keys.encode()).bytes(6, &nonce.0);
        writer.finish()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, PayloadError> {
        const MESSAGE: &str = "Genesis";
        let (mut network, mut name, mut keys, mut nonce) =
            (None, None, None, Some(Nonce::default()));
        let mut officers = RawOfficers::default();
        read_fields(bytes, MESSAGE, |field, value| {
            match field {
                1 => network = value.text().and_then(|it| it.parse().ok()),
                2 => name = value.text(),
                3 => officers.push(required(value.bytes(), MESSAGE, 3)?, (MESSAGE, 3))?,
                4 => officers.set_threshold(required(value.number(), MESSAGE, 4)?),
                5 => keys = value.bytes(),
                6 => nonce = value.bytes().and_then(Nonce::new),
                _ => return Ok(None),
            }
            Ok(Some(()))
        })?;
        Ok(Self {
            network: required(network, MESSAGE, 1)?,
            name: Name::parse(required(name, MESSAGE, 2)?)?,
            officers: officers.check()?,
            keys: EpochKeys::read(required(keys, MESSAGE, 5)?)?,
            nonce: required(nonce, MESSAGE, 6)?,
        })
    }
}
