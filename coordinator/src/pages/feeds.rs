//! `/feed.json` and `/feed.atom`: the newest items first, page by page.

use axum::{extract::State, http::HeaderMap, response::Response};
use formats::feed::{FeedEntry, FeedMeta, atom as atom_format, json as json_format};
use peer::pages::Problem;
use record::payload::words::Language;
use store::{Regions, StoreError};

use super::{Asked, Site, answer::answer, bad_request, unavailable};
use crate::{
    feed::Feed,
    item::{Item, read_items},
    metrics,
    service::Filter,
    words::Words,
};

/// Items on a page.
const PAGE_ITEMS: usize = 100;
/// Rows read at one time.
const CHUNK_ROWS: u32 = 200;
/// Chunks that a page looks through for items that its filter wants: 20 × 200 rows, at about 1 KiB each 4 MiB.
const MAX_CHUNKS: u32 = 20;

/// The feed as JSON Feed 1.1.
pub(super) async fn json(
    State(site): State<Site>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("feed.json");
    let (meta, entries) = document(&site, &asked, "/feed.json").await?;
    let body = json_format::render(&meta, &entries).to_string();
    let (updated, now) = (Some(meta.updated), site.feed.now());
    Ok(answer(&headers, json_format::MEDIA_TYPE, body, updated, now))
}

/// The feed as Atom.
pub(super) async fn atom(
    State(site): State<Site>,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("feed.atom");
    let (meta, entries) = document(&site, &asked, "/feed.atom").await?;
    let body = atom_format::render(&meta, &entries);
    let (updated, now) = (Some(meta.updated), site.feed.now());
    Ok(answer(&headers, atom_format::MEDIA_TYPE, body, updated, now))
}

async fn document(
    site: &Site,
    asked: &Asked,
    path: &str,
) -> Result<(FeedMeta, Vec<FeedEntry>), Problem> {
    let (kinds, places) = (asked.all("kind"), asked.all("place"));
    let (regions, feed) = (asked.all("region"), &site.feed);
    let filter =
        Filter::parse(&kinds, &places).and_then(|it| it.among(&regions, feed.here().region));
    let filter = filter.map_err(|status| bad_request(status.message()))?;
    let before: i64 = asked.one("before")?.unwrap_or(i64::MAX);
    let shown = newest(feed, before, &filter).await?;
    let mut entries = Vec::with_capacity(shown.items.len());
    for item in &shown.items {
        // A neighbour's words may be erased at home, and are read there.
        let words = match item.region() {
            None => feed.words().of_case(item.case).await?,
            Some(_) => Words::default(),
        };
        entries.push(item.entry(feed.here(), &words, &asked.base));
    }
    let query: Vec<String> = kinds
        .iter()
        .map(|kind| format!("kind={kind}"))
        .chain(places.iter().map(|place| format!("place={place}")))
        .chain(regions.iter().map(|region| format!("region={region}")))
        .collect();
    let link = |more: Option<i64>| {
        let before = more.map(|seq| format!("before={seq}"));
        let query: Vec<String> = query.iter().cloned().chain(before).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{}", asked.base, query.join("&"))
    };
    let charter = feed.peer().charter();
    let meta = FeedMeta {
        network: charter.network().clone(),
        title: charter.charter.name().as_str().to_owned(),
        home_url: format!("{}/", asked.base),
        feed_url: link(None),
        next_url: shown.older.map(|seq| link(Some(seq))),
        about_url: format!("{}/#feed", asked.base),
        author: feed.name_of(feed.coordinator()).await.map_err(|error| unavailable(&error))?,
        updated: feed.newest().await?.position.instant,
        language: Language::english(),
    };
    Ok((meta, entries))
}

/// Items of a page, newest first.
struct Shown {
    items: Vec<Item>,
    /// Where the page of older items begins, if there may be any.
    older: Option<i64>,
}

/// The newest wanted items whose numbers are below `before`.
async fn newest(feed: &Feed, before: i64, filter: &Filter) -> Result<Shown, StoreError> {
    let (mut items, mut before) = (Vec::new(), before);
    for _ in 0..MAX_CHUNKS {
        let chunk = chunk(feed, before, filter.regions()).await?;
        if chunk.is_empty() {
            return Ok(Shown { items, older: None });
        }
        for item in chunk.into_iter().rev() {
            before = item.seq;
            if filter.wants(&item) {
                items.push(item);
            }
            if items.len() == PAGE_ITEMS {
                return Ok(Shown { items, older: is_not_first(before) });
            }
        }
    }
    Ok(Shown { items, older: is_not_first(before) })
}

/// Numbers begin at 1.
fn is_not_first(seq: i64) -> Option<i64> {
    (1 < seq).then_some(seq)
}

/// Items right below a number, in ascending order.
async fn chunk(feed: &Feed, before: i64, regions: &Regions) -> Result<Vec<Item>, StoreError> {
    // With the row that follows, which may be of the same commit.
    let store = feed.peer().store();
    let mut rows = store.items_of_before(regions, before.saturating_add(1), CHUNK_ROWS).await?;
    let is_following = rows.first().is_some_and(|row| row.seq == before);
    let following = is_following.then(|| rows.remove(0));
    rows.reverse();
    read_items(&rows, following.as_ref())
}
