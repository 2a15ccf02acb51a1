//! Verifying over TLS: who answers is proved, or trusted on first use and said so, before a page is read.
#![allow(clippy::unwrap_used, reason = "a test file: a panic is the failure report")]

mod common;

use common::{Community, Run, folkmoot, found, serve_tls};
use record::CommunityId;
use runtime::{exit::Exit, stop::StopSignal};
use serde_json::json;
use transport::TransportKey;

/// A community that serves its log of three records over TLS under its own key.
struct Served {
    community: Community,
    address: String,
    stop: StopSignal,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

impl Served {
    async fn under(key: Option<TransportKey>) -> Self {
        let community = found("Eastside").await;
        community.append(2).await;
        let stop = StopSignal::new();
        let own = community.peer.keys().transport.clone();
        let address = serve_tls(&key.unwrap_or(own), Some(&community), &stop).await;
        Self { community, address, stop }
    }

    /// Verifies what is at the log's address with this behind it.
    async fn verify(&self, page: &str, options: &[&str]) -> Run {
        let url = format!("https://{}/log/{}{page}", self.address, self.community.log());
        folkmoot(&[&["verify", &url, "--json"], options].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_an_identity_and_a_proof_are_verified_at_the_server_that_is_given() {
    let served = Served::under(None).await;
    let id = served.community.id().to_string();
    let key = served.community.peer.keys().transport.public().to_string();
    for right in [&id, &key] {
        for (page, what) in [("", "log"), ("/identity", "identity"), ("/proof/2", "record")] {
            let run = served.verify(page, &["--server-key", right]).await;
            assert_eq!((run.exit, run.remarks.as_str()), (Exit::Ok, ""), "{page}: {run:?}");
            assert_eq!(run.json()["what"], json!(what));
        }
    }
    let log = served.verify("", &["--server-key", &id]).await.json();
    assert_eq!((&log["records"], &log["name"]), (&json!(3), &json!("Eastside")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_nobody_gave_is_trusted_on_first_use_and_named() {
    let served = Served::under(None).await;
    let run = served.verify("/identity", &[]).await;
    assert_eq!((run.exit, &run.json()["verified"]), (Exit::Ok, &json!(true)), "{run:?}");
    let id = served.community.id().to_string();
    for part in ["on first use", "Eastside", &id, "--server-key"] {
        assert!(run.remarks.contains(part), "{part}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_than_the_one_given_is_refused_before_a_page_is_read() {
    let served = Served::under(None).await;
    let id = CommunityId::from_bytes([3; 32]).to_string();
    let key = TransportKey::from_seed([3; 32]).public().to_string();
    for wrong in [id, key] {
        let run = served.verify("", &["--server-key", &wrong]).await;
        assert_eq!(run.exit, Exit::Verification, "{run:?}");
        let told = run.json();
        assert_eq!((&told["verified"], &told["reason"]), (&json!(false), &json!("key.other")));
        for part in [&wrong, "othing was verified.", "by another way", "stand"] {
            assert!(run.remarks.contains(part), "{part}: {run:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_shown_identity_does_not_have_is_never_trusted() {
    let key = TransportKey::from_seed([5; 32]);
    let served = Served::under(Some(key.clone())).await;
    let (id, key) = (served.community.id().to_string(), key.public().to_string());
    let given: [&[&str]; 3] = [&[], &["--server-key", &id], &["--server-key", &key]];
    for options in given {
        let run = served.verify("", options).await;
        assert_eq!(run.exit, Exit::Verification, "{run:?}");
        assert_eq!(run.json()["reason"], json!("key.not_in_identity"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_not_there_is_told_with_what_to_do() {
    let served = Served::under(None).await;
    let none = CommunityId::from_bytes([9; 32]);
    let url = format!("https://{}/log/{none}/0", served.address);
    let run = folkmoot(&["verify", &url, "--json"]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Failed, &json!("page.missing")));
    for part in ["Nothing was verified", "id", "era"] {
        assert!(run.remarks.contains(part), "{part}: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_no_folkmoot_are_told_apart_from_those_that_are_not_there() {
    let community = found("Eastside").await;
    let (stop, key) = (StopSignal::new(), TransportKey::from_seed([5; 32]));
    let log = community.log();
    let other = serve_tls(&key, None, &stop).await;
    let other = folkmoot(&["verify", &format!("https://{other}/log/{log}")]).await;
    assert_eq!(other.exit, Exit::Failed, "{other:?}");
    assert!(other.remarks.contains("another kind of server"), "{other:?}");

    let plain = community.serve(&stop).await.replace("http://", "https://");
    let plain = folkmoot(&["verify", &plain]).await;
    assert_eq!(plain.exit, Exit::Unavailable, "{plain:?}");
    assert!(plain.remarks.contains("no secure connection came about"), "{plain:?}");
    let nobody = folkmoot(&["verify", &format!("https://127.0.0.1:9/log/{log}")]).await;
    assert_eq!(nobody.exit, Exit::Unavailable, "{nobody:?}");
    for run in [other, plain, nobody] {
        assert!(run.remarks.contains("Nothing was verified."), "{run:?}");
    }
    let no_port = folkmoot(&["verify", &format!("https://127.0.0.1/log/{log}")]).await;
    assert_eq!(no_port.exit, Exit::Usage, "{no_port:?}");
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_key_where_no_server_would_prove_it_is_refused() {
    let community = found("Eastside").await;
    let (folder, stop) = (tempfile::tempdir().unwrap(), StopSignal::new());
    community.export(folder.path()).await;
    let (url, id) = (community.serve(&stop).await, community.id().to_string());
    let folder_path = folder.path().display().to_string();
    for subject in [url, format!("{folder_path}/identity"), folder_path] {
        let right = folkmoot(&["verify", &subject]).await;
        assert_eq!(right.exit, Exit::Ok, "{right:?}");
        let run = folkmoot(&["verify", &subject, "--server-key", &id]).await;
        assert_eq!((run.exit, run.answers.as_str()), (Exit::Usage, ""), "{run:?}");
    }
    stop.stop();
}
