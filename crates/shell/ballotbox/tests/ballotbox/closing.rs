//! Closing a box and counting it.

use ballotbox::{
    BoxError, CastRefusal, Choice, CloseRefusal, CountRefusal, Failure, PollTerms, UnknownPoll,
};
use record::{
    RecordId,
    payload::poll::{Counts, Method, Mode},
};
use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::world::{CLOSES, DURING, LAST_INSTANT, POLL, World, several, terms};

async fn counts_of<const N: usize>(method: Method, n_options: u32, choices: [Choice; N]) -> Counts {
    let world = World::voting(N + 1, method, n_options).await;
    for (person, choice) in choices.into_iter().enumerate() {
        world.cast(person, choice).await;
    }
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    world.voting.count(&POLL).await.unwrap()
}

/// A connection that does to the file what the program would never do.
async fn tamper(world: &World) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(world.path());
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn yes_no_counts_for_against_and_blank() {
    let choices = [Choice::One(0), Choice::One(1), Choice::One(0), Choice::Blank];
    let counts = counts_of(Method::YesNo, 2, choices).await;
    let expected = Counts { n_ballots: 4, n_blank: 1, n_spoiled: 0, by_option: vec![2, 1] };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn plurality_counts_one_vote_a_ballot() {
    let choices = [Choice::One(2), Choice::Blank, Choice::Blank, Choice::One(2), Choice::One(0)];
    let counts = counts_of(Method::Plurality, 4, choices).await;
    let expected = Counts { n_ballots: 5, n_blank: 2, n_spoiled: 0, by_option: vec![1, 0, 2, 0] };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn approval_counts_every_option_marked() {
    let choices = [several([0, 2]), several([2]), Choice::Blank, several([0, 1, 2])];
    let counts = counts_of(Method::Approval, 3, choices).await;
    let expected = Counts { n_ballots: 4, n_blank: 1, n_spoiled: 0, by_option: vec![2, 1, 3] };
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn an_empty_box_has_the_empty_root_and_counts_nothing() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!((root.ballot_root, root.n_ballots), (*tlog::empty_root().as_bytes(), 0));
    assert_eq!(world.voting.count(&POLL).await.unwrap().by_option, [0, 0]);
}

#[tokio::test]
async fn a_box_is_closed_at_the_closing_instant_and_not_before() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let early = world.voting.close_poll(&POLL, LAST_INSTANT).await;
    let refusal = CloseRefusal::StillOpen { closes_at: CLOSES };
    assert!(matches!(early, Err(Failure::Refused(it)) if it == refusal));
    assert_eq!(world.voting.ballot_root(&POLL).await.unwrap(), None);

    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(world.voting.close_poll(&POLL, CLOSES).await.unwrap(), root);
    assert_eq!(world.voting.ballot_root(&POLL).await.unwrap(), Some(root));
}

#[tokio::test]
async fn a_closed_box_takes_no_ballot_even_if_the_clock_goes_back() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let root = world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    let late = world.cast_at(world.ballot(0, Choice::Blank), DURING).await;
    assert_eq!(late, Err(CastRefusal::Closed { closed_at: CLOSES }));
    assert_eq!(world.voting.close_poll(&POLL, DURING).await.unwrap(), root);
}

#[tokio::test]
async fn nothing_is_counted_before_the_box_is_closed() {
    let world = World::voting(1, Method::YesNo, 2).await;
    world.cast(0, Choice::One(0)).await;
    let early = world.voting.count(&POLL).await;
    assert!(matches!(early, Err(Failure::Refused(CountRefusal::NotClosed))));
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(world.voting.count(&POLL).await.unwrap().n_ballots, 1);
}

#[tokio::test]
async fn a_poll_that_is_not_in_the_box_is_neither_closed_nor_counted() {
    let world = World::voting(1, Method::YesNo, 2).await;
    let unknown = RecordId::from_bytes([8; 32]);
    let closed = world.voting.close_poll(&unknown, CLOSES).await;
    assert!(matches!(closed, Err(Failure::Refused(CloseRefusal::UnknownPoll))));
    let counted = world.voting.count(&unknown).await;
    assert!(matches!(counted, Err(Failure::Refused(CountRefusal::UnknownPoll))));
    let root = world.voting.ballot_root(&unknown).await;
    assert!(matches!(root, Err(Failure::Refused(UnknownPoll))));
}

#[tokio::test]
async fn ballots_of_one_poll_do_not_enter_another() {
    let world = World::voting(2, Method::YesNo, 2).await;
    let roll = world.voting.freeze_roll().await.unwrap();
    let other = RecordId::from_bytes([8; 32]);
    world.voting.open_poll(other, terms(Method::YesNo, 2, roll.roll_root)).await.unwrap();
    let here = world.cast(0, Choice::One(0)).await;
    let cast = ballotbox::Cast { poll: other, ..world.ballot(0, Choice::One(1)) };
    let there = world.cast_at(cast, DURING).await.unwrap();
    assert_ne!(here.credential_hash, there.credential_hash);
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    assert_eq!(world.voting.count(&POLL).await.unwrap().by_option, [1, 0]);
}

#[tokio::test]
async fn a_ballot_changed_added_or_taken_away_after_the_close_stops_the_count() {
    for change in [
        "UPDATE ballot SET choices = X'02' WHERE choices = X'01'",
        "UPDATE ballot SET in_box = 1, choices = X'01'
         WHERE number = (SELECT number FROM ballot WHERE in_box = 0 LIMIT 1)",
        "UPDATE ballot SET in_box = 0 WHERE in_box = 1 AND choices = X'00'",
    ] {
        let world = World::voting(3, Method::YesNo, 2).await;
        world.cast(0, Choice::One(0)).await;
        world.cast(1, Choice::Blank).await;
        world.voting.close_poll(&POLL, CLOSES).await.unwrap();
        assert!(world.voting.count(&POLL).await.is_ok());

        let mut outside = tamper(&world).await;
        let done = sqlx::query(change).execute(&mut outside).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
        let counted = world.voting.count(&POLL).await;
        assert!(matches!(counted, Err(Failure::Unavailable(BoxError::Damaged { .. }))), "{change}");
    }
}

#[tokio::test]
async fn a_box_with_a_ballot_that_nobody_took_a_credential_for_is_not_closed() {
    let world = World::voting(2, Method::YesNo, 2).await;
    world.cast(0, Choice::One(0)).await;
    let stuffed = "UPDATE ballot SET in_box = 1, choices = X'01'
         WHERE number = (SELECT number FROM ballot WHERE in_box = 0 LIMIT 1)";
    sqlx::query(stuffed).execute(&mut tamper(&world).await).await.unwrap();
    let closed = world.voting.close_poll(&POLL, CLOSES).await;
    assert!(matches!(closed, Err(Failure::Unavailable(BoxError::Damaged { .. }))));
}

#[tokio::test]
async fn which_ballot_is_whose_is_erased_at_the_close_of_a_secret_poll_only() {
    for (mode, n_links_left) in [(Mode::Secret, 0), (Mode::RollCall, 3)] {
        let world = World::of(3).await;
        let roll = world.voting.freeze_roll().await.unwrap();
        let terms = PollTerms { mode, ..terms(Method::YesNo, 2, roll.roll_root) };
        world.voting.open_poll(POLL, terms).await.unwrap();
        world.cast(0, Choice::One(0)).await;
        world.cast(1, Choice::One(1)).await;
        let mut outside = tamper(&world).await;
        let links = "SELECT COUNT(*) FROM elector JOIN ballot USING (poll, credential)";
        let before: i64 = sqlx::query_scalar(links).fetch_one(&mut outside).await.unwrap();
        assert_eq!(before, 3);

        world.voting.close_poll(&POLL, CLOSES).await.unwrap();

        let after: i64 = sqlx::query_scalar(links).fetch_one(&mut outside).await.unwrap();
        assert_eq!(after, n_links_left);
        assert_eq!(world.voting.n_cast(&POLL).await.unwrap(), 2);
    }
}
