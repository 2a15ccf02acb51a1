//! What one neighbour may take of its reader, on both sides of each bound, and what is asked for again.

use std::{sync::Arc, time::Duration};

use coordinator::neighbours::Bounds;
use formats::cursor::Cursor;
use peer::{CharterFile, DataFolder, Role};
use proto::v1::{Item, SubscribeRequest};
use record::{CommunityId, ItemId, UnixMillis};
use runtime::{clock::ManualClock, stop::StopSignal};
use serde_json::{Value, json};
use store::{NeighbourRow, PutOff, PutOffs, Reference, Taken};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    feed::from,
    neighbours::{Liar, Region, subscribed},
    pages::{get, site},
    world::{NETWORK, World, found, open_as, pledge},
};

/// Beyond this something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The status of the only neighbour, once it is so.
async fn status_once(here: &Region, is_so: impl Fn(&str) -> bool) {
    let site = site(&here.world);
    let shown = async {
        loop {
            let page = get(&site, "/register/regions").await.json();
            if is_so(page["regions"][0]["status"].as_str().unwrap_or_default()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, shown).await.unwrap();
}

/// Everything that is held of a neighbour.
async fn held(here: &Region, there: &Region) -> Vec<Item> {
    let regions = vec![there.id().to_string()];
    let request = SubscribeRequest { regions, ..from("") };
    subscribed(&here.world.feed, request).await.up_to_heartbeat().await.0
}

async fn put_offs(here: &Region, there: &Region) -> PutOffs {
    here.world.author.peer.store().put_offs(there.id()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_kept_up_to_the_bound_and_then_reading_stops_and_says_so() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    there.world.author.open_full_pool("One").await;
    there.serve_honestly().await;
    let stop = StopSignal::new();
    here.read_within(Bounds { max_items: 3, ..Bounds::default() }, &[&there], &stop);
    here.told_of(&there, 3).await;
    status_once(&here, |it| it.starts_with("It is read at")).await;
    there.world.author.open_pools(1).await;
    status_once(&here, |it| it.contains("As many items of it as may be are kept")).await;
    assert_eq!(held(&here, &there).await.len(), 3);
    stop.stop();
}

/// The state of the third record's item, where a case of four records is folded each time up to so many of them.
async fn third_state(max_folded_each: usize) -> String {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    let author = &there.world.author;
    let pool = author.append(author.pool("Panels", 10, 0)).await[1].id;
    for quantity in [4, 5, 12] {
        author.append(vec![pledge(Reference::Record(pool), quantity)]).await;
    }
    let third = there.own_items().await[2].id.clone();
    there.serve_honestly().await;
    let stop = StopSignal::new();
    here.read_within(Bounds { max_folded_each, ..Bounds::default() }, &[&there], &stop);
    let told = here.told_of(&there, 5).await;
    assert!(told.iter().all(|it| it.checked == "folded"), "{told:?}");
    let page = get(&site(&here.world), "/sums.json?region=all").await.json();
    let figures = page["figures"].as_array().unwrap();
    let pledged = figures.iter().find(|it| it["figure"] == "pledged").unwrap();
    assert_eq!(pledged["amount"], 12, "the case is folded with all its records");
    stop.stop();
    told.into_iter().find(|it| it.id == third).unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_folded_for_each_item_up_to_the_bound_and_once_for_all_beyond_it() {
    assert_eq!(third_state(3).await, "forming", "as it was then");
    assert_eq!(third_state(2).await, "threshold met", "as it is once all that came is folded");
}

/// The same community twice, whose clocks stand still: what the one writes has the ids of what the other writes.
async fn twins() -> (World, Region) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let parents = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (folder, id) = found(parents[0].path(), "There");
    let twin = DataFolder::at(&parents[1].path().join("There"));
    runtime::files::create_private_dir(twin.path()).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), twin.path().join(entry.file_name())).unwrap();
    }
    let text = format!(
        "network = \"{NETWORK}\"\nname = \"There\"\n[[coordinators]]\nid = \"{id}\"\naddress = \"{address}\"\n\
         [[founders]]\nid = \"{id}\"\n"
    );
    let path = parents[0].path().join("charter.toml");
    std::fs::write(&path, text).unwrap();
    let charter = CharterFile::read(&path).unwrap();
    let clock = || Arc::new(ManualClock::at(1_800_000_000_000));
    let one = open_as(Role::Node, &folder, charter.clone(), clock()).await;
    let other = open_as(Role::Node, &twin, charter, clock()).await;
    let [parent, twin_parent] = parents;
    (World::over(other, 100, twin_parent), Region::over(one, listener, parent))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_whose_proof_is_not_to_be_had_yet_is_asked_for_again() {
    let here = Region::named("Here").await;
    let (ahead, mut there) = twins().await;
    ahead.author.open_full_pool("One").await;
    let told = subscribed(&ahead.feed, from("")).await.up_to_heartbeat().await.0;
    let stop = there.world.stop.clone();
    there.serve(Liar(told.clone()), &stop).await;
    let waits = vec![Duration::from_millis(200); 100_000];
    let bounds = Bounds { waits, n_proof_tries: 1, ..Bounds::default() };
    here.read_within(bounds, &[&there], &stop);
    status_once(&here, |it| {
        it.ends_with("3 items could not be proved yet and are asked for again.")
    })
    .await;
    assert!(held(&here, &there).await.is_empty());

    // They are written after all.
    there.world.author.open_full_pool("One").await;
    let taken = here.told_of(&there, 3).await;
    let ids = |items: &[Item]| {
        items.iter().map(|it| it.id.clone()).collect::<std::collections::BTreeSet<String>>()
    };
    assert_eq!(ids(&taken), ids(&told));
    status_once(&here, |it| !it.contains("could not be proved")).await;
    assert_eq!(put_offs(&here, &there).await.n_items, 0);
    stop.stop();
}

/// Something that is put off and due, caused by a record that nobody has.
fn put_off(n: u8, by: CommunityId, n_tries: u32) -> PutOff {
    let record = record::RecordId::from_bytes([n; 32]);
    let id: ItemId = civic::item_id(record, "pool.opened", None, &[record]);
    let cause = json!({ "record": record, "community": by, "era": 0, "index": 900 });
    let claim = json!({
        "id": id, "transition": "pool.opened", "kind": "pool", "case": record, "provisional": false, "at": 1,
        "deadline": Value::Null, "causes": [cause],
    });
    PutOff { id, claim: claim.to_string(), n_tries, due_at: UnixMillis(0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_five_times_is_given_up_and_before_that_it_waits_longer() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    there.serve_honestly().await;
    let by = there.world.author.peer.community();
    let (last_but_one, last) = (put_off(1, by, 3), put_off(2, by, 4));
    let store = here.world.author.peer.store();
    let taken = Taken {
        region: there.id(),
        place: NeighbourRow { known: String::new(), coordinator: by, cursor: String::new() },
        records: Vec::new(),
        cases: Vec::new(),
        items: Vec::new(),
        asked_again: Vec::new(),
        put_off: vec![last_but_one.clone(), last],
    };
    store.keep_neighbours([there.id()].into()).await.unwrap();
    store.take_from_neighbour(taken).await.unwrap();
    let stop = StopSignal::new();
    here.read_within(Bounds { n_proof_tries: 1, ..Bounds::default() }, &[&there], &stop);
    status_once(&here, |it| it.ends_with("1 item could not be proved yet and is asked for again."))
        .await;
    let waiting = put_offs(&here, &there).await;
    assert_eq!(waiting.n_items, 1);
    let in_23_hours = UnixMillis(here.world.author.peer.clock().now_millis() + 23 * 3_600_000);
    assert!(in_23_hours < waiting.due_at.unwrap(), "the fifth comes a day later");
    let later = store.due_again(there.id(), waiting.due_at.unwrap(), 10).await.unwrap();
    assert_eq!((later[0].id, later[0].n_tries), (last_but_one.id, 4));
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_put_off_up_to_the_bound_and_refused_beyond_it() {
    for (max_put_off, expected) in [(3, 3), (2, 2)] {
        let here = Region::named("Here").await;
        let (ahead, mut there) = twins().await;
        ahead.author.open_full_pool("One").await;
        let told = subscribed(&ahead.feed, from("")).await.up_to_heartbeat().await.0;
        let stop = there.world.stop.clone();
        there.serve(Liar(told), &stop).await;
        let bounds = Bounds { max_put_off, n_proof_tries: 1, ..Bounds::default() };
        here.read_within(bounds, &[&there], &stop);
        let expected = format!("{expected} items could not be proved yet and are asked for again.");
        status_once(&here, |it| it.ends_with(&expected)).await;
        stop.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_whose_cursor_is_none_is_refused_and_its_text_is_kept_nowhere() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    there.world.author.open_full_pool("One").await;
    let mut told = there.own_items().await;
    let last = told[1].cursor.clone();
    told[0].cursor = "x".repeat(100_000);
    told[2].cursor = format!("{last}A");
    told.rotate_left(1);
    let stop = there.world.stop.clone();
    there.serve(Liar(told.clone()), &stop).await;
    here.read_within(Bounds::default(), &[&there], &stop);
    // The one with a cursor is of a case whose opening was refused, so it waits for that.
    status_once(&here, |it| it.contains("1 item could not be proved")).await;
    let row = here.world.author.peer.store().neighbour(there.id()).await.unwrap().unwrap();
    assert_eq!((row.cursor.parse::<Cursor>().is_ok(), row.cursor), (true, last));
    stop.stop();
}
