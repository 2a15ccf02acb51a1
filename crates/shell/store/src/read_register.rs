//! What readers ask of the register.

use record::{CommunityId, LogName, RecordId, UnixMillis, payload::poll::RollCommitment};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store,
    error::StoreError,
    logs::{self, place_of},
    read::{WordsRow, read_record},
    register, rows, transaction,
};

/// A case of the register.
#[derive(Debug, Clone)]
pub struct CaseRow {
    /// Its number here, in the order in which it became known.
    pub case_no: i64,
    /// Its id.
    pub id: RecordId,
    /// covenant, opportunity, pool or poll.
    pub kind: String,
    /// Its state in words.
    pub state: String,
    /// The JSON of /register/….
    pub view: String,
}

/// How many changes of cases this process has seen: as long as it is equal, no case of the register or of a neighbouring
/// region is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterMark(u64);

impl Store {
    /// What is compared to see whether any case changed. Taken before the cases are read, it may be older than they are,
    /// never newer.
    #[must_use]
    pub fn register_mark(&self) -> RegisterMark {
        RegisterMark(*self.n_register_changes.borrow())
    }

    /// Cases of one kind after a case number, in the order in which they became known here.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn cases(
        &self,
        kind: &str,
        after: i64,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        sqlx::query(
            "SELECT case_no, id, kind, state, view FROM cases
             WHERE kind = $1 AND $2 < case_no ORDER BY case_no LIMIT $3",
        )
        .bind(kind.to_owned())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the register"))?
        .iter()
        .map(read_case)
        .collect()
    }

    /// One case, if its opening record is here.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn case(&self, id: RecordId) -> Result<Option<CaseRow>, StoreError> {
        sqlx::query(
            "SELECT case_no, id, kind, state, view FROM cases WHERE id = $1 AND kind IS NOT NULL",
        )
        .bind(id.as_bytes().to_vec())
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the register"))?
        .map(|row| read_case(&row))
        .transpose()
    }

    /// The case of this name: an opportunity by its ocid. Of several, one that was not refused, and the lowest id: the
    /// same at every replica.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn case_named(&self, name: &str) -> Result<Option<CaseRow>, StoreError> {
        sqlx::query(
            "SELECT case_no, id, kind, state, view FROM cases
             WHERE name = $1 AND kind IS NOT NULL ORDER BY state = 'refused', id LIMIT 1",
        )
        .bind(name.to_owned())
        .fetch_optional(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the register"))?
        .map(|row| read_case(&row))
        .transpose()
    }

    /// How many cases there are of each kind, by kind and state.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn case_counts(&self) -> Result<Vec<(String, String, u64)>, StoreError> {
        let rows: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT kind, state, COUNT(*) FROM cases WHERE kind IS NOT NULL GROUP BY kind, state ORDER BY kind, state",
        )
        .fetch_all(&mut *self.reader().await?)
        .await
        .map_err(StoreError::storage("reading the register"))?;
        Ok(rows.into_iter().map(|(kind, state, n)| (kind, state, n.unsigned_abs())).collect())
    }

    /// The records of a case, in the order of this file, with their logs.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn case_records(&self, case_no: i64) -> Result<Vec<WordsRow>, StoreError> {
        let mut db = self.reader().await?;
        let stored = sqlx::query(
            "SELECT r.place, r.header, r.salt, r.payload, NULL FROM case_records AS c
             JOIN records AS r ON r.place = c.place WHERE c.case_no = $1 ORDER BY c.place",
        )
        .bind(case_no)
        .fetch_all(&mut *db)
        .await
        .map_err(StoreError::storage("reading a case"))?;
        let mut records = Vec::with_capacity(stored.len());
        for row in &stored {
            let place: i64 = rows::column(row, 0)?;
            let (log, _) = logs::log_of_place(&mut db, place).await?;
            records.push(WordsRow { log, record: read_record(row)? });
        }
        Ok(records)
    }

    /// The newest roll that a community published.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn roll(&self, community: CommunityId) -> Result<Option<RollCommitment>, StoreError> {
        let row: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT n_on_roll, roll_root FROM rolls WHERE community = $1")
                .bind(community.as_bytes().to_vec())
                .fetch_optional(&mut *self.reader().await?)
                .await
                .map_err(StoreError::storage("reading a roll"))?;
        row.map(|(n_on_roll, root)| {
            let roll_root = root.try_into().ok().ok_or(StoreError::Damaged { what: "a roll" })?;
            Ok(RollCommitment { n_on_roll: n_on_roll.unsigned_abs(), roll_root })
        })
        .transpose()
    }

    /// Why the register does not count a record, if it does not.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn refusal(
        &self,
        log: LogName,
        index: u64,
    ) -> Result<Option<(String, String)>, StoreError> {
        let row = self.known_log(log).await?;
        sqlx::query_as("SELECT reason, detail FROM refusals WHERE place = $1")
            .bind(place_of(row.log_no, index)?)
            .fetch_optional(&mut *self.reader().await?)
            .await
            .map_err(StoreError::storage("reading a refusal"))
    }

    /// When the clock next changes the register, or a witness is to state what it cosigned.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn next_deadline(&self) -> Result<Option<UnixMillis>, StoreError> {
        let mut db = self.reader().await?;
        let stored = transaction::read(&mut db, register::NEXT_DEADLINE, []).await?;
        let statement_due = *self.statement_due.borrow();
        Ok(register::read_deadline(&stored)?.into_iter().chain(statement_due).min())
    }
}

fn read_case(row: &SqliteRow) -> Result<CaseRow, StoreError> {
    let id: Vec<u8> = rows::column(row, 1)?;
    Ok(CaseRow {
        case_no: rows::column(row, 0)?,
        id: RecordId::from_slice(&id).ok_or(StoreError::Damaged { what: "a case's id" })?,
        kind: rows::column(row, 2)?,
        state: rows::column(row, 3)?,
        view: rows::column(row, 4)?,
    })
}
