//! Why a record of an opportunity does not count.

use record::CommunityId;

/// Why a record of an opportunity does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A local process claims an ocid outside our prefix.
    #[error(
        "A process of our own has an ocid that begins with `{prefix}-`, and this one has not. It was not added: leave the ocid empty, or import the notice from its publisher."
    )]
    OcidNotOurs {
        /// Our prefix.
        prefix: String,
    },
    /// An imported process has the ocid that its publisher gave it.
    #[error(
        "The imported notice has no ocid, so it cannot be followed. It was not added: import it again with its ocid."
    )]
    OcidMissing,
    /// A release of another process.
    #[error(
        "The release is of another process than `{expected}` and was not added. Publish it as an opportunity of its own."
    )]
    OtherOcid {
        /// The process of this case: its ocid, or the case's id if it has none.
        expected: String,
    },
    /// Only the community that opened the case updates it.
    #[error(
        "Only {opener}, which published this opportunity, may update it. The update was not added: ask them, or publish what you know as an opportunity of your own."
    )]
    NotTheOpener {
        /// Who may.
        opener: CommunityId,
    },
    /// A publication opens a case and belongs to no other.
    #[error("A publication opens an opportunity of its own; it changes nothing in this one.")]
    PublishedTwice,
}

impl Refusal {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OcidNotOurs { .. } => "opportunity.ocid_not_ours",
            Self::OcidMissing => "opportunity.ocid_missing",
            Self::OtherOcid { .. } => "opportunity.other_ocid",
            Self::NotTheOpener { .. } => "opportunity.not_the_opener",
            Self::PublishedTwice => "opportunity.published_twice",
        }
    }
}
