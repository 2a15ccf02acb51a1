//! Receipts: a coordinator's entry, in its own log, that it holds logs up to a size since a time.

use tlog::Hash;

use crate::{ids::CommunityId, time::UnixMillis};

/// One log, one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldHead {
    /// Whose log.
    pub community: CommunityId,
    /// Which era.
    pub era: u32,
    /// The coordinator holds every record below this index, with its payload.
    pub size: u64,
    /// The root at that size.
    pub root: Hash,
}

/// The heads that were made durable in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// When they were received.
    pub received_at: UnixMillis,
    /// In ascending order of community and era, each once.
    pub heads: Vec<HeldHead>,
}
