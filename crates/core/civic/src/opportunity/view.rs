//! An opportunity as the register shows it.

use record::{
    CommunityId, Money, RecordId, RegionId, UnixMillis,
    org::OrgId,
    payload::opportunity::{Release, Source, Stage},
    place::Place,
};

use super::Opportunity;

/// A contracting process's public content: its newest release.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpportunityView {
    /// The region.
    pub region: RegionId,
    /// Who published it here.
    pub publisher: CommunityId,
    /// The process, for ever; with `None` configured as prefix, empty for an unnumbered process of our own.
    pub ocid: String,
    /// Where the process stands.
    pub stage: Stage,
    /// The record that holds the newest release.
    pub record: RecordId,
    /// The newest release's original id.
    pub release_id: String,
    /// The newest release's date.
    pub released_at: UnixMillis,
    /// How many releases are here.
    pub n_releases: usize,
    /// The buyer, where it has an identifier.
    pub buyer: Option<OrgId>,
    /// CPV codes without their check digit.
    pub cpv: Vec<u32>,
    /// The value without tax; none when not disclosed.
    pub value: Option<Money>,
    /// When bids end.
    pub tender_ends: Option<UnixMillis>,
    /// Where the work is.
    pub places: Vec<Place>,
    /// How many lots.
    pub n_lots: u32,
    /// Whether the buyer calls it suitable for voluntary, community and social enterprises.
    pub suits_vcse: Option<bool>,
    /// Where the newest release was imported from; none for a process of our own.
    pub source: Option<SourceView>,
}

/// Where a release was imported from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SourceView {
    /// The URL or file name.
    pub url: String,
    /// The hash of the original bytes, in hexadecimal.
    #[serde(serialize_with = "crate::instant::hex")]
    pub sha256: [u8; 32],
}

pub(super) fn view(opportunity: &Opportunity<'_>) -> OpportunityView {
    let (record, release) = opportunity.current();
    let Release {
        ocid: _,
        release_id,
        released_at,
        stage: _,
        buyer,
        cpv,
        value,
        tender_ends,
        places,
        n_lots,
        suits_vcse,
        source,
    } = release;
    let source_view = |it: &Source| SourceView { url: it.url.clone(), sha256: it.sha256 };
    OpportunityView {
        region: opportunity.publication.region,
        publisher: opportunity.opening.community,
        ocid: opportunity.ocid(),
        stage: opportunity.stage(),
        record: record.id,
        release_id: release_id.clone(),
        released_at: *released_at,
        n_releases: opportunity.releases.len(),
        buyer: buyer.clone(),
        cpv: cpv.clone(),
        value: *value,
        tender_ends: *tender_ends,
        places: places.clone(),
        n_lots: *n_lots,
        suits_vcse: *suits_vcse,
        source: source.as_ref().map(source_view),
    }
}
