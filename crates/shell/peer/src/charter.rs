//! The charter file: network, founders and coordinators, with the addresses at which they were last seen.
//!
//! ```toml
//! network = "demo.folkmoot.example"
//! name = "Estuary"
//!
//! [[coordinators]]
//! id = "fm1…"
//! address = "coordinator.example:7443"
//!
//! [[founders]]
//! id = "fm1…"
//! ```
//!
//! The region's id is the hash of everything but the addresses, which are hints.

use std::path::{Path, PathBuf};

use record::{
    CommunityId, Network, RegionId,
    name::Name,
    region::{Charter, CharterError},
};
use runtime::config::{self, ConfigError};
use serde::Deserialize;

/// Why a charter file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CharterFileError {
    /// It is not TOML of this form.
    #[error(transparent)]
    Form(#[from] ConfigError),
    /// A value is not what it should be.
    #[error("{}: {what}", .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The charter breaks a rule.
    #[error("{}: {source}", .path.display())]
    Charter {
        /// The file.
        path: PathBuf,
        /// Which rule.
        source: CharterError,
    },
}

/// A community with the address at which it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Which community.
    pub id: CommunityId,
    /// `host:port`; `None` if it is not known yet.
    pub address: Option<String>,
}

/// A charter and its addresses.
#[derive(Debug, Clone)]
pub struct CharterFile {
    /// What the region is founded with.
    pub charter: Charter,
    /// Its id.
    pub region: RegionId,
    /// The coordinators, in ascending order of id.
    pub coordinators: Vec<Seat>,
    /// The founders, in ascending order of id.
    pub founders: Vec<Seat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    name: String,
    #[serde(default = "one")]
    receipts_needed: u32,
    #[serde(default)]
    coordinators: Vec<Entry>,
    founders: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    address: Option<String>,
}

const fn one() -> u32 {
    1
}

impl CharterFile {
    /// Reads a charter file.
    ///
    /// # Errors
    ///
    /// [`CharterFileError`] names the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, CharterFileError> {
        let file: File = config::load(Some(path), "", std::iter::empty())?;
        let value = |what: String| CharterFileError::Value { path: path.to_owned(), what };
        let network: Network = file
            .network
            .parse()
            .map_err(|error: record::ids::NetworkError| value(error.to_string()))?;
        let name = Name::parse(&file.name).map_err(|error| value(error.to_string()))?;
        let coordinators = seats(file.coordinators).map_err(value)?;
        let founders = seats(file.founders).map_err(value)?;
        let charter = Charter::new(
            network,
            name,
            founders.iter().map(|seat| seat.id).collect(),
            coordinators.iter().map(|seat| seat.id).collect(),
            file.receipts_needed,
        )
        .map_err(|source| CharterFileError::Charter { path: path.to_owned(), source })?;
        Ok(Self { region: charter.region_id(), charter, coordinators, founders })
    }

    /// Everybody whose log belongs here: founders and coordinators.
    pub fn everybody(&self) -> impl Iterator<Item = CommunityId> + '_ {
        self.founders.iter().chain(&self.coordinators).map(|seat| seat.id)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.charter.network()
    }
}

fn seats(entries: Vec<Entry>) -> Result<Vec<Seat>, String> {
    let mut seats = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = entry.id.parse().map_err(|error: record::ids::IdError| error.to_string())?;
        seats.push(Seat { id, address: entry.address });
    }
    seats.sort_unstable_by_key(|seat| seat.id);
    Ok(seats)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "fm1aeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaea";

    #[test]
    fn the_region_is_the_same_whatever_the_order_and_the_addresses() {
        let (a, b) = (id(1), id(2));
        let one =
            charter(&format!("{HEAD}[[founders]]\nid = \"{a}\"\n[[founders]]\nid = \"{b}\"\n"))
                .unwrap();
        let other = charter(&format!(
            "{HEAD}[[founders]]\nid = \"{b}\"\naddress = \"b.example:1\"\n[[founders]]\nid = \"{a}\"\n"
        ))
        .unwrap();
        assert_eq!(one.region, other.region);
        assert_eq!(other.founders[1].address.as_deref(), Some("b.example:1"));
    }

    #[test]
    fn names_what_is_wrong() {
        let told = |text: &str| charter(text).unwrap_err().to_string();
        assert!(told(&format!("{HEAD}[[founders]]\nid = \"{A}x\"\n")).contains("52 characters"));
        assert!(told("network = \"A\"\nname = \"x\"\nfounders = []\n").contains("network"));
        let unknown = told(&format!("{HEAD}[[founders]]\nid = \"{}\"\nadress = \"x\"\n", id(1)));
        assert!(unknown.contains("address"), "{unknown}");
        let twice =
            format!("{HEAD}[[founders]]\nid = \"{0}\"\n[[founders]]\nid = \"{0}\"\n", id(1));
        assert!(told(&twice).contains("once"));
    }

    const HEAD: &str = "network = \"test.folkmoot.example\"\nname = \"Estuary\"\n";

    fn id(byte: u8) -> CommunityId {
        CommunityId::from_bytes([byte; 32])
    }

    fn charter(text: &str) -> Result<CharterFile, CharterFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("charter.toml");
        std::fs::write(&path, text).unwrap();
        CharterFile::read(&path)
    }
}
