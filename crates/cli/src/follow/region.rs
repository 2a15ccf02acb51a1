//! What a subscriber keeps of the region, so that the loss of a coordinator is no loss of the feed: the newest epoch that
//! a certificate showed, where its coordinators are, and three members who would know of a newer one.
//!
//! ```text
//! coordinator lost ─▶ ask every address for the certificate ─▶ newest that holds ─▶ a coordinator seated there
//! ```
//!
//! Only certificates are believed, whoever gives them; never one of a lower epoch, nor two that contradict each other.

use std::time::Duration;

use peer::join::fetch_certificate;
use record::{
    CommunityId, RegionId,
    region::{EpochNumber, VerifiedRegion},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::Failure;

/// How many members' addresses are kept.
const N_MEMBERS: usize = 3;
/// For one of them to answer: others may know, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// The region as it was last known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownRegion {
    /// fmg1….
    pub(super) region: String,
    /// The newest epoch's number.
    pub(super) epoch: EpochNumber,
    /// What names it, in hexadecimal.
    pub(super) epoch_hash: String,
    /// The coordinators that are seated.
    pub(super) coordinators: Vec<KnownSeat>,
    /// Up to three members with their addresses.
    pub(super) members: Vec<KnownSeat>,
}

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KnownSeat {
    /// fm1….
    pub(super) id: String,
    /// `host:port`, where it is known.
    pub(super) address: Option<String>,
}

/// A coordinator that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seated {
    pub(super) id: CommunityId,
    pub(super) address: String,
}

impl KnownRegion {
    /// What is kept of a region that a certificate shows.
    pub(super) fn of(region: &VerifiedRegion) -> Self {
        let newest = region.newest();
        let seat = |id: &CommunityId| KnownSeat {
            id: id.to_string(),
            address: region.address(id).map(str::to_owned),
        };
        let members = newest.roster.members().iter().map(seat);
        Self {
            region: region.region.to_string(),
            epoch: newest.number,
            epoch_hash: newest.hash.to_string(),
            coordinators: newest.roster.coordinators().iter().map(seat).collect(),
            members: members.filter(|it| it.address.is_some()).take(N_MEMBERS).collect(),
        }
    }

    fn id(&self) -> Option<RegionId> {
        self.region.parse().ok()
    }

    /// Every address that is kept, each once.
    fn addresses(&self) -> Vec<&str> {
        let all = self.coordinators.iter().chain(&self.members);
        let mut addresses: Vec<&str> = all.filter_map(|it| it.address.as_deref()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// Whether somebody of the region was last known to be at this address.
    pub(super) fn knows(&self, address: &str) -> bool {
        self.addresses().contains(&address)
    }

    /// Coordinators that are seated and have an address.
    pub(super) fn seated(&self) -> Vec<Seated> {
        let seated =
            |it: &KnownSeat| Some(Seated { id: it.id.parse().ok()?, address: it.address.clone()? });
        self.coordinators.iter().filter_map(seated).collect()
    }

    /// Where a community was last known to be.
    pub(super) fn address(&self, community: &CommunityId) -> Option<String> {
        let id = community.to_string();
        let all = self.coordinators.iter().chain(&self.members);
        all.filter(|it| it.id == id).find_map(|it| it.address.clone())
    }

    /// Takes what a certificate shows; `None` if it shows nothing newer.
    ///
    /// # Errors
    ///
    /// [`Failure`] with exit code 6 if it contradicts what was known: then nobody is followed any further.
    fn follow(&self, shown: &VerifiedRegion) -> Result<Option<Self>, Failure> {
        let same = shown.epochs.iter().find(|it| it.number == self.epoch);
        match same {
            // It is of a lower epoch: nobody goes back.
            None => Ok(None),
            Some(epoch) if epoch.hash.to_string() != self.epoch_hash => {
                let detail = format!(
                    "THE REGION HAS TWO EPOCHS {}: {} was known, and a certificate shows {}. Some member has filed both. \
                     Nothing more is read; ask the members which one holds.",
                    self.epoch, self.epoch_hash, epoch.hash
                );
                Err(Failure::does_not_hold("region.two_epochs", detail))
            }
            Some(_) => Ok(Some(Self::of(shown)).filter(|it| it != self)),
        }
    }
}

/// What one server shows of the region, if it is newer than what is known. Without an answer nothing is learnt.
///
/// # Errors
///
/// As [`KnownRegion::follow`].
pub(super) async fn learn(
    address: &str,
    known: Option<&KnownRegion>,
) -> Result<Option<KnownRegion>, Failure> {
    let expected = known.and_then(KnownRegion::id);
    let Ok(Ok((_, shown))) = timeout(PATIENCE, fetch_certificate(address, expected)).await else {
        return Ok(None);
    };
    match known {
        Some(known) => known.follow(&shown),
        None => Ok(Some(KnownRegion::of(&shown))),
    }
}

/// Asks everybody who is known for the region, and answers the newest that holds.
///
/// # Errors
///
/// As [`KnownRegion::follow`].
pub(super) async fn ask_around(known: &KnownRegion) -> Result<KnownRegion, Failure> {
    let mut newest = known.clone();
    for address in known.addresses() {
        newest = learn(address, Some(&newest)).await?.unwrap_or(newest);
    }
    Ok(newest)
}
