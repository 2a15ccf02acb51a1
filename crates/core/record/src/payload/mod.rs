//! What records say, as the rules see it. One record is one action; `proto` decodes it and checks that it is canonical.
//!
//! Every payload but an opening is about a case that exists: its header's first reference is the case's opening record.
//! Decisive payloads hold integers, ids and hashes only. Words stand in [`Text`] and [`Notice`], which may be erased.

pub mod affiliation;
pub mod covenant;
pub mod erasure;
pub mod evidence;
pub mod index;
pub mod opportunity;
pub mod poll;
pub mod pool;
pub mod receipt;
pub mod status;
pub mod words;

pub use affiliation::Affiliation;
pub use covenant::CovenantAction;
pub use erasure::{Erase, Erased};
pub use evidence::ForkEvidence;
pub use index::Index;
pub use opportunity::OpportunityAction;
pub use poll::{PollAction, ResultAction, Roll, TallyAction};
pub use pool::{PledgeAction, PoolAction};
pub use receipt::{Cosignatures, Receipt};
pub use status::Status;
pub use words::{Notice, Text};

use crate::{ids::RegionId, kind::Known, region::RegionAction};

/// The payload of a record whose kind is known and whose bytes hold nothing unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant holds the payload of the kind of the same name")]
pub enum Payload {
    Text(Text),
    Notice(Notice),
    Covenant(CovenantAction),
    Opportunity(OpportunityAction),
    Pool(PoolAction),
    Pledge(PledgeAction),
    Roll(Roll),
    Poll(PollAction),
    Tally(TallyAction),
    Result(ResultAction),
    Receipt(Receipt),
    Cosignatures(Cosignatures),
    Evidence(ForkEvidence),
    RegionEpoch(RegionAction),
    Affiliation(Affiliation),
    Erase(Erase),
    Erased(Erased),
    Index(Index),
    Status(Status),
}

impl Payload {
    /// The kind of record that carries this payload.
    #[must_use]
    pub const fn kind(&self) -> Known {
        match self {
            Self::Text(_) => Known::Text,
            Self::Notice(_) => Known::Notice,
            Self::Covenant(_) => Known::Covenant,
            Self::Opportunity(_) => Known::Opportunity,
            Self::Pool(_) => Known::Pool,
            Self::Pledge(_) => Known::Pledge,
            Self::Roll(_) => Known::Roll,
            Self::Poll(_) => Known::Poll,
            Self::Tally(_) => Known::Tally,
            Self::Result(_) => Known::Result,
            Self::Receipt(_) => Known::Receipt,
            Self::Cosignatures(_) => Known::Cosignatures,
            Self::Evidence(_) => Known::Evidence,
            Self::RegionEpoch(_) => Known::RegionEpoch,
            Self::Affiliation(_) => Known::Affiliation,
            Self::Erase(_) => Known::Erase,
            Self::Erased(_) => Known::Erased,
            Self::Index(_) => Known::Index,
            Self::Status(_) => Known::Status,
        }
    }

    /// The region that an opening record names, to whose register its case belongs; `None` for every other record.
    #[must_use]
    pub const fn region(&self) -> Option<RegionId> {
        match self {
            Self::Covenant(CovenantAction::Propose(it)) => Some(it.region),
            Self::Opportunity(OpportunityAction::Publish(it)) => Some(it.region),
            Self::Pool(PoolAction::Open(it)) => Some(it.region),
            Self::Poll(PollAction::Open(it)) => Some(it.region),
            Self::Covenant(CovenantAction::Sign(_) | CovenantAction::Decline { .. })
            | Self::Opportunity(OpportunityAction::Update(_))
            | Self::Pool(PoolAction::Close { .. })
            | Self::Text(_)
            | Self::Notice(_)
            | Self::Pledge(_)
            | Self::Roll(_)
            | Self::Tally(_)
            | Self::Result(_)
            | Self::Receipt(_)
            | Self::Cosignatures(_)
            | Self::Evidence(_)
            | Self::RegionEpoch(_)
            | Self::Affiliation(_)
            | Self::Erase(_)
            | Self::Erased(_)
            | Self::Index(_)
            | Self::Status(_) => None,
        }
    }

    /// Whether the record opens a case, so that its own id becomes the case's id.
    #[must_use]
    pub const fn opens_case(&self) -> bool {
        self.region().is_some()
    }

    /// The release that a record of an opportunity holds.
    #[must_use]
    pub const fn release(&self) -> Option<&opportunity::Release> {
        if let Self::Opportunity(action) = self { Some(action.release()) } else { None }
    }

    /// Whether the record belongs to a case at all: it opens one, or its first reference names one.
    #[must_use]
    pub const fn is_of_a_case(&self) -> bool {
        match self {
            Self::Covenant(_)
            | Self::Opportunity(_)
            | Self::Pool(_)
            | Self::Pledge(_)
            | Self::Poll(_)
            | Self::Tally(_)
            | Self::Result(_) => true,
            Self::Text(_)
            | Self::Notice(_)
            | Self::Roll(_)
            | Self::Receipt(_)
            | Self::Cosignatures(_)
            | Self::Evidence(_)
            | Self::RegionEpoch(_)
            | Self::Affiliation(_)
            | Self::Erase(_)
            | Self::Erased(_)
            | Self::Index(_)
            | Self::Status(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{CommunityId, RecordId},
        kind::Durability,
        time::UnixMillis,
    };

    /// One payload of each kind that opens no case.
    fn later_payloads() -> Vec<Payload> {
        let community = CommunityId::from_bytes([1; 32]);
        let record = RecordId::from_bytes([2; 32]);
        let roll = poll::RollCommitment { n_on_roll: 1, roll_root: [0; 32] };
        let (one, other) = (vec![], vec![]);
        vec![
            Payload::Text(Text { wordings: vec![] }),
            Payload::Notice(Notice { release_json: vec![] }),
            Payload::Covenant(CovenantAction::Decline { proposal: record }),
            Payload::Pool(PoolAction::Close { pledges: vec![] }),
            Payload::Pledge(PledgeAction::Withdraw { pledge: record }),
            Payload::Roll(Roll { roll }),
            Payload::Tally(TallyAction::Withheld),
            Payload::Receipt(Receipt { received_at: UnixMillis(0), heads: vec![] }),
            Payload::Cosignatures(Cosignatures { stated_at: UnixMillis(0), heads: vec![] }),
            Payload::Evidence(ForkEvidence { community, era: 0, one, other, beginning: None }),
        ]
    }

    #[test]
    fn what_opens_no_case_is_told_from_what_belongs_to_none() {
        let of_a_case = [Known::Covenant, Known::Pool, Known::Pledge, Known::Tally];
        for payload in later_payloads() {
            assert!(!payload.opens_case(), "{payload:?}");
            assert_eq!(payload.is_of_a_case(), of_a_case.contains(&payload.kind()), "{payload:?}");
        }
    }

    #[test]
    fn an_opening_opens_a_case_and_belongs_to_it() {
        let opening = Payload::Pool(PoolAction::Open(pool::PoolOpening {
            region: crate::RegionId::from_bytes([3; 32]),
            unit: "each".to_owned(),
            threshold: 1,
            opportunity: None,
            cpv: None,
            unit_price: None,
            closes_at: UnixMillis(1),
            grace_millis: 0,
            lock_rule: pool::LockRule::AtClose,
        }));
        assert!(opening.opens_case() && opening.is_of_a_case());
        assert_eq!(opening.region(), Some(crate::RegionId::from_bytes([3; 32])));
        assert_eq!(opening.release(), None);
        assert_eq!(opening.kind(), Known::Pool);
    }

    #[test]
    fn no_payload_of_a_case_may_be_erased() {
        for payload in later_payloads().iter().filter(|it| it.is_of_a_case()) {
            assert_eq!(payload.kind().durability(), Durability::Decisive);
        }
    }
}
