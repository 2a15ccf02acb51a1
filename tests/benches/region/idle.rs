//! Real processes that have nothing to do: what they keep in memory, and how often they wake.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use folkmoot_tests::{args, process::free_port, region::NETWORK};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::{
    meter::{cpu_of, resident_bytes},
    report::{Limit, Report},
};

/// Nodes that are connected to the coordinator.
const N_NODES: usize = 5;
/// Until connections stand and caches are warm.
const SETTLING: Duration = Duration::from_secs(10);
/// How long the processors are watched.
const WATCHED: Duration = Duration::from_secs(20);
/// The most that a node keeps in memory.
const MOST_NODE_MB: f64 = 30.0;
/// The most that a coordinator keeps in memory.
const MOST_COORDINATOR_MB: f64 = 40.0;
/// The most of one processor that either takes, in per cent.
const MOST_CPU_PERCENT: f64 = 0.1;
/// A process that is not ready by then will not be.
const PATIENCE: Duration = Duration::from_secs(60);

/// One coordinator and five nodes of the release build.
pub async fn measure(report: &mut Report) -> Result<()> {
    let programs = programs().await?;
    let folder = tempfile::tempdir()?;
    let coordinator = init(&programs.coordinator, &folder.path().join("coordinator")).await?;
    let mut nodes = Vec::new();
    for number in 0..N_NODES {
        nodes.push(init(&programs.node, &folder.path().join(format!("node-{number}"))).await?);
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let charter = folder.path().join("charter.toml");
    std::fs::write(&charter, charter_text(&coordinator, &address, &nodes))?;
    let mut children = Vec::new();
    children.push(start(&programs.coordinator, &coordinator, &address, &charter).await?);
    for node in &nodes {
        children.push(start(&programs.node, node, "127.0.0.1:0", &charter).await?);
    }
    sleep(SETTLING).await;
    let ids: Vec<u32> = children.iter().filter_map(Child::id).collect();
    ensure!(ids.len() == 1 + N_NODES, "every process is up");
    let cpu = |id: &u32| cpu_of(&id.to_string());
    let before: Vec<Duration> = ids.iter().map(cpu).collect::<Result<_>>()?;
    sleep(WATCHED).await;
    let after: Vec<Duration> = ids.iter().map(cpu).collect::<Result<_>>()?;
    let percent = |number: usize| {
        100.0 * (after[number] - before[number]).as_secs_f64() / WATCHED.as_secs_f64()
    };
    let megabytes = |number: usize| resident_bytes(ids[number]).map(|it| it as f64 / 1e6);
    let largest =
        (1..ids.len()).map(megabytes).collect::<Result<Vec<_>>>()?.into_iter().fold(0.0, f64::max);
    let busiest = (1..ids.len()).map(percent).fold(0.0, f64::max);
    report.add(
        "idle: a node, resident (the largest of 5)",
        largest,
        "MB",
        Limit::AtMost(MOST_NODE_MB),
    );
    report.add(
        "idle: a coordinator of 5 nodes, resident",
        megabytes(0)?,
        "MB",
        Limit::AtMost(MOST_COORDINATOR_MB),
    );
    report.add(
        "idle: a node, CPU (the busiest of 5)",
        busiest,
        "%",
        Limit::AtMost(MOST_CPU_PERCENT),
    );
    report.add("idle: a coordinator, CPU", percent(0), "%", Limit::AtMost(MOST_CPU_PERCENT));
    Ok(())
}

/// A founded folder.
pub(crate) struct Founded {
    pub(crate) dir: PathBuf,
    pub(crate) id: String,
}

/// What a volunteer and an operator run.
pub(crate) struct Programs {
    pub(crate) node: PathBuf,
    pub(crate) coordinator: PathBuf,
}

/// The programs, built as they are released.
pub(crate) async fn programs() -> Result<Programs> {
    // A benchmark runs from target/release/deps.
    let this = std::env::current_exe()?;
    let target = this.ancestors().nth(3).context("a benchmark runs from the target folder")?;
    build(target, &[]).await
}

/// Builds both programs into a target folder, with more arguments.
pub(crate) async fn build(target: &Path, more: &[OsString]) -> Result<Programs> {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--release", "--locked"]);
    build.args(["-p", "folkmoot-node", "-p", "folkmoot-coordinator", "--target-dir"]);
    let built = build.arg(target).args(more).current_dir(folkmoot_tests::root()).status().await?;
    ensure!(built.success(), "the programs could not be built");
    let release = target.join("release");
    Ok(Programs {
        node: release.join("folkmoot-node"),
        coordinator: release.join("folkmoot-coordinator"),
    })
}

pub(crate) async fn init(program: &Path, dir: &Path) -> Result<Founded> {
    let args = args!["init", "--dir", dir, "--network", NETWORK, "--name", "Idle", "--json"];
    let output = Command::new(program).args(args).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout)?;
    let id = made["community"].as_str().context("an id")?.to_owned();
    Ok(Founded { dir: dir.to_path_buf(), id })
}

fn charter_text(coordinator: &Founded, address: &str, nodes: &[Founded]) -> String {
    let founders: String =
        nodes.iter().map(|it| format!("\n[[founders]]\nid = \"{}\"\n", it.id)).collect();
    let id = &coordinator.id;
    format!(
        "network = \"{NETWORK}\"\nname = \"Idle\"\n\n[[coordinators]]\nid = \"{id}\"\naddress = \"{address}\"\n{founders}"
    )
}

async fn start(program: &Path, founded: &Founded, listen: &str, charter: &Path) -> Result<Child> {
    let log = std::fs::File::create(founded.dir.with_extension("log"))?;
    let mut child = Command::new(program)
        .args(args!["run", "--ready-line", "--with-parent", "--plain", "127.0.0.1:0"])
        .args(args!["--listen", listen, "--dir", &founded.dir, "--charter", charter])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().context("a child has standard output")?;
    let mut line = String::new();
    timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await??;
    let told = || std::fs::read_to_string(founded.dir.with_extension("log")).unwrap_or_default();
    ensure!(line.contains("grpc"), "{} did not become ready:\n{}", founded.dir.display(), told());
    Ok(child)
}
