//! What a subscriber sees.

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use coordinator::feed::Feed;
use formats::cursor::Cursor;
use proto::v1::{
    Heartbeat, Item, Reset, SubscribeRequest, SubscribeResponse,
    feed_service_server::FeedService as _, subscribe_response::Event,
};
use record::{
    CommunityId, UnixMillis,
    place::{GssCode, Place},
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Code, Request, Status};

use crate::{export::imported, world::World};

const LONG: Duration = Duration::from_secs(60);

/// A subscriber of a feed.
pub(crate) struct Reader {
    events: Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>,
}

pub(crate) fn from(cursor: &str) -> SubscribeRequest {
    SubscribeRequest { cursor: cursor.to_owned(), ..SubscribeRequest::default() }
}

impl Reader {
    async fn new(feed: &Feed, request: SubscribeRequest) -> Self {
        Self::of(feed.subscribe(Request::new(request)).await.unwrap().into_inner())
    }

    pub(crate) fn of(
        events: impl Stream<Item = Result<SubscribeResponse, Status>> + Send + 'static,
    ) -> Self {
        Self { events: Box::pin(events) }
    }

    async fn next(&mut self) -> Result<Event, Status> {
        let next = tokio::time::timeout(LONG, self.events.next()).await.expect("an event in time");
        next.expect("the stream goes on").map(|it| it.event.unwrap())
    }

    pub(crate) async fn item(&mut self) -> Item {
        loop {
            if let Event::Item(item) = self.next().await.unwrap() {
                return item;
            }
        }
    }

    async fn reset(&mut self) -> Reset {
        match self.next().await.unwrap() {
            Event::Reset(reset) => reset,
            other @ (Event::Item(_) | Event::Heartbeat(_)) => panic!("{other:?}"),
        }
    }

    /// The items up to the next heartbeat, and the heartbeat.
    pub(crate) async fn up_to_heartbeat(&mut self) -> (Vec<Item>, Heartbeat) {
        let mut items = Vec::new();
        loop {
            match self.next().await.unwrap() {
                Event::Item(item) => items.push(item),
                Event::Heartbeat(beat) => return (items, beat),
                Event::Reset(reset) => panic!("{reset:?}"),
            }
        }
    }
}

async fn all(feed: &Feed, request: SubscribeRequest) -> Vec<Item> {
    Reader::new(feed, request).await.up_to_heartbeat().await.0
}

fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|it| it.id.as_str()).collect()
}

#[tokio::test]
async fn what_was_and_what_comes_are_told_once_and_in_order() {
    let world = World::new().await;
    let before = world.author.open_pools(3).await;
    let mut reader = Reader::new(&world.feed, from("")).await;
    let (mut told, _) = reader.up_to_heartbeat().await;
    let after = world.author.open_pools(3).await;
    for _ in 0..3 {
        told.push(reader.item().await);
    }

    let cases: Vec<String> = told.iter().map(|it| it.case_id.clone()).collect();
    let expected: Vec<String> = before.iter().chain(&after).map(ToString::to_string).collect();
    assert_eq!(cases, expected);
    assert_eq!(told[3].titles["en"], "Pool 0");
    assert_eq!(told[3].titles["cy"], "Pool 0 (cy)");
    assert_eq!(
        ids(&all(&world.feed, from("")).await),
        ids(&told),
        "a new subscriber sees the same"
    );
}

#[tokio::test]
async fn resuming_from_any_items_cursor_loses_nothing() {
    let world = World::new().await;
    for title in ["One", "Two", "Three"] {
        world.author.open_full_pool(title).await;
    }
    let whole = all(&world.feed, from("")).await;
    assert_eq!(whole.len(), 9, "each commit opens, pledges and reaches the threshold");

    for (n_seen, item) in (1..).zip(&whole) {
        let (seen, rest) = whole.split_at(n_seen);
        let resumed = all(&world.feed, from(&item.cursor)).await;
        let missing: Vec<&str> =
            ids(rest).into_iter().filter(|id| !ids(&resumed).contains(id)).collect();
        assert_eq!(missing, Vec::<&str>::new(), "after item {n_seen}");
        let repeats = resumed.len() - rest.len();
        assert_eq!(repeats, seen.len() % 3, "only a commit that was cut is told again");
    }
}

#[tokio::test]
async fn the_cursors_of_live_items_are_those_of_stored_ones() {
    let world = World::new().await;
    let mut reader = Reader::new(&world.feed, from("")).await;
    reader.up_to_heartbeat().await;
    world.author.open_full_pool("One").await;
    world.author.open_full_pool("Two").await;
    let mut live = Vec::new();
    for _ in 0..6 {
        live.push(reader.item().await);
    }
    assert_eq!(live, all(&world.feed, from("")).await);
}

#[tokio::test]
async fn a_heartbeat_follows_the_catch_up_with_the_signed_checkpoint() {
    let world = World::new().await;
    world.author.open_pools(2).await;
    let mut reader = Reader::new(&world.feed, from("")).await;
    let (items, beat) = reader.up_to_heartbeat().await;
    assert_eq!(items.last().unwrap().cursor, beat.cursor);
    let note = tlog::Note::parse(&beat.checkpoint).unwrap();
    let size = world.author.peer.store().log(world.author.peer.own_log()).await.unwrap().unwrap();
    assert_eq!(note.text().lines().nth(1).unwrap(), size.frontier.size().to_string());

    let (again, second) =
        Reader::new(&world.feed, from(&beat.cursor)).await.up_to_heartbeat().await;
    assert!(again.is_empty(), "nothing came since");
    assert_eq!(second.cursor, beat.cursor);
}

#[tokio::test]
async fn silence_is_broken_by_heartbeats() {
    let world = World::new().await;
    let request = SubscribeRequest { heartbeat_seconds: 1, ..from("") };
    let mut reader = Reader::new(&world.feed, request).await;
    let (_, first) = reader.up_to_heartbeat().await;
    let (items, second) = reader.up_to_heartbeat().await;
    assert!(items.is_empty());
    assert!(first.at + 900 <= second.at, "{} {}", first.at, second.at);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_resolved_is_reset_to_the_beginning() {
    let world = World::new().await;
    world.author.open_pools(2).await;
    let whole = all(&world.feed, from("")).await;
    let newest: Cursor = whole[1].cursor.parse().unwrap();
    let elsewhere = Cursor { coordinator: CommunityId::from_bytes([9; 32]), ..newest };
    let beyond = Cursor { instant: UnixMillis(newest.instant.0 + 1), ..newest };
    for (cursor, why) in [(elsewhere, "another coordinator"), (beyond, "beyond what is held")] {
        let mut reader = Reader::new(&world.feed, from(&cursor.to_string())).await;
        let reset = reader.reset().await;
        assert!(reset.reason.contains(why), "{reset:?}");
        let (items, _) = reader.up_to_heartbeat().await;
        assert_eq!(items, whole);
        assert_eq!(all(&world.feed, from(&reset.cursor)).await, whole, "the new cursor resolves");
    }
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    for request in [
        from("fmc1x"),
        SubscribeRequest { kinds: vec!["pools".to_owned()], ..from("") },
        SubscribeRequest { places: vec!["Leeds".to_owned()], ..from("") },
        SubscribeRequest { heartbeat_seconds: 301, ..from("") },
    ] {
        let refused = world.feed.subscribe(Request::new(request.clone())).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{request:?}");
    }
}

#[tokio::test]
async fn a_filter_lets_through_what_is_asked_for_and_its_heartbeat_passes_the_rest() {
    let world = World::new().await;
    world.author.open_pools(2).await;
    let request = |kind: &str| SubscribeRequest { kinds: vec![kind.to_owned()], ..from("") };
    assert_eq!(all(&world.feed, request("pool")).await.len(), 2);
    let (items, beat) = Reader::new(&world.feed, request("poll")).await.up_to_heartbeat().await;
    assert!(items.is_empty());
    assert_eq!(beat.cursor, all(&world.feed, from("")).await[1].cursor);
}

#[tokio::test]
async fn an_item_is_found_by_its_place() {
    let world = World::new().await;
    world.author.open_pools(1).await;
    let mut accepted = imported("ocds-abc123-1");
    accepted.release.places =
        vec![Place { code: GssCode::parse("E07000223").unwrap(), vintage: 2025 }];
    world.author.publish(accepted.release, accepted.notice_json).await;
    let at = |code: &str| SubscribeRequest { places: vec![code.to_owned()], ..from("") };
    let found = all(&world.feed, at("E07000223")).await;
    assert_eq!((found.len(), found[0].kind.as_str()), (1, "opportunity"));
    assert_eq!(found[0].titles["en"], "Roof works");
    assert!(all(&world.feed, at("E07000224")).await.is_empty(), "pools have no place");
}

/// More commits than the ring and the subscriber's queue hold together.
#[tokio::test]
async fn a_reader_that_falls_behind_the_ring_misses_nothing() {
    let world = World::new().await;
    let mut reader = Reader::new(&world.feed, from("")).await;
    reader.up_to_heartbeat().await;
    let mut prompt = Reader::new(&world.feed, from("")).await;
    let mut pools = Vec::new();
    for _ in 0..320 {
        pools.extend(world.author.open_pools(1).await);
        // Once somebody has it, it has been in the ring, as a page of its own.
        prompt.item().await;
    }
    let mut told = Vec::new();
    while told.len() < pools.len() {
        told.push(reader.item().await.case_id);
    }
    let expected: Vec<String> = pools.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn pages_of_the_store_are_joined_without_a_seam() {
    let world = World::new().await;
    let mut drafts = Vec::new();
    for number in 0..300 {
        let first = drafts.len();
        drafts.extend(world.author.pool(&format!("Pool {number}"), 10, first));
    }
    world.author.append(drafts).await;
    let whole = all(&world.feed, from("")).await;
    let distinct: BTreeSet<&str> = ids(&whole).into_iter().collect();
    assert_eq!((whole.len(), distinct.len()), (300, 300));
    // The page ends inside the commit, so its last cursor leads back to the commit's beginning.
    assert_eq!(all(&world.feed, from(&whole[255].cursor)).await.len(), 300);
    assert_eq!(all(&world.feed, from(&whole[299].cursor)).await.len(), 0);
}

#[tokio::test]
async fn the_stop_ends_every_subscription_and_says_so() {
    let world = World::new().await;
    let mut reader = Reader::new(&world.feed, from("")).await;
    reader.up_to_heartbeat().await;
    world.stop.stop();
    assert_eq!(reader.next().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_subscriber_beyond_the_limit_is_refused_until_a_place_is_free() {
    let world = World::with_places(1).await;
    let mut only = Reader::new(&world.feed, from("")).await;
    only.up_to_heartbeat().await;
    let refused = world.feed.subscribe(Request::new(from(""))).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    drop(only);
    // The place is given back by the subscriber's own task, which ends when it is let.
    while world.feed.subscribe(Request::new(from(""))).await.is_err() {
        tokio::task::yield_now().await;
    }
}
