//! A network in memory: calls to addresses in place of gRPC, and a mesh in place of libp2p.
//!
//! ```text
//! Caller ─▶ call ─┐                                      ┌─▶ Peer::answer
//!                 ├─▶ talk: a courier each way ──────────┤
//! Mesh   ─▶ open ─┘   delay · parted or not · lies       └─▶ Event::Opened
//! Mesh   ─▶ ring ───▶ everybody who is connected ──────────▶ Event::Rung
//! ```
//!
//! Frames arrive in order, each after a delay. Between parted hosts they wait, until the two are joined again or the
//! connection is given up. A host that is down has no connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use mesh::{Event, NodeKey};
use peer::Peer;
use tlog::{Hash, leaf_hash};
use tokio::{
    sync::{Notify, mpsc},
    time::{Duration, Instant, sleep},
};

use crate::{chance::Chance, courier::Parcel, lies::Lies};

/// A host's number.
pub(crate) type No = usize;

/// Silence between two hosts after which an exchange counts as completed, once both have offered everything.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// A host as others reach it.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) key: NodeKey,
    pub(crate) address: String,
    /// Which of two hosts with one key this is.
    pub(crate) face: u8,
    pub(crate) up: Option<Up>,
}

/// What a host that is up is reached by.
#[derive(Debug, Clone)]
pub(crate) struct Up {
    pub(crate) peer: Peer,
    pub(crate) post: mpsc::UnboundedSender<(Instant, Event)>,
}

/// Whether a stream is broken off. Whoever waits for it is woken in order, which a watch does not promise.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    is_cut: AtomicBool,
    told: Notify,
}

impl Cut {
    fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
        self.told.notify_waiters();
    }

    pub(crate) async fn wait(&self) {
        // Waiting begins before it is looked, so that nothing falls between.
        let told = self.told.notified();
        if !self.is_cut.load(Ordering::Relaxed) {
            told.await;
        }
    }
}

/// A stream between two hosts.
#[derive(Debug)]
struct Talk {
    ends: (No, No),
    is_over_mesh: bool,
    cut: Arc<Cut>,
    began: Instant,
    /// By the first, by the second.
    offered: [bool; 2],
    n_under_way: usize,
    last: Instant,
    n_couriers: usize,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) chance: Chance,
    pub(crate) stations: Vec<Station>,
    /// On which side of a partition each host is.
    sides: Vec<u8>,
    /// Delays of pairs that are slow, in milliseconds.
    slow: BTreeMap<(No, No), u64>,
    /// Which face of a host with two each host is shown.
    shown: Vec<u8>,
    talks: BTreeMap<u64, Talk>,
    n_talks: u64,
    pub(crate) connected: BTreeSet<(No, No)>,
    pub(crate) heard: BTreeSet<(No, Hash)>,
    pub(crate) doorbells: BTreeMap<u64, Vec<u8>>,
    pub(crate) lies: Lies,
    digest: Hash,
    n_frames: u64,
    began: Instant,
}

/// The network. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    inner: Arc<Mutex<Inner>>,
    /// Told whenever somebody is parted or joined.
    weather: Arc<Notify>,
}

pub(crate) const fn pair(one: No, other: No) -> (No, No) {
    if one < other { (one, other) } else { (other, one) }
}

impl Net {
    pub(crate) fn new(chance: Chance) -> Self {
        let inner = Inner {
            chance,
            stations: Vec::new(),
            sides: Vec::new(),
            slow: BTreeMap::new(),
            shown: Vec::new(),
            talks: BTreeMap::new(),
            n_talks: 0,
            connected: BTreeSet::new(),
            heard: BTreeSet::new(),
            doorbells: BTreeMap::new(),
            lies: Lies::default(),
            digest: leaf_hash(b"a simulated region"),
            n_frames: 0,
            began: Instant::now(),
        };
        Self { inner: Arc::new(Mutex::new(inner)), weather: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a host that is down; its number.
    pub(crate) fn add(&self, key: NodeKey, address: String, face: u8) -> No {
        let mut inner = self.lock();
        inner.stations.push(Station { key, address, face, up: None });
        inner.sides.push(0);
        inner.shown.push(0);
        inner.stations.len() - 1
    }

    /// A host that is down has another key from now on.
    pub(crate) fn replace_key(&self, no: No, key: NodeKey) {
        self.lock().stations[no].key = key;
    }

    pub(crate) fn show_face(&self, to: No, face: u8) {
        self.lock().shown[to] = face;
    }

    /// What happened so far, in one hash; and how many frames were carried.
    pub(crate) fn digest(&self) -> (Hash, u64) {
        let inner = self.lock();
        (inner.digest, inner.n_frames)
    }

    /// Notes that something happened.
    pub(crate) fn note(&self, what: &str) {
        self.lock().note(what.as_bytes(), what);
    }

    /// A host is reachable from now on.
    pub(crate) fn rise(&self, no: No, up: Up) {
        self.lock().stations[no].up = Some(up);
        self.meet_all();
    }

    /// A host is gone, and its connections with it.
    pub(crate) fn fall(&self, no: No) {
        let mut inner = self.lock();
        inner.stations[no].up = None;
        inner.break_all(|ends| ends.0 == no || ends.1 == no);
    }

    /// Parts the hosts. Connections between sides are given up after a while, if they are still parted then.
    pub(crate) fn part(&self, sides: Vec<u8>) {
        let mut inner = self.lock();
        inner.sides = sides;
        let n = inner.stations.len();
        let pairs = (0..n).flat_map(|one| (one + 1..n).map(move |other| (one, other)));
        let parted: Vec<_> = pairs.filter(|(one, other)| !inner.is_open(*one, *other)).collect();
        for ends in parted {
            let (net, patience) = (self.clone(), inner.chance.millis(1_000, 20_000));
            tokio::spawn(async move {
                sleep(patience).await;
                let mut inner = net.lock();
                if !inner.is_open(ends.0, ends.1) {
                    inner.break_all(|it| pair(it.0, it.1) == ends);
                }
            });
        }
        drop(inner);
        self.weather.notify_waiters();
    }

    /// Joins everybody.
    pub(crate) fn join(&self) {
        self.lock().sides.fill(0);
        self.weather.notify_waiters();
        self.meet_all();
    }

    /// Makes the line between two hosts slow, or as fast as others.
    pub(crate) fn slow_down(&self, ends: (No, No), delay_millis: Option<u64>) {
        let mut inner = self.lock();
        match delay_millis {
            Some(delay) => inner.slow.insert(ends, delay),
            None => inner.slow.remove(&ends),
        };
    }

    pub(crate) fn speed_up_all(&self) {
        self.lock().slow.clear();
    }

    /// Breaks every connection; those that are wanted are made anew.
    pub(crate) fn break_all(&self) {
        self.lock().break_all(|_| true);
        self.meet_all();
    }

    /// Waits until two hosts are not parted.
    pub(crate) async fn until_open(&self, from: No, to: No) {
        loop {
            let changed = self.weather.notified();
            if self.lock().is_open(from, to) {
                return;
            }
            changed.await;
        }
    }

    /// Begins a stream, which two couriers will carry.
    pub(crate) fn begin_talk(&self, ends: (No, No), is_over_mesh: bool) -> u64 {
        let (cut, now) = (Arc::default(), Instant::now());
        let talk = Talk {
            ends,
            is_over_mesh,
            cut,
            began: now,
            offered: [false; 2],
            n_under_way: 0,
            last: now,
            n_couriers: 2,
        };
        let mut inner = self.lock();
        inner.n_talks += 1;
        let number = inner.n_talks;
        inner.talks.insert(number, talk);
        number
    }

    /// Told when a stream is broken off.
    pub(crate) fn cut_of(&self, talk: u64) -> Option<Arc<Cut>> {
        self.lock().talks.get(&talk).map(|it| Arc::clone(&it.cut))
    }

    pub(crate) fn end_courier(&self, talk: u64) {
        let mut inner = self.lock();
        let Some(it) = inner.talks.get_mut(&talk) else { return };
        it.n_couriers -= 1;
        if it.n_couriers == 0 {
            inner.talks.remove(&talk);
        }
    }

    /// A frame is handed in; how long it takes.
    pub(crate) fn take(&self, talk: u64, from: No, to: No) -> Duration {
        let mut inner = self.lock();
        if let Some(it) = inner.talks.get_mut(&talk) {
            it.n_under_way += 1;
        }
        inner.delay(from, to)
    }

    /// A frame arrives, as the sender's lies leave it.
    pub(crate) fn deliver(
        &self,
        talk: u64,
        (from, to): (No, No),
        parcel: Parcel,
    ) -> Option<Parcel> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if let Some(it) = inner.talks.get_mut(&talk) {
            it.n_under_way -= 1;
            it.last = Instant::now();
            if parcel.is_offered() {
                it.offered[usize::from(it.ends.0 != from)] = true;
            }
        }
        let Parcel::Frame(bytes) = parcel else { return Some(parcel) };
        inner.n_frames += 1;
        let bytes = inner.lies.bend((from, to), bytes)?;
        let told = format!("{from} -> {to}: {} bytes", bytes.len());
        inner.note(&bytes, &told);
        Some(Parcel::Frame(bytes))
    }

    /// Whether two hosts have completed an exchange that began after this moment.
    pub(crate) fn has_exchanged(&self, ends: (No, No), since: Instant) -> bool {
        let inner = self.lock();
        inner.talks.values().any(|it| {
            pair(it.ends.0, it.ends.1) == ends
                && since <= it.began
                && it.offered == [true; 2]
                && it.n_under_way == 0
                && IDLE <= it.last.elapsed()
        })
    }

    /// Connects everybody on the mesh who can reach each other, as they would find each other before long.
    pub(crate) fn meet_all(&self) {
        let mut inner = self.lock();
        let n = inner.stations.len();
        for one in 0..n {
            for other in one + 1..n {
                inner.meet(one, other);
            }
        }
    }
}

impl Inner {
    fn note(&mut self, bytes: &[u8], told: &str) {
        let at = self.began.elapsed().as_millis();
        if std::env::var_os("FOLKMOOT_TRACE").is_some() {
            println!("{at:>8} {told}");
        }
        let mut all = self.digest.as_bytes().to_vec();
        all.extend(at.to_be_bytes());
        all.extend(told.as_bytes());
        all.extend(bytes);
        self.digest = leaf_hash(&all);
    }

    pub(crate) fn is_open(&self, one: No, other: No) -> bool {
        self.sides[one] == self.sides[other]
    }

    pub(crate) fn delay(&mut self, from: No, to: No) -> Duration {
        match self.slow.get(&pair(from, to)).copied() {
            Some(slow) => self.chance.millis(slow, slow * 2),
            None => self.chance.millis(1, 15),
        }
    }

    /// Who answers a host under an address or a key: a host that is up and not parted from it, and the face that it is
    /// shown if there are two.
    pub(crate) fn reach(&self, from: No, is_meant: impl Fn(&Station) -> bool) -> Option<(No, Up)> {
        let mut found = self.stations.iter().enumerate().filter(|(no, it)| {
            *no != from
                && is_meant(it)
                && self.is_open(from, *no)
                && it.face == self.face_for(from, it.key)
        });
        let (no, station) = found.next()?;
        station.up.clone().map(|up| (no, up))
    }

    fn face_for(&self, from: No, key: NodeKey) -> u8 {
        let has_two = self.stations.iter().any(|it| it.key == key && it.face != 0);
        if has_two { self.shown[from] } else { 0 }
    }

    pub(crate) fn tell(&mut self, from: No, to: No, event: Event) {
        let at = Instant::now() + self.delay(from, to);
        if let Some(up) = &self.stations[to].up {
            // Whoever has ended hears nothing more.
            let _ = up.post.send((at, event));
        }
    }

    /// Connects two hosts on the mesh, if each reaches the other; whether they are connected.
    pub(crate) fn meet(&mut self, one: No, other: No) -> bool {
        let ends = pair(one, other);
        if self.connected.contains(&ends) {
            return true;
        }
        let keys = [self.stations[ends.0].key, self.stations[ends.1].key];
        let reaches =
            |from, key, to| self.reach(from, |it| it.key == key).is_some_and(|(no, _)| no == to);
        let is_up = self.stations[one].up.is_some() && self.stations[other].up.is_some();
        if !is_up || !reaches(ends.0, keys[1], ends.1) || !reaches(ends.1, keys[0], ends.0) {
            return false;
        }
        self.connected.insert(ends);
        self.tell(ends.0, ends.1, Event::Connected(keys[0]));
        self.tell(ends.1, ends.0, Event::Connected(keys[1]));
        true
    }

    /// Breaks the connections between these ends.
    fn break_all(&mut self, is_meant: impl Fn((No, No)) -> bool) {
        for talk in self.talks.values().filter(|it| is_meant(it.ends)) {
            talk.cut.cut();
        }
        let gone: Vec<_> = self.connected.iter().copied().filter(|it| is_meant(*it)).collect();
        for ends in gone {
            self.disconnect(ends);
        }
    }

    pub(crate) fn disconnect(&mut self, ends: (No, No)) {
        self.connected.remove(&ends);
        let keys = [self.stations[ends.0].key, self.stations[ends.1].key];
        self.tell(ends.0, ends.1, Event::Disconnected(keys[0]));
        self.tell(ends.1, ends.0, Event::Disconnected(keys[1]));
        for talk in
            self.talks.values().filter(|it| it.is_over_mesh && pair(it.ends.0, it.ends.1) == ends)
        {
            talk.cut.cut();
        }
    }
}
