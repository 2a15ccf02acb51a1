//! What a record costs: batches of 256 accepted by the store, against a bare loop that inserts the same rows one by one
//! in transactions of the same size at the same durability.
//!
//! `cargo bench -p folkmoot-store`

#![expect(clippy::print_stdout, reason = "a measurement is printed")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails stops")]

use std::{path::Path, sync::Arc, time::Instant};

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Header, LogName, Network, RegionId, UnixMillis, VerifiedRecord,
    commitment::{Commitment, Salt},
    region::Roster,
    verified::{Content, ExpectedPlace, verify},
};
use runtime::clock::SystemClock;
use sqlx::{
    ConnectOptions as _, Connection as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use store::{Incoming, OwnLog, Store, StoreConfig};
use tlog::{Checkpoint, Frontier, KeyName, sign_checkpoint};

const N_BATCHES: u64 = 200;
const BATCH: u64 = 256;
const PAYLOAD_BYTES: usize = 300;
const ROUNDS: usize = 3;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let records = records();
    for round in 1..=ROUNDS {
        for n_in_flight in [1, 8] {
            let accepted = runtime.block_on(accept_all(&records, n_in_flight));
            let bare = runtime.block_on(insert_all(&records, n_in_flight));
            println!(
                "round {round}, {n_in_flight} batches to a commit: store {accepted:.0} records/s, bare loop {bare:.0} records/s, ratio {:.2}",
                accepted / bare
            );
        }
    }
}

fn network() -> Network {
    "test.folkmoot.example".parse().unwrap()
}

fn log() -> LogName {
    LogName { community: CommunityId::from_bytes([1; 32]), era: 0 }
}

fn records() -> Vec<VerifiedRecord> {
    (0..N_BATCHES * BATCH).map(record).collect()
}

fn record(index: u64) -> VerifiedRecord {
    let LogName { community, era } = log();
    let payload = vec![b'x'; PAYLOAD_BYTES];
    let salt = Salt([7; 32]);
    let header = Header {
        network: network(),
        community,
        era,
        index,
        time: UnixMillis(1_800_000_000_000),
        kind: "folkmoot.record.problem.v1".parse().unwrap(),
        commitment: Commitment::to(&salt, &payload),
        payload_bytes: u32::try_from(payload.len()).unwrap(),
        references: Vec::new(),
    };
    let place = ExpectedPlace { network: &network(), community, era, index };
    verify(header.encode(), Some(Content { salt, payload }), &place).unwrap()
}

/// The batches as they come from `replica`; the last of each group completes a checkpoint.
fn batches(records: &[VerifiedRecord], group: usize) -> Vec<Incoming> {
    let key = SigningKey::from_bytes(&[1; 32]);
    let origin = KeyName::parse(&network().log_origin(&log().community, 0)).unwrap();
    let mut frontier = Frontier::new();
    let mut all = Vec::new();
    let chunks: Vec<_> = records.chunks(usize::try_from(BATCH).unwrap()).collect();
    for (n, chunk) in chunks.iter().enumerate() {
        let start = frontier.size();
        chunk.iter().for_each(|it| frontier.push(it.id().leaf()));
        let checkpoint =
            Checkpoint { origin: origin.clone(), size: frontier.size(), root: frontier.root() };
        all.push(Incoming {
            log: log(),
            start,
            records: chunk.to_vec(),
            frontier: frontier.clone(),
            checkpoint: sign_checkpoint(&checkpoint, &key).to_bytes().into(),
            proof: Vec::new(),
            completes: (n + 1) % group == 0,
            identity: None,
        });
    }
    all
}

async fn accept_all(records: &[VerifiedRecord], n_in_flight: usize) -> f64 {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let store = Store::open(&folder.path().join("log.sqlite"), config()).await.unwrap();
    let mut waiting = batches(records, n_in_flight).into_iter();
    let started = Instant::now();
    while 0 < waiting.len() {
        let mut durable = Vec::new();
        for batch in waiting.by_ref().take(n_in_flight) {
            durable.push(store.accept(batch).await.unwrap());
        }
        for answer in durable {
            answer.await.unwrap();
        }
    }
    rate(records.len(), started)
}

async fn insert_all(records: &[VerifiedRecord], n_in_flight: usize) -> f64 {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let mut db = SqliteConnectOptions::new()
        .filename(folder.path().join("bare.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("wal_autocheckpoint", "8000")
        .connect()
        .await
        .unwrap();
    let table = "CREATE TABLE records (place INTEGER PRIMARY KEY, header BLOB NOT NULL, salt BLOB, payload BLOB)";
    sqlx::query(table).execute(&mut db).await.unwrap();
    let rows: Vec<_> = records.iter().cloned().map(VerifiedRecord::into_parts).collect();
    let started = Instant::now();
    let n_rows = rows.len();
    let mut place = 0_i64;
    let mut rows = rows.into_iter();
    while 0 < rows.len() {
        let mut tx = db.begin().await.unwrap();
        for (_, header, content) in
            rows.by_ref().take(n_in_flight * usize::try_from(BATCH).unwrap())
        {
            let content = content.unwrap();
            sqlx::query("INSERT INTO records (place, header, salt, payload) VALUES (?, ?, ?, ?)")
                .bind(place)
                .bind(header)
                .bind(content.salt.0.to_vec())
                .bind(content.payload)
                .execute(&mut *tx)
                .await
                .unwrap();
            place += 1;
        }
        tx.commit().await.unwrap();
    }
    rate(n_rows, started)
}

/// Not a file system in memory: the cost of a commit is part of what is measured.
fn place() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

#[expect(clippy::cast_precision_loss, reason = "a rate is printed in whole records")]
fn rate(n_records: usize, started: Instant) -> f64 {
    n_records as f64 / started.elapsed().as_secs_f64()
}

fn config() -> StoreConfig {
    StoreConfig {
        network: network(),
        region: RegionView::new(
            RegionId::from_bytes([200; 32]),
            None,
            Roster::new(vec![log().community], Vec::new(), 1).unwrap(),
        ),
        own: OwnLog {
            name: LogName { community: CommunityId::from_bytes([2; 32]), era: 0 },
            log_key: SigningKey::from_bytes(&[2; 32]),
            mirror: None,
            witness: None,
        },
        is_settled: true,
        clock: Arc::new(SystemClock::new()),
        waits: store::Waits::GivingWay,
    }
}
