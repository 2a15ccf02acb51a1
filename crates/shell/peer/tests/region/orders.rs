//! What a coordinator's operators decide about a log: said in public, told to its author, heeded by pages and streams.

use peer::{Peer, Role, orders::Orders};
use record::{LogName, payload::status::Reason};

use crate::{
    pages::{ask, serve_pages},
    world::*,
};

/// The standing that a node has been told of.
fn told(node: &Peer) -> Option<&'static str> {
    node.links().all().into_iter().find_map(|(_, link)| link.standing).map(|it| it.reason)
}

/// Waits until a node has been told this, over as many records as that takes: each is acknowledged by the stream that
/// tells it.
async fn until_told(node: &Peer, reason: Option<&'static str>) {
    in_time(async {
        loop {
            append(node, b"meanwhile").await;
            until_cosigned(node).await;
            if told(node) == reason {
                return;
            }
        }
    })
    .await;
}

/// What the coordinator has filed about a log.
async fn filed(coordinator: &Peer, log: LogName) -> Option<Reason> {
    let statuses = coordinator.store().statuses().await.unwrap();
    statuses.into_iter().find(|(_, it)| it.log == log).and_then(|(_, it)| it.reason)
}

async fn order(coordinator: &Peer, orders: impl Into<Orders>) {
    coordinator.set_orders(orders.into());
    coordinator.treat_forks().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_log_is_given_to_its_author_alone_and_to_everybody_once_that_is_lifted() {
    let region = region(3).await;
    let (author, other, third) =
        (region.linked(0).await, region.linked(1).await, region.linked(2).await);
    append(&author, b"before").await;
    let (coordinator, log) = (&region.coordinator, author.own_log());
    until_held(&other, log, 2).await;
    let address = serve_pages(coordinator).await;
    let page = async |what: &str| {
        let path = format!("/log/{}/{}/{what}", log.community, log.era);
        ask(address, "GET", &path, b"").await
    };
    assert_eq!(page("checkpoint").await.status, 200);

    order(coordinator, [(log, Reason::Ordered)]).await;
    assert_eq!(filed(coordinator, log).await, Some(Reason::Ordered));
    until_told(&author, Some("withheld.ordered")).await;
    append(&author, b"withheld").await;
    until_cosigned(&author).await;
    for what in ["checkpoint", "identity", "payload/1", "proof/1", "tile/0/000.p/1"] {
        let answer = page(what).await;
        assert_eq!(answer.status, 451, "{what}");
        let problem = String::from_utf8(answer.body).unwrap();
        assert!(problem.contains("withheld.ordered"), "{problem}");
    }
    let own = coordinator.own_log();
    let path = format!("/log/{}/{}/checkpoint", own.community, own.era);
    assert_eq!(ask(address, "GET", &path, b"").await.status, 200, "others are served");
    // What comes later and is not withheld does arrive.
    let held = size(&other, log).await;
    append(&third, b"of another").await;
    until_held(&other, third.own_log(), 2).await;
    assert_eq!(size(&other, log).await, held);
    assert!(held < size(coordinator, log).await);

    order(coordinator, []).await;
    assert_eq!((filed(coordinator, log).await, page("checkpoint").await.status), (None, 200));
    until_held(&other, log, size(coordinator, log).await).await;
    until_told(&author, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_records_contradict_is_not_said_and_what_was_said_is_said_once() {
    let region = region(1).await;
    let author = region.linked(0).await;
    append(&author, b"before").await;
    let (coordinator, log) = (&region.coordinator, author.own_log());
    until_held(coordinator, log, 2).await;
    for reason in [Reason::Left, Reason::NextEra, Reason::TwoHistories, Reason::BytesPerDay] {
        order(coordinator, [(log, reason)]).await;
        assert_eq!(filed(coordinator, log).await, None, "{reason:?}");
    }
    let own = coordinator.own_log();
    order(coordinator, [(own, Reason::Abuse)]).await;
    assert_eq!((filed(coordinator, own).await, coordinator.withheld(own)), (None, None));

    let stranger = LogName { community: found(NETWORK, "Nowhere").id, era: 0 };
    order(coordinator, [(log, Reason::Abuse), (stranger, Reason::Left)]).await;
    assert_eq!(filed(coordinator, log).await, Some(Reason::Abuse));
    assert_eq!(filed(coordinator, stranger).await, Some(Reason::Left), "it is not of the region");
    let address = serve_pages(coordinator).await;
    let path = format!("/log/{}/{}/checkpoint", log.community, log.era);
    assert_eq!(ask(address, "GET", &path, b"").await.status, 403);
    let n_records = size(coordinator, own).await;
    coordinator.treat_forks().await.unwrap();
    assert_eq!(size(coordinator, own).await, n_records, "it is not said a second time");

    let node = region.founders[0].twin();
    let node = node.open(&region.charter, Role::Node).await;
    node.set_orders([(own, Reason::Abuse)].into());
    node.treat_forks().await.unwrap();
    assert_eq!(filed(&node, own).await, None, "a node treats nobody otherwise");
}
