//! `/register/logs`: how coordinators treat logs, and the newest index of each.

use std::collections::BTreeMap;

use axum::{extract::State, http::HeaderMap, response::Response};
use peer::{links::ToldStanding, pages::Problem};
use record::{CommunityId, payload::Status};
use serde_json::{Value, json};

use super::{Site, answer::answer};
use crate::metrics;

/// The most logs on the page that are treated otherwise than well: each takes about 500 bytes, together half a MiB.
const MAX_STANDINGS: usize = 1_000;

/// `{"standings": […], "more", "indexes": {…}}`: of every coordinator that is or was seated.
pub(super) async fn standings(
    State(site): State<Site>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    metrics::page("standings");
    let (peer, store) = (site.feed.peer(), site.feed.peer().store());
    let seated = peer.region().coordinators();
    let statuses = store.statuses().await?.into_iter().filter(|(by, _)| seated.contains(by));
    let mut shown: Vec<Value> = statuses.filter_map(|(by, it)| standing_json(by, &it)).collect();
    let has_more = MAX_STANDINGS < shown.len();
    shown.truncate(MAX_STANDINGS);
    let mut indexes = BTreeMap::new();
    let newest = store.newest_indexes().await?;
    for (by, made_at) in newest.into_iter().filter(|(by, _)| seated.contains(by)) {
        let map = store.index_of(by).await?;
        let index =
            json!({ "root": map.root().to_string(), "logs": map.len(), "made_at": made_at });
        indexes.insert(by.to_string(), index);
    }
    let body = json!({ "standings": shown, "more": has_more, "indexes": indexes }).to_string();
    Ok(answer(&headers, "application/json", body, None, site.feed.now()))
}

/// One log that is not treated well; `None` for one that is.
fn standing_json(coordinator: CommunityId, status: &Status) -> Option<Value> {
    let ToldStanding { standing, reason, since, until, detail } = ToldStanding::of(status)?;
    Some(json!({
        "coordinator": coordinator, "log": status.log.to_string(), "standing": standing,
        "reason": reason, "since": since, "until": until, "detail": detail,
    }))
}
