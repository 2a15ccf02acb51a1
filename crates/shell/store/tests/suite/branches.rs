//! A replica that came to hold another branch of a forked log than a quorum states.

use record::{
    LogName,
    payload::{
        Erase, Text,
        erasure::{Asker, Ground},
        words::{Language, Wording},
    },
};
use store::{Fetched, LogRow};
use tlog::Note;

use super::*;

/// Fetches a branch in batches of so many records; whether it was taken, and `None` if none is sought.
async fn fetch(store: &Store, author: &Author, n_records: u64) -> Option<bool> {
    let mut size = store.begin_branch(author.log).await.unwrap()?.size();
    while size < author.size() {
        let end = author.size().min(size + n_records);
        let fetched = store.accept_branch(author.incoming(size, end)).await.unwrap();
        size = end;
        assert_eq!(fetched.size, size);
        if fetched.is_taken {
            author.carry_to(store).await;
            return Some(true);
        }
    }
    Some(false)
}

async fn row(store: &Store, log: LogName) -> LogRow {
    store.log(log).await.unwrap().unwrap()
}

impl World {
    /// Three records are common to both branches and stated by everybody, and two seats state all of the first.
    fn stated() -> Self {
        let mut world = Self::new();
        world.accuse();
        (0..3).for_each(|seat| world.state(seat, 3));
        (0..2).for_each(|seat| world.state(seat, 5));
        world
    }

    /// A replica of all this that came to hold the other branch.
    async fn misled(&mut self) -> Place {
        std::mem::swap(&mut self.accused, &mut self.other_branch);
        let replica = self.told().await;
        std::mem::swap(&mut self.accused, &mut self.other_branch);
        replica
    }
}

async fn is_elsewhere(world: &World, store: &Store) -> bool {
    store.fork(world.accused.log).await.unwrap().is_some_and(|it| it.is_elsewhere)
}

#[tokio::test]
async fn the_branch_that_a_quorum_stated_takes_the_place_of_the_other_and_is_not_cosigned() {
    for n_records in [1, 2, 9] {
        let mut world = World::stated();
        let replica = world.misled().await;
        let store = &replica.store;
        assert_eq!(
            (world.seen(store).await, is_elsewhere(&world, store).await),
            ((2, Some(3)), true)
        );
        assert_eq!(fetch(store, &world.accused, n_records).await, Some(true));

        let reference = world.told().await;
        assert_eq!(world.seen(store).await, (8, Some(5)));
        assert_eq!(views(store).await, views(&reference.store).await);
        assert!(!is_elsewhere(&world, store).await);
        let (held, expected) =
            (row(store, world.accused.log).await, row(&reference.store, world.accused.log).await);
        assert_eq!((&held.frontier, held.pending), (&expected.frontier, None));
        let (size, note) = held.checkpoint.unwrap();
        assert_eq!((size, Note::parse(&note).unwrap().signatures().len()), (5, 1));
        assert_eq!(leaves(store, world.accused.log).await, world.accused.leaves());
        // Nothing is left of the other branch, and neither it nor anything else is fetched.
        for table in ["fetched_records", "fetched_heads", "fetched_branches"] {
            assert_eq!(n_rows(&replica.folder.path().join("log.sqlite"), table).await, 0);
        }
        assert_eq!(fetch(store, &world.other_branch, n_records).await, None);
        assert!(accept(store, world.other_branch.incoming(0, 5)).await.is_err());
    }
}

#[tokio::test]
async fn a_branch_is_taken_before_its_head_is_reached_and_goes_on_like_any_log() {
    let mut world = World::stated();
    let replica = world.misled().await;
    for quantity in 1..5 {
        world.accused.pledge(world.pool, quantity);
    }
    let common = replica.store.begin_branch(world.accused.log).await.unwrap().unwrap();
    assert_eq!(common.size(), 3);
    let not_yet = replica.store.accept_branch(world.accused.incoming(3, 4)).await.unwrap();
    assert_eq!(not_yet, Fetched { size: 4, is_taken: false });
    assert_eq!(world.seen(&replica.store).await, (2, Some(3)));
    let taken = replica.store.accept_branch(world.accused.incoming(4, 6)).await.unwrap();
    assert_eq!(taken, Fetched { size: 6, is_taken: true });
    let held = row(&replica.store, world.accused.log).await;
    assert_eq!((held.frontier.size(), held.checkpoint.is_none()), (6, true));
    assert_eq!(held.pending.unwrap().checkpoint, world.accused.note(9));
    assert_eq!(world.seen(&replica.store).await, (8, Some(5)));

    replica.store.close().await.unwrap();
    let store = world.open(&replica, 9).await;
    let whole = accept(&store, world.accused.incoming(6, 9)).await.unwrap();
    assert_eq!((whole.size, whole.cosignatures), (9, Vec::new()));
    assert_eq!(row(&store, world.accused.log).await.checkpoint.unwrap().0, 9);
}

#[tokio::test]
async fn no_branch_is_sought_unless_more_than_half_of_the_seats_state_another_of_a_forked_log() {
    // One of three states the other branch.
    let mut world = World::new();
    world.accuse();
    (0..3).for_each(|seat| world.state(seat, 3));
    world.state(0, 5);
    let replica = world.misled().await;
    assert_eq!(fetch(&replica.store, &world.accused, 9).await, None);
    // A second one does, and then it is.
    world.state(2, 5);
    world.seats[2].carry_to(&replica.store).await;
    assert!(is_elsewhere(&world, &replica.store).await);
    assert_eq!(fetch(&replica.store, &world.accused, 9).await, Some(true));

    // Of two branches that one seat states each, neither is better.
    let mut world = World::new();
    world.accuse();
    let other = world.other_branch.held_head(5);
    world.state(0, 5);
    world.state_head(1, other);
    world.state(2, 3);
    let replica = world.misled().await;
    assert_eq!(world.seen(&replica.store).await, (2, Some(3)));
    assert_eq!(fetch(&replica.store, &world.accused, 9).await, None);
}

#[tokio::test]
async fn heads_that_are_larger_than_what_is_held_may_be_of_another_branch() {
    let mut world = World::new();
    world.accuse();
    world.accused.pledge(world.pool, 16);
    (0..2).for_each(|seat| world.state(seat, 6));
    let replica = world.misled().await;
    assert_eq!(world.seen(&replica.store).await, (0, Some(0)));
    assert_eq!(fetch(&replica.store, &world.accused, 9).await, Some(true));
    assert_eq!(world.seen(&replica.store).await, (16, Some(6)));
}

#[tokio::test]
async fn a_statement_of_the_common_beginning_counts_beside_one_that_only_the_other_branch_shows_to_cover_it()
 {
    let mut world = World::new();
    world.accuse();
    world.state(0, 5);
    world.state(1, 2);
    let replica = world.misled().await;
    assert_eq!(world.seen(&replica.store).await, (0, Some(0)));
    assert_eq!(fetch(&replica.store, &world.accused, 1).await, Some(true));
    assert_eq!(world.seen(&replica.store).await, world.seen(&world.told().await.store).await);
    assert_eq!(world.seen(&replica.store).await, (1, Some(2)));
}

#[tokio::test]
async fn what_every_seat_states_drops_nothing_of_a_log_without_evidence_that_holds() {
    let mut world = World::new();
    let mut forger = world.accused.clone();
    forger.key = SigningKey::from_bytes(&[55; 32]);
    forger.pledge(world.pool, 9);
    world.accused.pledge(world.pool, 16);
    let forged = evidence((&world.accused, 6), (&forger, 6));
    world.accuser.write(&Payload::Evidence(forged), Vec::new());
    let lie = forger.held_head(6);
    (0..3).for_each(|seat| world.state_head(seat, lie));
    let replica = world.told().await;
    let before = row(&replica.store, world.accused.log).await;
    assert_eq!(fetch(&replica.store, &forger, 9).await, None);
    let refused = replica.store.accept_branch(forger.incoming(0, 6)).await;
    let Err(StoreError::Refused { reason, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(reason, "log.branch_not_sought");
    // Nor does an epoch that seats others who say the same.
    world.reseat();
    world.state_head(3, lie);
    for author in world.logs() {
        author.carry_to(&replica.store).await;
    }
    assert_eq!(replica.store.region().borrow().newest().number, 1);
    assert_eq!(fetch(&replica.store, &forger, 9).await, None);
    let after = row(&replica.store, world.accused.log).await;
    assert_eq!((before.frontier, before.checkpoint), (after.frontier, after.checkpoint));
    assert_eq!(world.seen(&replica.store).await, (16, None));
}

#[tokio::test]
async fn our_own_log_is_never_cut() {
    let mut world = World::stated();
    std::mem::swap(&mut world.accused, &mut world.other_branch);
    let place = place(9).await;
    place.store.close().await.unwrap();
    let mut config = config(9, &place.clock);
    let [one, two, three] = &world.seats;
    config.region = RegionView::new(region(), None, world.seating([one, two], [three]));
    config.own.name = world.accused.log;
    config.own.log_key = world.accused.key.clone();
    let store = Store::open(&place.folder.path().join("log.sqlite"), config).await.unwrap();
    for author in world.logs() {
        author.carry_to(&store).await;
    }
    assert_eq!(world.seen(&store).await, (2, Some(3)));
    assert_eq!(fetch(&store, &world.other_branch, 9).await, None);
}

#[tokio::test]
async fn a_branch_that_no_quorum_stated_is_not_taken_and_the_next_one_is_fetched_from_its_beginning()
 {
    let mut world = World::stated();
    let replica = world.misled().await;
    let before =
        (world.seen(&replica.store).await, leaves(&replica.store, world.accused.log).await);
    let mut third = world.other_branch.clone();
    third.pledge(world.pool, 99);
    assert_eq!(fetch(&replica.store, &third, 1).await, Some(false));
    let after = (world.seen(&replica.store).await, leaves(&replica.store, world.accused.log).await);
    assert_eq!(before, after);
    // Records that do not continue what was fetched are refused, and so are those behind a gap.
    replica.store.begin_branch(world.accused.log).await.unwrap().unwrap();
    let gap = replica.store.accept_branch(world.accused.incoming(4, 5)).await;
    assert!(matches!(gap, Err(StoreError::Gap { start: 4, size: 3 })), "{gap:?}");
    replica.store.accept_branch(third.incoming(3, 5)).await.unwrap();
    world.accused.pledge(world.pool, 16);
    let other = replica.store.accept_branch(world.accused.incoming(5, 6)).await;
    let Err(StoreError::Refused { reason, .. }) = other else { panic!("{other:?}") };
    assert_eq!(reason, "log.other_tree");
    // A stop in the middle leaves nothing that would be gone on with.
    replica.store.close().await.unwrap();
    let store = world.open(&replica, 9).await;
    assert_eq!(fetch(&store, &world.accused, 2).await, Some(true));
    assert_eq!(world.seen(&store).await, (8, Some(5)));
}

#[tokio::test]
async fn an_epoch_that_seats_those_who_state_the_other_branch_has_it_fetched() {
    let mut world = World::new();
    world.accuse();
    (0..4).for_each(|seat| world.state(seat, 3));
    world.state(0, 5);
    world.state(1, 5);
    let other = world.other_branch.held_head(5);
    (2..4).for_each(|seat| world.state_head(seat, other));
    let replica = world.told().await;
    assert_eq!(
        (world.seen(&replica.store).await, is_elsewhere(&world, &replica.store).await),
        ((8, Some(5)), false)
    );
    world.reseat();
    for author in world.logs() {
        author.carry_to(&replica.store).await;
    }
    assert_eq!(
        (world.seen(&replica.store).await, is_elsewhere(&world, &replica.store).await),
        ((2, Some(3)), true)
    );
    assert_eq!(fetch(&replica.store, &world.other_branch, 9).await, Some(true));
    assert_eq!(world.seen(&replica.store).await, (64, Some(5)));
}

#[tokio::test]
async fn evidence_against_others_in_what_is_dropped_is_filed_anew() {
    let mut world = World::stated();
    let mut twin = world.accuser.clone();
    world.accuser.pledge(world.pool, 1);
    twin.pledge(world.pool, 2);
    let size = twin.size();
    let found = evidence((&world.accuser, size), (&twin, size));
    world.other_branch.write(&Payload::Evidence(found.clone()), Vec::new());
    let replica = world.misled().await;
    let accused = async || replica.store.fork(world.accuser.log).await.unwrap();
    assert_eq!(accused().await.unwrap().evidence_log, world.accused.log);
    assert_eq!(fetch(&replica.store, &world.accused, 9).await, Some(true));
    let Fork { evidence_log, evidence_index, .. } = accused().await.unwrap();
    assert_eq!(evidence_log, replica.log);
    let records = replica.store.records(replica.log, evidence_index, evidence_index + 1).await;
    let payload = records.unwrap().remove(0).content.unwrap().payload;
    assert_eq!(payload, proto::payload::encode(&Payload::Evidence(found)));
}

#[tokio::test]
async fn a_payload_that_only_the_dropped_branch_erased_comes_back() {
    let mut world = World::new();
    world.accuse();
    let (language, title) = (Language::english(), "Baths".to_owned());
    let wording = Wording { language, title, text: "common".to_owned(), labels: Vec::new() };
    let words = world.accused.write(&Payload::Text(Text { wordings: vec![wording] }), Vec::new());
    let index = world.accused.size() - 1;
    world.other_branch = world.accused.clone();
    let (ground, asked_by) = (Ground::Personal, Asker::Subject);
    let erase = Erase { era: 0, index, record: words, ground, asked_by };
    world.other_branch.write(&Payload::Erase(erase), Vec::new());
    world.accused.pledge(world.pool, 32);
    let size = world.accused.size();
    (0..3).for_each(|seat| world.state(seat, size - 1));
    (0..2).for_each(|seat| world.state(seat, size));
    let replica = world.misled().await;
    let held = async || replica.store.words(words).await.unwrap().unwrap().record.content;
    assert!(held().await.is_none());
    assert_eq!(fetch(&replica.store, &world.accused, 1).await, Some(true));
    assert!(held().await.is_some());
    assert_eq!(replica.store.erasures(world.accused.log).await.unwrap(), []);
}

#[tokio::test]
async fn a_coordinator_that_takes_the_other_branch_receipts_nothing_of_it_and_its_index_stays_right()
 {
    let mut world = World::stated();
    for quantity in [1, 3, 5] {
        world.other_branch.pledge(world.pool, quantity);
    }
    let coordinator = place(104).await;
    coordinator.store.close().await.unwrap();
    let store = world.open(&coordinator, 104).await;
    std::mem::swap(&mut world.accused, &mut world.other_branch);
    for author in [&world.opener, &world.accused, &world.accuser] {
        author.carry_to(&store).await;
    }
    coordinator.clock.advance(std::time::Duration::from_mins(1));
    store.tick().await.unwrap();
    for seat in &world.seats {
        seat.carry_to(&store).await;
    }
    std::mem::swap(&mut world.accused, &mut world.other_branch);
    assert_eq!(fetch(&store, &world.accused, 9).await, Some(true));
    for _ in 0..3 {
        coordinator.clock.advance(std::time::Duration::from_mins(1));
        store.tick().await.unwrap();
    }
    let own = coordinator.log.community;
    let said = async |log| {
        let stated = [own];
        let receipted = store.receipted_size(log, &stated).await.unwrap();
        (receipted, store.indexed_size(own, log).await.unwrap())
    };
    assert_eq!(said(world.accused.log).await, (8, 8), "what it said of the other branch stands");
    // Once the branch is longer than what it indexed of the other, it is in the index.
    for quantity in 1..9 {
        world.accused.pledge(world.pool, quantity);
    }
    world.accused.carry_to(&store).await;
    for _ in 0..3 {
        coordinator.clock.advance(std::time::Duration::from_mins(1));
        store.tick().await.unwrap();
    }
    assert_eq!(said(world.accused.log).await, (8, 13));
    for index in 0..size(&store, coordinator.log).await {
        assert_eq!(store.refusal(coordinator.log, index).await.unwrap(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replicas_of_two_branches_come_to_count_the_same_whatever_seats_stated_and_in_any_order(
        statements in proptest::collection::vec((0..3_usize, 1..=5_u64, any::<bool>()), 0..9),
        steps in proptest::collection::vec((0..6_usize, 1..3_u64), 0..16),
        (n_records, reseats) in (1..4_u64, any::<bool>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, other) = runtime.block_on(converged((statements, reseats), steps, n_records));
        prop_assert_eq!(one, other);
    }
}

/// What two replicas count in the end, each of which has begun with another branch. Each seat states one branch.
async fn converged(
    (statements, reseats): (Vec<(usize, u64, bool)>, bool),
    steps: Steps,
    n_records: u64,
) -> ((u64, Option<u64>), (u64, Option<u64>)) {
    let mut world = World::new();
    world.accuse();
    let mut branch_of = BTreeMap::new();
    for (seat, size, is_other) in statements {
        let is_other = *branch_of.entry(seat).or_insert(is_other);
        let branch = if is_other { &world.other_branch } else { &world.accused };
        let head = branch.held_head(size);
        world.state_head(seat, head);
    }
    if reseats {
        world.reseat();
    }
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let replica = world.replica().await;
        for (which, n) in &steps {
            let author = world.logs()[*which];
            let start = size(&replica.store, author.log).await;
            let end = author.size().min(start + n);
            if start < end {
                accept(&replica.store, author.incoming(start, end)).await.unwrap();
            }
        }
        for author in world.logs() {
            author.carry_to(&replica.store).await;
        }
        fetch(&replica.store, &world.other_branch, n_records).await;
        replicas.push(world.seen(&replica.store).await);
        std::mem::swap(&mut world.accused, &mut world.other_branch);
    }
    (replicas[0], replicas[1])
}
