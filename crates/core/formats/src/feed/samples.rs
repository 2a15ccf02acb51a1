//! A feed and an entry to test with.

use record::{
    CommunityId, ItemId, RecordId, RegionId, UnixMillis, payload::words::Language, place::GssCode,
    place::Place,
};

use super::{FeedEntry, FeedMeta, Origin};
use crate::cursor::Cursor;

/// Text that breaks out of careless JSON, XML and HTML.
pub(super) const HOSTILE: &str =
    "</title><script>alert(1)</script> ]]> &amp; \"'\u{0}\u{1b}\u{fffe}\\ \u{202e} <!-- <?xml ?> é";

pub(super) fn meta() -> FeedMeta {
    FeedMeta {
        network: "demo.folkmoot.example".parse().unwrap(),
        title: "Calder".to_owned(),
        home_url: "https://c.example/".to_owned(),
        feed_url: "https://c.example/feed.json?page=1&x=2".to_owned(),
        next_url: Some("https://c.example/feed.json?page=2&x=2".to_owned()),
        about_url: "https://c.example/about/feed".to_owned(),
        author: "Calder coordinator".to_owned(),
        updated: UnixMillis(1_800_000_000_000),
        language: Language::english(),
    }
}

pub(super) fn entry(n: u8, text: &str) -> FeedEntry {
    let coordinator = CommunityId::from_bytes([9; 32]);
    FeedEntry {
        id: ItemId::from_bytes([n; 32]),
        title: text.to_owned(),
        summary: text.to_owned(),
        text: text.to_owned(),
        url: "https://c.example/case/1?a=1&b=2".to_owned(),
        published_at: UnixMillis(1_799_999_000_000),
        updated_at: UnixMillis(1_799_999_500_000),
        tags: vec!["covenant".to_owned(), "covenant".to_owned(), text.to_owned()],
        language: Language::parse("cy").unwrap(),
        origin: Origin {
            cursor: Cursor { coordinator, log_size: 7, instant: UnixMillis(1_799_999_000_000) },
            case: RecordId::from_bytes([1; 32]),
            kind: "covenant".to_owned(),
            state: "in_force".to_owned(),
            provisional: false,
            causes: vec![RecordId::from_bytes([2; 32]), RecordId::from_bytes([3; 32])],
            deadline: None,
            community: Some(CommunityId::from_bytes([4; 32])),
            places: vec![Place { code: GssCode::parse("E07000223").unwrap(), vintage: 2025 }],
            proof_urls: vec!["https://c.example/proof/1?a=1&b=2".to_owned()],
            level: None,
            region: RegionId::from_bytes([5; 32]),
            told: None,
        },
    }
}
