//! A coordinator in this process, served over TLS on the loopback.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Result;
use coordinator::feed::Feed;
use peer::{CharterFile, DataFolder, Peer, Role, Seat};
use proto::v1::{
    feed_service_server::FeedServiceServer, replication_service_server::ReplicationServiceServer,
};
use record::{
    CommunityId,
    limits::MAX_GRPC_MESSAGE_BYTES,
    name::Name,
    region::{Charter, Quota, Roster, Rules},
};
use runtime::{clock::SystemClock, stop::StopSignal};
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::service::RoutesBuilder;
use transport::{Limits, ServerTls};

use crate::author;

/// A charter of these founders and one coordinator.
pub fn charter(founders: &[CommunityId], coordinator: Seat) -> Result<CharterFile> {
    let mut founders = founders.to_vec();
    founders.sort_unstable();
    let name = Name::parse("Bench")?;
    // A million records of one log come at once: this region's rules allow that.
    let quota = Quota { records_per_minute: u32::MAX, bytes_per_day: u64::MAX };
    let rules = Rules { quota, ..Rules::default() };
    let roster = Roster::new(founders.clone(), vec![coordinator.id], 1)?.with_rules(rules)?;
    let charter = Charter::new(author::network(), name, roster);
    let founders = founders.into_iter().map(|id| Seat { id, address: None }).collect();
    Ok(CharterFile {
        region: charter.region_id(),
        charter,
        coordinators: vec![coordinator],
        founders,
        certified: None,
    })
}

/// A peer with the tasks that a program gives it.
pub struct Running {
    pub peer: Peer,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Opens a peer.
    pub async fn open(folder: &DataFolder, charter: CharterFile, role: Role) -> Result<Self> {
        let peer = Peer::open(folder, charter, role, Arc::new(SystemClock::new())).await?;
        let mut running = Self { peer: peer.clone(), tasks: Vec::new() };
        running.spawn(peer.clone().spread_growth());
        running.spawn(peer.keep_time());
        Ok(running)
    }

    /// Runs a task until [`Running::close`].
    pub fn spawn<E: std::fmt::Debug>(
        &mut self,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.tasks.push(tokio::spawn(async move {
            if let Err(error) = task.await {
                eprintln!("a task of the benchmark ended: {error:?}");
            }
        }));
    }

    /// Ends its tasks and closes its file.
    pub async fn close(self) -> Result<()> {
        self.tasks.iter().for_each(JoinHandle::abort);
        Ok(self.peer.store().close().await?)
    }
}

/// A coordinator and where it serves.
pub struct Site {
    pub running: Running,
    pub address: SocketAddr,
}

impl Site {
    /// Opens a coordinator of these founders in a folder.
    pub async fn open(folder: &Path, founders: &[CommunityId]) -> Result<Self> {
        let folder = author::found(folder)?;
        let seat = Seat { id: folder.community()?, address: None };
        let charter = charter(founders, seat)?;
        let mut running = Running::open(&folder, charter, Role::Coordinator).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let tls = ServerTls::new(&running.peer.keys().transport, None)?;
        let stop = StopSignal::new();
        let feed = Feed::new(running.peer.clone(), 16, stop.clone());
        running.spawn(feed.clone().run());
        let mut routes = RoutesBuilder::default();
        routes.add_service(FeedServiceServer::new(feed)).add_service(
            ReplicationServiceServer::new(running.peer.clone())
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
        );
        let app = routes.routes().into_axum_router();
        let limits = Limits { max_connections_per_address: 256, ..Limits::default() };
        running.spawn(transport::serve(listener, tls, app, limits, stop.stopped()));
        Ok(Self { running, address })
    }

    /// The coordinator's seat, with its address.
    pub fn seat(&self) -> Seat {
        Seat { id: self.running.peer.community(), address: Some(self.address.to_string()) }
    }
}
