//! What a subscriber keeps of a region, so that the loss of a coordinator is no loss of the feed: the newest epoch that a
//! certificate showed, where its coordinators are, and three members who would know of a newer one.
//!
//! ```text
//! coordinator lost ─▶ ask every address for the certificate ─▶ newest that holds ─▶ a coordinator seated there
//! ```
//!
//! Only certificates are believed, whoever gives them; never one of a lower epoch, nor two that contradict each other.

use std::time::Duration;

use record::{
    CommunityId, RegionId,
    region::{EpochNumber, VerifiedRegion},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::join::{JoinError, fetch_certificate};

/// How many members' addresses are kept.
const N_MEMBERS: usize = 3;
/// For one of them to answer: others may know, too.
const PATIENCE: Duration = Duration::from_secs(10);

/// The region as it was last known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownRegion {
    /// fmg1….
    pub region: String,
    /// The newest epoch's number.
    pub epoch: EpochNumber,
    /// What names it, in hexadecimal.
    pub epoch_hash: String,
    /// The coordinators that are seated.
    pub coordinators: Vec<KnownSeat>,
    /// Up to three members with their addresses.
    pub members: Vec<KnownSeat>,
}

/// Who is where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownSeat {
    /// fm1….
    pub id: String,
    /// `host:port`, where it is known.
    pub address: Option<String>,
}

/// A coordinator that can be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seated {
    /// Which community.
    pub id: CommunityId,
    /// `host:port`.
    pub address: String,
}

/// A region that has two epochs of one number: nobody is followed any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "THE REGION HAS TWO EPOCHS {number}: {known} was known, and a certificate shows {shown}. Some member has filed both. \
     Nothing more is read; ask the members which one holds."
)]
pub struct TwoEpochs {
    /// The epochs' number.
    pub number: EpochNumber,
    /// The hash that was known, in hexadecimal.
    pub known: String,
    /// The hash that a certificate shows.
    pub shown: String,
}

/// What a certificate shows beside what was known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A lower epoch: nobody goes back.
    Earlier,
    /// What was known.
    Same,
    /// A newer epoch, or other addresses.
    Newer(KnownRegion),
}

impl KnownRegion {
    /// What is kept of a region that a certificate shows.
    #[must_use]
    pub fn of(region: &VerifiedRegion) -> Self {
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
    #[must_use]
    pub fn knows(&self, address: &str) -> bool {
        self.addresses().contains(&address)
    }

    /// Coordinators that are seated and have an address.
    #[must_use]
    pub fn seated(&self) -> Vec<Seated> {
        let seated =
            |it: &KnownSeat| Some(Seated { id: it.id.parse().ok()?, address: it.address.clone()? });
        self.coordinators.iter().filter_map(seated).collect()
    }

    /// Where a community was last known to be.
    #[must_use]
    pub fn address(&self, community: &CommunityId) -> Option<String> {
        let id = community.to_string();
        let all = self.coordinators.iter().chain(&self.members);
        all.filter(|it| it.id == id).find_map(|it| it.address.clone())
    }

    /// Compares what a certificate shows with what was known.
    ///
    /// # Errors
    ///
    /// [`TwoEpochs`] if it contradicts what was known: then nobody is followed any further.
    pub fn follow(&self, shown: &VerifiedRegion) -> Result<Shown, TwoEpochs> {
        let same = shown.epochs.iter().find(|it| it.number == self.epoch);
        match same {
            None => Ok(Shown::Earlier),
            Some(epoch) if epoch.hash.to_string() != self.epoch_hash => Err(TwoEpochs {
                number: self.epoch,
                known: self.epoch_hash.clone(),
                shown: epoch.hash.to_string(),
            }),
            Some(_) => {
                let now = Self::of(shown);
                Ok(if now == *self { Shown::Same } else { Shown::Newer(now) })
            }
        }
    }
}

/// Fetches what one server shows of a region, verified; it has a while for it.
///
/// # Errors
///
/// [`JoinError`] if it does not answer in time, or its certificate does not hold.
pub async fn shown_by(
    address: &str,
    expected: Option<RegionId>,
) -> Result<VerifiedRegion, JoinError> {
    let late = |_elapsed| JoinError::Page {
        address: address.to_owned(),
        what: "it did not answer in time".to_owned(),
    };
    let fetched = timeout(PATIENCE, fetch_certificate(address, expected)).await;
    let (_, shown) = fetched.map_err(late)??;
    Ok(shown)
}

/// What one server shows of the region, if it is newer than what is known. Without an answer nothing is learnt.
///
/// # Errors
///
/// As [`KnownRegion::follow`].
pub async fn learn(
    address: &str,
    known: Option<&KnownRegion>,
) -> Result<Option<KnownRegion>, TwoEpochs> {
    let expected = known.and_then(KnownRegion::id);
    let Ok(shown) = shown_by(address, expected).await else { return Ok(None) };
    let Some(known) = known else { return Ok(Some(KnownRegion::of(&shown))) };
    Ok(match known.follow(&shown)? {
        Shown::Newer(newer) => Some(newer),
        Shown::Same | Shown::Earlier => None,
    })
}

/// Asks everybody who is known for the region, and answers the newest that holds.
///
/// # Errors
///
/// As [`KnownRegion::follow`].
pub async fn ask_around(known: &KnownRegion) -> Result<KnownRegion, TwoEpochs> {
    let mut newest = known.clone();
    for address in known.addresses() {
        newest = learn(address, Some(&newest)).await?.unwrap_or(newest);
    }
    Ok(newest)
}
