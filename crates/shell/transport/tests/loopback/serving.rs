//! Limits, time-outs, the draining at a stop, and the two doors without TLS.

use std::{future::pending, sync::Arc, time::Duration};

use axum::{Extension, Router, http::Request, routing::get};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Notify,
    time::timeout,
};
use tower::ServiceExt as _;
use transport::{
    DialError, DialLimits, Dialled, Expect, Limits, RemoteAddr, ServeError, dial_anonymous,
    serve_plain, serve_unix,
};

use crate::support::{Running, Stranger, ask, ask_http1, closed, key, start_with, tls, who};

const BRIEF: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_last_connection_of_an_address_is_served_and_the_next_closed() {
    let limits = Limits { max_connections_per_address: 2, ..Limits::default() };
    let server = start_with(tls(1), who(), limits).await;

    let first = reach(&server).await.expect("the first is served");
    let second = reach(&server).await.expect("the second and last is served");
    let third = reach(&server).await;

    ask(&first.channel, "/who").await.expect("the first goes on");
    ask(&second.channel, "/who").await.expect("the second goes on");
    assert!(matches!(third, Err(DialError::Tls { .. })), "{third:?}");
}

#[tokio::test]
async fn the_last_connection_of_all_is_served_and_the_next_closed() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = start_with(tls(1), who(), limits).await;

    let first = reach(&server).await.expect("the first and last is served");
    let second = reach(&server).await;

    ask(&first.channel, "/who").await.expect("the first goes on");
    assert!(matches!(second, Err(DialError::Tls { .. })), "{second:?}");
}

#[tokio::test]
async fn a_client_that_never_begins_the_handshake_is_closed() {
    let limits = Limits { handshake_time_out: BRIEF, ..Limits::default() };
    let server = start_with(tls(1), who(), limits).await;

    let silent = TcpStream::connect(server.addr).await.expect("connected");

    closed(silent).await;
}

#[tokio::test]
async fn a_client_that_is_silent_after_the_handshake_is_closed_but_an_idle_peer_is_not() {
    let limits = Limits { header_time_out: BRIEF, ..Limits::default() };
    let from = |Extension(from): Extension<RemoteAddr>| async move { from.0.to_string() };
    let server = start_with(tls(1), Router::new().route("/from", get(from)), limits).await;
    let idle = reach(&server).await.expect("a peer");
    let before = ask(&idle.channel, "/from").await.expect("an answer");

    let silent_h2 = Stranger::peer().connect(server.addr).await.expect("a handshake");
    let silent_http1 = Stranger::browser().connect(server.addr).await.expect("a handshake");
    closed(silent_h2).await;
    closed(silent_http1).await;

    // The peer came first, so its time would have run out too, and it would come from a new port.
    let after = ask(&idle.channel, "/from").await.expect("an answer");
    assert_eq!(before, after, "it is still the same connection");
}

#[tokio::test]
async fn a_request_whose_head_never_ends_is_closed() {
    let limits = Limits { header_time_out: BRIEF, ..Limits::default() };
    let server = start_with(tls(1), who(), limits).await;
    let mut slow = Stranger::browser().connect(server.addr).await.expect("a handshake");

    slow.write_all(b"GET /who HTTP/1.1\r\nhost: localhost\r\n").await.expect("sent");

    closed(slow).await;
}

#[tokio::test]
async fn headers_are_taken_up_to_their_limit_and_refused_above_it() {
    let limits = Limits { max_header_list_bytes: 16 * 1024, ..Limits::default() };
    let server = start_with(tls(1), who(), limits).await;
    let peer = reach(&server).await.expect("a peer");

    for (n_bytes, status) in [(15 * 1024, 200), (17 * 1024, 431)] {
        let request = Request::get("/who").header("x-long", "x".repeat(n_bytes));
        let request = request.body(tonic::body::Body::empty()).expect("a request");
        let response = peer.channel.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), status, "HTTP/2, {n_bytes} bytes");

        let stream = Stranger::browser().connect(server.addr).await.expect("a handshake");
        let path = format!("/who?{}", "x".repeat(n_bytes));
        let answer = ask_http1(stream, &path).await;
        let is_served = answer.starts_with("HTTP/1.1 200 ");
        assert_eq!(is_served, status == 200, "HTTP/1, {n_bytes} bytes");
    }
}

#[tokio::test]
async fn a_stop_lets_a_request_under_way_finish_and_then_ends() {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let app = slow(&entered, &release);
    let Running { addr, stop, ended } = start_with(tls(1), app, Limits::default()).await;
    let dialled = dial_to(&addr.to_string()).await.expect("a channel");
    let request = tokio::spawn(async move { ask(&dialled.channel, "/slow").await });
    entered.notified().await;

    stop.send(()).expect("running");
    refuses_new_connections(addr).await;
    assert!(!ended.is_finished(), "it waits for the request");
    release.notify_one();

    let answer = request.await.expect("no panic").expect("an answer");
    assert_eq!(answer, "done");
    ended.await.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_the_grace() {
    let entered = Arc::new(Notify::new());
    let app = slow(&entered, &Arc::new(Notify::new()));
    let limits = Limits { grace: BRIEF, ..Limits::default() };
    let Running { addr, stop, ended } = start_with(tls(1), app, limits).await;
    let dialled = dial_to(&addr.to_string()).await.expect("a channel");
    let request = tokio::spawn(async move { ask(&dialled.channel, "/slow").await });
    entered.notified().await;

    stop.send(()).expect("running");

    ended.await.expect("no panic").expect("a clean end");
    assert!(request.await.expect("no panic").is_err(), "the request was cut");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_handshake() {
    let limits = Limits { handshake_time_out: LONG, grace: LONG, ..Limits::default() };
    let Running { addr, stop, ended } = start_with(tls(1), who(), limits).await;
    let silent = TcpStream::connect(addr).await.expect("connected");
    // Served after the silent one was accepted, because connections are accepted in order.
    dial_to(&addr.to_string()).await.expect("a channel");

    stop.send(()).expect("running");

    let both = async { tokio::join!(closed(silent), ended) };
    let (_, ended) = timeout(LONG / 2, both).await.expect("well before either time-out");
    ended.expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn the_plain_port_serves_this_machine() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let addr = listener.local_addr().expect("bound");
    let server = tokio::spawn(serve_plain(listener, who(), Limits::default(), pending()));

    let answer = ask_http1(TcpStream::connect(addr).await.expect("connected"), "/who").await;

    assert!(answer.ends_with("nobody here"), "{answer}");
    server.abort();
}

#[tokio::test]
async fn the_plain_port_refuses_an_address_that_others_can_reach() {
    let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");

    let refusal = serve_plain(listener, who(), Limits::default(), pending()).await;

    let refusal = refusal.expect_err("not a loopback address");
    assert!(matches!(refusal, ServeError::NotLoopback { .. }), "{refusal:?}");
    assert!(refusal.to_string().contains("Nothing was served"), "{refusal}");
}

#[tokio::test]
async fn a_unix_socket_serves_without_an_address_and_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clerk.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let server = tokio::spawn(serve_unix(listener, who(), Limits::default(), async move {
        stopped.notified().await;
    }));

    let answer = ask_http1(UnixStream::connect(&path).await.expect("connected"), "/who").await;
    stop.notify_one();

    assert!(answer.ends_with("nobody ?"), "{answer}");
    server.await.expect("no panic").expect("a clean end");
}

/// `GET /slow` says that it was entered, waits for its release, and answers "done".
fn slow(entered: &Arc<Notify>, release: &Arc<Notify>) -> Router {
    let (entered, release) = (Arc::clone(entered), Arc::clone(release));
    let answer = move || async move {
        entered.notify_one();
        release.notified().await;
        "done"
    };
    Router::new().route("/slow", get(answer))
}

/// Completes once the listener is gone; a connection made before that is closed by the server.
async fn refuses_new_connections(addr: std::net::SocketAddr) {
    while let Ok(late) = TcpStream::connect(addr).await {
        closed(late).await;
    }
}

async fn reach(server: &Running) -> Result<Dialled, DialError> {
    dial_to(&server.host_and_port()).await
}

async fn dial_to(addr: &str) -> Result<Dialled, DialError> {
    dial_anonymous(addr, Expect::Key(key(1).public()), DialLimits::default()).await
}
