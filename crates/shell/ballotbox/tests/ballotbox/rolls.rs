//! Freezing rolls and proving that one is on them.

use ballotbox::{Failure, FreezeRefusal, RollProofRefusal};
use record::payload::poll::RollCommitment;

use crate::world::{World, strangers};

#[tokio::test]
async fn there_is_no_roll_without_people_and_one_with_one() {
    let world = World::empty().await;
    let refusal = world.voting.freeze_roll().await;
    assert!(matches!(refusal, Err(Failure::Refused(FreezeRefusal::NobodyOnRoll))));
    world.voting.add_people(&strangers(1)).await.unwrap();
    assert_eq!(world.voting.freeze_roll().await.unwrap().n_on_roll, 1);
}

#[tokio::test]
async fn the_same_people_have_the_same_roll_until_somebody_comes_or_goes() {
    let world = World::of(3).await;
    let first = world.voting.freeze_roll().await.unwrap();
    assert_eq!(world.voting.freeze_roll().await.unwrap(), first);

    world.voting.remove_person(world.people[0]).await.unwrap();
    let smaller = world.voting.freeze_roll().await.unwrap();
    assert_eq!(smaller.n_on_roll, 2);

    // One goes and one comes: as many people, another roll.
    world.voting.remove_person(world.people[1]).await.unwrap();
    world.voting.add_people(&strangers(1)).await.unwrap();
    let other = world.voting.freeze_roll().await.unwrap();
    assert_eq!(other.n_on_roll, 2);
    assert_ne!(other.roll_root, smaller.roll_root);
    assert_eq!(world.voting.roll(&first.roll_root).await.unwrap(), Some(first));
    assert_eq!(world.voting.roll(&[9; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn two_boxes_with_the_same_people_have_different_rolls() {
    let (one, other) = (World::of(3).await, World::of(3).await);
    other.draws.begin_turn(1);
    let roots = [
        one.voting.freeze_roll().await.unwrap().roll_root,
        other.voting.freeze_roll().await.unwrap().roll_root,
    ];
    assert_ne!(roots[0], roots[1]);
}

#[tokio::test]
async fn everybody_can_prove_their_own_place_and_nobody_else_s() {
    let world = World::of(7).await;
    let roll = world.voting.freeze_roll().await.unwrap();
    for (n, person) in world.people.iter().enumerate() {
        let mut proof = world.voting.prove_on_roll(&roll.roll_root, *person).await.unwrap();
        assert!(proof.verify(*person, &roll).is_ok());
        let neighbour = world.people[(n + 1) % 7];
        assert!(proof.verify(neighbour, &roll).is_err());
        let grown = RollCommitment { n_on_roll: 9, ..roll };
        assert!(proof.verify(*person, &grown).is_err());
        proof.salt[0] ^= 1;
        assert!(proof.verify(*person, &roll).is_err());
    }
}

#[tokio::test]
async fn the_places_on_a_roll_are_not_in_the_order_of_the_people() {
    let world = World::of(20).await;
    let roll = world.voting.freeze_roll().await.unwrap();
    let mut places = Vec::new();
    for person in &world.people {
        places.push(world.voting.prove_on_roll(&roll.roll_root, *person).await.unwrap().index);
    }
    assert!(!places.is_sorted());
    places.sort_unstable();
    assert_eq!(places, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn somebody_who_came_later_and_a_strange_root_have_no_proof() {
    let world = World::of(2).await;
    let roll = world.voting.freeze_roll().await.unwrap();
    let late = world.voting.add_people(&strangers(1)).await.unwrap()[0];
    let answer = world.voting.prove_on_roll(&roll.roll_root, late).await;
    assert!(matches!(answer, Err(Failure::Refused(RollProofRefusal::NotOnRoll))));
    let answer = world.voting.prove_on_roll(&[9; 32], world.people[0]).await;
    assert!(matches!(answer, Err(Failure::Refused(RollProofRefusal::UnknownRoll))));
}
