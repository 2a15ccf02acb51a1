use proptest::prelude::*;
use record::payload::poll::{
    Counts, DecidingSum, Method, Outcome, PollOpening, Threshold, ThresholdBase,
};

use super::*;
use crate::samples::{
    community,
    poll::{constituency, terms, votes},
    record_id,
};

fn tally(n: u8, counts: Counts) -> Tally {
    let content = TallyContent::Counts(counts);
    Tally { record: record_id(n), community: community(n), content }
}

fn withheld(n: u8, n_ballots: u64) -> Tally {
    let content = TallyContent::Withheld { n_ballots };
    Tally { record: record_id(n), community: community(n), content }
}

fn of(method: Method, n_options: u32) -> PollOpening {
    PollOpening { method, n_options, ..terms() }
}

fn needing(numerator: u32, denominator: u32, base: ThresholdBase) -> PollOpening {
    PollOpening { threshold: Threshold { numerator, denominator, base }, ..terms() }
}

fn outcome(poll: &PollOpening, tallies: &[Tally]) -> Outcome {
    sum(poll, tallies).outcome
}

fn reason(verdict: Result<(), Refusal>) -> &'static str {
    verdict.err().map_or("fine", |refusal| refusal.reason())
}

#[test]
fn adds_up_ballots_and_communities() {
    let declaration = sum(&terms(), &[tally(2, votes(&[30, 20])), tally(1, votes(&[10, 40]))]);
    assert_eq!(declaration.tallies, [record_id(1), record_id(2)]);
    assert_eq!(declaration.counts, votes(&[40, 60]));
    let CommunitySum { carried, not_carried, undecided } = declaration.communities;
    assert_eq!((carried, not_carried, undecided), (1, 1, 0));
    assert_eq!(declaration.outcome, Outcome::NotCarried);
}

#[test]
fn a_threshold_is_passed_by_strictly_more() {
    let two_thirds = needing(2, 3, ThresholdBase::ForAndAgainst);
    assert_eq!(outcome(&two_thirds, &[tally(1, votes(&[60, 30]))]), Outcome::NotCarried);
    assert_eq!(outcome(&two_thirds, &[tally(1, votes(&[61, 30]))]), Outcome::Carried);
    let half = terms();
    assert_eq!(outcome(&half, &[tally(1, votes(&[11, 10]))]), Outcome::Carried);
    assert_eq!(outcome(&half, &[tally(1, votes(&[10, 10]))]), Outcome::NoDecision);
}

#[test]
fn blank_ballots_weigh_only_where_the_base_is_ballots() {
    let counts = Counts { n_ballots: 50, n_blank: 20, n_spoiled: 0, by_option: vec![25, 5] };
    let tallies = [tally(1, counts)];
    assert_eq!(outcome(&terms(), &tallies), Outcome::Carried);
    assert_eq!(outcome(&needing(1, 2, ThresholdBase::Ballots), &tallies), Outcome::NotCarried);
}

#[test]
fn a_share_of_the_roll_is_of_every_roll_in_the_electorate() {
    let half_of_300 = needing(1, 2, ThresholdBase::Roll);
    let two = |last| [tally(1, votes(&[90, 0])), tally(2, votes(&[last, 0]))];
    assert_eq!(outcome(&half_of_300, &two(60)), Outcome::NotCarried);
    assert_eq!(outcome(&half_of_300, &two(61)), Outcome::Carried);
}

#[test]
fn a_quorum_is_met_at_its_share_of_all_rolls_and_missed_one_ballot_below() {
    let poll = PollOpening { quorum_permille: 100, ..terms() };
    assert_eq!(outcome(&poll, &[tally(1, votes(&[25, 5]))]), Outcome::Carried);
    assert_eq!(outcome(&poll, &[tally(1, votes(&[24, 5]))]), Outcome::NoDecision);
    assert_eq!(outcome(&poll, &[tally(1, votes(&[24, 5])), withheld(2, 1)]), Outcome::Carried);
}

#[test]
fn the_most_votes_win_and_a_shared_first_place_decides_nothing() {
    for method in [Method::Plurality, Method::Approval] {
        let poll = of(method, 3);
        let won = Outcome::Won { option: 2 };
        assert_eq!(outcome(&poll, &[tally(1, votes(&[9, 10, 11]))]), won);
        assert_eq!(outcome(&poll, &[tally(1, votes(&[9, 11, 11]))]), Outcome::NoDecision);
        assert_eq!(outcome(&poll, &[]), Outcome::NoDecision);
    }
}

#[test]
fn communities_decide_when_the_opening_says_so() {
    let poll = PollOpening { deciding_sum: DecidingSum::Communities, ..terms() };
    let many_against =
        [tally(1, votes(&[6, 5])), tally(2, votes(&[6, 5])), tally(3, votes(&[0, 90]))];
    assert_eq!(outcome(&terms(), &many_against), Outcome::NotCarried);
    assert_eq!(outcome(&poll, &many_against), Outcome::Carried);
    assert_eq!(outcome(&poll, &many_against[1..]), Outcome::NoDecision);
    let plural = PollOpening { deciding_sum: DecidingSum::Communities, ..of(Method::Plurality, 3) };
    let tallies =
        [tally(1, votes(&[6, 5, 0])), tally(2, votes(&[6, 5, 0])), tally(3, votes(&[0, 0, 90]))];
    assert_eq!(outcome(&plural, &tallies), Outcome::Won { option: 0 });
}

#[test]
fn a_community_below_the_quorum_is_undecided() {
    let poll = PollOpening { quorum_permille: 200, ..terms() };
    let own = |n| community_outcome(&poll, &tally(1, votes(&[n, 0])));
    assert_eq!((own(19), own(20)), (Some(Outcome::NoDecision), Some(Outcome::Carried)));
    assert_eq!(community_outcome(&poll, &withheld(1, 5)), None);
}

#[test]
fn turnout_is_rounded_down() {
    assert_eq!((turnout_permille(2, 3), turnout_permille(3, 3)), (666, 1000));
    assert_eq!(turnout_permille(0, 0), 0);
}

#[test]
fn cells_add_up_to_the_ballots() {
    let verify =
        |poll: &PollOpening, counts| reason(verify_counts(poll, &constituency(1, 100), &counts));
    let counts = |n_ballots, n_blank, by_option: &[u64]| Counts {
        n_ballots,
        n_blank,
        n_spoiled: 0,
        by_option: by_option.to_vec(),
    };
    let wrong = "tally.cells_do_not_add_up";
    assert_eq!(verify(&terms(), counts(50, 5, &[30, 15])), "fine");
    assert_eq!(verify(&terms(), counts(50, 5, &[30, 16])), wrong);
    assert_eq!(verify(&terms(), counts(50, 5, &[30, 14])), wrong);
    assert_eq!(verify(&terms(), counts(5, 6, &[0, 0])), wrong);
    assert_eq!(verify(&terms(), counts(50, 0, &[20, 20, 10])), wrong);
    assert_eq!(verify(&terms(), counts(50, 0, &[u64::MAX, 51])), wrong);
    let approval = of(Method::Approval, 2);
    assert_eq!(verify(&approval, counts(50, 5, &[45, 45])), "fine");
    assert_eq!(verify(&approval, counts(50, 5, &[46, 0])), wrong);
}

#[test]
fn ballots_are_at_most_the_roll_and_at_most_a_million() {
    let verify = |roll, n| reason(verify_n_ballots(&constituency(1, roll), n));
    assert_eq!(verify(100, 100), "fine");
    assert_eq!(verify(100, 101), "tally.more_ballots_than_roll");
    assert_eq!(verify(2_000_000, 1_000_000), "fine");
    assert_eq!(verify(2_000_000, 1_000_001), "poll.too_many_ballots");
}

#[test]
fn counts_of_ten_ballots_are_published_and_of_nine_are_not() {
    assert_eq!(reason(may_publish(&terms(), &votes(&[5, 5]))), "fine");
    assert_eq!(reason(may_publish(&terms(), &votes(&[9, 0]))), "tally.too_small_to_publish");
}

#[test]
fn a_cell_of_one_to_four_is_not_published() {
    for (cell, verdict) in [
        (0, "fine"),
        (1, "tally.too_small_to_publish"),
        (4, "tally.too_small_to_publish"),
        (5, "fine"),
    ] {
        assert_eq!(reason(may_publish(&terms(), &votes(&[50, cell]))), verdict, "{cell}");
        let blank =
            Counts { n_ballots: 60 + cell, n_blank: cell, n_spoiled: 3, by_option: vec![30, 30] };
        assert_eq!(reason(may_publish(&terms(), &blank)), verdict, "{cell} blank");
        let left_out =
            Counts { n_ballots: 60, n_blank: 0, n_spoiled: 0, by_option: vec![60 - cell, 30] };
        let approval = of(Method::Approval, 2);
        assert_eq!(reason(may_publish(&approval, &left_out)), verdict, "{cell} left out");
    }
}

proptest! {
    #[test]
    fn the_order_of_the_tallies_does_not_matter(
        cells in prop::collection::vec((0u64..60, 0u64..60), 3),
        quorum_permille in 0u32..=1000,
        communities in any::<bool>(),
    ) {
        let deciding_sum =
            if communities { DecidingSum::Communities } else { DecidingSum::Ballots };
        let poll = PollOpening { quorum_permille, deciding_sum, ..terms() };
        let mut tallies: Vec<Tally> =
            (1u8..).zip(&cells).map(|(n, (a, b))| tally(n, votes(&[*a, *b]))).collect();
        let one = sum(&poll, &tallies);
        tallies.reverse();
        prop_assert_eq!(sum(&poll, &tallies), one);
    }

    #[test]
    fn any_numbers_are_added_up_without_a_panic(
        cells in prop::collection::vec(any::<u64>(), 0..5),
        n_ballots in any::<u64>(),
        n_blank in any::<u64>(),
    ) {
        let counts = Counts { n_ballots, n_blank, n_spoiled: n_blank, by_option: cells };
        let _ = may_publish(&terms(), &counts);
        let tallies = [tally(1, counts.clone()), tally(2, counts)];
        prop_assert_eq!(sum(&terms(), &tallies).tallies.len(), 2);
    }
}
