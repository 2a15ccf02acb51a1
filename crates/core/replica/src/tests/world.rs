//! Nodes with logs in memory, and streams between them that deliver in whatever order a schedule says.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use record::{
    CommunityId,
    payload::{ForkEvidence, Status},
};
use tlog::{Frontier, Hash, consistency_proof, leaf_hash, prove::leaf_lookup};

use super::author::{Author, network};
use crate::{
    exchange::{Admission, Exchange, ExchangeConfig, HeldLog, Input, Output, PendingHead, Store},
    frame::{Batch, Frame, LogName, RawRecord, Refusal},
    head::{LogIdentity, SignedHead},
    verified::Verified,
};

/// A log as a node stores it.
#[derive(Clone)]
pub(crate) struct StoredLog {
    pub(crate) records: Vec<RawRecord>,
    leaves: Vec<Hash>,
    head: Option<SignedHead>,
    pending: Option<PendingHead>,
    identity: Arc<LogIdentity>,
}

impl StoredLog {
    pub(crate) fn of(author: &Author) -> Self {
        Self {
            records: author.records.clone(),
            leaves: author.leaves(),
            head: Some(author.head_at(author.size())),
            pending: None,
            identity: author.identity(),
        }
    }

    /// As `of`, with another head and identity than the author's own.
    pub(crate) fn with(author: &Author, head: SignedHead, identity: Arc<LogIdentity>) -> Self {
        let (records, leaves) = (author.records.clone(), author.leaves());
        Self { records, leaves, head: Some(head), pending: None, identity }
    }

    /// Takes the head at what is kept of an ended era, as a store does.
    fn keep_head(&mut self, log: LogName, note: &Arc<[u8]>) {
        let head = SignedHead::open(&network(), log, &self.identity, note).unwrap();
        assert_eq!(self.frontier_at(head.size()).root(), *head.root());
        // The larger head was of all that is held.
        let larger = self.head.replace(head);
        self.pending = larger.map(|head| PendingHead { head, proof: Vec::new() });
    }

    pub(crate) fn head_size(&self) -> Option<u64> {
        self.head.as_ref().map(SignedHead::size)
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len().try_into().unwrap()
    }

    fn frontier_at(&self, size: u64) -> Frontier {
        self.leaves.iter().copied().take(usize::try_from(size).unwrap()).collect()
    }

    fn held(&self, log: LogName) -> HeldLog {
        let cosigned = self.head.as_ref().map(|it| format!("cosigned {}", it.size()));
        HeldLog {
            log,
            frontier: self.frontier_at(self.size()),
            head: self.head.clone(),
            pending: self.pending.clone(),
            identity: self.identity.clone(),
            cosignatures: cosigned.into_iter().collect(),
        }
    }

    /// What is left if the store holds only so many records, and no head of them.
    pub(crate) fn truncate(&mut self, size: usize) {
        self.records.truncate(size);
        self.leaves.truncate(size);
        self.head = None;
    }

    /// Keeps a head of the author as the one under which everything was verified.
    pub(crate) fn pend(&mut self, author: &Author, size: u64) {
        let proof = consistency_proof(self.size(), size, &leaf_lookup(&author.leaves())).unwrap();
        self.pending = Some(PendingHead { head: author.head_at(size), proof });
    }

    /// The answer to a question about the tree.
    pub(crate) fn root_at(&self, log: LogName, size: u64, tree_size: u64) -> Input {
        let root = self.frontier_at(size).root();
        let proof = consistency_proof(size, tree_size, &leaf_lookup(&self.leaves)).unwrap();
        Input::RootAt { log, size, root, proof }
    }

    /// A batch of at most `max_bytes`, and of one record at least.
    pub(crate) fn load(&self, log: LogName, start: u64, max: (u64, usize), end: u64) -> Batch {
        let mut records: Vec<RawRecord> = Vec::new();
        let mut n_bytes = 0;
        for record in self.records.iter().skip(usize::try_from(start).unwrap()) {
            n_bytes += record.n_bytes();
            if max.0 == u64::try_from(records.len()).unwrap() || max.1 < n_bytes {
                break;
            }
            records.push(record.clone());
        }
        let to = start + u64::try_from(records.len()).unwrap();
        let proof = consistency_proof(to, end, &leaf_lookup(&self.leaves)).unwrap();
        Batch { log, start, records, tree_size: end, proof }
    }
}

#[derive(Clone, Default)]
pub(crate) struct Node {
    pub(crate) logs: BTreeMap<LogName, StoredLog>,
    /// `None`: everybody.
    pub(crate) admitted: Option<BTreeSet<CommunityId>>,
    /// The log that it writes.
    pub(crate) own: Option<LogName>,
    pub(crate) evidence: Vec<ForkEvidence>,
    pub(crate) verified: Arc<Verified>,
}

impl Node {
    pub(crate) fn holding<'a>(authors: impl IntoIterator<Item = &'a Author>) -> Self {
        let logs = authors.into_iter().map(|it| (it.log, StoredLog::of(it))).collect();
        Self { logs, ..Self::default() }
    }

    pub(crate) fn open(&self) -> (Exchange, Vec<Output>) {
        let admitted = match &self.admitted {
            None => Admission::Everybody,
            Some(only) => Admission::Only(Arc::new(only.clone())),
        };
        let held = self.logs.iter().map(|(log, it)| it.held(*log));
        Exchange::new(
            ExchangeConfig {
                network: network(),
                admitted,
                own: self.own,
                quorum: None,
                verified: self.verified.clone(),
            },
            held,
        )
    }

    pub(crate) fn held(&self, log: LogName) -> HeldLog {
        self.logs[&log].held(log)
    }

    /// Applies a batch as a store does: what is there and equal stays, what differs is refused.
    fn apply(&mut self, store: Store) -> Result<(), ()> {
        let Store {
            log, start, start_root, records, frontier, checkpoint, proof, identity, ..
        } = store;
        let is_new = !self.logs.contains_key(&log);
        assert!(!is_new || identity.is_some(), "the first batch brings the identity");
        let stored = self.logs.entry(log).or_insert_with(|| StoredLog {
            records: Vec::new(),
            leaves: Vec::new(),
            head: None,
            pending: None,
            identity: identity.clone().unwrap(),
        });
        if let Some(identity) = identity {
            stored.identity = identity;
        }
        if stored.size() < start || stored.frontier_at(start).root() != start_root {
            return Err(());
        }
        let adds_records = stored.size() < frontier.size();
        for (index, record) in (usize::try_from(start).unwrap()..).zip(records) {
            let erased_by = record.erased_by();
            let (_, header, content) = record.into_parts();
            let leaf = leaf_hash(&header);
            match stored.leaves.get(index) {
                Some(held) if *held != leaf => return Err(()),
                Some(_) => {}
                None => {
                    stored.leaves.push(leaf);
                    stored.records.push(RawRecord { header, content, erased_by });
                }
            }
        }
        assert_eq!(stored.frontier_at(frontier.size()).root(), frontier.root());
        let target = SignedHead::open(&network(), log, &stored.identity, &checkpoint).unwrap();
        let completes = target.size() == frontier.size();
        // What is only repeated was verified under another head, and that one stays: it may be of another branch.
        if adds_records {
            stored.pending = (!completes).then(|| PendingHead { head: target.clone(), proof });
        }
        if completes && stored.head.as_ref().is_none_or(|it| it.size() < target.size()) {
            stored.head = Some(target);
        }
        Ok(())
    }
}

/// One end of a stream, with everything that waits to be given to it.
pub(crate) struct End {
    pub(crate) node: usize,
    pub(crate) exchange: Exchange,
    pub(crate) frames: VecDeque<Frame>,
    loads: VecDeque<(LogName, u64, (u64, usize), u64)>,
    stores: VecDeque<Store>,
    roots: VecDeque<(LogName, u64, u64)>,
    pub(crate) locals: VecDeque<LogName>,
    pub(crate) refused: Vec<Refusal>,
    pub(crate) told: Vec<Status>,
    pub(crate) n_shown: usize,
    pub(crate) acked: BTreeMap<LogName, (u64, Vec<String>)>,
    pub(crate) closed: Option<&'static str>,
    pub(crate) n_batches_sent: usize,
    pub(crate) n_wants_sent: usize,
    pub(crate) heads_sent: Vec<LogName>,
}

/// Nodes and the streams between them; ends 2n and 2n + 1 are the two ends of one stream.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) ends: Vec<End>,
}

impl World {
    pub(crate) fn of(nodes: impl IntoIterator<Item = Node>) -> Self {
        Self { nodes: nodes.into_iter().collect(), ends: Vec::new() }
    }

    /// Two nodes and a stream between them.
    pub(crate) fn pair(one: Node, other: Node) -> Self {
        let mut world = Self::of([one, other]);
        world.link(0, 1);
        world
    }

    pub(crate) fn link(&mut self, one: usize, other: usize) {
        let opened = [one, other].map(|node| self.nodes[node].open());
        let mut all_outputs = Vec::new();
        for (node, (exchange, outputs)) in [one, other].into_iter().zip(opened) {
            all_outputs.push((self.ends.len(), outputs));
            self.ends.push(End::new(node, exchange));
        }
        for (end, outputs) in all_outputs {
            self.carry_out(end, outputs);
        }
    }

    /// Cuts every stream; what was on the way is lost.
    pub(crate) fn cut(&mut self) {
        self.ends.clear();
    }

    /// A node's own log grows; its streams are told in their time.
    pub(crate) fn publish(&mut self, node: usize, author: &Author) {
        self.nodes[node].logs.insert(author.log, StoredLog::of(author));
        self.tell(node, author.log);
    }

    fn tell(&mut self, node: usize, log: LogName) {
        for end in self.ends.iter_mut().filter(|it| it.node == node) {
            end.locals.push_back(log);
        }
    }

    pub(crate) fn give(&mut self, end: usize, input: Input) {
        let outputs = self.ends[end].exchange.handle(input);
        self.carry_out(end, outputs);
    }

    fn carry_out(&mut self, at: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(frame) => self.send(at, frame),
                Output::Load { log, start, max_records, max_bytes, tree_size } => {
                    self.ends[at].loads.push_back((
                        log,
                        start,
                        (max_records, max_bytes),
                        tree_size,
                    ));
                }
                Output::Store(store) => self.ends[at].stores.push_back(store),
                Output::CheckRoot { log, size, tree_size } => {
                    self.ends[at].roots.push_back((log, size, tree_size));
                }
                Output::Evidence(evidence) => {
                    let node = self.ends[at].node;
                    self.nodes[node].evidence.push(evidence);
                }
                Output::KeptHead { log, checkpoint, identity } => {
                    let node = self.ends[at].node;
                    let stored = self.nodes[node].logs.get_mut(&log).unwrap();
                    stored.identity = identity;
                    stored.keep_head(log, &checkpoint);
                    self.tell(node, log);
                }
                Output::Acked { log, size, cosignatures } => {
                    self.ends[at].acked.insert(log, (size, cosignatures));
                }
                Output::Refused(refusal) => self.ends[at].refused.push(refusal),
                Output::Told(status) => self.ends[at].told.push(status),
                Output::Shown => self.ends[at].n_shown += 1,
                Output::Close { reason, .. } => self.ends[at].closed = Some(reason),
            }
        }
    }

    fn send(&mut self, at: usize, frame: Frame) {
        if let Frame::Ack(ack) = &frame {
            let stored = &self.nodes[self.ends[at].node].logs[&ack.log];
            assert!(ack.size <= stored.size(), "an ack means stored");
        }
        if let Frame::Heads(heads) = &frame {
            let logs: Vec<_> = heads.iter().map(|it| it.log).collect();
            self.ends[at].heads_sent.extend(logs);
        }
        self.ends[at].n_batches_sent += usize::from(matches!(frame, Frame::Batch(_)));
        self.ends[at].n_wants_sent += usize::from(matches!(frame, Frame::Want(_)));
        self.ends[at ^ 1].frames.push_back(frame);
    }

    /// Does one thing that waits, chosen by `choice`; `false` if nothing waits.
    pub(crate) fn step(&mut self, choice: usize) -> bool {
        let waiting: Vec<(usize, usize)> = (0..self.ends.len())
            .flat_map(|end| self.ends[end].waiting().map(move |queue| (end, queue)))
            .collect();
        let Some((end, queue)) = waiting.get(choice % waiting.len().max(1)).copied() else {
            return false;
        };
        self.take_from(end, queue);
        true
    }

    /// Gives an end the frame that came first.
    pub(crate) fn read_next(&mut self, at: usize) {
        self.take_from(at, 0);
    }

    /// Gives an end the answer to the load that it asked for first.
    pub(crate) fn load_next(&mut self, at: usize) {
        self.take_from(at, 1);
    }

    fn take_from(&mut self, at: usize, queue: usize) {
        let node = self.ends[at].node;
        let end = &mut self.ends[at];
        let input = match queue {
            0 => Input::Frame(end.frames.pop_front().unwrap()),
            1 => {
                let (log, start, max, tree_size) = end.loads.pop_front().unwrap();
                Input::Loaded(self.nodes[node].logs[&log].load(log, start, max, tree_size))
            }
            2 => return self.store(at),
            3 => {
                let (log, size, tree_size) = end.roots.pop_front().unwrap();
                self.nodes[node].logs[&log].root_at(log, size, tree_size)
            }
            _ => {
                let log = end.locals.pop_front().unwrap();
                Input::LocalHead(Box::new(self.nodes[node].logs[&log].held(log)))
            }
        };
        self.give(at, input);
    }

    fn store(&mut self, at: usize) {
        let node = self.ends[at].node;
        let store = self.ends[at].stores.pop_front().unwrap();
        let (log, size) = (store.log, store.frontier.size());
        let completes = store.completes_checkpoint();
        let cosignatures = completes.then(|| format!("cosigned {size}")).into_iter().collect();
        if self.nodes[node].apply(store).is_err() {
            let (reason, detail) = ("store.conflict", "other records are there".to_owned());
            return self.give(at, Input::NotStored { log, reason, detail });
        }
        self.give(at, Input::Durable { log, size, cosignatures });
        self.tell(node, log);
    }

    /// Runs until nothing waits.
    pub(crate) fn settle(&mut self) {
        for turn in 0..1_000_000 {
            if !self.step(turn) {
                return;
            }
        }
        panic!("the streams never come to rest");
    }

    pub(crate) fn size_at(&self, node: usize, log: LogName) -> u64 {
        self.nodes[node].logs.get(&log).map_or(0, StoredLog::size)
    }

    /// Whether a node holds the whole log of an author, with every payload.
    pub(crate) fn has_all(&self, node: usize, author: &Author) -> bool {
        self.nodes[node].logs.get(&author.log).is_some_and(|it| it.records == author.records)
    }

    pub(crate) fn reasons(&self, end: usize) -> Vec<&str> {
        self.ends[end].refused.iter().map(|it| &*it.reason).collect()
    }
}

impl End {
    fn new(node: usize, exchange: Exchange) -> Self {
        Self {
            node,
            exchange,
            frames: VecDeque::new(),
            loads: VecDeque::new(),
            stores: VecDeque::new(),
            roots: VecDeque::new(),
            locals: VecDeque::new(),
            refused: Vec::new(),
            told: Vec::new(),
            n_shown: 0,
            acked: BTreeMap::new(),
            closed: None,
            n_batches_sent: 0,
            n_wants_sent: 0,
            heads_sent: Vec::new(),
        }
    }

    fn waiting(&self) -> impl Iterator<Item = usize> + use<> {
        let lengths = [
            self.frames.len(),
            self.loads.len(),
            self.stores.len(),
            self.roots.len(),
            self.locals.len(),
        ];
        let is_open = self.closed.is_none();
        (0..lengths.len()).filter(move |queue| is_open && 0 < lengths[*queue])
    }
}
