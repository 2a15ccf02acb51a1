//! What a drill sees: the answers of servers, and a place to wait for one.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use proto::v1::{
    Community, GetRegionRequest, Item, ListCasesRequest, SubscribeRequest,
    feed_service_client::FeedServiceClient, region_service_client::RegionServiceClient,
    subscribe_response::Event,
};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::ground::Seat;
use crate::demo::{process::Ready, summary::text};

/// How long something is waited for; on a quiet machine nothing takes a tenth of it.
const SEEN_WITHIN: Duration = Duration::from_secs(120);
/// How often it is looked for meanwhile.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The kinds of case in a register.
const KINDS: [&str; 4] = ["covenant", "opportunity", "pool", "poll"];
/// Cases asked for at one time.
const CASES_PER_PAGE: u32 = 1_000;
/// What a case shows only once its newest record has a receipt.
const FROM_RECEIPTS: [&str; 3] = ["provisional", "confirmed_at", "next_deadline"];

/// A register: every case as it is shown, by its id.
pub(super) type Register = BTreeMap<String, Value>;

/// Waits until a look finds what is looked for. A look that fails is a look in vain.
pub(super) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + SEEN_WITHIN;
    loop {
        let seen = look().await;
        if let Ok(Some(found)) = seen {
            return Ok(found);
        }
        if deadline < Instant::now() {
            return match seen {
                Err(error) => Err(error.context(format!("It was waited in vain {what}."))),
                Ok(_) => bail!("It was waited in vain {what}."),
            };
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Where a server answers this machine without TLS.
pub(super) fn plain(ready: &Ready) -> &str {
    ready.plain.as_deref().unwrap_or_default()
}

/// A channel to a server's plain port.
pub(super) async fn channel(ready: &Ready) -> Result<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", plain(ready)))?;
    endpoint.connect().await.context("A server's plain port cannot be reached.")
}

/// Everybody's log as a server holds it.
pub(super) async fn logs(ready: &Ready) -> Result<Vec<Community>> {
    let mut region = RegionServiceClient::new(channel(ready).await?);
    Ok(region.get_region(GetRegionRequest {}).await?.into_inner().communities)
}

/// Era and size of one log as a server holds it.
pub(super) async fn held(ready: &Ready, seat: &Seat) -> Result<(u32, u64)> {
    let logs = logs(ready).await?;
    let log = logs.iter().find(|it| it.id == seat.id);
    Ok(log.map(|it| (it.era, it.size)).unwrap_or_default())
}

/// Waits until a server holds so many records of a log's first era.
pub(super) async fn until_held(ready: &Ready, seat: &Seat, size: u64) -> Result<()> {
    let what = format!("until {} held {size} records of {}", plain(ready), seat.id);
    until(&what, async || Ok((size <= held(ready, seat).await?.1).then_some(()))).await
}

/// The register of a server: every case by its id.
pub(super) async fn register(ready: &Ready) -> Result<Register> {
    let mut client = RegionServiceClient::new(channel(ready).await?);
    let mut cases = BTreeMap::new();
    for kind in KINDS {
        let mut after = String::new();
        loop {
            let (kind, case_id) = (kind.to_owned(), String::new());
            let asked = ListCasesRequest { kind, case_id, after, limit: CASES_PER_PAGE };
            let page = client.list_cases(asked).await?.into_inner();
            let views = page.cases_json.iter().map(|it| serde_json::from_str(it));
            let views: Vec<Value> = views.collect::<Result<_, _>>()?;
            after = views.last().map(|it| text(it, "id")).unwrap_or_default();
            cases.extend(views.into_iter().map(|it| (text(&it, "id"), it)));
            if !page.more {
                break;
            }
        }
    }
    Ok(cases)
}

/// Every event that a coordinator's feed has told so far.
pub(super) async fn feed(ready: &Ready) -> Result<Vec<Item>> {
    let mut feed = FeedServiceClient::new(channel(ready).await?);
    let mut events = feed.subscribe(SubscribeRequest::default()).await?.into_inner();
    let mut items = Vec::new();
    while let Some(answer) = events.message().await? {
        match answer.event {
            Some(Event::Item(item)) => items.push(item),
            Some(Event::Heartbeat(_)) => break,
            Some(Event::Reset(_)) | None => {}
        }
    }
    Ok(items)
}

/// The cases of a register that were shown before the accident. Of those that still waited for a receipt then, what the receipt
/// brings is left out.
pub(super) fn comparable(register: &Register, then: &Register) -> Register {
    let both = then.iter().filter_map(|(id, before)| Some((id, before, register.get(id)?)));
    let comparable = both.map(|(id, before, case)| {
        let mut case = case.clone();
        let is_provisional = before.get("provisional") != Some(&Value::Bool(false));
        if let Some(members) = case.as_object_mut().filter(|_| is_provisional) {
            members.retain(|name, _| !FROM_RECEIPTS.contains(&name.as_str()));
        }
        (id.clone(), case)
    });
    comparable.collect()
}

/// How many cases there are of each kind in each state, and a digest of all that they say.
pub(super) fn summary(cases: &Register) -> Value {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for case in cases.values() {
        *counts.entry(text(case, "kind")).or_default().entry(text(case, "state")).or_default() += 1;
    }
    let polls = cases.values().filter(|it| text(it, "kind") == "poll");
    let polls: Vec<Value> = polls.map(poll_result).collect();
    json!({ "cases": counts, "polls": polls, "register": digest(cases) })
}

fn poll_result(poll: &Value) -> Value {
    let of = |at: &str| poll.pointer(at).cloned().unwrap_or_default();
    json!({ "state": of("/state"), "outcome": of("/outcome"), "counts": of("/sums/counts/by_option") })
}

/// A hash over every case as it is shown.
fn digest(cases: &Register) -> String {
    // A map of values is written in the order of its keys.
    tlog::leaf_hash(Value::from_iter(cases.clone()).to_string().as_bytes()).to_string()
}
