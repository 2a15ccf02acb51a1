//! The public pages of a server, fetched over the connection that gRPC calls take. Bounded in size and time.

use std::{future::poll_fn, time::Duration};

use axum::body::to_bytes;
use http::{Request, StatusCode};
use record::{
    LogName,
    commitment::Salt,
    limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES},
    verified::Content,
};
use tlog::{
    note::MAX_NOTE_BYTES,
    tile::{BundleRef, FULL_WIDTH, decode_bundle},
};
use tonic::{body::Body, client::GrpcService, transport::Channel};

use super::source::SourceError;

/// The largest page of entries: 256 headers behind their lengths.
const MAX_ENTRIES_BYTES: usize = 256 * (2 + MAX_HEADER_BYTES);
/// The largest page of a payload: salt and payload.
const MAX_PAYLOAD_PAGE_BYTES: usize = 32 + MAX_PAYLOAD_BYTES;
/// Payloads asked for at once: enough to hide the way there and back, few for any server.
const N_PAYLOADS_AT_ONCE: u64 = 16;
/// For a whole page: 2 MiB at 100 KiB/s, and half as much again.
const PAGE_TIME_OUT: Duration = Duration::from_secs(30);

/// The pages below one address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pages {
    address: String,
    channel: Channel,
}

impl Pages {
    pub(super) fn new(address: &str, channel: Channel) -> Self {
        Self { address: address.to_owned(), channel }
    }

    pub(super) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    pub(super) async fn checkpoint(&self, log: LogName) -> Result<Option<Vec<u8>>, SourceError> {
        self.fetch(log, "checkpoint", MAX_NOTE_BYTES).await
    }

    /// The headers from `start`, a multiple of 256, to before `end` at least, of a log of this size.
    pub(super) async fn headers(
        &self,
        log: LogName,
        (start, end): (u64, u64),
        size: u64,
    ) -> Result<Vec<Vec<u8>>, SourceError> {
        let number = start / u64::from(FULL_WIDTH);
        let wrong = |what: String| SourceError::Wrong { place: self.address.clone(), what };
        // As wide as it may be at the server: its log may have grown since, and then it is full.
        let partial = BundleRef::at_size(number, size.max(end));
        let full = BundleRef::new(number, FULL_WIDTH).ok();
        for bundle in partial.into_iter().chain(full) {
            let Some(page) = self.fetch(log, &bundle.path(), MAX_ENTRIES_BYTES).await? else {
                continue;
            };
            let entries = decode_bundle(bundle.width(), &page);
            let entries = entries.map_err(|error| wrong(error.to_string()))?;
            return Ok(entries.into_iter().map(<[u8]>::to_vec).collect());
        }
        Ok(Vec::new())
    }

    pub(super) async fn contents(
        &self,
        log: LogName,
        (start, end): (u64, u64),
    ) -> Result<Vec<Option<Content>>, SourceError> {
        let mut found = Vec::new();
        let mut first = start;
        while first < end {
            let last = end.min(first.saturating_add(N_PAYLOADS_AT_ONCE));
            let asked: Vec<_> = (first..last)
                .map(|index| {
                    let pages = self.clone();
                    tokio::spawn(async move {
                        pages.fetch(log, &format!("payload/{index}"), MAX_PAYLOAD_PAGE_BYTES).await
                    })
                })
                .collect();
            for answer in asked {
                let answer = answer.await.map_err(|error| self.unreachable(error))?;
                found.push(answer?.and_then(|page| content_of(&page)));
            }
            first = last;
        }
        Ok(found)
    }

    fn unreachable(&self, what: impl ToString) -> SourceError {
        SourceError::Unreachable { place: self.address.clone(), what: what.to_string() }
    }

    /// One page of at most this size; `None` if it is not there, or was erased.
    async fn fetch(
        &self,
        log: LogName,
        path: &str,
        max_bytes: usize,
    ) -> Result<Option<Vec<u8>>, SourceError> {
        let LogName { community, era } = log;
        let uri = format!("https://{}/log/{community}/{era}/{path}", self.address);
        let fetched = tokio::time::timeout(PAGE_TIME_OUT, self.get(&uri, max_bytes)).await;
        fetched.map_err(|_elapsed| self.unreachable("it did not answer in time"))?
    }

    async fn get(&self, uri: &str, max_bytes: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let mut channel = self.channel.clone();
        let ready = poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context));
        ready.await.map_err(|error| self.unreachable(error))?;
        let question = Request::get(uri).body(Body::empty());
        let question = question.map_err(|error| self.unreachable(error))?;
        let answer = channel.call(question).await.map_err(|error| self.unreachable(error))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => return Err(self.unreachable(format!("it answered {status}"))),
        }
        let body = to_bytes(axum::body::Body::new(answer.into_body()), max_bytes).await;
        body.map(|it| Some(it.to_vec())).map_err(|error| self.unreachable(error))
    }
}

fn content_of(page: &[u8]) -> Option<Content> {
    let (salt, payload) = page.split_first_chunk::<32>()?;
    Some(Content { salt: Salt(*salt), payload: payload.to_vec() })
}
