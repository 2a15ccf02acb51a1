//! A server to talk to, and clients that can be made to misbehave.

use std::{net::SocketAddr, sync::Arc};

use axum::{Extension, Router, body::Body, http::Request, routing::get};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::Channel;
use tower::ServiceExt as _;
use transport::{Limits, Peer, RemoteAddr, ServeError, ServerTls, TransportKey, serve};

/// A server on a loopback port of the system's choice.
pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) ended: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub(crate) fn host_and_port(&self) -> String {
        self.addr.to_string()
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("the server is running");
        self.ended.await.expect("no panic").expect("a clean end");
    }
}

pub(crate) fn key(seed: u8) -> TransportKey {
    TransportKey::from_seed([seed; 32])
}

pub(crate) fn tls(seed: u8) -> ServerTls {
    ServerTls::new(&key(seed), None).expect("certificates")
}

/// Starts [`who`] under the key of this seed.
pub(crate) async fn start(seed: u8) -> Running {
    start_with(tls(seed), who(), Limits::default()).await
}

pub(crate) async fn start_with(tls: ServerTls, app: Router, limits: Limits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    start_on(listener, tls, app, limits)
}

pub(crate) fn start_on(
    listener: TcpListener,
    tls: ServerTls,
    app: Router,
    limits: Limits,
) -> Running {
    let addr = listener.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(serve(listener, tls, app, limits, async {
        let _ = stopped.await;
    }));
    Running { addr, stop, ended }
}

/// Answers `GET /who` with the caller's key, and whether its address is known.
pub(crate) fn who() -> Router {
    Router::new().route(
        "/who",
        get(|Extension(peer): Extension<Peer>, from: Option<Extension<RemoteAddr>>| async move {
            let key = peer.0.map_or_else(|| "nobody".to_owned(), |key| key.to_string());
            let place = if from.is_some_and(|it| it.0.0.ip().is_loopback()) { "here" } else { "?" };
            format!("{key} {place}")
        }),
    )
}

/// The body that a path answers, over a dialled channel.
pub(crate) async fn ask(channel: &Channel, path: &str) -> Result<String, tonic::transport::Error> {
    let request = Request::get(path).body(tonic::body::Body::empty()).expect("a request");
    let response = channel.clone().oneshot(request).await?;
    let body =
        axum::body::to_bytes(Body::new(response.into_body()), 1 << 20).await.expect("a body");
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

/// The whole HTTP/1.1 answer that a path gives, over any stream.
pub(crate) async fn ask_http1(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    path: &str,
) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A server that refuses a long request may close before it has read it all, and then the
    // system may throw away the end of its answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Completes when the other side has closed the connection.
pub(crate) async fn closed(mut stream: impl AsyncRead + Unpin) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// What a client of another make may look like.
#[derive(Clone)]
pub(crate) struct Stranger {
    pub(crate) verifies: Vec<SignatureScheme>,
    pub(crate) speaks: &'static [u8],
    pub(crate) shows: Option<Arc<CertifiedKey>>,
}

impl Stranger {
    pub(crate) fn browser() -> Self {
        let verifies =
            vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256];
        Self { verifies, speaks: b"http/1.1", shows: None }
    }

    pub(crate) fn peer() -> Self {
        Self { verifies: vec![SignatureScheme::ED25519], speaks: b"h2", shows: None }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(self.verifies.clone())));
        let mut config = match self.shows.clone() {
            Some(shows) => {
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shows)))
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![self.speaks.to_vec()];
        config
    }

    pub(crate) async fn connect(&self, addr: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(addr).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(self.config())).connect(name, tcp).await
    }
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain[0].clone().into_owned()
}

/// Believes any certificate and any signature.
#[derive(Debug)]
struct Trusting(Vec<SignatureScheme>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
