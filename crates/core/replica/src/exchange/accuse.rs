//! Forks on a stream: found by comparing heads, or shown by the peer with its refusal.

use record::payload::{ForkEvidence, evidence::Beginning};

use super::{Exchange, ExchangeConfig, Output, log::Standing};
use crate::{
    evidence::{fork_evidence, verified_evidence},
    fault::Fault,
    frame::{Frame, Head, LogName, Refusal},
    head::SignedHead,
};

impl Exchange {
    /// Two heads that cannot both be true: keeps the evidence, shows it to the peer, and lets the log rest.
    pub(super) fn fork(
        &mut self,
        log: LogName,
        heads: [&SignedHead; 2],
        beginning: Option<Beginning>,
    ) {
        let Some(state) = self.logs.get(&log) else { return };
        let ExchangeConfig { network, quorum, .. } = &self.config;
        let proved = (beginning, quorum.as_deref());
        match fork_evidence(network, log, &state.identity, heads, proved) {
            Ok(evidence) => {
                self.keep_evidence(log, evidence.clone());
                let evidence = Some(evidence);
                self.send(Frame::Refusal(Refusal { evidence, ..Fault::Fork.refusal(Some(log)) }));
                self.count(&Fault::Fork);
            }
            Err(fault) => self.refuse(log, &fault),
        }
    }

    /// The peer shows that a log forked. It is believed as far as it is proved, and only of a log that this stream knows:
    /// of another there is nobody here whom it would stop.
    pub(super) fn on_evidence(&mut self, refused: Option<LogName>, evidence: &ForkEvidence) {
        let log = LogName { community: evidence.community, era: evidence.era };
        let Some(state) = self.logs.get(&log) else { return };
        if state.standing == Standing::Forked {
            // A repeat.
            return;
        }
        let ExchangeConfig { network, quorum, .. } = &self.config;
        match verified_evidence(network, (refused, evidence), &state.identity, quorum.as_deref()) {
            Ok(evidence) => self.keep_evidence(log, evidence),
            Err(fault) => self.count(&fault),
        }
    }

    /// Records that are refused may be of another branch than ours. If ours was never pulled to the end of its head, the peer
    /// has not seen that head, and only whoever holds all of a larger tree can show that the two contradict each other: so
    /// the peer is shown it.
    pub(super) fn show_pending(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let Some(target) = state.pull.as_ref().map(|it| it.target.size()) else { return };
        let offered = state.offered;
        let is_of_use = |head: &SignedHead| offered < head.size() && head.size() < target;
        let pending = state.pending.as_ref().map(|it| it.head.clone());
        let Some(head) = pending.filter(is_of_use) else { return };
        state.offered = head.size();
        let (checkpoint, identity) = (head.bare().clone(), state.identity.bundle().clone());
        self.send(Frame::Heads(vec![Head { log, checkpoint, identity, pushed_from: 0 }]));
    }

    fn keep_evidence(&mut self, log: LogName, evidence: ForkEvidence) {
        self.offer(log);
        self.halt(log, Standing::Forked);
        self.outputs.push(Output::Evidence(evidence));
    }
}
