//! Evidence that a log forked: two signed heads that cannot both be true.

use crate::ids::CommunityId;

/// Two checkpoints of one log, each a signed note as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    /// Whose log.
    pub community: CommunityId,
    /// Which era.
    pub era: u32,
    /// One signed checkpoint.
    pub one: Vec<u8>,
    /// Another, of the same size with another root, or not consistent with the first.
    pub other: Vec<u8>,
}
