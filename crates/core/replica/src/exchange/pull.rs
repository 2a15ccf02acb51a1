//! The pulling side: heads compared, batches verified, credit granted, acks sent.

use std::sync::Arc;

use super::{
    Exchange, ExchangeConfig, Output, Store,
    log::{Cover, LogState, Pull, Standing},
};
use crate::{
    batch::{BatchPlace, VerifiedBatch, check_shape, verify_batch},
    fault::Fault,
    frame::{Ack, Batch, Frame, Head, LogName, Want},
    head::{LogIdentity, SignedHead},
    limits::{
        MAX_HEADS, MAX_LOGS, MAX_LOGS_IN_FLIGHT, MAX_STREAM_CREDIT_BATCHES, MAX_WAITING_NOTE_BYTES,
    },
};

impl Exchange {
    pub(super) fn on_heads(&mut self, heads: Vec<Head>) {
        if MAX_HEADS < heads.len() {
            let fault = Fault::TooManyHeads { n_entries: heads.len() };
            self.close(fault.reason(), fault.to_string());
            return;
        }
        for head in heads {
            if self.is_closed {
                return;
            }
            self.on_head(head);
        }
    }

    fn on_head(&mut self, head: Head) {
        let log = head.log;
        match self.logs.get(&log).map(|it| it.standing) {
            Some(Standing::Forked) => self.count_stray(),
            Some(Standing::Stopped | Standing::Refused) => {
                self.count_stray();
                // Looked at for the sake of evidence alone; what is wrong with it was said once.
                if let Ok(theirs) = self.open_head(&head) {
                    self.compare(log, theirs);
                }
            }
            Some(Standing::Open) | None => match self.open_head(&head) {
                Ok(theirs) => {
                    self.announce(&head, theirs.size());
                    self.compare(log, theirs);
                }
                Err(fault) => self.refuse(log, &fault),
            },
        }
    }

    /// Verifies a head, and learns the log or its new keys from the identity that came with it.
    fn open_head(&mut self, head: &Head) -> Result<SignedHead, Fault> {
        let Head { log, checkpoint, identity, .. } = head;
        let log = *log;
        if !self.config.admitted.admits(&log.community) {
            return Err(Fault::NotAdmitted);
        }
        let ExchangeConfig { network, verified, .. } = &self.config;
        let is_known = self.logs.contains_key(&log);
        if !is_known && MAX_LOGS <= self.logs.len() {
            return Err(Fault::TooManyLogs);
        }
        if !is_known && identity.is_empty() {
            return Err(Fault::IdentityMissing);
        }
        let newest = self.newest_identity(log);
        // Verified only if it says more than is known: it costs a signature for each officer.
        let says_more = match &newest {
            Some(known) => !identity.is_empty() && known.is_shorter_than(identity)?,
            None => true,
        };
        let told = match says_more {
            true => Some(verified.identity(network, log.community, identity)?),
            false => None,
        };
        let extends = |told: &Arc<LogIdentity>| newest.as_ref().is_none_or(|it| told.extends(it));
        let told = told.filter(extends);
        let is_told = told.is_some();
        let believed = told.or_else(|| newest.clone()).ok_or(Fault::IdentityMissing)?;
        let opened = verified.head(network, log, &believed, checkpoint)?;
        if let Some(kept) = believed.identity().kept(log.era).map(|it| it.size)
            && kept < opened.size()
        {
            return Err(Fault::BeyondKept { kept, size: opened.size() });
        }
        if self.logs.get(&log).is_none_or(|it| it.identity != believed) {
            self.learn_identity(log, believed, is_told);
        }
        Ok(opened)
    }

    /// The newest identity of a log's community that any of its eras came with.
    fn newest_identity(&self, log: LogName) -> Option<Arc<LogIdentity>> {
        let of_era = |era| LogName { era, ..log };
        let eras = self.logs.range(of_era(0)..=of_era(u32::MAX));
        let known = eras.map(|(_, state)| &state.identity);
        known.reduce(|one, other| if one.extends(other) { one } else { other }).cloned()
    }

    /// Takes an identity that was not known of this log: told by the peer, or known from another era.
    fn learn_identity(&mut self, log: LogName, identity: Arc<LogIdentity>, is_told: bool) {
        let state = self.logs.entry(log).or_insert_with(|| LogState {
            identity_told: None,
            ..LogState::unheld(identity.clone())
        });
        if is_told {
            state.identity_told = Some(identity.clone());
        }
        state.identity = identity;
        state.identity_is_new = true;
    }

    /// Decides what a verified head of the peer means: a fork, nothing new, more to pull, or a place
    /// in our tree to compare it with.
    fn compare(&mut self, log: LogName, theirs: SignedHead) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let size = theirs.size();
        if let Some(ours) = state.contradicts(&theirs) {
            return self.fork(log, [&ours, &theirs], None);
        }
        if state.own.as_ref().is_some_and(|it| it.is_same_head_as(&theirs)) {
            let cosignatures = state.cosignatures.clone();
            state.agreed = state.agreed.max(size);
            self.send(Frame::Ack(Ack { log, size, cosignatures }));
        } else if state.is_seen_to(&theirs) {
            // A repeat: there is nothing to do that is not being done.
        } else if state.reach() < size {
            self.queue(log, theirs);
        } else {
            state.check_later(&theirs);
            self.check_root(log);
        }
    }

    /// Puts a newer head in line to be pulled, in place of one that waits already.
    pub(super) fn queue(&mut self, log: LogName, theirs: SignedHead) {
        self.take_next(log);
        let has_room = self.waiting_note_bytes + theirs.extra_bytes() <= MAX_WAITING_NOTE_BYTES;
        let theirs = if has_room { theirs } else { theirs.to_bare() };
        self.waiting_note_bytes += theirs.extra_bytes();
        let Some(state) = self.logs.get_mut(&log) else { return };
        state.next = Some(theirs);
        self.enqueue(log);
    }

    pub(super) fn enqueue(&mut self, log: LogName) {
        if self.is_throttled(log) {
            return;
        }
        if let Some(state) = self.logs.get_mut(&log)
            && state.wants_pull()
            && !state.is_queued
        {
            state.is_queued = true;
            self.pull_queue.push_back(log);
        }
    }

    /// Grants credit to the logs that are pulled, each in its turn, then starts to pull others.
    pub(super) fn grant_credit(&mut self) {
        for _ in 0..self.pulling.len() {
            let Some(log) = self.pulling.pop_front() else { break };
            self.pulling.push_back(log);
            self.grant(log);
        }
        while self.pulling.len() < MAX_LOGS_IN_FLIGHT
            && self.credit_used < MAX_STREAM_CREDIT_BATCHES
            && let Some(log) = self.pull_queue.pop_front()
        {
            self.start_pull(log);
        }
    }

    fn start_pull(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        state.is_queued = false;
        if self.throttled.contains(&log.community) {
            // It is put in line again when it may go on.
            return;
        }
        let wants_pull = state.wants_pull();
        let received_to = state.tentative.size();
        let Some(target) = self.take_next(log) else { return };
        let Some(state) = self.logs.get_mut(&log) else { return };
        if !wants_pull {
            // Our tree has grown past it by another way.
            state.check_later(&target);
            return self.check_root(log);
        }
        let pushed_from = state.take_announced(&target);
        let outstanding = u32::from(pushed_from.is_some());
        let received_to = pushed_from.unwrap_or(received_to);
        state.pull = Some(Pull { target, received_to, outstanding });
        self.credit_used += outstanding;
        self.pulling.push_back(log);
        self.grant(log);
    }

    fn grant(&mut self, log: LogName) {
        self.skip_what_came_elsewhere(log);
        if self.is_throttled(log) {
            return self.set_aside(log);
        }
        let room = MAX_STREAM_CREDIT_BATCHES.saturating_sub(self.credit_used);
        let Some(state) = self.logs.get_mut(&log) else { return };
        let credit = state.grantable(room);
        let Some(pull) = state.pull.as_mut().filter(|_| 0 < credit) else { return };
        pull.outstanding += credit;
        let want = Want { log, start: pull.received_to, end: pull.target.size(), credit };
        self.credit_used += credit;
        self.send(Frame::Want(want));
    }

    /// Moves a pull forward to where our tree has come by another stream, once nothing is on the way.
    fn skip_what_came_elsewhere(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let Some(pull) = state.pull.as_mut().filter(|it| it.outstanding == 0) else { return };
        pull.received_to = pull.received_to.max(state.tentative.size());
        if pull.target.size() <= pull.received_to {
            self.end_pull(log);
        }
    }

    /// Takes a pull out that has reached its head.
    fn end_pull(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let Some(pull) = state.pull.take() else { return };
        self.credit_used = self.credit_used.saturating_sub(pull.outstanding);
        self.pulling.retain(|it| *it != log);
        let is_verified = state.proved.as_ref().is_some_and(|it| it.is_all_of(&pull.target));
        if is_verified {
            state.agreed = state.agreed.max(pull.target.size());
        } else {
            state.check_later(&pull.target);
            self.check_root(log);
        }
        self.enqueue(log);
    }

    pub(super) fn on_batch(&mut self, batch: Batch) {
        let log = batch.log;
        let Some(state) = self.logs.get_mut(&log) else {
            return self.refuse(log, &Fault::Unsolicited);
        };
        if state.standing != Standing::Open {
            // It was on the way when the log was stopped.
            return self.count_stray();
        }
        if state.is_announced(&batch) {
            return self.pass_over(&batch);
        }
        let Some(pull) = state.pull.as_mut().filter(|it| 0 < it.outstanding) else {
            return self.refuse(log, &Fault::Unsolicited);
        };
        pull.outstanding -= 1;
        self.credit_used = self.credit_used.saturating_sub(1);
        match take_batch(&self.config.network, state, batch) {
            Err(fault) => {
                self.show_pending(log);
                self.refuse(log, &fault);
            }
            Ok(store) => {
                if let Some(store) = store {
                    self.credit_used += 1;
                    self.outputs.push(Output::Store(store));
                }
                self.skip_what_came_elsewhere(log);
            }
        }
    }

    pub(super) fn on_durable(&mut self, log: LogName, size: u64, cosignatures: Vec<String>) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let n_before = state.undurable.len();
        let mut acked = None;
        while let Some(end) = state.undurable.pop_front_if(|end| *end <= size) {
            acked = Some(end);
        }
        let n_durable = n_before - state.undurable.len();
        let Some(acked) = acked else { return };
        state.durable = state.durable.max(acked);
        state.confirmed = state.confirmed.max(acked);
        let standing = state.standing;
        self.credit_used =
            self.credit_used.saturating_sub(u32::try_from(n_durable).unwrap_or(u32::MAX));
        if standing != Standing::Forked {
            let cosignatures = if acked == size { cosignatures } else { Vec::new() };
            self.send(Frame::Ack(Ack { log, size: acked, cosignatures }));
        }
        self.check_root(log);
    }

    pub(super) fn on_not_stored(&mut self, log: LogName, reason: &'static str, detail: String) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let n_lost = u32::try_from(state.undurable.len()).unwrap_or(u32::MAX);
        state.undurable.clear();
        self.credit_used = self.credit_used.saturating_sub(n_lost);
        state.forget_proofs();
        if state.standing == Standing::Open {
            self.refuse(log, &Fault::Store { reason, detail });
        }
        // The peer may not have been offered what it seemed to hold.
        self.offer(log);
        self.check_root(log);
    }
}

/// Checks a batch that was granted, and moves the log forward by it. `None` if all of it is held
/// already, having come by another stream.
fn take_batch(
    network: &record::Network,
    state: &mut LogState,
    mut batch: Batch,
) -> Result<Option<Store>, Fault> {
    let pull = state.pull.as_mut().ok_or(Fault::Unsolicited)?;
    check_shape(&batch)?;
    if batch.start != pull.received_to {
        return Err(Fault::OutOfOrder { expected: pull.received_to, found: batch.start });
    }
    let (expected, found) = (pull.target.size(), batch.tree_size);
    if expected != found {
        return Err(Fault::OtherHead { expected, found });
    }
    let end = batch.end().ok_or(Fault::BeyondHead { start: batch.start, tree_size: found })?;
    let held = state.tentative.size();
    pull.received_to = end;
    if end <= held {
        return Ok(None);
    }
    if batch.start < held {
        let n_held = usize::try_from(held - batch.start).unwrap_or(usize::MAX);
        batch.records.drain(..n_held.min(batch.records.len()));
        batch.start = held;
    }
    let place = BatchPlace {
        network: network.clone(),
        log: batch.log,
        frontier: state.tentative.clone(),
        tree_size: pull.target.size(),
        tree_root: *pull.target.root(),
    };
    let proof = batch.proof.clone();
    let VerifiedBatch { records, frontier } = verify_batch(&place, batch)?;
    let store = Store {
        log: place.log,
        start: held,
        start_root: place.frontier.root(),
        records,
        frontier: frontier.clone(),
        checkpoint: pull.target.note().clone(),
        checkpoint_size: pull.target.size(),
        proof: proof.clone(),
        identity: state.identity_is_new.then(|| state.identity.clone()),
    };
    state.proved = Some(Cover { head: pull.target.to_bare(), proved_to: end, proof });
    state.identity_is_new = false;
    state.tentative = frontier;
    state.undurable.push_back(end);
    Ok(Some(store))
}
