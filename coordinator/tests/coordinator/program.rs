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
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

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

#[tokio::test(flavor = "multi_thread")]
async fn the_health_service_says_that_it_serves_and_that_it_stops_before_it_is_gone() {
    let parent = tempfile::tempdir().unwrap();
    let (seat, coordinator) = found(parent.path(), "Estuary coordinator");
    let (_, east_id) = found(parent.path(), "Eastside");
    charter(parent.path(), &[east_id], coordinator);
    let (mut child, ready) = run(seat.path(), &parent.path().join("charter.toml")).await;
    let plain = ready["plain"].as_str().unwrap();
    let channel =
        Endpoint::from_shared(format!("http://{plain}")).unwrap().connect().await.unwrap();
    let mut watched = Vec::new();
    for service in ["", "folkmoot.v1.FeedService", "folkmoot.v1.ReplicationService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let answer = HealthClient::new(channel.clone()).watch(request).await.unwrap();
        watched.push((service, answer.into_inner()));
    }
    let mut told = async || {
        let mut told = Vec::new();
        for (service, stream) in &mut watched {
            let next = tokio::time::timeout(LONG, stream.message()).await.expect("in time");
            let status = next.unwrap_or_else(|error| panic!("{service}: {error}"));
            told.push(status.map(|it| it.status()));
        }
        told
    };
    assert_eq!(told().await, [Some(ServingStatus::Serving); 3]);

    drop(child.stdin.take());

    assert_eq!(told().await, [Some(ServingStatus::NotServing); 3]);
    assert_eq!(told().await, [None; 3], "the streams end by themselves");
    let ended = tokio::time::timeout(LONG, child.wait()).await.expect("it stops in time").unwrap();
    assert!(ended.success(), "{ended:?}");
}

/// How a command ended, and what it said on standard output and standard error.
struct Told {
    code: Option<i32>,
    out: String,
    sentence: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("no JSON: {}", self.out))
    }
}

async fn told(args: &[&str]) -> Told {
    let output = tokio::time::timeout(LONG, program().args(args).output()).await.expect("in time");
    let output = output.unwrap();
    Told {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        sentence: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test]
async fn what_is_wrong_is_named_and_ends_with_the_code_for_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let (seat, _) = found(parent.path(), "Estuary coordinator");
    let file = parent.path().join("coordinator.toml");
    std::fs::write(&file, "listn = \"x\"\n").unwrap();
    let asked = told(&["run", "--dir", seat.path().to_str().unwrap()]).await;
    assert_eq!(asked.code, Some(5), "{}", asked.sentence);
    assert!(asked.sentence.contains("--charter"), "{}", asked.sentence);
    let asked = told(&["check-config", "--config", file.to_str().unwrap()]).await;
    assert_eq!(asked.code, Some(5), "{}", asked.sentence);
    assert!(asked.sentence.contains("Did you mean `listen`?"), "{}", asked.sentence);
}

#[tokio::test]
async fn an_address_that_cannot_be_listened_on_is_refused_before_anything_starts() {
    let parent = tempfile::tempdir().unwrap();
    let (seat, _) = found(parent.path(), "Estuary coordinator");
    let (dir, file) = (seat.path().to_str().unwrap(), parent.path().join("coordinator.toml"));
    let file_shown = file.to_str().unwrap();
    for (setting, key, expected) in [
        ("listen = \"nonsense\"", "`listen`", "expected host:port"),
        ("listen = \"0.0.0.0\"", "`listen`", "expected host:port"),
        ("plain = \"127.0.0.1\"", "`plain`", "expected host:port"),
        ("plain = \"0.0.0.0:8080\"", "`plain`", "expected an address of this machine only"),
    ] {
        std::fs::write(&file, format!("# A coordinator.\n{setting}\n")).unwrap();
        for words in [&["check-config"][..], &["run", "--dir", dir]] {
            let asked = told(&[words, &["--json", "--config", file_shown]].concat()).await;
            let sentence = &asked.sentence;
            assert_eq!(asked.code, Some(5), "{setting}: {sentence}");
            let place = format!("{key} is wrong in {file_shown}, line 2: ");
            assert!(sentence.starts_with(&place) && sentence.contains(expected), "{sentence}");
            assert_eq!(asked.json()["error"]["reason"], "config.wrong");
        }
    }
    let asked = told(&["check-config", "--plain", "0.0.0.0:8080"]).await;
    assert_eq!(asked.code, Some(5), "{}", asked.sentence);
    assert!(
        asked.sentence.contains("`plain` is wrong in the option --plain"),
        "{}",
        asked.sentence
    );

    std::fs::write(&file, "listen = \"[::]:0\"\nplain = \"localhost:8080\"\n").unwrap();
    let asked = told(&["check-config", "--json", "--config", file_shown]).await;
    assert_eq!(asked.code, Some(0), "{}", asked.sentence);
    assert_eq!(asked.json()["plain"], "localhost:8080");
}

#[tokio::test]
async fn with_json_a_failure_and_a_completion_are_objects_and_without_it_words() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("nobody");
    let run = ["run", "--dir", dir.to_str().unwrap(), "--charter", "nowhere.toml"];
    let before = told(&[&["--json"], &run[..]].concat()).await;
    let after = told(&[&run[..], &["--json"]].concat()).await;
    let without = told(&run).await;
    assert_eq!(before.json()["error"]["reason"], "config.charter");
    assert_eq!(before.json()["error"]["detail"], before.sentence.trim_end());
    assert_eq!((before.code, &before.out), (Some(5), &after.out));
    assert_eq!((without.code, without.out.as_str()), (Some(5), ""));
    assert_eq!(without.sentence, before.sentence);

    let script = told(&["completion", "bash"]).await.out;
    assert!(script.contains("complete -F") && script.contains("check-config"), "{script}");
    let as_json = told(&["--json", "completion", "bash"]).await;
    assert_eq!(as_json.json()["script"].as_str().map(str::trim_end), Some(script.trim_end()));
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

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_has_a_log_withheld_its_node_is_told_and_lifting_it_ends_that() {
    let parent = tempfile::tempdir().unwrap();
    let (east, east_id) = found(parent.path(), "Eastside");
    let (seat, coordinator) = found(parent.path(), "Estuary coordinator");
    let region = charter(parent.path(), &[east_id], coordinator);
    let (mut child, ready) = run(seat.path(), &parent.path().join("charter.toml")).await;
    let (grpc, plain) = (ready["grpc"].as_str().unwrap(), ready["plain"].as_str().unwrap());
    let node = open(&east, region).await;
    tokio::spawn(node.peer.clone().spread_growth());
    let place = Seat { id: coordinator, address: Some(grpc.to_owned()) };
    tokio::spawn(keep_linked(node.peer.clone(), place));
    node.append(node.pool("LED panels", 20, 0)).await;
    let path = format!("/log/{east_id}/0/checkpoint");
    let until = async |is_so: &dyn Fn(&Value, Option<&'static str>, &str) -> bool| {
        let looked = async {
            loop {
                let place = seat.path().to_str().unwrap();
                let listed = told(&["status", "list", "--json", "--dir", place]).await;
                let listed = listed.json()["statuses"].clone();
                let standing = node.peer.links().all().into_iter().find_map(|(_, it)| it.standing);
                let head = get(plain, &path).await.0;
                if is_so(&listed, standing.map(|it| it.reason), &head) {
                    return listed;
                }
            }
        };
        tokio::time::timeout(LONG, looked).await.expect("in time")
    };
    until(&|_, _, head| head.contains(" 200 ")).await;
    let id = east_id.to_string();
    let dir = ["--dir", seat.path().to_str().unwrap()];

    let set = ["status", "set", &id, "withheld", "--reason", "personal-data", "--json"];
    let asked = told(&[&set[..], &dir].concat()).await;
    assert_eq!(asked.code, Some(0), "{}", asked.sentence);
    assert_eq!(asked.json()["log"], format!("{east_id}/0"));
    let listed = until(&|listed, standing, head| {
        let is_filed = listed[0]["filed"] == true;
        is_filed && standing == Some("withheld.personal_data") && head.contains(" 451 ")
    });
    let listed = listed.await;
    assert_eq!(
        (&listed[0]["standing"], &listed[0]["lifted_by"]),
        (&"withheld".into(), &"appeal".into())
    );
    let statuses = get(plain, "/register/logs").await.1;
    assert!(statuses.contains("withheld.personal_data"), "{statuses}");

    let moved = told(&[&["status", "set", &id, "moved"], &dir[..]].concat()).await;
    assert_eq!(moved.code, Some(1), "{}", moved.sentence);
    let lifted = told(&[&["status", "lift", &id], &dir[..]].concat()).await;
    assert_eq!(lifted.code, Some(0), "{}", lifted.sentence);
    until(&|listed, standing, head| {
        listed.as_array().is_some_and(Vec::is_empty) && standing.is_none() && head.contains(" 200 ")
    })
    .await;
    drop(child.stdin.take());
    let ended = tokio::time::timeout(LONG, child.wait()).await.expect("it stops in time").unwrap();
    assert!(ended.success(), "{ended:?}");
}
