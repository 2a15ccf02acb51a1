//! What libp2p tells.

use std::time::Instant;

use libp2p::{
    Multiaddr, PeerId, autonat,
    core::ConnectedPoint,
    gossipsub::{self, MessageAcceptance},
    identify, kad, mdns, ping, relay,
    swarm::{ConnectionError, SwarmEvent},
};

use super::{Driver, WAITING_RUNGS};
use crate::{
    address::Address,
    behaviour::BehaviourEvent,
    doorbell::Heard,
    key::NodeKey,
    limits::MAX_ADDRESSES_PER_KEY,
    seam::{Event, Rung},
};

/// Connected nodes beyond which those of the local network are not connected as well: whoever of them is wanted is found by
/// its key.
const ENOUGH_NEIGHBOURS: usize = 8;

impl Driver {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p tells much that needs no answer, and its enums may grow"
    )]
    pub(super) fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_protocol(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                num_established,
                ..
            } => {
                if let Some(place) = self.dialling.remove(&connection_id) {
                    self.places.note_answer(&place, peer_id);
                }
                self.on_connected(peer_id, &endpoint, num_established.get() == 1);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                let is_idle = matches!(cause, Some(ConnectionError::KeepAliveTimeout));
                self.on_disconnected(&peer_id, is_idle);
            }
            SwarmEvent::OutgoingConnectionError { peer_id, connection_id, error } => {
                self.dialling.remove(&connection_id);
                tracing::debug!(?peer_id, %error, "a connection did not come about");
                if let Some(peer) = peer_id {
                    self.on_not_reached(peer);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "a connection from outside did not come about");
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                let listening = self.swarm.listeners().cloned().map(Address).collect();
                self.far.listening.send_replace(listening);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                self.on_listener_closed(listener_id, reason);
            }
            _ => {}
        }
    }

    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "libp2p tells much that needs no answer, and its enums may grow"
    )]
    fn on_protocol(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            }) => self.on_doorbell(propagation_source, message_id, message.data),
            BehaviourEvent::Table(kad::Event::OutboundQueryProgressed {
                id, result, step, ..
            }) => {
                self.on_found(id, result, step.last);
            }
            BehaviourEvent::Ping(ping::Event { connection, result: Err(error), .. }) => {
                tracing::debug!(%error, "a connection no longer answers");
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.on_neighbour(peer, address);
                }
            }
            BehaviourEvent::Autonat(autonat::v2::client::Event { result, tested_addr, .. }) => {
                let is_reached = result.is_ok() || self.swarm.external_addresses().next().is_some();
                tracing::debug!(%tested_addr, is_reached, "an address was tried from outside");
                self.is_private = !is_reached;
            }
            BehaviourEvent::Circuits(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                renewal: false,
                ..
            }) => tracing::info!(relay = %relay_peer_id, "reached through a relay"),
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, endpoint: &ConnectedPoint, is_first: bool) {
        if let ConnectedPoint::Dialer { address, .. } = endpoint {
            self.note_addresses(peer, [address.clone()]);
        }
        if !is_first {
            return;
        }
        self.wanted.remove(&peer);
        self.swarm.behaviour_mut().table.forget_questions(&peer);
        if !self.members.contain(&peer) {
            self.strangers.insert(peer, Instant::now());
            let behaviour = self.swarm.behaviour_mut();
            behaviour.gate.note_stranger(peer);
            // Before it counts as known: else its copy of a doorbell would stand in the way of a member's.
            behaviour.gossip.blacklist_peer(&peer);
        }
        self.tell_of(&peer, Event::Connected);
    }

    fn on_disconnected(&mut self, peer: &PeerId, is_idle: bool) {
        self.relays.remove(peer);
        self.streams.part(peer);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gate.forget_stranger(peer);
        // Gossip does not greet whom it shuns.
        behaviour.gossip.remove_blacklisted_peer(peer);
        if self.strangers.remove(peer).is_some() {
            self.book.forget(peer);
        } else if is_idle {
            // Neither side had a use for the connection.
            self.places.rest(peer, Instant::now());
        } else {
            self.search();
        }
        self.tell_of(peer, Event::Disconnected);
    }

    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let addresses = info.listen_addrs.into_iter().take(MAX_ADDRESSES_PER_KEY);
        self.note_addresses(peer, addresses);
        if info.protocols.contains(&relay::HOP_PROTOCOL_NAME)
            && let Some(address) = self.book.of(&peer).into_iter().next()
        {
            self.relays.insert(peer, address);
        }
    }

    /// Somebody answered on the local network, where anybody may answer.
    fn on_neighbour(&mut self, peer: PeerId, address: Multiaddr) {
        if self.members.contain(&peer) {
            self.note_addresses(peer, [address.clone()]);
        }
        if self.swarm.connected_peers().count() < ENOUGH_NEIGHBOURS {
            self.dial_at(peer, vec![address]);
        }
    }

    fn on_doorbell(&mut self, from: PeerId, id: gossipsub::MessageId, message: Vec<u8>) {
        let heard = if self.members.contain(&from) && self.waiting.len() < WAITING_RUNGS {
            self.doorbells.hear(from, id.clone(), Instant::now())
        } else {
            Heard::Dropped
        };
        match (heard, NodeKey::of(&from)) {
            (Heard::Waits(ticket), Some(key)) => {
                self.waiting.push_back(Event::Rung(Rung { from: key, message, ticket }));
            }
            (Heard::TooMany, _) => self.cut(from, "mesh.too_many_doorbells"),
            (Heard::Dropped | Heard::Waits(_), _) => {
                let gossip = &mut self.swarm.behaviour_mut().gossip;
                gossip.report_message_validation_result(&id, &from, MessageAcceptance::Ignore);
            }
        }
    }
}
