//! The identity of a community as its identity records leave it.
//!
//! ```text
//! genesis ──▶ Identity ──rotation──▶ new keys, same officers
//!                 │  ▲──officer change──▶ new officers, same keys
//!                 └─────recovery────▶ next era, new keys, same officers
//! ```
//!
//! Each record names the one before it by its leaf hash, so that the records of a community have one order. Of two
//! that follow the same one, this state takes the one it is given; which one holds is for the region's quorum to say.

use super::{
    IdentityAction,
    change::{OfficerChange, Rotation},
    codec::PayloadError,
    genesis::{Genesis, Officers},
    keys::{EpochKeys, LogKey},
    recovery::{KeptTree, Recovery},
    signing::{Context, SignatureError},
};
use crate::{
    header::Header,
    ids::{CommunityId, Network, RecordId},
    kind::Known,
    name::Name,
    time::UnixMillis,
    verified::VerifiedRecord,
};

/// Keys and the record from which they are the community's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    /// The era of that record.
    pub era: u32,
    /// Its index in that era's log.
    pub from_index: u64,
    /// The time that the record states. Only the dates of cosignatures are compared with it, to tell those made before a
    /// key retired (ARCHITECTURE §6, Forks).
    pub since: UnixMillis,
    /// The keys.
    pub keys: EpochKeys,
}

/// Who a community is: what its identity records say so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    network: Network,
    community: CommunityId,
    name: Name,
    era: u32,
    officers: Officers,
    keys: EpochKeys,
    last_identity: RecordId,
    last_index: u64,
    epochs: Vec<Epoch>,
    kept: Vec<KeptTree>,
}

/// Why a record does not continue an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The payload is not an identity record's.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The record is of another kind.
    #[error("a record of the kind {kind} says nothing of identity")]
    OtherKind {
        /// Its kind.
        kind: String,
    },
    /// The record is of another network or community.
    #[error("the record is of {community} in the network {network}")]
    OtherCommunity {
        /// The network that it names.
        network: Network,
        /// The community that it names.
        community: CommunityId,
    },
    /// A genesis anywhere but at record 0 of era 0, or something else there.
    #[error("a genesis is record 0 of era 0, and record 0 of era 0 is a genesis")]
    MisplacedGenesis,
    /// The genesis hashes to another community than the record's header names.
    #[error("the genesis founds {found}, but its header names {stated}")]
    OtherGenesis {
        /// The community that the genesis founds.
        found: CommunityId,
        /// The community that the header names.
        stated: CommunityId,
    },
    /// The record stands in another era, or not behind the last identity record.
    #[error("number {index} of era {era} does not follow the last identity record")]
    OutOfPlace {
        /// The era of the record.
        era: u32,
        /// Its index.
        index: u64,
    },
    /// The record follows another identity record than the last one known.
    #[error("the record follows {found}, but the last identity record is {expected}")]
    WrongPrevious {
        /// The last one known.
        expected: RecordId,
        /// The one that the record names.
        found: RecordId,
    },
    /// A recovery keeps another era, or not the last identity record.
    #[error(
        "the recovery keeps {size} records of era {era}, which leaves out the last identity record"
    )]
    KeptTooLittle {
        /// The era it keeps.
        era: u32,
        /// How many of its records it keeps.
        size: u64,
    },
    /// Too few officers signed, or a signature does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl IdentityError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Payload(error) => error.reason(),
            Self::OtherKind { .. } => "identity.other_kind",
            Self::OtherCommunity { .. } => "identity.other_community",
            Self::MisplacedGenesis => "identity.misplaced_genesis",
            Self::OtherGenesis { .. } => "identity.other_genesis",
            Self::OutOfPlace { .. } => "identity.out_of_place",
            Self::WrongPrevious { .. } => "identity.wrong_previous",
            Self::KeptTooLittle { .. } => "identity.kept_too_little",
            Self::Signature(error) => error.reason(),
        }
    }
}

impl Identity {
    /// The identity that a genesis founds.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the record is not record 0 of era 0 of the community that its genesis founds.
    pub fn from_genesis(record: &VerifiedRecord) -> Result<Self, IdentityError> {
        let header = record.header();
        let payload = payload_of(record, Known::Identity)?;
        let IdentityAction::Genesis(genesis) = IdentityAction::decode(payload)? else {
            return Err(IdentityError::MisplacedGenesis);
        };
        if (header.era, header.index) != (0, 0) {
            return Err(IdentityError::MisplacedGenesis);
        }
        let found = CommunityId::of_genesis(payload);
        if found != header.community {
            return Err(IdentityError::OtherGenesis { found, stated: header.community });
        }
        if genesis.network != header.network {
            let Genesis { network, .. } = genesis;
            return Err(IdentityError::OtherCommunity { network, community: found });
        }
        Ok(Self::founded(genesis, found, record))
    }

    fn founded(genesis: Genesis, community: CommunityId, record: &VerifiedRecord) -> Self {
        let Genesis { network, name, officers, keys, nonce: _ } = genesis;
        let since = record.header().time;
        Self {
            network,
            community,
            name,
            era: 0,
            officers,
            keys,
            last_identity: record.id(),
            last_index: 0,
            epochs: vec![Epoch { era: 0, from_index: 0, since, keys }],
            kept: Vec::new(),
        }
    }

    /// Takes the next identity or recovery record. After an error the identity is as before.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] if the record does not follow the last one, or too few officers signed it.
    pub fn apply(&mut self, record: &VerifiedRecord) -> Result<(), IdentityError> {
        let Header { network, community, kind, .. } = record.header();
        if (network, community) != (&self.network, &self.community) {
            let (network, community) = (network.clone(), *community);
            return Err(IdentityError::OtherCommunity { network, community });
        }
        if kind.known() == Some(Known::Recovery) {
            let recovery = Recovery::decode(payload_of(record, Known::Recovery)?)?;
            return self.recover(record, &recovery);
        }
        match IdentityAction::decode(payload_of(record, Known::Identity)?)? {
            IdentityAction::Genesis(_) => Err(IdentityError::MisplacedGenesis),
            IdentityAction::Rotation(rotation) => self.rotate(record, &rotation),
            IdentityAction::OfficerChange(change) => self.change_officers(record, change),
        }
    }

    fn rotate(
        &mut self,
        record: &VerifiedRecord,
        rotation: &Rotation,
    ) -> Result<(), IdentityError> {
        self.check_follows(record.header(), rotation.previous)?;
        rotation.verify(&self.context(), &self.officers)?;
        self.begin_epoch(record, rotation.keys);
        Ok(())
    }

    fn change_officers(
        &mut self,
        record: &VerifiedRecord,
        change: OfficerChange,
    ) -> Result<(), IdentityError> {
        self.check_follows(record.header(), change.previous)?;
        change.verify(&self.context(), &self.officers)?;
        self.officers = change.officers;
        (self.last_identity, self.last_index) = (record.id(), record.header().index);
        Ok(())
    }

    fn recover(
        &mut self,
        record: &VerifiedRecord,
        recovery: &Recovery,
    ) -> Result<(), IdentityError> {
        let &Recovery { community, last_identity, kept, keys, signatures: _ } = recovery;
        if community != self.community {
            let network = self.network.clone();
            return Err(IdentityError::OtherCommunity { network, community });
        }
        let Header { era, index, .. } = *record.header();
        if recovery.era() != Some(era) || index != 0 {
            return Err(IdentityError::OutOfPlace { era, index });
        }
        if kept.era != self.era || kept.size <= self.last_index {
            let KeptTree { era, size, root: _ } = kept;
            return Err(IdentityError::KeptTooLittle { era, size });
        }
        self.check_previous(last_identity)?;
        recovery.verify(&self.network, &self.officers)?;
        self.era = era;
        self.kept.push(kept);
        self.begin_epoch(record, keys);
        Ok(())
    }

    fn begin_epoch(&mut self, record: &VerifiedRecord, keys: EpochKeys) {
        let Header { era, index, time: since, .. } = *record.header();
        self.keys = keys;
        self.epochs.push(Epoch { era, from_index: index, since, keys });
        (self.last_identity, self.last_index) = (record.id(), index);
    }

    fn check_follows(&self, header: &Header, previous: RecordId) -> Result<(), IdentityError> {
        let Header { era, index, .. } = *header;
        if era != self.era || index <= self.last_index {
            return Err(IdentityError::OutOfPlace { era, index });
        }
        self.check_previous(previous)
    }

    fn check_previous(&self, found: RecordId) -> Result<(), IdentityError> {
        let expected = self.last_identity;
        if found == expected {
            Ok(())
        } else {
            Err(IdentityError::WrongPrevious { expected, found })
        }
    }

    fn context(&self) -> Context<'_> {
        Context { network: &self.network, community: self.community }
    }

    /// The key that must have signed a checkpoint of this size; `None` for an era that has not begun.
    ///
    /// A rotation at index i is in force for checkpoints of size i + 1 and above. Sizes beyond what a recovery kept
    /// have a key too: heads that are no longer believed must still be recognised.
    #[must_use]
    pub fn log_key_for(&self, era: u32, size: u64) -> Option<&LogKey> {
        let in_era = || self.epochs.iter().filter(|epoch| epoch.era == era);
        let in_force = in_era().rev().find(|epoch| epoch.from_index < size);
        in_force.or_else(|| in_era().next()).map(|epoch| epoch.keys.log())
    }

    /// What is kept of an era that has ended; `None` for the current one and those that have not begun.
    #[must_use]
    pub fn kept(&self, era: u32) -> Option<&KeptTree> {
        self.kept.iter().find(|kept| kept.era == era)
    }

    /// The key that signs the kept head of an era that has ended: the first log key of the era after it.
    ///
    /// Of the tree that a recovery keeps there may be no checkpoint, or none by a key that can still be trusted. Its size
    /// and root are in the recovery, which the officers signed; the new key signs no other head of the old era.
    #[must_use]
    pub fn kept_key(&self, era: u32) -> Option<&LogKey> {
        self.kept(era)?;
        let next = era.checked_add(1)?;
        self.epochs.iter().find(|epoch| epoch.era == next).map(|epoch| epoch.keys.log())
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// The community.
    #[must_use]
    pub const fn community(&self) -> CommunityId {
        self.community
    }

    /// The name of its genesis.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// The current era.
    #[must_use]
    pub const fn era(&self) -> u32 {
        self.era
    }

    /// The officers in office, and how many of them act together.
    #[must_use]
    pub const fn officers(&self) -> &Officers {
        &self.officers
    }

    /// The keys of the current epoch.
    #[must_use]
    pub const fn keys(&self) -> &EpochKeys {
        &self.keys
    }

    /// The last identity or recovery record: what the next one must name.
    #[must_use]
    pub const fn last_identity(&self) -> RecordId {
        self.last_identity
    }

    /// The index of that record in the current era.
    #[must_use]
    pub const fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Every epoch of keys, oldest first: at least one.
    #[must_use]
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }
}

fn payload_of(record: &VerifiedRecord, kind: Known) -> Result<&[u8], IdentityError> {
    let found = &record.header().kind;
    let of_kind = record.content().filter(|_| found.known() == Some(kind));
    let other = || IdentityError::OtherKind { kind: found.to_string() };
    of_kind.map(|content| content.payload.as_slice()).ok_or_else(other)
}
