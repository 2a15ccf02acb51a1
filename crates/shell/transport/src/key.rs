//! Transport keys, and the certificates that carry them.

use std::{fmt, str::FromStr, sync::Arc};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    pki_types::CertificateDer,
    sign::{CertifiedKey, Signer},
};
use x509_parser::oid_registry::OID_SIG_ED25519;
use zeroize::Zeroizing;

/// The name in every pinned certificate. X.509 wants one; nobody reads it, and `.invalid` can
/// never be resolved (RFC 6761).
pub(crate) const PINNED_NAME: &str = "pinned.folkmoot.invalid";

/// The secret half of a transport key. Clones share one copy of the secret, which is overwritten
/// when the last of them is dropped.
#[derive(Clone)]
pub struct TransportKey(Arc<SigningKey>);

/// The public half of a transport key: 32 bytes as in RFC 8032, shown as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub [u8; 32]);

/// Why a certificate carries no key that we would pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// The bytes are not one X.509 certificate.
    #[error("the certificate cannot be read")]
    NotACertificate,
    /// The key is of another kind, such as RSA or P-256.
    #[error("the certificate's key is not an Ed25519 key")]
    NotEd25519,
    /// The 32 bytes are no point of the curve, a point of small order (which "verifies" signatures
    /// that nobody made), or a second spelling of another key.
    #[error("the Ed25519 key in the certificate is weak or malformed")]
    Weak,
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a transport key is written as 64 hexadecimal digits")]
pub struct NotAPeerKey;

impl TransportKey {
    /// The key that grows from this secret seed (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(Arc::new(SigningKey::from_bytes(&seed)))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PeerKey {
        PeerKey(self.0.verifying_key().to_bytes())
    }

    /// The secret seed, for the one other protocol that speaks with this key: libp2p takes no signer, but the key itself.
    /// The copy is overwritten when it is dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key and its self-signed certificate. Equal keys give equal certificates.
    pub(crate) fn certified(&self) -> Result<Arc<CertifiedKey>, rcgen::Error> {
        let mut params = rcgen::CertificateParams::new([PINNED_NAME.to_owned()])?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let signer = CertificateSigner { public: self.public(), secret: self };
        let certificate = params.self_signed(&signer)?.der().clone();
        let handshake = Arc::new(HandshakeSigner(self.clone()));
        Ok(Arc::new(CertifiedKey::new(vec![certificate], handshake)))
    }
}

impl fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerKey({self})")
    }
}

impl FromStr for PeerKey {
    type Err = NotAPeerKey;

    fn from_str(text: &str) -> Result<Self, NotAPeerKey> {
        let bytes = HEXLOWER.decode(text.to_ascii_lowercase().as_bytes()).ok();
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NotAPeerKey)
    }
}

/// Reads the Ed25519 key out of a certificate and believes nothing else in it.
pub(crate) fn key_of_certificate(certificate: &CertificateDer<'_>) -> Result<PeerKey, KeyProblem> {
    let Ok(([], parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return Err(KeyProblem::NotACertificate);
    };
    let key = &parsed.tbs_certificate.subject_pki;
    // RFC 8410, section 3: the parameters must be absent.
    if key.algorithm.algorithm != OID_SIG_ED25519 || key.algorithm.parameters.is_some() {
        return Err(KeyProblem::NotEd25519);
    }
    <[u8; 32]>::try_from(key.subject_public_key.data.as_ref())
        .ok()
        .filter(is_strong)
        .map(PeerKey)
        .ok_or(KeyProblem::Weak)
}

/// Whether these bytes are the one canonical spelling of a point that is not of small order.
fn is_strong(bytes: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(bytes)
        .is_ok_and(|key| !key.is_weak() && key.to_edwards().compress().as_bytes() == bytes)
}

/// Signs the certificate itself, so that no second copy of the secret is made for rcgen.
struct CertificateSigner<'a> {
    public: PeerKey,
    secret: &'a TransportKey,
}

impl rcgen::PublicKeyData for CertificateSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl rcgen::SigningKey for CertificateSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.0.sign(message).to_bytes().to_vec())
    }
}

/// Signs handshakes, so that no second copy of the secret is made for rustls.
#[derive(Debug, Clone)]
struct HandshakeSigner(TransportKey);

impl rustls::sign::SigningKey for HandshakeSigner {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ED25519)
            .then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for HandshakeSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(self.0.0.sign(message).to_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_carries_the_key_and_is_the_same_each_time() {
        let key = TransportKey::from_seed([7; 32]);

        let first = key.certified().expect("a certificate");
        let second = key.certified().expect("a certificate");

        assert_eq!(key_of_certificate(&first.cert[0]), Ok(key.public()));
        assert_eq!(first.cert, second.cert);
    }

    #[test]
    fn a_p256_certificate_and_plain_bytes_carry_no_key() {
        let p256 = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("p-256");

        assert_eq!(key_of_certificate(p256.cert.der()), Err(KeyProblem::NotEd25519));
        let bytes = CertificateDer::from(vec![0x30, 0]);
        assert_eq!(key_of_certificate(&bytes), Err(KeyProblem::NotACertificate));
    }

    #[test]
    fn bytes_after_the_certificate_are_refused() {
        let key = TransportKey::from_seed([7; 32]).certified().expect("a certificate");
        let mut longer = key.cert[0].to_vec();
        longer.push(0);

        let problem = key_of_certificate(&CertificateDer::from(longer));

        assert_eq!(problem, Err(KeyProblem::NotACertificate));
    }

    #[test]
    fn points_of_small_order_and_second_spellings_are_weak() {
        let identity = spelled(1, 0);
        let identity_with_a_sign = spelled(1, 0x80);
        // p + 3 = 2^255 - 16: another way to write y = 3.
        let mut y_is_3_plus_p = [0xff; 32];
        y_is_3_plus_p[0] = 0xf0;
        y_is_3_plus_p[31] = 0x7f;

        assert!(!is_strong(&identity));
        assert!(!is_strong(&identity_with_a_sign));
        assert!(!is_strong(&y_is_3_plus_p));
        assert!(is_strong(&spelled(3, 0)), "the canonical spelling of the same point is fine");
    }

    #[test]
    fn the_same_key_grows_from_its_seed_again() {
        let key = TransportKey::from_seed([7; 32]);

        assert_eq!(TransportKey::from_seed(*key.seed()).public(), key.public());
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        let key = TransportKey::from_seed([7; 32]);

        let shown = format!("{key:?}");

        assert_eq!(shown, format!("TransportKey {{ public: PeerKey({}), .. }}", key.public()));
        assert!(!shown.contains(&HEXLOWER.encode(&[7; 32])));
    }

    #[test]
    fn a_peer_key_reads_back_as_it_is_written() {
        let key = TransportKey::from_seed([7; 32]).public();

        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.to_string().to_uppercase().parse(), Ok(key));
        assert_eq!("beef".parse::<PeerKey>(), Err(NotAPeerKey));
    }

    /// The little-endian number `low` with `high` in its last byte.
    fn spelled(low: u8, high: u8) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[0] = low;
        bytes[31] = high;
        bytes
    }
}
