//! Laws of maps, their proofs and their replay.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::ids::CommunityId;

fn log(n: u16) -> LogName {
    let mut bytes = [0; 32];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    LogName { community: CommunityId::from_bytes(bytes), era: 0 }
}

fn entry(n: u16, size: u64) -> IndexEntry {
    let root = leaf_hash(&[n.to_be_bytes().as_slice(), &size.to_be_bytes()].concat());
    IndexEntry { log: log(n), size, root, standing: Standing::Ok }
}

fn map_of(numbers: &[u16]) -> IndexMap {
    numbers.iter().map(|n| entry(*n, 1)).collect()
}

/// What a coordinator's logs grow to, step by step; sizes never go down.
fn steps() -> impl Strategy<Value = Vec<Vec<(u16, u64)>>> {
    vec(vec((0..40_u16, 0..5_u64), 0..20), 1..8)
}

fn after(before: &IndexMap, step: &[(u16, u64)]) -> IndexMap {
    let mut map = before.clone();
    for (n, more) in step {
        let size = map.get(&log(*n)).map_or(0, |it| it.size);
        map.set(entry(*n, size + more));
    }
    map
}

proptest! {
    #[test]
    fn whoever_replays_the_records_has_the_whole_map(steps in steps()) {
        let (mut map, mut replay) = (IndexMap::default(), Replay::default());
        for step in steps {
            let next = after(&map, &step);
            for record in next.records_since(&map) {
                prop_assert_eq!(replay.take(&record), Ok(record.n_to_follow == 0));
            }
            prop_assert_eq!(replay.map(), &next);
            map = next;
        }
    }

    #[test]
    fn an_entry_is_shown_to_be_there_and_another_not_to_be(numbers in vec(0..60_u16, 0..30), asked in 0..60_u16) {
        let map = map_of(&numbers);
        let (root, n_entries) = (map.root(), map.len() as u64);
        let proof = map.prove(&log(asked));
        prop_assert_eq!(proof.verify(&log(asked), &root, n_entries), Ok(map.get(&log(asked))));
    }

    #[test]
    fn a_proof_shows_nothing_about_another_log_or_map(numbers in vec(0..60_u16, 1..30), asked in 0..60_u16, other in 0..60_u16) {
        let map = map_of(&numbers);
        let (root, n_entries) = (map.root(), map.len() as u64);
        let proof = map.prove(&log(asked));
        let told = proof.verify(&log(other), &root, n_entries);
        // It may also show that the other is absent: between the same neighbours.
        prop_assert!(told.is_err() || told == Ok(map.get(&log(other))));
        let mut grown = map.clone();
        grown.set(entry(60, 1));
        prop_assert!(proof.verify(&log(asked), &grown.root(), grown.len() as u64).is_err());
    }

    #[test]
    fn any_change_of_an_entry_changes_the_root(numbers in vec(0..40_u16, 1..20), which in any::<prop::sample::Index>()) {
        let map = map_of(&numbers);
        let chosen = map.entries().nth(which.index(map.len())).unwrap();
        let more = IndexEntry { size: chosen.size + 1, ..chosen };
        let forked = IndexEntry { standing: Standing::Forked, ..chosen };
        let era = LogName { era: 1, ..chosen.log };
        for changed in [more, forked, IndexEntry { log: era, ..chosen }] {
            let mut other = map.clone();
            other.set(changed);
            prop_assert_ne!(other.root(), map.root());
        }
    }
}

fn many(n: u16) -> IndexMap {
    (0..n).map(|n| entry(n, 1)).collect()
}

#[test]
fn the_2049th_change_takes_a_second_record() {
    let none = IndexMap::default();
    assert!(none.records_since(&none).is_empty());
    let to_follow = |n| many(n).records_since(&none).iter().map(|it| it.n_to_follow).collect();
    let parts: [Vec<u32>; 2] = [to_follow(2_048), to_follow(2_049)];
    assert_eq!(parts, [vec![0], vec![1, 0]]);
}

#[test]
fn a_record_of_several_that_is_missing_or_repeated_is_told() {
    let records = many(4_097).records_since(&IndexMap::default());
    let [first, second, third] = &records[..] else { panic!("three records") };
    let mut sound = Replay::default();
    let told = [first, second, third].map(|it| sound.take(it));
    assert_eq!(told, [Ok(false), Ok(false), Ok(true)]);

    let mut gap = Replay::default();
    assert_eq!((gap.take(first), gap.take(third)), (Ok(false), Err(IndexFault::OutOfStep)));
    let mut twice = Replay::default();
    assert_eq!((twice.take(first), twice.take(first)), (Ok(false), Err(IndexFault::OutOfStep)));
    let resumed = Replay::default();
    let mut one = resumed.clone();
    assert_eq!(one.take(first), Ok(false));
    let mut resumed = Replay::resume(one.map().clone(), one.under_way().copied());
    let back = Index { changes: first.changes.clone(), ..second.clone() };
    assert_eq!(resumed.take(&back), Err(IndexFault::NotAscending));
}

#[test]
fn a_wrong_root_is_told_once_and_what_builds_on_the_right_map_holds_again() {
    let (first, second) = (many(3), many(5));
    let mut replay = Replay::default();
    let mut wrong = first.records_since(&IndexMap::default()).remove(0);
    wrong.root = Hash::from_bytes([9; 32]);
    assert!(matches!(replay.take(&wrong), Err(IndexFault::WrongRoot { .. })));
    let next = second.records_since(&first).remove(0);
    assert_eq!(replay.take(&next), Ok(true));
}

#[test]
fn sizes_never_go_down_and_a_root_stays_with_its_size() {
    let mut replay = Replay::default();
    let told = |changes: Vec<IndexEntry>| Index {
        root: changes.iter().copied().collect::<IndexMap>().root(),
        n_entries: 1,
        n_to_follow: 0,
        changes,
    };
    assert_eq!(replay.take(&told(vec![entry(1, 5)])), Ok(true));
    let lower = replay.take(&told(vec![entry(1, 4)]));
    assert_eq!(lower, Err(IndexFault::SizeWentDown { log: log(1), size: 4, before: 5 }));
    let other = IndexEntry { root: Hash::from_bytes([1; 32]), ..entry(1, 5) };
    let other = replay.take(&told(vec![other]));
    assert_eq!(other, Err(IndexFault::OtherRoot { log: log(1), size: 5 }));
    let counted = Index { n_entries: 2, ..told(vec![entry(1, 6)]) };
    assert_eq!(replay.take(&counted), Err(IndexFault::OtherCount { found: 1, said: 2 }));
}

#[test]
fn a_map_of_16384_logs_is_full() {
    let full = many(16_384);
    let mut replay = Replay::resume(full.clone(), None);
    let grown: IndexMap = full.entries().chain([entry(16_384, 1)]).collect();
    let record = grown.records_since(&full).remove(0);
    assert_eq!(replay.take(&record), Err(IndexFault::TooManyEntries));
    let again: IndexMap = full.entries().chain([entry(16_383, 2)]).collect();
    assert_eq!(replay.take(&again.records_since(&full)[0]), Ok(true));
}
