//! Real nodes with the coordinator down: from the last one listening to every record everywhere, and what a node with ten
//! neighbours keeps in memory, with and without QUIC.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use folkmoot_tests::{args, process::free_port, region::NETWORK};
use proto::v1::{GetRegionRequest, region_service_client::RegionServiceClient};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{interval, sleep, timeout},
};
use tonic::transport::Channel;

use crate::{
    idle::{Founded, Programs, build, init, programs},
    meter::{Flushed, quantile, resident_bytes},
    report::{Limit, Report},
};

/// Nodes that are started cold.
const N_NODES: usize = 30;
/// Nodes whose memory is looked at: each has ten others.
const N_IDLE: usize = 11;
/// Nodes whose addresses everybody knows.
const N_KNOWN: usize = 2;
/// The time in which every record should be everywhere.
const MOST_TIME: Duration = Duration::from_secs(5);
/// The same in fsyncs of the same run, where that is longer.
const MOST_FSYNCS: u32 = 1_500;
/// How often each node is asked what it holds.
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// Until connections stand and caches are warm.
const SETTLING: Duration = Duration::from_secs(30);
/// The most that a node with ten neighbours keeps in memory.
const MOST_MB: f64 = 48.0;
/// The same in a build without QUIC.
const MOST_MB_WITHOUT_QUIC: f64 = 40.0;
/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(180);

/// Thirty nodes cold, then eleven idle ones of both builds.
pub async fn measure(report: &mut Report) -> Result<()> {
    let with_quic = programs().await?;
    spread(&with_quic, report).await?;
    let resident = idle(&with_quic, true).await?;
    let limit = Limit::AtMost(MOST_MB);
    report.add("mesh: a node with 10 neighbours, resident, QUIC", resident, "MB", limit);
    let resident = idle(&programs_without_quic().await?, false).await?;
    let limit = Limit::AtMost(MOST_MB_WITHOUT_QUIC);
    report.add("mesh: a node with 10 neighbours, resident, no QUIC", resident, "MB", limit);
    Ok(())
}

/// The programs as they are released, but without QUIC.
async fn programs_without_quic() -> Result<Programs> {
    let target = folkmoot_tests::root().join("target").join("without-quic");
    build(&target, &args!["--no-default-features"]).await
}

async fn spread(programs: &Programs, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let region = Region::found(programs, folder.path(), N_NODES, true).await?;
    let mut flushed = Flushed::create(folder.path())?;
    let nodes = region.start(&programs.node).await?;
    let last_listens = Instant::now();
    let asking: Vec<_> = nodes
        .iter()
        .map(|node| tokio::spawn(arrivals(node.plain.clone(), N_NODES, last_listens)))
        .collect();
    let mut times = Vec::new();
    for arrivals in asking {
        times.extend(timeout(PATIENCE, arrivals).await.context("every record came")???);
    }
    let mut fsyncs = (0..200).map(|_| flushed.time()).collect::<Result<Vec<_>>>()?;
    let fsync = quantile(&mut fsyncs, 0.5);
    let most = MOST_TIME.max(fsync * MOST_FSYNCS).as_secs_f64();
    let p50 = quantile(&mut times, 0.5).as_secs_f64();
    let p99 = quantile(&mut times, 0.99).as_secs_f64();
    report.add("mesh: fsync of 4 KiB, p50", fsync.as_secs_f64() * 1e3, "ms", Limit::None);
    report.add("mesh: 30 nodes cold, a record everywhere, p50", p50, "s", Limit::None);
    report.add("mesh: 30 nodes cold, a record everywhere, p99", p99, "s", Limit::AtMost(most));
    Ok(())
}

/// When each of so many records was at this node, since this instant.
async fn arrivals(plain: String, n_records: usize, since: Instant) -> Result<Vec<Duration>> {
    let channel = Channel::from_shared(format!("http://{plain}"))?.connect().await?;
    let mut region = RegionServiceClient::new(channel);
    let mut turn = interval(ASKED_EVERY);
    let mut times = Vec::new();
    while times.len() < n_records {
        turn.tick().await;
        let held = region.get_region(GetRegionRequest {}).await?.into_inner().communities;
        let n_held = held.iter().filter(|it| 0 < it.size).count();
        times.resize(n_held.max(times.len()), since.elapsed());
    }
    Ok(times)
}

/// The most that one of eleven nodes keeps in memory, in megabytes.
async fn idle(programs: &Programs, has_quic: bool) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let region = Region::found(programs, folder.path(), N_IDLE, has_quic).await?;
    let nodes = region.start(&programs.node).await?;
    for node in &nodes {
        timeout(PATIENCE, arrivals(node.plain.clone(), N_IDLE, Instant::now())).await??;
    }
    sleep(SETTLING).await;
    let ids = nodes.iter().filter_map(|node| node.child.id());
    let resident = ids.map(resident_bytes).collect::<Result<Vec<_>>>()?;
    ensure!(resident.len() == N_IDLE, "every process is up");
    Ok(resident.into_iter().max().unwrap_or_default() as f64 / 1e6)
}

/// A region of nodes whose coordinator never runs.
struct Region {
    charter: PathBuf,
    nodes: Vec<Founded>,
    mesh: Vec<String>,
}

/// A running node.
struct Running {
    child: Child,
    plain: String,
}

impl Region {
    async fn found(programs: &Programs, folder: &Path, n: usize, has_quic: bool) -> Result<Self> {
        let coordinator = init(&programs.coordinator, &folder.join("coordinator")).await?;
        let mut text = format!(
            "network = \"{NETWORK}\"\nname = \"Cold\"\n[[coordinators]]\nid = \"{}\"\n",
            coordinator.id
        );
        let (mut nodes, mut mesh) = (Vec::new(), Vec::new());
        for number in 0..n {
            let node = init(&programs.node, &folder.join(format!("node-{number}"))).await?;
            text.push_str(&format!("[[founders]]\nid = \"{}\"\n", node.id));
            nodes.push(node);
            let port = free_port()?;
            mesh.push(if has_quic {
                format!("/ip4/127.0.0.1/udp/{port}/quic-v1")
            } else {
                format!("/ip4/127.0.0.1/tcp/{port}")
            });
        }
        let charter = folder.join("charter.toml");
        std::fs::write(&charter, text)?;
        Ok(Self { charter, nodes, mesh })
    }

    /// Starts them all at once, and waits until the last one listens.
    async fn start(&self, program: &Path) -> Result<Vec<Running>> {
        let mut starting = Vec::new();
        for (node, listen) in self.nodes.iter().zip(&self.mesh) {
            let others: Vec<_> =
                self.mesh.iter().filter(|it| *it != listen).take(N_KNOWN).collect();
            let config =
                format!("[mesh]\nenabled = true\nlisten = [{listen:?}]\npeers = {others:?}\n");
            let file = node.dir.with_extension("toml");
            std::fs::write(&file, config)?;
            starting.push(spawn(program, node, &self.charter, &file)?);
        }
        let mut running = Vec::new();
        for child in starting {
            running.push(ready(child).await?);
        }
        Ok(running)
    }
}

fn spawn(program: &Path, node: &Founded, charter: &Path, config: &Path) -> Result<Child> {
    let log = std::fs::File::create(node.dir.with_extension("log"))?;
    Ok(Command::new(program)
        .args(args!["run", "--ready-line", "--with-parent", "--plain", "127.0.0.1:0"])
        .args(args!["--listen", "127.0.0.1:0", "--dir", &node.dir, "--charter", charter])
        .args(args!["--config", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?)
}

async fn ready(mut child: Child) -> Result<Running> {
    let stdout = child.stdout.take().context("a child has standard output")?;
    let mut line = String::new();
    timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await??;
    let ready: Value = serde_json::from_str(&line).context("a node became ready")?;
    let plain = ready["plain"].as_str().context("a plain port")?.to_owned();
    Ok(Running { child, plain })
}
