//! Where the pages of a log come from: a folder or a server, with the same paths in both.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use record::LogName;
use runtime::exit::Exit;

use super::http::{Http, too_large};
use crate::Failure;

/// The pages of one log. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// A folder with the files that a server's pages would be.
    Folder(PathBuf),
    /// A server.
    Http(Arc<Http>),
}

/// The reason of a failure to read a log that is withheld.
pub(super) const PAGE_WITHHELD: &str = "page.withheld";

/// What came for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fetched {
    /// Its bytes.
    Found(Vec<u8>),
    /// It is not there.
    Absent,
    /// It was, and has been erased.
    Erased,
    /// The log is withheld there; its status says why.
    Withheld,
}

impl Source {
    /// The pages in a folder.
    pub(super) fn folder(path: &Path) -> Self {
        Self::Folder(path.to_owned())
    }

    /// The pages of a server.
    pub(super) fn http(http: Http) -> Self {
        Self::Http(Arc::new(http))
    }

    /// The pages of another log at the same place.
    pub(super) fn sibling(&self, log: LogName) -> Self {
        match self {
            Self::Http(http) => Self::Http(Arc::new(http.sibling(log))),
            Self::Folder(path) => {
                let logs = path.ancestors().nth(2).unwrap_or(path);
                Self::Folder(logs.join(log.to_string()))
            }
        }
    }

    /// Where that is, for a person.
    fn place(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Http(http) => http.root().to_owned(),
        }
    }

    /// A page, if it is there.
    pub(super) async fn fetch(&self, path: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        match self {
            Self::Http(http) => http.fetch(path, max_bytes).await,
            Self::Folder(folder) => match read(&folder.join(path), max_bytes) {
                Ok(bytes) => Ok(Fetched::Found(bytes)),
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    Ok(Fetched::Absent)
                }
                Err(error) => Err(error.told(&folder.join(path), max_bytes)),
            },
        }
    }

    /// A page of the whole site, beside its logs; a folder has none.
    pub(super) async fn site_page(&self, path: &str, max_bytes: usize) -> Result<Fetched, Failure> {
        match self {
            Self::Http(http) => http.fetch_beside_logs(path, max_bytes).await,
            Self::Folder(_) => Ok(Fetched::Absent),
        }
    }

    /// A page that must be there.
    pub(super) async fn page(&self, path: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        match self.fetch(path, max_bytes).await? {
            Fetched::Found(bytes) => Ok(bytes),
            Fetched::Absent | Fetched::Erased => {
                let detail = format!(
                    "There is no page `{path}` at {}. No such log is held there, or not that record. Nothing was \
                     verified. Check the id, the era and the number, or read where the log is held.",
                    self.place()
                );
                Err(Failure::new(Exit::Failed, "page.missing", detail))
            }
            Fetched::Withheld => {
                let detail = format!(
                    "{} withholds this log; the coordinator's own log and /register/logs say why. Nothing was verified. \
                     Whoever else holds it can be asked.",
                    self.place()
                );
                Err(Failure::new(Exit::Failed, PAGE_WITHHELD, detail))
            }
        }
    }

    /// The `width` first parts of a page that may have grown since: the partial page, or the full one in its place.
    pub(super) async fn partial_or_full(
        &self,
        partial: &str,
        full: &str,
        max_bytes: usize,
    ) -> Result<(Vec<u8>, bool), Failure> {
        if let Fetched::Found(bytes) = self.fetch(partial, max_bytes).await? {
            return Ok((bytes, partial == full));
        }
        if partial != full
            && let Fetched::Found(bytes) = self.fetch(full, max_bytes).await?
        {
            return Ok((bytes, true));
        }
        let detail =
            format!("The page `{partial}` is missing: the log cannot be checked without it.");
        Err(Failure::does_not_hold("page.missing", detail))
    }
}

/// A file of at most this size.
pub(super) fn read_file(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Failure> {
    read(path, max_bytes).map_err(|error| error.told(path, max_bytes))
}

enum ReadError {
    Io(io::Error),
    TooLarge,
}

impl ReadError {
    fn told(&self, path: &Path, max_bytes: usize) -> Failure {
        match self {
            Self::TooLarge => too_large(&path.display().to_string(), max_bytes),
            Self::Io(error) => {
                let detail = format!(
                    "Could not read {}: {error}. Nothing was verified. Check the name; an address begins with \
                     http:// or https://.",
                    path.display()
                );
                Failure::new(Exit::Failed, "file.unreadable", detail)
            }
        }
    }
}

fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let file = File::open(path).map_err(ReadError::Io)?;
    file.take(one_more).read_to_end(&mut bytes).map_err(ReadError::Io)?;
    if max_bytes < bytes.len() { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_of_the_limit_is_read_and_one_byte_more_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("page"), [7; 8]).unwrap();
        let source = Source::folder(folder.path());
        assert_eq!(source.fetch("page", 8).await, Ok(Fetched::Found(vec![7; 8])));
        assert_eq!(source.fetch("page", 7).await.unwrap_err().reason(), "page.too_large");
        assert_eq!(source.fetch("none", 8).await, Ok(Fetched::Absent));
        assert_eq!(source.page("none", 8).await.unwrap_err().exit(), Exit::Failed);
    }

    #[tokio::test]
    async fn a_full_page_stands_in_for_a_partial_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("full"), b"full").unwrap();
        let source = Source::folder(folder.path());
        let found = source.partial_or_full("partial", "full", 9).await;
        assert_eq!(found, Ok((b"full".to_vec(), true)));
        std::fs::write(folder.path().join("partial"), b"part").unwrap();
        let found = source.partial_or_full("partial", "full", 9).await;
        assert_eq!(found, Ok((b"part".to_vec(), false)));
        let missing = source.partial_or_full("none", "none", 9).await.unwrap_err();
        assert_eq!(missing.exit(), Exit::Verification);
    }
}
