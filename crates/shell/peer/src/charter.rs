//! The charter file: network, founders and coordinators, with the addresses at which they were last seen.
//!
//! ```toml
//! network = "demo.folkmoot.example"
//! name = "Estuary"
//! ocid_prefix = "ocds-a1b2c3"
//!
//! [[coordinators]]
//! id = "fm1…"
//! address = "coordinator.example:7443"
//!
//! [[founders]]
//! id = "fm1…"
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `network` | the network that founders and coordinators were founded in |
//! | `name` | the region's name, for people |
//! | `receipts_needed` | how many coordinators must have received a record before its time counts; 1 if left out |
//! | `ocid_prefix` | the OCDS prefix of the region's own contracting processes; none if left out |
//! | `coordinators`, `founders` | who they are, and `address`, where they were last seen |
//! | `witnesses` | ids of communities whose cosignatures, with the coordinators', decide what of a forked log counts |
//! | `refounds` | the id of a region that could not reach its majority and is continued by this one; left out otherwise |
//!
//! `ocid_prefix` is `ocds-` and six lower-case letters or digits, as the Open Contracting Partnership registered it for
//! the region. With it, the ocid of an opportunity that a community writes itself begins with the prefix and a hyphen, or
//! the record is refused; such opportunities and pools are published under it at `/ocds/releases`. Without it no ocid is
//! refused, and a community's own opportunities are not published as OCDS. An imported notice keeps the ocid of its
//! publisher either way.
//!
//! The region's id is the hash of everything but the addresses, which are hints. So no two replicas of one region judge
//! by different prefixes: a charter that gains, loses or changes its prefix is the charter of another region.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use record::{
    CommunityId, Network, RegionId,
    name::Name,
    region::{Certificate, Charter, CharterError, OcidPrefix, Roster, RosterError, VerifiedRegion},
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The charter's region.
    pub region: RegionId,
    /// The coordinators, in ascending order of id.
    pub coordinators: Vec<Seat>,
    /// The founders, in ascending order of id.
    pub founders: Vec<Seat>,
    /// What a certificate told of the region since, if the community joined by one.
    pub certified: Option<VerifiedRegion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    network: String,
    name: String,
    #[serde(default = "one")]
    receipts_needed: u32,
    ocid_prefix: Option<String>,
    #[serde(default)]
    coordinators: Vec<Entry>,
    founders: Vec<Entry>,
    #[serde(default)]
    witnesses: Vec<String>,
    refounds: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    address: Option<String>,
}

/// The certificate in a file that holds one, by itself or in the page that shows it.
fn certificate_in(bytes: &[u8]) -> Option<Certificate> {
    let page: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
    let encoded = page.as_ref().and_then(|it| it.get("certificate")).and_then(|it| it.as_str());
    match encoded {
        Some(text) => Certificate::decode(&BASE64.decode(text.as_bytes()).ok()?).ok(),
        None => Certificate::decode(bytes).ok(),
    }
}

const fn one() -> u32 {
    1
}

impl CharterFile {
    /// Reads a charter file, or the certificate of a region in its place: what `join` keeps, or the page
    /// `/.well-known/folkmoot/region` as it was saved.
    ///
    /// # Errors
    ///
    /// [`CharterFileError`] names the file and what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, CharterFileError> {
        // What cannot be opened is told of below, in the words for every configuration.
        let certificate = fs::read(path).ok().and_then(|bytes| certificate_in(&bytes));
        match certificate.map(|it| it.verify(None)) {
            Some(Ok(region)) => Ok(Self::of_certificate(region)),
            Some(Err(error)) => {
                Err(CharterFileError::Value { path: path.to_owned(), what: error.to_string() })
            }
            None => Self::read_toml(path),
        }
    }

    fn read_toml(path: &Path) -> Result<Self, CharterFileError> {
        let file: File = config::load(Some(path), "", std::iter::empty())?;
        let value = |what: String| CharterFileError::Value { path: path.to_owned(), what };
        let network: Network = file
            .network
            .parse()
            .map_err(|error: record::ids::NetworkError| value(error.to_string()))?;
        let name = Name::parse(&file.name).map_err(|error| value(error.to_string()))?;
        let coordinators = seats(file.coordinators).map_err(value)?;
        let founders = seats(file.founders).map_err(value)?;
        let ocid_prefix = file.ocid_prefix.map(parse_ocid_prefix).transpose().map_err(value)?;
        let witnesses = file.witnesses.iter().map(|id| parse_id(id)).collect::<Result<Vec<_>, _>>();
        let mut witnesses = witnesses.map_err(value)?;
        witnesses.sort_unstable();
        let ids = |seats: &[Seat]| seats.iter().map(|seat| seat.id).collect();
        let roster = Roster::new(ids(&founders), ids(&coordinators), file.receipts_needed)
            .and_then(|roster| roster.with_witnesses(witnesses));
        let refused = |source: RosterError| CharterFileError::Charter {
            path: path.to_owned(),
            source: source.into(),
        };
        let mut charter = Charter::new(network, name, roster.map_err(refused)?);
        if let Some(prefix) = ocid_prefix {
            charter = charter.with_ocid_prefix(prefix);
        }
        if let Some(region) = file.refounds {
            let region =
                region.parse().map_err(|error: record::ids::IdError| value(error.to_string()));
            charter = charter.refounding(region?);
        }
        let region = charter.region_id();
        Ok(Self { region, charter, coordinators, founders, certified: None })
    }

    /// The charter that a certificate begins with, and what it tells of the region since.
    #[must_use]
    pub fn of_certificate(region: VerifiedRegion) -> Self {
        let seat =
            |id: &CommunityId| Seat { id: *id, address: region.address(id).map(str::to_owned) };
        let roster = region.charter.roster();
        Self {
            charter: region.charter.clone(),
            region: region.region,
            coordinators: roster.coordinators().iter().map(seat).collect(),
            founders: roster.members().iter().map(seat).collect(),
            certified: Some(region),
        }
    }

    /// Everybody of whom the charter, or the certificate, says that they belong here.
    #[must_use]
    pub fn everybody(&self) -> BTreeSet<CommunityId> {
        let certified = self.certified.iter().flat_map(|region| &region.epochs);
        let since = certified.flat_map(|epoch| epoch.roster.everybody());
        self.charter.roster().everybody().chain(since).collect()
    }

    /// Where a community was last seen, as far as the charter or the certificate tells.
    #[must_use]
    pub fn address(&self, community: &CommunityId) -> Option<&str> {
        let seats = self.coordinators.iter().chain(&self.founders);
        let charter =
            seats.filter(|seat| seat.id == *community).find_map(|it| it.address.as_deref());
        let certified = self.certified.as_ref().and_then(|it| it.address(community));
        certified.or(charter)
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.charter.network()
    }

    /// The OCDS prefix of the region's own processes, where it has one.
    #[must_use]
    pub const fn ocid_prefix(&self) -> Option<&OcidPrefix> {
        self.charter.ocid_prefix()
    }
}

fn parse_ocid_prefix(text: String) -> Result<OcidPrefix, String> {
    text.parse().map_err(|error: record::region::OcidPrefixError| {
        format!(
            "`ocid_prefix` is `{text}`: {error}. Leave the key out until the region has a prefix of its own"
        )
    })
}

fn parse_id(text: &str) -> Result<CommunityId, String> {
    text.parse().map_err(|error: record::ids::IdError| error.to_string())
}

fn seats(entries: Vec<Entry>) -> Result<Vec<Seat>, String> {
    let mut seats = Vec::with_capacity(entries.len());
    for entry in entries {
        seats.push(Seat { id: parse_id(&entry.id)?, address: entry.address });
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

    /// A charter with one founder and this line before it.
    fn with_line(line: &str) -> Result<CharterFile, CharterFileError> {
        charter(&format!("{HEAD}{line}\n[[founders]]\nid = \"{}\"\n", id(1)))
    }

    #[test]
    fn a_prefix_of_the_right_form_is_the_charters() {
        let read = with_line("ocid_prefix = \"ocds-a1b2c3\"").unwrap();
        assert_eq!(read.ocid_prefix().map(OcidPrefix::as_str), Some("ocds-a1b2c3"));
        for (wrong, why) in [
            ("", "six lower-case"),
            ("ocds-A1B2C3", "six lower-case"),
            ("ocds-213czf", "documentation"),
        ] {
            let told = with_line(&format!("ocid_prefix = \"{wrong}\"")).unwrap_err().to_string();
            assert!(told.contains("`ocid_prefix`") && told.contains(why), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_charter_without_a_prefix_keeps_its_region_and_every_prefix_makes_another() {
        let without = with_line("").unwrap();
        assert_eq!(without.ocid_prefix(), None);
        let with = |prefix: &str| {
            let read = with_line(&format!("ocid_prefix = \"{prefix}\"")).unwrap();
            assert_eq!(read.region, read.charter.region_id());
            read.region
        };
        assert_ne!(with("ocds-a1b2c3"), without.region);
        assert_ne!(with("ocds-a1b2c3"), with("ocds-a1b2c4"));
        assert_eq!(with("ocds-a1b2c3").to_string(), WITH_PREFIX);
    }

    /// Computed apart from this code: field 6 of the charter's encoding.
    const WITH_PREFIX: &str = "fmg1mofzmhkikc2fvapwvvwpwbefrtfsr5eu2bgzgf5y2ow3frwsc5lq";

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
