//! Covenants: signed agreements between communities, councils and public bodies.

use super::words::TextHash;
use crate::{
    ids::{CommunityId, RecordId, RegionId},
    money::Money,
    place::Place,
    time::{CivilDate, UnixMillis},
};

/// What sort of agreement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum CovenantType {
    CommunityCovenant,
    ImprovementDistrict,
    ServiceAgreement,
    CharterRatification,
}

/// In what capacity a party signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum PartyRole {
    Community,
    Parish,
    Forum,
    AnchorBody,
    LocalAuthority,
    PublicBody,
    Regional,
}

/// One party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Party {
    /// Who signs.
    pub community: CommunityId,
    /// In what capacity.
    pub role: PartyRole,
}

/// What a power is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum Domain {
    Economy,
    Services,
    Assets,
    PlanningAndHousing,
    Spending,
}

/// How far a power goes, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum Level {
    Informed,
    Consulted,
    CoDecide,
    Delegated,
    CommunityHeld,
}

/// A power that the covenant gives or keeps.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Power {
    /// What it is about.
    pub domain: Domain,
    /// How far it goes.
    pub level: Level,
    /// The money that goes with it, a year.
    pub budget: Option<Money>,
}

/// What one party undertakes. Its words are the label of the same number in the text.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Commitment {
    /// Who undertakes it.
    pub party: CommunityId,
    /// Money that pays for it, if named.
    pub money: Option<Money>,
    /// Paid staff hours a year that go with it; 0 if none are named.
    pub staff_hours: u32,
    /// When it is due, if at one date.
    pub due: Option<CivilDate>,
}

impl Commitment {
    /// Whether the commitment names what pays for it. Volunteers are not a budget (RECORDS.md).
    #[must_use]
    pub const fn names_resources(&self) -> bool {
        self.money.is_some() || 0 < self.staff_hours
    }
}

/// The opening record of a covenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The region to whose register it belongs.
    pub region: RegionId,
    /// What sort of agreement.
    pub covenant_type: CovenantType,
    /// Two to 64, in ascending order of community, each once.
    pub parties: Vec<Party>,
    /// The neighbourhood area.
    pub area: Vec<Place>,
    /// Powers given or kept.
    pub powers: Vec<Power>,
    /// What each party undertakes.
    pub commitments: Vec<Commitment>,
    /// Signatures count when received before this instant.
    pub sign_before: UnixMillis,
    /// Months between reviews.
    pub review_months: u32,
    /// Months it runs; `None` until ended.
    pub term_months: Option<u32>,
    /// The hash of each language's wording, in ascending order of language.
    pub texts: Vec<TextHash>,
}

/// The minute of the meeting at which a party decided.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Minute {
    /// The minute's number in the minute book, at most 64 bytes of letters, digits, space, `.`, `/`, `-` and `()`.
    pub reference: String,
    /// The date of the meeting.
    pub meeting: CivilDate,
}

/// A party's signature, in its own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The leaf hash of the proposal: the same words proposed anew are another covenant.
    pub proposal: RecordId,
    /// All language hashes of the proposal, as the signer read them.
    pub texts: Vec<TextHash>,
    /// Where the decision is minuted.
    pub minute: Option<Minute>,
    /// The result of the members' ratifying poll.
    pub poll_result: Option<RecordId>,
}

/// One action in a covenant's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CovenantAction {
    /// Opens it.
    Propose(Proposal),
    /// Signs it.
    Sign(Signature),
    /// A party says no: the covenant cannot come into force.
    Decline {
        /// The leaf hash of the proposal.
        proposal: RecordId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_or_paid_hours_are_resources_and_volunteers_are_not() {
        let with = |money, staff_hours| {
            let party = CommunityId::from_bytes([1; 32]);
            Commitment { party, money, staff_hours, due: None }.names_resources()
        };
        assert!(!with(None, 0));
        assert!(with(None, 1));
        assert!(with(Some(Money::pence(1)), 0));
    }

    #[test]
    fn levels_are_ordered_from_least_to_most_power() {
        let levels = [
            Level::Informed,
            Level::Consulted,
            Level::CoDecide,
            Level::Delegated,
            Level::CommunityHeld,
        ];
        assert!(levels.is_sorted_by(|one, next| one < next));
    }
}
