//! Nodes with the coordinator down, as real processes over real libp2p.
#![allow(clippy::expect_used, clippy::panic, reason = "a test file: a panic is the failure report")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use folkmoot_tests::{
    args,
    process::{PATIENCE, Server, run_json},
    region::{NETWORK, held},
};
use serde_json::Value;
use tokio::time::timeout;

/// Nodes of the region.
const N_NODES: usize = 6;

/// A founded node.
struct Founded {
    id: String,
    dir: PathBuf,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_nodes_started_cold_hold_each_others_records_with_the_coordinator_down() {
    let folder = tempfile::tempdir().expect("a folder");
    let (nodes, _coordinator) = found(folder.path()).await.expect("a region");
    let mut servers = Vec::new();
    let mut first = Vec::new();
    for (number, node) in nodes.iter().enumerate() {
        let transport = if number % 2 == 0 { "tcp/0" } else { "udp/0/quic-v1" };
        let server = start(folder.path(), node, &[transport, "tcp/0"], &first).await;
        let server = server.expect("the node becomes ready");
        if number == 0 {
            first.clone_from(&server.mesh);
        }
        servers.push(server);
    }
    timeout(PATIENCE, until_all_hold(&nodes, &servers)).await.expect("in time").expect("answers");
    for server in servers {
        assert!(server.stop().await.expect("it ends"), "a node ends well");
    }
}

/// Six nodes, and the id of a coordinator that never runs.
async fn found(folder: &Path) -> Result<(Vec<Founded>, String)> {
    let mut nodes = Vec::new();
    for number in 0..N_NODES {
        nodes.push(init("server-node", folder, &format!("node-{number}")).await?);
    }
    let coordinator = init("server-coordinator", folder, "coordinator").await?.id;
    let mut charter = format!(
        "network = \"{NETWORK}\"\nname = \"Cold\"\n[[coordinators]]\nid = \"{coordinator}\"\naddress = \"127.0.0.1:1\"\n"
    );
    for node in &nodes {
        charter.push_str(&format!("[[founders]]\nid = \"{}\"\n", node.id));
    }
    std::fs::write(folder.join("charter.toml"), charter)?;
    Ok((nodes, coordinator))
}

async fn init(kind: &str, folder: &Path, name: &str) -> Result<Founded> {
    let dir = folder.join(name);
    let made =
        run_json(&args![kind, "init", "--dir", &dir, "--network", NETWORK, "--name", name]).await?;
    let id = made.get("community").and_then(Value::as_str).context("an id")?.to_owned();
    Ok(Founded { id, dir })
}

/// Starts a node that looks for others at these addresses.
async fn start(
    folder: &Path,
    node: &Founded,
    listen: &[&str],
    others: &[String],
) -> Result<Server> {
    let listen: Vec<_> = listen.iter().map(|it| format!("\"/ip4/127.0.0.1/{it}\"")).collect();
    let others: Vec<_> = others.iter().map(|it| format!("\"{it}\"")).collect();
    let config = format!(
        "[mesh]\nenabled = true\nlisten = [{}]\npeers = [{}]\n",
        listen.join(", "),
        others.join(", ")
    );
    let file = node.dir.with_extension("toml");
    std::fs::write(&file, config)?;
    let charter = folder.join("charter.toml");
    let args = args!["--listen", "127.0.0.1:0", "--charter", charter, "--config", file];
    Server::start("server-node", &node.dir, &args).await
}

/// Waits until every node holds the record of every other.
async fn until_all_hold(nodes: &[Founded], servers: &[Server]) -> Result<()> {
    let mut turn = tokio::time::interval(std::time::Duration::from_millis(50));
    for server in servers {
        for node in nodes {
            while held(&server.plain, &node.id).await?.size == 0 {
                turn.tick().await;
            }
        }
    }
    Ok(())
}
