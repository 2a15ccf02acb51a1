//! `/register/regions`: how each neighbouring region is read.

use axum::{extract::State, http::HeaderMap, response::Response};
use serde_json::{Value, json};

use super::{Site, answer::answer};
use crate::metrics;

const MEDIA_TYPE: &str = "application/json";

/// `{"regions": [{"region", "name", "reading", "coordinator", "put_off", "status"}]}`, in ascending order of id: at most
/// 64, of 600 bytes and a name each.
pub(super) async fn regions(State(site): State<Site>, headers: HeaderMap) -> Response {
    metrics::page("regions");
    let all = site.feed.readings().all();
    let regions: Vec<Value> = all.iter().map(|(region, it)| it.json(*region)).collect();
    let body = json!({ "regions": regions }).to_string();
    answer(&headers, MEDIA_TYPE, body, None, site.feed.now())
}
