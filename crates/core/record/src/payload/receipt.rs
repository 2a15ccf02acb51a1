//! What mirrors and witnesses state in their own logs: that they hold, or have cosigned, logs up to a size since a time.

use tlog::Hash;

use crate::{ids::CommunityId, time::UnixMillis};

/// One log, one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldHead {
    /// Whose log.
    pub community: CommunityId,
    /// Which era.
    pub era: u32,
    /// How many records the head covers. In a receipt, the coordinator holds each of them with its payload.
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

/// What a witness has cosigned since it last said so: of each log the newest head.
///
/// A cosignature is seen by whoever is shown it; this is seen by all, so that where a forked log is frozen follows from
/// records alone (ARCHITECTURE §6, Forks).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignatures {
    /// When the newest of them was cosigned, or later.
    pub stated_at: UnixMillis,
    /// In ascending order of community and era, each once.
    pub heads: Vec<HeldHead>,
}
