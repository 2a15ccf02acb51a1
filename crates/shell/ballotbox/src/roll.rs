//! Rolls: who may vote, frozen and salted, so that the root says nothing about who is on it.

use std::fmt;

use record::{ids::tagged_hash, payload::poll::RollCommitment};
use sqlx::SqliteConnection;
use tlog::{Hash, proof::ProofError};

use crate::{
    error::{Attempt as _, BoxError, Failure, bytes_32, unsigned},
    file::BallotBox,
    people::PersonId,
    tree,
};

/// Why no roll was frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreezeRefusal {
    /// There are no people.
    #[error("There is nobody to put on the roll. Add the people who may vote first.")]
    NobodyOnRoll,
}

/// Why there is no proof for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RollProofRefusal {
    /// No roll of this box has the root.
    #[error("This community froze no roll with that root. Check that the poll is one of its own.")]
    UnknownRoll,
    /// The person is not on that roll.
    #[error("This person is not on that roll.")]
    NotOnRoll,
}

/// What a person needs to show that they are on a roll. It is for that person alone: it holds their salt.
#[derive(Clone, PartialEq, Eq)]
pub struct RollProof {
    /// The salt of the entry.
    pub salt: [u8; 32],
    /// The place of the entry, from 0, in the order of the entries' hashes.
    pub index: u64,
    /// Hashes from the leaf's sibling up to the root.
    pub path: Vec<Hash>,
}

impl fmt::Debug for RollProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RollProof(hidden)")
    }
}

impl RollProof {
    /// Verifies that the person is on the roll with this commitment, and answers the leaf.
    ///
    /// # Errors
    ///
    /// [`ProofError`] if the proof is another person's, another roll's, or altered.
    pub fn verify(&self, person: PersonId, roll: &RollCommitment) -> Result<Hash, ProofError> {
        let leaf = tlog::leaf_hash(&entry_hash(&self.salt, person));
        let root = Hash::from_bytes(roll.roll_root);
        tlog::verify_inclusion(leaf, self.index, roll.n_on_roll, &self.path, &root)?;
        Ok(leaf)
    }
}

/// SHA-256("folkmoot/roll-entry/v1\0" ‖ salt ‖ person id as 8 bytes, big-endian).
fn entry_hash(salt: &[u8; 32], person: PersonId) -> [u8; 32] {
    tagged_hash("folkmoot/roll-entry/v1", &[salt, &person.hashed_bytes()])
}

/// One person on a frozen roll.
struct Entry {
    hash: [u8; 32],
    person: PersonId,
    salt: [u8; 32],
}

impl Entry {
    fn new(person: PersonId, salt: [u8; 32]) -> Self {
        Self { hash: entry_hash(&salt, person), person, salt }
    }
}

/// The leaves of a roll in the order of their hashes, which is a random one.
fn ordered_leaves(entries: &mut [Entry]) -> Vec<Hash> {
    entries.sort_unstable_by_key(|entry| entry.hash);
    entries.iter().map(|entry| tlog::leaf_hash(&entry.hash)).collect()
}

impl BallotBox {
    /// Freezes the roll: everybody who is in the list now. If nobody came or went since the last roll, that roll is
    /// answered again.
    ///
    /// # Errors
    ///
    /// [`FreezeRefusal::NobodyOnRoll`]; [`BoxError`] if the file or the randomness fails.
    pub async fn freeze_roll(&self) -> Result<RollCommitment, Failure<FreezeRefusal>> {
        let attempt = "freeze the roll";
        let mut tx = self.file.begin(attempt).await?;
        if let Some(current) = unchanged_roll(&mut tx).await? {
            return Ok(current);
        }
        let people: Vec<i64> = sqlx::query_scalar("SELECT id FROM person ORDER BY id")
            .fetch_all(&mut *tx)
            .await
            .attempt(attempt)?;
        if people.is_empty() {
            return Err(Failure::Refused(FreezeRefusal::NobodyOnRoll));
        }
        let draw = |id| Ok(Entry::new(PersonId::from_column(id)?, self.file.draw()?));
        let mut entries = people.into_iter().map(draw).collect::<Result<Vec<_>, BoxError>>()?;
        let roll_root = tree::root_of(&ordered_leaves(&mut entries));
        store_roll(&mut tx, roll_root, &entries).await?;
        tx.commit().await.attempt(attempt)?;
        let n_on_roll = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        Ok(RollCommitment { n_on_roll, roll_root })
    }

    /// The frozen roll with this root, if it is one of this box.
    ///
    /// # Errors
    ///
    /// [`BoxError`] if the file fails.
    pub async fn roll(&self, roll_root: &[u8; 32]) -> Result<Option<RollCommitment>, BoxError> {
        let mut tx = self.file.begin_read("read a roll").await?;
        Ok(find_roll(&mut tx, roll_root).await?.map(|(_, roll)| roll))
    }

    /// The proof that a person is on the roll with this root. For that person alone.
    ///
    /// # Errors
    ///
    /// [`RollProofRefusal`] if there is no such roll or the person is not on it; [`BoxError`] if the file fails.
    pub async fn prove_on_roll(
        &self,
        roll_root: &[u8; 32],
        person: PersonId,
    ) -> Result<RollProof, Failure<RollProofRefusal>> {
        let mut tx = self.file.begin_read("read a roll").await?;
        let (number, _) = find_roll(&mut tx, roll_root)
            .await?
            .ok_or(Failure::Refused(RollProofRefusal::UnknownRoll))?;
        let mut entries = load_entries(&mut tx, number).await?;
        let leaves = ordered_leaves(&mut entries);
        if tree::root_of(&leaves) != *roll_root {
            return Err(
                BoxError::Damaged { what: "a roll has not the root it was frozen with" }.into()
            );
        }
        let not_on_roll = Failure::Refused(RollProofRefusal::NotOnRoll);
        let found = entries.iter().enumerate().find(|(_, entry)| entry.person == person);
        let Some((index, entry)) = found else { return Err(not_on_roll) };
        let path = tree::inclusion_path(&leaves, index).ok_or(not_on_roll)?;
        Ok(RollProof { salt: entry.salt, index: u64::try_from(index).unwrap_or(u64::MAX), path })
    }
}

/// The last roll, if the people on it are those of the list.
async fn unchanged_roll(
    connection: &mut SqliteConnection,
) -> Result<Option<RollCommitment>, BoxError> {
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT n_on_roll, root FROM roll
         WHERE number = (SELECT MAX(number) FROM roll)
           AND n_on_roll = (SELECT COUNT(*) FROM person)
           AND NOT EXISTS (SELECT id FROM person
                           EXCEPT SELECT person FROM roll_entry WHERE roll_entry.roll = roll.number)",
    )
    .fetch_optional(connection)
    .await
    .attempt("compare the roll with the list")?;
    row.map(commitment).transpose()
}

async fn store_roll(
    connection: &mut SqliteConnection,
    root: [u8; 32],
    entries: &[Entry],
) -> Result<(), BoxError> {
    let attempt = "store the roll";
    let n_on_roll = i64::try_from(entries.len()).unwrap_or(i64::MAX);
    let number: i64 =
        sqlx::query_scalar("INSERT INTO roll (root, n_on_roll) VALUES ($1, $2) RETURNING number")
            .bind(root.to_vec())
            .bind(n_on_roll)
            .fetch_one(&mut *connection)
            .await
            .attempt(attempt)?;
    for entry in entries {
        sqlx::query("INSERT INTO roll_entry (roll, person, salt) VALUES ($1, $2, $3)")
            .bind(number)
            .bind(entry.person.column())
            .bind(entry.salt.to_vec())
            .execute(&mut *connection)
            .await
            .attempt(attempt)?;
    }
    Ok(())
}

/// The number in the file and the commitment of the roll with this root.
pub(crate) async fn find_roll(
    connection: &mut SqliteConnection,
    root: &[u8; 32],
) -> Result<Option<(i64, RollCommitment)>, BoxError> {
    let row: Option<(i64, i64, Vec<u8>)> =
        sqlx::query_as("SELECT number, n_on_roll, root FROM roll WHERE root = $1")
            .bind(root.to_vec())
            .fetch_optional(connection)
            .await
            .attempt("find a roll")?;
    row.map(|(number, n_on_roll, root)| Ok((number, commitment((n_on_roll, root))?))).transpose()
}

fn commitment((n_on_roll, root): (i64, Vec<u8>)) -> Result<RollCommitment, BoxError> {
    Ok(RollCommitment { n_on_roll: unsigned(n_on_roll)?, roll_root: bytes_32(&root)? })
}

async fn load_entries(
    connection: &mut SqliteConnection,
    roll: i64,
) -> Result<Vec<Entry>, BoxError> {
    let rows: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT person, salt FROM roll_entry WHERE roll = $1")
            .bind(roll)
            .fetch_all(connection)
            .await
            .attempt("read a roll")?;
    let entry = |(person, salt): (i64, Vec<u8>)| {
        Ok(Entry::new(PersonId::from_column(person)?, bytes_32(&salt)?))
    };
    rows.into_iter().map(entry).collect()
}
