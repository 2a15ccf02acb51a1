//! Polls in the box: bound to a frozen roll, open between two instants, closed once.
//!
//! ```text
//! open_poll ──▶ waiting ──opens_at──▶ taking ballots ──closes_at──▶ shut ──close_poll──▶ root and number fixed ──▶ count
//! ```
//!
//! The first two arrows are instants, not stored states: every command is given the time.

use std::collections::BTreeSet;

use record::{
    RecordId, UnixMillis,
    limits::MAX_POLL_OPTIONS,
    payload::poll::{Method, Mode},
};
use sqlx::{FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use crate::{
    ballot::{credential_hash, load_ballots, root_of},
    choice::n_choice_bytes,
    error::{Attempt as _, BoxError, Failure, bytes_32, unsigned},
    file::BallotBox,
    roll::find_roll,
};

/// What the box must know of a poll: its opening record, as far as this community's ballots go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollTerms {
    /// How votes are counted; it says what a ballot looks like.
    pub method: Method,
    /// In a secret poll the link from a person to a ballot is erased at the close; in a roll-call it is kept.
    pub mode: Mode,
    /// 2 to 200; exactly 2 for yes/no.
    pub n_options: u32,
    /// The first instant at which a ballot is taken.
    pub opens_at: UnixMillis,
    /// The first instant at which none is.
    pub closes_at: UnixMillis,
    /// The root of the roll, frozen by this box.
    pub roll_root: [u8; 32],
}

/// What opening a poll did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// The poll is in the box from now on.
    Opened,
    /// It was, with the same terms; nothing changed.
    AlreadyOpened,
}

/// Why a poll was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenRefusal {
    /// The roll is not one that this box froze.
    #[error(
        "The roll in this poll's opening is not one that this community froze. The poll was not opened here; ask its opener to use the roll that you published."
    )]
    RollNotOurs,
    /// The number of options, or the times, make no poll.
    #[error(
        "A poll has 2 to 200 options, exactly 2 for yes or no, and it opens before it closes. The poll was not opened here."
    )]
    TermsInvalid,
    /// The poll is in the box with other terms.
    #[error(
        "This poll is already open here with other terms. Those stand; a change needs a new poll."
    )]
    TermsDiffer,
}

/// What is published of a closed box before any count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxRoot {
    /// Root of the RFC 6962 tree over the ballot leaves, in the order of credential hashes.
    pub ballot_root: [u8; 32],
    /// Ballots in the box, blank ones included.
    pub n_ballots: u64,
}

/// Why a box was not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseRefusal {
    /// No poll of this id is in the box.
    #[error("This poll is not in the ballot box of this community. Nothing was closed.")]
    UnknownPoll,
    /// Ballots may still come.
    #[error(
        "Voting in this poll has not ended, so the box stays open. Close it after the poll closes."
    )]
    StillOpen {
        /// When voting ends.
        closes_at: UnixMillis,
    },
}

/// No poll of this id is in the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("This poll is not in the ballot box of this community.")]
pub struct UnknownPoll;

impl BallotBox {
    /// Puts a poll into the box. Ballots are taken from `opens_at` on.
    ///
    /// # Errors
    ///
    /// Every [`OpenRefusal`]; [`BoxError`] if the file fails.
    pub async fn open_poll(
        &self,
        poll: RecordId,
        terms: PollTerms,
    ) -> Result<Opened, Failure<OpenRefusal>> {
        let attempt = "open a poll";
        let Some([opens_at, closes_at]) = check_terms(&terms) else {
            return Err(Failure::Refused(OpenRefusal::TermsInvalid));
        };
        let mut tx = self.file.begin(attempt).await?;
        if let Some(known) = find_poll(&mut tx, &poll).await? {
            let same = known.terms == terms;
            return if same {
                Ok(Opened::AlreadyOpened)
            } else {
                Err(Failure::Refused(OpenRefusal::TermsDiffer))
            };
        }
        let (roll, _) = find_roll(&mut tx, &terms.roll_root)
            .await?
            .ok_or(Failure::Refused(OpenRefusal::RollNotOurs))?;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO poll (record, roll, method, mode, n_options, opens_at, closes_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING number",
        )
        .bind(poll.as_bytes().to_vec())
        .bind(roll)
        .bind(method_column(terms.method))
        .bind(mode_column(terms.mode))
        .bind(terms.n_options)
        .bind(opens_at)
        .bind(closes_at)
        .fetch_one(&mut *tx)
        .await
        .attempt(attempt)?;
        let credentials = self.add_electors(&mut tx, &poll, [number, roll]).await?;
        add_places(&mut tx, number, credentials, terms.n_options).await?;
        tx.commit().await.attempt(attempt)?;
        Ok(Opened::Opened)
    }

    /// How many people have voted so far. It says nothing about how.
    ///
    /// # Errors
    ///
    /// [`UnknownPoll`]; [`BoxError`] if the file fails.
    pub async fn n_cast(&self, poll: &RecordId) -> Result<u64, Failure<UnknownPoll>> {
        let attempt = "count who has voted";
        let mut tx = self.file.begin_read(attempt).await?;
        let row = find_poll(&mut tx, poll).await?.ok_or(Failure::Refused(UnknownPoll))?;
        Ok(n_voted(&mut tx, row.number).await?)
    }

    /// Closes the box: fixes its root and number, and in a secret poll erases which ballot is whose. After it no ballot
    /// is taken, whatever the time. Closing again answers the same.
    ///
    /// # Errors
    ///
    /// Every [`CloseRefusal`]; [`BoxError`] if the file fails or holds ballots that nobody cast.
    pub async fn close_poll(
        &self,
        poll: &RecordId,
        now: UnixMillis,
    ) -> Result<BoxRoot, Failure<CloseRefusal>> {
        let attempt = "close a poll";
        let mut tx = self.file.begin(attempt).await?;
        let row =
            find_poll(&mut tx, poll).await?.ok_or(Failure::Refused(CloseRefusal::UnknownPoll))?;
        if let Some(root) = row.root {
            return Ok(root);
        }
        let closes_at = row.terms.closes_at;
        if now < closes_at {
            return Err(Failure::Refused(CloseRefusal::StillOpen { closes_at }));
        }
        let root = fix_root(&mut tx, &row).await?;
        if row.terms.mode == Mode::Secret {
            sqlx::query("UPDATE elector SET credential = zeroblob(32) WHERE poll = $1")
                .bind(row.number)
                .execute(&mut *tx)
                .await
                .attempt(attempt)?;
            self.file.will_erase();
        }
        tx.commit().await.attempt(attempt)?;
        tracing::info!(%poll, n_ballots = root.n_ballots, "ballot box closed");
        self.file.forget_erased_bytes().await?;
        Ok(root)
    }

    /// The root and number of a closed box; `None` before [`BallotBox::close_poll`].
    ///
    /// # Errors
    ///
    /// [`UnknownPoll`]; [`BoxError`] if the file fails.
    pub async fn ballot_root(
        &self,
        poll: &RecordId,
    ) -> Result<Option<BoxRoot>, Failure<UnknownPoll>> {
        let mut tx = self.file.begin_read("read a poll").await?;
        let row = find_poll(&mut tx, poll).await?.ok_or(Failure::Refused(UnknownPoll))?;
        Ok(row.root)
    }

    /// Gives everybody on the roll of a new poll a credential of their own, and answers the credential hashes.
    async fn add_electors(
        &self,
        connection: &mut SqliteConnection,
        poll: &RecordId,
        [number, roll]: [i64; 2],
    ) -> Result<BTreeSet<[u8; 32]>, BoxError> {
        let attempt = "put a roll into a poll";
        let people: Vec<i64> =
            sqlx::query_scalar("SELECT person FROM roll_entry WHERE roll = $1 ORDER BY person")
                .bind(roll)
                .fetch_all(&mut *connection)
                .await
                .attempt(attempt)?;
        let mut credentials = BTreeSet::new();
        for person in people {
            let credential = credential_hash(poll, &self.file.draw()?);
            sqlx::query("INSERT INTO elector (poll, person, credential) VALUES ($1, $2, $3)")
                .bind(number)
                .bind(person)
                .bind(credential.to_vec())
                .execute(&mut *connection)
                .await
                .attempt(attempt)?;
            credentials.insert(credential);
        }
        Ok(credentials)
    }
}

/// Makes an empty place for the ballot of each credential, so that the order of casting leaves no trace
/// in the file.
async fn add_places(
    connection: &mut SqliteConnection,
    poll: i64,
    credentials: BTreeSet<[u8; 32]>,
    n_options: u32,
) -> Result<(), BoxError> {
    let unmarked = vec![0; n_choice_bytes(n_options)];
    for credential in credentials {
        sqlx::query(
            "INSERT INTO ballot (poll, credential, salt, choices) VALUES ($1, $2, zeroblob(32), $3)",
        )
        .bind(poll)
        .bind(credential.to_vec())
        .bind(unmarked.clone())
        .execute(&mut *connection)
        .await
        .attempt("make room for ballots")?;
    }
    Ok(())
}

/// Stores the root of the ballots as they are.
async fn fix_root(connection: &mut SqliteConnection, poll: &PollRow) -> Result<BoxRoot, BoxError> {
    let ballots = load_ballots(connection, poll.number).await?;
    let n_ballots = u64::try_from(ballots.len()).unwrap_or(u64::MAX);
    if n_voted(connection, poll.number).await? != n_ballots {
        return Err(BoxError::Damaged {
            what: "there are not as many ballots as people who have voted",
        });
    }
    let root = BoxRoot { ballot_root: root_of(&ballots), n_ballots };
    sqlx::query("UPDATE poll SET ballot_root = $2, n_ballots = $3 WHERE number = $1")
        .bind(poll.number)
        .bind(root.ballot_root.to_vec())
        .bind(i64::try_from(n_ballots).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .attempt("close a poll")?;
    Ok(root)
}

/// A poll as it stands in the file.
#[derive(Debug, Clone)]
pub(crate) struct PollRow {
    pub(crate) number: i64,
    pub(crate) terms: PollTerms,
    pub(crate) root: Option<BoxRoot>,
}

struct PollColumns {
    number: i64,
    method: String,
    mode: String,
    n_options: u32,
    opens_at: i64,
    closes_at: i64,
    roll_root: Vec<u8>,
    ballot_root: Option<Vec<u8>>,
    n_ballots: Option<i64>,
}

impl<'r> FromRow<'r, SqliteRow> for PollColumns {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            number: row.try_get("number")?,
            method: row.try_get("method")?,
            mode: row.try_get("mode")?,
            n_options: row.try_get("n_options")?,
            opens_at: row.try_get("opens_at")?,
            closes_at: row.try_get("closes_at")?,
            roll_root: row.try_get("roll_root")?,
            ballot_root: row.try_get("ballot_root")?,
            n_ballots: row.try_get("n_ballots")?,
        })
    }
}

/// The poll that this record opened, if it is in the box.
pub(crate) async fn find_poll(
    connection: &mut SqliteConnection,
    poll: &RecordId,
) -> Result<Option<PollRow>, BoxError> {
    let columns: Option<PollColumns> = sqlx::query_as(
        "SELECT poll.number, method, mode, n_options, opens_at, closes_at,
                roll.root AS roll_root, ballot_root, n_ballots
         FROM poll JOIN roll ON roll.number = poll.roll WHERE poll.record = $1",
    )
    .bind(poll.as_bytes().to_vec())
    .fetch_optional(connection)
    .await
    .attempt("read a poll")?;
    columns.map(read_columns).transpose()
}

fn read_columns(columns: PollColumns) -> Result<PollRow, BoxError> {
    let terms = PollTerms {
        method: read_method(&columns.method)?,
        mode: read_mode(&columns.mode)?,
        n_options: columns.n_options,
        opens_at: UnixMillis(unsigned(columns.opens_at)?),
        closes_at: UnixMillis(unsigned(columns.closes_at)?),
        roll_root: bytes_32(&columns.roll_root)?,
    };
    let root = match (columns.ballot_root, columns.n_ballots) {
        (Some(root), Some(n)) => {
            Some(BoxRoot { ballot_root: bytes_32(&root)?, n_ballots: unsigned(n)? })
        }
        _ => None,
    };
    Ok(PollRow { number: columns.number, terms, root })
}

/// How many people have voted in poll number `poll`.
pub(crate) async fn n_voted(connection: &mut SqliteConnection, poll: i64) -> Result<u64, BoxError> {
    let n: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM elector WHERE poll = $1 AND has_voted = 1")
            .bind(poll)
            .fetch_one(connection)
            .await
            .attempt("count who has voted")?;
    unsigned(n)
}

/// The two instants as columns, if the terms make a poll.
fn check_terms(terms: &PollTerms) -> Option<[i64; 2]> {
    let n_options = usize::try_from(terms.n_options).ok()?;
    let options_allowed = match terms.method {
        Method::YesNo => n_options == 2,
        Method::Plurality | Method::Approval => (2..=MAX_POLL_OPTIONS).contains(&n_options),
    };
    let column = |at: UnixMillis| i64::try_from(at.0).ok();
    let times = [column(terms.opens_at)?, column(terms.closes_at)?];
    (options_allowed && terms.opens_at < terms.closes_at).then_some(times)
}

const fn method_column(method: Method) -> &'static str {
    match method {
        Method::YesNo => "yes_no",
        Method::Plurality => "plurality",
        Method::Approval => "approval",
    }
}

fn read_method(column: &str) -> Result<Method, BoxError> {
    [Method::YesNo, Method::Plurality, Method::Approval]
        .into_iter()
        .find(|method| method_column(*method) == column)
        .ok_or(BoxError::Damaged { what: "a poll has an unknown method" })
}

const fn mode_column(mode: Mode) -> &'static str {
    match mode {
        Mode::Secret => "secret",
        Mode::RollCall => "roll_call",
    }
}

fn read_mode(column: &str) -> Result<Mode, BoxError> {
    [Mode::Secret, Mode::RollCall]
        .into_iter()
        .find(|mode| mode_column(*mode) == column)
        .ok_or(BoxError::Damaged { what: "a poll has an unknown mode" })
}
