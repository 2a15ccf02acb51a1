//! What an operator may set, for a node and a coordinator alike.
//!
//! From a TOML file, then from the environment (`FOLKMOOT_NODE__LISTEN`, `FOLKMOOT_NODE__LOG__FORMAT`), then from the
//! command line. Unknown keys are refused with the nearest right one.

use std::path::PathBuf;

use runtime::{
    address::{ListenAddress, PlainAddress},
    telemetry::LogFormat,
};
use serde::{Deserialize, Serialize};

use crate::{affiliation::AdvertisedAddress, mesh_config::MeshSection};

/// The configuration. Every key has a default but `charter`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where gRPC and HTTP are served over TLS: `host:port`; port 0 takes a free one.
    pub listen: ListenAddress,
    /// Where the same is served without TLS, to this machine only; off when absent.
    pub plain: Option<PlainAddress>,
    /// The address that others reach this process under, such as `https://node.example:7443`, for links in feeds.
    pub public_url: Option<String>,
    /// The charter file of the region.
    pub charter: Option<PathBuf>,
    /// Seconds that a stop waits for what is under way.
    pub grace_secs: u64,
    /// The most connections from one address. A site of many nodes behind one address needs more.
    pub max_connections_per_address: usize,
    /// The operator's own OCDS prefix, such as `ocds-a1b2c3`, under which a coordinator publishes pools where the region's
    /// charter has no `ocid_prefix`; where it has one, this key has no effect. Without either, pools are left out of
    /// `/ocds/releases`. `ocds-213czf` is OCDS's documentation prefix, for tests.
    pub ocds_prefix: Option<String>,
    /// Where others reach a node over gRPC (`host:port`) or on its mesh (a multiaddress); it says so in its log. At most 8.
    pub advertise: Vec<AdvertisedAddress>,
    /// Neighbouring regions whose feeds a coordinator reads and serves beside its own; a node has no use for them.
    pub neighbours: Vec<NeighbourSection>,
    /// The mesh, over which nodes find each other and exchange logs with no coordinator.
    pub mesh: MeshSection,
    /// The log.
    pub log: LogConfig,
    /// A certificate for browsers and stock gRPC clients; self-signed when absent.
    pub web: Option<WebConfig>,
}

/// A neighbouring region.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourSection {
    /// Its id: `fmg1…`.
    pub region: String,
    /// Its name, for people; its charter's if left out.
    pub name: Option<String>,
    /// Where anybody of it is reached who serves its certificate: `host:port`, at least one.
    pub addresses: Vec<String>,
}

/// How the log looks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `human` or `json`.
    pub format: LogFormat,
    /// What is logged: `info`, or `warn,folkmoot_peer=debug`.
    pub filter: String,
}

/// Where the web certificate is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// The chain, the server's certificate first (PEM).
    pub chain: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: ListenAddress::everywhere(7443),
            plain: None,
            public_url: None,
            charter: None,
            grace_secs: 20,
            max_connections_per_address: transport::Limits::default().max_connections_per_address,
            ocds_prefix: None,
            advertise: Vec::new(),
            neighbours: Vec::new(),
            mesh: MeshSection::default(),
            log: LogConfig::default(),
            web: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Human, filter: "info".to_owned() }
    }
}
