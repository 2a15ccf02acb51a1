//! Records sent behind their head without being asked for: what the writer of a log adds to a log that the peer holds.
//!
//! ```text
//! asked for:  Head ─▶ ◀─ Want  Batch ─▶ ◀─ Ack        pushed:  Head, Batch ─▶ ◀─ Ack
//! ```
//!
//! One batch at a time for each log, as the next is pushed only once the last is acknowledged: under load, records
//! travel in the large batches that are asked for.

use super::{
    Exchange,
    log::{LogState, Serve, Standing},
};
use crate::{
    frame::{Batch, Head, LogName},
    head::SignedHead,
    limits::n_blocks,
};

/// A batch that the peer says it sends unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// The index of its first record.
    from: u64,
    /// The size of the head that it leads to.
    to: u64,
}

impl Announced {
    /// Of a head as it came; `None` if nothing follows it, or what one batch cannot bring.
    fn by(head: &Head, size: u64) -> Option<Self> {
        let Head { pushed_from: from, .. } = *head;
        (0 < from && from < size && n_blocks(from, size) == 1).then_some(Self { from, to: size })
    }
}

impl Exchange {
    /// Sends what our own log grew by behind its head, if the peer has acknowledged all that it was offered before:
    /// where the batch begins, for the head to say so.
    pub(super) fn push(&mut self, log: LogName, offered_before: u64) -> u64 {
        if self.config.own != Some(log) {
            return 0;
        }
        let Some(state) = self.logs.get_mut(&log) else { return 0 };
        let is_idle = state.serve.as_ref().is_none_or(Serve::is_idle);
        let (from, end) = (state.acked, state.offered);
        let is_level = 0 < from && from == offered_before && n_blocks(from, end) == 1;
        if !is_level || !is_idle || state.standing != Standing::Open {
            return 0;
        }
        state.serve = Some(Serve { is_pushed: true, ..Serve::new(from, end, 1) });
        from
    }

    /// Remembers that a batch follows this head.
    pub(super) fn announce(&mut self, head: &Head, size: u64) {
        if let Some(announced) = Announced::by(head, size)
            && let Some(state) = self.logs.get_mut(&head.log)
        {
            state.announced = Some(announced);
        }
    }

    /// Passes over a batch that was announced and that no pull waits for: it is held already, or will be asked for in its
    /// turn.
    pub(super) fn pass_over(&mut self, batch: &Batch) {
        let Some(state) = self.logs.get_mut(&batch.log) else { return };
        state.announced = None;
        if state.tentative.size() < batch.tree_size {
            self.count_stray();
        }
    }
}

impl LogState {
    /// Whether this is the batch that was announced, and no pull waits for it.
    pub(super) fn is_announced(&self, batch: &Batch) -> bool {
        self.announced == Some(Announced { from: batch.start, to: batch.tree_size })
    }

    /// Where the batch begins that is on its way to this head, if it continues what is held.
    pub(super) fn take_announced(&mut self, target: &SignedHead) -> Option<u64> {
        let held = self.tentative.size();
        let fits = |it: &mut Announced| it.to == target.size() && it.from <= held;
        self.announced.take_if(fits).map(|it| it.from)
    }
}
