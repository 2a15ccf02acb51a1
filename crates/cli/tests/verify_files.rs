//! A proof and an identity as single files, and the exit codes of the real process.
#![allow(clippy::unwrap_used, reason = "a test file: a panic is the failure report")]

mod common;

use std::{fs, path::Path, process::Command};

use common::{Community, Run, UNKNOWN_KIND, folkmoot, found};
use ed25519_dalek::SigningKey;
use record::identity::verifier_key;
use runtime::exit::Exit;
use serde_json::json;
use tlog::{KeyName, TlogProof, VerifierKey, cosign};

#[tokio::test]
async fn one_saved_proof_is_enough_offline() {
    let (community, files) = proved(3).await;
    let run = verify(&files, &[]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let told = run.json();
    assert_eq!((&told["verified"], &told["what"]), (&json!(true), &json!("record")));
    assert_eq!(told["community"], json!(community.id().to_string()));
    assert_eq!((&told["name"], &told["kind"]), (&json!("Eastside"), &json!(UNKNOWN_KIND)));
    assert_eq!((&told["index"], &told["era"]), (&json!(2), &json!(0)));
    assert_eq!(told["payload"], json!("verified"));
    assert_eq!(told["checkpoint"]["size"], json!(4));
    assert_eq!(told["known_before"], json!(false));
    assert!(told["record"].as_str().unwrap().starts_with("fmr1"));
}

#[tokio::test]
async fn a_person_is_told_to_compare_the_id() {
    let (community, files) = proved(1).await;
    let run = folkmoot(&["verify", &file(&files)]).await;
    assert!(run.answers.starts_with("Verified: the record is in the log."), "{run:?}");
    let last = run.answers.lines().last().unwrap();
    let id = community.id();
    assert_eq!(
        last,
        format!("This proves what {id} signed; compare this id with one that you trust.")
    );
}

#[tokio::test]
async fn one_flipped_bit_anywhere_in_a_proof_is_refused() {
    let (_community, files) = proved(3).await;
    let path = files.path().join("it.tlog-proof");
    let right = fs::read(&path).unwrap();
    for place in (0..right.len()).step_by(13) {
        let mut wrong = right.clone();
        wrong[place] ^= 1;
        fs::write(&path, &wrong).unwrap();
        let run = verify(&files, &[]).await;
        assert_eq!(run.exit, Exit::Verification, "at {place}: {run:?}");
        assert_eq!(run.json()["verified"], json!(false));
    }
}

#[tokio::test]
async fn the_proof_of_one_record_does_not_prove_another() {
    let (community, files) = proved(3).await;
    let [one, other] = [community.proof(1).await, community.proof(2).await];
    let [one, other] = [one, other].map(|it| TlogProof::parse(&it).unwrap());
    let mixed = TlogProof::new(1, one.hashes().to_vec(), one.checkpoint_note().clone()).unwrap();
    let mixed = mixed.with_extra(other.extra().unwrap().to_vec()).unwrap();
    save(&files, mixed.render().as_bytes());
    let run = verify(&files, &[]).await;
    assert_eq!(
        (run.exit, &run.json()["reason"]),
        (Exit::Verification, &json!("record.out_of_place"))
    );
}

#[tokio::test]
async fn the_right_key_is_accepted_and_another_refused() {
    let (community, files) = proved(1).await;
    let right = log_vkey(&community);
    let run = verify(&files, &["--key", &right.render()]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let wrong = SigningKey::from_bytes(&[9; 32]).verifying_key();
    let wrong = VerifierKey::ed25519(right.name().clone(), &wrong).unwrap();
    let run = verify(&files, &["--key", &wrong.render()]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Verification, &json!("key.other")));
    let detail = run.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&right.render()) && detail.contains(&wrong.render()), "{detail}");
}

#[tokio::test]
async fn another_community_than_the_one_named_is_refused() {
    let (community, files) = proved(1).await;
    let other = found("Westside").await;
    let run = verify(&files, &["--community", &community.id().to_string()]).await;
    assert_eq!((run.exit, &run.json()["known_before"]), (Exit::Ok, &json!(true)));
    let run = verify(&files, &["--community", &other.id().to_string()]).await;
    let reason = run.json()["reason"].clone();
    assert_eq!((run.exit, reason), (Exit::Verification, json!("identity.other_community")));
}

#[tokio::test]
async fn a_bare_proof_needs_the_record_and_the_key_in_files_of_their_own() {
    let (community, files) = proved(1).await;
    let full = TlogProof::parse(&community.proof(1).await).unwrap();
    let bare = TlogProof::new(1, full.hashes().to_vec(), full.checkpoint_note().clone()).unwrap();
    save(&files, bare.render().as_bytes());
    let run = verify(&files, &[]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Verification, &json!("proof.no_record")));

    let record = community.peer.store().records(community.log(), 1, 2).await.unwrap().remove(0);
    common::write(files.path(), "header", &record.header_bytes);
    let header = files.path().join("header").display().to_string();
    let run = verify(&files, &["--record", &header]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Verification, &json!("proof.no_key")));

    let key = log_vkey(&community).render();
    let run = verify(&files, &["--record", &header, "--key", &key]).await;
    assert_eq!((run.exit, &run.json()["payload"]), (Exit::Ok, &json!("absent")), "{run:?}");

    let identity = identity_of(&community).await;
    common::write(files.path(), "identity", &identity);
    let identity = files.path().join("identity").display().to_string();
    let run = verify(&files, &["--record", &header, "--identity", &identity]).await;
    assert_eq!((run.exit, &run.json()["name"]), (Exit::Ok, &json!("Eastside")));
}

#[tokio::test]
async fn a_payload_too_large_for_its_proof_is_verified_from_a_file_of_its_own() {
    let community = found("Eastside").await;
    community.append_text(vec![b'x'; 100_000]).await;
    let files = tempfile::tempdir().unwrap();
    save(&files, &community.proof(1).await);
    let run = verify(&files, &[]).await;
    assert_eq!((run.exit, &run.json()["payload"]), (Exit::Ok, &json!("absent")), "{run:?}");

    let mut page = [&[7; 32][..], &vec![b'x'; 100_000]].concat();
    common::write(files.path(), "payload", &page);
    let payload = files.path().join("payload").display().to_string();
    let run = verify(&files, &["--payload", &payload]).await;
    assert_eq!((run.exit, &run.json()["payload"]), (Exit::Ok, &json!("verified")));

    page[40] = b'y';
    common::write(files.path(), "payload", &page);
    let run = verify(&files, &["--payload", &payload]).await;
    let reason = run.json()["reason"].clone();
    assert_eq!((run.exit, reason), (Exit::Verification, json!("record.payload_mismatch")));
}

#[tokio::test]
async fn a_policy_that_is_given_must_be_satisfied() {
    let (community, files) = proved(1).await;
    let witness = Witness::new("test.folkmoot.example/witness/neighbour");
    let policy = format!("witness neighbour {}\nquorum neighbour\n", witness.vkey().render());
    common::write(files.path(), "policy", policy.as_bytes());
    let policy = files.path().join("policy").display().to_string();
    let run = verify(&files, &["--policy", &policy]).await;
    assert_eq!((run.exit, &run.json()["reason"]), (Exit::Verification, &json!("policy.no_quorum")));

    save(&files, witness.cosigned(&community.proof(1).await, &community).as_bytes());
    let run = verify(&files, &["--policy", &policy]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let head = run.json()["checkpoint"].clone();
    assert_eq!(head["witnessed"], json!("under_policy"));
    let cosigner =
        json!([{ "name": witness.name.as_str(), "checked": true, "at_secs": 1_800_000_000 }]);
    assert_eq!(head["cosigners"], cosigner);

    let unchecked = verify(&files, &[]).await.json()["checkpoint"].clone();
    assert_eq!(unchecked["witnessed"], json!("signed_only"));
    assert_eq!(unchecked["cosigners"][0]["checked"], json!(false));

    common::write(files.path(), "policy", b"quorum none\n");
    let nobody = verify(&files, &["--policy", &policy]).await;
    assert_eq!(nobody.json()["checkpoint"]["witnessed"], json!("signed_only"));
    common::write(files.path(), "policy", b"quorum none");
    assert_eq!(verify(&files, &["--policy", &policy]).await.exit, Exit::Config);
}

#[tokio::test]
async fn an_identity_says_who_acts_and_with_which_keys() {
    let community = found("Eastside").await;
    let files = tempfile::tempdir().unwrap();
    save(&files, &identity_of(&community).await);
    let told = verify(&files, &[]).await.json();
    assert_eq!((&told["what"], &told["name"]), (&json!("identity"), &json!("Eastside")));
    assert_eq!((&told["officers"], &told["threshold"]), (&json!(1), &json!(1)));
    let vkey = log_vkey(&community).render();
    assert_eq!(told["log_vkey"], json!(vkey));
    assert_eq!(told["epochs"], json!([{ "era": 0, "from_index": 0, "log_vkey": vkey }]));
    let transport = community.peer.keys().transport.public().to_string();
    assert_eq!(told["transport_key"], json!(transport));
    let run = folkmoot(&["verify", &file(&files)]).await;
    assert!(run.answers.contains("1 of 1 act for it"), "{}", run.answers);
}

#[tokio::test]
async fn the_process_ends_with_the_code_that_scripts_rely_on() {
    let (_community, files) = proved(1).await;
    common::write(files.path(), "empty", b"");
    common::write(files.path(), "garbage", b"garbage");
    common::write(files.path(), "large", &vec![0; 300 * 1024]);
    let code = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_folkmoot")).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let at = |name: &str| files.path().join(name).display().to_string();
    assert_eq!(code(&["verify", &at("it.tlog-proof")]), (Some(0), String::new()));
    assert_eq!(code(&["verify", &at("empty")]).0, Some(6));
    assert_eq!(code(&["verify", &at("large")]).0, Some(6));
    assert_eq!(code(&["verify", &at("none")]).0, Some(1));
    assert_eq!(code(&["verify"]).0, Some(2));
    let (status, told) = code(&["verify", &at("garbage")]);
    assert_eq!(status, Some(6));
    assert!(
        told.starts_with("This is neither a proof (.tlog-proof) nor an identity bundle"),
        "{told}"
    );
    assert_eq!(code(&["limits"]).0, Some(0));
    assert_eq!(code(&["completion", "bash"]).0, Some(0));
}

async fn proved(n_records: usize) -> (Community, tempfile::TempDir) {
    let community = found("Eastside").await;
    community.append(n_records).await;
    let files = tempfile::tempdir().unwrap();
    save(&files, &community.proof(2.min(n_records as u64)).await);
    (community, files)
}

fn save(files: &tempfile::TempDir, bytes: &[u8]) {
    common::write(files.path(), "it.tlog-proof", bytes);
}

fn file(files: &tempfile::TempDir) -> String {
    let path: &Path = &files.path().join("it.tlog-proof");
    path.display().to_string()
}

async fn verify(files: &tempfile::TempDir, options: &[&str]) -> Run {
    let path = file(files);
    folkmoot(&[&["verify", "--json", &path], options].concat()).await
}

async fn identity_of(community: &Community) -> Vec<u8> {
    community.peer.store().log(community.log()).await.unwrap().unwrap().identity.unwrap().to_vec()
}

fn log_vkey(community: &Community) -> VerifierKey {
    let key = record::identity::LogKey::of(&community.peer.keys().log);
    verifier_key(community.peer.network(), &community.id(), 0, &key)
}

/// A neighbour that cosigns.
struct Witness {
    name: KeyName,
    key: SigningKey,
}

impl Witness {
    fn new(name: &str) -> Self {
        Self { name: KeyName::parse(name).unwrap(), key: SigningKey::from_bytes(&[5; 32]) }
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::cosignature(self.name.clone(), &self.key.verifying_key()).unwrap()
    }

    /// The same proof, its checkpoint cosigned.
    fn cosigned(&self, proof: &[u8], community: &Community) -> String {
        let proof = TlogProof::parse(proof).unwrap();
        let note = proof.checkpoint_note().render();
        let signed = tlog::open_checkpoint(note.as_bytes(), &log_vkey(community)).unwrap();
        let line = cosign(signed.checkpoint(), &self.name, &self.key, 1_800_000_000).unwrap();
        let signed = signed.with_signature_line(line).unwrap();
        let hashes = proof.hashes().to_vec();
        let cosigned = TlogProof::new(proof.index(), hashes, signed.note().clone()).unwrap();
        cosigned.with_extra(proof.extra().unwrap().to_vec()).unwrap().render()
    }
}
