//! Receipts of a coordinator whose own log forked: those before the head at which it is frozen give records their times.

use civic::CaseBody;

use super::*;

/// A member's newest pledge, which the first coordinator receipts three times, each time for an earlier instant, and the
/// third time for another one in each branch of its log: at index 3, after its genesis and two receipts.
struct Receipted {
    world: World,
    /// The first coordinator, and its other branch.
    one: Author,
    other: Author,
}

const FORKED_AT: u64 = 3;

impl Receipted {
    fn new() -> Self {
        let mut world = World::new();
        let head = world.accused.held_head(5);
        let receipt = |seconds: u64| {
            let received_at = UnixMillis(NOON + seconds * 1_000);
            Payload::Receipt(Receipt { received_at, heads: vec![head] })
        };
        for seconds in [30, 20] {
            world.seats[0].write(&receipt(seconds), Vec::new());
        }
        let mut other = world.seats[0].clone();
        world.seats[0].write(&receipt(10), Vec::new());
        other.write(&receipt(5), Vec::new());
        let one = world.seats[0].clone();
        Self { world, one, other }
    }

    /// Somebody finds both branches.
    fn accuse(&mut self) {
        let found = evidence((&self.one, self.one.size()), (&self.other, self.other.size()));
        self.world.accuser.write(&Payload::Evidence(found), Vec::new());
    }

    /// More than half of the seats state so much of the first branch.
    fn state(&mut self, size: u64) {
        for seat in [1, 2] {
            let head = self.one.held_head(size);
            self.world.state_head(seat, head);
        }
    }

    /// The logs as a replica gets them that is shown this branch.
    fn with_branch(&mut self, branch: &Author) {
        self.world.seats[0] = branch.clone();
    }

    async fn carry_to(&self, store: &Store) {
        for author in self.world.logs() {
            author.carry_to(store).await;
        }
    }

    /// How many seconds after noon the pledge came, as the register shows it and as a reader folds it.
    async fn received(&self, store: &Store) -> Option<u64> {
        let view = store.case(self.world.pool).await.unwrap().unwrap().view;
        let view: serde_json::Value = serde_json::from_str(&view).unwrap();
        let folded = store.fold(self.world.pool).await.unwrap().unwrap();
        let CaseBody::Pool(pool) = folded.body else { panic!("no pool") };
        let member = self.world.accused.log.community;
        let place = pool.pledges.iter().position(|it| it.community == member)?;
        let shown = view["pledges"][place]["received_at"].as_u64();
        assert_eq!(pool.pledges[place].received_at.map(|it| it.0), shown);
        shown.map(|at| (at - NOON) / 1_000)
    }
}

async fn n_counted(replica: &Place) -> i64 {
    n_rows(&replica.folder.path().join("log.sqlite"), "counted_receipts").await
}

#[tokio::test]
async fn a_receipt_counts_up_to_the_last_index_below_the_frozen_size_of_its_authors_log() {
    let expected = [(1, None), (2, Some(30)), (FORKED_AT, Some(20)), (4, Some(10))];
    for (frozen_size, received) in expected {
        let mut story = Receipted::new();
        story.accuse();
        story.state(frozen_size);
        let replica = story.world.told().await;
        let fork = replica.store.fork(story.one.log).await.unwrap().unwrap();
        assert_eq!(fork.frozen_size, frozen_size);
        assert_eq!(story.received(&replica.store).await, received, "frozen at {frozen_size}");
        // What is receipted, and by what epochs begin, is shown as before.
        let seats = [story.one.log.community];
        let size = replica.store.receipted_size(story.world.accused.log, &seats).await.unwrap();
        assert_eq!(size, 5);
    }
}

#[tokio::test]
async fn whoever_has_no_evidence_keeps_the_receipts_of_nobody_apart() {
    let mut story = Receipted::new();
    // Another log forked, of a community that was never a coordinator.
    story.world.accuse();
    story.state(FORKED_AT);
    let replica = story.world.told().await;
    assert!(replica.store.fork(story.world.accused.log).await.unwrap().is_some());
    assert_eq!(story.received(&replica.store).await, None, "the pledge itself is frozen");
    assert_eq!(n_counted(&replica).await, 0);

    let mut story = Receipted::new();
    let replica = story.world.told().await;
    assert_eq!((story.received(&replica.store).await, n_counted(&replica).await), (Some(10), 0));
    // The evidence comes once everything has been counted.
    story.accuse();
    story.carry_to(&replica.store).await;
    assert_eq!((story.received(&replica.store).await, n_counted(&replica).await), (None, 0));
}

#[tokio::test]
async fn a_larger_frozen_head_gives_times_back_and_a_restart_changes_none() {
    let mut story = Receipted::new();
    story.accuse();
    let replica = story.world.told().await;
    assert_eq!(story.received(&replica.store).await, None);
    let mut received = Vec::new();
    for size in [2, FORKED_AT, 4] {
        story.state(size);
        story.carry_to(&replica.store).await;
        received.push(story.received(&replica.store).await);
    }
    assert_eq!(received, [Some(30), Some(20), Some(10)]);
    replica.store.close().await.unwrap();
    let store = story.world.open(&replica, 9).await;
    assert_eq!(story.received(&store).await, Some(10));
    // A pledge that comes after the restart is folded by the same receipts.
    story.world.opener.pledge(story.world.pool, 1);
    story.carry_to(&store).await;
    assert_eq!(story.received(&store).await, Some(10));
}

#[tokio::test]
async fn replicas_with_different_branches_give_the_same_times_and_the_taken_branch_its_own() {
    let mut story = Receipted::new();
    story.accuse();
    story.state(FORKED_AT);
    let (one, other) = (story.one.clone(), story.other.clone());
    let honest = story.world.told().await;
    story.with_branch(&other);
    let misled = story.world.told().await;
    assert_eq!(story.received(&misled.store).await, Some(20));
    assert_eq!(views(&misled.store).await, views(&honest.store).await);

    // A quorum states the first branch beyond the fork, and the other is dropped.
    story.state(4);
    for seat in [1, 2] {
        story.world.seats[seat].carry_to(&misled.store).await;
        story.world.seats[seat].carry_to(&honest.store).await;
    }
    let mut size = misled.store.begin_branch(one.log).await.unwrap().unwrap().size();
    while size < one.size() {
        misled.store.accept_branch(one.incoming(size, size + 1)).await.unwrap();
        size += 1;
    }
    assert_eq!(story.received(&misled.store).await, Some(10));
    assert_eq!(views(&misled.store).await, views(&honest.store).await);
}

#[tokio::test]
async fn a_file_of_an_earlier_release_counts_receipts_anew_before_anything_else_is_written() {
    let mut story = Receipted::new();
    story.accuse();
    story.state(FORKED_AT);
    let replica = story.world.told().await;
    replica.store.close().await.unwrap();
    let path = replica.folder.path().join("log.sqlite");
    for sql in ["UPDATE forks SET is_counted_apart = 0", "DELETE FROM counted_receipts"] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut db: sqlx::SqliteConnection = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query(sql).execute(&mut db).await.unwrap();
    }
    let store = story.world.open(&replica, 9).await;
    store.tick().await.unwrap();
    assert_eq!((story.received(&store).await, n_counted(&replica).await), (Some(20), 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn a_coordinators_fork_leaves_the_same_times_with_either_branch_in_any_order_of_arrival(
        stated in proptest::collection::vec(0..=FORKED_AT, 0..4),
        (accuses, is_other) in any::<(bool, bool)>(),
        steps in proptest::collection::vec((0..6_usize, 1..3_u64), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = (stated, accuses, is_other);
        let (ours, reference) = runtime.block_on(with_either_branch(told, steps));
        prop_assert_eq!(ours, reference);
    }
}

async fn with_either_branch(
    (stated, accuses, is_other): (Vec<u64>, bool, bool),
    steps: Steps,
) -> (BTreeMap<RecordId, String>, BTreeMap<RecordId, String>) {
    let mut story = Receipted::new();
    if accuses {
        story.accuse();
    }
    stated.into_iter().filter(|size| 0 < *size).for_each(|size| story.state(size));
    let reference = story.world.told().await;
    if accuses && is_other {
        let other = story.other.clone();
        story.with_branch(&other);
    }
    let ours = story.world.replica().await;
    let logs = story.world.logs();
    for (which, n_records) in steps {
        let author = logs[which];
        let start = size(&ours.store, author.log).await;
        let end = author.size().min(start + n_records);
        if start < end {
            accept(&ours.store, author.incoming(start, end)).await.unwrap();
        }
    }
    story.carry_to(&ours.store).await;
    (views(&ours.store).await, views(&reference.store).await)
}
