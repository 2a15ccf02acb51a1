//! What a browser, a feed reader and a script see.

use std::collections::BTreeSet;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use coordinator::pages::{Settings, pages};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::world::World;

/// The most bytes that a test reads of a page.
const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
pub(crate) const BASE: &str = "https://c.example";

pub(crate) fn site(world: &World) -> Router {
    let ocds_prefix = Some("ocds-213czf".to_owned());
    pages(world.feed.clone(), Settings { public_url: Some(BASE.to_owned()), ocds_prefix })
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Page {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) async fn get_with(site: &Router, path: &str, header: (&'static str, &str)) -> Page {
    let path = path.strip_prefix(BASE).unwrap_or(path);
    let request =
        Request::builder().uri(path).header(header.0, header.1).body(Body::empty()).unwrap();
    let (parts, body) = site.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = axum::body::to_bytes(body, MAX_PAGE_BYTES).await.unwrap();
    let body = String::from_utf8(bytes.to_vec()).unwrap();
    Page { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(site: &Router, path: &str) -> Page {
    get_with(site, path, ("accept", "*/*")).await
}

/// Writes a page into the folder that FOLKMOOT_KEEP_PAGES names, where independent checkers can be run on it.
pub(crate) fn keep_for_checkers(name: &str, page: &Value) {
    if let Some(folder) = std::env::var_os("FOLKMOOT_KEEP_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(name), page.to_string()).unwrap();
    }
}

fn items(feed: &Value) -> &Vec<Value> {
    feed["items"].as_array().unwrap()
}

#[tokio::test]
async fn the_json_feed_has_the_newest_first_and_what_the_format_asks_for() {
    let world = World::new().await;
    let pool = world.author.open_full_pool("LED panels").await;
    let page = get(&site(&world), "/feed.json").await;
    assert_eq!(page.headers["content-type"], "application/feed+json");
    let feed = page.json();
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert_eq!(feed["feed_url"], "https://c.example/feed.json");
    assert_eq!(feed.get("next_url"), None);
    let newest = &items(&feed)[0];
    assert_eq!(newest["title"], "LED panels: threshold met");
    assert_eq!(newest["_folkmoot"]["case"], pool.to_string());
    assert_eq!(newest["url"], format!("https://c.example/register/pools/{pool}"));
    let proof = newest["_folkmoot"]["proofs"][0].as_str().unwrap();
    assert!(proof.starts_with("https://c.example/log/fm1"), "{proof}");
    let required = ["id", "content_text", "date_published", "date_modified"];
    for item in items(&feed) {
        assert!(required.iter().all(|it| item[it].is_string()), "{item}");
    }
}

#[tokio::test]
async fn atom_has_the_same_items() {
    let world = World::new().await;
    world.author.open_full_pool("LED <panels>").await;
    let json = get(&site(&world), "/feed.json").await.json();
    let page = get(&site(&world), "/feed.atom").await;
    assert_eq!(page.headers["content-type"], "application/atom+xml");
    assert_eq!(page.body.matches("<entry ").count(), 3);
    for item in items(&json) {
        assert!(page.body.contains(item["id"].as_str().unwrap()), "{item}");
    }
    assert!(page.body.contains("LED &lt;panels&gt;"));
}

#[tokio::test]
async fn a_feed_of_101_items_has_two_pages_and_every_item_once() {
    let world = World::new().await;
    let mut drafts = Vec::new();
    for number in 0..100 {
        let first = drafts.len();
        drafts.extend(world.author.pool(&format!("Pool {number}"), 10, first));
    }
    world.author.append(drafts).await;
    let site = site(&world);
    let whole = get(&site, "/feed.json").await.json();
    assert_eq!(items(&whole).len(), 100);
    assert_eq!(whole.get("next_url"), None);

    world.author.open_pools(1).await;
    let first = get(&site, "/feed.json?kind=pool").await.json();
    keep_for_checkers("feed.json", &first);
    assert_eq!(items(&first).len(), 100);
    let second = get(&site, first["next_url"].as_str().unwrap()).await.json();
    assert_eq!(items(&second).len(), 1);
    assert_eq!(second.get("next_url"), None);
    assert_eq!(second["feed_url"], "https://c.example/feed.json?kind=pool");
    let both = items(&first).iter().chain(items(&second));
    let ids: BTreeSet<&str> = both.map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 101);
    // The cut goes through a commit: the older page's item does not claim to have passed it.
    let cursor = |item: &Value| item["_folkmoot"]["cursor"].clone();
    assert_eq!(cursor(&items(&second)[0]), cursor(&items(&whole)[1]));
    assert_ne!(cursor(&items(&second)[0]), cursor(&items(&whole)[0]));
}

#[tokio::test]
async fn a_reader_that_has_the_feed_gets_304_until_something_happens() {
    let world = World::new().await;
    world.author.open_pools(1).await;
    let site = site(&world);
    for path in ["/feed.json", "/feed.atom", "/register/pools", "/sums.json"] {
        let tag = get(&site, path).await.headers["etag"].to_str().unwrap().to_owned();
        let again = get_with(&site, path, ("if-none-match", &tag)).await;
        assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        world.author.open_pools(1).await;
        let changed = get_with(&site, path, ("if-none-match", &tag)).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_filter_is_kept_in_links_and_a_wrong_one_is_refused() {
    let world = World::new().await;
    world.author.open_pools(1).await;
    let site = site(&world);
    let polls = get(&site, "/feed.json?kind=poll&place=E07000223").await.json();
    assert!(items(&polls).is_empty());
    assert_eq!(polls["feed_url"], "https://c.example/feed.json?kind=poll&place=E07000223");
    for path in [
        "/feed.json?kind=polls",
        "/feed.atom?place=Leeds",
        "/feed.json?before=x",
        "/register/pools?limit=x",
    ] {
        let refused = get(&site, path).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(refused.headers["content-type"], "application/problem+json", "{path}");
    }
}

#[tokio::test]
async fn the_register_is_read_page_by_page() {
    let world = World::new().await;
    let pools = world.author.open_pools(3).await;
    let site = site(&world);
    let first = get(&site, "/register/pools?limit=2").await.json();
    assert_eq!(first["kind"], "pool");
    assert_eq!(first["cases"].as_array().unwrap().len(), 2);
    assert_eq!(first["cases"][0]["id"], pools[0].to_string());
    assert_eq!(first["cases"][0]["title"], "Pool 0");
    assert_eq!(first["cases"][0]["titles"]["cy"], "Pool 0 (cy)");
    let second = get(&site, first["next"].as_str().unwrap()).await.json();
    assert_eq!(second["cases"][0]["id"], pools[2].to_string());
    assert_eq!((second["cases"].as_array().unwrap().len(), &second["next"]), (1, &Value::Null));
    let exact = get(&site, "/register/pools?limit=3").await.json();
    assert_eq!(exact["next"], Value::Null);
    let empty = get(&site, "/register/covenants").await.json();
    assert_eq!((&empty["kind"], &empty["cases"]), (&"covenant".into(), &serde_json::json!([])));
}

#[tokio::test]
async fn one_case_is_found_in_the_register_of_its_kind_only() {
    let world = World::new().await;
    let pool = world.author.open_pools(1).await[0];
    let site = site(&world);
    let case = get(&site, &format!("/register/pools/{pool}")).await.json();
    assert_eq!((&case["state"], &case["title"]), (&"forming".into(), &"Pool 0".into()));
    for path in [
        format!("/register/polls/{pool}"),
        "/register/pools/fmr1".to_owned(),
        "/register/cases".to_owned(),
        format!("/register/polls?after={pool}"),
    ] {
        assert_eq!(get(&site, &path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_first_page_names_the_region_and_runs_nothing() {
    let world = World::new().await;
    let page = get(&site(&world), "/").await;
    assert!(page.body.contains("<h1>Estuary</h1>"), "{}", page.body);
    assert!(page.body.contains("Eastside: <a href=\"/log/fm1"), "{}", page.body);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
}

#[tokio::test]
async fn the_page_of_logs_tells_who_is_throttled_or_withheld_and_nobody_who_is_not() {
    use record::{
        UnixMillis,
        payload::{
            Payload, Status,
            status::{Reason, Standing},
        },
    };

    // The author speaks as the coordinator of a region of its own.
    let world = World::seated().await;
    let log = world.author.peer.own_log();
    let say = async |reason, until| {
        let status = Status { log, since: UnixMillis(5), reason, until };
        world.author.say(Payload::Status(status)).await;
        get(&site(&world), "/register/logs").await.json()
    };
    let page = say(Some(Reason::RecordsPerMinute), Some(UnixMillis(9))).await;
    let standing = &page["standings"][0];
    assert_eq!(standing["standing"], Standing::Throttled.token());
    assert_eq!((&standing["log"], &standing["until"]), (&log.to_string().into(), &9.into()));
    assert_eq!(standing["reason"], "quota.records_per_minute");
    assert!(standing["detail"].as_str().unwrap().contains("taken later"));
    let page = say(None, None).await;
    assert_eq!((&page["standings"], &page["more"]), (&serde_json::json!([]), &false.into()));
}
