//! What an operator may set about the mesh.
//!
//! ```toml
//! [mesh]
//! enabled = true
//! listen = ["/ip4/0.0.0.0/tcp/7444", "/ip4/0.0.0.0/udp/7444/quic-v1"]   # what is taken if left out
//! external = ["/dns/node.example/tcp/7444"]    # where others reach this process, if that differs
//! peers = ["/dns/coordinator.example/tcp/7444"] # where to look for others first
//! mdns = false                                  # look for others on the local network
//! relay = false                                 # relay for members of the region that nobody reaches
//! region_key_file = "swarm.key"                 # a private region: nobody connects without this key
//! ```

use std::{fmt, path::PathBuf};

use mesh::{Address, AddressError, MeshConfig, RegionKey, RegionKeyError};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use runtime::files::{self, FileError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{charter::CharterFile, peer::Peer};

/// The port of the mesh, over TCP and QUIC, beside 7443 of gRPC.
pub const MESH_PORT: u16 = 7444;

/// The section `[mesh]` of the configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MeshSection {
    /// Whether to take part; off unless set.
    pub enabled: bool,
    /// Where to listen; port 7444 of every interface, over TCP and QUIC, if left out.
    pub listen: Vec<MeshAddress>,
    /// Where others reach this process, if that differs.
    pub external: Vec<MeshAddress>,
    /// Where to look for others first.
    pub peers: Vec<MeshAddress>,
    /// Whether to look for others on the local network.
    pub mdns: bool,
    /// Whether to relay for members of the region that nobody reaches.
    pub relay: bool,
    /// The file with the key of a private region, as other libp2p programs write it (`swarm.key`). TCP alone is used.
    pub region_key_file: Option<PathBuf>,
}

/// An address of libp2p, checked when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MeshAddress(pub Address);

impl TryFrom<String> for MeshAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse().map(Self)
    }
}

impl From<MeshAddress> for String {
    fn from(address: MeshAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for MeshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why the section cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MeshSectionError {
    /// The file of the region key cannot be read, or others may read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system does not give it.
    #[error("{} could not be read: {source}.", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds no region key.
    #[error("{}: {source}.", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: RegionKeyError,
    },
    /// A private region has no QUIC.
    #[error(
        "`mesh.listen` has {address}, and a private region (`mesh.region_key_file`) is reached over TCP alone. Leave that address out."
    )]
    PrivateQuic {
        /// The address.
        address: MeshAddress,
    },
}

impl MeshSection {
    /// What the mesh of this peer is started with.
    ///
    /// # Errors
    ///
    /// [`MeshSectionError`] says what is wrong in the section or in the file that it names.
    pub fn config(&self, peer: &Peer) -> Result<MeshConfig, MeshSectionError> {
        let network = peer.network().as_str();
        let region = peer.charter().region.to_string();
        let mut config = MeshConfig::new(network, region, MAX_GRPC_MESSAGE_BYTES);
        config.region_key = self.region_key()?;
        config.listen = self.listen(config.region_key.is_some());
        config.external = self.external.iter().map(|it| it.0.clone()).collect();
        config.peers = self.peers.iter().map(|it| it.0.clone()).collect();
        config.mdns = self.mdns;
        config.relay = self.relay;
        Ok(config)
    }

    /// The key of the private region, if it is one.
    ///
    /// # Errors
    ///
    /// As [`MeshSection::config`].
    pub fn region_key(&self) -> Result<Option<RegionKey>, MeshSectionError> {
        let Some(path) = &self.region_key_file else { return Ok(None) };
        if let Some(address) = self.listen.iter().find(|it| it.0.is_quic()) {
            return Err(MeshSectionError::PrivateQuic { address: address.clone() });
        }
        files::check_private(path)?;
        let read = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = read.map_err(|source| MeshSectionError::Read { path: path.clone(), source })?;
        let key = RegionKey::parse(&text);
        key.map(Some).map_err(|source| MeshSectionError::Key { path: path.clone(), source })
    }

    fn listen(&self, is_private: bool) -> Vec<Address> {
        if !self.listen.is_empty() {
            return self.listen.iter().map(|it| it.0.clone()).collect();
        }
        let mut listen = vec![Address::tcp("0.0.0.0", MESH_PORT)];
        if cfg!(feature = "quic") && !is_private {
            listen.push(Address::quic("0.0.0.0", MESH_PORT));
        }
        listen
    }
}

/// Where the seats of a charter may be found on the mesh: the hosts of their addresses, at the mesh's own port.
#[must_use]
pub fn places_of_seats(charter: &CharterFile, own: record::CommunityId) -> Vec<Address> {
    let seats = charter.coordinators.iter().chain(&charter.founders).filter(|it| it.id != own);
    let addresses = seats.filter_map(|seat| seat.address.as_deref());
    let hosts = addresses.filter_map(|it| it.rsplit_once(':')).map(|(host, _port)| host);
    hosts.map(|host| Address::tcp(host, MESH_PORT)).collect()
}
