//! 64 nodes push their logs to one coordinator: verified, durable, acknowledged.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use record::{
    CommunityId, Payload, RegionId, UnixMillis,
    payload::{
        PledgeAction, PoolAction,
        pool::{LockRule, PoolOpening},
    },
};
use tokio::{sync::broadcast, task::JoinSet};

use crate::{
    Scale,
    author::Author,
    bare,
    meter::{Meter, Spent},
    pusher,
    report::{Limit, Report},
    site::Site,
};

/// Nodes that push at once.
const N_NODES: usize = 64;
/// Streams at one time: fewer than a server takes of one address.
pub const MAX_STREAMS: usize = 128;
/// Records of an unknown kind that they push together at full load.
const N_RECORDS: usize = 1_000_000;
/// Pledges that they push together at full load.
const N_PLEDGES: usize = 50_000;
/// A coordinator verifies, keeps proofs and acknowledges in what the bare loop takes once more.
const LEAST_RATE: f64 = 0.5;
/// Processor time beyond twice the yardstick's: TLS, gRPC and hashing at both ends, in microseconds a record.
const EXTRA_CPU_MICROS: f64 = 6.0;

/// What pushing took.
pub struct Pushed {
    pub n_records: usize,
    n_commits: usize,
    pub spent: Spent,
}

impl Pushed {
    fn records_per_commit(&self) -> usize {
        (self.n_records / self.n_commits.max(1)).max(1)
    }
}

/// Records of an unknown kind: nothing but verification and storage.
pub async fn unknown_kind(scale: Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let each = scale.of(N_RECORDS, N_NODES) / N_NODES;
    let authors = Arc::new(found(folder.path(), N_NODES, |author| author.write_unknown(each))?);
    let pushed = push_all(site_of(folder.path(), &authors).await?, &authors).await?;
    let group = pushed.records_per_commit();
    let manner = bare::Manner { group, rows_per_insert: 1 };
    let (n, plain) = bare::write(folder.path(), &authors, pushed.n_records, manner).await?;
    let manner = bare::Manner { rows_per_insert: 64, ..manner };
    let (_, bulk) = bare::write(folder.path(), &authors, n, manner).await?;
    let rate = pushed.spent.per_second(pushed.n_records);
    let (cpu, plain_cpu) =
        (pushed.spent.cpu_micros_each(pushed.n_records), plain.cpu_micros_each(n));
    report.add("ingest: records", pushed.n_records as f64, "records", Limit::None);
    report.add("ingest: rate", rate, "records/s", Limit::None);
    report.add("ingest: records in a commit", group as f64, "records", Limit::None);
    report.add("yardstick: rate, one row an INSERT", plain.per_second(n), "records/s", Limit::None);
    report.add("yardstick: rate, 64 rows an INSERT", bulk.per_second(n), "records/s", Limit::None);
    report.add(
        "ingest: rate, of the yardstick's",
        rate / plain.per_second(n),
        "×",
        Limit::AtLeast(LEAST_RATE),
    );
    report.add(
        "ingest: rate, of that with 64 rows an INSERT",
        rate / bulk.per_second(n),
        "×",
        Limit::None,
    );
    report.add("yardstick: CPU, one row an INSERT", plain_cpu, "µs/record", Limit::None);
    report.add(
        "yardstick: CPU, 64 rows an INSERT",
        bulk.cpu_micros_each(n),
        "µs/record",
        Limit::None,
    );
    report.add(
        "ingest: CPU of both sides",
        cpu,
        "µs/record",
        Limit::AtMost(2.0 * plain_cpu + EXTRA_CPU_MICROS),
    );
    Ok(())
}

/// Pledges, to a new pool for each 64 of them: the register is folded as well.
pub async fn pledges(scale: Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut authors = found(folder.path(), N_NODES, |_| Ok(()))?;
    let n_pools = scale.of(N_PLEDGES, N_NODES) / N_NODES;
    let site = site_of(folder.path(), &authors).await?;
    let region = site.running.peer.charter().region;
    for number in 0..n_pools {
        let pool = authors[number % N_NODES].say(&pool(region), Vec::new());
        for author in &mut authors {
            author.say(&pledge(number as u64 + 1), vec![pool]);
            if number % 250 == 249 {
                author.checkpoint()?;
            }
        }
    }
    authors.iter_mut().try_for_each(Author::checkpoint)?;
    let pushed = push_all(site, &Arc::new(authors)).await?;
    let n = pushed.n_records;
    report.add("ingest of pledges: records", n as f64, "records", Limit::None);
    report.add("ingest of pledges: rate", pushed.spent.per_second(n), "records/s", Limit::None);
    report.add(
        "ingest of pledges: CPU of both sides",
        pushed.spent.cpu_micros_each(n),
        "µs/record",
        Limit::None,
    );
    Ok(())
}

/// A pool that stays open.
pub fn pool(region: RegionId) -> Payload {
    Payload::Pool(PoolAction::Open(PoolOpening {
        region,
        unit: "each".to_owned(),
        threshold: 1_000_000_000,
        opportunity: None,
        cpv: None,
        unit_price: None,
        closes_at: UnixMillis(4_000_000_000_000),
        grace_millis: 86_400_000,
        lock_rule: LockRule::AtClose,
    }))
}

/// A firm pledge.
pub fn pledge(quantity: u64) -> Payload {
    Payload::Pledge(PledgeAction::Make { quantity, firm: true })
}

/// So many communities, each with what `write` gives it, two at a time.
pub fn found(
    folder: &Path,
    n_nodes: usize,
    write: impl Fn(&mut Author) -> Result<()> + Sync,
) -> Result<Vec<Author>> {
    let found_one = |number: usize| {
        let mut author = Author::found(&folder.join(format!("node-{number}")), number as u64)?;
        write(&mut author)?;
        author.checkpoint()?;
        Ok(author)
    };
    std::thread::scope(|scope| {
        let halves: Vec<_> = [0..n_nodes / 2, n_nodes / 2..n_nodes]
            .into_iter()
            .map(|half| scope.spawn(|| half.map(found_one).collect::<Result<Vec<_>>>()))
            .collect();
        let mut authors = Vec::new();
        for half in halves {
            authors.extend(half.join().ok().context("a founder panicked")??);
        }
        Ok(authors)
    })
}

/// A coordinator of these communities, with nothing in it.
pub async fn site_of(folder: &Path, authors: &[Author]) -> Result<Site> {
    let founders: Vec<CommunityId> = authors.iter().map(Author::community).collect();
    Site::open(&folder.join("coordinator"), &founders).await
}

/// From the first connection until everything is acknowledged and every root is equal.
pub async fn push_all(site: Site, authors: &Arc<Vec<Author>>) -> Result<Pushed> {
    let n_commits = count_commits(site.running.peer.store().commits());
    let meter = Meter::start()?;
    let mut pushing = JoinSet::new();
    for number in 0..authors.len() {
        if MAX_STREAMS <= pushing.len() {
            pushing.join_next().await.context("a stream")???;
        }
        let (authors, address) = (Arc::clone(authors), site.address);
        pushing.spawn(async move { pusher::push(&authors[number], address).await });
    }
    while let Some(ended) = pushing.join_next().await {
        ended??;
    }
    let spent = meter.read()?;
    for author in authors.iter() {
        let held = site.running.peer.store().log(author.log).await?;
        let held = held.context("a log that was acknowledged")?.frontier;
        ensure!(
            (held.size(), held.root()) == (author.size(), author.root()),
            "all is held as it was written"
        );
    }
    let n_records = authors.iter().map(|it| it.records.len()).sum();
    site.running.close().await?;
    Ok(Pushed { n_records, n_commits: n_commits.load(Ordering::Relaxed), spent })
}

/// Counts commits, for as long as the store is there.
fn count_commits(mut commits: broadcast::Receiver<Arc<store::Commit>>) -> Arc<AtomicUsize> {
    let n_commits = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&n_commits);
    tokio::spawn(async move {
        loop {
            let more = match commits.recv().await {
                Ok(_) => 1,
                Err(broadcast::error::RecvError::Lagged(n_missed)) => n_missed as usize,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            counter.fetch_add(more, Ordering::Relaxed);
        }
    });
    n_commits
}
