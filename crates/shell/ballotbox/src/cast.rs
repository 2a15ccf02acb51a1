//! Casting: one ballot a person, checked against the poll, stored before it is acknowledged.

use std::{collections::BTreeMap, fmt};

use record::{RecordId, UnixMillis};
use sqlx::SqliteConnection;
use tlog::Hash;

use crate::{
    ballot::Ballot,
    choice::{Choice, InvalidChoice},
    error::{Attempt as _, BoxError, Failure, bytes_32},
    file::{BallotBox, BoxFile},
    people::PersonId,
    poll::{PollRow, find_poll},
};

const ATTEMPT: &str = "store a ballot";

/// A ballot handed in.
#[derive(Clone, PartialEq, Eq)]
pub struct Cast {
    /// The poll, by its opening record.
    pub poll: RecordId,
    /// Who votes.
    pub person: PersonId,
    /// What they vote.
    pub choice: Choice,
    /// Whether it takes the place of the person's earlier ballot, if there is one. Otherwise a second is refused.
    pub replace: bool,
}

impl fmt::Debug for Cast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cast(hidden)")
    }
}

/// What a person takes home: it proves that the ballot is in the box, never what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CastReceipt {
    /// The poll.
    pub poll: RecordId,
    /// The hash of the person's credential; says nothing about the person.
    pub credential_hash: [u8; 32],
    /// The ballot's leaf in the ballot tree. Without the salt, which stays in the box, the choice cannot be guessed.
    pub leaf: Hash,
}

/// Why a ballot was not taken. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CastRefusal {
    /// No poll of this id is in the box.
    #[error("This poll is not in the ballot box of this community. Your ballot was not added.")]
    UnknownPoll,
    /// Voting begins later.
    #[error(
        "Voting in this poll has not begun. Your ballot was not added; hand it in once the poll is open."
    )]
    NotOpenYet {
        /// When voting begins.
        opens_at: UnixMillis,
    },
    /// Voting has ended.
    #[error(
        "Voting in this poll has closed. Your ballot was not added; one that you handed in before counts."
    )]
    Closed {
        /// When it ended.
        closed_at: UnixMillis,
    },
    /// The person was not on the roll when the poll opened.
    #[error(
        "You are not on the roll of this poll, which was frozen when it opened. Your ballot was not added; if this is a mistake, ask the community's officers."
    )]
    NotOnRoll,
    /// The person has voted, and did not say that this ballot replaces the first.
    #[error(
        "You have already voted in this poll. That ballot stands; until the poll closes you can choose to replace it."
    )]
    AlreadyVoted,
    /// The poll does not take such a ballot.
    #[error("Your ballot was not added, because {0}. Mark it again and hand it in.")]
    InvalidChoice(InvalidChoice),
}

impl BallotBox {
    /// Takes a ballot. The receipt is answered once the ballot is on the disk; ballots that arrive together share one
    /// transaction. If the caller stops waiting, the ballot may still be stored.
    ///
    /// # Errors
    ///
    /// Every [`CastRefusal`]; [`BoxError`] if the file or the randomness fails.
    pub async fn cast(
        &self,
        cast: Cast,
        now: UnixMillis,
    ) -> Result<CastReceipt, Failure<CastRefusal>> {
        let answers = self.casts.put(vec![cast], now).await?;
        let answer = answers.into_iter().next().ok_or(BoxError::ShutDown)?;
        answer.map_err(Failure::Refused)
    }

    /// Takes many ballots in one transaction, and answers each in the order given. A refused one does not hinder the
    /// others.
    ///
    /// # Errors
    ///
    /// [`BoxError::TooManyCasts`] above [`crate::MAX_CASTS_PER_CALL`]; any other [`BoxError`] if the file or the
    /// randomness fails. None of the ballots is stored then.
    pub async fn cast_many(
        &self,
        casts: Vec<Cast>,
        now: UnixMillis,
    ) -> Result<Vec<Result<CastReceipt, CastRefusal>>, BoxError> {
        self.casts.put(casts, now).await
    }
}

/// One write transaction that takes ballots.
pub(crate) struct CastTransaction<'t> {
    file: &'t BoxFile,
    connection: &'t mut SqliteConnection,
    /// Polls read in this transaction; `None` for those that are not in the box.
    polls: BTreeMap<RecordId, Option<PollRow>>,
}

impl<'t> CastTransaction<'t> {
    pub(crate) fn new(file: &'t BoxFile, connection: &'t mut SqliteConnection) -> Self {
        Self { file, connection, polls: BTreeMap::new() }
    }

    /// Stores one ballot, or says why not.
    pub(crate) async fn take(
        &mut self,
        cast: &Cast,
        now: UnixMillis,
    ) -> Result<Result<CastReceipt, CastRefusal>, BoxError> {
        let poll = match check_poll(self.poll(&cast.poll).await?, cast, now) {
            Ok(poll) => poll,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let credential = match self.elector(poll.number, cast.person).await? {
            None => return Ok(Err(CastRefusal::NotOnRoll)),
            Some((_, true)) if !cast.replace => return Ok(Err(CastRefusal::AlreadyVoted)),
            Some((credential, has_voted)) => {
                if has_voted {
                    self.file.will_erase();
                }
                credential
            }
        };
        let choices = cast.choice.to_bytes(poll.terms.n_options);
        let ballot = Ballot { credential, salt: self.file.draw()?, choices };
        self.store(poll.number, cast.person, &ballot).await?;
        Ok(Ok(CastReceipt { poll: cast.poll, credential_hash: credential, leaf: ballot.leaf() }))
    }

    async fn poll(&mut self, poll: &RecordId) -> Result<Option<PollRow>, BoxError> {
        if let Some(known) = self.polls.get(poll) {
            return Ok(known.clone());
        }
        let row = find_poll(self.connection, poll).await?;
        self.polls.insert(*poll, row.clone());
        Ok(row)
    }

    /// The credential hash of a person on the roll of the poll, and whether they have voted.
    async fn elector(
        &mut self,
        poll: i64,
        person: PersonId,
    ) -> Result<Option<([u8; 32], bool)>, BoxError> {
        let row: Option<(Vec<u8>, bool)> = sqlx::query_as(
            "SELECT credential, has_voted FROM elector WHERE poll = $1 AND person = $2",
        )
        .bind(poll)
        .bind(person.column())
        .fetch_optional(&mut *self.connection)
        .await
        .attempt(ATTEMPT)?;
        row.map(|(credential, has_voted)| Ok((bytes_32(&credential)?, has_voted))).transpose()
    }

    /// Puts the ballot into its place, over an earlier one if there is any.
    async fn store(
        &mut self,
        poll: i64,
        person: PersonId,
        ballot: &Ballot,
    ) -> Result<(), BoxError> {
        sqlx::query("UPDATE elector SET has_voted = 1 WHERE poll = $1 AND person = $2")
            .bind(poll)
            .bind(person.column())
            .execute(&mut *self.connection)
            .await
            .attempt(ATTEMPT)?;
        let stored = sqlx::query(
            "UPDATE ballot SET in_box = 1, salt = $3, choices = $4 WHERE poll = $1 AND credential = $2",
        )
        .bind(poll)
        .bind(ballot.credential.to_vec())
        .bind(ballot.salt.to_vec())
        .bind(ballot.choices.clone())
        .execute(&mut *self.connection)
        .await
        .attempt(ATTEMPT)?;
        if stored.rows_affected() != 1 {
            return Err(BoxError::Damaged { what: "a credential has no place for its ballot" });
        }
        Ok(())
    }
}

/// The poll, if it takes this ballot now. A box that was closed stays closed even if the clock goes back.
fn check_poll(poll: Option<PollRow>, cast: &Cast, now: UnixMillis) -> Result<PollRow, CastRefusal> {
    let poll = poll.ok_or(CastRefusal::UnknownPoll)?;
    let terms = &poll.terms;
    if poll.root.is_some() || terms.closes_at <= now {
        return Err(CastRefusal::Closed { closed_at: terms.closes_at });
    }
    if now < terms.opens_at {
        return Err(CastRefusal::NotOpenYet { opens_at: terms.opens_at });
    }
    cast.choice.check(terms.method, terms.n_options).map_err(CastRefusal::InvalidChoice)?;
    Ok(poll)
}
