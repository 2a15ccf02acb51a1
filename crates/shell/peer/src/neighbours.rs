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
    time::Duration,
};

use mesh::{Address, Event, Mesh, NodeKey, Rung};
use record::{CommunityId, LogName};
use replica::HeldLog;
use store::StoreError;
use tokio::{
    sync::{broadcast, mpsc},
    time::Instant,
};

use self::{
    doorbell::doorbell,
    hints::Hints,
    link::{Met, Purpose},
    streams::Streams,
};
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
/// Communities with an open stream from which on a neighbour whose key is not known is waited for.
const ENOUGH: usize = 2;
/// Where nobody was learned of for this long, whose key is not known counts as down.
const SETTLING: Duration = Duration::from_secs(2);
/// The longest that is waited for that.
const LONGEST_SETTLING: Duration = Duration::from_secs(15);
/// Records keep coming if the last one came this short a while ago.
const FLOW: Duration = Duration::from_secs(1);
/// Introductions that wait to be heard of.
const WAITING_MEETINGS: usize = 64;

/// Keeps streams to neighbours, introduces strangers, rings and answers doorbells. Runs until the mesh or the store ends.
///
/// # Errors
///
/// [`PeerError`] if the disk cannot be read at the start, or a log is damaged.
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
    neighbours.learn().await?;
    // Others who ring without a pause do not put it off.
    let mut looked_at = Instant::now();
    loop {
        let is_busy = neighbours.keep_streams().await;
        let pause = if is_busy { SHORT_PAUSE } else { LONG_PAUSE };
        // In this order, so that a run can be repeated. What others send comes last and keeps nothing else waiting.
        let done = tokio::select! {
            biased;
            // Who is admitted may have changed, and so may the addresses that are known.
            Ok(()) = region.changed() => neighbours.learn().await,
            () = tokio::time::sleep_until(looked_at + pause) => {
                looked_at = Instant::now();
                neighbours.on_pause().await
            }
            growth = grown.recv() => match growth {
                Ok(growth) => {
                    neighbours.on_growth(&growth.logs).await;
                    Ok(())
                }
                Err(broadcast::error::RecvError::Lagged(_)) => neighbours.learn().await,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
            Some(ended) = neighbours.streams.ended() => {
                neighbours.on_ended(ended);
                Ok(())
            }
            Some(met) = meetings.recv() => {
                neighbours.on_met(met).await;
                Ok(())
            }
            event = events.recv() => match event {
                Some(event) => neighbours.on_event(event).await,
                None => return Ok(()),
            },
        };
        neighbours.bear(done)?;
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
    /// When the first and the last of those were learned of who came close upon each other.
    learned_at: Option<(Instant, Instant)>,
    /// Whether what was told could not be looked at, as the disk failed.
    has_missed: bool,
    /// When a log of others grew here last.
    grown_at: Option<Instant>,
    streams: Streams,
    hints: Hints,
    /// Our newest doorbell of each log that has not been rung.
    to_ring: BTreeMap<LogName, Vec<u8>>,
    /// The size at which each log of ours was rung last.
    rung: BTreeMap<LogName, u64>,
    rung_at: Option<Instant>,
}

impl Neighbours {
    fn new(peer: Peer, mesh: Mesh, met: mpsc::Sender<Met>) -> Self {
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
            learned_at: None,
            has_missed: false,
            grown_at: None,
            hints: Hints::default(),
            to_ring: BTreeMap::new(),
            rung: BTreeMap::new(),
            rung_at: None,
        }
    }

    /// A fault of the disk, or a reader that is long waited for, ends no stream that is open: it is tried again.
    fn bear(&mut self, done: Result<(), PeerError>) -> Result<(), PeerError> {
        match done {
            Err(PeerError::Store(error @ StoreError::Storage { .. })) => {
                tracing::warn!(%error, "what the mesh told was not looked at");
                self.has_missed = true;
                Ok(())
            }
            done => done,
        }
    }

    /// Learns the transport keys of every member whose log is here, and passes on where members say that they are reached
    /// on the mesh.
    async fn learn(&mut self) -> Result<(), PeerError> {
        for held in self.peer.held_logs().await? {
            self.learn_key(&held).await;
        }
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

    /// Learns who has a key, and tells whether logs are to be exchanged with it.
    async fn on_met(&mut self, Met { key, community, is_wanted }: Met) {
        self.meet(key, community).await;
        // A stream that has ended meanwhile needs no answer.
        let _ = is_wanted.send(self.wanted(Instant::now()).contains(&key));
    }

    /// This key is this community's.
    async fn meet(&mut self, key: NodeKey, community: CommunityId) {
        let is_own = community == self.peer.community();
        if is_own || !self.peer.admitted().contains(&community) {
            return;
        }
        let before = self.keys.insert(community, key);
        if before != Some(key) {
            self.note_learned(Instant::now());
        }
        match before {
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
                let now = Instant::now();
                // Whoever asked for the connection opens the stream.
                let since = if self.sought.remove(&key) { now.checked_sub(COURTESY) } else { None };
                self.down.retain(|community, _| self.keys.get(community) != Some(&key));
                self.connected.insert(key, since.unwrap_or(now));
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

    async fn on_growth(&mut self, logs: &[HeldLog]) {
        for held in logs.iter() {
            let community = held.log.community;
            if !self.keys.contains_key(&community) || held.log.era != 0 {
                self.learn_key(held).await;
            }
            if community != self.peer.community() {
                self.grown_at = Some(Instant::now());
            } else if let Some(size) = held.head.as_ref().map(|it| it.size())
                && self.rung.insert(held.log, size) != Some(size)
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
        if std::mem::take(&mut self.has_missed) {
            self.learn().await?;
        }
        let now = Instant::now();
        self.down.retain(|_, until| now < *until);
        let is_flowing = self.grown_at.is_some_and(|it| now.saturating_duration_since(it) < FLOW);
        for (log, size, from) in self.hints.due(now, is_flowing) {
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

    /// Opens the streams that are missing, and closes those that nobody needs any more. Tells whether it is to be looked
    /// again soon.
    async fn keep_streams(&mut self) -> bool {
        let now = Instant::now();
        let wanted = self.wanted(now);
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
        let is_needed = |key: &NodeKey| wanted.contains(key) || !known.contains(key);
        let lacks_one = |key: &NodeKey| is_needed(key) && !self.streams.is_open(*key);
        self.is_learning(now)
            || !self.to_ring.is_empty()
            || !self.hints.is_empty()
            || !self.sought.is_empty()
            || self.connected.keys().any(lacks_one)
    }

    fn is_our_turn(&self, key: NodeKey, since: Instant, now: Instant) -> bool {
        self.own_key < key || COURTESY <= now.saturating_duration_since(since)
    }

    fn note_learned(&mut self, now: Instant) {
        let first = self.learned_at.filter(|(_, last)| now < *last + SETTLING);
        self.learned_at = Some((first.map_or(now, |(first, _)| first), now));
    }

    /// Whether others are still being learned of: whoever stands in for them would be a neighbour for a moment only.
    fn is_learning(&self, now: Instant) -> bool {
        let is_within = |(first, last)| now < last + SETTLING && now < first + LONGEST_SETTLING;
        self.learned_at.is_some_and(is_within)
    }

    /// The keys of the neighbours that have no stream over gRPC.
    fn wanted(&self, now: Instant) -> BTreeSet<NodeKey> {
        let all = self.peer.admitted();
        let may_wait = self.is_learning(now) && ENOUGH <= self.peer.links().n_connected();
        let is_up = |it| (may_wait || self.keys.contains_key(&it)) && !self.down.contains_key(&it);
        let mut neighbours = ring::neighbours(self.peer.community(), &all, is_up);
        for linked in self.peer.links().over_grpc() {
            neighbours.remove(&linked);
        }
        neighbours.iter().filter_map(|it| self.keys.get(it).copied()).collect()
    }
}
