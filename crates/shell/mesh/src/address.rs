//! Addresses of libp2p (`/ip4/192.0.2.1/tcp/7444`), with names looked up by the system.

use std::{fmt, net::SocketAddr, str::FromStr};

use libp2p::{Multiaddr, multiaddr::Protocol};

use crate::{key::NodeKey, limits::MAX_ADDRESSES_PER_KEY};

/// Where a node is, as libp2p writes it: `/ip4/192.0.2.1/tcp/7444`, `/dns/node.example/udp/7444/quic-v1`, with
/// `/p2p/<name>` at the end where the node's key is known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(pub(crate) Multiaddr);

/// The text is no address of a form that can be dialled or listened on here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address such as /ip4/0.0.0.0/tcp/7444 or /dns/node.example/udp/7444/quic-v1"
)]
pub struct AddressError {
    /// The text, cut to 200 characters.
    text: String,
}

impl Address {
    /// The address of this port of a host, over TCP.
    #[must_use]
    pub fn tcp(host: &str, port: u16) -> Self {
        Self(Multiaddr::empty().with(host_part(host)).with(Protocol::Tcp(port)))
    }

    /// The address of this port of a host, over QUIC.
    #[must_use]
    pub fn quic(host: &str, port: u16) -> Self {
        let to_port = Multiaddr::empty().with(host_part(host)).with(Protocol::Udp(port));
        Self(to_port.with(Protocol::QuicV1))
    }

    /// The same with the key that is to answer there.
    #[must_use]
    pub fn of_node(self, key: NodeKey) -> Self {
        match (self.key(), key.peer_id()) {
            (None, Some(peer)) => Self(self.0.with(Protocol::P2p(peer))),
            (Some(_), _) | (None, None) => self,
        }
    }

    /// Whether it leads over QUIC.
    #[must_use]
    pub fn is_quic(&self) -> bool {
        self.0.iter().any(|it| it == Protocol::QuicV1)
    }

    /// Whether it leads through a relay.
    pub(crate) fn is_circuit(&self) -> bool {
        self.0.iter().any(|it| it == Protocol::P2pCircuit)
    }

    /// The key that is to answer there, where it is named.
    pub(crate) fn key(&self) -> Option<NodeKey> {
        match self.0.iter().last() {
            Some(Protocol::P2p(peer)) => NodeKey::of(&peer),
            Some(_) | None => None,
        }
    }

    /// The same with every name looked up: at most 8, none if the system does not know the name.
    pub(crate) async fn look_up(&self) -> Vec<Multiaddr> {
        let parts = self.0.iter().enumerate();
        let Some((position, name)) = parts.filter_map(|(n, it)| Some((n, name_in(it)?))).next()
        else {
            return vec![self.0.clone()];
        };
        let found = tokio::net::lookup_host((name.as_str(), 0)).await;
        let found = found.into_iter().flatten().map(|it: SocketAddr| Protocol::from(it.ip()));
        let found = found.take(MAX_ADDRESSES_PER_KEY);
        found.filter_map(|ip| self.0.replace(position, |_| Some(ip.clone()))).collect()
    }
}

/// The name in this part of an address, if it is one.
pub(crate) fn name_in(part: Protocol<'_>) -> Option<String> {
    if let Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) = part {
        return Some(name.into_owned());
    }
    None
}

fn host_part(host: &str) -> Protocol<'static> {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>() {
        Ok(ip) => Protocol::from(ip),
        Err(_name) => Protocol::Dns(host.to_owned().into()),
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError { text: text.chars().take(200).collect() };
        let address: Multiaddr =
            text.parse().map_err(|_error: libp2p::multiaddr::Error| error())?;
        let leads_somewhere = address
            .iter()
            .any(|it| matches!(it, Protocol::Tcp(_) | Protocol::QuicV1 | Protocol::P2pCircuit));
        if leads_somewhere { Ok(Self(address)) } else { Err(error()) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_to_get_there() {
        for good in ["/ip4/127.0.0.1/tcp/0", "/dns/node.example/udp/7444/quic-v1"] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "node.example:7444",
            "/ip4/127.0.0.1",
            "/ip4/127.0.0.1/udp/1",
            "/ip4/300.0.0.1/tcp/1",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_a_number_or_a_name() {
        assert_eq!(Address::tcp("192.0.2.1", 1).to_string(), "/ip4/192.0.2.1/tcp/1");
        assert_eq!(Address::quic("[2001:db8::1]", 1).to_string(), "/ip6/2001:db8::1/udp/1/quic-v1");
        assert_eq!(Address::tcp("node.example", 1).to_string(), "/dns/node.example/tcp/1");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_the_rest_stays() {
        let found = Address::tcp("localhost", 7_444).look_up().await;
        assert!(found.iter().any(|it| it.to_string() == "/ip4/127.0.0.1/tcp/7444"), "{found:?}");
        assert_eq!(Address::tcp("no.such.invalid", 1).look_up().await, Vec::<Multiaddr>::new());
    }
}
