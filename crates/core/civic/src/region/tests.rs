//! Epochs, seats and guests: what holds when, and that no order of arrival changes it.

use proptest::prelude::*;
use record::region::{Epoch, Rules};

use super::*;
use crate::samples::{REGION, community, record_id, region_of};

/// Coordinators: 101, 102, 103.
const SEATED: [u8; 3] = [101, 102, 103];

fn roster(members: &[u8], coordinators: &[u8], k: u32) -> Roster {
    let ids = |all: &[u8]| all.iter().copied().map(community).collect();
    Roster::new(ids(members), ids(coordinators), k).unwrap()
}

/// Three members and coordinator 101.
fn founded() -> RegionView {
    RegionView::new(REGION, None, roster(&[1, 2, 3], &[101], 1))
}

fn epoch(before: &RegionView, roster: Roster) -> Epoch {
    let EpochView { number, hash, .. } = *before.newest();
    Epoch { region: REGION, number: number + 1, previous: hash, roster }
}

/// Number `index` of the log of `author`, received as told.
fn said(author: u8, index: u64, receipts: &[(u8, u64)], action: RegionAction) -> Statement {
    let receipts = receipts.iter().map(|(by, at)| (community(*by), UnixMillis(*at))).collect();
    let record = record_id(author.wrapping_mul(16).wrapping_add(index.to_le_bytes()[0]));
    Statement { record, community: community(author), era: 0, index, receipts, action }
}

fn file(author: u8, index: u64, receipts: &[(u8, u64)], epoch: &Epoch) -> Statement {
    let action = RegionAction::File { epoch: epoch.clone(), addresses: vec![] };
    said(author, index, receipts, action)
}

fn vouch(author: u8, index: u64, guest: u8, withdrawn: bool) -> Statement {
    let community = community(guest);
    said(author, index, &[], RegionAction::Vouch { region: REGION, community, withdrawn })
}

#[test]
fn an_epoch_holds_with_2_filings_of_3_members_and_not_with_1() {
    let next = epoch(&founded(), roster(&[1, 2, 3], &[102], 1));
    let filings = [file(1, 1, &[], &next), file(2, 1, &[], &next)];
    assert_eq!(founded().after(&filings[..1]), founded());
    let view = founded().after(&filings);
    assert_eq!(view.newest().hash, next.hash());
    assert_eq!(view.newest().since, None);
    assert_eq!(view.coordinators(), [community(101), community(102)].into());
}

#[test]
fn of_a_member_only_the_first_filing_for_a_number_counts() {
    let one = epoch(&founded(), roster(&[1, 2, 3], &[102], 1));
    let other = epoch(&founded(), roster(&[1, 2, 3], &[103], 1));
    let fickle = [file(1, 1, &[], &other), file(1, 2, &[], &one), file(2, 1, &[], &one)];
    assert_eq!(founded().after(&fickle), founded());
    let agreed = [fickle.as_slice(), &[file(3, 1, &[], &one)]].concat();
    assert_eq!(founded().after(&agreed).newest().hash, one.hash());
}

#[test]
fn strangers_other_regions_and_numbers_ahead_make_no_epoch() {
    let next = epoch(&founded(), roster(&[1, 2, 3], &[102], 1));
    let elsewhere = Epoch { region: RegionId::from_bytes([9; 32]), ..next.clone() };
    let ahead = Epoch { number: 2, ..next.clone() };
    let astray = Epoch { previous: EpochHash::from_bytes([9; 32]), ..next.clone() };
    for wrong in [elsewhere, ahead, astray] {
        let filings = [1, 2, 3].map(|member| file(member, 1, &[], &wrong));
        assert_eq!(founded().after(&filings), founded());
    }
    let strangers = [file(1, 1, &[], &next), file(4, 1, &[], &next), file(5, 1, &[], &next)];
    assert_eq!(founded().after(&strangers), founded());
}

#[test]
fn an_epoch_is_in_force_from_the_receipt_of_the_filing_that_made_more_than_half() {
    let next = epoch(&founded(), roster(&[1, 2], &[101], 1));
    let filings = [
        file(1, 1, &[(101, 10)], &next),
        file(2, 1, &[(101, 20)], &next),
        file(3, 1, &[(101, 30)], &next),
    ];
    let view = founded().after(&filings);
    assert_eq!(view.newest().since, Some(UnixMillis(20)));
    assert!(view.is_member(&community(3), Some(UnixMillis(19))));
    assert!(!view.is_member(&community(3), Some(UnixMillis(20))));
    assert!(!view.is_member(&community(3), None));
    assert!(view.everybody().contains(&community(3)));
}

#[test]
fn an_epoch_that_replaces_a_lost_coordinator_begins_by_the_receipts_of_the_new_one() {
    let next = epoch(&founded(), roster(&[1, 2, 3], &[102], 1));
    let filings = [file(1, 1, &[(102, 50)], &next), file(2, 1, &[(102, 50)], &next)];
    let view = founded().after(&filings);
    assert_eq!(view.newest().since, Some(UnixMillis(50)));
    let received = |receipts: &[(u8, u64)]| {
        let of = |(by, at): &(u8, u64)| (community(*by), UnixMillis(*at));
        view.received_at(receipts.iter().map(of)).map(|at| at.0)
    };
    assert_eq!(received(&[(101, 49)]), Some(49));
    // It had left its seat.
    assert_eq!(received(&[(101, 50)]), None);
    // It was not seated yet: what it held counts from when it was.
    assert_eq!(received(&[(102, 7)]), Some(50));
    assert_eq!(received(&[(102, 60), (101, 49)]), Some(49));
    assert_eq!(received(&[(103, 60)]), None);
    assert_eq!(received(&[]), None);
}

#[test]
fn a_record_is_received_once_as_many_coordinators_hold_it_as_the_epoch_asks_for() {
    let two = RegionView::new(REGION, None, roster(&[1], &SEATED, 2));
    let received = |receipts: &[(u8, u64)]| {
        let of = |(by, at): &(u8, u64)| (community(*by), UnixMillis(*at));
        two.received_at(receipts.iter().map(of)).map(|at| at.0)
    };
    assert_eq!(received(&[(101, 5)]), None);
    assert_eq!(received(&[(103, 9), (101, 5), (102, 7)]), Some(7));
}

#[test]
fn a_guest_has_as_many_vouchers_as_the_rules_ask_for_until_one_withdraws() {
    let rules = Rules { vouches_needed: 2, ..Rules::default() };
    let strict = roster(&[1, 2, 3], &[101], 1).with_rules(rules).unwrap();
    let region = RegionView::new(REGION, None, strict);
    let vouches = [vouch(1, 1, 9, false), vouch(2, 1, 9, false), vouch(2, 2, 9, true)];
    assert!(region.after(&vouches[..1]).guests().is_empty());
    let guest = region.after(&vouches[..2]);
    assert_eq!(*guest.guests(), [community(9)].into());
    assert!(guest.everybody().contains(&community(9)));
    assert!(!guest.is_member(&community(9), None));
    assert!(region.after(&vouches).guests().is_empty());
    // A stranger's word, a second word of one member, and a word for a member make no guest.
    let idle = [vouch(8, 1, 9, false), vouch(1, 1, 9, false), vouch(1, 2, 9, false)];
    assert!(region.after(&idle).guests().is_empty());
    let for_member = [vouch(1, 1, 3, false), vouch(2, 1, 3, false)];
    assert!(region.after(&for_member).guests().is_empty());
}

#[test]
fn the_quorum_is_of_coordinators_and_witnesses_of_the_newest_epoch() {
    let seats =
        roster(&[1, 2], &[102], 1).with_witnesses(vec![community(1), community(7)]).unwrap();
    let next = epoch(&founded(), seats);
    let view = founded().after(&[file(1, 1, &[], &next), file(2, 1, &[], &next)]);
    assert_eq!(view.quorum(), [102, 1, 7].map(community).into());
}

/// Up to three epochs by random majorities, with strays and random receipts.
fn statements() -> impl Strategy<Value = Vec<Statement>> {
    let one = (1u8..=6, 0u64..6, 0usize..6, prop::collection::vec((0usize..3, 0u64..40), 0..3));
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let choices = choices();
        let mut seen = BTreeSet::new();
        all.into_iter()
            .filter(|(author, index, ..)| seen.insert((*author, *index)))
            .map(|(author, index, choice, receipts)| {
                let receipts: Vec<_> = receipts.iter().map(|(by, at)| (SEATED[*by], *at)).collect();
                file(author, index, &receipts, &choices[choice])
            })
            .collect()
    })
}

/// Two epochs of each number, those of numbers 2 and 3 each after one before.
fn choices() -> Vec<Epoch> {
    let mut choices = Vec::new();
    let mut before = (EpochHash::of_charter(REGION), 0);
    for _ in 0..3 {
        let rosters = [roster(&[1, 2, 3, 4], &[102], 1), roster(&[2, 3, 5], &[101, 103], 2)];
        let of =
            |roster| Epoch { region: REGION, number: before.1 + 1, previous: before.0, roster };
        let pair = rosters.map(of);
        before = (pair[choices.len() % 2].hash(), before.1 + 1);
        choices.extend(pair);
    }
    choices
}

proptest! {
    #[test]
    fn no_order_of_arrival_changes_the_region(
        (ordered, shuffled) in statements().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
    ) {
        let region = region_of(5);
        prop_assert_eq!(region.after(&ordered), region.after(&shuffled));
        // What was learnt before is no part of the answer.
        prop_assert_eq!(region.after(&shuffled).after(&ordered), region.after(&ordered));
    }

    #[test]
    fn every_epoch_names_the_one_before_and_begins_no_earlier(all in statements()) {
        let view = region_of(5).after(&all);
        for pair in view.epochs().windows(2) {
            let [before, after] = pair else { unreachable!() };
            prop_assert_eq!(after.number, before.number + 1);
            prop_assert!(before.roster.majority() <= after.filings.len());
            if let Some(since) = after.since {
                prop_assert!(before.since.is_some_and(|it| it <= since));
            }
        }
    }
}
