//! Looking for others: places, keys, relays.

use std::{io, time::Instant};

use libp2p::{
    Multiaddr, PeerId,
    core::transport::ListenerId,
    kad,
    multiaddr::Protocol,
    swarm::dial_opts::{DialOpts, PeerCondition},
};

use super::Driver;
use crate::{
    address::{Address, name_in},
    key::NodeKey,
    limits::MAX_ADDRESSES_PER_KEY,
    seam::Event,
    table::Asked,
};

/// The relays by which a node that nobody reaches directly is reached.
const MAX_RELAYS: usize = 2;
/// Keys that others are asked for at once.
const MAX_SOUGHT: usize = 16;

impl Driver {
    /// What is due by the clock.
    pub(super) fn take_turn(&mut self) {
        let now = Instant::now();
        let swarm = &self.swarm;
        for place in self.places.due(now, |peer| swarm.is_connected(peer)) {
            let answer = self.looked_up.0.clone();
            tokio::spawn(async move {
                let found = place.look_up().await;
                // A mesh that has ended dials nobody.
                let _ = answer.send((place, found)).await;
            });
        }
        let time = self.config.limits.stranger_time;
        let over = self.strangers.iter().filter(|(_, since)| time <= now.duration_since(**since));
        for peer in over.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            tracing::debug!(%peer, "mesh.stranger: a key that is not of the region has had its time");
            // It may have gone already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        self.reserve_circuits();
    }

    pub(super) fn dial_place(&mut self, place: Address, found: Vec<Multiaddr>) {
        let known = place.key().and_then(NodeKey::peer_id);
        if known.is_some_and(|peer| self.swarm.is_connected(&peer)) {
            return;
        }
        for address in found {
            let dial = match known {
                Some(peer) => DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(vec![address])
                    .build(),
                None => DialOpts::unknown_peer_id().address(address).build(),
            };
            let id = dial.connection_id();
            match self.swarm.dial(dial) {
                Ok(()) => drop(self.dialling.insert(id, place.clone())),
                Err(error) => tracing::debug!(%place, %error, "a place was not dialled"),
            }
        }
    }

    pub(super) fn learn(&mut self, key: NodeKey, addresses: Vec<Address>) {
        let Some(peer) = key.peer_id() else { return };
        let (named, numbered): (Vec<_>, Vec<_>) = addresses
            .into_iter()
            .take(MAX_ADDRESSES_PER_KEY)
            .partition(|it| it.0.iter().any(|part| name_in(part).is_some()));
        // Names are looked up when they are dialled, and each time anew.
        for address in named {
            self.places.add(address.of_node(key), Instant::now());
        }
        self.note_addresses(peer, numbered.into_iter().map(|it| it.0));
    }

    /// Notes where a key is; others are told of members alone.
    pub(super) fn note_addresses(
        &mut self,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Multiaddr>,
    ) {
        if peer == *self.swarm.local_peer_id() {
            return;
        }
        let addresses: Vec<_> = addresses.into_iter().map(|it| without_key(it, peer)).collect();
        if self.members.contain(&peer) {
            self.tell_table(peer, &addresses);
        }
        self.book.note(peer, addresses);
    }

    /// Enters a member's addresses into the table that others may ask.
    pub(super) fn tell_table(&mut self, peer: PeerId, addresses: &[Multiaddr]) {
        for address in addresses {
            self.swarm.behaviour_mut().table.add(&peer, address.clone());
        }
    }

    pub(super) fn connect(&mut self, key: NodeKey) {
        let Some(peer) = key.peer_id() else { return };
        if self.swarm.is_connected(&peer) || !self.wanted.insert(peer) {
            return;
        }
        if !self.dial(peer) {
            self.seek(peer, Asked::Connected);
        }
    }

    /// Dials a key where it is known to be; tells whether it is under way.
    pub(super) fn dial(&mut self, peer: PeerId) -> bool {
        self.dial_at(peer, self.book.of(&peer))
    }

    /// Dials a key at these addresses, and wherever libp2p knows it to be; tells whether it is under way.
    pub(super) fn dial_at(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> bool {
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::DisconnectedAndNotDialing)
            .addresses(addresses)
            .extend_addresses_through_behaviour()
            .build();
        match self.swarm.dial(dial) {
            Ok(()) | Err(libp2p::swarm::DialError::DialPeerConditionFalse(_)) => true,
            Err(error) => {
                tracing::debug!(%peer, %error, "a node was not dialled");
                false
            }
        }
    }

    /// Asks others where a key is: those who are connected, and if none of them knows, whomever they name.
    fn seek(&mut self, peer: PeerId, asked: Asked) {
        let table = &mut self.swarm.behaviour_mut().table;
        if table.n_questions() < MAX_SOUGHT {
            table.ask_for(peer, asked);
        } else {
            self.on_not_reached(peer);
        }
    }

    pub(super) fn on_found(&mut self, id: kad::QueryId, result: kad::QueryResult, is_last: bool) {
        let kad::QueryResult::GetClosestPeers(result) = result else { return };
        let found = match result {
            Ok(found) => found.peers,
            Err(kad::GetClosestPeersError::Timeout { peers, .. }) => peers,
        };
        let answered = is_last.then(|| self.swarm.behaviour_mut().table.answered(&id)).flatten();
        let Some((peer, asked)) = answered else { return };
        if let Some(found) = found.into_iter().find(|it| it.peer_id == peer) {
            self.note_addresses(peer, found.addrs);
        }
        if !self.wanted.contains(&peer) {
            return;
        }
        let is_known = !self.book.of(&peer).is_empty();
        match asked {
            _ if is_known && self.dial(peer) => {}
            Asked::Connected if !is_known => self.seek(peer, Asked::Named),
            Asked::Connected | Asked::Named => self.on_not_reached(peer),
        }
    }

    pub(super) fn on_not_reached(&mut self, peer: PeerId) {
        if !self.swarm.is_connected(&peer) && self.wanted.remove(&peer) {
            self.tell_of(&peer, Event::Unreachable);
        }
    }

    /// Listens at relays: those that were configured, and if nobody comes in from outside, two others.
    fn reserve_circuits(&mut self) {
        let is_wanted = self.is_private && self.circuits.len() < MAX_RELAYS;
        let mut relays = self.relays.iter();
        let new = relays.find(|(peer, _)| is_wanted && self.members.contain(peer));
        if let Some((peer, address)) = new {
            let to_relay = without_key(address.clone(), *peer).with(Protocol::P2p(*peer));
            let circuit = Address(to_relay.with(Protocol::P2pCircuit));
            if !self.circuits.iter().any(|(it, _)| *it == circuit) {
                self.circuits.push((circuit, None));
            }
        }
        for (address, listener) in self.circuits.iter_mut().filter(|(_, it)| it.is_none()) {
            match self.swarm.listen_on(address.0.clone()) {
                Ok(id) => *listener = Some(id),
                Err(error) => tracing::debug!(%address, %error, "a relay was not asked"),
            }
        }
    }

    pub(super) fn on_listener_closed(&mut self, id: ListenerId, reason: Result<(), io::Error>) {
        for (address, listener) in self.circuits.iter_mut().filter(|(_, it)| *it == Some(id)) {
            *listener = None;
            tracing::debug!(%address, ?reason, "a relay gives no way to here; asked again");
        }
    }
}

/// The address without this key at its end.
fn without_key(mut address: Multiaddr, peer: PeerId) -> Multiaddr {
    if address.iter().last() == Some(Protocol::P2p(peer)) {
        address.pop();
    }
    address
}
