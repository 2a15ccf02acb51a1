//! Feeds: the public events of a region as JSON Feed 1.1 and as Atom (RFC 4287).
//!
//! Both carry the same items with the same ids: `fmi1…` in JSON Feed, and in Atom the same text inside a `tag:` URI
//! (RFC 4151) of the network, because Atom wants an IRI. What only this network knows (cursor, case, causes, proofs) is
//! in the extension `_folkmoot`, and in Atom in elements of the namespace [`NAMESPACE`].
//!
//! Texts are plain text. Whoever shows them escapes them; here they are escaped for JSON and XML.

pub mod atom;
pub mod json;

use record::{
    CommunityId, ItemId, Network, RecordId, RegionId, UnixMillis, payload::words::Language,
    place::Place,
};

use crate::cursor::Cursor;

/// The XML namespace of the extension elements in Atom.
pub const NAMESPACE: &str = "urn:folkmoot:feed:1";

/// What a feed says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedMeta {
    /// The network whose items these are.
    pub network: Network,
    /// One line.
    pub title: String,
    /// The page that people read.
    pub home_url: String,
    /// Where this feed is served.
    pub feed_url: String,
    /// The next page, with older items; `None` on the last.
    pub next_url: Option<String>,
    /// The page that explains the extension.
    pub about_url: String,
    /// Who publishes the feed: an organisation.
    pub author: String,
    /// The newest change of any item, on any page.
    pub updated: UnixMillis,
    /// The language of the feed's own words.
    pub language: Language,
}

/// One public event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEntry {
    /// Equal at every coordinator and in every format.
    pub id: ItemId,
    /// One line.
    pub title: String,
    /// One or two sentences.
    pub summary: String,
    /// All of it as plain text; never empty in a feed, where the summary stands in for it.
    pub text: String,
    /// The page of the case.
    pub url: String,
    /// When it happened.
    pub published_at: UnixMillis,
    /// When what is shown of it last changed.
    pub updated_at: UnixMillis,
    /// Kind, state and what else readers filter by.
    pub tags: Vec<String>,
    /// The language of title, summary and text.
    pub language: Language,
    /// What readers of the network check it with.
    pub origin: Origin,
}

/// What caused an item and how anybody proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The place in the feed right after this item.
    pub cursor: Cursor,
    /// The case.
    pub case: RecordId,
    /// The kind of the case: `covenant`, `pool`.
    pub kind: String,
    /// The state of the case after this.
    pub state: String,
    /// Whether the state may still change by records on their way.
    pub provisional: bool,
    /// The records that caused it; empty if a deadline did.
    pub causes: Vec<RecordId>,
    /// The deadline that caused it, if one did.
    pub deadline: Option<UnixMillis>,
    /// The community that acted, if one did.
    pub community: Option<CommunityId>,
    /// Where it is.
    pub places: Vec<Place>,
    /// Where the causes are served with their inclusion proofs.
    pub proof_urls: Vec<String>,
    /// The level of a tally: self-declared, scrutineered, public (VOTES.md).
    pub level: Option<String>,
    /// The region whose case it is.
    pub region: RegionId,
    /// Who told it and how far it was checked, where the region is a neighbouring one.
    pub told: Option<Told>,
}

/// Who told an item of a neighbouring region, and how far it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The coordinator of that region.
    pub by: CommunityId,
    /// `folded` or `stated`.
    pub checked: String,
}

impl FeedEntry {
    /// The text, or the summary or title where it is empty.
    fn content(&self) -> &str {
        let texts = [&self.text, &self.summary, &self.title];
        texts.into_iter().find(|text| !text.trim().is_empty()).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod samples;
