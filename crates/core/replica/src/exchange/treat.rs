//! How logs are treated here: who gets no credit for a while, and that the peer is told.

use record::payload::{Status, status::Standing};

use super::Exchange;
use crate::frame::{Frame, LogName};

impl Exchange {
    /// Tells the peer how we treat a log that it knows, and stops or takes up its pull.
    pub(super) fn on_treated(&mut self, status: Status) {
        let community = status.log.community;
        if status.standing() == Standing::Throttled {
            self.throttled.insert(community);
        } else if self.throttled.remove(&community) {
            let logs = self.logs.keys().filter(|it| it.community == community);
            for log in logs.copied().collect::<Vec<_>>() {
                self.enqueue(log);
            }
        }
        if self.logs.contains_key(&status.log) {
            self.send(Frame::Status(status));
        }
    }

    pub(super) fn is_throttled(&self, log: LogName) -> bool {
        self.throttled.contains(&log.community)
    }

    /// Takes the pull of a throttled log out of its turn, once nothing of it is on the way: its head waits, as it waited
    /// before, and another log is pulled in its place.
    pub(super) fn set_aside(&mut self, log: LogName) {
        let Some(state) = self.logs.get_mut(&log) else { return };
        let Some(pull) = state.pull.take_if(|it| it.outstanding == 0) else { return };
        self.pulling.retain(|it| *it != log);
        let is_overtaken =
            state.next.as_ref().is_some_and(|next| pull.target.size() <= next.size());
        if is_overtaken {
            // It is a head like any other: a later one says as much.
            state.check_later(&pull.target);
        } else {
            self.queue(log, pull.target);
        }
    }
}
