//! Evidence of a fork and policies, as files.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test file: a panic is the failure report"
)]

mod common;

use std::path::Path;

use common::{Community, folkmoot, found};
use record::{Payload, payload::ForkEvidence};
use runtime::{exit::Exit, stop::StopSignal};
use serde_json::json;
use store::{Draft, Guard};
use tempfile::TempDir;
use tlog::{Checkpoint, Hash, Note, Policy, sign_checkpoint};

/// Evidence of the newest head of a community and of another of its size.
async fn forked(community: &Community) -> ForkEvidence {
    let row = community.peer.store().log(community.log()).await.unwrap().unwrap();
    let note = Note::parse(&row.checkpoint.unwrap().1).unwrap();
    let head = Checkpoint::parse_text(note.text()).unwrap();
    let other = Checkpoint { root: Hash::from_bytes([7; 32]), ..head.clone() };
    let mut heads = [head, other];
    heads.sort_by_key(|it| it.root);
    let key = &community.peer.keys().log;
    let [one, other] = heads.map(|it| sign_checkpoint(&it, key).to_bytes());
    let (community, era) = (community.id(), 0);
    ForkEvidence { community, era, one, other, beginning: None }
}

async fn identity(community: &Community, folder: &Path, name: &str) -> String {
    let row = community.peer.store().log(community.log()).await.unwrap().unwrap();
    common::write(folder, name, &row.identity.unwrap());
    folder.join(name).display().to_string()
}

fn saved(folder: &Path, evidence: &ForkEvidence) -> String {
    let bytes = proto::payload::encode(&Payload::Evidence(evidence.clone()));
    common::write(folder, "it.evidence", &bytes);
    folder.join("it.evidence").display().to_string()
}

#[tokio::test]
async fn evidence_is_verified_offline_with_the_identity_of_the_accused() {
    let (community, files) = (found("Eastside").await, TempDir::new().unwrap());
    let evidence = forked(&community).await;
    let file = saved(files.path(), &evidence);
    let run = folkmoot(&["verify", &file, "--json"]).await;
    let reason = run.json()["reason"].clone();
    assert_eq!((run.exit, reason), (Exit::Verification, json!("evidence.no_identity")));

    let bundle = identity(&community, files.path(), "identity").await;
    let run = folkmoot(&["verify", &file, "--identity", &bundle, "--json"]).await;
    assert_eq!((run.exit, &run.json()["what"]), (Exit::Ok, &json!("fork")), "{run:?}");
    assert_eq!(run.json()["community"], json!(community.id().to_string()));
    let told = folkmoot(&["verify", &file, "--identity", &bundle]).await;
    assert!(told.answers.starts_with("Verified: the log forked."), "{told:?}");
}

#[tokio::test]
async fn evidence_that_does_not_hold_accuses_nobody() {
    let (community, other) = (found("Eastside").await, found("Westside").await);
    let files = TempDir::new().unwrap();
    let bundle = identity(&community, files.path(), "identity").await;
    let strangers = identity(&other, files.path(), "other").await;
    let evidence = forked(&community).await;
    let reason = async |evidence: &ForkEvidence, bundle: &str| {
        let file = saved(files.path(), evidence);
        let run = folkmoot(&["verify", &file, "--identity", bundle, "--json"]).await;
        assert_eq!(run.exit, Exit::Verification, "{run:?}");
        run.json()["reason"].as_str().unwrap().to_owned()
    };
    let twice = ForkEvidence { other: evidence.one.clone(), ..evidence.clone() };
    assert_eq!(reason(&twice, &bundle).await, "evidence.not_two");
    assert_eq!(reason(&evidence, &strangers).await, "identity.other_community");
    let mut forged = evidence.clone();
    forged.other = forked(&other).await.other;
    assert_eq!(reason(&forged, &bundle).await, "evidence.other_origin");
}

#[tokio::test]
async fn a_log_that_forked_shows_the_evidence_on_a_page_of_its_own() {
    let (community, files) = (found("Eastside").await, TempDir::new().unwrap());
    let evidence = forked(&community).await;
    let draft = Draft {
        kind: record::Kind::from(record::kind::Known::Evidence),
        payload: proto::payload::encode(&Payload::Evidence(evidence.clone())),
        salt: record::commitment::Salt([7; 32]),
        references: Vec::new(),
    };
    let stop = StopSignal::new();
    let page = format!("{}/evidence", community.serve(&stop).await);
    let bundle = identity(&community, files.path(), "identity").await;
    let run = folkmoot(&["verify", &page, "--identity", &bundle]).await;
    assert_ne!(run.exit, Exit::Ok, "{run:?}");
    community.peer.store().append(vec![draft], Guard::None).await.unwrap();
    let run = folkmoot(&["verify", &page, "--identity", &bundle]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    stop.stop();
}

#[tokio::test]
async fn a_policy_asks_for_so_many_coordinators_and_so_many_neighbours() {
    let files = TempDir::new().unwrap();
    let mut bundles = Vec::new();
    for n in 0..4 {
        let community = found(&format!("Ward {n}")).await;
        bundles.push(identity(&community, files.path(), &format!("{n}.identity")).await);
    }
    let [log, one, two, three] = &bundles[..] else { unreachable!("four were founded") };
    let mut args = vec!["policy", "--log", log, "--coordinator", one];
    args.extend(["--neighbour", two, "--neighbour", three, "--neighbours-needed", "2"]);
    let run = folkmoot(&args).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let policy = Policy::parse(&format!("{}\n", run.answers.trim_end())).unwrap();
    let keys: Vec<_> = policy.witnesses().map(|(_, key)| key.clone()).collect();
    assert_eq!((policy.logs().len(), keys.len()), (1, 6));
    // A mirror's and a witness's key of one community are one voice.
    assert!(!policy.is_satisfied(&[keys[0].clone(), keys[2].clone(), keys[3].clone()]));
    assert!(policy.is_satisfied(&[keys[0].clone(), keys[2].clone(), keys[5].clone()]));

    let run = folkmoot(&["policy", "--neighbour", two, "--neighbours-needed", "2"]).await;
    assert_eq!(run.exit, Exit::Usage, "{run:?}");
}
