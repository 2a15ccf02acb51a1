//! Dialling: a gRPC channel to a server whose key is pinned.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig,
    client::{ClientConnection, Resumption},
    pki_types::{DnsName, ServerName},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

use crate::{
    certificate::TlsSetupError,
    key::{KeyProblem, PINNED_NAME, PeerKey, TransportKey, key_of_certificate},
    limits::DialLimits,
    verify::{Expect, PinRefusal, PinnedServer, provider},
};

/// A server that answered, and the key that it proved.
///
/// The channel reconnects by itself when the connection is lost, and then accepts `server_key`
/// only, also where the first connection would have accepted any key.
#[derive(Debug, Clone)]
pub struct Dialled {
    /// For gRPC clients. Clones share the connection.
    pub channel: Channel,
    /// The key in the server's certificate.
    pub server_key: PeerKey,
}

/// Why there is no connection. Nothing was sent to the server beyond the handshake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The text is not `host:port`.
    #[error(
        "`{addr}` is not an address. \
         Write a name or an IP address and a port, as in node.example:8443."
    )]
    BadAddress {
        /// What was given.
        addr: String,
    },
    /// The name is unknown, or nothing accepts connections there.
    #[error(
        "Could not reach {addr}. \
         Check the address, and that the other side is running and lets you through."
    )]
    Unreachable {
        /// The address that was dialled.
        addr: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not finish in time.
    #[error(
        "{addr} did not answer within {} seconds. Try again later, or check the address.",
        after.as_secs_f32()
    )]
    Timeout {
        /// The address that was dialled.
        addr: String,
        /// How long we waited.
        after: Duration,
    },
    /// The server is not the one that was meant, or has changed its key.
    #[error(
        "{addr} showed another key than the one you trust, so nothing was sent. \
         Either its operators changed the key, or somebody stands between you: \
         ask them by another way. Trusted: {expected}. Shown: {found}."
    )]
    WrongKey {
        /// The address that was dialled.
        addr: String,
        /// The key that was pinned.
        expected: PeerKey,
        /// The key that was shown.
        found: PeerKey,
    },
    /// The server showed a certificate without a usable Ed25519 key.
    #[error(
        "{addr} has no transport key that can be trusted: {problem}. \
         It is probably not a Folkmoot server."
    )]
    NotEd25519 {
        /// The address that was dialled.
        addr: String,
        /// What is wrong with the key.
        problem: KeyProblem,
    },
    /// The handshake failed in another way.
    #[error(
        "{addr} answered, but no secure connection came about. \
         It may be full, or no Folkmoot server."
    )]
    Tls {
        /// The address that was dialled.
        addr: String,
        /// What rustls or the system said.
        source: io::Error,
    },
    /// The server speaks TLS, but not HTTP/2, which gRPC needs.
    #[error("{addr} does not speak HTTP/2, so it is not a Folkmoot server.")]
    NotHttp2 {
        /// The address that was dialled.
        addr: String,
    },
    /// HTTP/2 could not be started.
    #[error(
        "{addr} answered, but closed the connection at once. It may be full or refuse your key."
    )]
    Http2 {
        /// The address that was dialled.
        addr: String,
        /// What tonic said.
        source: tonic::transport::Error,
    },
    /// Our own certificate could not be made.
    #[error("Your own key could not be made ready for a connection.")]
    OwnKey(#[from] TlsSetupError),
}

/// Connects to `addr` (`host:port`), proves `key` to the server and checks the server's key.
///
/// # Errors
///
/// [`DialError`] says whether the server cannot be reached, is the wrong one, or is none of ours.
pub async fn dial(
    addr: &str,
    key: &TransportKey,
    expect: Expect,
    limits: DialLimits,
) -> Result<Dialled, DialError> {
    let own = key.certified().map_err(TlsSetupError::from)?;
    Dialler { addr: addr.to_owned(), own: Some(own), limits }.channel(expect).await
}

/// Connects as [`dial`] does, but shows the server no key.
///
/// # Errors
///
/// As for [`dial`].
pub async fn dial_anonymous(
    addr: &str,
    expect: Expect,
    limits: DialLimits,
) -> Result<Dialled, DialError> {
    Dialler { addr: addr.to_owned(), own: None, limits }.channel(expect).await
}

type Stream = TlsStream<TcpStream>;

/// All that is needed to connect, and to connect again.
#[derive(Clone)]
struct Dialler {
    addr: String,
    own: Option<Arc<CertifiedKey>>,
    limits: DialLimits,
}

impl Dialler {
    async fn channel(self, expect: Expect) -> Result<Dialled, DialError> {
        let endpoint = self.endpoint()?;
        let (first, server_key) = self.open(expect).await?;
        let addr = self.addr.clone();
        let connector = tower::service_fn(self.connector(first, server_key));
        let connected = endpoint.connect_with_connector(connector).await;
        let channel = connected.map_err(|source| DialError::Http2 { addr, source })?;
        Ok(Dialled { channel, server_key })
    }

    /// The scheme is `http` towards tonic, which must not add TLS of its own, and `https` towards
    /// the server.
    fn endpoint(&self) -> Result<Endpoint, DialError> {
        let uri = |scheme: &str| {
            let uri = format!("{scheme}://{}", self.addr).parse::<Uri>().ok();
            let is_only_host_and_port =
                |it: &Uri| it.port().is_some() && it.path() == "/" && it.query().is_none();
            uri.filter(|it| is_only_host_and_port(it) && !self.addr.contains('@'))
                .ok_or_else(|| DialError::BadAddress { addr: self.addr.clone() })
        };
        Ok(Endpoint::from(uri("http")?)
            .origin(uri("https")?)
            .http2_keep_alive_interval(self.limits.keep_alive)
            .keep_alive_timeout(self.limits.keep_alive_time_out)
            .keep_alive_while_idle(true))
    }

    /// Hands over the first stream, and opens others to the same key when that one is lost.
    fn connector(
        self,
        first: Stream,
        server_key: PeerKey,
    ) -> impl Fn(Uri) -> BoxedConnecting + Send + 'static {
        let first = Mutex::new(Some(first));
        move |_| {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let dialler = self.clone();
            Box::pin(async move {
                let stream = match first {
                    Some(stream) => stream,
                    None => dialler.open(Expect::Key(server_key)).await?.0,
                };
                Ok(TokioIo::new(stream))
            })
        }
    }

    /// One connection with a finished handshake, and the key at its other end.
    async fn open(&self, expect: Expect) -> Result<(Stream, PeerKey), DialError> {
        let after = self.limits.connect_time_out;
        let opening = async {
            let tcp = self
                .connect_tcp()
                .await
                .map_err(|source| DialError::Unreachable { addr: self.addr.clone(), source })?;
            self.connect_tls(tcp, expect).await
        };
        let opened = timeout(after, opening).await;
        opened.unwrap_or_else(|_| Err(DialError::Timeout { addr: self.addr.clone(), after }))
    }

    /// Tries each address of the name in turn. All but the last get an even share of the time, so
    /// that one dead address (commonly IPv6) does not use it up.
    async fn connect_tcp(&self) -> io::Result<TcpStream> {
        let deadline = Instant::now() + self.limits.connect_time_out;
        let addresses: Vec<SocketAddr> = lookup_host(&self.addr).await?.collect();
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (n_tried, address) in addresses.iter().enumerate() {
            let n_left = u32::try_from(addresses.len() - n_tried).unwrap_or(u32::MAX);
            let now = Instant::now();
            let share = deadline.saturating_duration_since(now) / n_left;
            match timeout_at(now + share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    tcp.set_nodelay(true)?;
                    return Ok(tcp);
                }
                Ok(Err(error)) => last_error = error,
                Err(elapsed) => last_error = io::Error::new(io::ErrorKind::TimedOut, elapsed),
            }
        }
        Err(last_error)
    }

    async fn connect_tls(
        &self,
        tcp: TcpStream,
        expect: Expect,
    ) -> Result<(Stream, PeerKey), DialError> {
        let tls = self.tls_config(expect).map_err(TlsSetupError::from)?;
        let connecting = TlsConnector::from(Arc::new(tls)).connect(pinned_name(), tcp);
        let stream = connecting.await.map_err(|error| self.explain(error))?;
        let connection = stream.get_ref().1;
        if connection.alpn_protocol() != Some(b"h2") {
            return Err(DialError::NotHttp2 { addr: self.addr.clone() });
        }
        let server_key = self.proved_key(connection)?;
        Ok((stream, server_key))
    }

    fn tls_config(&self, expect: Expect) -> Result<ClientConfig, rustls::Error> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedServer::new(expect)));
        let mut config = match &self.own {
            Some(own) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(own))))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = Resumption::disabled();
        // The name in the certificate means nothing, so none is sent in the clear either.
        config.enable_sni = false;
        Ok(config)
    }

    fn proved_key(&self, connection: &ClientConnection) -> Result<PeerKey, DialError> {
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        certificate
            .ok_or(KeyProblem::NotACertificate)
            .and_then(key_of_certificate)
            .map_err(|problem| DialError::NotEd25519 { addr: self.addr.clone(), problem })
    }

    fn explain(&self, error: io::Error) -> DialError {
        let addr = self.addr.clone();
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls.and_then(PinRefusal::find_in) {
            Some(PinRefusal::WrongKey { expected, found }) => {
                DialError::WrongKey { addr, expected, found }
            }
            Some(PinRefusal::Unusable(problem)) => DialError::NotEd25519 { addr, problem },
            None => DialError::Tls { addr, source: error },
        }
    }
}

type BoxedConnecting =
    std::pin::Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, DialError>> + Send>>;

/// rustls wants a name; [`PinnedServer`] ignores it.
#[expect(clippy::expect_used, reason = "a constant; every dial in the tests passes here")]
fn pinned_name() -> ServerName<'static> {
    let name = DnsName::try_from(PINNED_NAME).expect("letters and dots are a DNS name");
    ServerName::DnsName(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_host_and_a_port_and_nothing_else() {
        let is_good = |addr: &str| {
            let limits = DialLimits::default();
            Dialler { addr: addr.to_owned(), own: None, limits }.endpoint().is_ok()
        };

        assert!(is_good("node.example:8443"));
        assert!(is_good("192.0.2.1:8443"));
        assert!(is_good("[2001:db8::1]:8443"));
        assert!(!is_good("node.example"));
        assert!(!is_good("https://node.example:8443"));
        assert!(!is_good("node.example:8443/path"));
        assert!(!is_good("user@node.example:8443"));
        assert!(!is_good(""));
    }
}
