//! The pages of a coordinator. Everything is public and read only; every page is bounded.
//!
//! | path | what |
//! |---|---|
//! | `/` | what is where, for people |
//! | `/feed.json`, `/feed.atom` | the newest items; `?kind=`, `?place=` and `?region=`, repeatable; `next_url` leads to older ones |
//! | `/sums.json` | what cases add up to, over distinct records; `?region=`, repeatable |
//! | `/register/<covenants, opportunities, pools, polls>` | the cases of a kind; `?after=fmr1…&limit=` |
//! | `/register/<kind>/<id>` | one case |
//! | `/register/logs` | logs that a coordinator throttles or withholds, and why; the newest indexes |
//! | `/register/regions` | neighbouring regions: whether each is read, and what is not, in words |
//! | `/ocds/releases` | an OCDS 1.1.5 release package; `links.next` leads on |

mod answer;
mod feeds;
mod index;
mod ocds;
mod regions;
mod register;
mod standings;
mod sums;

use std::{str::FromStr, sync::Arc};

use axum::{
    Router,
    extract::{FromRequestParts, Query},
    http::{StatusCode, header, request::Parts},
    routing::get,
};
use peer::{Config, PeerError, pages::Problem};
use store::RegisterMark;
use tokio::sync::Semaphore;

use crate::feed::Feed;

/// What the operator set for the pages.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The address that links begin with; the request's own host when absent.
    pub public_url: Option<String>,
    /// The OCDS prefix of pools where the region's charter has none; without either they are not exported.
    pub ocds_prefix: Option<String>,
}

impl Settings {
    /// The settings in a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { public_url: config.public_url.clone(), ocds_prefix: config.ocds_prefix.clone() }
    }
}

/// What every page needs.
#[derive(Debug, Clone)]
struct Site {
    feed: Feed,
    settings: Settings,
    /// Places for OCDS packages that are being written.
    packages: Arc<Semaphore>,
    /// The sums as they were last made.
    sums: Arc<sums::KeptSums<RegisterMark>>,
}

/// The pages of a coordinator, beside those that every peer has.
pub fn pages(feed: Feed, settings: Settings) -> Router {
    Router::new()
        .route("/", get(index::index))
        .route("/feed.json", get(feeds::json))
        .route("/feed.atom", get(feeds::atom))
        .route("/register/logs", get(standings::standings))
        .route("/register/regions", get(regions::regions))
        .route("/register/{register}", get(register::cases))
        .route("/register/{register}/{id}", get(register::case))
        .route("/ocds/releases", get(ocds::releases))
        .route("/sums.json", get(sums::sums))
        .with_state(Site {
            feed,
            settings,
            packages: Arc::new(Semaphore::new(ocds::MAX_PACKAGES)),
            sums: Arc::default(),
        })
}

/// The host that links begin with, if the operator set none.
const NAMELESS_HOST: &str = "localhost";
/// The longest host name (RFC 1035, 255 bytes) and a port.
const MAX_HOST_BYTES: usize = 255 + 6;

/// The address at which a page was asked for, and what was asked.
#[derive(Debug)]
struct Asked {
    base: String,
    pairs: Vec<(String, String)>,
}

impl FromRequestParts<Site> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Problem> {
        let base = site.settings.public_url.clone().unwrap_or_else(|| base_of(parts));
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, site)
            .await
            .ok()
            .ok_or_else(|| bad_request("The part of the address after `?` cannot be read."))?;
        Ok(Self { base, pairs: pairs.0 })
    }
}

impl Asked {
    /// Every value of a key.
    fn all(&self, key: &str) -> Vec<String> {
        let of_key = self.pairs.iter().filter(|(name, value)| name == key && !value.is_empty());
        of_key.map(|(_, value)| value.clone()).collect()
    }

    /// The value of a key, if it is given.
    ///
    /// # Errors
    ///
    /// 400 if it is given twice or cannot be read.
    fn one<T: FromStr>(&self, key: &str) -> Result<Option<T>, Problem> {
        match self.all(key).as_slice() {
            [] => Ok(None),
            [value] => {
                let wrong = || bad_request(&format!("The value of `{key}` cannot be read."));
                value.parse().map(Some).ok().ok_or_else(wrong)
            }
            _ => Err(bad_request(&format!("`{key}` is given more than once."))),
        }
    }
}

/// Scheme and host of a request. HTTP/1 does not say the scheme: a loopback host is taken for the plain port.
fn base_of(parts: &Parts) -> String {
    let named = parts.headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let host = parts.uri.authority().map(|it| it.as_str()).or(named);
    let host = host.filter(|it| is_host(it)).unwrap_or(NAMELESS_HOST);
    let loopback = ["localhost", "127.0.0.1", "[::1]"];
    let is_loopback = loopback.iter().any(|it| {
        host.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    });
    let scheme = match parts.uri.scheme_str() {
        Some(scheme @ ("http" | "https")) => scheme,
        _ if is_loopback => "http",
        _ => "https",
    };
    format!("{scheme}://{host}")
}

fn is_host(text: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    (1..=MAX_HOST_BYTES).contains(&text.len()) && text.bytes().all(sound)
}

fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "page.query", detail)
}

/// A failure here that the reader can only wait out.
fn unavailable(error: &PeerError) -> Problem {
    tracing::error!(%error, "a page could not be made");
    let detail = "The page could not be made. Try again later.";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "page.unavailable", detail)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn base(host: &str, uri: &str) -> String {
        let request = Request::builder().uri(uri).header("host", host).body(()).unwrap();
        base_of(&request.into_parts().0)
    }

    #[test]
    fn links_begin_with_the_host_that_was_asked() {
        assert_eq!(base("c.example", "/feed.json"), "https://c.example");
        assert_eq!(base("127.0.0.1:8080", "/feed.json"), "http://127.0.0.1:8080");
        assert_eq!(base("x", "https://127.0.0.1:7443/feed.json"), "https://127.0.0.1:7443");
        assert_eq!(base("127.0.0.1.evil.example", "/"), "https://127.0.0.1.evil.example");
    }

    #[test]
    fn a_host_with_anything_else_in_it_is_not_repeated() {
        for host in ["\"><script>", "a b", "a/b", &"a".repeat(MAX_HOST_BYTES + 1)] {
            assert_eq!(base(host, "/"), "http://localhost", "{host}");
        }
        let longest = "a".repeat(MAX_HOST_BYTES);
        assert_eq!(base(&longest, "/"), format!("https://{longest}"));
    }
}
