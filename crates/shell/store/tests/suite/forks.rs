//! Forked logs: whose evidence counts, where a log is frozen, and that every replica says the same.

#[path = "branches.rs"]
mod branches;
#[path = "counted.rs"]
mod counted;
#[path = "kept_evidence.rs"]
mod kept_evidence;

use std::collections::BTreeMap;

use civic::RegionView;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    identity::IdentityBundle,
    payload::{
        Cosignatures, ForkEvidence, PoolAction, Receipt,
        evidence::Beginning,
        pool::{LockRule, PoolOpening},
        receipt::HeldHead,
    },
    region::{Epoch, EpochHash, RegionAction, Roster},
};
use store::{Fork, Store, StoreError};
use tlog::{KeyName, consistency_proof, prove::leaf_lookup};

use crate::{author::Author, world::*};

/// Their ids, in ascending order.
fn ids<const N: usize>(authors: [&Author; N]) -> Vec<CommunityId> {
    let mut ids: Vec<_> = authors.map(|it| it.log.community).into();
    ids.sort_unstable();
    ids
}

/// Evidence of a head of each, of different sizes or of one.
fn evidence(one: (&Author, u64), other: (&Author, u64)) -> ForkEvidence {
    let mut heads = [one, other];
    heads.sort_by_key(|(author, size)| (*size, author.head(*size).root));
    let [(small, size), (large, tree_size)] = heads;
    let beginning = (size < tree_size).then(|| Beginning {
        root: large.head(size).root,
        proof: consistency_proof(size, tree_size, &leaf_lookup(&large.leaves())).unwrap(),
    });
    let record::LogName { community, era } = small.log;
    let (one, other) = (small.note(size), large.note(tree_size));
    ForkEvidence { community, era, one, other, beginning }
}

/// A pool opened by an honest community, a member that pledges 1, 2, 4 and 8 to it and forks before the 8, an accuser,
/// and three seats: coordinators 101 and 102, witness 103.
struct World {
    opener: Author,
    pool: RecordId,
    accused: Author,
    other_branch: Author,
    accuser: Author,
    seats: [Author; 3],
}

impl World {
    fn new() -> Self {
        let opening = PoolOpening {
            region: region(),
            unit: "each".to_owned(),
            threshold: 10,
            opportunity: None,
            cpv: None,
            unit_price: None,
            closes_at: UnixMillis(NOON + HOUR),
            grace_millis: 24 * HOUR,
            lock_rule: LockRule::AtClose,
        };
        let mut opener = Author::found(1);
        let pool = opener.write(&Payload::Pool(PoolAction::Open(opening)), Vec::new());
        let mut accused = Author::found(2);
        for quantity in [1, 2, 4] {
            accused.pledge(pool, quantity);
        }
        let mut other_branch = accused.clone();
        accused.pledge(pool, 8);
        other_branch.pledge(pool, 64);
        let seats = [101, 102, 103].map(Author::found);
        Self { opener, pool, accused, other_branch, accuser: Author::found(3), seats }
    }

    fn accuse(&mut self) {
        let found = evidence((&self.accused, 5), (&self.other_branch, 5));
        self.accuser.write(&Payload::Evidence(found), Vec::new());
    }

    /// The seat states to hold so much of the branch that the replicas hold.
    fn state(&mut self, seat: usize, size: u64) {
        let head = self.accused.held_head(size);
        self.state_head(seat, head);
    }

    fn state_head(&mut self, seat: usize, head: HeldHead) {
        let (at, heads) = (UnixMillis(NOON), vec![head]);
        let payload = if seat < 2 {
            Payload::Receipt(Receipt { received_at: at, heads })
        } else {
            Payload::Cosignatures(Cosignatures { stated_at: at, heads })
        };
        // Behind the three comes the accuser, whom an epoch may seat.
        self.seats.get_mut(seat).unwrap_or(&mut self.accuser).write(&payload, Vec::new());
    }

    fn logs(&self) -> [&Author; 6] {
        let [one, two, three] = &self.seats;
        [&self.opener, &self.accused, &self.accuser, one, two, three]
    }

    /// A replica of all this, opened anew.
    async fn replica(&self) -> Place {
        let mut place = place(9).await;
        place.store.close().await.unwrap();
        place.store = self.open(&place, 9).await;
        place
    }

    async fn open(&self, place: &Place, n: u8) -> Store {
        let mut config = config(n, &place.clock);
        let [one, two, three] = &self.seats;
        config.region = RegionView::new(region(), None, self.seating([one, two], [three]));
        config.own.witness = Some(store::Cosigner {
            name: KeyName::parse("test.folkmoot.example/witness/9").unwrap(),
            key: SigningKey::from_bytes(&[99; 32]),
        });
        Store::open(&place.folder.path().join("log.sqlite"), config).await.unwrap()
    }

    async fn told(&self) -> Place {
        let replica = self.replica().await;
        for author in self.logs() {
            author.carry_to(&replica.store).await;
        }
        replica
    }

    /// The three members, with these coordinators and witnesses.
    fn seating<const C: usize, const W: usize>(
        &self,
        coordinators: [&Author; C],
        witnesses: [&Author; W],
    ) -> Roster {
        let members = ids([&self.opener, &self.accused, &self.accuser]);
        let roster = Roster::new(members, ids(coordinators), 1).unwrap();
        roster.with_witnesses(ids(witnesses)).unwrap()
    }

    /// Two of the three members seat the second coordinator, the accuser and the witness.
    fn reseat(&mut self) {
        let [_, two, three] = &self.seats;
        let roster = self.seating([two], [&self.accuser, three]);
        let previous = EpochHash::of_charter(region());
        let epoch = Epoch { region: region(), number: 1, previous, roster };
        let file = Payload::RegionEpoch(RegionAction::File { epoch, addresses: Vec::new() });
        self.opener.write(&file, Vec::new());
        self.accuser.write(&file, Vec::new());
    }

    /// How much is pledged, and where the accused log is frozen.
    async fn seen(&self, store: &Store) -> (u64, Option<u64>) {
        let view = store.case(self.pool).await.unwrap().unwrap().view;
        let view: serde_json::Value = serde_json::from_str(&view).unwrap();
        let fork = store.fork(self.accused.log).await.unwrap();
        (view["quantity"].as_u64().unwrap(), fork.map(|it| it.frozen_size))
    }
}

#[tokio::test]
async fn a_forked_log_is_frozen_at_the_largest_head_that_more_than_half_of_the_seats_stated() {
    let mut world = World::new();
    world.state(0, 5);
    world.state(2, 4);
    let before = world.told().await;
    assert_eq!(world.seen(&before.store).await, (8, None));
    world.accuse();
    world.accuser.carry_to(&before.store).await;
    // Record 4 pledges 8, and only one of the three had seen it; the newest pledge before it counts again.
    assert_eq!(world.seen(&before.store).await, (4, Some(4)));
    let refused = before.store.refusal(world.accused.log, 4).await.unwrap().unwrap();
    assert_eq!(refused.0, "log.frozen");
    assert!(before.store.refusal(world.accused.log, 3).await.unwrap().is_none());

    world.state(1, 5);
    world.seats[1].carry_to(&before.store).await;
    assert_eq!(world.seen(&before.store).await, (8, Some(5)));
    assert!(before.store.refusal(world.accused.log, 4).await.unwrap().is_none());
}

#[tokio::test]
async fn an_epoch_that_seats_others_freezes_a_log_at_what_they_stated_before_or_after() {
    let mut world = World::new();
    world.accuse();
    for (seat, size) in [(0, 5), (1, 5), (2, 4), (3, 3)] {
        world.state(seat, size);
    }
    let replica = world.told().await;
    assert_eq!(world.seen(&replica.store).await, (8, Some(5)));
    world.reseat();
    for author in world.logs() {
        author.carry_to(&replica.store).await;
    }
    assert_eq!(replica.store.region().borrow().newest().number, 1);
    assert_eq!(world.seen(&replica.store).await, (4, Some(4)), "5, 4 and 3 of those seated");
    let refused = replica.store.refusal(world.accused.log, 4).await.unwrap().unwrap();
    assert_eq!(refused.0, "log.frozen");
    // Who has lost its seat moves nothing; who has one does.
    let mut replicas = Vec::new();
    for seat in [0, 3] {
        world.state(seat, 5);
        for author in world.logs() {
            author.carry_to(&replica.store).await;
        }
        replicas.push(world.seen(&replica.store).await);
    }
    assert_eq!(replicas, [(4, Some(4)), (8, Some(5))]);
    // The same, where the epoch comes before the fork.
    assert_eq!(world.seen(&world.told().await.store).await, (8, Some(5)));
}

#[tokio::test]
async fn half_of_the_seats_and_statements_of_another_branch_and_of_strangers_freeze_nothing_in() {
    let mut world = World::new();
    world.accuse();
    world.state(0, 5);
    let other = world.other_branch.held_head(5);
    world.state_head(1, other);
    let stated = Payload::Cosignatures(Cosignatures {
        stated_at: UnixMillis(NOON),
        heads: vec![world.accused.held_head(5)],
    });
    world.opener.write(&stated, Vec::new());
    let replica = world.told().await;
    assert_eq!(world.seen(&replica.store).await, (0, Some(0)));
}

#[tokio::test]
async fn a_fork_costs_one_row_however_often_it_is_told_and_survives_a_restart() {
    let mut world = World::new();
    for _ in 0..20 {
        world.accuse();
    }
    let mut again = world.other_branch.clone();
    again.pledge(world.pool, 99);
    let further = evidence((&world.accused, 4), (&again, 6));
    assert!(record_holds(&further, &world.accused).is_err(), "the same beginning");
    let further = evidence((&world.accused, 5), (&again, 6));
    world.accuser.write(&Payload::Evidence(further), Vec::new());
    let replica = world.told().await;
    let forks = replica.store.forks().await.unwrap();
    let [Fork { log, frozen_size: 0, evidence_log, .. }] = forks[..] else { panic!("{forks:?}") };
    assert_eq!((log, evidence_log), (world.accused.log, world.accuser.log));
    replica.store.close().await.unwrap();
    let path = replica.folder.path().join("log.sqlite");
    let rows = n_rows(&path, "accusations").await;
    assert_eq!(rows, 1);
    let store = world.open(&replica, 9).await;
    assert_eq!(store.forks().await.unwrap(), forks);
    assert_eq!(world.seen(&store).await, (0, Some(0)));
}

fn record_holds(
    evidence: &ForkEvidence,
    author: &Author,
) -> Result<record::fork::VerifiedFork, record::fork::EvidenceError> {
    let bundle = IdentityBundle::decode(&author.bundle()).unwrap();
    let identity = bundle.verify(None, &network(), None).unwrap().identity;
    record::fork::verify_evidence(&network(), evidence, &identity, None)
}

async fn n_rows(path: &std::path::Path, table: &str) -> i64 {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut db: sqlx::SqliteConnection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap()
}

#[tokio::test]
async fn forged_and_self_contradicting_evidence_freezes_nobody() {
    let mut world = World::new();
    let honest = evidence((&world.accused, 5), (&world.other_branch, 5));
    let mut forger = world.other_branch.clone();
    forger.key = SigningKey::from_bytes(&[55; 32]);
    let forged = evidence((&world.accused, 5), (&forger, 5));
    let twice = ForkEvidence { other: honest.one.clone(), ..honest.clone() };
    let agreeing = evidence((&world.accused, 3), (&world.accused, 5));
    let of_another = ForkEvidence { community: world.opener.log.community, ..honest };
    for evidence in [forged, twice, agreeing, of_another] {
        world.accuser.write(&Payload::Evidence(evidence), Vec::new());
    }
    let replica = world.told().await;
    assert_eq!(replica.store.forks().await.unwrap(), []);
    assert_eq!(world.seen(&replica.store).await, (8, None));
}

#[tokio::test]
async fn a_stolen_retired_key_freezes_nobody_once_the_rotation_was_seen() {
    let mut world = World::new();
    // The thief has the first key, and the community has changed it.
    let thief = world.other_branch.clone();
    let robbed = world.accused.clone();
    world.accused.rotate();
    let stolen = evidence((&robbed, 5), (&thief, 5));
    world.accuser.write(&Payload::Evidence(stolen), Vec::new());
    for seat in 0..2 {
        world.state(seat, 6);
    }
    let replica = world.told().await;
    assert_eq!(world.seen(&replica.store).await, (8, None));
    // Evidence by the key in force still counts.
    let mut fork = world.accused.clone();
    fork.pledge(world.pool, 3);
    world.accused.pledge(world.pool, 5);
    let fresh = evidence((&world.accused, 7), (&fork, 7));
    world.accuser.write(&Payload::Evidence(fresh), Vec::new());
    world.accused.carry_to(&replica.store).await;
    world.accuser.carry_to(&replica.store).await;
    assert_eq!(world.seen(&replica.store).await, (8, Some(6)));
}

#[tokio::test]
async fn a_rotation_that_no_quorum_has_seen_takes_back_no_fork() {
    let mut world = World::new();
    let before = world.accused.clone();
    world.accuse();
    world.accused.rotate();
    for seat in 0..2 {
        let head = before.held_head(4);
        world.state_head(seat, head);
    }
    let replica = world.told().await;
    assert_eq!(world.seen(&replica.store).await, (4, Some(4)));
}

#[tokio::test]
async fn evidence_about_a_log_that_is_not_here_waits_for_it() {
    let mut world = World::new();
    world.accuse();
    let replica = world.replica().await;
    world.accuser.carry_to(&replica.store).await;
    assert_eq!(replica.store.forks().await.unwrap(), []);
    world.opener.carry_to(&replica.store).await;
    world.accused.carry_to(&replica.store).await;
    assert_eq!(world.seen(&replica.store).await, (0, Some(0)));
}

#[tokio::test]
async fn a_forked_log_is_held_and_cosigned_no_more() {
    let mut world = World::new();
    let replica = world.told().await;
    world.accused.pledge(world.pool, 16);
    let cosigned = accept(&replica.store, world.accused.incoming(5, 6)).await.unwrap();
    assert_eq!(cosigned.cosignatures.len(), 1);
    let found = evidence((&world.accused, 5), (&world.other_branch, 5));
    world.accuser.write(&Payload::Evidence(found), Vec::new());
    world.accuser.carry_to(&replica.store).await;
    world.accused.pledge(world.pool, 32);
    let silent = accept(&replica.store, world.accused.incoming(6, 7)).await.unwrap();
    assert_eq!((silent.size, silent.cosignatures), (7, Vec::new()));
}

#[tokio::test]
async fn what_a_coordinator_came_to_hold_of_a_forked_log_is_indexed_and_never_receipted() {
    let mut world = World::new();
    world.accuse();
    let coordinator = place(104).await;
    coordinator.store.close().await.unwrap();
    let store = world.open(&coordinator, 104).await;
    for author in [&world.opener, &world.accused, &world.accuser] {
        author.carry_to(&store).await;
    }
    world.accused.pledge(world.pool, 16);
    world.accused.carry_to(&store).await;
    store.close().await.unwrap();
    let store = world.open(&coordinator, 104).await;
    for _ in 0..2 {
        coordinator.clock.advance(std::time::Duration::from_mins(1));
        store.tick().await.unwrap();
    }
    let indexed = store.indexed_size(coordinator.log.community, world.accused.log).await.unwrap();
    assert_eq!(indexed, 6);
    let own = [coordinator.log.community];
    assert_eq!(store.receipted_size(world.accused.log, &own).await.unwrap(), 5);
}

/// What of the story comes to a replica, and in what portions.
type Steps = Vec<(usize, u64)>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_fork_freezes_the_same_records_at_every_replica_in_any_order_of_arrival(
        statements in proptest::collection::vec((0..4_usize, 1..=5_u64, any::<bool>()), 0..6),
        (rotates, reseats) in any::<(bool, bool)>(),
        covered in 0..3_usize,
        steps in proptest::collection::vec((0..6_usize, 1..3_u64), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = (statements, rotates, reseats, covered);
        let (ours, reference) = runtime.block_on(interleaved(told, steps));
        prop_assert_eq!(ours, reference);
    }
}

type Seen = (BTreeMap<RecordId, String>, Option<u64>);

async fn interleaved(
    (statements, rotates, reseats, covered): (Vec<(usize, u64, bool)>, bool, bool, usize),
    steps: Steps,
) -> (Seen, Seen) {
    let mut world = World::new();
    world.accuse();
    for (seat, size, other_branch) in statements {
        let head = if other_branch {
            world.other_branch.held_head(size)
        } else {
            world.accused.held_head(size)
        };
        world.state_head(seat, head);
    }
    if reseats {
        world.reseat();
    }
    if rotates {
        world.accused.rotate();
        for seat in 0..covered {
            let size = world.accused.size();
            world.state(seat, size);
        }
    }
    let (ours, reference) = (world.replica().await, world.told().await);
    let logs = world.logs();
    for (which, n_records) in steps {
        let author = logs[which];
        let start = size(&ours.store, author.log).await;
        let end = author.size().min(start + n_records);
        if start < end {
            accept(&ours.store, author.incoming(start, end)).await.unwrap();
        }
    }
    for author in logs {
        author.carry_to(&ours.store).await;
    }
    let seen = async |store: &Store| {
        let fork = store.fork(world.accused.log).await.unwrap();
        (views(store).await, fork.map(|it| it.frozen_size))
    };
    (seen(&ours.store).await, seen(&reference.store).await)
}

#[tokio::test]
async fn a_replica_with_the_branch_that_nobody_stated_counts_the_common_beginning_only() {
    let mut world = World::new();
    world.accuse();
    for seat in 0..3 {
        world.state(seat, 3);
        world.state(seat, 5);
    }
    std::mem::swap(&mut world.accused, &mut world.other_branch);
    let replica = world.told().await;
    // Records 1 and 2 pledge 1 and 2.
    assert_eq!(world.seen(&replica.store).await, (2, Some(3)));
    let refused: Result<_, StoreError> =
        accept(&replica.store, world.other_branch.incoming(0, 5)).await;
    assert!(refused.is_err());
}
