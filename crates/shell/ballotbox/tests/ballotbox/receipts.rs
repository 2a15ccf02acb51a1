//! What a receipt proves, and that it survives the machine.

use ballotbox::{BallotBox, CastReceipt, Choice, Failure, ReceiptStanding, UnknownPoll};
use record::{RecordId, payload::poll::Method};

use crate::world::{CLOSES, POLL, World, several};

#[tokio::test]
async fn every_receipt_is_proved_against_the_root_of_the_closed_box() {
    let world = World::voting(11, Method::Approval, 3).await;
    let mut receipts = Vec::new();
    for person in 0..11 {
        receipts.push(world.cast(person, several([1, 2])).await);
    }
    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    for (n, receipt) in receipts.iter().enumerate() {
        let standing = world.voting.check_receipt(receipt).await.unwrap();
        let ReceiptStanding::Proved(proof) = standing else { panic!("{standing:?}") };
        assert_eq!(proof.root, root);
        assert_eq!(proof.verify(receipt), Ok(()));
        assert!(proof.verify(&receipts[(n + 1) % 11]).is_err());
    }
}

#[tokio::test]
async fn a_replaced_an_invented_and_a_strange_receipt_are_told_apart() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let first = world.cast(0, Choice::One(0)).await;
    let second = world.replace(0, Choice::One(1)).await;
    let invented = CastReceipt { credential_hash: [9; 32], ..second };
    let strange = CastReceipt { poll: RecordId::from_bytes([8; 32]), ..second };
    let check = |receipt: CastReceipt| {
        let voting = &world.voting;
        async move { voting.check_receipt(&receipt).await }
    };

    assert_eq!(check(first).await.unwrap(), ReceiptStanding::Replaced);
    assert_eq!(check(second).await.unwrap(), ReceiptStanding::InTheBox);
    assert_eq!(check(invented).await.unwrap(), ReceiptStanding::NotInTheBox);
    assert!(matches!(check(strange).await, Err(Failure::Refused(UnknownPoll))));
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(check(first).await.unwrap(), ReceiptStanding::Replaced);
    assert!(matches!(check(second).await.unwrap(), ReceiptStanding::Proved(_)));
}

/// What is on the disk at the moment of the receipt is what a killed node finds again.
#[tokio::test]
async fn a_receipt_holds_after_the_node_is_killed() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let receipt = world.cast(0, Choice::One(0)).await;
    let after = tempfile::tempdir().unwrap();
    for name in ["ballots.sqlite", "ballots.sqlite-wal"] {
        std::fs::copy(world.folder.path().join(name), after.path().join(name)).unwrap();
    }

    let found = BallotBox::open(&after.path().join("ballots.sqlite")).await.unwrap();

    assert_eq!(found.check_receipt(&receipt).await.unwrap(), ReceiptStanding::InTheBox);
    found.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(found.count(&POLL).await.unwrap().by_option, [1, 0]);
}

#[tokio::test]
async fn a_closed_box_opened_again_has_the_same_root_counts_and_proofs() {
    let world = World::voting(3, Method::YesNo, 2).await;
    let receipt = world.cast(0, Choice::One(1)).await;
    world.cast(1, Choice::Blank).await;
    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    let counts = world.voting.count(&POLL).await.unwrap();
    let standing = world.voting.check_receipt(&receipt).await.unwrap();
    world.voting.close().await.unwrap();

    let again = BallotBox::open(&world.path()).await.unwrap();

    assert_eq!(again.ballot_root(&POLL).await.unwrap(), Some(root));
    assert_eq!(again.count(&POLL).await.unwrap(), counts);
    assert_eq!(again.check_receipt(&receipt).await.unwrap(), standing);
}
