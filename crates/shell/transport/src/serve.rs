//! One port for gRPC and HTTP, and the two doors without TLS: loopback and a unix socket.
//!
//! ```text
//! accept ──place free?──> handshake ──in time?──> HTTP ──stop──> finish what is under way ──grace──> cut
//!    └──no: closed            └──no: closed         └──silent: closed
//! ```

use std::{
    convert::Infallible,
    error::Error as StdError,
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::watch,
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tower::{Service, ServiceExt as _};

use crate::{
    admission::{Admission, Place},
    certificate::ServerTls,
    door::{Greeting, Listen, Plain, Secure},
    key::PeerKey,
    limits::Limits,
};

/// After a failed accept: long enough not to spin, short enough that nobody notices.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// 600 × 50 ms: half a minute of nothing but failures means that the listener is broken.
const MAX_ACCEPT_FAILURES: u32 = 600;
/// Strangers knock all day; one line a minute tells an operator and fills no disk.
const REFUSALS_LOGGED_EVERY: Duration = Duration::from_secs(60);
/// The smallest HTTP/1 buffer that hyper takes; the buffer is what bounds a request's head.
const MIN_HTTP1_BUFFER_BYTES: usize = 8 * 1024;

/// In each request's extensions: the key that the caller proved in the handshake, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<PeerKey>);

/// In each request's extensions, save on a unix socket: where the caller connected from. It is
/// personal data: for limits, never for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteAddr(pub SocketAddr);

/// Why a server would not start or could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Without TLS anybody on the way could read and change everything.
    #[error(
        "{addr} can be reached from other machines, and this port has no encryption. \
         Nothing was served. Use an address of this machine only, such as 127.0.0.1."
    )]
    NotLoopback {
        /// The address of the listener.
        addr: SocketAddr,
    },
    /// The listener is broken: it has no address, or half a minute of accepts failed one and all.
    #[error("The port could not be listened on any more. Connections already open were finished.")]
    Listener {
        /// What the system said.
        source: io::Error,
    },
}

/// Serves gRPC and HTTP over TLS until `stop` completes, then lets the requests under way finish
/// within [`Limits::grace`]. Every request carries [`Peer`] and [`RemoteAddr`].
///
/// # Errors
///
/// [`ServeError::Listener`] if the port cannot be listened on any more.
pub async fn serve(
    listener: TcpListener,
    tls: ServerTls,
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::new(tls.acceptor(), app, limits).run(listener, stop).await
}

/// Serves as [`serve`] does, but without TLS, to callers on this machine only.
///
/// # Errors
///
/// [`ServeError::NotLoopback`] if another machine could connect; [`ServeError::Listener`] if the
/// port cannot be listened on any more.
pub async fn serve_plain(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let addr = listener.local_addr().map_err(|source| ServeError::Listener { source })?;
    if !addr.ip().to_canonical().is_loopback() {
        return Err(ServeError::NotLoopback { addr });
    }
    Server::new(Plain, app, limits).run(listener, stop).await
}

/// Serves as [`serve`] does, on a unix socket whose file permissions decide who may call.
///
/// # Errors
///
/// [`ServeError::Listener`] if the socket cannot be listened on any more.
pub async fn serve_unix(
    listener: UnixListener,
    app: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::new(Plain, app, limits).run(listener, stop).await
}

/// What every connection of one server shares.
struct Server<S> {
    secure: S,
    app: Router,
    http: auto::Builder<TokioExecutor>,
    admission: Arc<Admission>,
    refusals: Refusals,
    limits: Limits,
}

impl<S> Server<S> {
    fn new(secure: S, app: Router, limits: Limits) -> Arc<Self> {
        let admission = Admission::new(limits.max_connections, limits.max_connections_per_address);
        let http = http_builder(&limits);
        Arc::new(Self { secure, app, http, admission, refusals: Refusals::default(), limits })
    }

    async fn run<L: Listen>(
        self: Arc<Self>,
        listener: L,
        stop: impl Future<Output = ()>,
    ) -> Result<(), ServeError>
    where
        S: Secure<L::Raw>,
    {
        let (stopping, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut n_failures = 0;
        let mut stop = pin!(stop);
        let outcome = loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break Ok(()),
                Some(ended) = connections.join_next() => {
                    report_panic(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((raw, from)) => {
                    n_failures = 0;
                    let Some(caller) = self.admit(from) else { continue };
                    connections.spawn(Arc::clone(&self).connection(raw, caller, stopped.clone()));
                }
                Err(source) if n_failures == MAX_ACCEPT_FAILURES => {
                    break Err(ServeError::Listener { source });
                }
                Err(error) => {
                    if n_failures == 0 {
                        tracing::warn!(%error, "a connection could not be accepted; trying again");
                    }
                    n_failures += 1;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // New callers are refused by the system while the old ones finish.
        drop(listener);
        stopping.send_replace(true);
        drain(connections, self.limits.grace).await;
        outcome
    }

    fn admit(&self, from: Option<RemoteAddr>) -> Option<Caller> {
        match self.admission.admit(from.map(|it| it.0.ip())) {
            Ok(place) => Some(Caller { from, _place: place }),
            Err(full) => {
                self.refusals.note(&full);
                None
            }
        }
    }

    async fn connection<Raw>(
        self: Arc<Self>,
        raw: Raw,
        caller: Caller,
        mut stopped: watch::Receiver<bool>,
    ) where
        S: Secure<Raw>,
    {
        let secured = tokio::select! {
            () = requested(&mut stopped) => return,
            secured = timeout(self.limits.handshake_time_out, self.secure.secure(raw)) => secured,
        };
        match secured {
            Ok(Ok((stream, peer))) => {
                let app = for_caller(self.app.clone(), peer, caller.from);
                speak_http(&self.http, stream, app, self.limits.header_time_out, stopped).await;
            }
            Ok(Err(error)) => self.refusals.note(&error),
            Err(too_slow) => self.refusals.note(&too_slow),
        }
    }
}

/// The other end of a connection, and the place that it takes up until it is dropped.
struct Caller {
    from: Option<RemoteAddr>,
    _place: Place,
}

/// The application, told with every request who calls.
fn for_caller(
    app: Router,
    peer: Peer,
    from: Option<RemoteAddr>,
) -> impl Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static {
    app.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        if let Some(from) = from {
            request.extensions_mut().insert(from);
        }
        request
    })
}

/// Serves one connection until it ends, stays silent, or has finished its requests after a stop.
async fn speak_http<T, A>(
    http: &auto::Builder<TokioExecutor>,
    stream: T,
    app: A,
    silence_allowed: Duration,
    mut stopped: watch::Receiver<bool>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = axum::response::Response, Error = Infallible>,
    A: Clone + Send + 'static,
    A::Future: Send + 'static,
{
    let greeting = Greeting::default();
    let io = TokioIo::new(greeting.listen_on(stream));
    let mut connection = pin!(http.serve_connection(io, TowerToHyperService::new(app)));
    let mut silence = pin!(sleep(silence_allowed));
    let (mut is_new, mut is_draining) = (true, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended with an error");
                }
                return;
            }
            () = requested(&mut stopped), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = silence.as_mut(), if is_new => {
                is_new = false;
                if !greeting.was_heard() {
                    tracing::debug!("a connection stayed silent and was closed");
                    return;
                }
            }
        }
    }
}

fn http_builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    let max_head_bytes = usize::try_from(limits.max_header_list_bytes).unwrap_or(usize::MAX);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time_out)
        .max_buf_size(max_head_bytes.max(MIN_HTTP1_BUFFER_BYTES));
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(limits.max_header_list_bytes)
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .keep_alive_interval(limits.keep_alive)
        .keep_alive_timeout(limits.keep_alive_time_out);
    http
}

/// Completes once a stop was asked for, or the server is gone.
async fn requested(stopped: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and the server with it.
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

/// Waits for all connections, and cuts those that outlast the grace.
async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report_panic(ended);
        }
    };
    if timeout(grace, all_ended).await.is_err() {
        let n_cut = connections.len();
        tracing::info!(n_cut, "connections were still busy after the grace period and were cut");
        connections.shutdown().await;
    }
}

/// A panic in a request's handler ends that connection only, but it is never lost.
fn report_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a request's handler panicked; its connection was closed");
    }
}

/// Tells the operator that callers are refused, without saying who they were.
#[derive(Debug, Default)]
struct Refusals(Mutex<Unreported>);

#[derive(Debug, Default)]
struct Unreported {
    n: u64,
    reported: Option<Instant>,
}

impl Refusals {
    fn note(&self, reason: &dyn StdError) {
        tracing::debug!(%reason, "a connection was refused");
        let now = Instant::now();
        let mut unreported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unreported.n = unreported.n.saturating_add(1);
        let is_due = unreported
            .reported
            .is_none_or(|last| REFUSALS_LOGGED_EVERY <= now.saturating_duration_since(last));
        if is_due {
            let n = unreported.n;
            *unreported = Unreported { n: 0, reported: Some(now) };
            tracing::info!(n, latest = %reason, "connections were refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_refusals_within_a_minute_are_one_report() {
        let refusals = Refusals::default();

        for _ in 0..1000 {
            refusals.note(&io::Error::other("no handshake"));
        }

        let unreported = refusals.0.lock().expect("no other thread");
        assert_eq!(unreported.n, 999, "the first was reported at once, the others wait");
    }
}
