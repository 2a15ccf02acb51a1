//! `/ocds/releases`: opportunities and pools as an OCDS 1.1.5 release package, written while it is read.
//!
//! An imported notice is published again as a release of ours, without contact details, and names its origin.
//! Opportunities that communities wrote themselves are exported where the region's charter has an OCDS prefix; pools
//! there, and where the operator has one. What cannot be exported is left out and counted.

use std::{fmt, io, str::FromStr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use formats::ocds::export::{ExportRelease, PackageMeta, PackageWriter};
use peer::pages::Problem;
use store::CaseRow;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;

use super::{Asked, Site, unavailable};
use crate::{export::Exporter, metrics};

/// A package takes no further case once it holds this many releases.
const MAX_RELEASES: usize = 1_000;
/// Cases read at one time.
const CHUNK_CASES: u32 = 20;
pub(super) use record::limits::MAX_PACKAGES;

/// A reader that takes nothing for so long gives its place to another.
const READER_TIME_OUT: Duration = Duration::from_secs(30);
/// Releases handed to the connection ahead of what it has sent: 4 × at most about 300 KiB.
const OUT_RELEASES: usize = 4;

/// Where a package begins: opportunities come before pools, each in the order in which they became known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Opportunities { after: i64 },
    Pools { after: i64 },
}

impl fmt::Display for Begin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opportunities { after } => write!(f, "o{after}"),
            Self::Pools { after } => write!(f, "p{after}"),
        }
    }
}

impl FromStr for Begin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |digits: &str| digits.parse().ok().filter(|it| 0 <= *it).ok_or(());
        match (text.strip_prefix('o'), text.strip_prefix('p')) {
            (Some(digits), _) => Ok(Self::Opportunities { after: number(digits)? }),
            (None, Some(digits)) => Ok(Self::Pools { after: number(digits)? }),
            (None, None) => Err(()),
        }
    }
}

impl Begin {
    const fn kind(self) -> &'static str {
        match self {
            Self::Opportunities { .. } => "opportunity",
            Self::Pools { .. } => "pool",
        }
    }

    const fn after(self) -> i64 {
        match self {
            Self::Opportunities { after } | Self::Pools { after } => after,
        }
    }

    const fn moved_to(self, after: i64) -> Self {
        match self {
            Self::Opportunities { .. } => Self::Opportunities { after },
            Self::Pools { .. } => Self::Pools { after },
        }
    }
}

pub(super) async fn releases(State(site): State<Site>, asked: Asked) -> Result<Response, Problem> {
    metrics::page("ocds");
    let page: Option<Begin> = asked.one("page")?;
    let place = Arc::clone(&site.packages).try_acquire_owned().ok().ok_or_else(|| {
        let detail =
            format!("{MAX_PACKAGES} packages are being read already. Try again in a minute.");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "page.too_many_packages", detail)
    })?;
    let address = format!("{}/ocds/releases", asked.base);
    let feed = &site.feed;
    let meta = PackageMeta {
        uri: page.map_or_else(|| address.clone(), |it| format!("{address}?page={it}")),
        published_at: feed.now(),
        publisher_name: feed
            .name_of(feed.coordinator())
            .await
            .map_err(|error| unavailable(&error))?,
        publisher_uri: Some(format!("{}/", asked.base)),
        license: None,
        publication_policy: None,
        extensions: Vec::new(),
    };
    let (out, chunks) = mpsc::channel(OUT_RELEASES);
    let mut package = Package {
        exporter: Exporter::new(site.feed.clone(), site.settings.ocds_prefix.clone()),
        writer: PackageWriter::default(),
        n_releases: 0,
        _place: place,
        out,
    };
    tokio::spawn(async move {
        let begin = page.unwrap_or(Begin::Opportunities { after: 0 });
        let Err(ended) = package.write(&meta, begin, &address).await else { return };
        if let Ended::Failed(error) = ended {
            tracing::error!(%error, "an OCDS package was broken off");
        }
        // The connection is cut, so that nobody takes half a package for a whole one.
        let broken = Err(io::Error::other("the package was broken off"));
        let _ = timeout(READER_TIME_OUT, package.out.send(broken)).await;
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=2"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(chunks))).into_response())
}

/// Why a package ends before its end.
enum Ended {
    /// The reader is gone, or as good as gone.
    Gone,
    /// Something here failed.
    Failed(peer::PeerError),
}

impl<E: Into<peer::PeerError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Package {
    exporter: Exporter,
    writer: PackageWriter,
    n_releases: usize,
    /// Given back before `out` is closed, so that who has read to the end may read another.
    _place: OwnedSemaphorePermit,
    out: mpsc::Sender<Result<Bytes, io::Error>>,
}

impl Package {
    async fn write(
        &mut self,
        meta: &PackageMeta,
        begin: Begin,
        address: &str,
    ) -> Result<(), Ended> {
        self.send(PackageWriter::head(meta)).await?;
        let mut next = self.write_from(begin).await?;
        if let (None, Begin::Opportunities { .. }) = (next, begin) {
            next = self.write_from(Begin::Pools { after: 0 }).await?;
        }
        let Some(next) = next else { return self.send(PackageWriter::TAIL.to_owned()).await };
        let links = serde_json::json!({ "next": format!("{address}?page={next}") });
        let tail = PackageWriter::TAIL.trim_end().trim_end_matches('}');
        self.send(format!("{tail},\"links\":{links}}}\n")).await
    }

    /// Writes cases of one kind until the package is full; then says where the next one begins.
    async fn write_from(&mut self, begin: Begin) -> Result<Option<Begin>, Ended> {
        let mut at = begin;
        loop {
            let rows = self.exporter.cases(at.kind(), at.after(), CHUNK_CASES).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            for row in rows {
                if MAX_RELEASES <= self.n_releases {
                    return Ok(Some(at));
                }
                self.write_case(&row).await?;
                at = at.moved_to(row.case_no);
            }
        }
    }

    async fn write_case(&mut self, row: &CaseRow) -> Result<(), Ended> {
        for record in self.exporter.records(row).await? {
            // One at a time: a notice may have 256 KiB.
            if let Some(release) = self.exporter.release(row, &record).await? {
                self.write_release(&release).await?;
            }
        }
        Ok(())
    }

    async fn write_release(&mut self, release: &ExportRelease) -> Result<(), Ended> {
        match self.writer.release(release) {
            Ok(text) => {
                self.n_releases += 1;
                self.send(text).await
            }
            Err(error) => {
                tracing::warn!(%error, "a release was left out of the export");
                metrics::release_left_out();
                Ok(())
            }
        }
    }

    async fn send(&self, text: String) -> Result<(), Ended> {
        let sent = timeout(READER_TIME_OUT, self.out.send(Ok(Bytes::from(text)))).await;
        if matches!(sent, Ok(Ok(()))) { Ok(()) } else { Err(Ended::Gone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_is_written() {
        for begin in [Begin::Opportunities { after: 0 }, Begin::Pools { after: i64::MAX }] {
            assert_eq!(begin.to_string().parse(), Ok(begin));
        }
        for wrong in ["", "o", "p-1", "x1", "o1x", "1"] {
            assert_eq!(wrong.parse::<Begin>(), Err(()), "{wrong}");
        }
    }
}
