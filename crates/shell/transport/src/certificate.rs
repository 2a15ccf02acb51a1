//! The two certificates of a server and its TLS settings.
//!
//! Peers, who offer Ed25519 signatures only, see the pinned certificate. Everybody else (browsers,
//! feed readers, gRPC libraries built on BoringSSL) has no use for Ed25519 certificates and sees
//! the web certificate. So a peer can never be shown the web certificate, however it was issued.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig, SignatureScheme,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    key::{PeerKey, TransportKey},
    verify::{AnyClient, provider},
};

/// The names in the stand-in that is made when no web certificate is configured.
const STAND_IN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The certificate chain and key for browsers, from a certificate authority or self-signed.
#[derive(Clone)]
pub struct WebCertificate(Arc<CertifiedKey>);

/// A server's TLS: 1.3 only, every handshake in full, both certificates. Clones share them.
#[derive(Clone)]
pub struct ServerTls {
    public: PeerKey,
    certificates: Arc<TwoCertificates>,
    acceptor: TlsAcceptor,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A PEM file is missing, may not be read, or holds nothing of the kind that was looked for.
    #[error("Could not read {} as PEM.", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        source: pem::Error,
    },
    /// The file that should hold the certificate chain holds no certificate.
    #[error("There is no certificate in {}.", path.display())]
    EmptyChain {
        /// The file.
        path: PathBuf,
    },
    /// A certificate could not be made, for example because a name is no DNS name.
    #[error("Could not make a certificate.")]
    Certificate(#[from] rcgen::Error),
    /// The chain and the key do not belong together, or are of a kind that is not supported.
    #[error("The certificate and its key cannot be used.")]
    Unusable(#[from] rustls::Error),
}

impl WebCertificate {
    /// Reads a chain (the server's certificate first) and its private key from PEM files.
    ///
    /// # Errors
    ///
    /// [`TlsSetupError::Pem`] or [`TlsSetupError::EmptyChain`] name the file that is wrong;
    /// [`TlsSetupError::Unusable`] if the key does not belong to the first certificate.
    pub fn from_pem_files(chain_path: &Path, key_path: &Path) -> Result<Self, TlsSetupError> {
        let wrong = |path: &Path, source| TlsSetupError::Pem { path: path.to_owned(), source };
        let chain = CertificateDer::pem_file_iter(chain_path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|source| wrong(chain_path, source))?;
        if chain.is_empty() {
            return Err(TlsSetupError::EmptyChain { path: chain_path.to_owned() });
        }
        let key = PrivateKeyDer::from_pem_file(key_path).map_err(|e| wrong(key_path, e))?;
        Ok(Self(Arc::new(CertifiedKey::from_der(chain, key, &provider())?)))
    }

    /// Makes a P-256 certificate that no browser trusts: for tests, local networks, and until a
    /// real one is there. Names may be DNS names or IP addresses.
    ///
    /// # Errors
    ///
    /// [`TlsSetupError::Certificate`] if a name is neither.
    pub fn self_signed<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, TlsSetupError> {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let chain = vec![made.cert.der().clone()];
        Ok(Self(Arc::new(CertifiedKey::from_der(chain, key, &provider())?)))
    }
}

impl fmt::Debug for WebCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebCertificate").field("n_in_chain", &self.0.cert.len()).finish()
    }
}

impl ServerTls {
    /// TLS for a server with this transport key. Without a web certificate a self-signed one for
    /// `localhost` stands in, so that a browser can at least be made to connect.
    ///
    /// # Errors
    ///
    /// [`TlsSetupError`] if a certificate cannot be made.
    pub fn new(key: &TransportKey, web: Option<WebCertificate>) -> Result<Self, TlsSetupError> {
        let web = web.map_or_else(|| WebCertificate::self_signed(STAND_IN_NAMES), Ok)?;
        let certificates =
            Arc::new(TwoCertificates { pinned: key.certified()?, web: RwLock::new(web.0) });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(AnyClient::new()))
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A resumed session would carry an old proof of the client's key past its rotation, and
        // early data can be replayed.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { public: key.public(), certificates, acceptor })
    }

    /// The key that peers pin.
    #[must_use]
    pub fn public(&self) -> PeerKey {
        self.public
    }

    /// Shows another web certificate from the next handshake on, as when it has been renewed.
    pub fn replace_web(&self, web: WebCertificate) {
        *self.certificates.web.write().unwrap_or_else(PoisonError::into_inner) = web.0;
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Chooses a certificate by what the client can verify.
#[derive(Debug)]
struct TwoCertificates {
    pinned: Arc<CertifiedKey>,
    web: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for TwoCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let is_peer = hello.signature_schemes().iter().all(|it| *it == SignatureScheme::ED25519);
        if is_peer {
            return Some(Arc::clone(&self.pinned));
        }
        Some(Arc::clone(&self.web.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_a_chain_and_its_key_from_pem_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("p-256");
        fs::write(&chain, pem("CERTIFICATE", made.cert.der())).expect("written");
        fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).expect("written");

        let web = WebCertificate::from_pem_files(&chain, &key).expect("a chain and its key");

        assert_eq!(web.0.cert, [made.cert.der().clone()]);
    }

    #[test]
    fn refuses_a_key_that_belongs_to_another_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("p-256");
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("p-256");
        fs::write(&chain, pem("CERTIFICATE", one.cert.der())).expect("written");
        fs::write(&key, pem("PRIVATE KEY", &other.signing_key.serialize_der())).expect("written");

        let refusal = WebCertificate::from_pem_files(&chain, &key);

        assert!(matches!(refusal, Err(TlsSetupError::Unusable(_))), "{refusal:?}");
    }

    #[test]
    fn names_the_file_that_is_missing_or_holds_no_certificate() {
        let folder = tempfile::tempdir().expect("a folder");
        let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));

        let missing = WebCertificate::from_pem_files(&chain, &key).expect_err("no file");
        fs::write(&chain, "nothing here").expect("written");
        let empty = WebCertificate::from_pem_files(&chain, &key).expect_err("no certificate");

        assert_eq!(missing.to_string(), format!("Could not read {} as PEM.", chain.display()));
        assert_eq!(empty.to_string(), format!("There is no certificate in {}.", chain.display()));
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let body = data_encoding::BASE64.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }
}
