//! What a lying coordinator leaves out of what its program says.

use proto::{
    replication::{decode_frame, encode_frame},
    v1::{Frame, Heads, frame::Step},
};
use record::CommunityId;

use crate::net::No;

/// A lie by leaving out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// The logs of this community are shown to nobody else.
    Withholds { victim: No, community: CommunityId },
    /// This community is never told that its records were taken.
    AcksNothing { victim: No, community: CommunityId },
    /// Nobody is shown the liar's own log, and so no receipt and no index.
    HidesItself { own: CommunityId },
}

/// Who leaves out what.
#[derive(Debug, Default)]
pub(crate) struct Lies(Vec<(No, Lie)>);

impl Lies {
    pub(crate) fn add(&mut self, liar: No, lie: Lie) {
        self.0.push((liar, lie));
    }

    /// A frame on its way between two hosts, as it arrives; `None` if nothing of it does.
    pub(crate) fn bend(&self, (from, to): (No, No), bytes: Vec<u8>) -> Option<Vec<u8>> {
        let mut lies = self.0.iter().filter(|(liar, _)| *liar == from).peekable();
        if lies.peek().is_none() {
            return Some(bytes);
        }
        let mut step = decode_frame(&bytes).ok()?.step?;
        for (_, lie) in lies {
            step = lie.bend(to, step)?;
        }
        Some(encode_frame(&Frame { step: Some(step) }))
    }
}

impl Lie {
    fn bend(self, to: No, step: Step) -> Option<Step> {
        match (self, step) {
            (Self::Withholds { victim, community }, Step::Heads(heads)) if to != victim => {
                without(heads, community)
            }
            (Self::HidesItself { own }, Step::Heads(heads)) => without(heads, own),
            (Self::AcksNothing { victim, community }, Step::Ack(ack)) => {
                let is_theirs = to == victim && ack.community == community.as_bytes();
                (!is_theirs).then_some(Step::Ack(ack))
            }
            (_, step) => Some(step),
        }
    }
}

fn without(Heads { mut heads }: Heads, community: CommunityId) -> Option<Step> {
    heads.retain(|it| it.community != community.as_bytes());
    (!heads.is_empty()).then_some(Step::Heads(Heads { heads }))
}
