//! The people of the community: the only names in the program.

use std::{fmt, str::FromStr};

use crate::{
    error::{Attempt as _, BoxError, Failure, unsigned},
    file::BallotBox,
};

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = record::limits::MAX_PERSON_NAME_CHARS;
/// The longest reference, in characters.
pub const MAX_REFERENCE_CHARS: usize = 100;
/// The most people on one page of the list.
pub const MAX_PEOPLE_PER_PAGE: u32 = 500;

/// A person's number in this community, from 1; never given to another. Written `m-000123`.
///
/// `Debug` hides it: with the time of a log line it would tell who voted when.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(u32);

/// The text is not a person's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a member number: it is written like m-000123")]
pub struct PersonIdError;

impl PersonId {
    /// The id as it is stored.
    pub(crate) fn column(self) -> i64 {
        i64::from(self.0)
    }

    pub(crate) fn from_column(column: i64) -> Result<Self, BoxError> {
        u32::try_from(column)
            .ok()
            .map(Self)
            .ok_or(BoxError::Damaged { what: "a member number is out of range" })
    }

    /// The id as it is hashed: 8 bytes, big-endian.
    pub(crate) fn hashed_bytes(self) -> [u8; 8] {
        u64::from(self.0).to_be_bytes()
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m-{:06}", self.0)
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonId(hidden)")
    }
}

impl FromStr for PersonId {
    type Err = PersonIdError;

    /// Reads what `Display` writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, PersonIdError> {
        let number = text.strip_prefix("m-").and_then(|digits| digits.parse().ok()).map(Self);
        number.filter(|id| id.0 != 0 && id.to_string() == text).ok_or(PersonIdError)
    }
}

/// Somebody to be added.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// The name, as the community writes it: 1 to [`MAX_NAME_CHARS`] characters.
    pub name: String,
    /// The community's own number for the person, if it has one; no two people have the same.
    pub reference: Option<String>,
}

/// Somebody in the list, for the eyes of the person at the node.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The number in this program.
    pub id: PersonId,
    /// The name.
    pub name: String,
    /// The community's own number for the person.
    pub reference: Option<String>,
}

impl fmt::Debug for NewPerson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPerson(hidden)")
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(hidden)")
    }
}

/// Which part of the list to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeoplePage {
    /// The last person of the page before; `None` for the first page.
    pub after: Option<PersonId>,
    /// How many people; above [`MAX_PEOPLE_PER_PAGE`] that many.
    pub limit: u32,
}

/// Why nobody was added. `index` is the place in the list handed in, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeopleRefusal {
    /// A name has no character that can be seen.
    #[error("entry {} has no name. Nobody was added; give it a name and try again.", index + 1)]
    NameMissing {
        /// Which entry.
        index: usize,
    },
    /// A name or a reference holds a control character, which could steer the terminal that shows it.
    #[error(
        "entry {} holds a control character. Nobody was added; write the name on one line, in letters that can be shown.",
        index + 1
    )]
    ControlCharacter {
        /// Which entry.
        index: usize,
    },
    /// A name or a reference is too long.
    #[error(
        "the name or reference of entry {} is too long: {MAX_NAME_CHARS} and {MAX_REFERENCE_CHARS} characters are the most. Nobody was added.",
        index + 1
    )]
    TooLong {
        /// Which entry.
        index: usize,
    },
    /// Somebody else, in the box or earlier in the list, has the same reference.
    #[error(
        "the reference of entry {} is already another person's. Nobody was added; check whether this person is in the list twice.",
        index + 1
    )]
    ReferenceTaken {
        /// Which entry.
        index: usize,
    },
    /// The box would hold more people than a poll may have.
    #[error("the list would have more than {max} people. Nobody was added.")]
    TooManyPeople {
        /// The most people.
        max: u64,
    },
}

impl BallotBox {
    /// Adds people, all or none, and answers their ids in the order given. Names and references lose surrounding
    /// space. Frozen rolls do not change.
    ///
    /// # Errors
    ///
    /// Every [`PeopleRefusal`]; [`BoxError`] if the file fails.
    pub async fn add_people(
        &self,
        people: &[NewPerson],
    ) -> Result<Vec<PersonId>, Failure<PeopleRefusal>> {
        check_texts(people).map_err(Failure::Refused)?;
        let attempt = "add people";
        let mut tx = self.file.begin(attempt).await?;
        let n_before: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM person")
            .fetch_one(&mut *tx)
            .await
            .attempt(attempt)?;
        let n_after =
            u64::try_from(people.len()).unwrap_or(u64::MAX).saturating_add(unsigned(n_before)?);
        if self.max_people < n_after {
            return Err(Failure::Refused(PeopleRefusal::TooManyPeople { max: self.max_people }));
        }
        let mut ids = Vec::with_capacity(people.len());
        for (index, person) in people.iter().enumerate() {
            let id: Option<i64> = sqlx::query_scalar(
                "INSERT INTO person (name, reference) VALUES ($1, $2)
                 ON CONFLICT (reference) DO NOTHING RETURNING id",
            )
            .bind(person.name.trim())
            .bind(reference_of(person))
            .fetch_optional(&mut *tx)
            .await
            .attempt(attempt)?;
            let id = id.ok_or(Failure::Refused(PeopleRefusal::ReferenceTaken { index }))?;
            ids.push(PersonId::from_column(id)?);
        }
        tx.commit().await.attempt(attempt)?;
        Ok(ids)
    }

    /// The people, in the order of their ids. Only for the person at the node: the names go nowhere else.
    ///
    /// # Errors
    ///
    /// [`BoxError`] if the file fails.
    pub async fn list_people(&self, page: PeoplePage) -> Result<Vec<Person>, BoxError> {
        let mut tx = self.file.begin_read("list people").await?;
        let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
            "SELECT id, name, reference FROM person
             WHERE $1 < id ORDER BY id LIMIT $2",
        )
        .bind(page.after.map_or(0, PersonId::column))
        .bind(page.limit.min(MAX_PEOPLE_PER_PAGE))
        .fetch_all(&mut *tx)
        .await
        .attempt("list people")?;
        let person =
            |(id, name, reference)| Ok(Person { id: PersonId::from_column(id)?, name, reference });
        rows.into_iter().map(person).collect()
    }

    /// Erases the name and reference of a person; `false` if there is nobody with this id.
    ///
    /// Rolls frozen before keep the number, and a ballot cast stays in its box: the roll of a poll is as it stood when
    /// the poll opened. The next roll is without the person.
    ///
    /// # Errors
    ///
    /// [`BoxError`] if the file fails.
    pub async fn remove_person(&self, person: PersonId) -> Result<bool, BoxError> {
        let attempt = "remove a person";
        let mut tx = self.file.begin(attempt).await?;
        let removed = sqlx::query("DELETE FROM person WHERE id = $1")
            .bind(person.column())
            .execute(&mut *tx)
            .await
            .attempt(attempt)?;
        self.file.will_erase();
        tx.commit().await.attempt(attempt)?;
        self.file.forget_erased_bytes().await?;
        Ok(removed.rows_affected() == 1)
    }
}

fn check_texts(people: &[NewPerson]) -> Result<(), PeopleRefusal> {
    for (index, person) in people.iter().enumerate() {
        let name = person.name.trim();
        let reference_chars = reference_of(person).map_or(0, |text| text.chars().count());
        if name.is_empty() {
            return Err(PeopleRefusal::NameMissing { index });
        }
        let reference = reference_of(person).unwrap_or_default();
        if name.chars().chain(reference.chars()).any(char::is_control) {
            return Err(PeopleRefusal::ControlCharacter { index });
        }
        if MAX_NAME_CHARS < name.chars().count() || MAX_REFERENCE_CHARS < reference_chars {
            return Err(PeopleRefusal::TooLong { index });
        }
    }
    Ok(())
}

/// The reference without surrounding space; an empty one is none.
fn reference_of(person: &NewPerson) -> Option<&str> {
    person.reference.as_deref().map(str::trim).filter(|text| !text.is_empty())
}
