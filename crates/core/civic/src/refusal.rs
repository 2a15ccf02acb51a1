//! Why a record does not count, for machines (`reason`) and for people (`Display`).

use record::{CommunityId, LogName, RecordId};

use crate::{covenant, opportunity, poll, pool};

/// Why a record does not count in its case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The author is not a member of the region.
    #[error(
        "{community} is not a member of this region, so its record does not count here. It counts once the region admits the community and the record is written anew."
    )]
    NotAMember {
        /// Who wrote it.
        community: CommunityId,
    },
    /// The record's first reference names another case, or none.
    #[error(
        "The record does not name {case} as its case, so it does not count in it. Write it again with the case as its first reference."
    )]
    OtherCase {
        /// The case that it was filed under.
        case: RecordId,
    },
    /// A record of this kind has no meaning in a case of that kind.
    #[error(
        "A record of the kind {kind} has no meaning in this case, and nothing was changed by it."
    )]
    OtherKind {
        /// The record's kind.
        kind: &'static str,
    },
    /// The record's log has as many records in the case as count there.
    #[error(
        "{log} already had {most} records in this case, and no more of one log count in a case. The record stays in the log and changes nothing here; what came before it counts as it did. Go on in a new case."
    )]
    TooMany {
        /// The log that it is in.
        log: LogName,
        /// How many count.
        most: usize,
    },
    /// The record's log forked, and it lies behind the head at which the log is frozen.
    #[error(
        "{log} has two histories that contradict each other, and this record is not in the part that more than half of the region's coordinators and witnesses had seen before. It stays in the log and does not count. The community's officers end this by a recovery; then write it again."
    )]
    Frozen {
        /// The log that it is in.
        log: LogName,
    },
    /// The opening record of the case was refused.
    #[error(
        "The record that opened this case was refused, so nothing that follows it counts. Open the case anew."
    )]
    CaseRefused,
    /// A rule of covenants.
    #[error(transparent)]
    Covenant(#[from] covenant::Refusal),
    /// A rule of opportunities.
    #[error(transparent)]
    Opportunity(#[from] opportunity::Refusal),
    /// A rule of pools and pledges.
    #[error(transparent)]
    Pool(#[from] pool::Refusal),
    /// A rule of polls, tallies and results.
    #[error(transparent)]
    Poll(#[from] poll::Refusal),
}

impl Refusal {
    /// The stable reason, `area.what`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotAMember { .. } => "record.not_a_member",
            Self::OtherCase { .. } => "record.other_case",
            Self::OtherKind { .. } => "record.other_kind",
            Self::TooMany { .. } => "case.too_many",
            Self::Frozen { .. } => "log.frozen",
            Self::CaseRefused => "record.case_refused",
            Self::Covenant(refusal) => refusal.reason(),
            Self::Opportunity(refusal) => refusal.reason(),
            Self::Pool(refusal) => refusal.reason(),
            Self::Poll(refusal) => refusal.reason(),
        }
    }
}

/// As `{reason, sentence}`.
impl serde::Serialize for Refusal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Public {
            reason: &'static str,
            sentence: String,
        }
        Public { reason: self.reason(), sentence: self.to_string() }.serialize(serializer)
    }
}
