//! The program as an operator starts it, with a node that writes to it over the network.

use std::{path::Path, process::Stdio, time::Duration};

use peer::{Seat, dialler::keep_linked};
use proto::v1::feed_service_client::FeedServiceClient;
use serde_json::Value;
use store::Reference;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, Command},
};
use tonic::transport::Endpoint;

use crate::{
    feed::{Reader, from},
    world::{charter, found, open, pledge},
};

const LONG: Duration = Duration::from_secs(60);

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_folkmoot-coordinator"));
    program.kill_on_drop(true);
    program
}

/// Starts a coordinator; says where it listens.
async fn run(dir: &Path, charter: &Path) -> (Child, Value) {
    let mut child = program()
        .arg("run")
        .args([
            "--listen",
            "127.0.0.1:0",
            "--plain",
            "127.0.0.1:0",
            "--ready-line",
            "--with-parent",
        ])
        .args(["--log", "warn", "--dir"])
        .args([dir, Path::new("--charter"), charter])
        .env("FOLKMOOT_COORDINATOR__OCDS_PREFIX", "ocds-213czf")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(LONG, lines.next_line()).await.expect("ready in time");
    (child, serde_json::from_str(&line.unwrap().expect("a ready line")).unwrap())
}

async fn get(plain: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(plain).await.unwrap();
    // HTTP/1.0: the answer ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {plain}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_nodes_write_comes_out_of_the_coordinators_feed_and_pages() {
    let parent = tempfile::tempdir().unwrap();
    let (east, east_id) = found(parent.path(), "Eastside");
    let (west, west_id) = found(parent.path(), "Westside");
    let (seat, coordinator) = found(parent.path(), "Estuary coordinator");
    let region = charter(parent.path(), &[east_id, west_id], coordinator);
    let (mut child, ready) = run(seat.path(), &parent.path().join("charter.toml")).await;
    let (grpc, plain) = (ready["grpc"].as_str().unwrap(), ready["plain"].as_str().unwrap());

    let mut nodes = Vec::new();
    for folder in [&east, &west] {
        let author = open(folder, region.clone()).await;
        tokio::spawn(author.peer.clone().spread_growth());
        let seat = Seat { id: coordinator, address: Some(grpc.to_owned()) };
        tokio::spawn(keep_linked(author.peer.clone(), seat));
        nodes.push(author);
    }
    let pool = nodes[0].append(nodes[0].pool("LED panels", 20, 0)).await[1].id;
    // Westside does not hold Eastside's log, so its pledge is judged by the coordinator.
    for node in &nodes {
        let drafts = vec![pledge(Reference::Record(pool), 12)];
        node.peer.store().append(drafts, store::Guard::None).await.unwrap();
    }

    let channel =
        Endpoint::from_shared(format!("http://{plain}")).unwrap().connect().await.unwrap();
    let answer = FeedServiceClient::new(channel).subscribe(from("")).await.unwrap();
    let mut reader = Reader::of(answer.into_inner());
    let mut told = Vec::new();
    while told.last().is_none_or(|it: &proto::v1::Item| it.transition != "pool.threshold_met") {
        told.push(reader.item().await);
    }
    assert!(told.iter().all(|it| it.case_id == pool.to_string() && it.kind == "pool"), "{told:?}");
    assert_eq!(told[0].titles["en"], "LED panels");

    let (head, body) = get(plain, "/feed.json").await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    let feed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(feed["feed_url"], format!("http://{plain}/feed.json"));
    assert_eq!(feed["authors"][0]["name"], "Estuary coordinator");
    let package: Value = serde_json::from_str(&get(plain, "/ocds/releases").await.1).unwrap();
    let parties = package["releases"][0]["parties"].as_array().unwrap();
    let names: Vec<&str> = parties.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Eastside", "Westside"]);
    let proof = feed["items"][0]["_folkmoot"]["proofs"][0].as_str().unwrap();
    let (head, _) = get(plain, proof.strip_prefix(&format!("http://{plain}")).unwrap()).await;
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    let metrics = get(plain, "/metrics").await.1;
    assert!(metrics.contains("folkmoot_feed_subscribers 1"), "{metrics}");
    assert!(get(plain, "/readyz").await.1.starts_with("ready"));

    drop(child.stdin.take());
    let ended = tokio::time::timeout(LONG, child.wait()).await.expect("it stops in time").unwrap();
    assert!(ended.success(), "{ended:?}");
}

#[tokio::test]
async fn what_is_wrong_is_named_and_ends_with_the_code_for_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let (seat, _) = found(parent.path(), "Estuary coordinator");
    let file = parent.path().join("coordinator.toml");
    std::fs::write(&file, "listn = \"x\"\n").unwrap();
    let asked = |args: &[&str]| {
        let output = program().args(args).output();
        async move {
            let output = output.await.unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        }
    };
    let (code, told) = asked(&["run", "--dir", seat.path().to_str().unwrap()]).await;
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("--charter"), "{told}");
    let (code, told) = asked(&["check-config", "--config", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(5), "{told}");
    assert!(told.contains("Did you mean `listen`?"), "{told}");
}

#[tokio::test]
async fn the_effective_configuration_is_shown() {
    let output = program()
        .args(["check-config", "--json"])
        .env("FOLKMOOT_COORDINATOR__LISTEN", "127.0.0.1:1")
        .output()
        .await
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["listen"], "127.0.0.1:1");
    assert_eq!(output.status.code(), Some(0));
}
