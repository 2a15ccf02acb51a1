//! A community whose log has two histories.

use peer::Role;
use proto::v1::frame::Step;
use record::{
    Payload, UnixMillis,
    kind::Known,
    payload::{Status, status::Reason},
};

use crate::world::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_signed_heads_of_one_size_are_kept_as_evidence_and_the_first_log_stays() {
    let region = region(2).await;
    let first = region.founders[0].open(&region.charter, Role::Node).await;
    first.store().close().await.unwrap();
    // A copy of keys and log, as after a backup that was restored beside the original.
    let copied = region.founders[0].twin();
    let first = region.linked(0).await;
    append(&first, b"one history").await;
    until_cosigned(&first).await;
    let log = first.own_log();
    let held = region.coordinator.store().log(log).await.unwrap().unwrap();

    let second = copied.open(&region.charter, Role::Node).await;
    // It does not ask first, as an honest one would.
    second.store().settle().await.unwrap();
    append(&second, b"another history").await;
    link(&second, &region.charter.coordinators[0]);
    let own = region.coordinator.own_log();
    let evidence = async || {
        let records = region.coordinator.store().records(own, 0, 999).await.unwrap();
        let is_evidence =
            |it: &store::StoredRecord| it.header().unwrap().kind.known() == Some(Known::Evidence);
        records.into_iter().filter(is_evidence).collect::<Vec<_>>()
    };
    until(&region.coordinator, async || !evidence().await.is_empty()).await;

    let filed = evidence().await.remove(0).content.unwrap().payload;
    let Ok(Payload::Evidence(filed)) = proto::payload::decode(Known::Evidence, &filed) else {
        panic!("no evidence");
    };
    assert_eq!(filed.community, log.community);
    // Whoever holds the coordinator's log holds the evidence, and files none of its own.
    let other = region.linked(1).await;
    until(&other, async || other.store().fork(log).await.unwrap().is_some()).await;
    let before = size(&other, other.own_log()).await;
    other.file_evidence(filed.clone()).await.unwrap();
    region.coordinator.file_evidence(filed.clone()).await.unwrap();
    assert_eq!(size(&other, other.own_log()).await, before);
    assert_eq!(evidence().await.len(), 1);
    let text = |note: &[u8]| tlog::Note::parse(note).unwrap().text().to_owned();
    assert_ne!(text(&filed.one), text(&filed.other));
    let now = region.coordinator.store().log(log).await.unwrap().unwrap();
    assert_eq!((now.frontier, now.checkpoint), (held.frontier, held.checkpoint));
}

/// Records of evidence in the coordinator's log.
async fn filed_by(coordinator: &peer::Peer) -> usize {
    let records = coordinator.store().records(coordinator.own_log(), 0, 999).await.unwrap();
    let is_evidence =
        |it: &store::StoredRecord| it.header().unwrap().kind.known() == Some(Known::Evidence);
    records.into_iter().filter(is_evidence).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_a_fork_shows_the_evidence_and_what_it_shows_is_filed_once() {
    let region = region(2).await;
    let node = region.linked(0).await;
    append(&node, b"one history").await;
    until_cosigned(&node).await;
    let (coordinator, log) = (&region.coordinator, node.own_log());
    let evidence = forged_history(&node).await;
    let (_, held) = coordinator.store().log(log).await.unwrap().unwrap().checkpoint.unwrap();
    let text = |note: &[u8]| tlog::Note::parse(note).unwrap().text().to_owned();
    let is_other = |note: &&Vec<u8>| text(note) != text(&held);
    let checkpoint = [&evidence.one, &evidence.other].into_iter().find(is_other).unwrap().clone();
    let (community, era) = (log.community.as_bytes().to_vec(), log.era);
    let name = proto::v1::LogName { community: community.clone(), era };

    // Somebody shows what proves nothing, before what does.
    let other = region.founders[1].open(&region.charter, Role::Node).await;
    let show = |evidence: &record::payload::ForkEvidence| {
        Step::Refusal(proto::v1::Refusal {
            log: Some(name.clone()),
            reason: "replication.fork".to_owned(),
            detail: String::new(),
            evidence: proto::payload::encode(&Payload::Evidence(evidence.clone())),
        })
    };
    let twice = record::payload::ForkEvidence { other: evidence.one.clone(), ..evidence.clone() };
    let stream = Stream::of(region.address, &other).await;
    stream.send(show(&twice)).await;
    stream.send(show(&evidence)).await;
    stream.send(show(&evidence)).await;
    until(coordinator, async || coordinator.store().fork(log).await.unwrap().is_some()).await;
    assert_eq!(filed_by(coordinator).await, 1);

    // And is shown it by whoever finds it.
    let mut stream = Stream::of(region.address, &other).await;
    let head = proto::v1::Head { community, era, checkpoint, ..proto::v1::Head::default() };
    stream.send(Step::Heads(proto::v1::Heads { heads: vec![head] })).await;
    let told = stream.refusal().await;
    assert_eq!((told.reason.as_str(), told.log), ("replication.fork", Some(name)));
    let shown = proto::payload::decode(Known::Evidence, &told.evidence);
    assert_eq!(shown, Ok(Payload::Evidence(evidence)));
    assert_eq!(filed_by(coordinator).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_against_a_log_that_is_not_held_is_filed_4_times_and_no_more() {
    let region = region(1).await;
    let node = region.founders[0].open(&region.charter, Role::Node).await;
    node.store().settle().await.unwrap();
    append(&node, b"nobody holds this").await;
    let evidence = forged_history(&node).await;
    for n_found in 1..=6 {
        region.coordinator.file_evidence(evidence.clone()).await.unwrap();
        assert_eq!(filed_by(&region.coordinator).await, n_found.min(4));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_of_a_forked_log_is_told_on_its_stream_and_still_served() {
    let region = region(2).await;
    let node = region.linked(0).await;
    append(&node, b"one history").await;
    until_cosigned(&node).await;
    let log = node.own_log();
    let filed = forged_history(&node).await;
    region.coordinator.file_evidence(filed).await.unwrap();
    assert!(region.coordinator.store().fork(log).await.unwrap().is_some());
    node.end_streams();

    let hello = peer::hello::hello(&node).await.unwrap();
    let mut stream = open(region.address, &node.keys().transport, hello).await.unwrap();
    let told = stream.refusal().await;
    assert_eq!((told.reason.as_str(), told.log), ("log.forked", None));
    assert!(told.detail.contains(&log.to_string()), "{}", told.detail);
    // What comes after the fork is held, and not cosigned.
    let other = region.linked(1).await;
    append(&other, b"from another").await;
    until_cosigned(&other).await;
    until_held(&other, log, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_says_of_a_forked_log_that_it_is_frozen_and_what_lifts_that() {
    let region = region(1).await;
    let node = region.linked(0).await;
    append(&node, b"one history").await;
    until_cosigned(&node).await;
    let (coordinator, log) = (&region.coordinator, node.own_log());
    let filed = async || {
        let statuses = coordinator.store().statuses().await.unwrap();
        statuses.into_iter().map(|(_, status)| status).collect::<Vec<_>>()
    };
    coordinator.treat_forks().await.unwrap();
    assert_eq!(filed().await, []);
    coordinator.file_evidence(forged_history(&node).await).await.unwrap();
    coordinator.treat_forks().await.unwrap();
    let told = || node.links().all().remove(0).1.standing;
    until(&node, async || told().is_some()).await;
    let standing = told().unwrap();
    assert_eq!((standing.standing, standing.reason), ("forked", "log.forked"));
    assert!(standing.detail.contains("officers recover it"), "{}", standing.detail);
    // It is said once, and to whoever connects later.
    let before = size(coordinator, coordinator.own_log()).await;
    coordinator.treat_forks().await.unwrap();
    assert_eq!(size(coordinator, coordinator.own_log()).await, before);
    let [status] = filed().await[..] else { panic!("one status") };
    assert_eq!((status.log, status.reason, status.until), (log, Some(Reason::TwoHistories), None));
    node.end_streams();
    let mut stream = Stream::of(region.address, &node).await;
    let told = loop {
        if let Step::Status(told) = stream.next().await.unwrap() {
            break told;
        }
    };
    assert_eq!(proto::payload::status::parse_frame(told), Ok(status));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_log_that_did_not_fork_is_taken_back() {
    let region = region(1).await;
    let node = region.linked(0).await;
    append(&node, b"one history").await;
    until_cosigned(&node).await;
    let (since, reason) = (UnixMillis(1), Some(Reason::TwoHistories));
    let wrong = Status { log: node.own_log(), since, reason, until: None };
    region.coordinator.treat(wrong).await;
    let told = || node.links().all().remove(0).1.standing;
    until(&node, async || told().is_some()).await;
    region.coordinator.treat_forks().await.unwrap();
    until(&node, async || told().is_none()).await;
}

/// Evidence of the node's newest head and of another one that its key signed.
pub(crate) async fn forged_history(node: &peer::Peer) -> record::payload::ForkEvidence {
    let (_, note) = node.store().log(node.own_log()).await.unwrap().unwrap().checkpoint.unwrap();
    let note = tlog::Note::parse(&note).unwrap();
    let head = tlog::Checkpoint::parse_text(note.text()).unwrap();
    let other = tlog::Checkpoint { root: tlog::Hash::from_bytes([7; 32]), ..head.clone() };
    let mut heads = [head, other];
    heads.sort_by_key(|it| it.root);
    let [one, other] = heads.map(|it| tlog::sign_checkpoint(&it, &node.keys().log).to_bytes());
    let record::LogName { community, era } = node.own_log();
    record::payload::ForkEvidence { community, era, one, other, beginning: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_came_to_hold_the_branch_which_the_coordinator_did_not_state_comes_to_hold_the_other()
 {
    let region = region(2).await;
    let first = region.founders[0].open(&region.charter, Role::Node).await;
    first.store().close().await.unwrap();
    let copied = region.founders[0].twin();
    let first = region.linked(0).await;
    append(&first, b"one history").await;
    append(&first, b"and how it goes on").await;
    until_cosigned(&first).await;
    let log = first.own_log();

    // Another machine of the same community writes another history, and shows it to one node alone.
    let second = copied.open(&region.charter, Role::Node).await;
    second.store().settle().await.unwrap();
    append(&second, b"another history").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Some(listener.local_addr().unwrap().to_string());
    let served = serve(&second, listener);
    let node = region.founders[1].open(&region.charter, Role::Node).await;
    let misled = link(&node, &peer::Seat { address, ..seat_of(&second, &region) });
    until_held(&node, log, 2).await;
    misled.abort();
    served.stop(&second).await;
    let root =
        async |peer: &peer::Peer| peer.store().log(log).await.unwrap().map(|it| it.frontier.root());
    assert_ne!(root(&node).await, root(&region.coordinator).await);

    link(&node, &region.charter.coordinators[0]);
    until(&node, async || root(&node).await == root(&region.coordinator).await).await;
    let fork = node.store().fork(log).await.unwrap().unwrap();
    assert_eq!((fork.frozen_size, fork.is_elsewhere), (3, false));
    // It holds it like any other: with the signatures of whoever stated it, and none of its own.
    let whole = async || node.store().log(log).await.unwrap().unwrap().checkpoint;
    until(&node, async || whole().await.is_some_and(|(size, _)| size == 3)).await;
    let (_, note) = whole().await.unwrap();
    let names = [log.community, region.coordinator.community()].map(|it| it.to_string());
    let note = tlog::Note::parse(&note).unwrap();
    assert!(
        note.signatures()
            .iter()
            .all(|line| { names.iter().any(|it| line.name().as_str().contains(it.as_str())) })
    );
}

fn seat_of(peer: &peer::Peer, region: &Region) -> peer::Seat {
    peer::Seat { id: peer.community(), ..region.charter.coordinators[0].clone() }
}
