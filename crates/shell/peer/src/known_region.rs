//! What a subscriber keeps of a region, so that the loss of a coordinator is no loss of the feed: the newest epoch that a
//! certificate showed, where its coordinators are, and three members who would know of a newer one.
//!
//! ```text
//! coordinator lost ─▶ ask every address for the certificate ─▶ newest that holds ─▶ a coordinator seated there
//! ```
//!
//! Only certificates are believed, whoever gives them; never one of a lower epoch, nor two that contradict each other.
//! Addresses are no part of what a certificate proves: another one is kept beside the first that was known, never in its
//! place, so that nobody can strand a subscriber.

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
    /// The coordinators that are seated; twice, one after the other, for which a second address was shown.
    pub coordinators: Vec<KnownSeat>,
    /// Members with their addresses: up to three that were known, and up to three that were shown last.
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

    /// What was shown, with the first known address of each before another one that is shown for it.
    fn beside(&self, shown: Self) -> Self {
        let first_known = |id: &str| {
            let known = self.coordinators.iter().find(|it| it.id == id);
            known.filter(|it| it.address.is_some()).cloned()
        };
        let mut coordinators: Vec<KnownSeat> = Vec::new();
        for seat in shown.coordinators {
            let Some(known) = first_known(&seat.id) else {
                coordinators.push(seat);
                continue;
            };
            let is_other = seat.address.is_some() && seat.address != known.address;
            coordinators.push(known);
            coordinators.extend(is_other.then_some(seat));
        }
        let mut members: Vec<KnownSeat> = self.members.iter().take(N_MEMBERS).cloned().collect();
        let fresh = shown.members.into_iter().filter(|it| !members.contains(it));
        let fresh: Vec<KnownSeat> = fresh.collect();
        members.extend(fresh);
        Self { coordinators, members, ..shown }
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
                let now = self.beside(Self::of(shown));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn seat((id, address): (&str, &str)) -> KnownSeat {
        let address = Some(address.to_owned()).filter(|it| !it.is_empty());
        KnownSeat { id: id.to_owned(), address }
    }

    fn region(coordinators: &[(&str, &str)], members: &[(&str, &str)]) -> KnownRegion {
        KnownRegion {
            region: "fmg1".to_owned(),
            epoch: 1,
            epoch_hash: "00".to_owned(),
            coordinators: coordinators.iter().copied().map(seat).collect(),
            members: members.iter().copied().map(seat).collect(),
        }
    }

    #[test]
    fn addresses_that_are_shown_later_stand_beside_the_first_and_never_replace_it() {
        let members = [("fm1c", "c:1"), ("fm1d", "d:1"), ("fm1e", "e:1")];
        let known = region(&[("fm1a", "a:1"), ("fm1b", "")], &members);
        let mut now = known.clone();
        for n in 1..=9 {
            let address = format!("liar:{n}");
            let shown = region(
                &[("fm1a", &address), ("fm1b", "b:1")],
                &[("fm1c", &address), ("fm1d", &address), ("fm1e", &address)],
            );
            now = now.beside(shown);
            assert_eq!(now.coordinators.len(), 3, "one address more for the one that had one");
            assert_eq!(now.members.len(), 2 * N_MEMBERS);
            for first in known.addresses().into_iter().chain(["b:1"]) {
                assert!(now.knows(first), "{first} after {now:?}");
            }
            assert!(now.knows(&address), "the one shown last, which may be right");
        }
    }

    #[test]
    fn what_is_shown_again_changes_nothing_and_who_lost_its_seat_is_not_kept() {
        let known = region(&[("fm1a", "a:1")], &[("fm1c", "c:1")]);
        assert_eq!(known.beside(known.clone()), known);
        let shown = region(&[("fm1b", "b:1")], &[("fm1c", "c:1")]);
        assert_eq!(known.beside(shown.clone()), shown);
        let unsaid = region(&[("fm1a", "")], &[]);
        assert_eq!(known.beside(unsaid), known, "silence takes no address away");
    }
}
