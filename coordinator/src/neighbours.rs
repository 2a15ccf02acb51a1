//! Neighbouring regions: their feeds are read, checked, kept, and served beside our own.
//!
//! ```text
//! certificate ─▶ a seated coordinator ─▶ its own region's items ─▶ claims ─▶ proofs ─▶ fold ─▶ store ─▶ our feed
//!      ▲                 │ lost, replaced, or of a lower epoch
//!      └─ wait, the next ┘
//! ```
//!
//! What is checked of an item: its id, that each record that caused it is in the log of a member of that region, that its
//! case is that region's, and whether those records give the step by the rules here, too. What is not: that no record was
//! left out, and when records were received. Only a region's own items are asked for and taken, so that nothing goes round
//! in a circle. Not here: what is served of it (`feed`, `pages`).

mod bounds;
mod claim;
mod fold;
mod prove;
mod read;
mod readings;
mod take;

use std::collections::BTreeSet;

use peer::{Peer, config::NeighbourSection};
use record::{RegionId, limits::MAX_NEIGHBOURS};
use runtime::stop::StopSignal;
use store::StoreError;
use tokio::task::JoinSet;

pub use bounds::Bounds;
pub use readings::Readings;

/// A neighbouring region as the operator configured it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its id.
    pub region: RegionId,
    /// What people call it.
    pub name: String,
    /// Where anybody of it is reached who serves its certificate: `host:port`, at least one.
    pub addresses: Vec<String>,
}

impl Neighbour {
    /// The neighbours of a configuration.
    ///
    /// # Errors
    ///
    /// A sentence about the first that is wrong: an id that is none, a region that stands twice, no address, or more than
    /// [`MAX_NEIGHBOURS`].
    pub fn parse_all(sections: &[NeighbourSection]) -> Result<Vec<Self>, String> {
        if MAX_NEIGHBOURS < sections.len() {
            return Err(format!("there are {} of at most {MAX_NEIGHBOURS}.", sections.len()));
        }
        let mut seen = BTreeSet::new();
        let mut neighbours = Vec::with_capacity(sections.len());
        for NeighbourSection { region: text, name, addresses } in sections {
            let wrong = |what: &str| format!("{text}: {what}");
            let region: RegionId = text
                .parse()
                .ok()
                .ok_or_else(|| wrong("a region is an id that begins with fmg1."))?;
            if !seen.insert(region) {
                return Err(wrong("it stands there twice."));
            }
            if addresses.is_empty() {
                return Err(wrong("it has no address; give that of anybody in it, as host:port."));
            }
            let name = name.clone().unwrap_or_else(|| text.clone());
            neighbours.push(Self { region, name, addresses: addresses.clone() });
        }
        Ok(neighbours)
    }
}

/// Reads these neighbours' feeds within their bounds, each by a task of its own, and forgets what was kept of any other. How
/// it goes is told to `readings`. Runs until the stop.
///
/// # Errors
///
/// [`StoreError`] if the disk fails at the start.
pub async fn keep_reading(
    peer: Peer,
    neighbours: Vec<Neighbour>,
    (readings, bounds): (Readings, Bounds),
    stop: StopSignal,
) -> Result<(), StoreError> {
    let own = peer.charter().region;
    let others: Vec<Neighbour> = neighbours.into_iter().filter(|it| it.region != own).collect();
    readings.begin(&others);
    peer.store().keep_neighbours(others.iter().map(|it| it.region).collect()).await?;
    let mut tasks = JoinSet::new();
    for neighbour in others {
        let reading = read::keep_reading(peer.clone(), neighbour, readings.clone(), bounds.clone());
        tasks.spawn(reading);
    }
    // They end with the set, which is dropped here.
    stop.stopped().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(region: &str, addresses: &[&str]) -> NeighbourSection {
        NeighbourSection {
            region: region.to_owned(),
            name: None,
            addresses: addresses.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_neighbour_is_a_region_once_with_an_address() {
        let id = |n: u8| RegionId::from_bytes([n; 32]).to_string();
        let [one, two] = [1, 2].map(|n| section(&id(n), &["c.example:7443"]));
        assert_eq!(Neighbour::parse_all(&[one.clone(), two]).unwrap().len(), 2);
        assert!(Neighbour::parse_all(&[one.clone(), one]).unwrap_err().contains("twice"));
        assert!(Neighbour::parse_all(&[section("fm1x", &["c.example:7443"])]).is_err());
        assert!(Neighbour::parse_all(&[section(&id(3), &[])]).unwrap_err().contains("address"));
    }

    #[test]
    fn there_are_64_neighbours_at_most() {
        let of = |n: u8| section(&RegionId::from_bytes([n; 32]).to_string(), &["c.example:7443"]);
        let most: Vec<_> = (0_u8..).take(MAX_NEIGHBOURS).map(of).collect();
        assert!(Neighbour::parse_all(&most).is_ok());
        let more: Vec<_> = (0_u8..).take(MAX_NEIGHBOURS + 1).map(of).collect();
        assert!(Neighbour::parse_all(&more).is_err());
    }
}
