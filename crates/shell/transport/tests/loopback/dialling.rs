//! Whom a dialler believes, and what it says when it does not.

use std::{error::Error, time::Duration};

use tokio::net::TcpListener;
use transport::{DialError, DialLimits, Expect, KeyProblem, Limits, dial, dial_anonymous};

use crate::{
    impostors,
    support::{ask, key, start, start_on, tls, who},
};

#[tokio::test]
async fn the_right_key_passes_and_the_server_sees_who_calls() {
    let server = start(1).await;

    let expect = Expect::Key(key(1).public());
    let dialled = dial(&server.host_and_port(), &key(2), expect, DialLimits::default()).await;

    let dialled = dialled.expect("a channel");
    assert_eq!(dialled.server_key, key(1).public());
    let answer = ask(&dialled.channel, "/who").await.expect("an answer");
    assert_eq!(answer, format!("{} here", key(2).public()));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_both_keys_are_named() {
    let server = start(1).await;

    let expect = Expect::Key(key(9).public());
    let refusal = dial(&server.host_and_port(), &key(2), expect, DialLimits::default()).await;

    let refusal = refusal.expect_err("another key was expected");
    let DialError::WrongKey { expected, found, .. } = &refusal else { panic!("{refusal:?}") };
    assert_eq!((*expected, *found), (key(9).public(), key(1).public()));
    let sentence = refusal.to_string();
    assert!(sentence.contains("so nothing was sent"), "{sentence}");
    assert!(sentence.contains(&found.to_string()), "{sentence}");
}

#[tokio::test]
async fn any_key_is_accepted_where_any_is_allowed_and_it_is_told_which() {
    let server = start(1).await;

    let dialled =
        dial(&server.host_and_port(), &key(2), Expect::AnyEd25519, DialLimits::default()).await;

    assert_eq!(dialled.expect("a channel").server_key, key(1).public());
}

#[tokio::test]
async fn an_anonymous_caller_is_served_as_nobody() {
    let server = start(1).await;
    let expect = Expect::Key(key(1).public());

    let dialled = dial_anonymous(&server.host_and_port(), expect, DialLimits::default()).await;

    let channel = dialled.expect("a channel").channel;
    assert_eq!(ask(&channel, "/who").await.expect("an answer"), "nobody here");
}

#[tokio::test]
async fn a_channel_reconnects_to_the_key_that_it_first_saw() {
    let server = start(1).await;
    let addr = server.addr;
    let dialled =
        dial(&server.host_and_port(), &key(2), Expect::AnyEd25519, DialLimits::default()).await;
    let channel = dialled.expect("a channel").channel;
    ask(&channel, "/who").await.expect("the first connection works");
    server.stop().await;

    let listener = TcpListener::bind(addr).await.expect("the port is free again");
    let restarted = start_on(listener, tls(1), who(), Limits::default());

    let answer = after_reconnecting(&channel).await.expect("the same key is believed");
    assert_eq!(answer, format!("{} here", key(2).public()));
    restarted.stop().await;
}

#[tokio::test]
async fn a_channel_does_not_reconnect_to_another_key() {
    let server = start(1).await;
    let addr = server.addr;
    let dialled =
        dial(&server.host_and_port(), &key(2), Expect::AnyEd25519, DialLimits::default()).await;
    let channel = dialled.expect("a channel").channel;
    ask(&channel, "/who").await.expect("the first connection works");
    server.stop().await;

    let listener = TcpListener::bind(addr).await.expect("the port is free again");
    let _impostor = start_on(listener, tls(3), who(), Limits::default());

    let error = after_reconnecting(&channel).await.expect_err("another key is not believed");
    let refusal = cause::<DialError>(&error).expect("the reason is in the chain");
    assert!(matches!(refusal, DialError::WrongKey { found, .. } if *found == key(3).public()));
}

#[tokio::test]
async fn a_port_without_a_server_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let addr = listener.local_addr().expect("bound").to_string();
    drop(listener);

    let error = refusal_of(&addr, DialLimits::default()).await;

    assert!(matches!(error, DialError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("Could not reach {addr}.")), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    // The system completes the connection; nobody ever answers the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let addr = listener.local_addr().expect("bound").to_string();

    let brief = Duration::from_millis(50);
    let limits = DialLimits { connect_time_out: brief, ..DialLimits::default() };
    let error = refusal_of(&addr, limits).await;

    assert!(matches!(error, DialError::Timeout { after, .. } if after == brief), "{error:?}");
}

#[tokio::test]
async fn a_server_with_a_weak_key_or_a_p256_certificate_is_no_peer() {
    let weak = impostors::serve(impostors::with_a_weak_key(), &[b"h2"]).await;
    let p256 = impostors::serve(impostors::with_a_p256_certificate(), &[b"h2"]).await;

    for (addr, wanted) in [(weak, KeyProblem::Weak), (p256, KeyProblem::NotEd25519)] {
        let error = refusal_of(&addr.to_string(), DialLimits::default()).await;
        let DialError::NotEd25519 { problem, .. } = error else { panic!("{error:?}") };
        assert_eq!(problem, wanted);
    }
}

#[tokio::test]
async fn the_right_certificate_without_its_key_is_refused() {
    let addr = impostors::serve(impostors::with_a_borrowed_certificate(1, 2), &[b"h2"]).await;
    let owner = impostors::serve(impostors::with_a_borrowed_certificate(1, 1), &[b"h2"]).await;

    let expect = Expect::Key(key(1).public());
    let refusal = dial_anonymous(&addr.to_string(), expect, DialLimits::default()).await;
    let accepted = dial_anonymous(&owner.to_string(), expect, DialLimits::default()).await;

    assert!(matches!(refusal, Err(DialError::Tls { .. })), "{refusal:?}");
    assert!(accepted.is_ok(), "the same certificate with its key passes: {accepted:?}");
}

#[tokio::test]
async fn a_server_without_http2_is_refused() {
    let addr = impostors::serve(impostors::with_a_borrowed_certificate(1, 1), &[]).await;

    let error = refusal_of(&addr.to_string(), DialLimits::default()).await;

    assert!(matches!(error, DialError::NotHttp2 { .. }), "{error:?}");
}

async fn refusal_of(addr: &str, limits: DialLimits) -> DialError {
    dial_anonymous(addr, Expect::AnyEd25519, limits).await.expect_err("a refusal")
}

/// The first call may still meet the end of the old connection, so a second is made.
async fn after_reconnecting(
    channel: &tonic::transport::Channel,
) -> Result<String, tonic::transport::Error> {
    match ask(channel, "/who").await {
        Err(error) if cause::<DialError>(&error).is_none() => ask(channel, "/who").await,
        outcome => outcome,
    }
}

fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| cause(error.source()?))
}
