//! The serving side: heads offered, wants answered, acks passed on.

use std::{collections::btree_map::Entry, sync::Arc};

use record::limits::MAX_BATCH_BYTES;

use super::{
    Exchange, HeldLog, Output,
    log::{LogState, Serve, Standing},
};
use crate::{
    batch::check_shape,
    fault::Fault,
    frame::{Ack, Batch, Frame, Head, LogName, Want},
    head::SignedHead,
    limits::{
        MAX_ACK_COSIGNATURES, MAX_COSIGNATURE_BYTES, MAX_CREDIT_BATCHES, MAX_HEADS,
        MAX_HEADS_BYTES, MAX_LOADS_IN_FLIGHT, MAX_LOGS, room_at,
    },
};

impl Exchange {
    /// Offers every log, in messages that fit.
    pub(super) fn offer_all(&mut self) {
        let mut heads = Vec::new();
        let mut n_bytes = 0;
        for (log, state) in &mut self.logs {
            let Some(head) = offer_of(*log, state) else { continue };
            let more_bytes = head.checkpoint.len() + head.identity.len();
            if heads.len() == MAX_HEADS || (MAX_HEADS_BYTES < n_bytes + more_bytes) {
                let full = std::mem::take(&mut heads);
                self.outputs.push(Output::Send(Frame::Heads(full)));
                n_bytes = 0;
            }
            n_bytes += more_bytes;
            heads.push(head);
        }
        if !heads.is_empty() {
            self.send(Frame::Heads(heads));
        }
    }

    /// Offers the newest head of a log, unless the peer has been offered it or is known to hold it.
    pub(super) fn offer(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let offered_before = state.offered;
        let Some(head) = offer_of(log, state) else { return };
        let pushed_from = self.push(log, offered_before);
        self.send(Frame::Heads(vec![Head { pushed_from, ..head }]));
        self.enqueue_load(log);
    }

    /// A log that we hold has grown.
    pub(super) fn on_local_head(&mut self, held: HeldLog) {
        let log = held.log;
        let n_logs = self.logs.len();
        match self.logs.entry(log) {
            Entry::Occupied(mut state) => state.get_mut().take_held(held),
            Entry::Vacant(place) if n_logs < MAX_LOGS => {
                place.insert(LogState::of_held(held));
            }
            Entry::Vacant(_) => return,
        }
        if let Some((ours, theirs)) = self.logs.get(&log).and_then(contradiction) {
            return self.fork(log, [&ours, &theirs], None);
        }
        self.drop_overtaken(log);
        self.check_root(log);
        self.offer(log);
    }

    /// A head that waited to be pulled and that our tree has reached is compared instead.
    fn drop_overtaken(&mut self, log: LogName) {
        let is_overtaken = |state: &LogState| {
            state.next.as_ref().is_some_and(|it| it.size() <= state.tentative.size())
        };
        if self.logs.get(&log).is_some_and(is_overtaken)
            && let Some(next) = self.take_next(log)
            && let Some(state) = self.logs.get_mut(&log)
        {
            state.check_later(&next);
        }
    }

    pub(super) fn on_want(&mut self, want: Want) {
        let Want { log, start, end, credit } = want;
        let Some(state) = self.logs.get_mut(&log) else {
            return self.refuse(log, &Fault::UnknownLog);
        };
        if state.standing != Standing::Open {
            return self.count_stray();
        }
        let offered = state.offered;
        let bad_want = Fault::BadWant { start, end, offered };
        if end < start || offered < end {
            return self.refuse(log, &bad_want);
        }
        let serve = state.serve.get_or_insert(Serve::new(start, end, 0));
        // The range may change only when nothing is under way that the peer asked for.
        if serve.is_pushed {
            *serve = serve.turned_to(start, end);
        } else if serve.is_idle() {
            serve.next = serve.next.max(start);
            serve.end = end;
        } else if serve.end != end {
            return self.refuse(log, &bad_want);
        }
        serve.credit = serve.credit.saturating_add(credit).min(MAX_CREDIT_BATCHES);
        self.enqueue_load(log);
    }

    fn enqueue_load(&mut self, log: LogName) {
        if let Some(serve) = self.logs.get_mut(&log).and_then(|it| it.serve.as_mut())
            && serve.can_load()
            && !serve.is_queued
        {
            serve.is_queued = true;
            self.load_queue.push_back(log);
        }
    }

    pub(super) fn start_loads(&mut self) {
        while self.n_loading < MAX_LOADS_IN_FLIGHT
            && let Some(log) = self.load_queue.pop_front()
        {
            let Some(serve) = self.logs.get_mut(&log).and_then(|it| it.serve.as_mut()) else {
                continue;
            };
            serve.is_queued = false;
            if !serve.can_load() {
                continue;
            }
            serve.is_loading = true;
            self.n_loading += 1;
            let (start, tree_size) = (serve.next, serve.end);
            let max_records = room_at(start, tree_size);
            let load =
                Output::Load { log, start, max_records, max_bytes: MAX_BATCH_BYTES, tree_size };
            self.outputs.push(load);
        }
    }

    pub(super) fn on_loaded(&mut self, batch: Batch) {
        let log = batch.log;
        let Some(serve) = self.finish_load(log) else { return self.enqueue_load(log) };
        let is_asked_for = batch.start == serve.next && batch.tree_size == serve.end;
        let end = match check_shape(&batch) {
            Ok(()) if is_asked_for => batch.end(),
            Ok(()) | Err(_) => None,
        };
        let Some(end) = end else {
            let detail = "the store did not give the records that were asked for".to_owned();
            return self.refuse(log, &Fault::Store { reason: "replication.unavailable", detail });
        };
        serve.next = end;
        serve.credit = serve.credit.saturating_sub(1);
        let is_over = serve.next == serve.end || serve.is_pushed;
        if let Some(state) = self.logs.get_mut(&log).filter(|_| is_over) {
            // A batch that was pushed may not have been taken: then it is asked for from its start.
            state.serve = None;
        }
        self.send(Frame::Batch(batch));
        self.enqueue_load(log);
    }

    pub(super) fn on_not_loaded(&mut self, log: LogName, reason: &'static str, detail: String) {
        if self.finish_load(log).is_none() {
            return self.enqueue_load(log);
        }
        self.refuse(log, &Fault::Store { reason, detail });
    }

    /// The range whose load has been answered; `None` if nothing was asked for, or no longer is.
    fn finish_load(&mut self, log: LogName) -> Option<&mut Serve> {
        let serve = self.logs.get_mut(&log)?.serve.as_mut().filter(|it| it.is_loading)?;
        serve.is_loading = false;
        self.n_loading = self.n_loading.saturating_sub(1);
        let is_overtaken = std::mem::take(&mut serve.is_overtaken);
        Some(serve).filter(|_| !is_overtaken)
    }

    pub(super) fn on_ack(&mut self, ack: Ack) {
        let Ack { log, size, cosignatures } = ack;
        let Some(state) = self.logs.get_mut(&log) else {
            return self.count_stray();
        };
        let offered = state.offered.max(state.agreed).max(state.durable);
        let too_long = |it: &String| MAX_COSIGNATURE_BYTES < it.len();
        let too_many = MAX_ACK_COSIGNATURES < cosignatures.len();
        if offered < size || too_many || cosignatures.iter().any(too_long) {
            return self.refuse(log, &Fault::BadAck { size, offered });
        }
        state.acked = state.acked.max(size);
        self.outputs.push(Output::Acked { log, size, cosignatures });
    }
}

/// The head of a log to be offered now, with its identity if the peer lacks it.
///
/// Never one that was offered or that the peer is known to hold, and none of a log at rest.
fn offer_of(log: LogName, state: &mut LogState) -> Option<Head> {
    let own = state.own.as_ref()?;
    if state.identity.is_beyond_kept(log, own) {
        return None;
    }
    let is_news = state.offered.max(state.agreed) < own.size();
    if !is_news || Standing::Stopped < state.standing {
        return None;
    }
    state.offered = own.size();
    let is_told = state.identity_told.as_ref().is_some_and(|it| it.extends(&state.identity));
    let identity: Arc<[u8]> = if is_told { Arc::from([]) } else { state.identity.bundle().clone() };
    state.identity_told = Some(state.identity.clone());
    Some(Head { log, checkpoint: own.note().clone(), identity, pushed_from: 0 })
}

/// Two signed heads in mind of one size and with different roots, ours first.
fn contradiction(state: &LogState) -> Option<(SignedHead, SignedHead)> {
    let own = state.own.as_ref().filter(|_| state.standing != Standing::Forked)?;
    Some((own.clone(), state.contradicts(own)?))
}
