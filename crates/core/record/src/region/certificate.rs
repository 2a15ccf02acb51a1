//! The certificate of a region: its charter and, for each epoch after it, the filings that made it hold.
//!
//! ```proto
//! message Certificate {
//!   bytes charter = 1;
//!   repeated CertifiedEpoch epochs = 2;      // epoch 1, 2, …
//!   repeated SeatAddress addresses = 3;      // where to reach seats and members; hints
//! }
//! message CertifiedEpoch { repeated bytes filings = 1; }   // each a tlog-proof of a record, with the record and its
//!                                                          // author's identity in its extra line
//! ```
//!
//! Whoever knows the region's id can check all of it offline, and each filing is a file that `folkmoot verify` reads.
//! What cannot be seen from it: whether a member filed another epoch of the same number before. Such a member has a part
//! in two certificates, and whoever meets both stops, see [`VerifiedRegion::first_difference`].

use std::collections::BTreeSet;

use super::{
    charter::{Charter, CharterError},
    epoch::{Epoch, EpochHash, EpochNumber},
    filing::{RegionAction, RegionActionError, SeatAddress},
    roster::Roster,
};
use crate::{
    ids::{CommunityId, Network, RegionId},
    kind::Known,
    proved::{self, ProvedError},
    wire::{Field, Reader, WireError, Writer},
};

/// The largest certificate, in bytes: twenty epochs of the largest region, with 501 filings of 6 KiB each.
pub const MAX_CERTIFICATE_BYTES: usize = 64 * 1024 * 1024;
/// The most epochs after the charter: one a month for 20 years, and a few.
pub const MAX_CERTIFICATE_EPOCHS: usize = 256;

/// A charter and the filings behind every epoch after it. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Certificate {
    /// The encoded charter.
    pub charter: Vec<u8>,
    /// Epoch 1 and those after it, in order.
    pub epochs: Vec<CertifiedEpoch>,
    /// Where seats and members were last reached: hints.
    pub addresses: Vec<SeatAddress>,
}

/// The filings that made one epoch hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CertifiedEpoch {
    /// Each a `.tlog-proof` with the record and its author's identity in its extra line.
    pub filings: Vec<Vec<u8>>,
}

/// An epoch that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEpoch {
    /// Its number; 0 for the charter.
    pub number: EpochNumber,
    /// What names it.
    pub hash: EpochHash,
    /// Who votes and is seated.
    pub roster: Roster,
    /// The members of the epoch before who filed it; none for the charter.
    pub filers: BTreeSet<CommunityId>,
}

/// A region as a certificate shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRegion {
    /// What it was founded with.
    pub charter: Charter,
    /// Its id.
    pub region: RegionId,
    /// Epoch 0 and those after it, in order: at least one.
    pub epochs: Vec<VerifiedEpoch>,
    /// Where seats and members were last reached: hints, not verified.
    pub addresses: Vec<SeatAddress>,
}

/// Why a certificate is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// More than [`MAX_CERTIFICATE_BYTES`] or [`MAX_CERTIFICATE_EPOCHS`].
    #[error(
        "the certificate is larger than {MAX_CERTIFICATE_BYTES} bytes or {MAX_CERTIFICATE_EPOCHS} epochs"
    )]
    TooLarge,
    /// The bytes are not in the strict subset.
    #[error("the certificate is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form, or the encoding is not the canonical one.
    #[error("the certificate is malformed")]
    Malformed,
    /// The charter is refused.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// It is the certificate of another region.
    #[error("the certificate is of {found}, not of {expected}")]
    OtherRegion {
        /// The region asked for.
        expected: RegionId,
        /// The region whose charter it holds.
        found: RegionId,
    },
    /// A filing does not hold.
    #[error("filing {place} of epoch {number} does not hold: {why}")]
    Filing {
        /// The epoch's number.
        number: EpochNumber,
        /// The filing's place, from 0.
        place: usize,
        /// What is wrong with it.
        why: FilingError,
    },
    /// Too few of the members before have filed the epoch.
    #[error("epoch {number} was filed by {n_filed} of the {needed} members needed")]
    TooFew {
        /// The epoch's number.
        number: EpochNumber,
        /// How many have.
        n_filed: usize,
        /// How many are needed.
        needed: usize,
    },
}

/// Why a filing in a certificate does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilingError {
    /// The record is not proved.
    #[error(transparent)]
    Proof(#[from] ProvedError),
    /// The record says something else.
    #[error("the record files no epoch")]
    OtherKind,
    /// The payload is refused.
    #[error(transparent)]
    Action(#[from] RegionActionError),
    /// Its author has no vote in this epoch.
    #[error("{community} is no member of the epoch before")]
    NotAMember {
        /// Who filed it.
        community: CommunityId,
    },
    /// Its author has filed before.
    #[error("{community} is named twice")]
    Twice {
        /// Who filed it.
        community: CommunityId,
    },
    /// It files another epoch than the one that follows, or than the other filings.
    #[error("it files another epoch")]
    OtherEpoch,
}

impl CertificateError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge => "region.certificate_too_large",
            Self::Wire(_) | Self::Malformed => "region.certificate_malformed",
            Self::Charter(error) => error.reason(),
            Self::OtherRegion { .. } => "region.other_region",
            Self::Filing { .. } => "region.bad_filing",
            Self::TooFew { .. } => "region.too_few_filings",
        }
    }
}

impl Certificate {
    /// The certificate's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { charter, epochs, addresses } = self;
        let mut writer = Writer::default();
        writer.bytes(1, charter);
        for CertifiedEpoch { filings } in epochs {
            let mut epoch = Writer::default();
            for filing in filings {
                epoch.element(1, filing);
            }
            writer.element(2, &epoch.finish());
        }
        for address in addresses {
            writer.element(3, &address.encode());
        }
        writer.finish()
    }

    /// The certificate in these bytes, if they are its one encoding. Nothing in it is verified.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, CertificateError> {
        if MAX_CERTIFICATE_BYTES < bytes.len() {
            return Err(CertificateError::TooLarge);
        }
        let malformed = || CertificateError::Malformed;
        let mut certificate = Self::default();
        let mut reader = Reader::new(bytes);
        while let Some(Field { number, value }) = reader.next()? {
            let value = value.bytes().ok_or_else(malformed)?;
            match number {
                1 => certificate.charter = value.to_vec(),
                2 if certificate.epochs.len() == MAX_CERTIFICATE_EPOCHS => {
                    return Err(CertificateError::TooLarge);
                }
                2 => certificate.epochs.push(CertifiedEpoch::read(value)?),
                3 => {
                    let address = SeatAddress::read(value).ok().ok_or_else(malformed)?;
                    certificate.addresses.push(address);
                }
                _ => return Err(malformed()),
            }
        }
        if certificate.encode() == bytes { Ok(certificate) } else { Err(malformed()) }
    }

    /// Verifies everything, from the charter on.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] at the first thing that does not hold.
    pub fn verify(&self, expected: Option<RegionId>) -> Result<VerifiedRegion, CertificateError> {
        let charter = Charter::decode(&self.charter)?;
        let found = charter.region_id();
        if let Some(expected) = expected.filter(|it| *it != found) {
            return Err(CertificateError::OtherRegion { expected, found });
        }
        let mut region = VerifiedRegion::founded(charter);
        for epoch in &self.epochs {
            region.advance(epoch)?;
        }
        region.addresses = self.addresses.clone();
        Ok(region)
    }
}

impl CertifiedEpoch {
    fn read(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut filings = Vec::new();
        let mut reader = Reader::new(bytes);
        while let Some(Field { number, value }) = reader.next()? {
            let filing = value.bytes().filter(|_| number == 1);
            filings.push(filing.ok_or(CertificateError::Malformed)?.to_vec());
        }
        Ok(Self { filings })
    }
}

impl VerifiedRegion {
    /// A region in its first epoch.
    #[must_use]
    pub fn founded(charter: Charter) -> Self {
        let region = charter.region_id();
        let (hash, roster) = (EpochHash::of_charter(region), charter.roster().clone());
        let first = VerifiedEpoch { number: 0, hash, roster, filers: BTreeSet::new() };
        Self { charter, region, epochs: vec![first], addresses: Vec::new() }
    }

    /// The newest epoch.
    #[must_use]
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "the first epoch is never taken away"
    )]
    pub fn newest(&self) -> &VerifiedEpoch {
        self.epochs.last().expect("a region has its first epoch")
    }

    /// The address of a community, where one is known.
    #[must_use]
    pub fn address(&self, community: &CommunityId) -> Option<&str> {
        let known = self.addresses.iter().find(|it| it.community == *community);
        known.map(|it| it.address.as_str())
    }

    /// The number of the first epoch in which two certificates of one region differ: some member has filed both. Nobody
    /// follows either any further; both are shown. `None` if one only goes on where the other ends.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<EpochNumber> {
        let pairs = self.epochs.iter().zip(&other.epochs);
        pairs.into_iter().find(|(one, other)| one.hash != other.hash).map(|(one, _)| one.number)
    }

    /// Takes the next epoch. After an error the region is as before.
    fn advance(&mut self, certified: &CertifiedEpoch) -> Result<(), CertificateError> {
        let before = self.newest();
        let number = before.number.saturating_add(1);
        let mut filers = BTreeSet::new();
        let mut filed: Option<Epoch> = None;
        for (place, proof) in certified.filings.iter().enumerate() {
            let refused = |why| CertificateError::Filing { number, place, why };
            let (community, epoch) = open_filing(self.charter.network(), proof).map_err(refused)?;
            let follows =
                (epoch.region, epoch.number, epoch.previous) == (self.region, number, before.hash);
            if !follows || filed.as_ref().is_some_and(|it| *it != epoch) {
                return Err(refused(FilingError::OtherEpoch));
            }
            if !before.roster.is_member(&community) {
                return Err(refused(FilingError::NotAMember { community }));
            }
            if !filers.insert(community) {
                return Err(refused(FilingError::Twice { community }));
            }
            filed = Some(epoch);
        }
        let (n_filed, needed) = (filers.len(), before.roster.majority());
        let too_few = CertificateError::TooFew { number, n_filed, needed };
        let epoch = filed.filter(|_| needed <= n_filed).ok_or(too_few)?;
        let (hash, roster) = (epoch.hash(), epoch.roster);
        self.epochs.push(VerifiedEpoch { number, hash, roster, filers });
        Ok(())
    }
}

/// Who filed which epoch, from the proof alone.
fn open_filing(network: &Network, proof: &[u8]) -> Result<(CommunityId, Epoch), FilingError> {
    let record = proved::open(network, proof, None)?;
    let payload =
        record.content().filter(|_| record.header().kind.known() == Some(Known::RegionEpoch));
    let payload = payload.ok_or(FilingError::OtherKind)?;
    match RegionAction::decode(&payload.payload)? {
        RegionAction::File { epoch, addresses: _ } => Ok((record.header().community, epoch)),
        RegionAction::Vouch { .. } => Err(FilingError::OtherKind),
    }
}
