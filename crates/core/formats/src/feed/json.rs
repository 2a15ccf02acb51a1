//! JSON Feed 1.1: <https://www.jsonfeed.org/version/1.1/>.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{FeedEntry, FeedMeta, Origin, Told};
use crate::ocds::instant::render as render_date;

/// The media type of a JSON Feed.
pub const MEDIA_TYPE: &str = "application/feed+json";

/// One page of a feed, its items in the order given: newest first, by custom.
#[must_use]
pub fn render(meta: &FeedMeta, entries: &[FeedEntry]) -> Value {
    let items: Vec<Value> = entries.iter().map(|entry| item(meta, entry)).collect();
    let mut feed = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": meta.title,
        "home_page_url": meta.home_url,
        "feed_url": meta.feed_url,
        "language": meta.language.as_str(),
        "authors": [{ "name": meta.author }],
        "items": items,
        "_folkmoot": {
            "about": meta.about_url,
            "network": meta.network.as_str(),
            "updated": render_date(meta.updated),
        },
    });
    if let (Some(next), Some(members)) = (&meta.next_url, feed.as_object_mut()) {
        members.insert("next_url".to_owned(), next.as_str().into());
    }
    feed
}

fn item(meta: &FeedMeta, entry: &FeedEntry) -> Value {
    // A tag stands once in an item.
    let mut seen = BTreeSet::new();
    let tags: Vec<&String> = entry.tags.iter().filter(|tag| seen.insert(*tag)).collect();
    json!({
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        "summary": entry.summary,
        "content_text": entry.content(),
        "date_published": render_date(entry.published_at),
        "date_modified": render_date(entry.updated_at),
        "tags": tags,
        "language": entry.language.as_str(),
        "_folkmoot": origin(&meta.about_url, &entry.origin),
    })
}

fn origin(about_url: &str, origin: &Origin) -> Value {
    let Origin {
        cursor,
        case,
        kind,
        state,
        provisional,
        causes,
        deadline,
        community,
        places,
        proof_urls,
        level,
        region,
        told,
    } = origin;
    let mut members = Map::new();
    let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
    insert("about", about_url.into());
    insert("cursor", cursor.to_string().into());
    insert("case", json!(case));
    insert("kind", json!(kind));
    insert("state", json!(state));
    insert("provisional", json!(provisional));
    insert("causes", json!(causes));
    insert("places", json!(places));
    insert("proofs", json!(proof_urls));
    if let Some(deadline) = deadline {
        insert("deadline", render_date(*deadline).into());
    }
    if let Some(community) = community {
        insert("community", json!(community));
    }
    if let Some(level) = level {
        insert("level", json!(level));
    }
    insert("region", json!(region));
    if let Some(Told { by, checked }) = told {
        insert("told_by", json!(by));
        insert("checked", json!(checked));
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::samples::{HOSTILE, entry, meta};

    #[test]
    fn an_item_keeps_its_id_and_names_its_causes() {
        let feed = render(&meta(), &[entry(1, "In force.")]);
        let item = &feed["items"][0];
        assert_eq!(item["id"], json!(entry(1, "").id));
        assert_eq!(item["tags"], json!(["covenant", "In force."]));
        let origin = &item["_folkmoot"];
        assert_eq!(origin["causes"].as_array().unwrap().len(), 2);
        assert_eq!(origin["about"], feed["_folkmoot"]["about"]);
        assert_eq!(origin["places"], json!([{"code": "E07000223", "vintage": 2025}]));
        assert_eq!(origin.get("deadline"), None);
    }

    #[test]
    fn the_last_page_has_no_next() {
        let mut meta = meta();
        assert_eq!(render(&meta, &[])["next_url"], "https://c.example/feed.json?page=2&x=2");
        meta.next_url = None;
        assert_eq!(render(&meta, &[]).get("next_url"), None);
    }

    #[test]
    fn hostile_text_comes_back_as_it_was() {
        let feed = render(&meta(), &[entry(1, HOSTILE)]).to_string();
        let again: Value = serde_json::from_str(&feed).unwrap();
        assert_eq!(again["items"][0]["content_text"], HOSTILE);
    }

    #[test]
    fn an_entry_without_text_shows_its_summary() {
        let mut entry = entry(1, "x");
        entry.text = " ".to_owned();
        entry.summary = "s".to_owned();
        assert_eq!(render(&meta(), &[entry])["items"][0]["content_text"], "s");
    }
}
