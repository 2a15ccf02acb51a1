//! TLS 1.3 with pinned keys, gRPC channels and one port for gRPC and HTTP.
//!
//! A node or coordinator has one Ed25519 *transport key*. There is no certificate authority: a
//! certificate is only the envelope in which TLS carries that key, and nothing else in it is
//! believed.
//!
//! ```text
//! dial ── pins the server's key ──> serve ── Peer, RemoteAddr ──> axum::Router (gRPC and HTTP)
//!                                   serve_plain (loopback only) ──^
//!                                   serve_unix  (the clerk) ──────^
//! ```
//!
//! This crate proves *which key* is at the other end. It does not decide what that key may do, nor
//! whether it is the current key of some community: that is for whoever holds identity bundles.
//! It is the only crate that knows rustls.

mod admission;
mod certificate;
mod dial;
mod door;
mod key;
mod limits;
mod page;
mod serve;
mod verify;

pub use certificate::{ServerTls, TlsSetupError, WebCertificate};
pub use dial::{DialError, Dialled, dial, dial_anonymous};
pub use key::{KeyProblem, NotAPeerKey, PeerKey, TransportKey};
pub use limits::{DialLimits, Limits};
pub use page::get;
pub use serve::{Peer, RemoteAddr, ServeError, serve, serve_plain, serve_unix};
pub use verify::Expect;
