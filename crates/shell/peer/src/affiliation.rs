//! Where this community is reached and which coordinators it uses, said in its own log when that changes.
//!
//! ```text
//! `advertise` ─┬─▶ differs from the newest record in the log? ─▶ one record
//! seats ───────┘
//! ```
//!
//! Nothing is said on a mere start, nor before the log may be signed, nor an address that is not configured as one under
//! which others reach it: what stands in a log stands there for ever.

use std::{fmt, str::FromStr};

use record::{
    Kind, Payload,
    commitment::Salt,
    kind::Known,
    payload::{Affiliation, affiliation::MAX_ADDRESSES},
};
use runtime::address::ListenAddress;
use serde::{Deserialize, Serialize};
use store::{Draft, Guard, StoreError};
use tokio::sync::broadcast::error::RecvError;

use crate::peer::{Peer, PeerError};

/// An address under which others reach a process: `host:port`, or a multiaddress of its mesh port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AdvertisedAddress(String);

/// Why a text is not an address under which others reach a process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no address under which others reach a node: expected host:port, such as node.example:7443, or a multiaddress, such as /dns/node.example/tcp/7444"
)]
pub struct NotAdvertisable(String);

/// Addresses of this machine on every network, which mean nothing elsewhere.
const EVERYWHERE: [&str; 2] = ["0.0.0.0:", "[::]:"];

impl FromStr for AdvertisedAddress {
    type Err = NotAdvertisable;

    fn from_str(text: &str) -> Result<Self, NotAdvertisable> {
        let is_sound = if text.starts_with('/') {
            text.parse::<mesh::Address>().is_ok()
        } else {
            let is_local = EVERYWHERE.iter().any(|it| text.starts_with(it)) || text.ends_with(":0");
            text.parse::<ListenAddress>().is_ok() && !is_local
        };
        if is_sound { Ok(Self(text.to_owned())) } else { Err(NotAdvertisable(text.to_owned())) }
    }
}

impl TryFrom<String> for AdvertisedAddress {
    type Error = NotAdvertisable;

    fn try_from(text: String) -> Result<Self, NotAdvertisable> {
        text.parse()
    }
}

impl From<AdvertisedAddress> for String {
    fn from(address: AdvertisedAddress) -> Self {
        address.0
    }
}

impl fmt::Display for AdvertisedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most addresses that a process says: as many as the record holds.
pub const MAX_ADVERTISED: usize = MAX_ADDRESSES;

impl Peer {
    /// Says in our own log where we are reached and which coordinators are seated, whenever that differs from what the
    /// newest such record there says. Runs until the store closes.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk cannot be read.
    pub async fn keep_affiliated(self, advertise: Vec<AdvertisedAddress>) -> Result<(), PeerError> {
        let addresses: Vec<String> =
            advertise.into_iter().take(MAX_ADVERTISED).map(String::from).collect();
        let mut region = self.store().region();
        let mut commits = self.store().commits();
        loop {
            region.mark_unchanged();
            if self.store().is_settled() {
                match self.affiliate(&addresses).await {
                    Ok(()) => {}
                    Err(PeerError::Store(StoreError::Closing)) => return Ok(()),
                    Err(error @ PeerError::Store(_)) => {
                        tracing::warn!(%error, "where this node is reached was not said; tried again when the region changes");
                    }
                    Err(error) => return Err(error),
                }
                if region.changed().await.is_err() {
                    return Ok(());
                }
            } else if matches!(commits.recv().await, Err(RecvError::Closed)) {
                return Ok(());
            }
        }
    }

    /// Files one record if there is something new to say. Who says no address and never did files nothing.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails.
    pub async fn affiliate(&self, addresses: &[String]) -> Result<(), PeerError> {
        let said = self.store().affiliations().await?.remove(&self.community());
        if said.is_none() && addresses.is_empty() {
            return Ok(());
        }
        let affiliation = Affiliation {
            region: self.charter().region,
            addresses: addresses.to_vec(),
            coordinators: self.region().newest().roster.coordinators().to_vec(),
        };
        if said.as_ref() == Some(&affiliation) {
            return Ok(());
        }
        let draft = Draft {
            kind: Kind::from(Known::Affiliation),
            payload: proto::payload::encode(&Payload::Affiliation(affiliation)),
            salt: Salt(*self.machine().randomness.seed()?),
            references: Vec::new(),
        };
        self.store().append(vec![draft], Guard::None).await?;
        tracing::info!("where this node is reached, and by whom, was said in its log");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_others_can_use_is_taken_and_one_of_this_machine_only_is_not() {
        for sound in ["node.example:7443", "192.0.2.7:7443", "/dns/node.example/tcp/7444"] {
            assert!(sound.parse::<AdvertisedAddress>().is_ok(), "{sound}");
        }
        for wrong in ["", "node.example", "0.0.0.0:7443", "[::]:7443", "node.example:0", "/tcp"] {
            assert!(wrong.parse::<AdvertisedAddress>().is_err(), "{wrong}");
        }
    }
}
