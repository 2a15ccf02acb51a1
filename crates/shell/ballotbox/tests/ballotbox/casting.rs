//! Handing in ballots.

use ballotbox::{
    BallotBox, BoxError, Cast, CastRefusal, Choice, Entropy, Failure, InvalidChoice,
    MAX_CASTS_PER_CALL, NoEntropy, OpenRefusal, Opened, PollTerms, ReceiptStanding, Settings,
    UnknownPoll,
};
use proptest::prelude::*;
use record::{
    RecordId, UnixMillis,
    payload::poll::{Counts, Method},
};

use crate::world::{CLOSES, DURING, LAST_INSTANT, OPENS, POLL, World, several, strangers, terms};

#[tokio::test]
async fn ballots_are_taken_from_the_opening_instant_until_just_before_the_closing_one() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let at = |person, now| world.cast_at(world.ballot(person, Choice::One(0)), now);
    let too_early = Err(CastRefusal::NotOpenYet { opens_at: OPENS });
    let too_late = Err(CastRefusal::Closed { closed_at: CLOSES });

    assert_eq!(at(0, UnixMillis(OPENS.0 - 1)).await, too_early);
    assert!(at(0, OPENS).await.is_ok());
    assert_eq!(at(1, CLOSES).await, too_late);
    assert!(at(1, LAST_INSTANT).await.is_ok());
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 2);
}

#[tokio::test]
async fn a_second_ballot_is_refused_unless_it_replaces_the_first() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let first = world.cast(0, Choice::One(0)).await;

    let second = world.cast_at(world.ballot(0, Choice::One(1)), DURING).await;
    assert_eq!(second, Err(CastRefusal::AlreadyVoted));
    let standing = world.voting.check_receipt(&first).await.unwrap();
    assert_eq!(standing, ReceiptStanding::InTheBox);

    let third = world.replace(0, Choice::One(1)).await;
    assert_eq!(third.credential_hash, first.credential_hash);
    assert_ne!(third.leaf, first.leaf);
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 1);
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(world.voting.count(&POLL).await.unwrap().by_option, [0, 1]);
}

#[tokio::test]
async fn replacing_a_ballot_with_the_same_choice_still_makes_another_leaf() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let first = world.cast(0, Choice::One(0)).await;
    assert_ne!(world.replace(0, Choice::One(0)).await.leaf, first.leaf);
}

#[tokio::test]
async fn a_ballot_that_would_replace_none_is_a_first_one() {
    let world = World::voting(1, Method::YesNo, 2).await;
    world.replace(0, Choice::Blank).await;
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 1);
}

#[tokio::test]
async fn somebody_who_came_after_the_roll_is_refused_and_somebody_who_left_is_not() {
    let mut world = World::voting(2, Method::YesNo, 2).await;
    world.people.extend(world.voting.add_people(&strangers(1)).await.unwrap());
    world.voting.remove_person(world.people[0]).await.unwrap();

    let late = world.cast_at(world.ballot(2, Choice::Blank), DURING).await;
    assert_eq!(late, Err(CastRefusal::NotOnRoll));
    assert!(world.cast_at(world.ballot(0, Choice::Blank), DURING).await.is_ok());
}

#[tokio::test]
async fn a_ballot_that_does_not_fit_the_poll_is_refused_and_can_be_handed_in_anew() {
    let world = World::voting(1, Method::Approval, 3).await;
    let cast = |choice| world.cast_at(world.ballot(0, choice), DURING);
    let refusal = Err(CastRefusal::InvalidChoice(InvalidChoice::NotAnOption { n_options: 3 }));
    assert_eq!(cast(several([0, 3])).await, refusal);
    assert!(cast(several([0, 2])).await.is_ok());
}

#[tokio::test]
async fn a_ballot_for_a_poll_that_is_not_in_the_box_is_refused() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let unknown = RecordId::from_bytes([8; 32]);
    let cast = Cast { poll: unknown, ..world.ballot(0, Choice::Blank) };
    assert_eq!(world.cast_at(cast, DURING).await, Err(CastRefusal::UnknownPoll));
    let n_cast = world.voting.n_cast(&unknown).await;
    assert!(matches!(n_cast, Err(Failure::Refused(UnknownPoll))));
}

#[tokio::test]
async fn one_refusal_among_many_ballots_hinders_no_other() {
    let world = World::voting(3, Method::YesNo, 2).await;
    let of = |person| world.ballot(person, Choice::One(0));
    let answers = world.voting.cast_many(vec![of(0), of(0), of(2)], DURING).await.unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(answers[1], Err(CastRefusal::AlreadyVoted));
    assert!(answers[2].is_ok());
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 2);
}

#[tokio::test]
async fn a_call_takes_5000_ballots_and_refuses_one_more() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let many = |n| vec![world.ballot(0, Choice::Blank); n];
    let refusal = world.voting.cast_many(many(MAX_CASTS_PER_CALL + 1), DURING).await;
    assert!(matches!(refusal, Err(BoxError::TooManyCasts { n_casts: 5_001, max: 5_000 })));
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 0);
    let answers = world.voting.cast_many(many(MAX_CASTS_PER_CALL), DURING).await.unwrap();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_voting_at_once_gets_a_receipt_of_their_own() {
    let world = std::sync::Arc::new(World::voting(60, Method::YesNo, 2).await);
    let mut casting = tokio::task::JoinSet::new();
    for person in 0..60 {
        let world = std::sync::Arc::clone(&world);
        casting.spawn(async move { world.cast(person, Choice::One(0)).await.credential_hash });
    }
    let credentials = casting.join_all().await;
    let distinct: std::collections::BTreeSet<_> = credentials.iter().collect();
    assert_eq!(distinct.len(), 60);
    assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 60);
}

/// The randomness fails after two ballots: if each had its own transaction, two would be stored.
#[tokio::test]
async fn ballots_that_arrive_together_are_stored_together_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let n_draws_of_roll_and_poll = 3 + 3;
    let mut left = n_draws_of_roll_and_poll + 3;
    let entropy = Entropy::from_fn(move |bytes| {
        left -= 1;
        bytes.fill(left);
        if left == 0 { Err(NoEntropy) } else { Ok(()) }
    });
    let path = folder.path().join("ballots.sqlite");
    let voting = BallotBox::open_with(&path, Settings { entropy, max_people: 3 }).await.unwrap();
    let people = voting.add_people(&strangers(3)).await.unwrap();
    let roll = voting.freeze_roll().await.unwrap();
    voting.open_poll(POLL, terms(Method::YesNo, 2, roll.roll_root)).await.unwrap();

    let cast = |n: usize| {
        let cast = Cast { poll: POLL, person: people[n], choice: Choice::Blank, replace: false };
        voting.cast(cast, DURING)
    };
    let answers = tokio::join!(cast(0), cast(1), cast(2));

    for answer in [answers.0, answers.1, answers.2] {
        assert!(matches!(answer, Err(Failure::Unavailable(BoxError::NoEntropy(_)))));
    }
    assert_eq!(voting.n_cast(&POLL).await.unwrap(), 0);
}

#[tokio::test]
async fn a_poll_is_opened_once_and_with_one_set_of_terms() {
    let world = World::of(1).await;
    let roll = world.voting.freeze_roll().await.unwrap();
    let first = terms(Method::Plurality, 3, roll.roll_root);
    let open = |terms| world.voting.open_poll(POLL, terms);
    assert_eq!(open(first).await.unwrap(), Opened::Opened);
    assert_eq!(open(first).await.unwrap(), Opened::AlreadyOpened);
    let later = PollTerms { closes_at: UnixMillis(CLOSES.0 + 1), ..first };
    assert!(matches!(open(later).await, Err(Failure::Refused(OpenRefusal::TermsDiffer))));
}

#[tokio::test]
async fn a_poll_on_a_roll_of_somebody_else_is_not_opened() {
    let world = World::of(1).await;
    world.voting.freeze_roll().await.unwrap();
    let answer = world.voting.open_poll(POLL, terms(Method::YesNo, 2, [9; 32])).await;
    assert!(matches!(answer, Err(Failure::Refused(OpenRefusal::RollNotOurs))));
}

#[tokio::test]
async fn a_poll_has_2_to_200_options_and_opens_before_it_closes() {
    let world = World::of(1).await;
    let root = world.voting.freeze_roll().await.unwrap().roll_root;
    let mut n_tried = 0;
    for (method, n_options, opens_at, allowed) in [
        (Method::YesNo, 2, OPENS, true),
        (Method::YesNo, 3, OPENS, false),
        (Method::Plurality, 1, OPENS, false),
        (Method::Approval, 2, OPENS, true),
        (Method::Approval, 200, OPENS, true),
        (Method::Approval, 201, OPENS, false),
        (Method::YesNo, 2, LAST_INSTANT, true),
        (Method::YesNo, 2, CLOSES, false),
    ] {
        n_tried += 1;
        let terms = PollTerms { opens_at, ..terms(method, n_options, root) };
        let answer = world.voting.open_poll(RecordId::from_bytes([n_tried; 32]), terms).await;
        assert_eq!(answer.is_ok(), allowed, "{terms:?}");
    }
}

async fn box_after(votes: &[(usize, u32)]) -> ([u8; 32], Counts) {
    let world = World::voting(8, Method::Plurality, 3).await;
    for (person, option) in votes {
        world.draws.begin_turn(1 + *person as u64);
        world.cast(*person, Choice::One(*option)).await;
    }
    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    (root.ballot_root, world.voting.count(&POLL).await.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_ballots_in_any_order_have_one_root_and_one_count(
        options in proptest::collection::vec(0..3_u32, 8),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let votes = |order: &[usize]| order.iter().map(|n| (*n, options[*n])).collect::<Vec<_>>();
        let in_turn: Vec<_> = (0..8).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (one, other) = runtime.block_on(async {
            (box_after(&votes(&in_turn)).await, box_after(&votes(&order)).await)
        });
        prop_assert_eq!(one, other);
    }
}
