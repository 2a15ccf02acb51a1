//! The public pages of a log.

use std::net::SocketAddr;

use peer::{Peer, Role, pages::log_pages};
use record::{
    Payload,
    commitment::Salt,
    payload::{
        Text,
        words::{Language, Wording},
    },
    verified::{ExpectedPlace, verify},
};
use runtime::stop::StopSignal;
use store::{Draft, Guard, Incoming};
use tlog::{Note, TileRef, TlogProof, leaf_hash, tile::decode_bundle};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use transport::Limits;

use crate::world::*;

pub(crate) struct Page {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Page {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        found.unwrap_or_default()
    }
}

async fn get(address: SocketAddr, path: &str) -> Page {
    ask(address, "GET", path, b"").await
}

pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str, body: &[u8]) -> Page {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(&[request.as_bytes(), body].concat()).await.unwrap();
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.unwrap();
    let split = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Page { status, head, body: answer[split + 4..].to_vec() }
}

pub(crate) async fn serve_pages(peer: &Peer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = log_pages(peer.clone());
    let never = StopSignal::new();
    tokio::spawn(async move {
        transport::serve_plain(listener, app, Limits::default(), never.stopped()).await
    });
    address
}

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_a_log_is_served_as_tlog_tiles_names_it() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    for n in 0..299_u32 {
        append(&node, &n.to_be_bytes()).await;
    }
    let address = serve_pages(&node).await;
    let base = format!("/log/{}/0", node.community());
    let kept = |page: &Page, kind: &str, cache: &str| {
        assert_eq!((page.status, page.header("content-type")), (200, kind), "{}", page.head);
        assert!(page.header("cache-control").contains(cache), "{}", page.head);
        assert_eq!(page.header("access-control-allow-origin"), "*");
    };

    let page = get(address, &format!("{base}/checkpoint")).await;
    kept(&page, TEXT, "max-age=2");
    assert_eq!(Note::parse(&page.body).unwrap().text().lines().nth(1), Some("300"));

    let full = get(address, &format!("{base}/tile/0/000")).await;
    kept(&full, OCTETS, "immutable");
    let entries = get(address, &format!("{base}/tile/entries/000")).await;
    kept(&entries, OCTETS, "immutable");
    let hashes = TileRef::new(0, 0, 256).unwrap().decode(&full.body).unwrap();
    let headers = decode_bundle(256, &entries.body).unwrap();
    assert_eq!(headers.iter().map(|it| leaf_hash(it)).collect::<Vec<_>>(), hashes);
    let partial = get(address, &format!("{base}/tile/0/001.p/44")).await;
    kept(&partial, OCTETS, "immutable");
    assert_eq!(partial.body.len(), 44 * 32);
    let upper = get(address, &format!("{base}/tile/1/000.p/1")).await;
    assert_eq!((upper.status, upper.body.len()), (200, 32));
    let entries = get(address, &format!("{base}/tile/entries/001.p/44")).await;
    assert_eq!(decode_bundle(44, &entries.body).unwrap().len(), 44);

    let page = get(address, &format!("{base}/payload/5")).await;
    kept(&page, OCTETS, "no-cache");
    assert_eq!(page.body, [&[7; 32][..], &4_u32.to_be_bytes()].concat());
    let page = get(address, &format!("{base}/proof/5")).await;
    kept(&page, TEXT, "max-age=2");
    assert!(TlogProof::parse(&page.body).is_ok());
    let page = get(address, &format!("{base}/identity")).await;
    kept(&page, OCTETS, "max-age=2");
    let row = node.store().log(node.own_log()).await.unwrap().unwrap();
    assert_eq!(Some(page.body.as_slice()), row.identity.as_deref());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_spelling_of_a_number_and_what_is_not_there_are_no_pages() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    append(&node, b"x").await;
    let address = serve_pages(&node).await;
    let id = node.community();
    let stranger = record::CommunityId::from_bytes([9; 32]);
    for path in [
        format!("/log/{id}/00/checkpoint"),
        format!("/log/{id}/+0/checkpoint"),
        format!("/log/{id}/1/checkpoint"),
        format!("/log/{}/0/checkpoint", id.to_string().to_uppercase()),
        format!("/log/{stranger}/0/checkpoint"),
        format!("/log/{id}/0/payload/00"),
        format!("/log/{id}/0/payload/+1"),
        format!("/log/{id}/0/payload/01"),
        format!("/log/{id}/0/payload/2"),
        format!("/log/{id}/0/payload/18446744073709551615"),
        format!("/log/{id}/0/payload/18446744073709551616"),
        format!("/log/{id}/0/proof/2"),
        format!("/log/{id}/0/proof/-1"),
        format!("/log/{id}/0/tile/0/0"),
        format!("/log/{id}/0/tile/0/000"),
        format!("/log/{id}/0/tile/00/000.p/1"),
        format!("/log/{id}/0/tile/0/000.p/0"),
        format!("/log/{id}/0/tile/0/000.p/3"),
        format!("/log/{id}/0/tile/0/000.p/02"),
        format!("/log/{id}/0/tile/entries/000.p/3"),
        format!("/log/{id}/0/tile/entries/x072/x057/x594/x037/x927/x935.p/1"),
    ] {
        let page = get(address, &path).await;
        assert_eq!(page.status, 404, "{path}");
        assert_eq!(page.header("content-type"), "application/problem+json", "{path}");
        let problem: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        assert_eq!(problem["reason"], "page.not_found", "{path}");
        assert_ne!(page.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
    }
    assert_eq!(get(address, &format!("/log/{id}/0/tile/0/000.p/2")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_payload_is_gone_and_its_proof_stays() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    let wording = Wording {
        language: Language::english(),
        title: "Gone".to_owned(),
        text: String::new(),
        labels: Vec::new(),
    };
    let payload = Payload::Text(Text { wordings: vec![wording] });
    let draft = Draft {
        kind: payload.kind().into(),
        payload: proto::payload::encode(&payload),
        salt: Salt([7; 32]),
        references: Vec::new(),
    };
    node.store().append(vec![draft], Guard::None).await.unwrap();
    take_without_text(&region.coordinator, &node).await;

    let address = serve_pages(&region.coordinator).await;
    let base = format!("/log/{}/0", node.community());
    let page = get(address, &format!("{base}/payload/1")).await;
    assert_eq!(page.status, 410);
    let problem: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
    assert_eq!(problem["reason"], "payload.erased");
    assert_eq!(get(address, &format!("{base}/payload/0")).await.status, 200);
    assert_eq!(get(address, &format!("{base}/proof/1")).await.status, 200);
    assert_eq!(get(address, &format!("{base}/tile/entries/000.p/2")).await.status, 200);
}

/// Brings a node's two records to a coordinator, the second without its payload.
async fn take_without_text(coordinator: &Peer, node: &Peer) {
    let log = node.own_log();
    let row = node.store().log(log).await.unwrap().unwrap();
    let mut records = Vec::new();
    for it in node.store().records(log, 0, 2).await.unwrap() {
        let place = ExpectedPlace {
            network: node.network(),
            community: log.community,
            era: log.era,
            index: it.index,
        };
        let content = it.content.filter(|_| it.index == 0);
        records.push(verify(it.header_bytes, content, &place).unwrap());
    }
    let incoming = Incoming {
        log,
        start: 0,
        records,
        frontier: row.frontier,
        checkpoint: row.checkpoint.unwrap().1.into(),
        proof: Vec::new(),
        completes: true,
        identity: row.identity.map(|it| it.to_vec()),
    };
    coordinator.store().accept(incoming).await.unwrap().await.unwrap();
}
