//! Kademlia that connects nobody unasked.
//!
//! libp2p's own fills its table by asking around whenever it is small, and dials whomever it hears of: thirty nodes
//! started at once would all be connected with each other within seconds, for nothing. Here a table holds whom its node
//! has met, and is asked only for a key that is wanted. That key alone is dialled, and whoever else could answer only if
//! those who are connected did not know.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    kad::{self, store::MemoryStore},
    swarm::{
        ConnectionDenied, ConnectionId, DialError, DialFailure, FromSwarm, NetworkBehaviour,
        THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
};

type Kad = kad::Behaviour<MemoryStore>;

/// Answers that suffice where others are dialled for them.
const ENOUGH_ANSWERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Whom a question is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Those who are connected.
    Connected,
    /// Whomever they name as well: each is dialled.
    Named,
}

/// Kademlia that connects nobody unasked.
pub(crate) struct Table {
    kad: Kad,
    /// Questions under way: for which key, and whom they are put to.
    questions: HashMap<kad::QueryId, (PeerId, Asked)>,
}

impl Table {
    pub(crate) fn new(kad: Kad) -> Self {
        Self { kad, questions: HashMap::new() }
    }

    /// Enters an address of a member.
    pub(crate) fn add(&mut self, peer: &PeerId, address: Multiaddr) {
        self.kad.add_address(peer, address);
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, peer: &PeerId) {
        self.kad.remove_peer(peer);
    }

    /// How many questions are under way.
    pub(crate) fn n_questions(&self) -> usize {
        self.questions.len()
    }

    /// Asks where a key is. It is dialled once an address is known; what was found is told last.
    pub(crate) fn ask_for(&mut self, peer: PeerId, asked: Asked) {
        let question = match asked {
            Asked::Connected => self.kad.get_closest_peers(peer),
            Asked::Named => self.kad.get_n_closest_peers(peer, ENOUGH_ANSWERS),
        };
        self.questions.insert(question, (peer, asked));
    }

    /// The key that a question was for, and whom it was put to; the question is over.
    pub(crate) fn answered(&mut self, question: &kad::QueryId) -> Option<(PeerId, Asked)> {
        self.questions.remove(question)
    }

    /// A key is sought no longer.
    pub(crate) fn forget_questions(&mut self, sought: &PeerId) {
        let questions = self.questions.extract_if(|_, (peer, _)| peer == sought);
        for question in questions.map(|(question, _)| question).collect::<Vec<_>>() {
            self.end(&question);
        }
    }

    /// Whether the table may have this key dialled.
    fn may_dial(&self, peer: Option<PeerId>) -> bool {
        let mut questions = self.questions.values();
        questions.any(|(sought, asked)| *asked == Asked::Named || Some(*sought) == peer)
    }

    /// Ends a question of kademlia; its last answer follows.
    fn end(&mut self, question: &kad::QueryId) {
        if let Some(mut running) = self.kad.query_mut(question) {
            running.finish();
        }
    }

    /// Whoever is new in a small table starts a round of questions half a second later. One that is begun and ended at once
    /// stands in its place.
    fn keep_quiet(&mut self) {
        if let Ok(round) = self.kad.bootstrap() {
            self.end(&round);
        }
    }

    /// What is told of kademlia's event, if anything is.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "kademlia tells much that needs no answer, and its enums may grow"
    )]
    fn on_event(&mut self, event: kad::Event) -> Option<kad::Event> {
        match event {
            kad::Event::RoutingUpdated { is_new_peer: true, .. } => {
                self.keep_quiet();
                None
            }
            // A round has as many steps as there are distances.
            kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::Bootstrap(_),
                ..
            } => {
                self.end(&id);
                None
            }
            event => Some(event),
        }
    }
}

impl NetworkBehaviour for Table {
    type ConnectionHandler = <Kad as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = kad::Event;

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        role: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.kad.handle_pending_outbound_connection(id, peer, addresses, role)
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.kad.handle_established_outbound_connection(id, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.kad.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.kad.on_connection_handler_event(peer, id, event);
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "whatever else kademlia asks is passed on")]
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match std::task::ready!(self.kad.poll(cx)) {
                ToSwarm::Dial { opts } if !self.may_dial(opts.get_peer_id()) => {
                    let failure = DialFailure {
                        peer_id: opts.get_peer_id(),
                        error: &DialError::Aborted,
                        connection_id: opts.connection_id(),
                    };
                    self.kad.on_swarm_event(FromSwarm::DialFailure(failure));
                }
                ToSwarm::GenerateEvent(event) => {
                    if let Some(event) = self.on_event(event) {
                        return Poll::Ready(ToSwarm::GenerateEvent(event));
                    }
                }
                other => return Poll::Ready(other),
            }
        }
    }
}
