//! From a record that is durable on a node to the item at a subscriber of the coordinator.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use peer::{Role, dialler, folder::fresh_seed};
use proto::v1::{
    SubscribeRequest, SubscribeResponse, feed_service_client::FeedServiceClient,
    subscribe_response::Event,
};
use record::{Kind, LogName, Payload, RecordId, commitment::Salt};
use store::{Draft, Guard, Reference};
use tokio::{sync::broadcast, time::timeout};
use transport::{DialLimits, Expect, dial_anonymous};

use crate::{
    Scale, author, ingest, meter,
    report::{Limit, Report},
    site::{Running, Site, charter},
};

/// Pledges, one after the other.
const N_PLEDGES: usize = 1_000;
/// Pledges to one pool.
const PLEDGES_PER_POOL: usize = 20;
/// What the median may take, in fsyncs of the same minute.
const MOST_FSYNCS: f64 = 5.0;
/// An item that takes longer does not come at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real node, a real coordinator and a subscriber over TLS, in one process.
pub async fn measure(scale: Scale, report: &mut Report) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node_folder = author::found(&folder.path().join("node"))?;
    let founders = [node_folder.community()?];
    let site = Site::open(&folder.path().join("coordinator"), &founders).await?;
    let charter = charter(&founders, site.seat())?;
    let mut node = Running::open(&node_folder, charter, Role::Node).await?;
    node.spawn(dialler::keep_linked(node.peer.clone(), site.seat()));
    let mut items = subscribe(&site).await?;
    let mut flushed = meter::Flushed::create(folder.path())?;
    let (mut times, mut held_times, mut fsync_times) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..scale.of(N_PLEDGES, PLEDGES_PER_POOL)).step_by(PLEDGES_PER_POOL) {
        let region = node.peer.charter().region;
        let pool = write(&node, &ingest::pool(region), Vec::new()).await?;
        until_told(&mut items, pool).await?;
        for number in 0..PLEDGES_PER_POOL {
            let payload = ingest::pledge((first + number) as u64 + 1);
            let pledge = write(&node, &payload, vec![Reference::Record(pool)]).await?;
            let durable = Instant::now();
            let mut commits = site.running.peer.store().commits();
            let held = async {
                until_held(&mut commits, node.peer.own_log()).await?;
                anyhow::Ok(durable.elapsed())
            };
            let told = async {
                until_told(&mut items, pledge).await?;
                Ok(durable.elapsed())
            };
            let (held, told) = tokio::try_join!(held, told)?;
            held_times.push(held);
            times.push(told);
            // In between, because the disk changes from second to second.
            fsync_times.push(flushed.time()?);
        }
    }
    let (p50, p99) = (meter::quantile(&mut times, 0.5), meter::quantile(&mut times, 0.99));
    let fsync = meter::quantile(&mut fsync_times, 0.5);
    node.close().await?;
    site.running.close().await?;
    let millis = |it: Duration| it.as_secs_f64() * 1e3;
    report.add("propagation: fsync of 4 KiB, p50", millis(fsync), "ms", Limit::None);
    let held_p50 = meter::quantile(&mut held_times, 0.5);
    report.add(
        "propagation: durable to held by the coordinator, p50",
        millis(held_p50),
        "ms",
        Limit::None,
    );
    report.add("propagation: durable to item, p50", millis(p50), "ms", Limit::None);
    report.add("propagation: durable to item, p99", millis(p99), "ms", Limit::None);
    let ratio = millis(p50) / millis(fsync);
    report.add("propagation: p50, in fsyncs", ratio, "fsyncs", Limit::AtMost(MOST_FSYNCS));
    Ok(())
}

async fn write(node: &Running, payload: &Payload, references: Vec<Reference>) -> Result<RecordId> {
    let draft = Draft {
        kind: Kind::from(payload.kind()),
        payload: proto::payload::encode(payload),
        salt: Salt(*fresh_seed()?),
        references,
    };
    let written = node.peer.store().append(vec![draft], Guard::MustCount).await?;
    Ok(written.first().context("a record")?.id)
}

async fn subscribe(site: &Site) -> Result<tonic::Streaming<SubscribeResponse>> {
    let expect = Expect::AnyEd25519;
    let dialled = dial_anonymous(&site.address.to_string(), expect, DialLimits::default()).await?;
    let mut client = FeedServiceClient::new(dialled.channel);
    Ok(client.subscribe(SubscribeRequest::default()).await?.into_inner())
}

/// Waits for a commit of the coordinator that holds the newest head of this log.
async fn until_held(
    commits: &mut broadcast::Receiver<Arc<store::Commit>>,
    log: LogName,
) -> Result<()> {
    let held = async {
        while !commits.recv().await?.heads.iter().any(|head| head.name == log) {}
        Ok(())
    };
    timeout(PATIENCE, held).await.context("the record came")?
}

/// Reads until an item comes that this record caused.
async fn until_told(
    items: &mut tonic::Streaming<SubscribeResponse>,
    record: RecordId,
) -> Result<()> {
    let record = record.to_string();
    let told = async {
        loop {
            let response = items.message().await?.context("the coordinator ended the feed")?;
            if let Some(Event::Item(item)) = response.event
                && item.causes.iter().any(|cause| cause.record == record)
            {
                return Ok(());
            }
        }
    };
    timeout(PATIENCE, told).await.context("the item came")?
}
