//! The region as filings and receipts tell it, and what it makes of the register.

use civic::RegionView;
use proptest::prelude::*;
use record::{
    LogName, Payload, RecordId, UnixMillis,
    limits::MAX_STATEMENTS,
    payload::{Receipt, receipt::HeldHead},
    region::{Epoch, RegionAction, Roster},
};
use store::{Draft, Store};
use tlog::Hash;

use crate::world::*;

/// The epoch after the newest that a store knows.
fn next(store: &Store, roster: Roster) -> Epoch {
    let region = store.region();
    let view = region.borrow();
    let newest = view.newest();
    Epoch { region: view.region(), number: newest.number + 1, previous: newest.hash, roster }
}

fn filing(epoch: &Epoch) -> Draft {
    let file = RegionAction::File { epoch: epoch.clone(), addresses: vec![] };
    draft(&Payload::RegionEpoch(file), Vec::new())
}

fn receipt(log: LogName, size: u64, at: u64) -> Draft {
    let root = Hash::from_bytes([0; 32]);
    let heads = vec![HeldHead { community: log.community, era: log.era, size, root }];
    draft(&Payload::Receipt(Receipt { received_at: UnixMillis(at), heads }), Vec::new())
}

fn view(store: &Store) -> RegionView {
    RegionView::clone(&store.region().borrow())
}

#[tokio::test]
async fn the_third_of_five_filings_makes_the_epoch_and_a_restart_finds_it_again() {
    let reader = place(4).await;
    let epoch = next(&reader.store, roster(1..=4, &[102]));
    for n in 1..=3 {
        assert_eq!(view(&reader.store).newest().number, 0);
        let member = place(n).await;
        append(&member.store, filing(&epoch)).await;
        carry(&member.store, &reader.store, member.log).await;
    }
    let told = view(&reader.store);
    assert_eq!((told.newest().number, told.newest().hash), (1, epoch.hash()));
    reader.store.close().await.unwrap();
    let reopened = reopen(reader.folder.path(), 4, &reader.clock).await;
    assert_eq!(view(&reopened), told);
}

#[tokio::test]
async fn of_one_log_512_records_about_the_region_count_and_those_of_another_region_take_no_room() {
    let node = place(1).await;
    let vouch = |region, community, withdrawn| {
        let vouch = RegionAction::Vouch { region, community, withdrawn };
        draft(&Payload::RegionEpoch(vouch), Vec::new())
    };
    let elsewhere = record::RegionId::from_bytes([7; 32]);
    append(&node.store, vouch(elsewhere, community(9), false)).await;
    let repeats = (0..MAX_STATEMENTS - 1).map(|n| vouch(region(), community(8), n % 2 == 1));
    node.store.append(repeats.collect(), store::Guard::None).await.unwrap();
    let last = append(&node.store, vouch(region(), community(9), false)).await;
    let beyond = append(&node.store, vouch(region(), community(10), false)).await;

    assert!(node.store.refusal(node.log, last.index).await.unwrap().is_none());
    let refusal = node.store.refusal(node.log, beyond.index).await.unwrap().unwrap();
    assert_eq!(refusal.0, "region.too_many_statements");
    let guests = view(&node.store).guests().clone();
    assert!(guests.contains(&community(9)) && !guests.contains(&community(10)));
}

#[tokio::test]
async fn a_filing_that_is_rolled_back_changes_nothing() {
    let node = place(1).await;
    let alone = RegionView::new(region(), None, roster(1..=1, &[101]));
    let mut config = config(1, &node.clock);
    config.region = alone;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
    let epoch = next(&store, roster(1..=1, &[102]));
    let stray = pledge(RecordId::from_bytes([9; 32]), 1);
    let refused = store.append(vec![filing(&epoch), stray], store::Guard::MustCount).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(view(&store).newest().number, 0);
    append(&store, filing(&epoch)).await;
    assert_eq!(view(&store).newest().number, 1);
}

/// A pool of member 1 with pledges of member 5 before and after it left the region, as everybody may hold them.
struct Departure {
    places: Vec<Place>,
    pool: RecordId,
}

impl Departure {
    /// Members 1, 2, 3 and 5, and coordinators 101 and 102, each with a log. 101 receives what comes before the epoch
    /// that replaces it with 102 and leaves 5 out, and 102 everything after.
    async fn told() -> Self {
        let mut places = Vec::new();
        for n in [1, 2, 3, 5, 101, 102] {
            places.push(place(n).await);
        }
        let [one, two, three, five, first, second] = &places[..] else { panic!("six places") };
        let pool = append(&one.store, pool(10)).await.id;
        append(&five.store, pledge(pool, 3)).await;
        append(&first.store, receipt(one.log, 1, NOON + 1)).await;
        append(&first.store, receipt(five.log, 1, NOON + 2)).await;
        let epoch = next(&one.store, roster(1..=4, &[102]));
        for (member, at) in [(one, 10), (two, 20), (three, 30)] {
            append(&member.store, filing(&epoch)).await;
            let size = size(&member.store, member.log).await;
            append(&second.store, receipt(member.log, size, NOON + at)).await;
        }
        append(&five.store, pledge(pool, 4)).await;
        append(&second.store, receipt(five.log, 2, NOON + 40)).await;
        // It has lost its seat: this makes nothing earlier.
        append(&first.store, receipt(five.log, 2, NOON + 35)).await;
        Self { places, pool }
    }
}

#[tokio::test]
async fn what_a_member_said_before_it_left_counts_and_what_came_after_does_not() {
    let departure = Departure::told().await;
    let reader = place(4).await;
    for place in &departure.places {
        carry(&place.store, &reader.store, place.log).await;
    }
    assert_eq!(view(&reader.store).newest().since, Some(UnixMillis(NOON + 30)));
    let case = reader.store.case(departure.pool).await.unwrap().unwrap().view;
    assert!(case.contains("\"quantity\":3") && !case.contains("\"quantity\":4"), "{case}");
    let five = departure.places[3].log;
    let refusal = reader.store.refusal(five, 1).await.unwrap().unwrap();
    assert_eq!(refusal.0, "record.not_a_member");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_interleaving_gives_the_same_region_and_register(
        steps in proptest::collection::vec((0..6_usize, 1..3_u64), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (ours, reference) = runtime.block_on(interleaved(steps));
        prop_assert_eq!(ours, reference);
    }
}

type Told = (RegionView, std::collections::BTreeMap<RecordId, String>);

async fn interleaved(steps: Vec<(usize, u64)>) -> (Told, Told) {
    let departure = Departure::told().await;
    let (reader, reference) = (place(4).await, place(4).await);
    for (which, n_records) in steps {
        let Place { store, log, .. } = &departure.places[which];
        let start = size(&reader.store, *log).await;
        let end = size(store, *log).await.min(start + n_records);
        accept(&reader.store, incoming(store, *log, start, end).await).await.unwrap();
    }
    for place in &departure.places {
        carry(&place.store, &reader.store, place.log).await;
        carry(&place.store, &reference.store, place.log).await;
    }
    let ours = (view(&reader.store), views(&reader.store).await);
    (ours, (view(&reference.store), views(&reference.store).await))
}
