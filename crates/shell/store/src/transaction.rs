//! One transaction of the writer. A hop to SQLite's thread and back costs more than most statements, so what nobody
//! waits for travels with the next question.
//!
//! ```text
//! write, write, write ─┐
//! read ────────────────┴─▶ one hop ─▶ rows
//! ```
//!
//! The driver runs statements that are joined by semicolons one after the other, values bound in turn. No other driver
//! of sqlx does, so it may go one day: the tests below would tell, and each statement would take a hop of its own again.

use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Executor as _,
    sqlite::{SqliteArguments, SqliteRow},
};
use tokio_stream::StreamExt as _;

use crate::{db::Db, error::StoreError};

/// Statements that travel together at most. SQLite keeps them prepared by their joint text, and long runs of different
/// length would drive each other out.
const MAX_QUEUED: usize = 32;

/// A value that is bound to a `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Blob(Vec<u8>),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl From<&[u8; 32]> for Value {
    fn from(bytes: &[u8; 32]) -> Self {
        Self::Blob(bytes.to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A transaction on the writer's connection. If it is dropped before [`Transaction::commit`], the connection must be
/// closed: only that undoes what was written.
#[derive(Debug)]
pub(crate) struct Transaction<'c> {
    db: &'c mut Db,
    /// Statements that wait, each ended by a semicolon.
    sql: String,
    n_queued: usize,
    /// What is bound to their `?`, in order.
    values: SqliteArguments,
    /// What is being done, for whoever reads of a fault.
    attempt: &'static str,
}

impl<'c> Transaction<'c> {
    /// Begins a transaction that may write; a fault of that shows at the first question.
    pub(crate) fn begin(db: &'c mut Db) -> Self {
        let sql = "BEGIN IMMEDIATE;".to_owned();
        Self { db, sql, n_queued: 1, values: SqliteArguments::default(), attempt: "writing" }
    }

    /// Says what comes next, for whoever reads of a fault.
    pub(crate) fn attempt(&mut self, what: &'static str) {
        self.attempt = what;
    }

    fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError::storage(self.attempt)(source)
    }

    /// Queues a statement that gives no rows. Its parameters are plain `?`, one for each value.
    pub(crate) async fn write(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<(), StoreError> {
        self.queue(sql, values)?;
        if MAX_QUEUED <= self.n_queued {
            self.run().await?;
        }
        Ok(())
    }

    /// The rows of a statement, after everything that is queued.
    pub(crate) async fn read(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<SqliteRow>, StoreError> {
        self.queue(sql, values)?;
        Ok(self.run().await?.pop().unwrap_or_default())
    }

    /// As [`Transaction::read`], for several statements at once.
    pub(crate) async fn read_each<const N: usize>(
        &mut self,
        questions: [(&str, Vec<Value>); N],
    ) -> Result<[Vec<SqliteRow>; N], StoreError> {
        for (sql, values) in questions {
            self.queue(sql, values)?;
        }
        let mut answers = self.run().await?;
        let first = answers.len().saturating_sub(N);
        let missing = |_| StoreError::Damaged { what: "an answer of SQLite" };
        answers.split_off(first).try_into().map_err(missing)
    }

    /// The connection, after everything that is queued: for questions that are asked outside of transactions, too.
    pub(crate) async fn connection(&mut self) -> Result<&mut Db, StoreError> {
        self.run().await?;
        Ok(&mut *self.db)
    }

    /// Makes everything durable, and answers a last question.
    pub(crate) async fn commit(mut self, question: &str) -> Result<Vec<SqliteRow>, StoreError> {
        let [answer, _] = self.read_each([(question, Vec::new()), ("COMMIT", Vec::new())]).await?;
        Ok(answer)
    }

    fn queue(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<(), StoreError> {
        self.sql.push_str(sql);
        self.sql.push(';');
        self.n_queued += 1;
        let mut n_values = 0;
        for value in values {
            n_values += 1;
            let added = match value {
                Value::Null => self.values.add(None::<i64>),
                Value::Int(number) => self.values.add(number),
                Value::Blob(bytes) => self.values.add(bytes),
                Value::Text(text) => self.values.add(text),
            };
            added.map_err(|error| self.failed(sqlx::Error::Encode(error)))?;
        }
        // A value too many or too few would shift those of every statement after it, and nobody would be told.
        if n_values == sql.matches('?').count() {
            return Ok(());
        }
        Err(StoreError::Damaged { what: "a statement of this program: its values do not fit" })
    }

    /// Runs what is queued: the rows of each statement.
    async fn run(&mut self) -> Result<Vec<Vec<SqliteRow>>, StoreError> {
        let mut answers = vec![Vec::new()];
        if self.n_queued == 0 {
            return Ok(answers);
        }
        self.n_queued = 0;
        let (sql, values) = (std::mem::take(&mut self.sql), std::mem::take(&mut self.values));
        let mut steps = (&mut *self.db).fetch_many(sqlx::query_with(AssertSqlSafe(sql), values));
        let failed = StoreError::storage(self.attempt);
        while let Some(step) = steps.try_next().await.map_err(&failed)? {
            match (step, answers.last_mut()) {
                (Either::Right(row), Some(rows)) => rows.push(row),
                (Either::Right(_), None) => {}
                // A statement has ended.
                (Either::Left(_), _) => answers.push(Vec::new()),
            }
        }
        answers.pop();
        Ok(answers)
    }
}

/// The rows of one statement, outside of a transaction.
pub(crate) async fn read(
    db: &mut Db,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<SqliteRow>, StoreError> {
    let (sql_before, values_before) = (String::new(), SqliteArguments::default());
    let attempt = "reading the register";
    let mut alone =
        Transaction { db, sql: sql_before, n_queued: 0, values: values_before, attempt };
    alone.read(sql, values).await
}

#[cfg(test)]
mod tests {
    use sqlx::{Row as _, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::db::Waits;

    async fn table() -> Db {
        let memory = SqliteConnectOptions::new().in_memory(true);
        let mut db = Db::open(&memory, Waits::GivingWay).await.unwrap();
        sqlx::query("CREATE TABLE t (a INTEGER PRIMARY KEY, b BLOB, c TEXT)")
            .execute(&mut db)
            .await
            .unwrap();
        db
    }

    const INSERT: &str = "INSERT INTO t (a, b, c) VALUES (?, ?, ?)";

    #[tokio::test]
    async fn a_question_sees_what_was_queued_before_with_every_value_in_its_place() {
        let mut db = table().await;
        let mut tx = Transaction::begin(&mut db);
        tx.write(INSERT, [1.into(), vec![7_u8].into(), "x".into()]).await.unwrap();
        tx.write(INSERT, [2.into(), None::<Vec<u8>>.into(), None::<String>.into()]).await.unwrap();
        tx.write("UPDATE t SET c = ? WHERE a = ?", ["y".into(), 2.into()]).await.unwrap();
        let rows = tx.read("SELECT a, b, c FROM t WHERE a <= ? ORDER BY a", [2.into()]).await;
        let rows: Vec<(i64, Option<Vec<u8>>, Option<String>)> =
            rows.unwrap().iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        let (x, y) = (Some("x".to_owned()), Some("y".to_owned()));
        assert_eq!(rows, [(1, Some(vec![7]), x), (2, None, y)]);
    }

    #[tokio::test]
    async fn a_commit_keeps_what_is_queued_and_answers_from_it() {
        let mut db = table().await;
        let mut tx = Transaction::begin(&mut db);
        for number in 0..(3 * MAX_QUEUED as i64) {
            tx.write(INSERT, [number.into(), Value::Null, Value::Null]).await.unwrap();
        }
        let rows = tx.commit("SELECT COUNT(*) FROM t").await.unwrap();
        assert_eq!(rows[0].get::<i64, _>(0), 3 * MAX_QUEUED as i64);
        let mut next = Transaction::begin(&mut db);
        let rows = next.read("SELECT MAX(a) FROM t", []).await.unwrap();
        assert_eq!(rows[0].get::<i64, _>(0), 3 * MAX_QUEUED as i64 - 1);
    }

    #[tokio::test]
    async fn of_several_questions_each_has_its_own_answer() {
        let mut db = table().await;
        let mut tx = Transaction::begin(&mut db);
        for number in 1..=2 {
            tx.write(INSERT, [number.into(), Value::Null, Value::Null]).await.unwrap();
        }
        let answers = tx
            .read_each([
                ("SELECT a FROM t", Vec::new()),
                ("SELECT a FROM t WHERE a = ?", vec![9.into()]),
                ("SELECT COUNT(*) FROM t WHERE a <= ?", vec![2.into()]),
            ])
            .await
            .unwrap();
        let numbers = answers.map(|rows| rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>());
        assert_eq!(numbers, [vec![1, 2], vec![], vec![2]]);
    }

    #[tokio::test]
    async fn a_value_too_many_or_too_few_is_refused_before_it_shifts_another() {
        let mut db = table().await;
        let mut tx = Transaction::begin(&mut db);
        let two = tx.write("UPDATE t SET b = ? WHERE a = ?", [1.into(), 2.into()]).await;
        assert!(two.is_ok());
        let one = tx.write("UPDATE t SET b = ? WHERE a = ?", [1.into()]).await;
        assert!(one.unwrap_err().is_fault());
        let three = tx.write("UPDATE t SET b = ? WHERE a = ?", [1, 2, 3].map(Value::from)).await;
        assert!(three.unwrap_err().is_fault());
    }

    #[tokio::test]
    async fn a_queued_statement_that_fails_is_told_at_the_next_question() {
        let mut db = table().await;
        let mut tx = Transaction::begin(&mut db);
        for _ in 0..2 {
            tx.write(INSERT, [1.into(), Value::Null, Value::Null]).await.unwrap();
        }
        assert!(tx.commit("SELECT 1").await.unwrap_err().is_fault());
    }
}
