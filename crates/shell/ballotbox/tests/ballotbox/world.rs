//! A community with a ballot box in a folder that is deleted afterwards.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use ballotbox::{
    BallotBox, Cast, CastReceipt, CastRefusal, Choice, Entropy, Failure, NewPerson, PersonId,
    PollTerms, Settings,
};
use record::{
    RecordId, UnixMillis,
    payload::poll::{Method, Mode},
};
use tempfile::TempDir;

pub(crate) const OPENS: UnixMillis = UnixMillis(1_000);
pub(crate) const DURING: UnixMillis = UnixMillis(1_500);
pub(crate) const LAST_INSTANT: UnixMillis = UnixMillis(1_999);
pub(crate) const CLOSES: UnixMillis = UnixMillis(2_000);
pub(crate) const POLL: RecordId = RecordId::from_bytes([7; 32]);

/// What the entropy of the tests is: a counted hash, and everything that it has given.
#[derive(Clone, Default)]
pub(crate) struct Draws {
    pub(crate) given: Arc<Mutex<Vec<[u8; 32]>>>,
    /// Whose turn it is, and how often it was: the same person draws the same numbers in any order of people.
    pub(crate) turn: Arc<Mutex<(u64, u64)>>,
}

impl Draws {
    pub(crate) fn begin_turn(&self, seed: u64) {
        *self.turn.lock().unwrap() = (seed, 0);
    }

    pub(crate) fn entropy(&self) -> Entropy {
        let draws = self.clone();
        Entropy::from_fn(move |bytes| {
            let mut turn = draws.turn.lock().unwrap();
            turn.1 += 1;
            let parts = [turn.0.to_be_bytes(), turn.1.to_be_bytes()];
            let drawn = record::ids::tagged_hash("test", &[&parts[0], &parts[1]]);
            draws.given.lock().unwrap().push(drawn);
            bytes.copy_from_slice(&drawn);
            Ok(())
        })
    }
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) voting: BallotBox,
    pub(crate) people: Vec<PersonId>,
    pub(crate) draws: Draws,
}

impl World {
    pub(crate) async fn empty() -> Self {
        Self::with_max_people(1_000_000).await
    }

    pub(crate) async fn with_max_people(max_people: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let draws = Draws::default();
        let settings = Settings { entropy: draws.entropy(), max_people };
        let path = folder.path().join("ballots.sqlite");
        let voting = BallotBox::open_with(&path, settings).await.unwrap();
        Self { folder, voting, people: Vec::new(), draws }
    }

    pub(crate) async fn of(n_people: usize) -> Self {
        let mut world = Self::empty().await;
        world.people = world.voting.add_people(&strangers(n_people)).await.unwrap();
        world
    }

    /// A world with [`POLL`] open to everybody in it.
    pub(crate) async fn voting(n_people: usize, method: Method, n_options: u32) -> Self {
        let world = Self::of(n_people).await;
        let roll = world.voting.freeze_roll().await.unwrap();
        let terms = terms(method, n_options, roll.roll_root);
        world.voting.open_poll(POLL, terms).await.unwrap();
        world
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("ballots.sqlite")
    }

    pub(crate) fn ballot(&self, person: usize, choice: Choice) -> Cast {
        Cast { poll: POLL, person: self.people[person], choice, replace: false }
    }

    pub(crate) async fn cast_at(
        &self,
        cast: Cast,
        now: UnixMillis,
    ) -> Result<CastReceipt, CastRefusal> {
        match self.voting.cast(cast, now).await {
            Ok(receipt) => Ok(receipt),
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(Failure::Unavailable(error)) => panic!("{error}"),
        }
    }

    pub(crate) async fn cast(&self, person: usize, choice: Choice) -> CastReceipt {
        self.cast_at(self.ballot(person, choice), DURING).await.unwrap()
    }

    pub(crate) async fn replace(&self, person: usize, choice: Choice) -> CastReceipt {
        let cast = Cast { replace: true, ..self.ballot(person, choice) };
        self.cast_at(cast, DURING).await.unwrap()
    }

    /// Every byte that stands in the folder now.
    pub(crate) fn bytes_on_disk(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }
}

pub(crate) fn terms(method: Method, n_options: u32, roll_root: [u8; 32]) -> PollTerms {
    PollTerms {
        method,
        mode: Mode::Secret,
        n_options,
        opens_at: OPENS,
        closes_at: CLOSES,
        roll_root,
    }
}

pub(crate) fn stranger(name: &str, reference: Option<&str>) -> NewPerson {
    NewPerson { name: name.to_owned(), reference: reference.map(str::to_owned) }
}

pub(crate) fn strangers(n: usize) -> Vec<NewPerson> {
    (0..n).map(|n| stranger(&format!("Somebody {n}"), None)).collect()
}

pub(crate) fn several<const N: usize>(options: [u32; N]) -> Choice {
    Choice::Several(BTreeSet::from(options))
}

pub(crate) fn n_found(bytes: &[u8], wanted: &[u8]) -> usize {
    let first = wanted[0];
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == first);
    starts.filter(|(at, _)| bytes[*at..].starts_with(wanted)).count()
}
