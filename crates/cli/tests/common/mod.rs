//! A community with a real log in a folder, served to this machine, and the tool run as a function.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by several test files, where a panic is the failure report"
)]

use std::{net::SocketAddr, path::Path, sync::Arc};

use clap::Parser as _;
use folkmoot_cli::{Cli, Console};
use peer::{CharterFile, DataFolder, Peer, Role, pages::log_pages};
use proto::v1::log_service_server::LogServiceServer;
use record::{CommunityId, Kind, LogName, Name, commitment::Salt, kind::Known};
use runtime::{clock::SystemClock, exit::Exit, stop::StopSignal};
use store::{Draft, Guard};
use tempfile::TempDir;
use tlog::{BundleRef, TileRef, tile::encode_bundle};
use tokio::net::TcpListener;
use tonic::service::RoutesBuilder;
use transport::TransportKey;

/// A kind that this release does not know.
pub(crate) const UNKNOWN_KIND: &str = "folkmoot.record.test.v1";

/// A community with its log.
pub(crate) struct Community {
    /// Its folder; gone when this value is.
    pub(crate) folder: TempDir,
    /// Its process.
    pub(crate) peer: Peer,
}

/// Founds a community that is its own region's only founder.
pub(crate) async fn found(name: &str) -> Community {
    let folder = tempfile::tempdir().unwrap();
    let home = DataFolder::at(&folder.path().join("home"));
    let network = "test.folkmoot.example".parse().unwrap();
    let id = home.found(&network, &Name::parse(name).unwrap()).unwrap();
    let charter = folder.path().join("charter.toml");
    let text =
        format!("network = \"{network}\"\nname = \"Estuary\"\n[[founders]]\nid = \"{id}\"\n");
    std::fs::write(&charter, text).unwrap();
    let charter = CharterFile::read(&charter).unwrap();
    let clock = Arc::new(SystemClock::new());
    let peer = Peer::open(&home, charter, Role::Node, clock).await.unwrap();
    Community { folder, peer }
}

impl Community {
    pub(crate) fn id(&self) -> CommunityId {
        self.peer.community()
    }

    pub(crate) fn log(&self) -> LogName {
        self.peer.own_log()
    }

    /// Appends records of a kind that only this test knows.
    pub(crate) async fn append(&self, n_records: usize) {
        let payloads = (0..n_records).map(|n| format!("record {n}").into_bytes());
        self.append_payloads(UNKNOWN_KIND.parse().unwrap(), payloads.collect()).await;
    }

    pub(crate) async fn append_text(&self, payload: Vec<u8>) {
        self.append_payloads(Kind::from(Known::Text), vec![payload]).await;
    }

    async fn append_payloads(&self, kind: Kind, payloads: Vec<Vec<u8>>) {
        let drafts = payloads.into_iter().map(|payload| Draft {
            kind: kind.clone(),
            payload,
            salt: Salt([7; 32]),
            references: Vec::new(),
        });
        self.peer.store().append(drafts.collect(), Guard::None).await.unwrap();
    }

    /// Serves the pages of the log; gives the address of the log.
    pub(crate) async fn serve(&self, stop: &StopSignal) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (pages, stop) = (log_pages(self.peer.clone()), stop.stopped());
        let limits = transport::Limits::default();
        tokio::spawn(transport::serve_plain(listener, pages, limits, stop));
        format!("http://{address}/log/{}", self.log())
    }

    /// Writes the pages of the log into a folder.
    pub(crate) async fn export(&self, folder: &Path) {
        let (store, log) = (self.peer.store(), self.log());
        let row = store.log(log).await.unwrap().unwrap();
        let (size, checkpoint) = row.checkpoint.unwrap();
        write(folder, "checkpoint", &checkpoint);
        write(folder, "identity", &row.identity.unwrap());
        for level in 0..3 {
            for tile in (0..).map_while(|index| TileRef::at_size(level, index, size)) {
                write(folder, &tile.path(), &store.tile(log, tile).await.unwrap());
            }
        }
        for bundle in (0..).map_while(|index| BundleRef::at_size(index, size)) {
            let start = bundle.index() * 256;
            let end = start + u64::from(bundle.width());
            let records = store.records(log, start, end).await.unwrap();
            let headers: Vec<_> = records.iter().map(|it| &it.header_bytes).collect();
            write(folder, &bundle.path(), &encode_bundle(&headers).unwrap());
            for (index, record) in (start..).zip(records) {
                let content = record.content.unwrap();
                let page = [&content.salt.0[..], &content.payload].concat();
                write(folder, &format!("payload/{index}"), &page);
            }
        }
    }

    /// The proof page of a record.
    pub(crate) async fn proof(&self, index: u64) -> Vec<u8> {
        self.peer.proof(self.log(), index).await.unwrap().1
    }
}

/// Serves a community's pages and identity over TLS under this key, or nothing at all; gives `host:port`.
pub(crate) async fn serve_tls(
    key: &TransportKey,
    community: Option<&Community>,
    stop: &StopSignal,
) -> String {
    let mut routes = RoutesBuilder::default();
    if let Some(community) = community {
        routes.add_service(LogServiceServer::new(community.peer.clone()));
    }
    let mut app = routes.routes().into_axum_router().reset_fallback();
    if let Some(community) = community {
        app = app.merge(log_pages(community.peer.clone()));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = transport::ServerTls::new(key, None).unwrap();
    let (limits, stop) = (transport::Limits::default(), stop.stopped());
    tokio::spawn(transport::serve(listener, tls, app, limits, stop));
    address.to_string()
}

pub(crate) fn write(folder: &Path, path: &str, bytes: &[u8]) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What a run of the tool came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) exit: Exit,
    pub(crate) answers: String,
    pub(crate) remarks: String,
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.answers).unwrap()
    }
}

/// Runs the tool in this process.
pub(crate) async fn folkmoot(arguments: &[&str]) -> Run {
    let cli = Cli::try_parse_from(std::iter::once(&"folkmoot").chain(arguments)).unwrap();
    let (console, captured) = Console::captured();
    let exit = folkmoot_cli::run(cli, &console).await;
    Run { exit, answers: captured.answers(), remarks: captured.remarks() }
}
