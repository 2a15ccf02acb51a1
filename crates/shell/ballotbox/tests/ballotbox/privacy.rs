//! Canaries: names and choices that must turn up nowhere but in the box.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use ballotbox::{BallotBox, Cast, Choice, PeoplePage};
use record::payload::poll::Method;

use crate::world::{CLOSES, DURING, POLL, World, n_found, several, stranger, strangers};

const NAME: &str = "Canary Featherstonehaugh";
const REFERENCE: &str = "REF-4c1f8e";

/// Everything logged by anybody in this process, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn capture() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn no_name_reference_or_member_number_is_logged() {
    let log = Log::capture();
    let mut world = World::empty().await;
    let canary = stranger(NAME, Some(REFERENCE));
    world.people = world.voting.add_people(std::slice::from_ref(&canary)).await.unwrap();
    let refused = world.voting.add_people(&[canary]).await.unwrap_err();
    let roll = world.voting.freeze_roll().await.unwrap();
    let terms = crate::world::terms(Method::Approval, 200, roll.roll_root);
    world.voting.open_poll(POLL, terms).await.unwrap();
    world.cast(0, several([173])).await;
    world.replace(0, several([174])).await;
    let second = world.cast_at(world.ballot(0, several([175])), DURING).await.unwrap_err();
    world.voting.close_poll(&POLL, CLOSES).await.unwrap();
    world.voting.count(&POLL).await.unwrap();
    world.voting.remove_person(world.people[0]).await.unwrap();

    let text = format!("{}{refused:?}{refused}{second:?}{second}", log.text());
    assert!(text.contains("ballot box closed"), "the log was captured");
    for canary in [NAME, REFERENCE, "Featherstonehaugh", "m-000001", "Several(", "{173", "[173"] {
        assert!(!text.contains(canary), "{canary}");
    }
}

#[tokio::test]
async fn debug_shows_no_name_number_choice_or_salt() {
    let mut world = World::empty().await;
    let canary = stranger(NAME, Some(REFERENCE));
    world.people = world.voting.add_people(std::slice::from_ref(&canary)).await.unwrap();
    let listed = world.voting.list_people(PeoplePage { after: None, limit: 1 }).await.unwrap();
    assert_eq!(listed[0].name, NAME);
    let roll = world.voting.freeze_roll().await.unwrap();
    let proof = world.voting.prove_on_roll(&roll.roll_root, world.people[0]).await.unwrap();
    let cast = world.ballot(0, Choice::One(173));

    let shown = [
        format!("{canary:?}"),
        format!("{listed:?}"),
        format!("{:?}", world.people),
        format!("{:?} {:?}", cast.choice, several([173])),
        format!("{cast:?}"),
        format!("{proof:?}"),
        format!("{:?}", world.voting),
    ];

    for text in shown {
        for canary in [NAME, REFERENCE, "173", "m-000001", "One", "Several", "salt"] {
            assert!(!text.contains(canary), "{text}");
        }
    }
}

#[tokio::test]
async fn the_file_and_its_companions_are_readable_to_their_owner_only() {
    let world = World::of(1).await;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    assert!(names.iter().any(|name| name.ends_with("-wal")), "{names:?}");
}

#[tokio::test]
async fn a_file_that_others_could_read_is_taken_away_from_them() {
    let world = World::of(1).await;
    world.voting.close().await.unwrap();
    std::fs::set_permissions(world.path(), Permissions::from_mode(0o644)).unwrap();
    let again = BallotBox::open(&world.path()).await.unwrap();
    let mode = std::fs::metadata(world.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_removed_person_leaves_no_byte_of_their_name_behind() {
    let world = World::of(300).await;
    let canary = [stranger(NAME, Some(REFERENCE))];
    let id = world.voting.add_people(&canary).await.unwrap()[0];
    world.voting.add_people(&strangers(300)).await.unwrap();
    for neighbour in &world.people[270..] {
        world.voting.remove_person(*neighbour).await.unwrap();
    }
    assert!(0 < n_found(&world.bytes_on_disk(), NAME.as_bytes()));

    world.voting.remove_person(id).await.unwrap();

    let bytes = world.bytes_on_disk();
    assert_eq!(n_found(&bytes, NAME.as_bytes()), 0);
    assert_eq!(n_found(&bytes, REFERENCE.as_bytes()), 0);
    assert!(0 < n_found(&bytes, b"Somebody 299"));
}

#[tokio::test]
async fn a_replaced_ballot_leaves_no_byte_of_its_salt_behind() {
    let world = World::voting(201, Method::YesNo, 2).await;
    let n_draws_of_roll_and_poll = 201 + 201;
    let casts = |people: &[usize], replace| {
        let cast = |person: &usize| Cast { replace, ..world.ballot(*person, Choice::One(0)) };
        people.iter().map(cast).collect::<Vec<_>>()
    };
    // 7 and 200 have no common factor, so everybody comes once.
    let everybody: Vec<_> = (0..200).map(|n| n * 7 % 200).collect();
    let every_second: Vec<_> = everybody.iter().copied().step_by(2).collect();
    world.voting.cast_many(casts(&everybody, false), DURING).await.unwrap();
    world.voting.cast_many(casts(&every_second, true), DURING).await.unwrap();
    // The next ballot is stored after the old ones are cut from the write-ahead log.
    world.cast(200, Choice::Blank).await;

    let salts = world.draws.given.lock().unwrap()[n_draws_of_roll_and_poll..].to_vec();
    let bytes = world.bytes_on_disk();
    for (n, salt) in salts[..200].iter().enumerate() {
        let was_replaced = n % 2 == 0;
        assert_eq!(n_found(&bytes, salt) == 0, was_replaced, "ballot {n}");
    }
    assert!(salts[200..300].iter().all(|salt| 0 < n_found(&bytes, salt)));
}

#[tokio::test]
async fn after_the_close_of_a_secret_poll_no_credential_stands_beside_a_person() {
    let world = World::voting(180, Method::YesNo, 2).await;
    // SQLite writes a number above 127 as two bytes; in the row of an elector the credential follows it.
    let mut links = Vec::new();
    for person in 127..180 {
        let receipt = world.cast(person, Choice::One(0)).await;
        let number = u16::try_from(person + 1).unwrap().to_be_bytes();
        links.push([number.as_slice(), &receipt.credential_hash].concat());
    }
    let before = world.bytes_on_disk();
    assert!(links.iter().all(|link| 0 < n_found(&before, link)));

    world.voting.close_poll(&POLL, CLOSES).await.unwrap();

    let after = world.bytes_on_disk();
    assert!(links.iter().all(|link| n_found(&after, link) == 0));
    assert!(links.iter().all(|link| 0 < n_found(&after, &link[2..])));
}

/// The places of the ballots in the bytes of the file must not tell who came first.
#[tokio::test]
async fn the_file_looks_the_same_in_whatever_order_people_voted() {
    let mut files = Vec::new();
    for order in [[0, 1, 2, 3, 4, 5], [4, 2, 5, 0, 3, 1]] {
        let world = World::voting(6, Method::Plurality, 3).await;
        for person in order {
            world.draws.begin_turn(1 + person as u64);
            world.cast(person, Choice::One(u32::from(person == 3))).await;
        }
        world.voting.close().await.unwrap();
        files.push(world.bytes_on_disk());
    }
    // The first page counts changes; the second says when the file was made and how long that took.
    let parts = |file: &[u8]| file.chunks(4096).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (one, other) = (parts(&files[0]), parts(&files[1]));
    assert_eq!(one.len(), other.len());
    let differing = one.iter().zip(&other).enumerate().filter(|(_, (a, b))| a != b);
    let differing: Vec<_> = differing.map(|(page, _)| page).collect();
    assert!(differing.iter().all(|page| *page < 2), "pages {differing:?} of {}", one.len());
}
