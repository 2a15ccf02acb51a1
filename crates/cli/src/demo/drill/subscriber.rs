//! A subscriber: `folkmoot follow` with a cursor file, which goes on by the region's certificate alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Result;
use proto::v1::Item;
use runtime::{exit::Exit, stop::StopSignal};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::ground::Seat;
use crate::{
    Captured, Console, Failure,
    demo::summary::text,
    follow::{self, Options},
};

/// Somebody who reads a feed for ever.
#[derive(Debug)]
pub(super) struct Subscriber {
    captured: Captured,
    stop: StopSignal,
    following: JoinHandle<Result<Exit, Failure>>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Subscriber {
    /// Begins to follow a coordinator.
    pub(super) fn follow(coordinator: &Seat, cursor: &Path) -> Result<Self> {
        let options = Options {
            url: coordinator.address(),
            cursor: Some(cursor.to_path_buf()),
            kind: Vec::new(),
            place: Vec::new(),
            region: Vec::new(),
            key: Some(coordinator.id.parse().map_err(anyhow::Error::msg)?),
            json: true,
            once: false,
        };
        let (console, captured) = Console::captured();
        let stop = StopSignal::new();
        let told = stop.clone();
        let following =
            tokio::spawn(async move { follow::follow(&options, &console, &told).await });
        Ok(Self { captured, stop, following })
    }

    /// Everything that it was told, in order.
    pub(super) fn told(&self) -> Vec<Value> {
        let answers = self.captured.answers();
        // The last line may not be whole yet.
        answers.lines().filter_map(|it| serde_json::from_str(it).ok()).collect()
    }

    /// The ids of everything that it was told.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        self.told().iter().map(|it| text(it, "id")).collect()
    }

    /// What it was told beside the events.
    pub(super) fn remarks(&self) -> String {
        self.captured.remarks()
    }

    /// Stops it in order.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.stop.stop();
        (&mut self.following).await??;
        Ok(())
    }
}

/// Events in a feed that nobody told the subscriber.
pub(super) fn n_gaps(feed: &[Item], told: &BTreeSet<String>) -> u64 {
    feed.iter().filter(|it| !told.contains(&it.id)).count() as u64
}

/// How often one transition of a case, by the same causes, was told under more than one id.
pub(super) fn n_doubles(told: &[Value]) -> u64 {
    let mut ids: BTreeMap<(String, String, String), BTreeSet<String>> = BTreeMap::new();
    for item in told {
        let causes = item.get("causes").map(Value::to_string).unwrap_or_default();
        let event = (text(item, "case_id"), text(item, "transition"), causes);
        ids.entry(event).or_default().insert(text(item, "id"));
    }
    ids.values().map(|ids| ids.len().saturating_sub(1) as u64).sum()
}
