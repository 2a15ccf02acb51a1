//! The yardstick: a bare loop that writes the same rows at the same durability, and does nothing else.

use std::path::Path;

use anyhow::Result;
use proto::v1::RawRecord;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::{
    author::Author,
    meter::{Meter, Spent},
};

/// How the rows are written.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Rows in one transaction.
    pub group: usize,
    /// Rows in one INSERT.
    pub rows_per_insert: usize,
}

/// The first `n_records` of these logs, a batch of 256 of each in turn, as they arrive at a coordinator.
fn interleaved(authors: &[Author], n_records: usize) -> Vec<(i64, &RawRecord)> {
    let mut rows = Vec::with_capacity(n_records);
    for start in (0..).step_by(256) {
        let before = rows.len();
        for (log_no, author) in authors.iter().enumerate() {
            let place = (log_no as i64 + 1) << 40;
            let batch = author.records.iter().enumerate().skip(start).take(256);
            rows.extend(batch.map(|(index, record)| (place + index as i64, record)));
        }
        if n_records <= rows.len() || rows.len() == before {
            break;
        }
    }
    rows.truncate(n_records);
    rows
}

/// Writes the first records of these logs into a new file; answers how many, and what that took.
pub async fn write(
    folder: &Path,
    authors: &[Author],
    n_records: usize,
    manner: Manner,
) -> Result<(usize, Spent)> {
    let file = tempfile::Builder::new().prefix("bare").tempdir_in(folder)?;
    let mut db = open(&file.path().join("log.sqlite")).await?;
    let rows = interleaved(authors, n_records);
    let inserts = [manner.rows_per_insert, 1].map(insert_of);
    let meter = Meter::start()?;
    for group in rows.chunks(manner.group) {
        let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
        for rows in group.chunks(manner.rows_per_insert) {
            if rows.len() == manner.rows_per_insert {
                insert(&mut tx, &inserts[0], rows).await?;
            } else {
                for row in rows {
                    insert(&mut tx, &inserts[1], std::slice::from_ref(row)).await?;
                }
            }
        }
        tx.commit().await?;
    }
    let spent = meter.read()?;
    db.close().await?;
    Ok((rows.len(), spent))
}

/// As the store opens its file.
async fn open(path: &Path) -> Result<SqliteConnection> {
    let mut db = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("wal_autocheckpoint", "8000")
        .pragma("journal_size_limit", "67108864")
        .connect()
        .await?;
    sqlx::query("CREATE TABLE records (place INTEGER PRIMARY KEY, header BLOB NOT NULL, salt BLOB, payload BLOB)")
        .execute(&mut db)
        .await?;
    Ok(db)
}

fn insert_of(n_rows: usize) -> String {
    let rows = vec!["(?, ?, ?, ?)"; n_rows].join(", ");
    format!("INSERT INTO records (place, header, salt, payload) VALUES {rows}")
}

async fn insert(db: &mut SqliteConnection, sql: &str, rows: &[(i64, &RawRecord)]) -> Result<()> {
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for (place, record) in rows {
        let content = record.content.as_ref();
        query = query
            .bind(*place)
            .bind(record.header.clone())
            .bind(content.map(|it| it.salt.clone()))
            .bind(content.map(|it| it.payload.clone()));
    }
    query.execute(db).await?;
    Ok(())
}
