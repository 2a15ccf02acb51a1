//! Where a community is reached, as its own log says.

use record::CommunityId;

use crate::world::{Author, World};

async fn n_records(author: &Author) -> u64 {
    let row = author.peer.store().log(author.peer.own_log()).await.unwrap();
    row.unwrap().frontier.size()
}

/// How many records it took to say these addresses.
async fn written(author: &Author, addresses: &[&str]) -> u64 {
    let before = n_records(author).await;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    author.peer.affiliate(&addresses).await.unwrap();
    n_records(author).await - before
}

#[tokio::test]
async fn an_affiliation_is_filed_when_it_differs_from_the_newest_and_not_otherwise() {
    let world = World::new().await;
    let author = &world.author;
    assert_eq!(written(author, &[]).await, 0, "nobody who never said an address says that");
    assert_eq!(written(author, &["node.example:7443"]).await, 1);
    assert_eq!(written(author, &["node.example:7443"]).await, 0);
    assert_eq!(written(author, &["node.example:7444", "192.0.2.7:7443"]).await, 1);
    let said = author.peer.store().affiliations().await.unwrap();
    let said = said.get(&author.peer.community()).unwrap();
    assert_eq!(said.addresses, ["node.example:7444", "192.0.2.7:7443"]);
    assert_eq!(said.coordinators, [CommunityId::from_bytes([1; 32])]);
    let reached = author.peer.addresses().await.unwrap();
    assert_eq!(reached[&author.peer.community()], "node.example:7444");
    assert_eq!(
        written(author, &[]).await,
        1,
        "an address that is no longer configured is taken back"
    );
    assert_eq!(written(author, &[]).await, 0);
}
