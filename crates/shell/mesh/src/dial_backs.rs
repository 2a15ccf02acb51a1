//! Trying for a member whether it is reached from outside, and for nobody else.
//!
//! libp2p's autonat server dials any address that anybody asks it to dial: a way to have somebody else's machine knock at
//! doors. Here members alone may ask, so often, and for hosts from which they are connected themselves.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    task::{Context, Poll, ready},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    autonat::v2::server,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        ConnectionClosed, ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm,
        NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

use crate::{
    limits::{DIAL_BACK_SPAN, MAX_DIAL_BACKS, MAX_DIAL_BACKS_OF_ALL},
    members::Members,
};

/// Why nobody is dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotTried {
    #[error("mesh.not_a_member: addresses are tried for members alone")]
    Stranger,
    #[error("mesh.too_many_dial_backs: enough addresses were tried for this minute")]
    TooMany,
    #[error("mesh.other_host: an address is tried if it is of a host that asks from there")]
    OtherHost,
}

/// An autonat server for members, within limits.
pub(crate) struct DialBacks {
    server: server::Behaviour,
    rules: Rules,
}

/// Who may ask for what.
struct Rules {
    members: Members,
    /// From where each key is connected, by connection.
    hosts: HashMap<ConnectionId, (PeerId, IpAddr)>,
    /// Dials that were asked for and not begun yet, and by whom.
    asked: HashMap<ConnectionId, PeerId>,
    /// When each key has asked.
    counted: BTreeMap<PeerId, Vec<Instant>>,
}

impl DialBacks {
    pub(crate) fn new(members: Members) -> Self {
        let rules = Rules {
            members,
            hosts: HashMap::new(),
            asked: HashMap::new(),
            counted: BTreeMap::new(),
        };
        Self { server: server::Behaviour::default(), rules }
    }
}

impl Rules {
    /// Counts a dial that is asked for, if this key may ask for it.
    fn count(&mut self, peer: PeerId, now: Instant) -> Result<(), NotTried> {
        if !self.members.contain(&peer) {
            return Err(NotTried::Stranger);
        }
        for times in self.counted.values_mut() {
            times.retain(|at| now.saturating_duration_since(*at) < DIAL_BACK_SPAN);
        }
        self.counted.retain(|_, times| !times.is_empty());
        let of_all: usize = self.counted.values().map(Vec::len).sum();
        let of_member = self.counted.entry(peer).or_default();
        if MAX_DIAL_BACKS <= of_member.len() || MAX_DIAL_BACKS_OF_ALL <= of_all {
            return Err(NotTried::TooMany);
        }
        of_member.push(now);
        Ok(())
    }

    /// Whether every address is of a host from which this key is connected.
    fn check_hosts(&self, peer: &PeerId, addresses: &[Multiaddr]) -> Result<(), NotTried> {
        let theirs = self.hosts.values().filter(|(it, _)| it == peer);
        let theirs: BTreeSet<IpAddr> = theirs.map(|(_, host)| *host).collect();
        let is_theirs =
            |address: &Multiaddr| host_of(address).is_some_and(|it| theirs.contains(&it));
        if addresses.iter().all(is_theirs) { Ok(()) } else { Err(NotTried::OtherHost) }
    }
}

/// The host that an address leads to by itself; none if it is a name, or leads through a relay.
fn host_of(address: &Multiaddr) -> Option<IpAddr> {
    if address.iter().any(|it| it == Protocol::P2pCircuit) {
        return None;
    }
    let first = address.iter().next()?;
    let v4 = if let Protocol::Ip4(ip) = first { Some(IpAddr::from(ip)) } else { None };
    v4.or(if let Protocol::Ip6(ip) = first { Some(IpAddr::from(ip)) } else { None })
}

impl NetworkBehaviour for DialBacks {
    type ConnectionHandler = <server::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = server::Event;

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if let Some(peer) = self.rules.asked.remove(&id) {
            self.rules.check_hosts(&peer, addresses).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.rules.hosts.extend(host_of(remote).map(|host| (id, (peer, host))));
        self.server.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.server.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p tells much that ends no connection, and its enums may grow"
    )]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        let ended = match &event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                Some(connection_id)
            }
            // One that was refused after it counted as established.
            FromSwarm::ListenFailure(failure) => Some(&failure.connection_id),
            _ => None,
        };
        if let Some(id) = ended {
            self.rules.hosts.remove(id);
        }
        self.server.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.server.on_connection_handler_event(peer, id, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            let asked = ready!(self.server.poll(cx));
            let ToSwarm::Dial { opts } = asked else { return Poll::Ready(asked) };
            let (id, peer_id) = (opts.connection_id(), opts.get_peer_id());
            let Some(peer) = peer_id else { continue };
            match self.rules.count(peer, Instant::now()) {
                Ok(()) => {
                    self.rules.asked.insert(id, peer);
                    return Poll::Ready(ToSwarm::Dial { opts });
                }
                Err(why) => {
                    tracing::debug!(%peer, %why, "an address was not tried");
                    let error = &DialError::Aborted;
                    let failure = DialFailure { peer_id, error, connection_id: id };
                    self.server.on_swarm_event(FromSwarm::DialFailure(failure));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
