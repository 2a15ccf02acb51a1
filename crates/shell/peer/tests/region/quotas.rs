//! A flooder waits and is told why; a coordinator that is silent holds nobody up.

use std::{sync::Arc, time::Duration};

use peer::{CharterFile, Peer, Role, linker, silence::Watches};
use record::{
    LogName, Payload, UnixMillis,
    kind::Known,
    payload::{
        Receipt,
        receipt::HeldHead,
        status::{Reason, Standing},
    },
    region::{Charter, Quota, Rules},
};
use runtime::clock::{Clock as _, ManualClock, SystemClock};
use store::{Draft, Guard};
use tokio::net::TcpListener;

use crate::{
    forks::forged_history,
    regions::{file, until_epoch},
    world::*,
};

/// The same charter, with a quota of so many records a minute.
fn strict(charter: &CharterFile, records_per_minute: u32) -> CharterFile {
    let founded = &charter.charter;
    let quota = Quota { records_per_minute, ..Rules::default().quota };
    let roster = founded.roster().clone();
    let roster = roster.with_rules(Rules { quota, ..Rules::default() }).unwrap();
    let charter_then = Charter::new(founded.network().clone(), founded.name().clone(), roster);
    CharterFile { charter: charter_then, ..charter.clone() }
}

/// A peer whose clock a test moves.
async fn open_at(founded: &Founded, charter: &CharterFile, role: Role) -> (Peer, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(SystemClock::new().now_millis()));
    let opened = Peer::open(&founded.folder, charter.clone(), role, Arc::clone(&clock) as _);
    let peer = opened.await.unwrap();
    tokio::spawn(peer.clone().spread_growth());
    (peer, clock)
}

async fn flood(peer: &Peer, n_records: usize) {
    let draft = |n: usize| Draft {
        kind: "folkmoot.record.problem.v1".parse().unwrap(),
        payload: n.to_be_bytes().to_vec(),
        salt: record::commitment::Salt([7; 32]),
        references: Vec::new(),
    };
    peer.store().append((0..n_records).map(draft).collect(), Guard::None).await.unwrap();
}

async fn is_throttled(coordinator: &Peer, node: &Peer) -> bool {
    let statuses = coordinator.store().statuses().await.unwrap();
    let of_node = statuses.iter().find(|(_, status)| status.log == node.own_log());
    of_node.is_some_and(|(_, status)| status.standing() == Standing::Throttled)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooder_waits_and_is_told_while_others_go_on_and_all_of_it_comes_in_time() {
    let seated = found(NETWORK, "Estuary Office");
    let founders = [found(NETWORK, "Flood"), found(NETWORK, "Quiet")];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let charter = charter(NETWORK, (&seated, address), &[&founders[0], &founders[1]]);
    let strict = strict(&charter, 600);
    assert_eq!(strict.charter.region_id(), charter.region, "the rules are no part of the charter");
    let (coordinator, clock) = open_at(&seated, &strict, Role::Coordinator).await;
    let _server = serve(&coordinator, listener);
    let flooder = founders[0].open(&charter, Role::Node).await;
    flood(&flooder, 4_000).await;
    link(&flooder, &charter.coordinators[0]);
    until(&coordinator, async || is_throttled(&coordinator, &flooder).await).await;

    let quiet = founders[1].open(&charter, Role::Node).await;
    append(&quiet, b"on time").await;
    link(&quiet, &charter.coordinators[0]);
    until_cosigned(&quiet).await;
    assert!(size(&coordinator, flooder.own_log()).await < 4_001);
    let told = || flooder.links().all().remove(0).1.standing;
    until(&flooder, async || told().is_some()).await;
    assert_eq!(told().unwrap().reason, Reason::RecordsPerMinute.token());

    // Every minute a little more comes, and nobody does anything about it.
    let is_over = async || size(&coordinator, flooder.own_log()).await == 4_001;
    while !is_over().await {
        clock.advance(Duration::from_mins(10));
        coordinator.lift_due().await.unwrap();
        until(&coordinator, async || is_over().await || is_throttled(&coordinator, &flooder).await)
            .await;
    }
    clock.advance(Duration::from_mins(10));
    coordinator.lift_due().await.unwrap();
    until(&flooder, async || told().is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_forks_while_it_has_to_wait_is_told_so_once_the_wait_is_over() {
    let (seated, founder) = (found(NETWORK, "Estuary Office"), found(NETWORK, "Flood"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let charter = charter(NETWORK, (&seated, address), &[&founder]);
    let strict = strict(&charter, 600);
    let (coordinator, clock) = open_at(&seated, &strict, Role::Coordinator).await;
    let _server = serve(&coordinator, listener);
    let node = founder.open(&charter, Role::Node).await;
    flood(&node, 700).await;
    link(&node, &charter.coordinators[0]);
    until(&coordinator, async || is_throttled(&coordinator, &node).await).await;
    coordinator.file_evidence(forged_history(&node).await).await.unwrap();
    coordinator.treat_forks().await.unwrap();
    assert!(is_throttled(&coordinator, &node).await);
    let told = || node.links().all().remove(0).1.standing.map(|it| it.standing);
    clock.advance(Duration::from_mins(10));
    coordinator.lift_due().await.unwrap();
    until(&node, async || told() == Some("forked")).await;
    until_held(&coordinator, node.own_log(), 701).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_coordinator_is_noted_while_it_has_a_seat_and_holds_no_other_up() {
    let (seated, deaf) = (found(NETWORK, "Estuary Office"), found(NETWORK, "Deaf Office"));
    let founder = found(NETWORK, "Ward");
    let [listener, never] = [
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    ];
    let seat = |it: &Founded, listener: &TcpListener| {
        let address = listener.local_addr().unwrap();
        format!("[[coordinators]]\nid = \"{}\"\naddress = \"{address}\"\n", it.id)
    };
    let text = format!(
        "network = \"{NETWORK}\"\nname = \"Estuary\"\n{}{}[[founders]]\nid = \"{}\"\n",
        seat(&seated, &listener),
        seat(&deaf, &never),
        founder.id
    );
    let path = founder.folder.path().join("charter.toml");
    std::fs::write(&path, text).unwrap();
    let charter = CharterFile::read(&path).unwrap();
    let coordinator = seated.open(&charter, Role::Coordinator).await;
    let _server = serve(&coordinator, listener);
    let (node, clock) = open_at(&founder, &charter, Role::Node).await;
    tokio::spawn(linker::keep_linked_to_seats(node.clone()));
    append(&node, b"heard by one").await;
    until_cosigned(&node).await;

    let mut watches = Watches::default();
    let silence = |id| {
        let links = node.links().all();
        let link = links.into_iter().find(|(community, _)| *community == id);
        link.and_then(|(_, state)| state.silence).map(|it| it.reason)
    };
    node.look_for_silence(&mut watches).await.unwrap();
    clock.advance(Duration::from_millis(9_999));
    node.look_for_silence(&mut watches).await.unwrap();
    assert_eq!((silence(deaf.id), silence(seated.id)), (None, None));
    clock.advance(Duration::from_millis(1));
    node.look_for_silence(&mut watches).await.unwrap();
    assert_eq!((silence(deaf.id), silence(seated.id)), (Some("silence.no_ack"), None));
    // What the other acknowledged, and indexes only in a minute, is owed after three.
    clock.advance(Duration::from_mins(3));
    node.look_for_silence(&mut watches).await.unwrap();
    assert_eq!(silence(seated.id), Some("silence.no_index"));

    // Who has lost its seat owes nothing.
    assert_eq!(silence(deaf.id), Some("silence.no_ack"));
    file(&node, &[seated.id], &[]).await;
    until_epoch(&node, 1).await;
    node.look_for_silence(&mut watches).await.unwrap();
    assert_eq!(silence(deaf.id), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_coordinator_received_is_not_counted_again() {
    let (seated, other) = (found(NETWORK, "Estuary Office"), found(NETWORK, "Upriver Office"));
    let founder = found(NETWORK, "Flood");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let text = format!(
        "network = \"{NETWORK}\"\nname = \"Estuary\"\n[[coordinators]]\nid = \"{}\"\naddress = \"{address}\"\n\
         [[coordinators]]\nid = \"{}\"\n[[founders]]\nid = \"{}\"\n",
        seated.id, other.id, founder.id
    );
    let path = founder.folder.path().join("charter.toml");
    std::fs::write(&path, text).unwrap();
    let charter = CharterFile::read(&path).unwrap();
    let node = founder.open(&charter, Role::Node).await;
    flood(&node, 900).await;
    // Its receipt comes before the log does.
    let coordinator = seated.open(&strict(&charter, 600), Role::Coordinator).await;
    let earlier = other.open(&charter, Role::Coordinator).await;
    let LogName { community, era } = node.own_log();
    let head = HeldHead { community, era, size: 901, root: tlog::Hash::from_bytes([0; 32]) };
    let receipt = Receipt { received_at: UnixMillis(1), heads: vec![head] };
    let draft = Draft {
        kind: Known::Receipt.into(),
        payload: proto::payload::encode(&Payload::Receipt(receipt)),
        salt: record::commitment::Salt([0; 32]),
        references: Vec::new(),
    };
    earlier.store().append(vec![draft], Guard::None).await.unwrap();
    let _server = serve(&coordinator, listener);
    let seat = charter.coordinators.iter().find(|it| it.id == seated.id).unwrap();
    link(&earlier, seat);
    until_held(&coordinator, earlier.own_log(), 2).await;
    link(&node, seat);
    until_held(&coordinator, node.own_log(), 901).await;
    assert!(!is_throttled(&coordinator, &node).await);
}
