//! Two regions of real processes: `kill -9` of the coordinator that reads its neighbour, again and again while it reads;
//! and what a clerk writes there, as a reader of OCDS sees it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a panic is the failure report"
)]

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use folkmoot_tests::{
    args,
    process::{PATIENCE, Server, program, run_json},
    region::{Region, Seat, lamps, page},
};
use proto::{
    clerk::MakePledgeRequest,
    v1::{
        SubscribeRequest, SubscribeResponse, feed_service_client::FeedServiceClient,
        subscribe_response::Event,
    },
};
use serde_json::Value;
use tokio::time::timeout;
use tonic::{Streaming, transport::Channel};

/// How often the reader is killed.
const N_KILLS: usize = 6;
/// Pools of the neighbour, each of which makes this many items.
const N_POOLS: usize = 60;
const ITEMS_PER_POOL: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_killed_while_it_reads_its_neighbour_loses_no_item_doubles_none_and_sums_the_same()
{
    let folder = tempfile::tempdir().expect("a folder");
    program().expect("it is built");
    timeout(PATIENCE, killed_while_it_reads(folder.path()))
        .await
        .expect("in time")
        .expect("it holds");
}

async fn killed_while_it_reads(folder: &Path) -> Result<()> {
    let folders = ["here", "there"].map(|it| folder.join(it));
    folders.iter().try_for_each(std::fs::create_dir)?;
    let (here, there) = (Region::found(&folders[0]).await?, Region::found(&folders[1]).await?);
    let told = there.start(Seat::Coordinator).await?;
    let writer = there.start(Seat::Node).await?;
    let region = region_of(&told).await?;
    let config = folders[0].join("coordinator.toml");
    let neighbour = format!(
        "[[neighbours]]\nregion = \"{region}\"\naddresses = [\"{}\"]\n",
        there.coordinator_address()
    );
    std::fs::write(&config, neighbour)?;
    let reader = args!["--config", config];
    // Half is there from the start, half comes while it is killed.
    write_pools(&there, N_POOLS / 2).await?;
    let mut reading = here.start_with(Seat::Coordinator, &reader).await?;
    let writing = write_pools(&there, N_POOLS - N_POOLS / 2);
    let killing = async {
        for number in 0..N_KILLS {
            // Not always at the same point of what is taken together.
            n_told(&reading, &region, 1 + number * 17).await?;
            reading.kill().await?;
            reading = here.start_with(Seat::Coordinator, &reader).await?;
        }
        anyhow::Ok(reading)
    };
    let ((), reading) = tokio::try_join!(writing, killing)?;

    let n_items = N_POOLS * ITEMS_PER_POOL;
    for server in [&told, &reading] {
        n_told(server, &region, n_items).await?;
    }
    let [at_home, read] = [all_told(&told, &region).await?, all_told(&reading, &region).await?];
    ensure!(at_home.len() == n_items && read == at_home, "the items differ");
    let kept = page(&reading.plain, "/feed.json?region=all").await?;
    ensure!(kept["items"].as_array().is_some_and(|it| !it.is_empty()), "{kept}");
    let (ours, theirs) = (sums(&reading, &region).await?, sums(&told, &region).await?);
    ensure!(ours == theirs, "{ours} is not {theirs}");
    ensure!(ours.to_string().contains(&format!("\"records\":{N_POOLS}")), "{ours}");
    for server in [reading, told, writer] {
        ensure!(server.stop().await?, "it ends well");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clerk_publishes_is_in_the_register_in_the_feed_and_a_valid_ocds_release() {
    let folder = tempfile::tempdir().expect("a folder");
    program().expect("it is built");
    timeout(PATIENCE, published(folder.path())).await.expect("in time").expect("it holds");
}

async fn published(folder: &Path) -> Result<()> {
    let region = Region::found_with(folder, "ocid_prefix = \"ocds-a1b2c3\"").await?;
    let coordinator = region.start(Seat::Coordinator).await?;
    let node = region.start(Seat::Node).await?;
    let dir = region.dir(Seat::Node);
    let clerk = async |words: &[&str]| {
        let own = args!["server-node", "opportunity", "--dir", &dir];
        let words: Vec<_> = words.iter().map(std::ffi::OsString::from).collect();
        run_json(&[&own[..], &words].concat()).await
    };
    let open = ["open", "--title", "Roof of the baths", "--ends", "30d", "--value", "12000.00"];
    let opened =
        clerk(&[&open[..], &["--cpv", "45261210", "--place", "E07000223:2023"]].concat()).await?;
    let id = opened["record"].as_str().context("an id")?;
    let ocid = format!("ocds-a1b2c3-{id}");
    ensure!(opened["ocid"] == ocid, "{opened}");
    clerk(&["update", id, "--stage", "awarded"]).await?;

    let shown = loop {
        let shown = page(&coordinator.plain, "/register/opportunities").await?;
        if shown["cases"][0]["state"] == "awarded" {
            break shown["cases"][0].clone();
        }
        tokio::task::yield_now().await;
    };
    ensure!((&shown["id"], &shown["ocid"]) == (&id.into(), &ocid.as_str().into()), "{shown}");
    ensure!(shown["title"] == "Roof of the baths", "{shown}");
    let feed = page(&coordinator.plain, "/feed.json?kind=opportunity").await?;
    let told: Vec<&Value> = feed["items"].as_array().context("items")?.iter().collect();
    ensure!(told.len() == 2 && told.iter().all(|it| it["_folkmoot"]["case"] == id), "{feed}");

    let package = page(&coordinator.plain, "/ocds/releases").await?;
    let stages: Vec<&Value> = package["releases"]
        .as_array()
        .context("releases")?
        .iter()
        .map(|it| &it["tag"][0])
        .collect();
    ensure!(stages == ["tender", "award"], "{package}");
    let file = folder.join("releases.json");
    std::fs::write(&file, package.to_string())?;
    let checked = run_json(&args!["ocds", "check", file]).await?;
    let totals = &checked["totals"];
    ensure!((&totals["releases"], &totals["accepted"]) == (&2.into(), &2.into()), "{checked}");
    for server in [node, coordinator] {
        ensure!(server.stop().await?, "it ends well");
    }
    Ok(())
}

/// The region that a server is of.
async fn region_of(server: &Server) -> Result<String> {
    let page = page(&server.plain, "/.well-known/folkmoot/region").await?;
    Ok(page["region"].as_str().context("a region")?.to_owned())
}

/// Opens pools one after another, each with a pledge that meets its threshold.
async fn write_pools(region: &Region, n_pools: usize) -> Result<()> {
    let mut clerk = region.clerk().await?;
    for _ in 0..n_pools {
        let opened = clerk.open_pool(lamps(2)).await?.into_inner().written.context("a pool")?;
        let request = MakePledgeRequest { pool: opened.record, quantity: 2, soft: false };
        clerk.make_pledge(request).await?;
    }
    Ok(())
}

/// Waits until a server's feed has so many items of a region; none comes twice.
async fn n_told(server: &Server, region: &str, n_items: usize) -> Result<()> {
    let (mut events, mut seen) = (subscribed(server, region).await?, BTreeSet::new());
    while seen.len() < n_items {
        if let Some(Event::Item(item)) = next(&mut events).await? {
            ensure!(seen.insert(item.id.clone()), "{} came twice", item.id);
        }
    }
    Ok(())
}

/// The ids of all items of a region that a server's feed has; none comes twice.
async fn all_told(server: &Server, region: &str) -> Result<BTreeSet<String>> {
    let (mut events, mut seen) = (subscribed(server, region).await?, BTreeSet::new());
    loop {
        match next(&mut events).await? {
            Some(Event::Item(item)) => {
                ensure!(seen.insert(item.id.clone()), "{} came twice", item.id);
            }
            Some(Event::Heartbeat(_)) => return Ok(seen),
            Some(Event::Reset(_)) | None => {}
        }
    }
}

/// A region's items at a server, from the beginning.
async fn subscribed(server: &Server, region: &str) -> Result<Streaming<SubscribeResponse>> {
    let channel = Channel::from_shared(format!("http://{}", server.plain))?.connect().await?;
    let regions = vec![region.to_owned()];
    let request = SubscribeRequest { regions, ..SubscribeRequest::default() };
    Ok(FeedServiceClient::new(channel).subscribe(request).await?.into_inner())
}

async fn next(events: &mut Streaming<SubscribeResponse>) -> Result<Option<Event>> {
    let Some(SubscribeResponse { event }) = events.message().await? else {
        bail!("the feed ended");
    };
    Ok(event)
}

/// What a region's cases add up to at a server.
async fn sums(server: &Server, region: &str) -> Result<Value> {
    Ok(page(&server.plain, &format!("/sums.json?region={region}")).await?["figures"].clone())
}
