//! Adding, listing and removing people.

use ballotbox::{
    BoxError, Failure, MAX_NAME_CHARS, MAX_PEOPLE_PER_PAGE, MAX_REFERENCE_CHARS, NewPerson,
    PeoplePage, PeopleRefusal, PersonId,
};

use crate::world::{World, stranger, strangers};

const FIRST_PAGE: PeoplePage = PeoplePage { after: None, limit: MAX_PEOPLE_PER_PAGE };

async fn refused(world: &World, people: &[NewPerson]) -> PeopleRefusal {
    match world.voting.add_people(people).await {
        Err(Failure::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn people_are_listed_page_by_page_in_the_order_in_which_they_came() {
    let world = World::of(5).await;
    let page = |after, limit| world.voting.list_people(PeoplePage { after, limit });

    let first = page(None, 3).await.unwrap();
    let rest = page(Some(first[2].id), 3).await.unwrap();

    let ids: Vec<_> = first.iter().chain(&rest).map(|person| person.id).collect();
    assert_eq!(ids, world.people);
    assert_eq!(rest.last().unwrap().name, "Somebody 4");
    assert!(page(Some(world.people[4]), 3).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_holds_500_people_and_no_more() {
    let world = World::of(501).await;
    let page = PeoplePage { after: None, limit: u32::MAX };
    assert_eq!(world.voting.list_people(page).await.unwrap().len(), 500);
}

#[tokio::test]
async fn a_name_may_have_200_characters_and_a_reference_100() {
    let world = World::empty().await;
    let longest = stranger(&"é".repeat(MAX_NAME_CHARS), Some(&"é".repeat(MAX_REFERENCE_CHARS)));
    assert_eq!(world.voting.add_people(&[longest]).await.unwrap().len(), 1);
    for too_long in [
        stranger(&"é".repeat(MAX_NAME_CHARS + 1), None),
        stranger("Somebody", Some(&"é".repeat(MAX_REFERENCE_CHARS + 1))),
    ] {
        assert_eq!(refused(&world, &[too_long]).await, PeopleRefusal::TooLong { index: 0 });
    }
}

#[tokio::test]
async fn one_entry_without_a_name_keeps_everybody_out() {
    let world = World::empty().await;
    let people = [stranger("Somebody", None), stranger(" \t", None)];
    assert_eq!(refused(&world, &people).await, PeopleRefusal::NameMissing { index: 1 });
    assert!(world.voting.list_people(FIRST_PAGE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_would_steer_a_terminal_keeps_everybody_out() {
    let world = World::empty().await;
    for hostile in [stranger("a\u{1b}[31mb", None), stranger("Somebody", Some("A\u{7}1"))] {
        let people = [stranger("Siân Ŵyn", None), hostile];
        let refusal = PeopleRefusal::ControlCharacter { index: 1 };
        assert_eq!(refused(&world, &people).await, refusal);
    }
    assert!(world.voting.list_people(FIRST_PAGE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reference_is_of_one_person_in_the_list_and_in_the_box() {
    let world = World::empty().await;
    let taken = PeopleRefusal::ReferenceTaken { index: 1 };
    let twice = [stranger("One", Some("A1")), stranger("Another", Some(" A1 "))];
    assert_eq!(refused(&world, &twice).await, taken);

    world.voting.add_people(&twice[..1]).await.unwrap();
    let later = [stranger("A third", Some("A2")), stranger("Another", Some("A1"))];
    assert_eq!(refused(&world, &later).await, taken);

    assert_eq!(world.voting.list_people(FIRST_PAGE).await.unwrap().len(), 1);
    let without = [stranger("A third", Some(" ")), stranger("A fourth", Some(""))];
    assert_eq!(world.voting.add_people(&without).await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_box_takes_as_many_people_as_its_limit_and_not_one_more() {
    let world = World::with_max_people(3).await;
    world.voting.add_people(&strangers(2)).await.unwrap();
    let refusal = PeopleRefusal::TooManyPeople { max: 3 };
    assert_eq!(refused(&world, &strangers(2)).await, refusal);
    assert_eq!(world.voting.add_people(&strangers(1)).await.unwrap().len(), 1);
    assert_eq!(refused(&world, &strangers(1)).await, refusal);
}

#[tokio::test]
async fn the_number_of_somebody_who_left_is_never_given_again() {
    let world = World::of(3).await;
    assert!(world.voting.remove_person(world.people[2]).await.unwrap());
    assert!(!world.voting.remove_person(world.people[2]).await.unwrap());
    let next = world.voting.add_people(&strangers(1)).await.unwrap();
    assert!(world.people[2] < next[0]);
}

#[tokio::test]
async fn a_member_number_is_read_in_one_spelling() {
    let world = World::of(1).await;
    let id = world.people[0];
    assert_eq!(id.to_string(), "m-000001");
    assert_eq!("m-000001".parse(), Ok(id));
    for wrong in ["m-1", "m-+00001", "m-000000", "M-000001", "m-0000001", "m-99999999999", ""] {
        assert!(wrong.parse::<PersonId>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_box_that_was_shut_down_says_so_and_keeps_what_it_had() {
    let world = World::of(2).await;
    world.voting.close().await.unwrap();
    world.voting.close().await.unwrap();
    assert!(matches!(world.voting.list_people(FIRST_PAGE).await, Err(BoxError::ShutDown)));
    let added = world.voting.add_people(&strangers(1)).await;
    assert!(matches!(added, Err(Failure::Unavailable(BoxError::ShutDown))));

    let again = ballotbox::BallotBox::open(&world.path()).await.unwrap();
    assert_eq!(again.list_people(FIRST_PAGE).await.unwrap().len(), 2);
}
