//! Certificates that lie: of a weak key, or shown by somebody who does not have the key.

use std::{net::SocketAddr, sync::Arc};

use ed25519_dalek::{Signer as _, SigningKey};
use rustls::{
    ServerConfig, SignatureAlgorithm, SignatureScheme,
    crypto::ring,
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::{CertifiedKey, Signer},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The neutral element of the curve, a point of order one.
const WEAK_POINT: [u8; 32] = {
    let mut point = [0; 32];
    point[0] = 1;
    point
};

/// A weak key's certificate, with a signature that a careless verifier finds good for any message:
/// S·B = R + k·A holds for A = R = the neutral element and S = 0, whatever k is.
pub(crate) fn with_a_weak_key() -> Arc<CertifiedKey> {
    let forged = [WEAK_POINT, [0; 32]].concat();
    showing(certificate_of(WEAK_POINT), Hand::Forges(forged))
}

/// A certificate of the key of seed `shown`, used by somebody who has only the seed `held`.
pub(crate) fn with_a_borrowed_certificate(shown: u8, held: u8) -> Arc<CertifiedKey> {
    let public = SigningKey::from_bytes(&[shown; 32]).verifying_key().to_bytes();
    showing(certificate_of(public), Hand::Holds(SigningKey::from_bytes(&[held; 32])))
}

/// A P-256 certificate behind a claim that signatures are Ed25519.
pub(crate) fn with_a_p256_certificate() -> Arc<CertifiedKey> {
    let p256 = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("p-256");
    showing(p256.cert.der().clone(), Hand::Forges(vec![0; 64]))
}

/// A TLS server that shows this certificate whatever the client asks for, and then stays silent.
pub(crate) async fn serve(certified: Arc<CertifiedKey>, speaks: &[&[u8]]) -> SocketAddr {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)));
    config.alpn_protocols = speaks.iter().map(|it| it.to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (tcp, _) = listener.accept().await.expect("a caller");
        let _open = acceptor.accept(tcp).await;
        std::future::pending::<()>().await;
    });
    addr
}

fn showing(certificate: CertificateDer<'static>, hand: Hand) -> Arc<CertifiedKey> {
    Arc::new(CertifiedKey::new(vec![certificate], Arc::new(hand)))
}

fn certificate_of(public: [u8; 32]) -> CertificateDer<'static> {
    let params = rcgen::CertificateParams::new(["x.invalid".to_owned()]).expect("a name");
    params.self_signed(&Unsigned(public)).expect("a certificate").der().clone()
}

/// Puts any 32 bytes into a certificate; its own signature is zeros, which nobody checks.
struct Unsigned([u8; 32]);

impl rcgen::PublicKeyData for Unsigned {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for Unsigned {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 64])
    }
}

/// What signs the handshake, whatever the certificate says.
#[derive(Debug, Clone)]
enum Hand {
    Holds(SigningKey),
    Forges(Vec<u8>),
}

impl rustls::sign::SigningKey for Hand {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for Hand {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(match self {
            Self::Holds(key) => key.sign(message).to_bytes().to_vec(),
            Self::Forges(signature) => signature.clone(),
        })
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
