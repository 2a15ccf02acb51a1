//! Pages over HTTP, plain or over TLS: bounded in size and time. Nothing that comes is believed.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use record::LogName;
use runtime::exit::Exit;
use tonic::{body::Body, transport::Channel};
use transport::DialError;

use super::source::Fetched;
use crate::Failure;

/// For the connection: what a very bad line needs.
const CONNECT_TIME_OUT: Duration = Duration::from_secs(10);
/// For a whole page: 2 MiB at 100 KiB/s, and half as much again.
const PAGE_TIME_OUT: Duration = Duration::from_secs(30);

/// Fetches pages below one address, over connections that are kept.
#[derive(Debug)]
pub(super) struct Http {
    line: Line,
    root: String,
}

/// What carries questions and answers.
#[derive(Debug)]
enum Line {
    /// Plain HTTP/1.1.
    Plain(Box<Client<HttpConnector, Empty<Bytes>>>),
    /// HTTP/2 over TLS, to a server whose key is pinned: the connection that gRPC calls take, too.
    Pinned(Channel),
}

impl Http {
    /// Pages below this `http://` address.
    pub(super) fn plain(root: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME_OUT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { line: Line::Plain(Box::new(client)), root }
    }

    /// Pages below this `https://` address, to whose server the channel leads.
    pub(super) fn pinned(root: String, channel: Channel) -> Self {
        Self { line: Line::Pinned(channel), root }
    }

    /// The pages of another log at the same server.
    pub(super) fn sibling(&self, log: LogName) -> Self {
        let site = self.site();
        let line = match &self.line {
            Line::Plain(client) => Line::Plain(client.clone()),
            Line::Pinned(channel) => Line::Pinned(channel.clone()),
        };
        Self { line, root: format!("{site}/log/{log}") }
    }

    /// The address of the server: what stands before its logs.
    fn site(&self) -> &str {
        self.root.rsplit_once("/log/").map_or(self.root.as_str(), |(site, _)| site)
    }

    /// A page of at most this size that is not one of a log.
    pub(super) async fn fetch_beside_logs(
        &self,
        path: &str,
        max_bytes: usize,
    ) -> Result<Fetched, Failure> {
        self.fetch_within(&format!("{}/{path}", self.site()), max_bytes).await
    }

    /// The address of the pages.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// One page of at most this size.
    pub(super) async fn fetch(&self, path: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        self.fetch_within(&format!("{}/{path}", self.root), max_bytes).await
    }

    async fn fetch_within(&self, url: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        let fetching = self.fetch_url(url, max_bytes);
        let fetched = tokio::time::timeout(PAGE_TIME_OUT, fetching).await;
        let too_slow = || unreachable(url, "it did not answer in time");
        fetched.ok().ok_or_else(too_slow)?
    }

    async fn fetch_url(&self, url: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        let answer = self.get(url).await?;
        let status = answer.status();
        match status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Fetched::Absent),
            StatusCode::GONE => return Ok(Fetched::Erased),
            StatusCode::FORBIDDEN | StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS => {
                return Ok(Fetched::Withheld);
            }
            _ if status.is_server_error() => {
                return Err(unreachable(url, &format!("it answered {status}")));
            }
            _ => {
                let detail = format!(
                    "{url} answered {status}, which no page of a log does. Nothing was verified. \
                     Check the address and the port."
                );
                return Err(Failure::new(Exit::Failed, "page.refused", detail));
            }
        }
        match Limited::new(answer.into_body(), max_bytes).collect().await {
            Ok(body) => Ok(Fetched::Found(body.to_bytes().to_vec())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large(url, max_bytes)),
            Err(error) => Err(unreachable(url, &error.to_string())),
        }
    }

    /// The answer to a question for one page.
    async fn get(&self, url: &str) -> Result<Response<Body>, Failure> {
        let uri = url.parse::<Uri>().map_err(|error| unreachable(url, &error.to_string()))?;
        match &self.line {
            Line::Plain(client) => {
                let answer = client.get(uri).await.map_err(|error| lost(url, &error))?;
                Ok(answer.map(Body::new))
            }
            Line::Pinned(channel) => {
                transport::get(channel, uri).await.map_err(|error| lost(url, &error))
            }
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

/// No answer came. A server that came back with another key is not tried again.
fn lost(url: &str, error: &dyn Error) -> Failure {
    let other = causes(error).find_map(|it| it.downcast_ref::<DialError>());
    if let Some(other @ DialError::WrongKey { .. }) = other {
        let detail = format!("{other} {url} was not read, and nothing was verified.");
        return Failure::does_not_hold("key.other", detail);
    }
    let mut said = error.to_string();
    causes(error).for_each(|it| said.push_str(&format!(": {it}")));
    unreachable(url, &said)
}

/// What caused an error, the nearest first.
fn causes(error: &dyn Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |it| (**it).source())
}

#[cfg(test)]
mod tests {
    use runtime::stop::StopSignal;
    use tokio::{net::TcpListener, task::JoinHandle};
    use transport::{DialLimits, Expect, Limits, ServerTls, TransportKey, dial_anonymous};

    use super::*;

    /// A server without any page.
    fn serve(listener: TcpListener, seed: u8, stop: &StopSignal) -> JoinHandle<()> {
        let app = tonic::service::Routes::default().into_axum_router().reset_fallback();
        let tls = ServerTls::new(&TransportKey::from_seed([seed; 32]), None).unwrap();
        let stopped = stop.stopped();
        tokio::spawn(async move {
            transport::serve(listener, tls, app, Limits::default(), stopped).await.unwrap();
        })
    }

    async fn fetched_after_a_restart_under(seed: u8) -> Result<Fetched, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = StopSignal::new();
        let serving = serve(listener, 1, &stop);
        let dialling =
            dial_anonymous(&address.to_string(), Expect::AnyEd25519, DialLimits::default()).await;
        let http = Http::pinned(format!("https://{address}"), dialling.unwrap().channel);
        assert_eq!(http.fetch("page", 9).await, Ok(Fetched::Absent));
        stop.stop();
        serving.await.unwrap();
        let stop = StopSignal::new();
        let listener = TcpListener::bind(address).await.unwrap();
        let serving = serve(listener, seed, &stop);
        let fetched = http.fetch("page", 9).await;
        stop.stop();
        serving.await.unwrap();
        fetched
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_read_on_only_under_its_key() {
        assert_eq!(fetched_after_a_restart_under(1).await, Ok(Fetched::Absent));
        let other = fetched_after_a_restart_under(2).await.unwrap_err();
        assert_eq!((other.reason(), other.exit()), ("key.other", Exit::Verification));
        assert!(other.to_string().contains("nothing was verified"), "{other}");
    }
}
