//! Founded communities, a charter, servers, and a client that is driven by hand.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use peer::{CharterFile, DataFolder, Peer, Role, Seat, dialler, pages::log_pages, services};
use proto::v1::{
    ExchangeRequest, ExchangeResponse, Frame, Refusal, frame::Step,
    replication_service_client::ReplicationServiceClient,
};
use record::{
    CommunityId, LogName, Network, commitment::Salt, limits::MAX_GRPC_MESSAGE_BYTES, name::Name,
};
use runtime::{clock::SystemClock, stop::StopSignal};
use store::{Appended, Draft, Guard};
use tempfile::TempDir;
use tlog::Note;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status, Streaming, service::RoutesBuilder};
use transport::{DialLimits, Expect, Limits, ServerTls, TransportKey, dial};

/// Beyond this something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
}

/// A community in a folder of its own.
pub(crate) struct Founded {
    parent: TempDir,
    pub(crate) folder: DataFolder,
    pub(crate) id: CommunityId,
}

pub(crate) fn found(network: &str, name: &str) -> Founded {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::at(&parent.path().join("folder"));
    let network: Network = network.parse().unwrap();
    let id = folder.found(&network, &Name::parse(name).unwrap()).unwrap();
    Founded { parent, folder, id }
}

impl Founded {
    /// The same community once more, with everything that its folder holds.
    pub(crate) fn twin(&self) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(&parent.path().join("folder"));
        runtime::files::create_private_dir(folder.path()).unwrap();
        for entry in std::fs::read_dir(self.folder.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        Self { parent, folder, id: self.id }
    }

    pub(crate) async fn open(&self, charter: &CharterFile, role: Role) -> Peer {
        let peer = Peer::open(&self.folder, charter.clone(), role, Arc::new(SystemClock::new()));
        let peer = peer.await.unwrap();
        tokio::spawn(peer.clone().spread_growth());
        peer
    }

    fn charter_file(&self) -> PathBuf {
        self.parent.path().join("charter.toml")
    }
}

pub(crate) const NETWORK: &str = "test.folkmoot.example";

/// A charter of these communities; its coordinator is at this address.
pub(crate) fn charter(
    network: &str,
    coordinator: (&Founded, SocketAddr),
    founders: &[&Founded],
) -> CharterFile {
    let (seated, address) = coordinator;
    let mut text = format!(
        "network = \"{network}\"\nname = \"Estuary\"\n[[coordinators]]\nid = \"{}\"\naddress = \"{address}\"\n",
        seated.id
    );
    for founder in founders {
        text.push_str(&format!("[[founders]]\nid = \"{}\"\n", founder.id));
    }
    std::fs::write(seated.charter_file(), text).unwrap();
    CharterFile::read(&seated.charter_file()).unwrap()
}

/// One coordinator, serving, and its founders, not yet opened.
pub(crate) struct Region {
    pub(crate) charter: CharterFile,
    pub(crate) seated: Founded,
    pub(crate) coordinator: Peer,
    pub(crate) address: SocketAddr,
    pub(crate) founders: Vec<Founded>,
    pub(crate) server: Server,
}

pub(crate) async fn region(n_founders: usize) -> Region {
    let seated = found(NETWORK, "Estuary Office");
    let founders: Vec<_> = (0..n_founders).map(|n| found(NETWORK, &format!("Ward {n}"))).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let charter = charter(NETWORK, (&seated, address), &founders.iter().collect::<Vec<_>>());
    let coordinator = seated.open(&charter, Role::Coordinator).await;
    let server = serve(&coordinator, listener);
    Region { charter, seated, coordinator, address, founders, server }
}

impl Region {
    /// Opens a founder's peer and keeps it linked to the coordinator.
    pub(crate) async fn linked(&self, n: usize) -> Peer {
        let peer = self.founders[n].open(&self.charter, Role::Node).await;
        link(&peer, &self.charter.coordinators[0]);
        peer
    }
}

pub(crate) fn link(peer: &Peer, seat: &Seat) -> JoinHandle<()> {
    let linked = dialler::keep_linked(peer.clone(), seat.clone());
    tokio::spawn(async move {
        let _ = linked.await;
    })
}

pub(crate) struct Server {
    stop: StopSignal,
    ended: JoinHandle<()>,
}

pub(crate) fn serve(peer: &Peer, listener: TcpListener) -> Server {
    let mut routes = RoutesBuilder::default();
    services::add_services(peer, &mut routes);
    let app = log_pages(peer.clone()).merge(routes.routes().into_axum_router().reset_fallback());
    let tls = ServerTls::new(&peer.keys().transport, None).unwrap();
    let stop = StopSignal::new();
    let served = transport::serve(listener, tls, app, Limits::default(), stop.stopped());
    let ended = tokio::spawn(async move { served.await.unwrap() });
    Server { stop, ended }
}

impl Server {
    /// Stops; every stream has been told to end.
    pub(crate) async fn stop(self, peer: &Peer) {
        peer.end_streams();
        self.stop.stop();
        in_time(self.ended).await.unwrap();
    }
}

pub(crate) async fn append(peer: &Peer, payload: &[u8]) -> Appended {
    let draft = Draft {
        kind: "folkmoot.record.problem.v1".parse().unwrap(),
        payload: payload.to_vec(),
        salt: Salt([7; 32]),
        references: Vec::new(),
    };
    peer.store().append(vec![draft], Guard::None).await.unwrap()[0]
}

/// Waits until this is so, looking again after every commit.
pub(crate) async fn until(peer: &Peer, is_so: impl AsyncFn() -> bool) {
    let mut commits = peer.store().commits();
    in_time(async {
        while !is_so().await {
            let _ = commits.recv().await;
        }
    })
    .await;
}

pub(crate) async fn size(peer: &Peer, log: LogName) -> u64 {
    peer.store().log(log).await.unwrap().map_or(0, |row| row.frontier.size())
}

pub(crate) async fn until_held(peer: &Peer, log: LogName, n_records: u64) {
    until(peer, async || n_records <= size(peer, log).await).await;
}

/// How many signatures are on the newest checkpoint, and its size.
pub(crate) async fn signatures(peer: &Peer, log: LogName) -> (u64, usize) {
    let row = peer.store().log(log).await.unwrap();
    let Some((size, note)) = row.and_then(|it| it.checkpoint) else { return (0, 0) };
    (size, Note::parse(&note).unwrap().signatures().len())
}

pub(crate) async fn until_cosigned(peer: &Peer) {
    let own = peer.own_log();
    until(peer, async || signatures(peer, own).await == (size(peer, own).await, 2)).await;
}

/// A replication stream driven by hand.
pub(crate) struct Stream {
    out: mpsc::Sender<Frame>,
    answers: Streaming<ExchangeResponse>,
}

/// Opens a stream with this key and first frame.
pub(crate) async fn open(
    address: SocketAddr,
    key: &TransportKey,
    first: Frame,
) -> Result<Stream, Status> {
    let dialled =
        dial(&address.to_string(), key, Expect::AnyEd25519, DialLimits::default()).await.unwrap();
    let mut client = ReplicationServiceClient::new(dialled.channel)
        .max_encoding_message_size(16 * MAX_GRPC_MESSAGE_BYTES)
        .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let (out, frames) = mpsc::channel(16);
    out.send(first).await.unwrap();
    let frames = ReceiverStream::new(frames).map(|frame| ExchangeRequest { frame: Some(frame) });
    let answers = in_time(client.exchange(frames)).await?.into_inner();
    Ok(Stream { out, answers })
}

impl Stream {
    /// Opens a stream as this peer would.
    pub(crate) async fn of(address: SocketAddr, peer: &Peer) -> Self {
        let hello = peer::hello::hello(peer).await.unwrap();
        open(address, &peer.keys().transport, hello).await.unwrap()
    }

    pub(crate) async fn send(&self, step: Step) {
        in_time(self.out.send(Frame { step: Some(step) })).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Result<Step, Status> {
        let answer = in_time(self.answers.message()).await?;
        let answer = answer.ok_or_else(|| Status::new(Code::Ok, "the stream ended"))?;
        Ok(answer.frame.unwrap().step.unwrap())
    }

    /// The next refusal; other frames are passed over.
    pub(crate) async fn refusal(&mut self) -> Refusal {
        loop {
            if let Step::Refusal(refusal) = self.next().await.unwrap() {
                return refusal;
            }
        }
    }

    /// How the stream ends; frames before that are passed over.
    pub(crate) async fn end(&mut self) -> Status {
        loop {
            if let Err(status) = self.next().await {
                return status;
            }
        }
    }
}
