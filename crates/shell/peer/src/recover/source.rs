//! A place that may hold the public log of a community: a server, or a log file of this machine.

use std::{fmt, path::Path};

use proto::v1::{GetIdentityRequest, log_service_client::LogServiceClient};
use record::{CommunityId, LogName, Network, limits::MAX_GRPC_MESSAGE_BYTES, verified::Content};
use replica::{LogIdentity, SignedHead};
use store::{OwnLog, Store, StoreConfig};
use transport::{DialLimits, Expect, dial_anonymous};

use super::pages::Pages;
use crate::folder::{DataFolder, KeySeeds};

/// Why a place gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or read.
    #[error(
        "{place} could not be read: {what}. Nothing was changed; try again later, or name another place."
    )]
    Unreachable {
        /// Where.
        place: String,
        /// What the system or the other side said.
        what: String,
    },
    /// It does not hold the log, or not this part of it.
    #[error("{place} does not hold {what}.")]
    Missing {
        /// Where.
        place: String,
        /// What was asked for.
        what: String,
    },
    /// What it holds does not verify.
    #[error("What {place} shows does not hold: {what}. Nothing of it was taken.")]
    Wrong {
        /// Where.
        place: String,
        /// What is wrong.
        what: String,
    },
}

impl SourceError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "recover.unreachable",
            Self::Missing { .. } => "recover.missing",
            Self::Wrong { .. } => "recover.wrong",
        }
    }
}

/// A place that is asked for a log.
#[derive(Debug)]
pub enum Source {
    /// A node or coordinator.
    Server {
        /// `host:port`.
        address: String,
        /// Its public pages.
        pages: Pages,
    },
    /// The log file of this machine: of the lost node itself, or of another.
    File {
        /// Where it is.
        path: String,
        /// It.
        store: Store,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { address, .. } => f.write_str(address),
            Self::File { path, .. } => f.write_str(path),
        }
    }
}

impl Source {
    /// Opens a place: the path of a log file or of a data folder, or else the address of a server.
    ///
    /// # Errors
    ///
    /// [`SourceError::Unreachable`].
    pub async fn open(place: &str, network: &Network) -> Result<Self, SourceError> {
        let path = Path::new(place);
        if !path.exists() {
            return Self::server(place).await;
        }
        let log_file =
            if path.is_dir() { DataFolder::at(path).log_file() } else { path.to_path_buf() };
        let unreachable = |what: String| SourceError::Unreachable { place: place.to_owned(), what };
        if !log_file.is_file() {
            return Err(unreachable("there is no log.sqlite in it".to_owned()));
        }
        // Only read: the key signs nothing, and the log of nobody is written.
        let seeds = KeySeeds::fresh().map_err(|error| unreachable(error.to_string()))?;
        let nobody = LogName { community: CommunityId::from_bytes([0; 32]), era: 0 };
        let own = OwnLog { name: nobody, log_key: seeds.keys().log, mirror: None, witness: None };
        let clock = std::sync::Arc::new(runtime::clock::SystemClock::new());
        let config = StoreConfig::of_no_region(network.clone(), own, clock);
        let store = Store::open(&log_file, config).await;
        let store = store.map_err(|error| unreachable(error.to_string()))?;
        Ok(Self::File { path: place.to_owned(), store })
    }

    async fn server(place: &str) -> Result<Self, SourceError> {
        let address = place.strip_prefix("https://").unwrap_or(place).trim_end_matches('/');
        // Whoever answers is believed nothing: what it shows is verified.
        let dialled = dial_anonymous(address, Expect::AnyEd25519, DialLimits::default()).await;
        let dialled = dialled.map_err(|error| SourceError::Unreachable {
            place: address.to_owned(),
            what: error.to_string(),
        })?;
        let pages = Pages::new(address, dialled.channel);
        Ok(Self::Server { address: address.to_owned(), pages })
    }

    fn missing(&self, what: impl Into<String>) -> SourceError {
        SourceError::Missing { place: self.to_string(), what: what.into() }
    }

    pub(super) fn wrong(&self, what: impl ToString) -> SourceError {
        SourceError::Wrong { place: self.to_string(), what: what.to_string() }
    }

    fn unreadable(&self, what: impl ToString) -> SourceError {
        SourceError::Unreachable { place: self.to_string(), what: what.to_string() }
    }

    /// The newest identity of a community.
    pub(super) async fn identity(
        &self,
        community: CommunityId,
        network: &Network,
    ) -> Result<LogIdentity, SourceError> {
        let bundle = match self {
            Self::Server { pages, .. } => {
                let mut client = LogServiceClient::new(pages.channel())
                    .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
                let asked = GetIdentityRequest { community: community.as_bytes().to_vec() };
                let answer = client.get_identity(asked).await;
                answer.map_err(|status| self.missing_or(&status, community))?.into_inner().identity
            }
            Self::File { store, .. } => {
                let row = store.newest_log(community).await.map_err(|it| self.unreadable(it))?;
                let bundle = row.and_then(|it| it.identity);
                bundle.ok_or_else(|| self.missing(format!("the log of {community}")))?.to_vec()
            }
        };
        LogIdentity::verify(network, community, &bundle.into()).map_err(|error| self.wrong(error))
    }

    fn missing_or(&self, status: &tonic::Status, community: CommunityId) -> SourceError {
        if status.code() == tonic::Code::NotFound {
            return self.missing(format!("the log of {community}"));
        }
        self.unreadable(status.message())
    }

    /// Its newest head of a log, signed by the key that was in force.
    pub(super) async fn head(
        &self,
        log: LogName,
        identity: &LogIdentity,
    ) -> Result<SignedHead, SourceError> {
        let note = match self {
            Self::Server { pages, .. } => pages.checkpoint(log).await?,
            Self::File { store, .. } => {
                let row = store.log(log).await.map_err(|error| self.unreadable(error))?;
                row.and_then(|it| it.checkpoint).map(|(_, note)| note)
            }
        };
        let note = note.ok_or_else(|| self.missing(format!("a head of {log}")))?;
        let network = identity.identity().network();
        SignedHead::open(network, log, identity, &note.into()).map_err(|error| self.wrong(error))
    }

    /// The headers from `start` to before `end` within one block of 256, of a log of this size.
    pub(super) async fn headers(
        &self,
        log: LogName,
        (start, end): (u64, u64),
        size: u64,
    ) -> Result<Vec<Vec<u8>>, SourceError> {
        let headers = match self {
            Self::Server { pages, .. } => pages.headers(log, (start, end), size).await?,
            Self::File { store, .. } => {
                store.headers(log, start, end).await.map_err(|error| self.unreadable(error))?
            }
        };
        let n_asked = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        if headers.len() < n_asked {
            return Err(self.missing(format!("records {start} to {end} of {log}")));
        }
        Ok(headers.into_iter().take(n_asked).collect())
    }

    /// Salts and payloads from `start` to before `end`; `None` for those that were erased.
    pub(super) async fn contents(
        &self,
        log: LogName,
        (start, end): (u64, u64),
    ) -> Result<Vec<Option<Content>>, SourceError> {
        match self {
            Self::Server { pages, .. } => pages.contents(log, (start, end)).await,
            Self::File { store, .. } => {
                let records = store.records(log, start, end).await;
                let records = records.map_err(|error| self.unreadable(error))?;
                Ok(records.into_iter().map(|it| it.content).collect())
            }
        }
    }
}
