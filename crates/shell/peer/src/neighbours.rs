//! Keeps streams to others over the mesh, with no coordinator needed.
//!
//! ```text
//! mesh: Connected ─▶ who is it? (a Hello, unless its log is here) ─▶ ring: is it a neighbour? ─▶ link
//! mesh: Opened    ─▶ link                                                                        │ exchange, as over gRPC
//! mesh: Rung      ─▶ judged, passed on ─▶ still lacking a second later? ─▶ link to who rang ─────┘
//! growth          ─▶ ring
//! ```
//!
//! What is asked of the mesh goes through [`Mesh`], what it tells comes as [`Event`]s, so a network in memory can stand in
//! its place. A doorbell only ever leads to a stream; what is true comes over streams alone.

mod doorbell;
mod hints;
mod link;
mod ring;
mod streams;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use mesh::{Address, Event, Mesh, NodeKey, Rung};
use record::CommunityId;
use replica::HeldLog;
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};

use self::{doorbell::doorbell, hints::Hints, link::Purpose, streams::Streams};
use crate::peer::{Peer, PeerError};

/// How soon it is looked again while something is under way.
const SHORT_PAUSE: Duration = Duration::from_millis(200);
/// How soon otherwise.
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// Of two connected nodes the one with the lower key opens the stream; the other does if none came within this time.
const COURTESY: Duration = Duration::from_secs(1);
/// How long whoever could not be reached counts as down.
const DOWN_TIME: Duration = Duration::from_secs(15);
/// Doorbells of one log are at least this far apart.
const RING_PAUSE: Duration = Duration::from_millis(250);
/// Introductions that wait to be heard of.
const WAITING_MEETINGS: usize = 64;

/// Keeps streams to neighbours, introduces strangers, rings and answers doorbells. Runs until the mesh or the store ends.
///
/// # Errors
///
/// [`PeerError`] if the disk cannot be read.
pub async fn keep_neighbours(
    peer: Peer,
    mesh: Mesh,
    mut events: mpsc::Receiver<Event>,
) -> Result<(), PeerError> {
    // Before the logs are read, so that no growth falls between.
    let mut grown = peer.grown();
    let (met, mut meetings) = mpsc::channel(WAITING_MEETINGS);
    let mut region = peer.store().region();
    region.mark_unchanged();
    let mut neighbours = Neighbours::new(peer, mesh, met);
    neighbours.learn_keys().await?;
    neighbours.learn_addresses().await?;
    // Others who ring without a pause do not put it off.
    let mut looked_at = Instant::now();
    loop {
        neighbours.keep_streams().await;
        let pause = if neighbours.is_busy() { SHORT_PAUSE } else { LONG_PAUSE };
        // In this order, so that a run can be repeated. What others send comes last and keeps nothing else waiting.
        tokio::select! {
            biased;
            // Who is admitted may have changed, and so may the addresses that are known.
            Ok(()) = region.changed() => {
                neighbours.learn_keys().await?;
                neighbours.learn_addresses().await?;
            }
            () = tokio::time::sleep_until(looked_at + pause) => {
                looked_at = Instant::now();
                neighbours.on_pause().await?;
            }
            growth = grown.recv() => match growth {
                Ok(logs) => neighbours.on_growth(&logs).await,
                Err(broadcast::error::RecvError::Lagged(_)) => neighbours.learn_keys().await?,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            Some(ended) = neighbours.streams.ended() => neighbours.on_ended(ended),
            Some((key, community)) = meetings.recv() => neighbours.meet(key, community).await,
            event = events.recv() => match event {
                Some(event) => neighbours.on_event(event).await?,
                None => return Ok(()),
            },
        }
    }
}

struct Neighbours {
    peer: Peer,
    mesh: Mesh,
    own_key: NodeKey,
    /// Connected keys, and since when.
    connected: BTreeMap<NodeKey, Instant>,
    /// The transport key of each member that is known.
    keys: BTreeMap<CommunityId, NodeKey>,
    /// Members that could not be reached, and until when they count as down.
    down: BTreeMap<CommunityId, Instant>,
    /// Members that are being connected.
    sought: BTreeSet<NodeKey>,
    streams: Streams,
    hints: Hints,
    /// Our newest doorbell of each log that has not been rung.
    to_ring: BTreeMap<record::LogName, Vec<u8>>,
    rung_at: Option<Instant>,
}

impl Neighbours {
    fn new(peer: Peer, mesh: Mesh, met: mpsc::Sender<(NodeKey, CommunityId)>) -> Self {
        let own_key = NodeKey(peer.keys().transport.public().0);
        Self {
            streams: Streams::new(peer.clone(), mesh.clone(), met),
            peer,
            mesh,
            own_key,
            connected: BTreeMap::new(),
            keys: BTreeMap::new(),
            down: BTreeMap::new(),
            sought: BTreeSet::new(),
            hints: Hints::default(),
            to_ring: BTreeMap::new(),
            rung_at: None,
        }
    }

    /// Learns the transport keys of every member whose log is here.
    async fn learn_keys(&mut self) -> Result<(), PeerError> {
        for held in self.peer.held_logs().await? {
            self.learn_key(&held).await;
        }
        Ok(())
    }

    /// Passes on where members say that they are reached on the mesh.
    async fn learn_addresses(&mut self) -> Result<(), PeerError> {
        for (community, affiliation) in self.peer.store().affiliations().await? {
            let Some(key) = self.keys.get(&community) else { continue };
            let addresses: Vec<Address> =
                affiliation.addresses.iter().filter_map(|it| it.parse().ok()).collect();
            if !addresses.is_empty() {
                self.mesh.learn(*key, addresses).await;
            }
        }
        Ok(())
    }

    async fn learn_key(&mut self, held: &HeldLog) {
        let identity = held.identity.identity();
        let key = NodeKey(*identity.keys().transport().as_bytes());
        self.meet(key, identity.community()).await;
    }

    /// This key is this community's.
    async fn meet(&mut self, key: NodeKey, community: CommunityId) {
        let is_own = community == self.peer.community();
        if is_own || !self.peer.admitted().contains(&community) {
            return;
        }
        match self.keys.insert(community, key) {
            Some(before) if before == key => {}
            Some(before) => {
                self.mesh.expel(before).await;
                self.mesh.admit(key).await;
            }
            None => self.mesh.admit(key).await,
        }
    }

    async fn on_event(&mut self, event: Event) -> Result<(), PeerError> {
        match event {
            Event::Connected(key) => {
                self.sought.remove(&key);
                self.down.retain(|community, _| self.keys.get(community) != Some(&key));
                self.connected.insert(key, Instant::now());
            }
            Event::Disconnected(key) => {
                self.connected.remove(&key);
            }
            Event::Unreachable(key) => {
                self.sought.remove(&key);
                let until = Instant::now() + DOWN_TIME;
                let known = self.keys.iter().find(|(_, it)| **it == key);
                if let Some((community, _)) = known {
                    self.down.insert(*community, until);
                }
            }
            Event::Opened(key, line) => {
                let is_theirs = key < self.own_key;
                self.streams.answer((key, line), is_theirs);
            }
            Event::Rung(rung) => self.on_rung(rung).await?,
        }
        Ok(())
    }

    async fn on_rung(&mut self, rung: Rung) -> Result<(), PeerError> {
        let heard = self.peer.judge(&rung.message).await?;
        self.mesh.judge(rung.ticket, heard.verdict).await;
        if let Some((log, size)) = heard.lacking {
            self.hints.add(log, size, rung.from, Instant::now());
        }
        Ok(())
    }

    async fn on_growth(&mut self, logs: &Arc<Vec<HeldLog>>) {
        for held in logs.iter() {
            let community = held.log.community;
            if !self.keys.contains_key(&community) || held.log.era != 0 {
                self.learn_key(held).await;
            }
            if community == self.peer.community()
                && let Some(message) = doorbell(held)
            {
                self.to_ring.insert(held.log, message);
            }
        }
        self.ring().await;
    }

    /// Rings for every log that grew, unless it rang a moment ago.
    async fn ring(&mut self) {
        if self.rung_at.is_some_and(|it| it.elapsed() < RING_PAUSE) {
            return;
        }
        if !self.to_ring.is_empty() {
            self.rung_at = Some(Instant::now());
        }
        for message in std::mem::take(&mut self.to_ring).into_values() {
            self.mesh.ring(message).await;
        }
    }

    async fn on_pause(&mut self) -> Result<(), PeerError> {
        self.ring().await;
        let now = Instant::now();
        self.down.retain(|_, until| now < *until);
        for (log, size, from) in self.hints.due(now) {
            if size <= self.peer.holds(log).await? {
                continue;
            }
            let author = self.keys.get(&log.community).copied();
            let near = author.filter(|it| self.connected.contains_key(it)).unwrap_or(from);
            if self.connected.contains_key(&near) {
                self.streams.open_on_demand(near);
            }
        }
        Ok(())
    }

    fn on_ended(&mut self, ended: streams::Ended) {
        let streams::Ended { key, why } = ended;
        let known = self.keys.iter().find(|(_, it)| **it == key).map(|(community, _)| *community);
        if let Some(community) = known {
            self.peer.links().update(community, |link| link.last_error.clone_from(&why));
        }
        match why {
            Some(why) => tracing::info!(%key, ?known, %why, "a stream over the mesh ended"),
            None => tracing::debug!(%key, ?known, "a stream over the mesh ended"),
        }
    }

    /// Opens the streams that are missing, and closes those that nobody needs any more.
    async fn keep_streams(&mut self) {
        let now = Instant::now();
        let wanted = self.wanted();
        for key in &wanted {
            match self.connected.get(key) {
                Some(since) => {
                    if self.is_our_turn(*key, *since, now) {
                        self.streams.open(*key, Purpose::Exchange, now);
                    }
                }
                None => {
                    if self.sought.insert(*key) {
                        self.mesh.connect(*key).await;
                    }
                }
            }
        }
        let known: BTreeSet<NodeKey> = self.keys.values().copied().collect();
        for (key, since) in self.connected.iter().filter(|(key, _)| !known.contains(key)) {
            if self.is_our_turn(*key, *since, now) {
                self.streams.open(*key, Purpose::Introduction, now);
            }
        }
        self.streams.close_unneeded(&wanted, now);
    }

    fn is_our_turn(&self, key: NodeKey, since: Instant, now: Instant) -> bool {
        self.own_key < key || COURTESY <= now.saturating_duration_since(since)
    }

    /// The keys of the neighbours that have no stream over gRPC.
    fn wanted(&self) -> BTreeSet<NodeKey> {
        let all = self.peer.admitted();
        let is_up = |it| self.keys.contains_key(&it) && !self.down.contains_key(&it);
        let mut neighbours = ring::neighbours(self.peer.community(), &all, is_up);
        for linked in self.peer.links().over_grpc() {
            neighbours.remove(&linked);
        }
        neighbours.iter().filter_map(|it| self.keys.get(it).copied()).collect()
    }

    fn is_busy(&self) -> bool {
        !self.to_ring.is_empty()
            || !self.hints.is_empty()
            || !self.sought.is_empty()
            || self
                .connected
                .keys()
                .any(|key| !self.streams.is_open(*key) && !self.is_settled(*key))
    }

    /// Whether this connected key is a member's that is no neighbour.
    fn is_settled(&self, key: NodeKey) -> bool {
        self.keys.values().any(|it| *it == key) && !self.wanted().contains(&key)
    }
}
