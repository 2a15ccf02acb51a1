//! `folkmoot audit`: an honest coordinator is clean, and each lie that contradicts something signed is found.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test file: a panic is the failure report"
)]

mod common;

use std::{path::Path, sync::Arc};

use common::{Community, Run, folkmoot, found};
use ed25519_dalek::SigningKey;
use peer::{CharterFile, DataFolder, Peer, Role, pages::log_pages};
use record::{
    LogName, Name, Payload, UnixMillis,
    commitment::Salt,
    identity::mirror_name,
    index::IndexMap,
    payload::{
        Cosignatures, Index, Receipt, Status,
        index::IndexEntry,
        receipt::HeldHead,
        status::{Reason, Standing},
    },
    verified::{ExpectedPlace, verify},
};
use runtime::{
    clock::{Clock as _, ManualClock, SystemClock},
    exit::Exit,
    stop::StopSignal,
};
use serde_json::{Value, json};
use store::{Draft, Guard, Incoming};
use tempfile::TempDir;
use tlog::{Checkpoint, Frontier, Hash, KeyName, Note, VerifierKey, cosign, leaf_hash};
use tokio::net::TcpListener;

/// A coordinator of one community, and its log.
struct Estuary {
    coordinator: Peer,
    clock: Arc<ManualClock>,
    community: Community,
    folder: TempDir,
    stop: StopSignal,
}

/// An hour ago, so that everything that is due is due.
fn an_hour_ago() -> u64 {
    SystemClock::new().now_millis() - 3_600_000
}

async fn estuary() -> Estuary {
    estuary_of(false).await
}

/// The coordinator and its community, which has a witness's seat or none.
async fn estuary_of(is_witness: bool) -> Estuary {
    let mut community = found("Eastside").await;
    let folder = tempfile::tempdir().unwrap();
    let home = DataFolder::at(&folder.path().join("home"));
    let network = community.peer.network().clone();
    let id = home.found(&network, &Name::parse("Estuary Office").unwrap()).unwrap();
    let witnesses = is_witness.then(|| format!("witnesses = [\"{}\"]\n", community.id()));
    let text = format!(
        "network = \"{network}\"\nname = \"Estuary\"\n{}[[coordinators]]\nid = \"{id}\"\naddress = \"127.0.0.1:9\"\n\
         [[founders]]\nid = \"{}\"\n",
        witnesses.unwrap_or_default(),
        community.id()
    );
    std::fs::write(folder.path().join("charter.toml"), text).unwrap();
    let charter = CharterFile::read(&folder.path().join("charter.toml")).unwrap();
    let clock = Arc::new(ManualClock::at(an_hour_ago()));
    let opened = Peer::open(&home, charter.clone(), Role::Coordinator, Arc::clone(&clock) as _);
    let coordinator = opened.await.unwrap();
    // The community joins that region: it keeps what its coordinators acknowledge.
    community.peer.store().close().await.unwrap();
    let home = DataFolder::at(&community.folder.path().join("home"));
    let opened = Peer::open(&home, charter, Role::Node, Arc::new(SystemClock::new()));
    community.peer = opened.await.unwrap();
    // Nobody else holds its log.
    community.peer.store().settle().await.unwrap();
    Estuary { coordinator, clock, community, folder, stop: StopSignal::new() }
}

impl Estuary {
    fn log(&self) -> LogName {
        self.community.log()
    }

    /// The community writes, and the coordinator mirrors and acknowledges it.
    async fn grow(&self, n_records: usize) {
        self.community.append(n_records).await;
        self.mirror().await;
    }

    /// The coordinator mirrors and acknowledges what the community has.
    async fn mirror(&self) {
        let (from, to, log) = (self.community.peer.store(), self.coordinator.store(), self.log());
        let row = from.log(log).await.unwrap().unwrap();
        let (_, checkpoint) = row.checkpoint.unwrap();
        let start = to.log(log).await.unwrap().map_or(0, |it| it.frontier.size());
        let mut records = Vec::new();
        for it in from.records(log, start, u64::MAX).await.unwrap() {
            let LogName { community, era } = log;
            let network = self.coordinator.network();
            let place = ExpectedPlace { network, community, era, index: it.index };
            records.push(verify(it.header_bytes, it.content, &place).unwrap());
        }
        let headers = from.headers(log, 0, u64::MAX).await.unwrap();
        let frontier: Frontier = headers.iter().map(|it| leaf_hash(it)).collect();
        let identity = row.identity.map(|it| it.to_vec());
        let incoming = Incoming {
            log,
            start,
            records,
            frontier,
            checkpoint: checkpoint.into(),
            proof: Vec::new(),
            completes: true,
            identity,
        };
        let accepted = to.accept(incoming).await.unwrap().await.unwrap();
        from.add_cosignatures(log, accepted.size, accepted.cosignatures).await.unwrap();
    }

    /// Time passes, and the coordinator does what is due.
    async fn pass(&self, secs: u64) {
        self.clock.advance(std::time::Duration::from_secs(secs));
        self.coordinator.store().tick().await.unwrap();
    }

    /// The coordinator says something in its own log, true or not.
    async fn say(&self, payload: Payload) {
        write(&self.coordinator, &payload).await;
    }

    async fn say_receipt(&self, size: u64, root: Hash) {
        let LogName { community, era } = self.log();
        let heads = vec![HeldHead { community, era, size, root }];
        self.say(Payload::Receipt(Receipt { received_at: UnixMillis(1), heads })).await;
    }

    /// What the community kept of acknowledgements, in a folder.
    async fn acks(&self) -> String {
        let folder = self.folder.path().join("acks");
        for (number, ack) in self.community.peer.store().acks().await.unwrap().iter().enumerate() {
            common::write(&folder, &format!("{number}.checkpoint"), &ack.note);
        }
        shown(&folder)
    }

    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (pages, stop) = (log_pages(self.coordinator.clone()), self.stop.stopped());
        let limits = transport::Limits::default();
        tokio::spawn(transport::serve_plain(listener, pages, limits, stop));
        format!("http://{address}/log/{}", self.coordinator.own_log())
    }

    async fn audit(&self, more: &[&str]) -> Run {
        let (url, acks) = (self.serve().await, self.acks().await);
        let arguments = [&["audit", &url, &acks, "--json"], more].concat();
        folkmoot(&arguments).await
    }
}

/// Appends a payload to a peer's own log.
async fn write(peer: &Peer, payload: &Payload) {
    let draft = Draft {
        kind: payload.kind().into(),
        payload: proto::payload::encode(payload),
        salt: Salt([0; 32]),
        references: Vec::new(),
    };
    peer.store().append(vec![draft], Guard::None).await.unwrap();
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The reasons of a list of findings.
fn reasons(list: &Value) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|it| it["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_coordinator_is_clean() {
    let estuary = estuary().await;
    for _ in 0..4 {
        estuary.grow(3).await;
        estuary.pass(4).await;
    }
    estuary.pass(60).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let told = run.json();
    let checked = &told["checked"];
    assert_eq!(told["coordinator"], json!(estuary.coordinator.community()));
    // The genesis and twelve records; at the coordinator its genesis, two receipts and an index.
    assert_eq!((&checked["receipts"], &checked["indexes"]), (&json!(3), &json!(1)), "{told}");
    assert_eq!((&checked["logs"], &checked["records"]), (&json!(1), &json!(13 + 5)), "{told}");
    assert!(0 < checked["acks"].as_u64().unwrap());
    for empty in ["missing", "contradictions", "withheld", "pending", "forked", "late"] {
        assert_eq!(told[empty], json!([]), "{empty}");
    }
    assert_eq!(told["witnessed_size"], json!(0));
    let run = folkmoot(&["audit", &estuary.serve().await]).await;
    assert!(run.answers.starts_with("Nothing that the coordinator received is missing."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipted_tail_that_is_not_served_is_missing_and_the_evidence_verifies() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.say_receipt(9, Hash::from_bytes([9; 32])).await;
    estuary.pass(60).await;
    let out = estuary.folder.path().join("evidence");
    let run = estuary.audit(&["--out", &shown(&out)]).await;
    assert_eq!(run.exit, Exit::Verification, "{run:?}");
    let told = run.json();
    assert_eq!(reasons(&told["missing"]), ["served.missing"], "{told}");
    assert_eq!(told["missing"][0]["size"], json!(9));
    assert_eq!(reasons(&told["contradictions"]), ["index.leaves_out"], "{told}");
    let record = told["missing"][0]["record"].as_u64().unwrap();
    let proof = out.join(format!("record-{record}.tlog-proof"));
    let verified = folkmoot(&["verify", &shown(&proof), "--json"]).await;
    assert_eq!((verified.exit, &verified.json()["index"]), (Exit::Ok, &json!(record)));
    assert_eq!(verified.json()["kind"], json!("folkmoot.record.receipt.v1"));
    assert!(out.join("findings.json").exists() && out.join("coordinator.checkpoint").exists());
    let again = estuary.audit(&["--out", &shown(&out)]).await;
    assert_eq!(again.exit, Exit::Usage, "a folder that holds something is not written to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_with_another_root_than_is_served_is_a_contradiction() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.say_receipt(2, Hash::from_bytes([9; 32])).await;
    estuary.pass(60).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Verification);
    assert_eq!(reasons(&run.json()["contradictions"]), ["served.other_root"], "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_with_one_wrong_root_is_a_contradiction() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    let before = estuary.coordinator.store().index_of(estuary.coordinator.community());
    let before = before.await.unwrap();
    estuary.grow(1).await;
    let row = estuary.community.peer.store().log(estuary.log()).await.unwrap().unwrap();
    let entry = IndexEntry {
        log: estuary.log(),
        size: 5,
        root: row.frontier.root(),
        standing: Standing::Ok,
    };
    let map: IndexMap = before.entries().chain([entry]).collect();
    let sound = map.records_since(&before).remove(0);
    estuary.say(Payload::Index(Index { root: Hash::from_bytes([9; 32]), ..sound })).await;
    estuary.pass(60).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Verification);
    assert_eq!(reasons(&run.json()["contradictions"]), ["index.wrong_root"], "{run:?}");
}

/// A checkpoint that the coordinator's mirror cosigned, `secs` ago.
fn cosigned(estuary: &Estuary, size: u64, root: Hash, at_millis: u64) -> Vec<u8> {
    let network = estuary.coordinator.network();
    let LogName { community, era } = estuary.log();
    let origin = KeyName::parse(&network.log_origin(&community, era)).unwrap();
    let checkpoint = Checkpoint { origin, size, root };
    let name = KeyName::parse(&mirror_name(network, &estuary.coordinator.community())).unwrap();
    let key: &SigningKey = &estuary.coordinator.keys().mirror;
    let line = cosign(&checkpoint, &name, key, at_millis / 1_000).unwrap();
    Note::new(checkpoint.to_text(), vec![line]).unwrap().render().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_nothing_covers_is_missing_once_it_is_due() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    estuary.pass(600).await;
    estuary.grow(1).await;
    let (url, file) = (estuary.serve().await, estuary.folder.path().join("ack"));
    let root = Hash::from_bytes([7; 32]);
    // What the coordinator signed last; by the clock of this machine, which audits, it is all long due.
    let now = estuary.clock.now_millis();
    for (age_secs, list, reason) in
        [(600, "missing", "receipt.missing"), (0, "pending", "receipt.not_due")]
    {
        std::fs::write(&file, cosigned(&estuary, 6, root, now - age_secs * 1_000)).unwrap();
        let run = folkmoot(&["audit", &url, &shown(&file), "--json"]).await;
        let told = run.json();
        assert!(reasons(&told[list]).contains(&reason.to_owned()), "{told}");
        // What it acknowledged must be served in any case.
        assert!(reasons(&told["missing"]).contains(&"served.missing".to_owned()), "{told}");
        assert_eq!(run.exit, Exit::Verification);
    }
    // One that somebody else signed proves nothing against it.
    let stranger = self::estuary().await;
    let other = cosigned(&stranger, 6, root, now);
    std::fs::write(&file, other).unwrap();
    let run = folkmoot(&["audit", &url, &shown(&file), "--json"]).await;
    assert_eq!((run.exit, &run.json()["checked"]["acks"]), (Exit::Ok, &json!(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_that_no_index_followed_are_told() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    let (url, file) = (estuary.serve().await, estuary.folder.path().join("ack"));
    let root = estuary.community.peer.store().log(estuary.log()).await.unwrap().unwrap();
    let root = root.frontier.root();
    // It goes on to acknowledge: by its own clock three minutes are not over, then they are.
    for (after_secs, exit, missing) in
        [(179, Exit::Ok, &[][..]), (181, Exit::Verification, &["index.none"])]
    {
        let at_millis = estuary.clock.now_millis() + after_secs * 1_000;
        std::fs::write(&file, cosigned(&estuary, 4, root, at_millis)).unwrap();
        let run = folkmoot(&["audit", &url, &shown(&file), "--json"]).await;
        assert_eq!(reasons(&run.json()["missing"]), missing, "{run:?}");
        assert_eq!(run.exit, exit);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_comes_late_after_a_crash_is_told_and_is_no_evidence() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    // The second growth within ten seconds waits for its receipt, and the coordinator is down for longer than allowed.
    estuary.grow(1).await;
    let down = estuary.audit(&[]).await;
    assert_eq!(
        (down.exit, reasons(&down.json()["pending"])),
        (Exit::Ok, vec!["receipt.not_due".to_owned()])
    );
    estuary.pass(195).await;
    estuary.pass(60).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(
        (run.exit, reasons(&run.json()["late"])),
        (Exit::Ok, vec!["receipt.late".to_owned()]),
        "{run:?}"
    );
    assert_eq!(run.json()["missing"], json!([]), "{run:?}");
    let told = folkmoot(&["audit", &estuary.serve().await, &estuary.acks().await]).await;
    assert!(told.answers.contains("and its log says so 3 minutes later"), "{}", told.answers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_a_seated_witness_needs_no_receipt() {
    let estuary = estuary_of(true).await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    let LogName { community, era } = estuary.coordinator.own_log();
    let root = estuary.coordinator.store().log(estuary.coordinator.own_log()).await.unwrap();
    let frontier = root.unwrap().frontier;
    let heads = vec![HeldHead { community, era, size: frontier.size(), root: frontier.root() }];
    let statement = Cosignatures { stated_at: UnixMillis(1), heads };
    write(&estuary.community.peer, &Payload::Cosignatures(statement)).await;
    estuary.mirror().await;
    estuary.pass(600).await;
    let row = estuary.community.peer.store().log(estuary.log()).await.unwrap().unwrap();
    let (file, root) = (estuary.folder.path().join("ack"), row.frontier.root());
    let (size, now) = (row.frontier.size(), estuary.clock.now_millis());
    // It goes on to sign, so that all it acknowledged before is due.
    std::fs::write(&file, cosigned(&estuary, size, root, now)).unwrap();
    let run = estuary.audit(&[&shown(&file)]).await;
    assert_eq!((run.exit, &run.json()["missing"]), (Exit::Ok, &json!([])), "{run:?}");
    assert_eq!(run.json()["pending"], json!([]), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_withheld_in_public_is_told_and_is_no_evidence() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    let unheld = LogName { era: 1, ..estuary.log() };
    let (since, reason) = (UnixMillis(1), Some(Reason::Ordered));
    let entry = IndexEntry {
        log: unheld,
        size: 2,
        root: Hash::from_bytes([2; 32]),
        standing: Standing::Withheld,
    };
    let before = estuary.coordinator.store().index_of(estuary.coordinator.community());
    let before = before.await.unwrap();
    let map: IndexMap = before.entries().chain([entry]).collect();
    estuary.say(Payload::Index(map.records_since(&before).remove(0))).await;
    let open = estuary.audit(&[]).await;
    assert_eq!(reasons(&open.json()["missing"]), ["served.missing"], "{open:?}");
    estuary.say(Payload::Status(Status { log: unheld, since, reason, until: None })).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    assert_eq!(reasons(&run.json()["withheld"]), ["served.missing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operators_withhold_is_not_served_and_an_audit_tells_it_from_what_was_lost() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    estuary.coordinator.set_orders([(estuary.log(), Reason::Ordered)].into());
    let unsaid = estuary.audit(&[]).await;
    assert_eq!(unsaid.exit, Exit::Verification, "nothing is said of it in public: {unsaid:?}");

    estuary.coordinator.treat_forks().await.unwrap();
    estuary.pass(60).await;
    let run = estuary.audit(&[&estuary.acks().await]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let withheld = reasons(&run.json()["withheld"]);
    assert!(withheld.iter().all(|it| it == "served.missing") && !withheld.is_empty(), "{run:?}");

    estuary.coordinator.set_orders([].into());
    estuary.coordinator.treat_forks().await.unwrap();
    estuary.pass(60).await;
    let run = estuary.audit(&[&estuary.acks().await]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    assert_eq!(reasons(&run.json()["withheld"]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_says_how_far_the_coordinators_log_is_witnessed() {
    let estuary = estuary().await;
    estuary.grow(1).await;
    estuary.pass(60).await;
    let (store, log) = (estuary.coordinator.store(), estuary.coordinator.own_log());
    let (size, note) = store.log(log).await.unwrap().unwrap().checkpoint.unwrap();
    let note = Note::parse(&note).unwrap();
    let checkpoint = Checkpoint::parse_text(note.text()).unwrap();
    let (name, key) =
        (KeyName::parse("witness.example").unwrap(), SigningKey::from_bytes(&[3; 32]));
    let vkey = VerifierKey::cosignature(name.clone(), &key.verifying_key()).unwrap().render();
    let policy = estuary.folder.path().join("policy");
    std::fs::write(&policy, format!("witness neighbour {vkey}\nquorum neighbour\n")).unwrap();
    let (url, policy) = (estuary.serve().await, shown(&policy));
    let alone = folkmoot(&["audit", &url, "--policy", &policy]).await;
    assert_eq!(alone.exit, Exit::Ok);
    assert!(alone.answers.contains("not yet: of"), "{}", alone.answers);
    let line = cosign(&checkpoint, &name, &key, 1_800_000_000).unwrap().render_line();
    store.add_cosignatures(log, size, vec![line]).await.unwrap();
    let run = folkmoot(&["audit", &url, "--policy", &policy, "--json"]).await;
    assert_eq!(run.json()["witnessed_size"], json!(size));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_is_not_there_is_tried_again_later() {
    let community = found("Eastside").await;
    let url = format!("http://127.0.0.1:9/log/{}", community.log());
    assert_eq!(folkmoot(&["audit", &url]).await.exit, Exit::Unavailable);
    assert_eq!(folkmoot(&["audit", "somewhere"]).await.exit, Exit::Usage);
}

/// Evidence of the community's newest head and of another one that its key signed.
fn evidence_of_fork(row: &store::LogRow, key: &SigningKey) -> Payload {
    let note = Note::parse(&row.checkpoint.as_ref().unwrap().1).unwrap();
    let head = Checkpoint::parse_text(note.text()).unwrap();
    let other = Checkpoint { root: Hash::from_bytes([7; 32]), ..head.clone() };
    let mut heads = [head, other];
    heads.sort_by_key(|it| it.root);
    let [one, other] = heads.map(|it| tlog::sign_checkpoint(&it, key).to_bytes());
    let LogName { community, era } = row.name;
    Payload::Evidence(record::payload::ForkEvidence { community, era, one, other, beginning: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stated_of_another_branch_of_a_forked_log_is_told_and_is_no_evidence() {
    let estuary = estuary().await;
    estuary.grow(3).await;
    estuary.pass(60).await;
    estuary.say_receipt(2, Hash::from_bytes([9; 32])).await;
    estuary.say_receipt(9, Hash::from_bytes([9; 32])).await;
    let before = estuary.audit(&[]).await.json();
    assert_eq!(reasons(&before["contradictions"]), ["served.other_root"], "{before}");
    assert_eq!(reasons(&before["missing"]), ["served.missing"], "{before}");
    assert_eq!(before["forked"], json!([]), "{before}");

    let row = estuary.coordinator.store().log(estuary.log()).await.unwrap().unwrap();
    // What proves nothing explains nothing: another key signed it.
    estuary.say(evidence_of_fork(&row, &SigningKey::from_bytes(&[5; 32]))).await;
    assert_eq!(estuary.audit(&[]).await.exit, Exit::Verification);
    estuary.say(evidence_of_fork(&row, &estuary.community.peer.keys().log)).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Ok, "{run:?}");
    let told = run.json();
    assert_eq!(reasons(&told["forked"]), ["served.missing", "served.other_root"], "{told}");
    // To state two heads of one size is not explained by it.
    estuary.say_receipt(2, Hash::from_bytes([8; 32])).await;
    let run = estuary.audit(&[]).await;
    assert_eq!(run.exit, Exit::Verification);
    assert_eq!(reasons(&run.json()["contradictions"]), ["claim.two_roots"], "{run:?}");
}
