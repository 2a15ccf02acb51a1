//! A region of real processes whose community gets new keys under load, then loses its machine and comes back: nothing
//! acknowledged is lost, and everybody counts the same.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a panic is the failure report"
)]

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use folkmoot_tests::{
    args,
    process::{PATIENCE, Server, free_port, run_json},
    region::{NETWORK, held},
};
use proto::v1::{Community, ListCasesRequest, region_service_client::RegionServiceClient};
use serde_json::Value;
use tokio::{task::JoinHandle, time::timeout};
use tonic::transport::Channel;

/// A data folder with the port of its process.
struct Seat {
    kind: &'static str,
    dir: PathBuf,
    id: String,
    port: u16,
}

/// Two nodes and a coordinator in one folder.
struct World {
    folder: PathBuf,
    node: Seat,
    other: Seat,
    coordinator: Seat,
}

async fn found(
    folder: &Path,
    kind: &'static str,
    name: &str,
    options: &[OsString],
) -> Result<Seat> {
    let dir = folder.join(name);
    let init = args![kind, "init", "--dir", &dir, "--network", NETWORK, "--name", name];
    let founded = run_json(&[&init[..], options].concat()).await?;
    let id = founded["community"].as_str().context("an id")?.to_owned();
    Ok(Seat { kind, dir, id, port: free_port()? })
}

impl World {
    async fn found(folder: &Path) -> Result<Self> {
        let officers = args!["--officers", "2", "--threshold", "2"];
        let node = found(folder, "server-node", "node", &officers).await?;
        let other = found(folder, "server-node", "other", &[]).await?;
        let coordinator = found(folder, "server-coordinator", "coordinator", &[]).await?;
        // As officers are told to: off the machine.
        std::fs::rename(node.dir.join("officers"), folder.join("officers"))?;
        let charter = format!(
            "network = \"{NETWORK}\"\nname = \"Test\"\n[[coordinators]]\nid = \"{}\"\naddress = \"127.0.0.1:{}\"\n\
             [[founders]]\nid = \"{}\"\n[[founders]]\nid = \"{}\"\n",
            coordinator.id, coordinator.port, node.id, other.id
        );
        std::fs::write(folder.join("charter.toml"), charter)?;
        Ok(Self { folder: folder.to_path_buf(), node, other, coordinator })
    }

    fn charter(&self) -> PathBuf {
        self.folder.join("charter.toml")
    }

    fn officer(&self, number: usize) -> PathBuf {
        self.folder.join(format!("officers/officer-{number}.toml"))
    }

    async fn start(&self, seat: &Seat) -> Result<Server> {
        let listen = format!("127.0.0.1:{}", seat.port);
        Server::start(seat.kind, &seat.dir, &args!["--listen", listen, "--charter", self.charter()])
            .await
    }

    /// New keys for the stopped node: made, signed by both officers apart, put in force.
    async fn rotate(&self) -> Result<()> {
        let dir = &self.node.dir;
        let told = run_json(&args!["server-node", "keys", "rotate", "--dir", dir]).await?;
        ensure!(told["missing"] == 2, "{told}");
        let action = dir.join("action.toml");
        for number in [1, 2] {
            let sign = args!["server-node", "officer", "sign", &action, "--yes", "--key"];
            run_json(&[&sign[..], &args![self.officer(number)]].concat()).await?;
        }
        let told = run_json(&args!["server-node", "keys", "apply", "--dir", dir]).await?;
        ensure!(told["applied"] == true, "{told}");
        Ok(())
    }
}

/// Opens a pool; the index of its record in the node's log.
async fn open_pool(dir: &Path, threshold: u64) -> Result<u64> {
    let title = format!("Pool of {threshold}");
    let open = args![
        "server-node",
        "pool",
        "open",
        "--dir",
        dir,
        "--title",
        title,
        "--unit",
        "panels",
        "--threshold",
        threshold.to_string(),
        "--closes",
        "30d",
    ];
    run_json(&open).await?["index"].as_u64().context("an index")
}

/// Writes until it is told to stop.
fn keep_writing(dir: PathBuf) -> (Arc<AtomicBool>, JoinHandle<Result<u64>>) {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let writing = tokio::spawn(async move {
        let mut n_written = 0;
        while !told.load(Ordering::Relaxed) {
            open_pool(&dir, 1_000 + n_written).await?;
            n_written += 1;
        }
        Ok(n_written)
    });
    (stop, writing)
}

/// Asks a server for a log until it is as it must be.
async fn until_held(
    plain: &str,
    community: &str,
    is_so: impl Fn(&Community) -> bool,
) -> Result<Community> {
    let looking = async {
        loop {
            let log = held(plain, community).await?;
            if is_so(&log) {
                return Ok(log);
            }
        }
    };
    timeout(PATIENCE, looking).await.context("the log never came")?
}

/// Every pool as a server's register shows it, in the order of their ids.
async fn register(plain: &str) -> Result<Vec<Value>> {
    let channel = Channel::from_shared(format!("http://{plain}"))?.connect().await?;
    let asked = ListCasesRequest { kind: "pool".to_owned(), limit: 1_000, ..Default::default() };
    let answer = RegionServiceClient::new(channel).list_cases(asked).await?.into_inner();
    let mut cases: Vec<Value> =
        answer.cases_json.iter().map(|it| serde_json::from_str(it)).collect::<Result<_, _>>()?;
    cases.sort_by_key(|it| it["id"].to_string());
    Ok(cases)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_goes_on_through_new_keys_and_a_lost_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::found(folder.path()).await.expect("a region");
    go_on(&world).await.expect("it goes on");
}

async fn go_on(world: &World) -> Result<()> {
    let coordinator = world.start(&world.coordinator).await?;
    let other = world.start(&world.other).await?;
    let node = world.start(&world.node).await?;
    let (stop, writing) = keep_writing(world.other.dir.clone());
    let id = &world.node.id;
    for threshold in 1..=3 {
        open_pool(&world.node.dir, threshold).await?;
    }
    node.kill().await?;
    world.rotate().await?;
    let node = world.start(&world.node).await?;
    let last = open_pool(&world.node.dir, 4).await?;
    let log = until_held(&coordinator.plain, id, |it| last < it.size).await?;
    let url = format!("http://{}/log/{id}/0", coordinator.plain);
    let verified = run_json(&args!["verify", &url]).await?;
    ensure!(verified.to_string().contains("folkmoot.record.identity.v1"), "{verified}");
    until_held(&other.plain, id, |it| log.size <= it.size).await?;

    node.kill().await?;
    std::fs::remove_dir_all(&world.node.dir)?;
    let kept = recover(world, log.size).await?;
    let node = world.start(&world.node).await?;
    open_pool(&world.node.dir, 5).await?;
    stop.store(true, Ordering::Relaxed);
    let n_flowed = timeout(PATIENCE, writing).await???;
    ensure!(0 < n_flowed, "records flowed all the time");
    for plain in [&coordinator.plain, &other.plain] {
        until_held(plain, id, |it| it.era == 1 && 2 < it.size).await?;
    }
    ensure!(kept == log.size, "everything that was acknowledged is kept");
    for era in 0..=1 {
        let url = format!("http://{}/log/{id}/{era}", coordinator.plain);
        run_json(&args!["verify", &url]).await?;
    }
    let n_pools = 5 + usize::try_from(n_flowed)?;
    until_all_count([&node.plain, &other.plain, &coordinator.plain], n_pools).await
}

/// Recovers the node from the coordinator with the officers' files; how many records are kept.
async fn recover(world: &World, size: u64) -> Result<u64> {
    let Seat { dir, id, .. } = &world.node;
    let recover = args![
        "server-node",
        "recover",
        "--dir",
        dir,
        "--charter",
        world.charter(),
        "--community",
        id,
        "--key",
        world.officer(1),
        "--key",
        world.officer(2),
    ];
    let told = run_json(&recover).await?;
    ensure!(told["recovered"] == true && told["era"] == 1, "{told}");
    ensure!(told["holders"][0]["size"] == size, "{told}");
    told["kept"].as_u64().context("a size")
}

/// Waits until every register has so many pools, and the same ones in the same state.
async fn until_all_count(plains: [&String; 3], n_pools: usize) -> Result<()> {
    let comparing = async {
        loop {
            let [one, two, three] = plains;
            let registers = [register(one).await?, register(two).await?, register(three).await?];
            let [one, two, three] = &registers;
            if one.len() == n_pools && one == two && two == three {
                return Ok(());
            }
        }
    };
    timeout(PATIENCE, comparing).await.context("the registers never agree")?
}
