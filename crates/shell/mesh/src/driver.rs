//! Runs libp2p: carries out commands, tells events, and looks for who is missing.

mod events;
mod finding;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    gossipsub::MessageAcceptance,
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::sync::mpsc;

use self::streams::Streams;
use crate::{
    address::Address,
    behaviour::{Behaviour, BehaviourEvent, topic},
    book::{Book, Places},
    config::MeshConfig,
    doorbell::Doorbells,
    key::NodeKey,
    limits::MAX_DOORBELL_BYTES,
    members::Members,
    seam::{Command, Event, Switchboard, Verdict},
    swarm::MeshError,
};

/// Events that wait to be taken while libp2p goes on; beyond it, libp2p waits as well.
const WAITING_EVENTS: usize = 256;
/// Doorbells are not told while more events than this wait.
const WAITING_RUNGS: usize = 64;
/// How often it is looked whether a place is to be dialled or a stranger's time is over.
const TURN: Duration = Duration::from_secs(1);
/// The same while somebody was not found at the first attempt.
const SHORT_TURN: Duration = Duration::from_millis(100);
/// How long turns are short after the start, or after somebody was lost.
const SEARCH_TIME: Duration = Duration::from_secs(10);

/// Sends places with what was looked up for each, and takes them.
type LookedUp =
    (mpsc::Sender<(Address, Vec<Multiaddr>)>, mpsc::Receiver<(Address, Vec<Multiaddr>)>);

/// What libp2p told before the driver ran.
pub(crate) type Early = Vec<SwarmEvent<BehaviourEvent>>;

/// Runs libp2p.
pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    config: MeshConfig,
    members: Members,
    far: Switchboard,
    waiting: VecDeque<Event>,
    doorbells: Doorbells,
    streams: Streams,
    book: Book,
    places: Places,
    /// Addresses that were looked up, and the place that each stands for.
    looked_up: LookedUp,
    /// Dials of places under way.
    dialling: BTreeMap<ConnectionId, Address>,
    /// Connected keys that are not admitted, and since when.
    strangers: BTreeMap<PeerId, Instant>,
    /// Keys that were to be connected.
    wanted: BTreeSet<PeerId>,
    /// Connected relays, and how they are reached.
    relays: BTreeMap<PeerId, Multiaddr>,
    /// Circuits to be reached by, and the listener of each while it is tried or stands.
    circuits: Vec<(Address, Option<ListenerId>)>,
    /// Whether nobody from outside reaches this node directly.
    is_private: bool,
    search_until: Instant,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviour>,
        config: MeshConfig,
        members: Members,
        far: Switchboard,
    ) -> Result<Self, MeshError> {
        let streams = Streams::new(&swarm.behaviour().streams, &config)?;
        Ok(Self {
            doorbells: Doorbells::new(&config.limits),
            swarm,
            config,
            members,
            far,
            waiting: VecDeque::new(),
            streams,
            book: Book::default(),
            places: Places::default(),
            looked_up: mpsc::channel(32),
            dialling: BTreeMap::new(),
            strangers: BTreeMap::new(),
            wanted: BTreeSet::new(),
            relays: BTreeMap::new(),
            circuits: Vec::new(),
            is_private: false,
            search_until: Instant::now() + SEARCH_TIME,
        })
    }

    /// Runs until nobody holds the mesh.
    pub(crate) async fn run(mut self, circuits: Vec<Address>, early: Early) {
        self.circuits = circuits.into_iter().map(|it| (it, None)).collect();
        for address in std::mem::take(&mut self.config.peers) {
            self.places.add(address, Instant::now());
        }
        for event in early {
            self.on_event(event);
        }
        let mut turn = tokio::time::interval(SHORT_TURN);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut turned_at = Instant::now();
        self.take_turn();
        let events = self.far.events.clone();
        loop {
            let has_room = self.waiting.len() < WAITING_EVENTS;
            tokio::select! {
                command = self.far.commands.recv() => match command {
                    Some(command) => self.carry_out(command),
                    None => return,
                },
                permit = events.reserve(), if !self.waiting.is_empty() => {
                    let Ok(permit) = permit else { return };
                    if let Some(event) = self.waiting.pop_front() {
                        permit.send(event);
                    }
                }
                event = self.swarm.select_next_some(), if has_room => self.on_event(event),
                Some((key, stream)) = self.streams.next(), if has_room => {
                    self.waiting.push_back(Event::Opened(key, stream));
                }
                Some((place, found)) = self.looked_up.1.recv() => self.dial_place(place, found),
                _ = turn.tick() => {
                    let now = Instant::now();
                    let is_searching = now < self.search_until;
                    if is_searching || TURN <= now.saturating_duration_since(turned_at) {
                        turned_at = now;
                        self.take_turn();
                    }
                    let period = if is_searching { SHORT_TURN } else { TURN };
                    if turn.period() != period {
                        turn = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Admit(key) => self.admit(key),
            Command::Expel(key) => self.expel(key),
            Command::Learn(key, addresses) => self.learn(key, addresses),
            Command::Look(addresses) => {
                for address in addresses {
                    self.places.add(address, Instant::now());
                }
                self.search();
            }
            Command::Connect(key) => self.connect(key),
            Command::Open(key, answer) => match key.peer_id() {
                Some(peer) if self.swarm.is_connected(&peer) => self.streams.open(peer, answer),
                Some(_) | None => {
                    let _ = answer.send(Err(crate::seam::OpenError::NotConnected));
                }
            },
            Command::Ring(message) => self.ring(message),
            Command::Judge(ticket, verdict) => self.judge(ticket, verdict),
            Command::Cut(key, reason) => {
                if let Some(peer) = key.peer_id() {
                    self.cut(peer, reason);
                }
            }
        }
    }

    fn admit(&mut self, key: NodeKey) {
        let Some(peer) = key.peer_id() else { return };
        if !self.members.admit(peer) {
            return;
        }
        self.strangers.remove(&peer);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.gate.forget_stranger(&peer);
        behaviour.gossip.remove_blacklisted_peer(&peer);
        let known = self.book.of(&peer);
        if !known.is_empty() {
            self.tell_table(peer, &known);
        }
    }

    fn expel(&mut self, key: NodeKey) {
        let Some(peer) = key.peer_id() else { return };
        if self.members.expel(&peer) {
            self.swarm.behaviour_mut().table.remove(&peer);
            self.doorbells.forget(&peer);
            // Whoever is not connected needs no parting.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn ring(&mut self, message: Vec<u8>) {
        if MAX_DOORBELL_BYTES < message.len() {
            tracing::warn!(n_bytes = message.len(), "a doorbell longer than 4 KiB was not rung");
            return;
        }
        let topic = topic(&self.config);
        if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, message) {
            tracing::debug!(%error, "a doorbell was not heard by anybody");
        }
    }

    fn judge(&mut self, ticket: crate::seam::Ticket, verdict: Verdict) {
        let Some((id, from)) = self.doorbells.judged(ticket) else { return };
        let acceptance = match verdict {
            Verdict::Sound => MessageAcceptance::Accept,
            Verdict::Unknown => MessageAcceptance::Ignore,
            Verdict::Malformed => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&id, &from, acceptance);
        if verdict == Verdict::Malformed && self.doorbells.blame_malformed(from, Instant::now()) {
            self.cut(from, "mesh.malformed_doorbells");
        }
    }

    /// Ends every connection of a node, and refuses it for a while.
    fn cut(&mut self, peer: PeerId, reason: &'static str) {
        let key = NodeKey::of(&peer).map(|it| it.to_string()).unwrap_or_default();
        tracing::info!(%key, reason, "a node of the mesh was cut off");
        let until = Instant::now() + self.config.limits.cut_off_time;
        self.swarm.behaviour_mut().gate.cut_off(peer, until);
        // Whoever is not connected is refused all the same.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    /// Looks more often for a while.
    fn search(&mut self) {
        self.search_until = Instant::now() + SEARCH_TIME;
    }

    fn tell_of(&mut self, peer: &PeerId, event: impl FnOnce(NodeKey) -> Event) {
        if let Some(key) = NodeKey::of(peer) {
            self.waiting.push_back(event(key));
        }
    }
}
