//! What a server shows to whom, and whom it lets in.

use rustls::HandshakeKind;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use transport::{Limits, ServerTls, WebCertificate};
use x509_parser::{
    oid_registry::{OID_EC_P256, OID_SIG_ED25519},
    parse_x509_certificate,
};

use crate::{
    impostors,
    support::{Stranger, ask_http1, closed, key, shown, start, start_with, who},
};

#[tokio::test]
async fn a_browser_sees_the_p256_certificate_and_a_peer_the_pinned_one() {
    let server = start(1).await;

    let browser = Stranger::browser().connect(server.addr).await.expect("a browser may connect");
    let peer = Stranger::peer().connect(server.addr).await.expect("a peer may connect");

    let web = shown(&browser);
    let (_, web) = parse_x509_certificate(&web).expect("X.509");
    let curve = web.subject_pki.algorithm.parameters.as_ref().expect("a curve");
    assert_eq!(curve.as_oid().expect("named"), OID_EC_P256);
    let pinned = shown(&peer);
    let (_, pinned) = parse_x509_certificate(&pinned).expect("X.509");
    assert_eq!(pinned.subject_pki.algorithm.algorithm, OID_SIG_ED25519);
    assert_eq!(pinned.subject_pki.subject_public_key.data.as_ref(), key(1).public().0);
}

#[tokio::test]
async fn a_client_that_verifies_both_kinds_sees_the_web_certificate() {
    let server = start(1).await;
    let mut both = Stranger::browser();
    both.verifies.extend(Stranger::peer().verifies);

    let stream = both.connect(server.addr).await.expect("connected");

    let der = shown(&stream);
    let (_, certificate) = parse_x509_certificate(&der).expect("X.509");
    assert_ne!(certificate.subject_pki.algorithm.algorithm, OID_SIG_ED25519);
}

#[tokio::test]
async fn a_renewed_web_certificate_is_shown_from_the_next_handshake_on() {
    let tls = ServerTls::new(&key(1), None).expect("certificates");
    let server = start_with(tls.clone(), who(), Limits::default()).await;
    let before = shown(&Stranger::browser().connect(server.addr).await.expect("connected"));

    tls.replace_web(WebCertificate::self_signed(["localhost"]).expect("a certificate"));

    let after = shown(&Stranger::browser().connect(server.addr).await.expect("connected"));
    assert_ne!(before, after);
}

#[tokio::test]
async fn http1_is_answered_on_the_same_port() {
    let server = start(1).await;
    let stream = Stranger::browser().connect(server.addr).await.expect("connected");

    let answer = ask_http1(stream, "/who").await;

    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("nobody here"), "{answer}");
}

#[tokio::test]
async fn tls_1_2_is_refused_with_an_alert() {
    let server = start(1).await;
    let mut tcp = TcpStream::connect(server.addr).await.expect("connected");

    tcp.write_all(&tls12_hello()).await.expect("sent");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.expect("an answer and the end");

    // Record type 21 (alert), any version, two bytes: level 2 (fatal), 70 (protocol_version).
    let [kind, _, _, 0, 2, level, description] = answer[..] else { panic!("{answer:?}") };
    assert_eq!((kind, level, description), (21, 2, 70));
}

#[tokio::test]
async fn a_client_with_a_weak_key_is_refused() {
    let server = start(1).await;
    let weak = Stranger { shows: Some(impostors::with_a_weak_key()), ..Stranger::peer() };

    refused(weak, &server.addr).await;
}

#[tokio::test]
async fn a_client_with_somebody_elses_certificate_is_refused() {
    let server = start(1).await;
    let borrowed = impostors::with_a_borrowed_certificate(2, 3);
    let thief = Stranger { shows: Some(borrowed), ..Stranger::peer() };
    let owner = Stranger {
        shows: Some(impostors::with_a_borrowed_certificate(2, 2)),
        speaks: b"http/1.1",
        ..Stranger::peer()
    };

    refused(thief, &server.addr).await;
    let stream = owner.connect(server.addr).await.expect("connected");
    let answer = ask_http1(stream, "/who").await;
    assert!(answer.contains(&key(2).public().to_string()), "the same with its key is known");
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let server = start(1).await;
    // A rustls configuration remembers sessions unless it is told not to.
    let remembering = Arc::new(Stranger::browser().config());
    for _ in 0..2 {
        let tcp = TcpStream::connect(server.addr).await.expect("connected");
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&remembering));
        let name = "localhost".try_into().expect("a name");
        let mut stream = connector.connect(name, tcp).await.expect("a handshake");
        ask_http1(&mut stream, "/who").await;
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
    }
}

/// In TLS 1.3 the client is done before the server has judged its certificate, so a refusal shows
/// as an error of the first read.
async fn refused(stranger: Stranger, addr: &std::net::SocketAddr) {
    let mut stream = stranger.connect(*addr).await.expect("the client's half of the handshake");
    let mut byte = [0; 1];
    let error = stream.read(&mut byte).await.expect_err("an alert");
    assert!(error.to_string().contains("received fatal alert"), "{error}");
    closed(stream).await;
}

/// A ClientHello as of 2010: TLS 1.2, ECDHE-RSA with AES-128-GCM, no `supported_versions`.
fn tls12_hello() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        // supported_groups: x25519, secp256r1
        &[0, 10, 0, 6, 0, 4, 0, 29, 0, 23],
        // ec_point_formats: uncompressed
        &[0, 11, 0, 2, 1, 0],
        // signature_algorithms: rsa_pkcs1_sha256, ecdsa_secp256r1_sha256, ed25519
        &[0, 13, 0, 8, 0, 6, 4, 1, 4, 3, 8, 7],
        // extended_master_secret
        &[0, 23, 0, 0],
    ];
    let extensions = extensions.concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]); // random
    body.push(0); // no session
    body.extend([0, 4, 0xc0, 0x2f, 0xc0, 0x2b]); // ECDHE with RSA and with ECDSA
    body.extend([1, 0]); // no compression
    body.extend(two_bytes(extensions.len()));
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend(two_bytes(body.len()));
    handshake.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend(two_bytes(handshake.len()));
    record.extend(handshake);
    record
}

fn two_bytes(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("short").to_be_bytes()
}
