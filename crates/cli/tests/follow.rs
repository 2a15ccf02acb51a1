//! Following a coordinator over TLS: trust, order, resumption, repeats, refusals.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test file: a panic is the failure report"
)]

mod common;

use std::{
    fs,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex},
};

use clap::Parser as _;
use common::{Community, folkmoot, found};
use folkmoot_cli::{Cli, Command, Console};
use formats::cursor::Cursor;
use proto::v1::{
    Heartbeat, Item, Reset, SubscribeRequest, SubscribeResponse,
    feed_service_server::{FeedService, FeedServiceServer},
    log_service_server::LogServiceServer,
    subscribe_response::Event,
};
use record::{CommunityId, UnixMillis};
use runtime::{exit::Exit, stop::StopSignal};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};

#[tokio::test(flavor = "multi_thread")]
async fn a_first_use_is_said_and_the_next_run_goes_on_from_where_it_ended() {
    let served =
        serve(vec![vec![item(1), item(2), heartbeat(2)], vec![item(3), heartbeat(3)]]).await;
    let cursor = served.cursor_file();

    let first = served.follow(&["--json", "--once", "--cursor", &cursor]).await;

    assert_eq!(first.exit, Exit::Ok, "{first:?}");
    let ids: Vec<_> = first.answers.lines().map(id_of).collect();
    assert_eq!(ids, ["fmi1-1", "fmi1-2"]);
    let id = served.community.id().to_string();
    assert!(first.remarks.contains("on first use") && first.remarks.contains(&id), "{first:?}");

    let second = served.follow(&["--json", "--once", "--cursor", &cursor]).await;

    assert_eq!(second.answers.lines().map(id_of).collect::<Vec<_>>(), ["fmi1-3"]);
    assert_eq!(second.remarks, "", "a key that is remembered needs no words");
    assert_eq!(served.asked_cursors(), [String::new(), cursor_at(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_reads_a_line_for_each_event() {
    let served = serve(vec![vec![item(1), heartbeat(1)]]).await;
    let run = served.follow(&["--once"]).await;
    assert!(run.answers.contains("in force") && run.answers.contains("Baths number 1"), "{run:?}");
    assert!(run.answers.trim_end().ends_with("(provisional)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_coordinator_hears_what_is_wanted() {
    let served = serve(vec![vec![heartbeat(1)]]).await;
    let wanted = ["--once", "--kind", "covenant", "--kind", "poll", "--place", "E07000223"];
    assert_eq!(served.follow(&wanted).await.exit, Exit::Ok);
    let asked = served.feed.asked.lock().unwrap().remove(0);
    assert_eq!(
        (asked.kinds, asked.places),
        (vec!["covenant".into(), "poll".into()], vec!["E07000223".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_is_given_must_answer() {
    let served = serve(vec![vec![heartbeat(1)], vec![heartbeat(1)]]).await;
    let id = served.community.id().to_string();
    let key = served.community.peer.keys().transport.public().to_string();
    for right in [&id, &key] {
        let run = served.follow(&["--once", "--key", right]).await;
        assert_eq!((run.exit, run.remarks.as_str()), (Exit::Ok, ""), "{right}");
    }
    let other = CommunityId::from_bytes([3; 32]).to_string();
    for wrong in [other, transport::TransportKey::from_seed([3; 32]).public().to_string()] {
        let run = served.follow(&["--once", "--key", &wrong]).await;
        assert_eq!((run.exit, run.answers.as_str()), (Exit::Verification, ""), "{run:?}");
    }
    assert_eq!(served.asked_cursors().len(), 2, "nothing was asked of whom is not trusted");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_coordinator_behind_the_same_cursor_file_is_refused_loudly() {
    let right = serve(vec![vec![item(1), heartbeat(1)]]).await;
    let cursor = right.cursor_file();
    right.follow(&["--once", "--cursor", &cursor]).await;
    let kept = fs::read(&cursor).unwrap();

    let wrong = serve(vec![vec![item(2), heartbeat(2)]]).await;
    let run = wrong.follow(&["--once", "--cursor", &cursor]).await;

    assert_eq!((run.exit, run.answers.as_str()), (Exit::Verification, ""));
    assert!(run.remarks.contains("THIS IS NOT WHOM YOU TRUST"), "{run:?}");
    assert_eq!(fs::read(&cursor).unwrap(), kept, "the place is not lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_told_and_the_new_place_is_kept() {
    let reset = Reset { cursor: cursor_at(1), reason: "unknown log".into() };
    let reset = SubscribeResponse { event: Some(Event::Reset(reset)) };
    let served = serve(vec![vec![reset, item(2), heartbeat(2)]]).await;
    let run = served.follow(&["--once"]).await;
    assert!(run.remarks.contains("(unknown log)"), "{run:?}");
    assert_eq!(run.answers.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_and_taken_up_again_without_repeats() {
    // The first stream breaks off after two items; the second repeats one of them.
    let served = serve(vec![vec![item(1), item(2)], vec![item(2), item(3), heartbeat(3)]]).await;
    let (console, captured) = Console::captured();
    let arguments = ["folkmoot", "follow", &served.address, "--json"];
    let Command::Follow(options) = Cli::try_parse_from(arguments).unwrap().command else {
        panic!("another command");
    };
    let stop = StopSignal::new();
    let stop_when_done = async {
        served.feed.exhausted.notified().await;
        // The third subscription: everything before it has been taken.
        stop.stop();
    };
    let (exit, ()) =
        tokio::join!(folkmoot_cli::follow::follow(&options, &console, &stop), stop_when_done);
    assert_eq!(exit.unwrap(), Exit::Ok);
    let answers = captured.answers();
    assert_eq!(answers.lines().map(id_of).collect::<Vec<_>>(), ["fmi1-1", "fmi1-2", "fmi1-3"]);
    assert!(captured.remarks().contains("Trying again in 0.5 s"), "{}", captured.remarks());
    assert_eq!(served.asked_cursors()[1], cursor_at(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_not_there_and_a_wrong_address_are_told_apart() {
    let run = folkmoot(&["follow", "127.0.0.1:9", "--once"]).await;
    assert_eq!(run.exit, Exit::Unavailable);
    assert!(run.remarks.starts_with("Could not reach 127.0.0.1:9."), "{run:?}");
    assert_eq!(folkmoot(&["follow", "127.0.0.1", "--once"]).await.exit, Exit::Usage);
    assert_eq!(folkmoot(&["follow", "http://127.0.0.1:9"]).await.exit, Exit::Usage);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_feed_and_a_place_instead_of_a_file_are_told_with_what_to_do() {
    let (community, stop) = (found("Eastside").await, StopSignal::new());
    let key = &community.peer.keys().transport;
    let address = common::serve_tls(key, Some(&community), &stop).await;
    let run = folkmoot(&["follow", &address, "--once"]).await;
    assert_eq!((run.exit, run.answers.as_str()), (Exit::Failed, ""), "{run:?}");
    for part in ["another kind of server", "is kept", "Check the address"] {
        assert!(run.remarks.contains(part), "{part}: {run:?}");
    }
    let run = folkmoot(&["follow", &address, "--once", "--cursor", &cursor_at(1)]).await;
    assert_eq!(run.exit, Exit::Usage);
    assert!(run.remarks.contains("Name a file"), "{run:?}");
    stop.stop();
}

/// A coordinator with a scripted feed: each subscription gets the next list, then the stream ends.
struct Served {
    community: Community,
    feed: Feed,
    address: String,
    stop: StopSignal,
}

#[derive(Clone, Default)]
struct Feed {
    script: Arc<Mutex<Vec<Vec<SubscribeResponse>>>>,
    asked: Arc<Mutex<Vec<SubscribeRequest>>>,
    exhausted: Arc<tokio::sync::Notify>,
}

async fn serve(script: Vec<Vec<SubscribeResponse>>) -> Served {
    let community = found("Estuary coordinator").await;
    let feed = Feed { script: Arc::new(Mutex::new(script)), ..Feed::default() };
    let app = tonic::service::Routes::new(FeedServiceServer::new(feed.clone()))
        .add_service(LogServiceServer::new(community.peer.clone()))
        .prepare()
        .into_axum_router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let tls = transport::ServerTls::new(&community.peer.keys().transport, None).unwrap();
    let stop = StopSignal::new();
    let limits = transport::Limits::default();
    tokio::spawn(transport::serve(listener, tls, app, limits, stop.stopped()));
    Served { community, feed, address, stop }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Served {
    async fn follow(&self, options: &[&str]) -> common::Run {
        folkmoot(&[&["follow", &self.address], options].concat()).await
    }

    fn cursor_file(&self) -> String {
        let path: PathBuf = self.community.folder.path().join("cursor.json");
        path.display().to_string()
    }

    fn asked_cursors(&self) -> Vec<String> {
        self.feed.asked.lock().unwrap().iter().map(|it| it.cursor.clone()).collect()
    }
}

type Responses = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FeedService for Feed {
    type SubscribeStream = Responses;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Responses>, Status> {
        self.asked.lock().unwrap().push(request.into_inner());
        let mut script = self.script.lock().unwrap();
        if script.is_empty() {
            self.exhausted.notify_one();
            return Ok(Response::new(Box::pin(tokio_stream::pending())));
        }
        let answers = script.remove(0).into_iter().map(Ok);
        let answers = tokio_stream::iter(answers).chain(tokio_stream::empty());
        Ok(Response::new(Box::pin(answers)))
    }
}

fn cursor_at(log_size: u64) -> String {
    let coordinator = CommunityId::from_bytes([1; 32]);
    Cursor { coordinator, log_size, instant: UnixMillis(0) }.to_string()
}

fn item(number: u64) -> SubscribeResponse {
    let item = Item {
        id: format!("fmi1-{number}"),
        kind: "covenant".into(),
        state: "in force".into(),
        provisional: true,
        summary: format!("Baths number {number}"),
        cursor: cursor_at(number),
        ..Item::default()
    };
    SubscribeResponse { event: Some(Event::Item(item)) }
}

fn heartbeat(number: u64) -> SubscribeResponse {
    let heartbeat = Heartbeat { cursor: cursor_at(number), ..Heartbeat::default() };
    SubscribeResponse { event: Some(Event::Heartbeat(heartbeat)) }
}

fn id_of(line: &str) -> String {
    let item: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(item["kind"], json!("covenant"));
    item["id"].as_str().unwrap().to_owned()
}
