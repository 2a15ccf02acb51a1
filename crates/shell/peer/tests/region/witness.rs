//! Nodes as witnesses: what they cosign on streams, and what anybody's tool may bring them.

use std::net::SocketAddr;

use peer::{Peer, Role};
use record::{LogName, kind::Known};
use tlog::{Checkpoint, Note, NoteSignature, VerifierKey, sign_checkpoint, verify_cosignature};

use crate::{
    pages::{Page, ask, serve_pages},
    world::*,
};

async fn witness_key(peer: &Peer) -> VerifierKey {
    let identity = peer.identity_of(peer.community()).await.unwrap().unwrap();
    let identity = identity.identity();
    let key = identity.keys().witness();
    record::identity::witness_verifier_key(identity.network(), &identity.community(), key)
}

async fn note(peer: &Peer, log: LogName) -> Option<Note> {
    let row = peer.store().log(log).await.unwrap()?;
    Some(Note::parse(&row.checkpoint?.1).unwrap())
}

fn is_cosigned(note: &Note, key: &VerifierKey) -> bool {
    note.signatures().iter().any(|line| verify_cosignature(note.text(), line, key).is_ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_cosigns_the_logs_that_it_holds_with_its_witness_key_and_their_authors_keep_that() {
    let region = region(1).await;
    let node = region.linked(0).await;
    let key = witness_key(&node).await;
    let log = region.coordinator.own_log();
    until(&region.coordinator, async || {
        note(&region.coordinator, log).await.is_some_and(|it| is_cosigned(&it, &key))
    })
    .await;
    // The node holds its own line, too.
    until(&node, async || note(&node, log).await.is_some_and(|it| is_cosigned(&it, &key))).await;
    // It has no seat, so it states nothing in its log.
    let records = node.store().records(node.own_log(), 0, 99).await.unwrap();
    let is_stated =
        |it: &store::StoredRecord| it.header().unwrap().kind.known() == Some(Known::Cosignatures);
    assert!(!records.iter().any(is_stated));
}

/// A witness that holds another's log of some records, and that other.
struct Pair {
    witness: Peer,
    address: SocketAddr,
    author: Peer,
    _region: Region,
}

impl Pair {
    async fn of(n_records: u8) -> Self {
        let region = region(2).await;
        let (witness, author) = (region.linked(0).await, region.linked(1).await);
        for n in 0..n_records {
            append(&author, &[n]).await;
        }
        let size = u64::from(n_records) + 1;
        until_held(&witness, author.own_log(), size).await;
        until(&witness, async || {
            note(&witness, author.own_log())
                .await
                .is_some_and(|it| Checkpoint::parse_text(it.text()).unwrap().size == size)
        })
        .await;
        witness.end_streams();
        author.end_streams();
        region.coordinator.end_streams();
        let address = serve_pages(&witness).await;
        Self { witness, address, author, _region: region }
    }

    /// The author's newest checkpoint, and the proof to it from this size.
    async fn asked(&self, old_size: u64) -> String {
        let log = self.author.own_log();
        let row = self.author.store().log(log).await.unwrap().unwrap();
        let (size, checkpoint) = row.checkpoint.unwrap();
        let proof = self.author.store().consistency_proof(log, old_size, size).await.unwrap();
        let proof: String = proof.iter().map(|it| it.to_base64() + "\n").collect();
        format!("old {old_size}\n{proof}\n{}", String::from_utf8(checkpoint).unwrap())
    }

    async fn bring(&self, request: &str) -> Page {
        ask(self.address, "POST", "/witness/add-checkpoint", request.as_bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_continues_the_largest_known_is_cosigned_once_it_is_proved() {
    let pair = Pair::of(2).await;
    for n in 0..3_u8 {
        append(&pair.author, &[n]).await;
    }
    let request = pair.asked(3).await;
    let page = pair.bring(&request).await;
    assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&page.body));
    let line = NoteSignature::parse_line(str::from_utf8(&page.body).unwrap()).unwrap();
    let brought = Note::parse(request.split_once("\n\n").unwrap().1.as_bytes()).unwrap();
    let key = witness_key(&pair.witness).await;
    assert!(verify_cosignature(brought.text(), &line, &key).is_ok());
    // The size cosigned last is now 6: a proof from 3 is out of date, and the same checkpoint may come again.
    let page = pair.bring(&request).await;
    assert_eq!((page.status, page.body.as_slice()), (409, b"6\n".as_slice()));
    assert_eq!(page.header("content-type"), "text/x.tlog.size");
    assert_eq!(pair.bring(&pair.asked(6).await).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proved_or_not_of_the_log_is_not_cosigned() {
    let pair = Pair::of(2).await;
    append(&pair.author, b"more").await;
    let good = pair.asked(3).await;
    let status = async |request: &str| pair.bring(request).await.status;
    assert_eq!(status("").await, 400);
    assert_eq!(status(&good.replacen("old 3", "old 03", 1)).await, 400);
    assert_eq!(status(&good.replacen("old 3", "old 9", 1)).await, 400);
    let hash = tlog::Hash::from_bytes([1; 32]).to_base64();
    let long = good.replacen("old 3\n", &format!("old 3\n{}", format!("{hash}\n").repeat(64)), 1);
    assert_eq!(status(&long).await, 400);
    let bad_proof = good.replacen("old 3\n", &format!("old 3\n{hash}\n"), 1);
    assert_eq!(status(&bad_proof).await, 422);
    let unknown = good.replacen("/log/fm1", "/log/fm2", 1);
    assert_eq!(status(&unknown).await, 404);
    let text = good.split_once("\n\n").unwrap().1;
    let head = Checkpoint::parse_text(Note::parse(text.as_bytes()).unwrap().text()).unwrap();
    let stranger = sign_checkpoint(&head, &pair.witness.keys().log).to_bytes();
    let stranger = good.replacen(text, str::from_utf8(&stranger).unwrap(), 1);
    assert_eq!(status(&stranger).await, 403);
    let padded = format!("{good}{}", "x".repeat(128 * 1024));
    assert_eq!(status(&padded).await, 413);
    assert_eq!(status(&good).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_root_at_the_size_cosigned_last_is_refused_and_kept_as_evidence() {
    let pair = Pair::of(2).await;
    let good = pair.asked(3).await;
    let text = good.split_once("\n\n").unwrap().1;
    let head = Checkpoint::parse_text(Note::parse(text.as_bytes()).unwrap().text()).unwrap();
    let other = Checkpoint { root: tlog::Hash::from_bytes([7; 32]), ..head };
    let other = sign_checkpoint(&other, &pair.author.keys().log).to_bytes();
    let request = format!("old 3\n\n{}", str::from_utf8(&other).unwrap());
    assert_eq!(pair.bring(&request).await.status, 422);
    let fork = pair.witness.store().fork(pair.author.own_log()).await.unwrap().unwrap();
    assert_eq!(fork.evidence_log, pair.witness.own_log());
    // A log that forked is not cosigned any more.
    assert_eq!(pair.bring(&good).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinators_mirror_never_cosigns_another_branch_than_its_witness_did() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    let linked = link(&node, &region.charter.coordinators[0]);
    append(&node, b"first").await;
    until_cosigned(&node).await;
    linked.abort();
    node.end_streams();
    let address = serve_pages(&region.coordinator).await;
    let log = node.own_log();
    // Another history of three records, brought with a proof that holds.
    let leaves: Vec<_> = node.store().headers(log, 0, 2).await.unwrap();
    let mut leaves: Vec<_> = leaves.iter().map(|it| tlog::leaf_hash(it)).collect();
    leaves.push(tlog::leaf_hash(b"another history"));
    let proof =
        tlog::consistency_proof(2, 3, &tlog::prove::leaf_lookup(&leaves)).unwrap()[0].to_base64();
    let root = leaves.iter().copied().collect::<tlog::Frontier>().root();
    let origin = tlog::KeyName::parse(&node.network().log_origin(&log.community, 0)).unwrap();
    let head = Checkpoint { origin, size: 3, root };
    let signed = sign_checkpoint(&head, &node.keys().log).to_bytes();
    let request = format!("old 2\n{proof}\n\n{}", str::from_utf8(&signed).unwrap());
    let page = ask(address, "POST", "/witness/add-checkpoint", request.as_bytes()).await;
    assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&page.body));

    append(&node, b"what the node says").await;
    let mirror = region.coordinator.store().config().own.mirror.clone().unwrap();
    let row = node.store().log(log).await.unwrap().unwrap();
    let leaves: Vec<_> = node.store().headers(log, 0, 3).await.unwrap();
    let record = node.store().records(log, 2, 3).await.unwrap().remove(0);
    let place = record::verified::ExpectedPlace {
        network: node.network(),
        community: log.community,
        era: 0,
        index: 2,
    };
    let incoming = store::Incoming {
        log,
        start: 2,
        records: vec![
            record::verified::verify(record.header_bytes, record.content, &place).unwrap(),
        ],
        frontier: leaves.iter().map(|it| tlog::leaf_hash(it)).collect(),
        checkpoint: row.checkpoint.unwrap().1.into(),
        proof: Vec::new(),
        completes: true,
        identity: None,
    };
    let accepted = region.coordinator.store().accept(incoming).await.unwrap().await.unwrap();
    assert_eq!((accepted.size, accepted.cosignatures), (3, Vec::new()), "{}", mirror.name);
}
