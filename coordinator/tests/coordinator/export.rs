//! What a reader of OCDS sees.

use axum::{body::Body, http::Request};
use coordinator::pages::{Settings, pages};
use formats::ocds::import;
use record::payload::opportunity::{Release, Stage};
use serde_json::{Value, json};
use store::StoreError;
use tower::ServiceExt as _;

use crate::{
    pages::{get, keep_for_checkers, site},
    world::World,
};

/// A package of one release with these words in it.
pub(crate) fn imported(ocid: &str) -> import::AcceptedRelease {
    let package = json!({
        "uri": "https://a.example/p", "version": "1.1", "publishedDate": "2026-01-01T00:00:00Z",
        "publisher": {"name": "A"},
        "releases": [{
            "ocid": ocid, "id": "theirs-1", "date": "2026-01-01T00:00:00Z", "tag": ["tender"],
            "initiationType": "tender",
            "parties": [{
                "id": "GB-LAE-E1", "name": "Council", "roles": ["buyer"],
                "contactPoint": {"name": "A Person", "email": "person@a.example"},
            }],
            "buyer": {"id": "GB-LAE-E1", "name": "Council"},
            "tender": {
                "id": "t1", "title": "Roof works", "status": "active",
                "value": {"amount": 1000, "currency": "GBP"},
            },
        }],
    });
    let report = import::read("https://a.example/p.json", package.to_string().as_bytes()).unwrap();
    report.accepted.into_iter().next().expect("one release")
}

fn releases(package: &Value) -> &Vec<Value> {
    package["releases"].as_array().unwrap()
}

#[tokio::test]
async fn a_package_holds_what_was_imported_and_the_pools_of_the_region() {
    let world = World::new().await;
    let accepted = imported("ocds-abc123-1");
    let record = world.author.publish(accepted.release, accepted.notice_json).await;
    let pool = world.author.open_full_pool("LED panels").await;
    let page = get(&site(&world), "/ocds/releases").await;
    assert!(!page.body.contains("person@a.example"), "contact details stay out");
    let package = page.json();
    keep_for_checkers("ocds.json", &package);
    assert_eq!(package["version"], "1.1");
    assert_eq!(package.get("links"), None);
    let [theirs, ours] = releases(&package).as_slice() else { panic!("{package}") };
    assert_eq!((&theirs["ocid"], &theirs["id"]), (&"ocds-abc123-1".into(), &json!(record)));
    assert_eq!(theirs["folkmoot"]["originalId"], "theirs-1");
    assert_eq!(theirs["folkmoot"]["sourceUrl"], "https://a.example/p.json");
    assert_eq!(ours["ocid"], format!("ocds-213czf-{pool}"));
    assert_eq!(ours["buyer"]["name"], "Eastside");
    assert_eq!(ours["tender"]["value"]["amount"], 222.0, "12 panels at 18.50");
    assert_eq!(ours["tender"]["title"], "LED panels");
}

#[tokio::test]
async fn pools_are_left_out_without_a_prefix() {
    let world = World::new().await;
    world.author.open_full_pool("LED panels").await;
    let without = pages(world.feed.clone(), Settings::default());
    assert!(releases(&get(&without, "/ocds/releases").await.json()).is_empty());
    assert_eq!(releases(&get(&site(&world), "/ocds/releases").await.json()).len(), 1);
}

/// What a community writes itself, with this ocid.
fn own(ocid: &str) -> Release {
    Release { ocid: ocid.to_owned(), source: None, ..imported("ocds-abc123-1").release }
}

/// The words of it.
fn own_notice(ocid: &str) -> Vec<u8> {
    let email = "person@a.example";
    let tender = json!({"title": "Roof works", "contactPoint": {"email": email}});
    json!({"ocid": ocid, "tender": tender}).to_string().into_bytes()
}

#[tokio::test]
async fn what_a_community_writes_itself_is_exported_under_the_regions_prefix() {
    let world = World::with_prefix("ocds-a1b2c3").await;
    let author = &world.author;
    // The notice of a record need not repeat the ocid.
    let first = author.publish(own("ocds-a1b2c3-roof"), own_notice("")).await;
    let named = author.publish(own("ocds-a1b2c3-baths"), own_notice("ocds-a1b2c3-baths")).await;
    let cancelled = Release { stage: Stage::Cancelled, ..own("ocds-a1b2c3-baths") };
    let updated = author.update(named, cancelled).await;
    let pool = author.open_full_pool("LED panels").await;
    let page = get(&site(&world), "/ocds/releases").await;
    assert!(!page.body.contains("person@a.example"), "contact details stay out");
    let package = page.json();
    keep_for_checkers("ocds-own.json", &package);
    let found: Vec<_> = releases(&package).iter().map(|it| (&it["ocid"], &it["id"])).collect();
    let ocid = |rest: &str| json!(format!("ocds-a1b2c3-{rest}"));
    let pools = &releases(&package)[3]["id"];
    assert_eq!(
        found,
        [
            (&ocid("roof"), &json!(first)),
            (&ocid("baths"), &json!(named)),
            (&ocid("baths"), &json!(updated)),
            (&ocid(&pool.to_string()), pools),
        ],
        "the charter's prefix is that of pools, too, whatever the operator's"
    );
    let [first, _, last, _] = releases(&package).as_slice() else { panic!("{package}") };
    assert_eq!(
        (&first["buyer"]["name"], &first["tender"]["title"]),
        (&"Eastside".into(), &"Roof works".into())
    );
    assert_eq!((&first["tag"], &first["folkmoot"]), (&json!(["tender"]), &Value::Null));
    assert_eq!(
        (&last["tag"], &last["tender"]["title"]),
        (&json!(["tenderCancellation"]), &"Roof works".into())
    );
}

#[tokio::test]
async fn what_a_community_writes_without_an_ocid_has_the_regions_prefix_and_the_id_of_the_case() {
    let world = World::with_prefix("ocds-a1b2c3").await;
    let case = world.author.publish(own(""), own_notice("")).await;
    let derived = format!("ocds-a1b2c3-{case}");
    let again = world.author.update(case, Release { stage: Stage::Awarded, ..own("") }).await;
    let named = Release { stage: Stage::Contracted, ..own(&derived) };
    let named = world.author.update(case, named).await;
    let site = site(&world);
    let package = get(&site, "/ocds/releases").await.json();
    let found: Vec<_> = releases(&package).iter().map(|it| (&it["ocid"], &it["id"])).collect();
    let expected = [case, again, named].map(|id| (json!(derived), json!(id)));
    assert_eq!(found, expected.each_ref().map(|(ocid, id)| (ocid, id)));
    let shown = get(&site, &format!("/register/opportunities/{case}")).await.json();
    assert!(shown.to_string().contains(&derived), "{shown}");
}

#[tokio::test]
async fn an_own_record_with_a_foreign_ocid_is_refused_where_the_charter_has_a_prefix() {
    let world = World::with_prefix("ocds-a1b2c3").await;
    for foreign in ["ocds-abc123-1", "ocds-a1b2c34-1", "ocds-a1b2c3"] {
        let refused = world.author.try_publish(own(foreign), own_notice(foreign)).await;
        let Err(StoreError::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(reason, "opportunity.ocid_not_ours", "{foreign}");
    }
    let theirs = imported("ocds-abc123-1");
    world.author.publish(theirs.release, theirs.notice_json).await;
    assert_eq!(releases(&get(&site(&world), "/ocds/releases").await.json()).len(), 1);
}

#[tokio::test]
async fn without_a_prefix_in_the_charter_no_ocid_is_refused_and_nothing_own_is_exported() {
    let world = World::new().await;
    for ocid in ["ocds-abc123-1", "ocds-213czf-1", ""] {
        world.author.publish(own(ocid), own_notice(ocid)).await;
    }
    assert!(releases(&get(&site(&world), "/ocds/releases").await.json()).is_empty());
}

#[tokio::test]
async fn an_own_record_whose_notice_speaks_of_another_process_is_not_exported() {
    let world = World::with_prefix("ocds-a1b2c3").await;
    world.author.publish(own("ocds-a1b2c3-1"), own_notice("ocds-a1b2c3-2")).await;
    assert!(releases(&get(&site(&world), "/ocds/releases").await.json()).is_empty());
}

#[tokio::test]
async fn a_notice_that_speaks_of_another_process_is_not_published() {
    let world = World::new().await;
    let (record, words) = (imported("ocds-abc123-1"), imported("ocds-abc123-2"));
    world.author.publish(record.release, words.notice_json).await;
    assert!(releases(&get(&site(&world), "/ocds/releases").await.json()).is_empty());
}

#[tokio::test]
async fn a_package_ends_at_1000_releases_and_links_to_the_rest() {
    let world = World::new().await;
    for _ in 0..2 {
        let mut drafts = Vec::new();
        for number in 0..500 {
            let first = drafts.len();
            drafts.extend(world.author.pool(&format!("Pool {number}"), 10, first));
        }
        world.author.append(drafts).await;
    }
    let site = site(&world);
    let exact = get(&site, "/ocds/releases").await.json();
    assert_eq!((releases(&exact).len(), exact.get("links")), (1_000, None));

    world.author.open_pools(1).await;
    let first = get(&site, "/ocds/releases").await.json();
    assert_eq!(releases(&first).len(), 1_000);
    let rest = get(&site, first["links"]["next"].as_str().unwrap()).await.json();
    assert_eq!((releases(&rest).len(), rest.get("links")), (1, None));
    assert_eq!(get(&site, "/ocds/releases?page=x").await.status, 400);
}

#[tokio::test]
async fn the_17th_package_at_one_time_is_refused_and_whoever_ends_makes_room() {
    let world = World::new().await;
    world.author.open_pools(10).await;
    let site = site(&world);
    let ask = || {
        let request = Request::builder().uri("/ocds/releases").body(Body::empty()).unwrap();
        site.clone().oneshot(request)
    };
    let mut unread = Vec::new();
    for _ in 0..16 {
        unread.push(ask().await.unwrap());
    }
    assert_eq!(ask().await.unwrap().status(), 503);
    let body = unread.remove(0).into_body();
    assert!(axum::body::to_bytes(body, usize::MAX).await.is_ok());
    assert_eq!(ask().await.unwrap().status(), 200);
}
