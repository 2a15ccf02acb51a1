//! `kill -9` of a node and a coordinator, again and again, under load, and now and then SIGTERM: what was acknowledged
//! is there, once, in its place, and both sides agree on every root.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test file: a panic is the failure report"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Result, bail, ensure};
use folkmoot_tests::{
    args,
    process::{PATIENCE, Server, run_json},
    region::{Region, Seat, held, lamps},
};
use proto::{
    clerk::{MakePledgeRequest, Written},
    v1::{GetProofRequest, log_service_client::LogServiceClient},
};
use record::CommunityId;
use tokio::{sync::watch, time::timeout};
use tonic::transport::Channel;

/// Kills, unless `FOLKMOOT_KILLS` says otherwise.
const N_KILLS: u64 = 100;
/// After how many kills both are asked to stop by SIGTERM, under the same load.
const KILLS_PER_STOP: u64 = 10;
/// Clerks who write at the same time, so that commits are shared.
const N_CLERKS: usize = 4;
/// Pledges to one pool before the next is opened: a case is folded whole, so cases are kept short.
const PLEDGES_PER_POOL: u64 = 15;

/// Index in the node's log to record id: what the node has acknowledged.
type Acknowledged = BTreeMap<u64, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_record_is_lost_doubled_or_moved_by_a_hundred_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let region = Arc::new(Region::found(folder.path()).await.expect("a region"));
    let load = Load::default();
    let acknowledged =
        kill_again_and_again(&region, &load).await.expect("the loop runs to its end");
    assert!(N_KILLS < acknowledged.len() as u64, "there was load: {}", acknowledged.len());
    eprintln!("{} records were acknowledged between the kills", acknowledged.len());
    check(&region, &acknowledged).await.expect("both sides agree");
}

async fn kill_again_and_again(region: &Arc<Region>, load: &Load) -> Result<Acknowledged> {
    let n_kills =
        std::env::var("FOLKMOOT_KILLS").ok().and_then(|it| it.parse().ok()).unwrap_or(N_KILLS);
    let mut coordinator = region.start(Seat::Coordinator).await?;
    let mut node = region.start(Seat::Node).await?;
    let loading: Vec<_> =
        (0..N_CLERKS).map(|_| tokio::spawn(load.clone().run(Arc::clone(region)))).collect();
    for number in 0..n_kills {
        // Not always at the same point of a group commit: after 1 to 13 further acknowledgements.
        load.until_acknowledged(1 + number * 7 % 13).await?;
        if number % 2 == 0 {
            node.kill().await?;
            node = region.start(Seat::Node).await?;
        } else {
            coordinator.kill().await?;
            coordinator = region.start(Seat::Coordinator).await?;
        }
        if number % KILLS_PER_STOP == 0 {
            load.until_acknowledged(1).await?;
            ensure!(coordinator.terminate().await?, "the coordinator ends well in mid-batch");
            ensure!(node.terminate().await?, "the node ends well in mid-batch");
            for seat in [Seat::Coordinator, Seat::Node] {
                let wal = region.dir(seat).join("log.sqlite-wal");
                ensure!(!wal.exists(), "{} is left", wal.display());
            }
            coordinator = region.start(Seat::Coordinator).await?;
            node = region.start(Seat::Node).await?;
        }
    }
    load.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Acknowledged::new();
    for clerk in loading {
        for (index, id) in clerk.await?? {
            let earlier = acknowledged.insert(index, id);
            ensure!(earlier.is_none(), "two clerks were told of index {index}");
        }
    }
    until_equal(region, &node, &coordinator).await?;
    ensure!(node.stop().await?, "the node ends well");
    ensure!(coordinator.stop().await?, "the coordinator ends well");
    Ok(acknowledged)
}

/// Everything once more with both processes started anew.
async fn check(region: &Region, acknowledged: &Acknowledged) -> Result<()> {
    let coordinator = region.start(Seat::Coordinator).await?;
    let node = region.start(Seat::Node).await?;
    until_equal(region, &node, &coordinator).await?;
    let community: CommunityId = region.node_id.parse()?;
    for plain in [&node.plain, &coordinator.plain] {
        let channel = Channel::from_shared(format!("http://{plain}"))?.connect().await?;
        let mut logs = LogServiceClient::new(channel);
        for (index, id) in acknowledged {
            let request =
                GetProofRequest { community: community.as_bytes().to_vec(), era: 0, index: *index };
            let answer = logs.get_proof(request).await?.into_inner();
            let header = answer.record.map(|it| it.header).unwrap_or_default();
            let found = record::RecordId::from_leaf(tlog::leaf_hash(&header)).to_string();
            ensure!(
                found == *id,
                "record {index} was acknowledged as {id} and is {found} at {plain}"
            );
        }
        for log in [&region.node_id, &region.coordinator_id] {
            let url = format!("http://{plain}/log/{log}/0");
            let verified = run_json(&args!["verify", url]).await?;
            ensure!(verified.get("verified") == Some(&true.into()), "{verified}");
        }
    }
    Ok(())
}

/// Waits until the coordinator holds all of the node's log, and compares the signed heads.
async fn until_equal(region: &Region, node: &Server, coordinator: &Server) -> Result<()> {
    let equal = async {
        loop {
            let ours = held(&node.plain, &region.node_id).await?;
            let theirs = held(&coordinator.plain, &region.node_id).await?;
            if ours.size == theirs.size && 0 < ours.size {
                let text = |note: &[u8]| tlog::Note::parse(note).map(|it| it.text().to_owned());
                ensure!(text(&ours.checkpoint)? == text(&theirs.checkpoint)?, "the roots differ");
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, equal).await?
}

/// Pledges as fast as the node acknowledges them, through every restart.
#[derive(Clone)]
struct Load {
    stop: Arc<AtomicBool>,
    n_acknowledged: watch::Sender<u64>,
}

impl Default for Load {
    fn default() -> Self {
        Self { stop: Arc::default(), n_acknowledged: watch::Sender::new(0) }
    }
}

impl Load {
    /// Waits until so many more records have been acknowledged.
    async fn until_acknowledged(&self, n_more: u64) -> Result<()> {
        let mut acknowledged = self.n_acknowledged.subscribe();
        let until = *acknowledged.borrow() + n_more;
        if timeout(PATIENCE, acknowledged.wait_for(|n| until <= *n)).await.is_err() {
            bail!("the node acknowledges nothing any more");
        }
        Ok(())
    }

    async fn run(self, region: Arc<Region>) -> Result<Acknowledged> {
        let mut acknowledged = Acknowledged::new();
        while !self.stop.load(Ordering::Relaxed) {
            // A killed node is waited for; whatever was under way was not acknowledged.
            let Ok(mut clerk) = region.clerk().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let Ok(opened) = clerk.open_pool(lamps(1_000)).await else { continue };
            let Some(opened) = opened.into_inner().written else { continue };
            let id = opened.record.clone();
            self.note(&mut acknowledged, opened)?;
            for quantity in 1..=PLEDGES_PER_POOL {
                let request = MakePledgeRequest { pool: id.clone(), quantity, soft: false };
                let Ok(made) = clerk.make_pledge(request).await else { break };
                if let Some(written) = made.into_inner().written {
                    self.note(&mut acknowledged, written)?;
                }
            }
        }
        Ok(acknowledged)
    }

    fn note(&self, acknowledged: &mut Acknowledged, written: Written) -> Result<()> {
        let Written { record, index } = written;
        if let Some(earlier) = acknowledged.insert(index, record.clone()) {
            bail!("index {index} was acknowledged as {earlier} and again as {record}");
        }
        self.n_acknowledged.send_modify(|n| *n += 1);
        Ok(())
    }
}
