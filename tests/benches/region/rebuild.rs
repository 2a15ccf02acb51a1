//! An empty coordinator catches up from nodes that hold everything on disk.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use peer::{DataFolder, Role, Seat, dialler};
use record::{Kind, LogName, commitment::Salt};
use store::{Commit, Draft, Guard};
use tlog::Frontier;
use tokio::{sync::broadcast, time::timeout};

use crate::{
    Scale,
    author::{self, Author},
    bare,
    meter::Meter,
    report::{Limit, Report},
    site::{Running, Site, charter},
};

/// Nodes that are dialled in.
const N_NODES: usize = 50;
/// Records that each holds at full load.
const N_RECORDS_EACH: usize = 20_000;
/// Drafts in one call.
const DRAFTS_AT_ONCE: usize = 1_000;
/// Of the yardstick's rate.
const LEAST_RATE: f64 = 0.5;
/// Longer than the slowest machine needs.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// Rows that the yardstick of this part writes at most: enough for a steady rate.
const MAX_BARE_ROWS: usize = 200_000;

/// From the first connection until every root is equal.
pub async fn measure(scale: Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let each = scale.of(N_RECORDS_EACH, 256);
    let mut folders = Vec::new();
    for number in 0..N_NODES {
        folders.push(author::found(&folder.path().join(format!("node-{number}")))?);
    }
    let founders = folders.iter().map(DataFolder::community).collect::<Result<Vec<_>, _>>()?;
    let site = Site::open(&folder.path().join("coordinator"), &founders).await?;
    let mut nodes = Vec::new();
    for folder in &folders {
        nodes.push(prepared(folder, site.seat(), each).await?);
    }
    let mut expected = Vec::new();
    for node in &nodes {
        expected.push((node.peer.own_log(), frontier_of(node).await?));
    }
    let meter = Meter::start()?;
    for node in &mut nodes {
        let linked = dialler::keep_linked(node.peer.clone(), site.seat());
        node.spawn(linked);
    }
    timeout(PATIENCE, until_held(&site, &expected))
        .await
        .context("the coordinator caught up")??;
    let spent = meter.read()?;
    for node in nodes {
        node.close().await?;
    }
    site.running.close().await?;
    let n_records = N_NODES * (each + 1);
    let (bare_rate, bare_cpu) = yardstick(folder.path(), n_records.min(MAX_BARE_ROWS)).await?;
    let rate = spent.per_second(n_records);
    report.add("rebuild: records of 50 nodes", n_records as f64, "records", Limit::None);
    report.add("rebuild: rate", rate, "records/s", Limit::None);
    report.add("yardstick beside it: rate", bare_rate, "records/s", Limit::None);
    report.add(
        "rebuild: rate, of the yardstick's",
        rate / bare_rate,
        "×",
        Limit::AtLeast(LEAST_RATE),
    );
    report.add("yardstick beside it: CPU", bare_cpu, "µs/record", Limit::None);
    report.add(
        "rebuild: CPU of all sides",
        spent.cpu_micros_each(n_records),
        "µs/record",
        Limit::None,
    );
    Ok(())
}

/// A node with a full log. Its charter names only itself and the coordinator: 50 nodes of one machine would otherwise
/// mirror each other meanwhile, and that is not what is measured.
async fn prepared(folder: &DataFolder, coordinator: Seat, n_records: usize) -> Result<Running> {
    let charter = charter(&[folder.community()?], coordinator)?;
    let node = Running::open(folder, charter, Role::Node).await?;
    let kind: Kind = author::UNKNOWN_KIND.parse()?;
    for first in (0..n_records).step_by(DRAFTS_AT_ONCE) {
        let draft = |number: usize| Draft {
            kind: kind.clone(),
            payload: author::noise(number as u64),
            salt: Salt([7; 32]),
            references: Vec::new(),
        };
        let drafts = (first..n_records.min(first + DRAFTS_AT_ONCE)).map(draft).collect();
        node.peer.store().append(drafts, Guard::None).await?;
    }
    Ok(node)
}

async fn frontier_of(node: &Running) -> Result<Frontier> {
    let row = node.peer.store().log(node.peer.own_log()).await?.context("its own log")?;
    Ok(row.frontier)
}

/// Waits until the coordinator holds these trees, and compares the roots.
async fn until_held(site: &Site, expected: &[(LogName, Frontier)]) -> Result<()> {
    let store = site.running.peer.store();
    let mut commits = store.commits();
    for (log, frontier) in expected {
        loop {
            let held = store.log(*log).await?.map(|it| it.frontier).unwrap_or_default();
            if held.size() == frontier.size() {
                ensure!(held.root() == frontier.root(), "the roots are equal");
                break;
            }
            until_grown(&mut commits, *log).await?;
        }
    }
    Ok(())
}

/// Waits for a commit that completes a checkpoint of this log, or that may have.
async fn until_grown(commits: &mut broadcast::Receiver<Arc<Commit>>, log: LogName) -> Result<()> {
    loop {
        match commits.recv().await {
            Ok(commit) if commit.heads.iter().any(|head| head.name == log) => return Ok(()),
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return Ok(()),
            Err(broadcast::error::RecvError::Closed) => bail!("the store closed"),
        }
    }
}

/// Rate and CPU of the bare loop, in the same minutes.
async fn yardstick(folder: &Path, n_rows: usize) -> Result<(f64, f64)> {
    let mut author = Author::found(&folder.join("bare"), 1)?;
    author.write_unknown(n_rows)?;
    let manner = bare::Manner { group: 8_192, rows_per_insert: 1 };
    let (n, spent) = bare::write(folder, &[author], n_rows, manner).await?;
    Ok((spent.per_second(n), spent.cpu_micros_each(n)))
}
