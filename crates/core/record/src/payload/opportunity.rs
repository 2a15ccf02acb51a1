//! Opportunities: public contracts and other contracting processes, as OCDS describes them.

use crate::{ids::RegionId, money::Money, org::OrgId, place::Place, time::UnixMillis};

/// Where a contracting process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are RECORDS.md's")]
pub enum Stage {
    Planned,
    Open,
    Closed,
    Awarded,
    Unsuccessful,
    Cancelled,
    Contracted,
    Implemented,
    Terminated,
}

/// Where an imported release came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The URL or file name it was read from; never a path of the machine. May be empty.
    pub url: String,
    /// SHA-256 of the release's original bytes.
    pub sha256: [u8; 32],
}

/// What a release says of a process, in numbers and ids. Its words are in the notice that the record refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The process, for ever. Empty where a process of our own gives none: then it is the region's prefix and the
    /// case's id.
    pub ocid: String,
    /// The original release id; empty where the publisher gives none.
    pub release_id: String,
    /// The release's own date.
    pub released_at: UnixMillis,
    /// Where the process stands according to the release.
    pub stage: Stage,
    /// The buyer, where it has an identifier.
    pub buyer: Option<OrgId>,
    /// CPV codes as numbers (an eight-digit code without its check digit).
    pub cpv: Vec<u32>,
    /// The value without tax; `None` when not disclosed.
    pub value: Option<Money>,
    /// When bids close.
    pub tender_ends: Option<UnixMillis>,
    /// Where the work is, where codes are given.
    pub places: Vec<Place>,
    /// The number of lots; 0 where the process has none.
    pub n_lots: u32,
    /// Whether the buyer calls it suitable for voluntary, community and social enterprises.
    pub suits_vcse: Option<bool>,
    /// Where it was imported from; `None` for a process of our own.
    pub source: Option<Source>,
}

/// One action in an opportunity's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpportunityAction {
    /// Opens the case with the first release seen.
    Publish(Publication),
    /// A later release of the same process.
    Update(Release),
}

impl OpportunityAction {
    /// The release in it, first or later.
    #[must_use]
    pub const fn release(&self) -> &Release {
        match self {
            Self::Publish(publication) => &publication.release,
            Self::Update(release) => release,
        }
    }
}

/// The opening record of an opportunity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The region to whose register it belongs.
    pub region: RegionId,
    /// The release.
    pub release: Release,
}
