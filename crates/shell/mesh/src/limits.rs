//! What others may take of connections, memory, messages and patience.
//!
//! Worst case of memory, beside libp2p itself: 64 members' streams × 2 frames of 2 MiB on the way in = 256 MiB if all
//! send their largest batch at once, which is the bound at which new connections are refused; in rest a stream holds
//! nothing. Known addresses: 1,024 keys × 8 × about 40 bytes = 320 KiB.

use std::time::Duration;

/// The longest doorbell: a checkpoint of 64 logs' worth of names needs under 1 KiB; ML-DSA signatures of
/// 3,243 characters fit as well.
pub const MAX_DOORBELL_BYTES: usize = 4 * 1024;

/// What others may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Established connections in all; a region of 64 communities in full, and as many strangers again.
    pub max_connections: u32,
    /// Established connections of one key: one dialled each way, and one over a relay.
    pub max_connections_per_key: u32,
    /// Connections under way, each way.
    pub max_pending: u32,
    /// Keys connected that are not admitted.
    pub max_strangers: usize,
    /// How long a key may be connected without being admitted.
    pub stranger_time: Duration,
    /// Streams that one key may have opened to here; a stranger has one.
    pub max_streams_per_key: usize,
    /// Resident bytes of the process above which new connections are refused.
    pub max_process_bytes: u64,
    /// How long a connection without a stream stays open.
    pub idle_time: Duration,
    /// How long one frame may be on its way, each way: 2 MiB in 60 s are 35 KB/s.
    pub frame_time: Duration,
    /// Doorbells of one key at once, beyond which they are not passed on.
    pub doorbell_burst: u32,
    /// Doorbells of one key in a second, in the long run.
    pub doorbells_per_second: u32,
    /// Doorbells beyond both of them, each malformed one counted 64 times, after which the key is cut off.
    pub max_doorbell_faults: u32,
    /// How long a key that was cut off is refused.
    pub cut_off_time: Duration,
    /// What is relayed for others.
    pub relay: RelayLimits,
}

/// What a relay gives to the members of its region.
#[derive(Debug, Clone)]
pub struct RelayLimits {
    /// Members that may be reached through here at once.
    pub max_reservations: usize,
    /// Circuits at once.
    pub max_circuits: usize,
    /// Circuits of one member at once.
    pub max_circuits_per_key: usize,
    /// How long a circuit lasts; long enough to find a direct way, and to pull what is missing.
    pub max_circuit_time: Duration,
    /// Bytes that a circuit carries each way: some 60 of the largest batches.
    pub max_circuit_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 128,
            max_connections_per_key: 3,
            max_pending: 64,
            max_strangers: 64,
            stranger_time: Duration::from_secs(30),
            max_streams_per_key: 4,
            max_process_bytes: 256 * 1024 * 1024,
            idle_time: Duration::from_secs(60),
            frame_time: Duration::from_secs(60),
            doorbell_burst: 512,
            doorbells_per_second: 16,
            max_doorbell_faults: 512,
            cut_off_time: Duration::from_secs(600),
            relay: RelayLimits::default(),
        }
    }
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            max_reservations: 64,
            max_circuits: 32,
            max_circuits_per_key: 4,
            max_circuit_time: Duration::from_secs(15 * 60),
            max_circuit_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Addresses that one member may have tried in [`DIAL_BACK_SPAN`]: a node has an address or two for each transport.
pub const MAX_DIAL_BACKS: usize = 8;
/// Addresses that all may have tried in [`DIAL_BACK_SPAN`].
pub const MAX_DIAL_BACKS_OF_ALL: usize = 64;
/// The time in which addresses that are tried are counted.
pub const DIAL_BACK_SPAN: Duration = Duration::from_secs(60);
/// The most keys whose addresses are remembered.
pub(crate) const MAX_KNOWN_KEYS: usize = 1_024;
/// The most addresses of one key that are remembered.
pub(crate) const MAX_ADDRESSES_PER_KEY: usize = 8;
/// The most addresses that are dialled whoever answers there.
pub(crate) const MAX_PLACES: usize = 256;
/// Doorbells that wait for a verdict; further ones are not passed on.
pub(crate) const MAX_UNJUDGED: usize = 256;
/// How long a stream may take to open.
pub(crate) const OPEN_TIME: Duration = Duration::from_secs(10);
/// Frames of a stream that wait to be taken, each way.
pub(crate) const WAITING_FRAMES: usize = 1;
/// Faults that one malformed doorbell counts for.
pub(crate) const MALFORMED_FAULTS: u32 = 64;
