//! Which of several pieces of evidence a replica keeps: what an epoch may judge otherwise, and not without end.

use std::collections::BTreeSet;

use proptest::prelude::*;
use record::{Payload, payload::ForkEvidence};
use sqlx::{ConnectOptions as _, sqlite::SqliteConnectOptions};

use super::{World, evidence};
use crate::{author::Author, world::*};

/// The most that are kept with one standing.
const MAX_KEPT: usize = 16;

#[tokio::test]
async fn evidence_that_other_seats_redeem_is_kept_beside_evidence_that_nobody_does() {
    for is_redeemed_first in [true, false] {
        let mut world = World::new();
        let thief = world.other_branch.clone();
        world.accused.rotate();
        world.accused.pledge(world.pool, 16);
        // Until the epoch, one of three seats has cosigned what the retired key signed; from then on, two.
        let bare = evidence((&thief, 5), (&world.accused, 7));
        let seconds = NOON / 1_000 - 1;
        let one = world.seats[1].cosigned(&bare.one, seconds);
        let one = world.accuser.cosigned(&one, seconds);
        let redeemed = ForkEvidence { one, ..bare.clone() };
        let told = if is_redeemed_first { [redeemed, bare] } else { [bare, redeemed] };
        for evidence in told {
            world.accuser.write(&Payload::Evidence(evidence), Vec::new());
        }
        for seat in [0, 1, 3] {
            world.state(seat, 6);
        }
        let replica = world.told().await;
        assert_eq!(world.seen(&replica.store).await.1, None);
        world.reseat();
        for author in world.logs() {
            author.carry_to(&replica.store).await;
        }
        assert_eq!(world.seen(&replica.store).await.1, Some(6), "{is_redeemed_first}");
    }
}

/// Evidence with a line that nobody can verify yet.
fn with_line(evidence: &ForkEvidence, n: u8) -> ForkEvidence {
    let line = format!("— witness/{n} AAAAAAAA\n");
    ForkEvidence { one: [evidence.one.as_slice(), line.as_bytes()].concat(), ..evidence.clone() }
}

/// The evidence that is kept by a replica that is told of two accusers in this order.
async fn kept(world: &World, accusers: [&Author; 2]) -> BTreeSet<Vec<u8>> {
    let replica = world.replica().await;
    for author in [&world.opener, &world.accused].into_iter().chain(accusers) {
        author.carry_to(&replica.store).await;
    }
    assert!(replica.store.fork(world.accused.log).await.unwrap().is_some());
    replica.store.close().await.unwrap();
    let path = replica.folder.path().join("log.sqlite");
    let mut db = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let sql = "SELECT r.payload FROM accusations AS a JOIN records AS r ON r.place = a.place";
    let kept: Vec<Vec<u8>> = sqlx::query_scalar(sql).fetch_all(&mut db).await.unwrap();
    kept.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn replicas_keep_the_same_evidence_in_any_order_and_no_more_than_16_pieces(
        told in proptest::collection::vec((any::<bool>(), 0..40_u8), 1..40),
    ) {
        let world = World::new();
        let found = evidence((&world.accused, 5), (&world.other_branch, 5));
        let mut accusers = [3, 4].map(Author::found);
        for (which, n) in &told {
            let evidence = Payload::Evidence(with_line(&found, *n));
            accusers[usize::from(*which)].write(&evidence, Vec::new());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let [one, other] = &accusers;
        let ours = runtime.block_on(kept(&world, [one, other]));
        let theirs = runtime.block_on(kept(&world, [other, one]));
        prop_assert_eq!(&ours, &theirs);
        let different: BTreeSet<u8> = told.iter().map(|(_, n)| *n).collect();
        prop_assert_eq!(ours.len(), different.len().min(MAX_KEPT));
    }
}
