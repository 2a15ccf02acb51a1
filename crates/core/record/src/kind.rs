//! Kinds of records. The kind is the protobuf package of its payload: `folkmoot.record.covenant.v1`.

use std::{fmt, str::FromStr};

/// The longest kind, in bytes.
pub const MAX_KIND_BYTES: usize = 64;

/// The kind of a record, known here or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Kind(String);

/// Why a text is not a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a record kind is a lower-case package name with a version, such as `folkmoot.record.pool.v1`, of at most 64 bytes"
)]
pub struct KindError;

impl Kind {
    /// The kind as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What this release knows about the kind, if anything.
    #[must_use]
    pub fn known(&self) -> Option<Known> {
        Known::ALL.iter().copied().find(|known| known.package() == self.0)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let labels: Vec<&str> = text.split('.').collect();
        let label_ok = |label: &&str| {
            label.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        let versioned = labels
            .last()
            .and_then(|label| label.strip_prefix('v'))
            .is_some_and(|n| n.parse::<u32>().is_ok_and(|n| 0 < n) && !n.starts_with(['0', '+']));
        if text.len() <= MAX_KIND_BYTES
            && 2 <= labels.len()
            && labels.iter().all(label_ok)
            && versioned
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(KindError)
        }
    }
}

impl From<Known> for Kind {
    fn from(known: Known) -> Self {
        Self(known.package().to_owned())
    }
}

/// Whether a payload may be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Integers, hashes and ids that decide something: never erased.
    Decisive,
    /// Texts and captions, which change no state: may be erased, with every proof still valid.
    Erasable,
}

/// The kinds that this release folds into the register or acts upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the kind of the same name")]
pub enum Known {
    Identity,
    Recovery,
    Text,
    Notice,
    Covenant,
    Opportunity,
    Pool,
    Pledge,
    Roll,
    Poll,
    Tally,
    Result,
    Receipt,
    Cosignatures,
    Evidence,
    RegionEpoch,
    Affiliation,
    Erase,
    Erased,
    Index,
    Status,
}

impl Known {
    /// Every known kind.
    pub const ALL: &[Self] = &[
        Self::Identity,
        Self::Recovery,
        Self::Text,
        Self::Notice,
        Self::Covenant,
        Self::Opportunity,
        Self::Pool,
        Self::Pledge,
        Self::Roll,
        Self::Poll,
        Self::Tally,
        Self::Result,
        Self::Receipt,
        Self::Cosignatures,
        Self::Evidence,
        Self::RegionEpoch,
        Self::Affiliation,
        Self::Erase,
        Self::Erased,
        Self::Index,
        Self::Status,
    ];

    /// The protobuf package of the payload, which is the kind's name in headers.
    #[must_use]
    pub const fn package(self) -> &'static str {
        match self {
            Self::Identity => "folkmoot.record.identity.v1",
            Self::Recovery => "folkmoot.record.recovery.v1",
            Self::Text => "folkmoot.record.text.v1",
            Self::Notice => "folkmoot.record.notice.v1",
            Self::Covenant => "folkmoot.record.covenant.v1",
            Self::Opportunity => "folkmoot.record.opportunity.v1",
            Self::Pool => "folkmoot.record.pool.v1",
            Self::Pledge => "folkmoot.record.pledge.v1",
            Self::Roll => "folkmoot.record.roll.v1",
            Self::Poll => "folkmoot.record.poll.v1",
            Self::Tally => "folkmoot.record.tally.v1",
            Self::Result => "folkmoot.record.result.v1",
            Self::Receipt => "folkmoot.record.receipt.v1",
            Self::Cosignatures => "folkmoot.record.cosignatures.v1",
            Self::Evidence => "folkmoot.record.evidence.v1",
            Self::RegionEpoch => "folkmoot.record.region_epoch.v1",
            Self::Affiliation => "folkmoot.record.affiliation.v1",
            Self::Erase => "folkmoot.record.erase.v1",
            Self::Erased => "folkmoot.record.erased.v1",
            Self::Index => "folkmoot.record.index.v1",
            Self::Status => "folkmoot.record.status.v1",
        }
    }

    /// Whether a record of this kind tells of other logs alone: what a coordinator or a witness says that it holds.
    ///
    /// Such a record makes neither receipt nor index at another: two that hold each other's logs would never fall silent.
    #[must_use]
    pub const fn tells_of_logs(self) -> bool {
        match self {
            Self::Receipt | Self::Cosignatures | Self::Index | Self::Status => true,
            Self::Identity
            | Self::Recovery
            | Self::Text
            | Self::Notice
            | Self::Covenant
            | Self::Opportunity
            | Self::Pool
            | Self::Pledge
            | Self::Roll
            | Self::Poll
            | Self::Tally
            | Self::Result
            | Self::Evidence
            | Self::RegionEpoch
            | Self::Affiliation
            | Self::Erase
            | Self::Erased => false,
        }
    }

    /// Whether a payload of this kind may be erased.
    #[must_use]
    pub const fn durability(self) -> Durability {
        match self {
            Self::Text | Self::Notice => Durability::Erasable,
            Self::Identity
            | Self::Recovery
            | Self::Covenant
            | Self::Opportunity
            | Self::Pool
            | Self::Pledge
            | Self::Roll
            | Self::Poll
            | Self::Tally
            | Self::Result
            | Self::Receipt
            | Self::Cosignatures
            | Self::Evidence
            | Self::RegionEpoch
            | Self::Affiliation
            | Self::Erase
            | Self::Erased
            | Self::Index
            | Self::Status => Durability::Decisive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_kind_is_a_kind_and_is_found_again() {
        for known in Known::ALL {
            let kind: Kind = known.package().parse().unwrap();
            assert_eq!(kind.known(), Some(*known));
        }
    }

    #[test]
    fn receipts_statements_indexes_and_statuses_tell_of_logs_and_nothing_else_does() {
        let told: Vec<Known> = Known::ALL.iter().copied().filter(|it| it.tells_of_logs()).collect();
        assert_eq!(told, [Known::Receipt, Known::Cosignatures, Known::Index, Known::Status]);
    }

    #[test]
    fn refuses_what_is_not_a_versioned_package() {
        let longest = format!("a.{}.v1", "b".repeat(MAX_KIND_BYTES - 5));
        assert!(longest.parse::<Kind>().is_ok());
        for wrong in [
            "",
            "v1",
            "a.v0",
            "a.v01",
            "a.v+1",
            "A.v1",
            "a..v1",
            "a.b",
            "1a.v1",
            &format!("{longest}2"),
        ] {
            assert!(wrong.parse::<Kind>().is_err(), "{wrong}");
        }
    }
}
