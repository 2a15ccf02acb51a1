//! Index records: a coordinator's commitment to everything that it holds, and what changed since the last.

use tlog::Hash;

use super::status::Standing;
use crate::ids::LogName;

/// The most changes in one index record: each takes up to 92 bytes, together 184 KiB of the 256 KiB of a payload.
pub const MAX_INDEX_CHANGES: usize = 2_048;

/// One log, as a coordinator holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// The log.
    pub log: LogName,
    /// Every record below this index is held.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
    /// How the log is treated.
    pub standing: Standing,
}

/// The root of a coordinator's map of logs, with the entries that changed since its index record before.
///
/// Where the changes exceed a payload, several records of one root make one index; see [`crate::index::Replay`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The root of the whole map once every change has been made.
    pub root: Hash,
    /// How many entries the whole map has then.
    pub n_entries: u64,
    /// How many records of this index are still to come; 0 in the last.
    pub n_to_follow: u32,
    /// In ascending order of community and era, each once, over all records of the index; at least one.
    pub changes: Vec<IndexEntry>,
}
