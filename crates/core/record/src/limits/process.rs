//! What a process takes of connections, of the mesh, and of the files of whoever runs it.
//!
//! Over the mesh and to a connection that is too many no answer goes back: it is ended, and whoever ended it logs the
//! reason. The crates that hold these limits know nothing of this table; `peer` compares them with it.

use super::{Limit, MAX_GRPC_MESSAGE_BYTES, limit};
use crate::region::USUAL_QUOTA;

/// The most files and folders in a data folder that is backed up: it has some twenty, and more is somebody's home by
/// mistake.
pub const MAX_BACKUP_FILES: usize = 10_000;
/// The most orders that a coordinator's operators have given about logs.
pub const MAX_ORDERS: usize = 4_096;

/// A limit that ends a connection or stream, to which no answer goes back.
const fn ends(
    reason: &'static str,
    value: u64,
    unit: &'static str,
    because: &'static str,
) -> Limit {
    Limit { reason, value, unit, because, grpc: "-", http: 0 }
}

/// A quota, which delays and refuses nothing.
const fn delays(
    reason: &'static str,
    value: u64,
    unit: &'static str,
    because: &'static str,
) -> Limit {
    ends(reason, value, unit, because)
}

/// What a region of the usual rules takes of one community; the region's epochs may say otherwise.
pub const QUOTAS: &[Limit] = &[
    delays(
        "quota.records_per_minute",
        USUAL_QUOTA.records_per_minute as u64,
        "records",
        "100 a second for a minute at once; what is beyond waits half a minute",
    ),
    delays(
        "quota.bytes_per_day",
        USUAL_QUOTA.bytes_per_day,
        "bytes",
        "12 KB a second all day; what is beyond waits ten minutes",
    ),
];

/// What an operator's own commands take.
pub const OPERATOR: &[Limit] = &[
    limit(
        "backup.too_many_files",
        MAX_BACKUP_FILES as u64,
        "files",
        "a data folder has some twenty; more is a home by mistake",
        400,
    ),
    limit(
        "status.too_many",
        MAX_ORDERS as u64,
        "orders",
        "one for every fourth log that a stream keeps in mind",
        400,
    ),
];

/// What a server takes of connections over TLS.
pub const CONNECTIONS: &[Limit] = &[
    ends(
        "connection.too_many",
        1024 - 128,
        "connections",
        "1,024 file descriptors less 128 for the rest",
    ),
    ends(
        "connection.too_many_of_one_address",
        64,
        "connections",
        "an office of browsers; of one IPv6 /64; `max_connections_per_address` sets another",
    ),
    ends("connection.handshake", 10, "seconds", "three round trips on a very bad line"),
    ends("connection.request_head", 10, "seconds", "the same, until a request's head is whole"),
    ends(
        "connection.too_many_requests",
        128,
        "requests",
        "at one time: a feed and a call for each of 64 communities",
    ),
    ends(
        "connection.headers_too_large",
        16 * 1024,
        "bytes",
        "what web servers allow; ours need under 1 KiB",
    ),
    ends("connection.resets", 20, "streams", "more is the rapid-reset attack (CVE-2023-44487)"),
    ends("connection.silent", 40, "seconds", "a ping after 20, and 20 for its answer"),
];

/// What a process takes of others over the mesh.
pub const MESH: &[Limit] = &[
    ends(
        "mesh.too_many_connections",
        128,
        "connections",
        "a region of 64 in full, and as many strangers",
    ),
    ends(
        "mesh.too_many_connections_of_one",
        3,
        "connections",
        "one dialled each way, and one over a relay",
    ),
    ends("mesh.too_many_pending", 64, "connections", "under way, each way: half of all"),
    ends("mesh.too_many_strangers", 64, "keys", "half of all connections"),
    ends("mesh.stranger", 30, "seconds", "to learn who is admitted takes one or two"),
    ends(
        "mesh.too_many_streams",
        4,
        "streams",
        "of one key: one or two are of use; a stranger has one",
    ),
    ends(
        "mesh.memory",
        256 * 1024 * 1024,
        "bytes",
        "64 streams × 2 frames of 2 MiB; new connections wait beyond it",
    ),
    ends("mesh.idle", 60, "seconds", "a connection without a stream is of no use for longer"),
    ends(
        "mesh.frame_too_large",
        MAX_GRPC_MESSAGE_BYTES as u64,
        "bytes",
        "one batch and its proofs, as over gRPC",
    ),
    ends("mesh.slow", 60, "seconds", "for one frame: 2 MiB at 35 KB a second"),
    ends(
        "mesh.malformed_doorbells",
        4 * 1024,
        "bytes",
        "of a doorbell: under 1 KiB, and 3,243 characters of ML-DSA",
    ),
    ends(
        "mesh.too_many_doorbells",
        512,
        "doorbells",
        "of one key at once; what is beyond is not passed on",
    ),
    ends("mesh.doorbell_rate", 16, "doorbells", "of one key in a second, in the long run"),
    ends(
        "mesh.doorbell_faults",
        512,
        "faults",
        "then the key is cut off; one that is malformed counts 64",
    ),
    ends("mesh.cut_off", 600, "seconds", "for which a key that was cut off is refused"),
    ends(
        "mesh.too_many_dial_backs",
        8,
        "addresses",
        "of one member in a minute: two for each transport, twice",
    ),
    ends(
        "mesh.too_many_dial_backs_of_all",
        64,
        "addresses",
        "in a minute: eight members that start together",
    ),
    ends(
        "mesh.too_many_reservations",
        64,
        "members",
        "that are reached through one relay: a region in full",
    ),
    ends("mesh.too_many_circuits", 32, "circuits", "relayed at once: half of the reservations"),
    ends("mesh.too_many_circuits_of_one", 4, "circuits", "of one member at once: an eighth of all"),
    ends("mesh.circuit_time", 15 * 60, "seconds", "to find a direct way and pull what is missing"),
    ends(
        "mesh.circuit_too_large",
        64 * 1024 * 1024,
        "bytes",
        "each way: some 60 of the largest batches",
    ),
];
