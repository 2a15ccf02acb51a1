//! The state machine of one replication stream.
//!
//! ```text
//! a log, as the puller sees it
//!
//! Unknown ─Head─▶ Queued ─credit─▶ Pulling ─last batch─▶ Level ─newer Head─▶ Queued
//!                    │                │                    │
//!                    └───fault────────┴──▶ Stopped         └─two signed heads─▶ Forked
//! ```
//!
//! What is handed out as [`Output::Store`] is verified, and later batches build on it before it is
//! durable; an [`Ack`] leaves only when the store has said so. A log that is stopped is not pulled or
//! served on this stream any more; its heads are still compared, so that a fork comes to light.

mod accuse;
mod log;
mod pull;
mod push;
mod serve;
mod treat;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use record::{
    CommunityId, Network, VerifiedRecord,
    payload::{ForkEvidence, Status},
};
use tlog::{Frontier, Hash, Policy};

use self::log::{Checking, LogState, Standing};
use crate::{
    fault::{Fault, Weight},
    frame::{Ack, Batch, Frame, LogName, Refusal},
    head::{LogIdentity, SignedHead},
    limits::{MAX_DETAIL_BYTES, MAX_FAULTS, MAX_LOGS, MAX_REASON_BYTES, MAX_STRAYS},
    verified::Verified,
};

/// Whose logs are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Everybody's: for tools that follow whatever they are shown.
    Everybody,
    /// These communities'. Those of others are refused with `replication.not_admitted`.
    Only(Arc<BTreeSet<CommunityId>>),
}

impl Admission {
    fn admits(&self, community: &CommunityId) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(communities) => communities.contains(community),
        }
    }
}

/// What a stream is opened with.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// The network.
    pub network: Network,
    /// Whose logs are accepted.
    pub admitted: Admission,
    /// The log that this process writes: of it [`Output::Shown`] is told.
    pub own: Option<LogName>,
    /// Whose cosignatures make evidence of a head by a retired key, if they are from before; `None`: nobody's.
    pub quorum: Option<Arc<Policy>>,
    /// What other streams of the process have verified.
    pub verified: Arc<Verified>,
}

/// A log as the store holds it.
#[derive(Debug, Clone)]
pub struct HeldLog {
    /// The log.
    pub log: LogName,
    /// The tree of everything that is durable.
    pub frontier: Frontier,
    /// The newest checkpoint of which everything is held; `None` before the first.
    pub head: Option<SignedHead>,
    /// The checkpoint against which records beyond `head` were verified, if a pull was cut off.
    pub pending: Option<PendingHead>,
    /// Whose keys sign it.
    pub identity: Arc<LogIdentity>,
    /// Our own cosignature lines on `head`.
    pub cosignatures: Vec<String>,
}

/// A checkpoint of which not everything is held.
#[derive(Debug, Clone)]
pub struct PendingHead {
    /// The checkpoint.
    pub head: SignedHead,
    /// The consistency proof to it from all that is held, as it came with the last batch. Without it a peer could avoid
    /// evidence against a head by never giving all of it.
    pub proof: Vec<Hash>,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Input {
    /// The peer sent a message.
    Frame(Frame),
    /// A log that we hold has grown: by our own records, or by a pull on any stream, this one too.
    LocalHead(Box<HeldLog>),
    /// The answer to [`Output::Load`]. Give it when the stream can take the batch, not before.
    Loaded(Batch),
    /// [`Output::Load`] could not be answered.
    NotLoaded {
        /// The log.
        log: LogName,
        /// The store's stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
    /// The answer to [`Output::Store`], of one or of several in order.
    Durable {
        /// The log.
        log: LogName,
        /// Every batch handed out that ends here or before is durable.
        size: u64,
        /// Our cosignature lines, if all of a checkpoint of this size is held.
        cosignatures: Vec<String>,
    },
    /// [`Output::Store`] was not done, and nothing handed out after it will be: no room, or the store
    /// holds other records there.
    NotStored {
        /// The log.
        log: LogName,
        /// The store's stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
    /// How we treat a log from now on. A throttled community gets no credit on this stream until its log stands otherwise.
    Treated(Status),
    /// The answer to [`Output::CheckRoot`].
    RootAt {
        /// The log.
        log: LogName,
        /// The size asked about.
        size: u64,
        /// The root of our tree at that size.
        root: Hash,
        /// The consistency proof from there to the tree that was named.
        proof: Vec<Hash>,
    },
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send a message to the peer.
    Send(Frame),
    /// Load records; answer with [`Input::Loaded`], fewer if they exceed the bytes, never none.
    Load {
        /// The log.
        log: LogName,
        /// The index of the first record.
        start: u64,
        /// The most records: 1..=256.
        max_records: u64,
        /// The most bytes of headers, salts and payloads.
        max_bytes: usize,
        /// The size to which the consistency proof of the batch is to lead.
        tree_size: u64,
    },
    /// Store a verified batch; answer with [`Input::Durable`] or [`Input::NotStored`].
    Store(Store),
    /// Say what root our tree had at this size, and how it grew from there; answer with [`Input::RootAt`].
    CheckRoot {
        /// The log.
        log: LogName,
        /// The size.
        size: u64,
        /// The size to which the consistency proof is to lead: one that our tree has reached.
        tree_size: u64,
    },
    /// Keep and publish this: the log forked.
    Evidence(ForkEvidence),
    /// This head is exactly what is kept of an era that has ended, and more of the era is held: it is the one to keep and
    /// to offer from now on.
    KeptHead {
        /// The log.
        log: LogName,
        /// The checkpoint, a signed note.
        checkpoint: Arc<[u8]>,
        /// The identity that says so.
        identity: Arc<LogIdentity>,
    },
    /// The peer has offered everything that it holds, and holds no more of our own log than is durable here; both agree.
    Shown,
    /// The peer holds a log of ours durably. The cosignatures are as received: verify them before use.
    Acked {
        /// The log.
        log: LogName,
        /// Up to which size.
        size: u64,
        /// Signature lines over the checkpoint of that size.
        cosignatures: Vec<String>,
    },
    /// The peer refused something; its words are cut to a bounded length.
    Refused(Refusal),
    /// The peer says how it treats a log.
    Told(Status),
    /// End the stream. Nothing that comes after it is looked at.
    Close {
        /// The stable reason.
        reason: &'static str,
        /// A sentence for a person.
        detail: String,
    },
}

/// A verified batch for the store, to be applied in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The log.
    pub log: LogName,
    /// The index of the first record. The store may hold some or all of the records already, from
    /// another stream: equal ones are left as they are, different ones are refused.
    pub start: u64,
    /// The root of the tree that the batch continues, of size `start`.
    pub start_root: Hash,
    /// The records, in order.
    pub records: Vec<VerifiedRecord>,
    /// The tree after the last of them.
    pub frontier: Frontier,
    /// The checkpoint against which the batch was verified, a signed note. To be kept as pending
    /// beside the records until the tree reaches it: evidence of a fork rests on it.
    pub checkpoint: Arc<[u8]>,
    /// The consistency proof from `frontier` to that checkpoint, to be kept with it.
    pub proof: Vec<Hash>,
    /// The size of that checkpoint. If `frontier` has that size, all of the checkpoint is held.
    pub checkpoint_size: u64,
    /// The identity, if it is new: a log seen for the first time, or new keys.
    pub identity: Option<Arc<LogIdentity>>,
}

impl Store {
    /// Whether the batch is the last of its checkpoint.
    #[must_use]
    pub fn completes_checkpoint(&self) -> bool {
        self.frontier.size() == self.checkpoint_size
    }
}

/// One replication stream: what has been offered, what is pulled, what is served.
#[derive(Debug)]
pub struct Exchange {
    config: ExchangeConfig,
    logs: BTreeMap<LogName, LogState>,
    /// Logs with something to pull, in order of arrival.
    pull_queue: VecDeque<LogName>,
    /// Logs that are pulled, at most [`crate::limits::MAX_LOGS_IN_FLIGHT`], in order of turn.
    pulling: VecDeque<LogName>,
    /// Communities that get no credit.
    throttled: BTreeSet<CommunityId>,
    /// Batches on the way or not yet durable, of all logs.
    credit_used: u32,
    /// Bytes of whole notes in `next` of all logs.
    waiting_note_bytes: usize,
    /// Logs that wait for a load, in order of arrival.
    load_queue: VecDeque<LogName>,
    n_loading: usize,
    n_faults: u32,
    n_strays: u32,
    /// The peer has offered everything that it holds.
    has_offered: bool,
    /// [`Output::Shown`] has been told.
    has_shown: bool,
    is_closed: bool,
    outputs: Vec<Output>,
}

impl Exchange {
    /// Opens a stream; the outputs offer everything that is held.
    ///
    /// Beyond [`MAX_LOGS`] logs, those that come last are not offered.
    #[must_use]
    pub fn new(
        config: ExchangeConfig,
        held: impl IntoIterator<Item = HeldLog>,
    ) -> (Self, Vec<Output>) {
        let of_held = |held: HeldLog| (held.log, LogState::of_held(held));
        let mut exchange = Self {
            config,
            logs: held.into_iter().take(MAX_LOGS).map(of_held).collect(),
            pull_queue: VecDeque::new(),
            pulling: VecDeque::new(),
            throttled: BTreeSet::new(),
            credit_used: 0,
            waiting_note_bytes: 0,
            load_queue: VecDeque::new(),
            n_loading: 0,
            n_faults: 0,
            n_strays: 0,
            has_offered: false,
            has_shown: false,
            is_closed: false,
            outputs: Vec::new(),
        };
        exchange.offer_all();
        let outputs = std::mem::take(&mut exchange.outputs);
        (exchange, outputs)
    }

    /// Takes one input and says what to do, in order.
    ///
    /// A [`Frame::Batch`] costs the hashing of up to 1 MiB twice; everything else is cheap, but for
    /// heads, each of which costs the verification of a signature.
    #[must_use = "the outputs are to be carried out"]
    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        if self.is_closed {
            return Vec::new();
        }
        match input {
            Input::Frame(frame) => self.on_frame(frame),
            Input::LocalHead(held) => self.on_local_head(*held),
            Input::Loaded(batch) => self.on_loaded(batch),
            Input::NotLoaded { log, reason, detail } => self.on_not_loaded(log, reason, detail),
            Input::Durable { log, size, cosignatures } => self.on_durable(log, size, cosignatures),
            Input::NotStored { log, reason, detail } => self.on_not_stored(log, reason, detail),
            Input::RootAt { log, size, root, proof } => self.on_root_at(log, size, (root, &proof)),
            Input::Treated(status) => self.on_treated(status),
        }
        if !self.is_closed {
            self.grant_credit();
            self.start_loads();
            self.tell_shown();
        }
        std::mem::take(&mut self.outputs)
    }

    /// Once everything that the peer offered of our own log is held here and agrees, says so.
    fn tell_shown(&mut self) {
        let Some(own) = self.config.own.filter(|_| self.has_offered && !self.has_shown) else {
            return;
        };
        if self.logs.get(&own).is_none_or(LogState::is_level) {
            self.has_shown = true;
            self.outputs.push(Output::Shown);
        }
    }

    /// Whether the stream has been closed by [`Output::Close`].
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn on_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Heads(heads) => self.on_heads(heads),
            Frame::Want(want) => self.on_want(want),
            Frame::Batch(batch) => self.on_batch(batch),
            Frame::Ack(ack) => self.on_ack(ack),
            Frame::Refusal(refusal) => self.on_refusal(refusal),
            Frame::Status(status) => self.outputs.push(Output::Told(status)),
            Frame::Offered => self.has_offered = true,
        }
    }

    fn on_refusal(&mut self, mut refusal: Refusal) {
        truncate(&mut refusal.detail, MAX_DETAIL_BYTES);
        if MAX_REASON_BYTES < refusal.reason.len() {
            truncate(refusal.reason.to_mut(), MAX_REASON_BYTES);
        }
        if let Some(log) = refusal.log {
            self.halt(log, Standing::Refused);
        }
        if let Some(evidence) = refusal.evidence.take() {
            self.on_evidence(refusal.log, &evidence);
        }
        self.outputs.push(Output::Refused(refusal));
        self.count_stray();
    }

    /// Refuses something of a log, tells the peer, and lets the log rest on this stream.
    fn refuse(&mut self, log: LogName, fault: &Fault) {
        self.halt(log, Standing::Stopped);
        self.send(Frame::Refusal(fault.refusal(Some(log))));
        self.count(fault);
    }

    /// Counts what a fault says about the peer.
    fn count(&mut self, fault: &Fault) {
        match fault.weight() {
            Weight::Ours => {}
            Weight::Stray => self.count_stray(),
            Weight::Faulty => self.count_fault(fault),
        }
    }

    /// Ends pulling and serving of a log. What was offered of it is kept for comparison.
    fn halt(&mut self, log: LogName, standing: Standing) {
        let next = self.take_next(log);
        let Some(state) = self.logs.get_mut(&log) else { return };
        let pull = state.pull.take();
        if let Some(head) = next.as_ref().or(pull.as_ref().map(|it| &it.target)) {
            state.check_later(head);
        }
        if state.serve.take().is_some_and(|it| it.is_loading) {
            self.n_loading = self.n_loading.saturating_sub(1);
        }
        state.standing = state.standing.max(standing);
        if let Some(pull) = pull {
            self.credit_used = self.credit_used.saturating_sub(pull.outstanding);
            self.pulling.retain(|it| *it != log);
        }
        self.check_root(log);
    }

    /// Asks for the root of our tree at the size of a head that waits to be compared, if it is time.
    fn check_root(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        if let Some(Checking { size, cover }) = state.begin_check() {
            let (size, tree_size) = (*size, cover.proved_to);
            self.outputs.push(Output::CheckRoot { log, size, tree_size });
        }
    }

    fn on_root_at(&mut self, log: LogName, size: u64, (root, to_cover): (Hash, &[Hash])) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let Some(checking) = state.checking.take() else { return };
        let Some(theirs) = state.to_check.take_if(|it| it.size() == size) else { return };
        if *theirs.root() == root {
            state.agreed = state.agreed.max(size);
            let is_larger = state.own.as_ref().is_some_and(|it| size < it.size());
            if is_larger && state.identity.is_kept(log, &theirs) {
                let (checkpoint, identity) = (theirs.note().clone(), state.identity.clone());
                self.outputs.push(Output::KeptHead { log, checkpoint, identity });
            }
            self.send(Frame::Ack(Ack { log, size, cosignatures: Vec::new() }));
            return;
        }
        let ours = &checking.cover.head;
        let beginning = checking.beginning(root, to_cover).filter(|_| ours.size() != size);
        self.fork(log, [ours, &theirs], beginning);
    }

    /// The head that waits, taken out, with what it took of memory given back.
    fn take_next(&mut self, log: LogName) -> Option<SignedHead> {
        let next = self.logs.get_mut(&log)?.next.take()?;
        self.waiting_note_bytes = self.waiting_note_bytes.saturating_sub(next.extra_bytes());
        Some(next)
    }

    fn send(&mut self, frame: Frame) {
        self.outputs.push(Output::Send(frame));
    }

    fn count_fault(&mut self, fault: &Fault) {
        self.n_faults += 1;
        if MAX_FAULTS < self.n_faults {
            self.close("replication.too_many_faults", format!("the last of many faults: {fault}"));
        }
    }

    fn count_stray(&mut self) {
        self.n_strays += 1;
        if MAX_STRAYS < self.n_strays {
            let detail = "too many heads and refusals that lead nowhere on one stream".to_owned();
            self.close("replication.too_many_strays", detail);
        }
    }

    fn close(&mut self, reason: &'static str, detail: String) {
        if !self.is_closed {
            self.is_closed = true;
            self.outputs.push(Output::Close { reason, detail });
        }
    }
}

/// Cuts a text to at most `max_bytes`, at the end of a character.
fn truncate(text: &mut String, max_bytes: usize) {
    text.truncate(text.floor_char_boundary(max_bytes));
}
