//! What a coordinator withholds is given to nobody but its author.

use record::LogName;
use replica::{Frame, Input, Output};

use super::ReplicationStream;

impl ReplicationStream<'_> {
    /// As much of a frame as the other side is given.
    pub(super) fn given(&self, frame: Frame) -> Option<Frame> {
        match frame {
            Frame::Heads(mut heads) => {
                heads.retain(|it| !self.is_withheld(it.log));
                (!heads.is_empty()).then_some(Frame::Heads(heads))
            }
            // What is fetched of another branch may be thrown away again.
            Frame::Ack(ack) => (!self.branches.is_fetched(ack.log)).then_some(Frame::Ack(ack)),
            // What of a frame names a log says nothing that the status does not say, or was asked for before.
            frame @ (Frame::Want(_)
            | Frame::Batch(_)
            | Frame::Refusal(_)
            | Frame::Status(_)
            | Frame::Offered) => Some(frame),
        }
    }

    /// The answer to a question for records that are not given.
    pub(super) fn not_given(&self, output: &Output) -> Option<Input> {
        let Output::Load { log, .. } = output else { return None };
        let reason = self.peer.withheld(*log).filter(|_| self.is_withheld(*log))?;
        let detail = reason.sentence().to_owned();
        Some(Input::NotLoaded { log: *log, reason: reason.token(), detail })
    }

    fn is_withheld(&self, log: LogName) -> bool {
        log.community != self.remote.community && self.peer.withheld(log).is_some()
    }
}
