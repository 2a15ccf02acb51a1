//! Who is let in at all: not who was cut off, not more strangers than there is room for, nobody while memory is short.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, dummy,
    },
};

use crate::{key::NodeKey, limits::Limits, members::Members};

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    #[error("mesh.cut_off: this key was cut off and is refused for a while")]
    CutOff,
    #[error("mesh.too_many_strangers: there is no room for another key that is not of the region")]
    TooManyStrangers,
    #[error("mesh.memory: this process has no memory to spare")]
    Memory,
    #[error("mesh.key: the key is not an Ed25519 key")]
    Key,
}

/// Refuses connections before anything is said on them.
pub(crate) struct Gate {
    members: Members,
    strangers: BTreeSet<PeerId>,
    cut_off: BTreeMap<PeerId, Instant>,
    max_strangers: usize,
    max_process_bytes: u64,
    memory: Memory,
}

/// How much memory the process has, looked up once a second at most.
struct Memory {
    looked_at: Option<Instant>,
    bytes: u64,
}

impl Gate {
    pub(crate) fn new(members: Members, limits: &Limits) -> Self {
        Self {
            members,
            strangers: BTreeSet::new(),
            cut_off: BTreeMap::new(),
            max_strangers: limits.max_strangers,
            max_process_bytes: limits.max_process_bytes,
            memory: Memory { looked_at: None, bytes: 0 },
        }
    }

    /// Refuses a key until this instant.
    pub(crate) fn cut_off(&mut self, peer: PeerId, until: Instant) {
        self.cut_off.retain(|_, until| Instant::now() < *until);
        self.cut_off.insert(peer, until);
    }

    /// Counts a connected stranger in.
    pub(crate) fn note_stranger(&mut self, peer: PeerId) {
        self.strangers.insert(peer);
    }

    /// A key is a stranger no longer, or gone.
    pub(crate) fn forget_stranger(&mut self, peer: &PeerId) {
        self.strangers.remove(peer);
    }

    fn check(&self, peer: &PeerId) -> Result<(), Denied> {
        if NodeKey::of(peer).is_none() {
            return Err(Denied::Key);
        }
        if self.cut_off.get(peer).is_some_and(|until| Instant::now() < *until) {
            return Err(Denied::CutOff);
        }
        Ok(())
    }

    fn check_inbound(&self, peer: &PeerId) -> Result<(), Denied> {
        self.check(peer)?;
        let is_known = self.members.contain(peer) || self.strangers.contains(peer);
        if !is_known && self.max_strangers <= self.strangers.len() {
            return Err(Denied::TooManyStrangers);
        }
        Ok(())
    }

    fn check_memory(&mut self) -> Result<(), Denied> {
        let is_stale = self.memory.looked_at.is_none_or(|it| Duration::from_secs(1) < it.elapsed());
        if is_stale {
            self.memory = Memory { looked_at: Some(Instant::now()), bytes: resident_bytes() };
        }
        if self.max_process_bytes < self.memory.bytes { Err(Denied::Memory) } else { Ok(()) }
    }
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        _id: ConnectionId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check_memory().map_err(ConnectionDenied::new)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _local: &Multiaddr,
        _remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_inbound(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: Option<PeerId>,
        _addresses: &[Multiaddr],
        _role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.check_memory().map_err(ConnectionDenied::new)?;
        peer.map_or(Ok(()), |it| self.check(&it)).map_err(ConnectionDenied::new)?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _id: ConnectionId,
        peer: PeerId,
        _address: &Multiaddr,
        _role: Endpoint,
        _port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer).map_err(ConnectionDenied::new)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, _event: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _peer: PeerId,
        _id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        _cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::key_pair;

    fn peer(byte: u8) -> PeerId {
        key_pair(&zeroize::Zeroizing::new([byte; 32])).unwrap().public().to_peer_id()
    }

    fn gate(max_strangers: usize) -> Gate {
        Gate::new(Members::default(), &Limits { max_strangers, ..Limits::default() })
    }

    #[test]
    fn the_last_stranger_with_room_is_let_in_and_the_next_is_not() {
        let mut gate = gate(2);
        gate.note_stranger(peer(1));
        assert_eq!(gate.check_inbound(&peer(2)), Ok(()));
        gate.note_stranger(peer(2));
        assert_eq!(gate.check_inbound(&peer(3)), Err(Denied::TooManyStrangers));
        assert_eq!(gate.check_inbound(&peer(2)), Ok(()), "who is in may connect again");
        gate.members.admit(peer(3));
        assert_eq!(gate.check_inbound(&peer(3)), Ok(()), "members need no room");
    }

    #[test]
    fn who_was_cut_off_is_refused_until_the_time_is_over() {
        let mut gate = gate(2);
        gate.cut_off(peer(1), Instant::now() + Duration::from_secs(60));
        assert_eq!(gate.check(&peer(1)), Err(Denied::CutOff));
        gate.cut_off(peer(1), Instant::now());
        assert_eq!(gate.check(&peer(1)), Ok(()));
    }

    #[test]
    fn nobody_is_let_in_while_memory_is_short() {
        let mut gate = gate(2);
        assert_eq!(gate.check_memory(), Ok(()));
        gate.max_process_bytes = 1;
        assert_eq!(gate.check_memory(), Err(Denied::Memory));
    }
}
