//! Why a record of a covenant does not count.

use record::{CommunityId, RecordId, UnixMillis, limits::MAX_PARTIES};

use crate::instant::Written;

/// Why a record of a covenant does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A covenant has 2 to [`MAX_PARTIES`] parties.
    #[error(
        "The proposal names {n_parties} parties; a covenant has 2 to {MAX_PARTIES}. Nothing was opened: propose it again with fewer, or with somebody to agree with."
    )]
    NParties {
        /// How many it names.
        n_parties: usize,
    },
    /// Parties are listed in ascending order of id, each once.
    #[error(
        "The parties are not listed in ascending order, each once. Nothing was opened: propose it again with the list put in order."
    )]
    PartiesUnordered,
    /// A party is not a member of the region.
    #[error(
        "{community} is named as a party but is not a member of this region. Nothing was opened: propose it again without that party, or once it has joined."
    )]
    PartyNotAMember {
        /// The party.
        community: CommunityId,
    },
    /// A commitment is laid upon somebody who is no party.
    #[error(
        "A commitment is laid upon {community}, which is not a party. Nothing was opened: name it as a party, or leave the commitment out."
    )]
    CommitmentOfAStranger {
        /// Who was to carry it.
        community: CommunityId,
    },
    /// At least one text, in ascending order of language.
    #[error(
        "The proposal names no text, or its languages are not in order, each once. Nothing was opened: propose it again with its texts."
    )]
    TextsUnordered,
    /// Signing would close before the proposal was received.
    #[error(
        "Signing would have closed on {}, before the proposal was received. Nothing was opened: propose it again with a later date.", Written(*.sign_before)
    )]
    NoTimeToSign {
        /// When signing was to close.
        sign_before: UnixMillis,
    },
    /// A proposal opens a case and belongs to no other.
    #[error("A proposal opens a covenant of its own; it changes nothing in this one.")]
    ProposedTwice,
    /// The author is not named in the covenant.
    #[error(
        "{community} is not a party to this covenant, so its answer was not added. Ask the proposer to propose it again with that party."
    )]
    NotAParty {
        /// Who answered.
        community: CommunityId,
    },
    /// The answer names another proposal.
    #[error(
        "The answer is about the proposal {named}, not {expected}, and was not added. Read this proposal and answer it by its own id."
    )]
    OtherProposal {
        /// What it names.
        named: RecordId,
        /// What it was filed under.
        expected: RecordId,
    },
    /// The signature does not name exactly the proposal's texts.
    #[error(
        "The signature does not name exactly the {n_expected} texts of the proposal, so it was not added. Read every language's text as proposed and sign again."
    )]
    OtherText {
        /// How many texts the proposal has.
        n_expected: usize,
    },
    /// Received at or after the deadline.
    #[error(
        "Signing closed on {}. The answer was not added. Ask the proposer to propose the covenant again with a later date.", Written(*.closed_at)
    )]
    SigningClosed {
        /// When signing closed.
        closed_at: UnixMillis,
    },
    /// The party has signed.
    #[error(
        "This party has already signed, and its signature stands. Once the covenant is in force it can be left under its exit terms."
    )]
    AlreadySigned,
    /// The party has declined.
    #[error(
        "This party has already declined, so the covenant lapsed. Ask the proposer to propose it again."
    )]
    AlreadyDeclined,
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NParties { n_parties } if MAX_PARTIES < *n_parties => "covenant.too_many_parties",
            Self::NParties { .. } => "covenant.too_few_parties",
            Self::PartiesUnordered => "covenant.parties_unordered",
            Self::PartyNotAMember { .. } => "covenant.party_not_a_member",
            Self::CommitmentOfAStranger { .. } => "covenant.commitment_of_a_stranger",
            Self::TextsUnordered => "covenant.texts_unordered",
            Self::NoTimeToSign { .. } => "covenant.no_time_to_sign",
            Self::ProposedTwice => "covenant.proposed_twice",
            Self::NotAParty { .. } => "covenant.not_a_party",
            Self::OtherProposal { .. } => "covenant.other_proposal",
            Self::OtherText { .. } => "covenant.other_text",
            Self::SigningClosed { .. } => "covenant.signing_closed",
            Self::AlreadySigned => "covenant.already_signed",
            Self::AlreadyDeclined => "covenant.already_declined",
        }
    }
}
