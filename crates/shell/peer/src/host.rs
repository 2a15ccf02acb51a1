//! A running process: its peer, its ports, its tasks, and an orderly end.
//!
//! ```text
//! Host::open ─▶ (the program adds its services, pages and tasks) ─▶ Host::serve ─▶ stop, drain, end
//! ```

mod disk;
mod health;

use std::{net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request, http::StatusCode, response::IntoResponse as _};
use proto::v1::{
    log_service_server::LogServiceServer, region_service_server::RegionServiceServer,
    replication_service_server::ReplicationServiceServer,
};
use runtime::{
    clock::{Clock, SystemClock},
    exit::Exit,
    files::DirLock,
    health::Health,
    ready::{self, ReadyLine},
    stop::StopSignal,
    supervisor::{Supervisor, TaskFailure},
    telemetry::{Metrics, TelemetryError},
};
use tokio::net::TcpListener;
use tonic::{server::NamedService, service::RoutesBuilder};
use transport::{Limits, ServerTls, TlsSetupError, WebCertificate};

use self::health::GrpcHealth;
use crate::{
    charter::{CharterFile, CharterFileError},
    config::Config,
    folder::{DataFolder, FolderError},
    linker,
    mesh_config::{MeshSectionError, places_of_seats},
    neighbours::keep_neighbours,
    pages::{Problem, log_pages, operator_pages},
    peer::{Peer, PeerError, Role},
    services::add_services,
};

/// Why a process could not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// No charter is configured.
    #[error(
        "No charter is configured. Give one with --charter FILE, set `charter` in the configuration, or take the region's certificate with `join`."
    )]
    NoCharter,
    /// The charter file.
    #[error(transparent)]
    Charter(#[from] CharterFileError),
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The peer.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// Logs or metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The section `[mesh]`.
    #[error(transparent)]
    MeshSection(#[from] MeshSectionError),
    /// The mesh.
    #[error(transparent)]
    Mesh(#[from] mesh::MeshError),
    /// A port is taken or not ours to take.
    #[error(
        "Could not listen on {address}. If another process has the port, stop it or choose another; port 0 takes a free one."
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Standard output or signals.
    #[error("The system refused something that is needed to run.")]
    System(#[from] std::io::Error),
    /// A task failed.
    #[error(transparent)]
    Task(#[from] TaskFailure),
    /// Reflection could not be set up.
    #[error("The service descriptions in this program are damaged.")]
    Reflection,
}

impl HostError {
    /// How a program of this role ends by it, and the stable reason for a script.
    #[must_use]
    pub fn ending(&self, role: Role) -> (Exit, &'static str) {
        match self {
            Self::NoCharter | Self::Charter(_) => (Exit::Config, "config.charter"),
            Self::Folder(error) => error.ending(),
            Self::Peer(_) => (Exit::Config, "config.peer"),
            Self::Tls(_) => (Exit::Config, "config.certificate"),
            Self::Telemetry(_) => (Exit::Config, "config.telemetry"),
            Self::MeshSection(_) => (Exit::Config, "config.mesh"),
            Self::Mesh(_) => (Exit::Failed, "mesh.failed"),
            Self::Listen { .. } => (Exit::Failed, "port.in_use"),
            Self::System(_) | Self::Task(_) | Self::Reflection => match role {
                Role::Node => (Exit::Failed, "node.failed"),
                Role::Coordinator => (Exit::Failed, "coordinator.failed"),
            },
        }
    }
}

/// The charter that is configured, or the one of the certificate in the folder.
///
/// # Errors
///
/// [`HostError::NoCharter`] if there is neither.
pub fn read_charter(folder: &DataFolder, config: &Config) -> Result<CharterFile, HostError> {
    let certified = folder.certified_region()?;
    match (&config.charter, certified) {
        (None, None) => Err(HostError::NoCharter),
        (None, Some(region)) => Ok(CharterFile::of_certificate(region)),
        (Some(path), certified) => {
            let charter = CharterFile::read(path)?;
            let certified = certified.filter(|it| it.region == charter.region);
            Ok(CharterFile { certified, ..charter })
        }
    }
}

/// How a process is started, beside its configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Print a JSON line on standard output once the ports are open.
    pub ready_line: bool,
    /// Stop when standard input ends.
    pub with_parent: bool,
    /// Sign our own log without asking anybody how much of it they hold, as a dishonest operator might. For drills.
    pub signs_unasked: bool,
}

/// A process that holds its folder and has opened its store; nobody is served yet.
#[derive(Debug)]
pub struct Host {
    /// The peer.
    pub peer: Peer,
    /// Whether to send callers.
    pub health: Health,
    /// What is measured.
    pub metrics: Metrics,
    /// Tasks of the program; those of the host are added by [`Host::serve`].
    pub tasks: Supervisor,
    config: Config,
    folder: DataFolder,
    lock: DirLock,
}

impl Host {
    /// Takes the folder, reads the charter and opens the store.
    ///
    /// # Errors
    ///
    /// [`HostError`] says what is wrong and what to do; nothing was changed.
    pub async fn open(folder: DataFolder, config: Config, role: Role) -> Result<Self, HostError> {
        let charter = read_charter(&folder, &config)?;
        let lock = folder.lock()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let metrics = Metrics::install()?;
        let peer = Peer::open(&folder, charter, role, clock).await?;
        let tasks = Supervisor::new(StopSignal::on_signals()?);
        let health = Health::starting(["ports", disk::PART], tasks.stop_signal());
        Ok(Self { peer, health, metrics, tasks, config, folder, lock })
    }

    /// The data folder.
    #[must_use]
    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Serves until the stop: the services of every peer, those that `services` adds and names, and `pages`.
    ///
    /// # Errors
    ///
    /// [`HostError::Listen`] if a port is taken; [`HostError::Task`] if something failed on the way.
    pub async fn serve(
        mut self,
        services: impl FnOnce(&mut RoutesBuilder) -> &'static [&'static str],
        pages: Router,
        manner: Manner,
    ) -> Result<(), HostError> {
        if manner.signs_unasked {
            self.peer.store().settle().await.map_err(PeerError::from)?;
        }
        let app = self.app(services, pages)?;
        let tls = ServerTls::new(&self.peer.keys().transport, self.web_certificate()?)?;
        let (listener, grpc) = listen(self.config.listen.as_str()).await?;
        let limits = self.limits();
        let stop = self.tasks.stop_signal();
        let mut ready =
            ReadyLine::new().with("community", self.peer.community()).with("grpc", grpc);
        if let Some(address) = &self.config.plain {
            let (listener, plain) = listen(address.as_str()).await?;
            ready = ready.with("plain", plain);
            let served =
                transport::serve_plain(listener, app.clone(), limits.clone(), stop.stopped());
            self.tasks.spawn("plain port", served);
        }
        if let Some(listening) = self.join_mesh().await? {
            ready = ready.with("mesh", listening);
        }
        self.tasks.spawn("TLS port", transport::serve(listener, tls, app, limits, stop.stopped()));
        self.spawn_lasting();
        self.health.ready("ports");
        tracing::info!(community = %self.peer.community(), %grpc, "serving");
        if manner.ready_line {
            // A task, so that a parent who is gone already ends the process in order.
            self.tasks.spawn_finite("ready line", async move { ready.print() });
        }
        if manner.with_parent {
            self.tasks.spawn_finite("parent's pipe", async move {
                ready::parent_gone().await;
                stop.stop();
                Ok::<(), std::convert::Infallible>(())
            });
        }
        let grace = Duration::from_secs(self.config.grace_secs);
        let ended = self.tasks.run(grace).await;
        if let Err(error) = self.peer.store().close().await {
            tracing::error!(%error, "the log file was not closed cleanly; nothing that was acknowledged is lost");
        }
        drop(self.lock);
        Ok(ended?)
    }

    /// Takes part in the mesh, if that is wanted; tells where it listens, its addresses parted by commas.
    async fn join_mesh(&mut self) -> Result<Option<String>, HostError> {
        let section = &self.config.mesh;
        if !section.enabled {
            return Ok(None);
        }
        let config = section.config(&self.peer)?;
        let (mesh, events) = mesh::start(config, &self.peer.keys().transport.seed()).await?;
        mesh.look(places_of_seats(self.peer.charter(), self.peer.community())).await;
        let listening: Vec<_> = mesh.listening().iter().map(ToString::to_string).collect();
        let listening = listening.join(",");
        tracing::info!(%listening, "part of the mesh");
        let kept = keep_neighbours(self.peer.clone(), mesh, events);
        self.tasks.spawn("mesh", until(self.tasks.stop_signal(), kept));
        Ok(Some(listening))
    }

    /// Tasks that every process has, beside those of its peer: what it measures, and its end.
    fn spawn_lasting(&mut self) {
        let stop = self.tasks.stop_signal();
        for (name, work) in lasting(&self.peer) {
            self.tasks.spawn(name, until(stop.clone(), work));
        }
        let (ending, peer) = (stop.clone(), self.peer.clone());
        self.tasks.spawn_finite("end of streams", async move {
            ending.stopped().await;
            peer.end_streams();
            Ok::<(), std::convert::Infallible>(())
        });
        let (store, health) = (self.peer.store().clone(), self.health.clone());
        self.tasks.spawn("disk", until(stop.clone(), disk::follow(store, health)));
        let upkeep = self.metrics.clone().upkeep(stop.clone());
        self.tasks.spawn("metrics", async move {
            upkeep.await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    fn app(
        &self,
        services: impl FnOnce(&mut RoutesBuilder) -> &'static [&'static str],
        pages: Router,
    ) -> Result<Router, HostError> {
        let describe = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let mut routes = RoutesBuilder::default();
        routes
            .add_service(describe().build_v1().map_err(|_error| HostError::Reflection)?)
            .add_service(describe().build_v1alpha().map_err(|_error| HostError::Reflection)?);
        add_services(&self.peer, &mut routes);
        let mut names = vec![
            <ReplicationServiceServer<Peer> as NamedService>::NAME,
            <LogServiceServer<Peer> as NamedService>::NAME,
            <RegionServiceServer<Peer> as NamedService>::NAME,
        ];
        names.extend(services(&mut routes));
        routes.add_service(GrpcHealth::server(self.health.clone(), names));
        let grpc = routes.routes().into_axum_router().reset_fallback();
        Ok(log_pages(self.peer.clone())
            .merge(operator_pages(self.health.clone(), self.metrics.clone()))
            .merge(pages)
            .merge(grpc)
            .fallback(not_here))
    }

    fn web_certificate(&self) -> Result<Option<WebCertificate>, TlsSetupError> {
        let files = self.config.web.as_ref();
        files.map(|it| WebCertificate::from_pem_files(&it.chain, &it.key)).transpose()
    }

    fn limits(&self) -> Limits {
        let grace = Duration::from_secs(self.config.grace_secs / 2);
        let max_connections_per_address = self.config.max_connections_per_address;
        Limits { grace, max_connections_per_address, ..Limits::default() }
    }
}

/// A task that lasts as long as its process.
pub type Lasting = Pin<Box<dyn Future<Output = Result<(), PeerError>> + Send>>;

/// The tasks that every peer has, by name: growth to streams, what falls due, quotas, silence, and the streams to
/// coordinators. A process has those of its ports and its mesh beside them.
#[must_use]
pub fn lasting(peer: &Peer) -> [(&'static str, Lasting); 5] {
    let of = || peer.clone();
    let (quotas, silence, linked) = (of(), of(), of());
    [
        ("growth", Box::pin(of().spread_growth())),
        ("clock", Box::pin(of().keep_time())),
        ("quotas", Box::pin(async move { Ok(quotas.keep_quotas().await?) })),
        ("silence", Box::pin(async move { Ok(silence.watch_silence().await?) })),
        (
            "streams to coordinators",
            Box::pin(async move { Ok(linker::keep_linked_to_seats(linked).await?) }),
        ),
    ]
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), HostError> {
    let failed = |source| HostError::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// A task that the stop ends without further ado.
async fn until<E>(stop: StopSignal, work: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    tokio::select! {
        () = stop.stopped() => Ok(()),
        done = work => done,
    }
}

/// What nobody serves: UNIMPLEMENTED to a gRPC client, 404 to everybody else.
async fn not_here(request: Request) -> axum::response::Response {
    let content_type = request.headers().get(axum::http::header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        return tonic::Status::unimplemented("there is no such service here").into_http();
    }
    let asked_with = request.method();
    if asked_with == axum::http::Method::GET || asked_with == axum::http::Method::HEAD {
        return Problem::not_found().into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "page.method", "Pages here are only read.")
        .into_response()
}
