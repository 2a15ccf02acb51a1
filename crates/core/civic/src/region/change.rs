//! From when on a region differs from what it was: which records a new epoch can give another verdict.
//!
//! A fold asks three things of a region: when a record was received, who was a member then, and which roster held then.
//! Two views that have the same epochs up to some instant answer them equally for everything received before it.

use std::collections::BTreeSet;

use record::{CommunityId, UnixMillis};

use super::{EpochView, RegionView};

/// Where two views of a region begin to differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionChange {
    /// A record that was received before this instant folds as it did. Without it, every record that was received does.
    pub from: Option<UnixMillis>,
    /// The coordinators seated just before it: each receipt of theirs from before it counts.
    pub coordinators: BTreeSet<CommunityId>,
    /// So many of these receipts are enough, whichever epoch was in force when they were made.
    pub receipts_needed: u32,
}

impl RegionView {
    /// Where this view begins to differ from another of the same region, as far as any fold can tell; `None` if no fold
    /// can. Guests, and the names of epochs, are told to nobody by a fold.
    #[must_use]
    pub fn change_from(&self, before: &Self) -> Option<RegionChange> {
        let same = |(one, other): &(&EpochView, &EpochView)| {
            one.roster == other.roster && one.since == other.since
        };
        let n_same = self.epochs.iter().zip(&before.epochs).take_while(same).count();
        let (ours, theirs) = (self.epochs.get(n_same), before.epochs.get(n_same));
        if ours.is_none() && theirs.is_none() {
            return None;
        }
        let from = ours.into_iter().chain(theirs).filter_map(|it| it.since).min();
        // Epochs may come into force at one instant; the last that began before it was in force before it.
        let began =
            |it: &&EpochView| it.since.is_some_and(|since| from.is_none_or(|at| since < at));
        let held: Vec<&EpochView> = self.epochs.iter().take(n_same).filter(began).collect();
        let coordinators = held.last().map(|it| it.roster.coordinators()).unwrap_or_default();
        let needed = held.iter().map(|it| it.roster.receipts_needed()).max();
        Some(RegionChange {
            from,
            coordinators: coordinators.iter().copied().collect(),
            receipts_needed: needed.unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use record::{RegionId, region::Roster};

    use super::*;

    fn community(n: u8) -> CommunityId {
        CommunityId::from_bytes([n; 32])
    }

    /// An epoch of members 1.., and coordinators of 101 to 104 by the bits of a number.
    fn epoch(
        number: u64,
        (members, seats, needed): (u8, u8, u32),
        since: Option<u64>,
    ) -> EpochView {
        let seats: Vec<_> =
            (0..4).filter(|bit| seats & (1 << bit) != 0).map(|bit| community(101 + bit)).collect();
        let needed = needed.clamp(1, u32::try_from(seats.len()).unwrap());
        let members = (1..=members).map(community).collect();
        let roster = Roster::new(members, seats, needed).unwrap();
        let region = RegionId::from_bytes([1; 32]);
        EpochView {
            number,
            hash: record::region::EpochHash::of_charter(region),
            roster,
            since: since.map(UnixMillis),
            filings: Vec::new(),
        }
    }

    type Terms = (u8, u8, u32);

    /// A view of these epochs, each in force so long after the one before; a provisional one makes all later ones so.
    fn view(epochs: &[(Terms, Option<u64>)]) -> RegionView {
        let first = epoch(0, epochs[0].0, Some(0));
        let mut view = RegionView::new(RegionId::from_bytes([1; 32]), None, first.roster.clone());
        view.epochs = vec![first];
        let mut at = Some(0);
        for (number, (terms, later)) in (1..).zip(&epochs[1..]) {
            at = at.zip(*later).map(|(at, later)| at + later);
            view.epochs.push(epoch(number, *terms, at));
        }
        view
    }

    fn terms() -> impl Strategy<Value = (Terms, Option<u64>)> {
        ((1_u8..4, 1_u8..16, 1_u32..4), proptest::option::weighted(0.8, 0_u64..5))
    }

    /// Whether a record with these receipts is one that the change says to fold as it did.
    fn is_spared(change: &RegionChange, receipts: &[(CommunityId, UnixMillis)]) -> bool {
        let is_before = |at: UnixMillis| change.from.is_none_or(|from| at < from);
        let n =
            receipts.iter().filter(|(by, at)| change.coordinators.contains(by) && is_before(*at));
        usize::try_from(change.receipts_needed).unwrap() <= n.count()
    }

    proptest! {
        #[test]
        fn what_is_spared_is_answered_equally_by_both_views(
            shared in proptest::collection::vec(terms(), 1..4),
            ours in proptest::collection::vec(terms(), 0..3),
            theirs in proptest::collection::vec(terms(), 0..3),
            receipts in proptest::collection::btree_map(0_u8..4, 0_u64..14, 0..5),
        ) {
            let after = view(&[&shared[..], &ours].concat());
            let before = view(&[&shared[..], &theirs].concat());
            let receipts: Vec<_> = receipts
                .into_iter()
                .map(|(bit, at)| (community(101 + bit), UnixMillis(at)))
                .collect();
            let received = |view: &RegionView| view.received_at(receipts.iter().copied());
            let change = after.change_from(&before);
            prop_assert_eq!(&change.clone().map(|it| it.from), &before.change_from(&after).map(|it| it.from));
            let is_spared = change.is_none_or(|it| is_spared(&it, &receipts));
            if is_spared {
                let at = received(&before);
                prop_assert_eq!(received(&after), at);
                prop_assert_eq!(&after.in_force_at(at).roster, &before.in_force_at(at).roster);
            }
        }
    }

    #[test]
    fn a_new_epoch_spares_what_was_received_before_it_and_no_more() {
        let before = view(&[((3, 1, 1), None)]);
        let after = view(&[((3, 1, 1), None), ((2, 2, 1), Some(10))]);
        let change = after.change_from(&before).unwrap();
        assert_eq!(change.from, Some(UnixMillis(10)));
        for (by, at, spared) in [(101, 9, true), (101, 10, false), (102, 9, false)] {
            let receipts = [(community(by), UnixMillis(at))];
            assert_eq!(is_spared(&change, &receipts), spared, "{by} at {at}");
        }
        assert!(!is_spared(&change, &[]), "who was a member is asked of the newest epoch");
    }

    #[test]
    fn guests_alone_change_no_fold_and_a_provisional_epoch_only_what_has_no_receipt() {
        let before = view(&[((3, 1, 1), None)]);
        let mut guests = before.clone();
        guests.guests.insert(community(9));
        assert_eq!(guests.change_from(&before), None);
        let provisional = view(&[((3, 1, 1), None), ((2, 1, 1), None)]);
        let change = provisional.change_from(&before).unwrap();
        assert_eq!(change.from, None);
        assert!(is_spared(&change, &[(community(101), UnixMillis(u64::MAX))]));
        assert!(!is_spared(&change, &[]));
    }
}
