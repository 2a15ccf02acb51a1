//! Pages over plain HTTP: bounded in size and time. Nothing that comes is believed.

use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use runtime::exit::Exit;

use super::source::Fetched;
use crate::Failure;

/// For the connection: what a very bad line needs.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(10);
/// For a whole page: 2 MiB at 100 KiB/s, and half as much again.
const PAGE_TIME_OUT: Duration = Duration::from_secs(30);

/// Fetches pages below one address, over connections that are kept.
#[derive(Debug)]
pub(super) struct Http {
    client: Client<HttpConnector, Empty<Bytes>>,
    root: String,
}

impl Http {
    /// Pages below this address; `None` if it is none.
    pub(super) fn new(root: &str) -> Option<Self> {
        root.parse::<Uri>().ok().filter(|it| it.host().is_some_and(|host| !host.is_empty()))?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME_OUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Some(Self { client, root: root.to_owned() })
    }

    /// One page of at most this size.
    pub(super) async fn fetch(&self, path: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        let url = format!("{}/{path}", self.root);
        let fetching = self.fetch_url(&url, max_bytes);
        let fetched = tokio::time::timeout(PAGE_TIME_OUT, fetching).await;
        let too_slow = || unreachable(&url, "it did not answer in time");
        fetched.ok().ok_or_else(too_slow)?
    }

    async fn fetch_url(&self, url: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        let uri: Uri = url.parse().map_err(|error| unreachable(url, &format!("{error}")))?;
        let answer =
            self.client.get(uri).await.map_err(|error| unreachable(url, &with_causes(&error)))?;
        let status = answer.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Fetched::Absent),
            StatusCode::GONE => return Ok(Fetched::Erased),
            _ if status.is_server_error() => {
                return Err(unreachable(url, &format!("it answered {status}")));
            }
            _ => {
                let detail = format!("{url} answered {status}. Nothing was verified.");
                return Err(Failure::new(Exit::Failed, "page.refused", detail));
            }
        }
        match Limited::new(answer.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(Fetched::Found(body.to_bytes().to_vec())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(url, max_bytes)),
            Err(error) => Err(unreachable(url, &error.to_string())),
        }
    }
}

/// A page that exceeds its limit cannot be what it should be.
pub(super) fn too_large(what: &str, max_bytes: usize) -> Failure {
    let detail = format!("{what} has more than {max_bytes} bytes, which is the limit.");
    Failure::does_not_hold("page.too_large", detail)
}

fn unreachable(url: &str, why: &str) -> Failure {
    let detail = format!("Could not read {url}: {why}. Nothing was found wrong; try again later.");
    Failure::new(Exit::Unavailable, "page.unreachable", detail)
}

/// The error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
