//! How much one server gives to its callers, and how long either side waits for the other.

use std::time::Duration;

/// What a server allows. Each field's default stands beside it with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all: 896, which is the usual soft limit of 1,024 file descriptors less
    /// 128 for the database, logs and outgoing connections. Their unread bytes come to at most
    /// 896 × hyper's window of 1 MiB. A busy coordinator raises both this and `LimitNOFILE`.
    pub max_connections: usize,
    /// Open connections from one address (for IPv6 one /64, which is what one household or one
    /// rented server gets): 64, enough for an office of browsers behind one address, and a
    /// fourteenth of all places.
    pub max_connections_per_address: usize,
    /// From the connection to the end of the TLS handshake: 10 s, three round trips on a very
    /// bad line.
    pub handshake_time_out: Duration,
    /// Until a new connection has said which HTTP it speaks, and for each HTTP/1 request's head:
    /// 10 s. Also how long an idle HTTP/1 connection stays open.
    pub header_time_out: Duration,
    /// Requests at one time on one HTTP/2 connection: 128, one feed and one call for each of 64
    /// communities.
    pub max_streams: u32,
    /// All headers of one request: 16 KiB, what web servers commonly allow; ours need under 1 KiB.
    pub max_header_list_bytes: u32,
    /// HTTP/2 streams that a client has opened and reset before we looked at them: 20. More is the
    /// "rapid reset" attack (CVE-2023-44487), and the connection is closed.
    pub max_pending_resets: usize,
    /// Between HTTP/2 pings: 20 s, below the 30 s after which some home routers forget a silent
    /// connection.
    pub keep_alive: Duration,
    /// For the answer to a ping: 20 s; a peer that vanished frees its place after 40 s.
    pub keep_alive_time_out: Duration,
    /// For requests under way when the server is told to stop: 10 s; service managers commonly
    /// kill after 30 s or more, so that the rest of the process has time to close its files.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 1024 - 128,
            max_connections_per_address: 64,
            handshake_time_out: Duration::from_secs(10),
            header_time_out: Duration::from_secs(10),
            max_streams: 128,
            max_header_list_bytes: 16 * 1024,
            max_pending_resets: 20,
            keep_alive: Duration::from_secs(20),
            keep_alive_time_out: Duration::from_secs(20),
            grace: Duration::from_secs(10),
        }
    }
}

/// How long a dialler waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialLimits {
    /// For the name, the connection and the handshake together: 10 s, as the server allows.
    pub connect_time_out: Duration,
    /// Between HTTP/2 pings, sent also while no call is open: 20 s, as the server does.
    pub keep_alive: Duration,
    /// For the answer to a ping: 20 s.
    pub keep_alive_time_out: Duration,
}

impl Default for DialLimits {
    fn default() -> Self {
        Self {
            connect_time_out: Duration::from_secs(10),
            keep_alive: Duration::from_secs(20),
            keep_alive_time_out: Duration::from_secs(20),
        }
    }
}
