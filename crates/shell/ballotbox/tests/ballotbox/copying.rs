//! Copies of the file, for backups.

use std::{cmp::Ordering, os::unix::fs::PermissionsExt as _};

use ballotbox::{BallotBox, PeoplePage, ReceiptStanding};
use record::payload::poll::Method;

use crate::world::{CLOSES, POLL, World, n_found, several, stranger};

#[tokio::test]
async fn a_copy_of_an_open_box_has_its_people_and_ballots_and_can_be_voted_in_and_counted() {
    let world = World::voting(3, Method::Approval, 3).await;
    let receipt = world.cast(0, several([1])).await;
    let to = world.folder.path().join("copy.sqlite");

    assert_eq!(BallotBox::copy(&world.path(), &to).await.unwrap(), 1, "who voted how is in it");

    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    world.cast(1, several([0])).await;
    let copy = World { voting: BallotBox::open(&to).await.unwrap(), ..world };
    let page = PeoplePage { after: None, limit: 10 };
    assert_eq!(copy.voting.list_people(page).await.unwrap().len(), 3);
    copy.cast(2, several([2])).await;
    let standing = copy.voting.check_receipt(&receipt).await.unwrap();
    assert_eq!(standing, ReceiptStanding::InTheBox);
    let root = copy.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(root.n_ballots, 2, "what came after the copy is not in it");
    let again = copy.folder.path().join("again.sqlite");
    assert_eq!(BallotBox::copy(&to, &again).await.unwrap(), 0, "a closed box has forgotten it");
}

#[tokio::test]
async fn what_was_replaced_is_in_no_copy_and_a_copy_overwrites_nothing() {
    let world = World::voting(2, Method::Approval, 3).await;
    world.cast(0, several([1])).await;
    let replaced = world.draws.given.lock().unwrap().last().copied().unwrap();
    let before = world.folder.path().join("before.sqlite");
    BallotBox::copy(&world.path(), &before).await.unwrap();
    let early = std::fs::read(&before).unwrap();
    world.replace(0, several([2])).await;
    let to = world.folder.path().join("copy.sqlite");
    BallotBox::copy(&world.path(), &to).await.unwrap();
    let bytes = std::fs::read(&to).unwrap();
    assert_eq!((n_found(&early, &replaced), n_found(&bytes, &replaced)), (1, 0));
    assert!(BallotBox::copy(&world.path(), &to).await.is_err());
    assert_eq!(std::fs::read(&to).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_of_this_version_is_told_as_such_and_what_is_no_box_is_refused() {
    let world = World::of(1).await;
    assert_eq!(BallotBox::form(&world.path()).await.unwrap(), Ordering::Equal);
    let other = world.folder.path().join("other.sqlite");
    std::fs::write(&other, stranger("Canary", None).name).unwrap();
    let refused = BallotBox::copy(&other, &world.folder.path().join("copy.sqlite")).await;
    assert!(!format!("{:?}", refused.unwrap_err()).contains("Canary"));
    assert!(BallotBox::form(&other).await.is_err());
}
