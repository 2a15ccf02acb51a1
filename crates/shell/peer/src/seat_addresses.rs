//! Where coordinators are reached, by the word of the members who seated them.
//!
//! Addresses stand beside an epoch and are no part of its hash, so that whoever files it may say what they like. They are
//! taken only from the filings that made an epoch hold, and only for the seats which that epoch adds: a proposal moves
//! nobody, and who is seated already says by its own log where it has moved to.

use std::collections::{BTreeMap, BTreeSet};

use civic::{EpochView, RegionView, Statement};
use record::{CommunityId, RecordId, region::RegionAction};

/// The address of each coordinator that was seated after the founding, as most filings of the epoch that seated it last
/// say; of several said equally often the first in order of their bytes.
pub(crate) fn given(
    region: &RegionView,
    statements: &[Statement],
) -> BTreeMap<CommunityId, String> {
    let filed: BTreeMap<RecordId, &RegionAction> =
        statements.iter().map(|it| (it.record, &it.action)).collect();
    let epochs = region.epochs();
    let mut given = BTreeMap::new();
    for (before, epoch) in epochs.iter().zip(epochs.iter().skip(1)) {
        given.extend(by_its_filings(before, epoch, &filed));
    }
    given
}

fn by_its_filings(
    before: &EpochView,
    epoch: &EpochView,
    filed: &BTreeMap<RecordId, &RegionAction>,
) -> Vec<(CommunityId, String)> {
    let is_added =
        |it: &CommunityId| epoch.roster.is_coordinator(it) && !before.roster.is_coordinator(it);
    let mut votes: BTreeMap<CommunityId, BTreeMap<&str, usize>> = BTreeMap::new();
    for filing in &epoch.filings {
        let Some(RegionAction::File { addresses, .. }) = filed.get(filing) else { continue };
        // One word from each filing, however often it says it.
        let said: BTreeSet<_> =
            addresses.iter().map(|it| (it.community, it.address.as_str())).collect();
        for (community, address) in said.into_iter().filter(|(id, _)| is_added(id)) {
            *votes.entry(community).or_default().entry(address).or_default() += 1;
        }
    }
    let most_said = |votes: BTreeMap<&str, usize>| {
        let first = votes.into_iter().rev().max_by_key(|(_, n_votes)| *n_votes);
        first.map(|(address, _)| address.to_owned())
    };
    let seats = votes.into_iter();
    seats.filter_map(|(id, votes)| Some((id, most_said(votes)?))).collect()
}

#[cfg(test)]
mod tests {
    use record::{
        RegionId,
        region::{Epoch, Roster, SeatAddress},
    };

    use super::*;

    const REGION: RegionId = RegionId::from_bytes([9; 32]);
    /// Seated by the charter.
    const OLD: u8 = 101;
    /// Seated by an epoch.
    const NEW: u8 = 102;

    fn id(n: u8) -> CommunityId {
        CommunityId::from_bytes([n; 32])
    }

    fn roster(coordinators: &[u8]) -> Roster {
        let ids = |all: &[u8]| all.iter().copied().map(id).collect();
        Roster::new(ids(&[1, 2, 3]), ids(coordinators), 1).unwrap()
    }

    fn founded() -> RegionView {
        RegionView::new(REGION, None, roster(&[OLD]))
    }

    /// The vote of a member for these coordinators after this state of the region.
    fn file(member: u8, after: &RegionView, seats: &[u8], told: &[(u8, &str)]) -> Statement {
        let EpochView { number, hash, .. } = *after.newest();
        let (number, previous) = (number + 1, hash);
        let epoch = Epoch { region: REGION, number, previous, roster: roster(seats) };
        let addresses = told.iter().map(|(seat, address)| SeatAddress {
            community: id(*seat),
            address: (*address).to_owned(),
        });
        let action = RegionAction::File { epoch, addresses: addresses.collect() };
        let nth = u8::try_from(number).unwrap();
        let record = RecordId::from_bytes([member * 16 + nth; 32]);
        Statement { record, community: id(member), era: 0, index: number, receipts: vec![], action }
    }

    fn told(filings: &[Statement]) -> Vec<(CommunityId, String)> {
        given(&founded().after(filings), filings).into_iter().collect()
    }

    #[test]
    fn one_filing_of_the_two_needed_gives_no_address_and_the_second_gives_it() {
        let vote = |member| file(member, &founded(), &[OLD, NEW], &[(NEW, "new.example:7443")]);
        assert!(told(&[vote(1)]).is_empty());
        assert_eq!(told(&[vote(1), vote(2)]), [(id(NEW), "new.example:7443".to_owned())]);
    }

    #[test]
    fn an_epoch_that_holds_moves_no_seat_that_it_does_not_add() {
        let hints = [(OLD, "false.example:1"), (3, "false.example:2"), (NEW, "new.example:7443")];
        let votes = [1, 2].map(|member| file(member, &founded(), &[OLD, NEW], &hints));
        assert_eq!(told(&votes), [(id(NEW), "new.example:7443".to_owned())]);
    }

    #[test]
    fn one_member_who_files_another_address_is_outvoted_wherever_it_stands() {
        let (right, wrong) = ((NEW, "new.example:7443"), (NEW, "a.example:1"));
        for liar in [1, 2, 3] {
            let votes = [1, 2, 3].map(|member| {
                let hint = if member == liar { [wrong, wrong] } else { [right, right] };
                file(member, &founded(), &[OLD, NEW], &hint)
            });
            assert_eq!(told(&votes), [(id(NEW), "new.example:7443".to_owned())]);
        }
    }

    #[test]
    fn who_is_seated_anew_is_where_the_later_epoch_says() {
        let mut filings: Vec<Statement> = Vec::new();
        type Step<'a> = (&'a [u8], &'a [(u8, &'a str)]);
        let steps: [Step<'_>; 3] = [
            (&[OLD, NEW], &[(NEW, "first.example:1")]),
            (&[OLD], &[]),
            (&[OLD, NEW], &[(NEW, "second.example:1")]),
        ];
        for (seats, hints) in steps {
            let now = founded().after(&filings);
            filings.extend([1, 2].map(|member| file(member, &now, seats, hints)));
        }
        assert_eq!(founded().after(&filings).newest().number, 3);
        assert_eq!(told(&filings), [(id(NEW), "second.example:1".to_owned())]);
    }
}
