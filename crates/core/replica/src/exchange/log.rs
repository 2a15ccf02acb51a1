//! What a stream knows of one log.

use std::{collections::VecDeque, sync::Arc};

use record::payload::evidence::Beginning;
use tlog::{Frontier, Hash, join_consistency};

use super::{HeldLog, PendingHead, push::Announced};
use crate::{
    head::{LogIdentity, SignedHead},
    limits::{BATCH_ALIGNMENT, MAX_CREDIT_BATCHES, n_blocks},
};

/// Whether a log still travels on this stream.
///
/// It never goes back; in the order of finality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It does.
    Open,
    /// Something of it was refused here. Heads are still offered and compared, so that a fork comes to
    /// light at one end at least; nothing is pulled or served.
    Stopped,
    /// The peer refused something of it. Heads that come are still compared, none is offered.
    Refused,
    /// It forked. Nothing of it is looked at any more.
    Forked,
}

/// One log on one stream.
///
/// `durable ≤ tentative`: what the store holds, and what has been verified. Between them lie the
/// batches handed to the store whose answers are awaited.
#[derive(Debug)]
pub(super) struct LogState {
    pub(super) identity: Arc<LogIdentity>,
    /// The store has not been given this identity.
    pub(super) identity_is_new: bool,
    /// The identity that the peer is known to have.
    pub(super) identity_told: Option<Arc<LogIdentity>>,
    pub(super) tentative: Frontier,
    pub(super) durable: u64,
    /// The head under which the store says that it verified records beyond `own`, on any stream.
    pub(super) pending: Option<Cover>,
    /// The head under which records were verified last on this stream. It speaks for the tentative
    /// tree, and for the store's as far as that is confirmed.
    pub(super) proved: Option<Cover>,
    /// How far the store has confirmed what this stream verified.
    pub(super) confirmed: u64,
    /// The newest head of which everything is held: what is offered.
    pub(super) own: Option<SignedHead>,
    /// Our cosignatures on `own`.
    pub(super) cosignatures: Vec<String>,
    /// The largest size offered to the peer; 0 if none.
    pub(super) offered: u64,
    /// Up to here the peer is known to have the same tree.
    pub(super) agreed: u64,
    /// Up to here the peer says that it holds the log.
    pub(super) acked: u64,
    /// A batch that the peer says is on its way, and that no pull waits for.
    pub(super) announced: Option<Announced>,
    pub(super) pull: Option<Pull>,
    /// The newest head of the peer, to be pulled after `pull`.
    pub(super) next: Option<SignedHead>,
    /// Whether it waits in the queue for its turn to be pulled.
    pub(super) is_queued: bool,
    /// Where each batch ends that the store has not answered.
    pub(super) undurable: VecDeque<u64>,
    /// A head of the peer that is to be compared with our tree.
    pub(super) to_check: Option<SignedHead>,
    /// What our tree is being asked about, for the sake of that comparison.
    pub(super) checking: Option<Checking>,
    pub(super) serve: Option<Serve>,
    pub(super) standing: Standing,
}

/// A signed head that is proved to begin with a part of our tree.
#[derive(Debug, Clone)]
pub(super) struct Cover {
    pub(super) head: SignedHead,
    /// How far our tree is proved to be its beginning.
    pub(super) proved_to: u64,
    /// The consistency proof from there to the head; empty if that is all of it.
    pub(super) proof: Vec<Hash>,
}

/// A comparison under way: our tree is asked how it began, and how that leads to where a signed head takes over.
#[derive(Debug, Clone)]
pub(super) struct Checking {
    /// The size asked about.
    pub(super) size: u64,
    /// The head that speaks for our tree there: what evidence rests on.
    pub(super) cover: Cover,
}

impl Checking {
    /// How the tree under our head begins, from the answer; `None` if the answer does not fit.
    pub(super) fn beginning(&self, root: Hash, to_cover: &[Hash]) -> Option<Beginning> {
        let Cover { head, proved_to, proof } = &self.cover;
        let sizes = [self.size, *proved_to, head.size()];
        Some(Beginning { root, proof: join_consistency(sizes, to_cover, proof)? })
    }
}

impl Cover {
    /// Whether all of this head is proved to be our tree.
    pub(super) fn is_all_of(&self, head: &SignedHead) -> bool {
        self.proved_to == head.size() && self.head.is_same_head_as(head)
    }
}

/// A head that is being pulled.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) target: SignedHead,
    /// The index of the record that the peer sends next.
    pub(super) received_to: u64,
    /// Batches granted and not yet received.
    pub(super) outstanding: u32,
}

/// A range that is being served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serve {
    /// The index of the record that is sent next.
    pub(super) next: u64,
    /// The size against which batches are proved.
    pub(super) end: u64,
    /// How many batches may still be sent.
    pub(super) credit: u32,
    /// A load is asked of the store.
    pub(super) is_loading: bool,
    /// It waits for a load to be allowed.
    pub(super) is_queued: bool,
    /// Nobody asked for it: one batch goes out, however much of the range it is.
    pub(super) is_pushed: bool,
    /// What is being loaded was to be pushed, and the peer has asked for something else since.
    pub(super) is_overtaken: bool,
}

impl Serve {
    pub(super) const fn new(next: u64, end: u64, credit: u32) -> Self {
        let [is_loading, is_queued, is_pushed, is_overtaken] = [false; 4];
        Self { next, end, credit, is_loading, is_queued, is_pushed, is_overtaken }
    }

    /// This range in place of one that nobody asked for: a load under way is to be dropped once it is answered.
    pub(super) const fn turned_to(self, next: u64, end: u64) -> Self {
        let Self { is_loading, is_queued, .. } = self;
        Self { is_loading, is_queued, is_overtaken: is_loading, ..Self::new(next, end, 0) }
    }

    /// Whether nothing is under way, so that another range may be served.
    pub(super) const fn is_idle(&self) -> bool {
        self.credit == 0 && !self.is_loading
    }

    pub(super) const fn can_load(&self) -> bool {
        !self.is_loading && 0 < self.credit && self.next < self.end
    }
}

impl LogState {
    /// A log of which nothing is held.
    pub(super) fn unheld(identity: Arc<LogIdentity>) -> Self {
        Self {
            identity_told: Some(identity.clone()),
            identity,
            identity_is_new: true,
            tentative: Frontier::new(),
            durable: 0,
            pending: None,
            proved: None,
            confirmed: 0,
            own: None,
            cosignatures: Vec::new(),
            offered: 0,
            agreed: 0,
            acked: 0,
            announced: None,
            pull: None,
            next: None,
            is_queued: false,
            undurable: VecDeque::new(),
            to_check: None,
            checking: None,
            serve: None,
            standing: Standing::Open,
        }
    }

    /// A log that the store holds.
    pub(super) fn of_held(held: HeldLog) -> Self {
        let mut state = Self::unheld(held.identity.clone());
        state.identity_told = None;
        state.take_held(held);
        state
    }

    /// The store holds more than it did: our own records, or records pulled from elsewhere.
    pub(super) fn take_held(&mut self, held: HeldLog) {
        let HeldLog { log, frontier, head, pending, identity, cosignatures } = held;
        if identity.extends(&self.identity) {
            self.identity = identity;
            self.identity_is_new = false;
        }
        let size = frontier.size();
        self.durable = self.durable.max(size);
        if self.tentative.size() < size {
            self.tentative = frontier;
        }
        if let Some(PendingHead { head, proof }) = pending {
            self.pending = Some(Cover { head: head.to_bare(), proved_to: size, proof });
        }
        let is_below_own =
            |head: &SignedHead| self.own.as_ref().is_some_and(|own| head.size() < own.size());
        // Of an ended era the head at what is kept takes the place of a larger one.
        if let Some(head) = head
            && (!is_below_own(&head) || self.identity.is_kept(log, &head))
        {
            if is_below_own(&head) {
                // What was offered before is offered no longer.
                self.offered = 0;
            }
            self.own = Some(head);
            self.cosignatures = cosignatures;
        }
    }

    /// A signed head that speaks for our tree at this size, by what the store holds: what evidence rests on.
    fn head_covering(&self, size: u64) -> Option<Cover> {
        let whole = |head: &SignedHead| Cover {
            head: head.clone(),
            proved_to: head.size(),
            proof: Vec::new(),
        };
        let own = self.own.as_ref().filter(|it| size <= it.size()).map(whole);
        let reaches = |it: &&Cover| size <= it.proved_to;
        let pending = self.pending.as_ref().filter(reaches);
        let is_confirmed = |it: &&Cover| it.proved_to <= self.confirmed;
        let proved = self.proved.as_ref().filter(reaches).filter(is_confirmed);
        own.or_else(|| pending.or(proved).cloned())
    }

    /// The largest size that is offered by the peer and will be pulled, or is verified already.
    pub(super) fn reach(&self) -> u64 {
        let pulled = self.pull.as_ref().map_or(0, |it| it.target.size());
        let next = self.next.as_ref().map_or(0, SignedHead::size);
        self.tentative.size().max(pulled).max(next)
    }

    /// Whether this very head is being pulled, waits to be, waits to be compared, or has been pulled.
    pub(super) fn is_seen_to(&self, head: &SignedHead) -> bool {
        let pulled = self.pull.as_ref().map(|it| &it.target);
        let is_proved = self.proved.as_ref().is_some_and(|it| it.is_all_of(head));
        let mut waiting =
            [pulled, self.next.as_ref(), self.to_check.as_ref()].into_iter().flatten();
        is_proved || waiting.any(|it| it.is_same_head_as(head))
    }

    /// A signed head in mind that has the size of this one and another root.
    pub(super) fn contradicts(&self, head: &SignedHead) -> Option<SignedHead> {
        self.heads().find(|it| it.size() == head.size() && it.root() != head.root()).cloned()
    }

    /// Every signed head in mind, ours first.
    fn heads(&self) -> impl Iterator<Item = &SignedHead> {
        let pulled = self.pull.as_ref().map(|it| &it.target);
        let covers = [self.pending.as_ref(), self.proved.as_ref()].into_iter().flatten();
        [self.own.as_ref(), pulled, self.next.as_ref(), self.to_check.as_ref()]
            .into_iter()
            .flatten()
            .chain(covers.map(|it| &it.head))
    }

    /// The store did not take what was verified: what was proved of it is not true of our tree, and the
    /// head under which it was proved is to be compared with what the store holds instead.
    pub(super) fn forget_proofs(&mut self) {
        self.agreed = 0;
        if let Some(proved) = self.proved.take() {
            self.check_later(&proved.head);
        }
    }

    /// Whether there is something to pull that is not being pulled.
    pub(super) fn wants_pull(&self) -> bool {
        let is_ahead = self.next.as_ref().is_some_and(|it| self.tentative.size() < it.size());
        self.standing == Standing::Open && self.pull.is_none() && is_ahead
    }

    /// Whether all that the peer offered is durable here and agrees with our tree.
    pub(super) fn is_level(&self) -> bool {
        let is_idle = self.pull.is_none() && self.next.is_none() && self.undurable.is_empty();
        let is_compared = self.to_check.is_none() && self.checking.is_none();
        self.standing == Standing::Open && is_idle && is_compared
    }

    /// Remembers a head of the peer for comparison with our tree; one at a time, and a bare one.
    pub(super) fn check_later(&mut self, head: &SignedHead) {
        if self.to_check.is_none() {
            self.to_check = Some(head.to_bare());
        }
    }

    /// Begins to compare our tree with a head of the peer, once both the store and a signed head reach that far.
    pub(super) fn begin_check(&mut self) -> Option<&Checking> {
        let size = self.to_check.as_ref()?.size();
        let is_idle = self.checking.is_none() && self.standing != Standing::Forked;
        if self.durable < size || !is_idle {
            return None;
        }
        let cover = self.head_covering(size)?;
        Some(self.checking.insert(Checking { size, cover }))
    }

    /// Batches that count against the credit: on the way, and not yet durable.
    pub(super) fn credit_used(&self) -> u32 {
        let outstanding = self.pull.as_ref().map_or(0, |it| it.outstanding);
        outstanding.saturating_add(u32::try_from(self.undurable.len()).unwrap_or(u32::MAX))
    }

    /// How many batches to grant now, at most `stream_room`.
    ///
    /// Never more than the blocks of 256 left to come: each batch lies within one block, so the credit
    /// is used up when the pull ends. Small grants wait for half of the window, unless nothing is on
    /// the way.
    pub(super) fn grantable(&self, stream_room: u32) -> u32 {
        let Some(pull) = &self.pull else { return 0 };
        if pull.received_to < self.tentative.size() {
            return 0;
        }
        let blocks = n_blocks(pull.received_to, pull.target.size());
        let wanted = u32::try_from(blocks).unwrap_or(u32::MAX).saturating_sub(pull.outstanding);
        let room = MAX_CREDIT_BATCHES.saturating_sub(self.credit_used()).min(stream_room);
        let grant = wanted.min(room);
        let is_worth_it =
            pull.outstanding == 0 || grant == wanted || MAX_CREDIT_BATCHES / 2 <= grant;
        if is_worth_it { grant } else { 0 }
    }
}

const _: () = assert!(BATCH_ALIGNMENT == 256, "a batch lies within one block");
