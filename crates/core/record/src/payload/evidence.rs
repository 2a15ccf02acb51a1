//! Evidence that a log forked: two signed heads that cannot both be true.

use tlog::Hash;

use crate::ids::CommunityId;

/// Two checkpoints of one log, each a signed note, and what shows that they contradict each other. [`crate::fork`]
/// verifies it with nothing but the identity of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkEvidence {
    /// Whose log.
    pub community: CommunityId,
    /// Which era.
    pub era: u32,
    /// The signed checkpoint of the smaller tree; of one size, that of the smaller root.
    pub one: Vec<u8>,
    /// The other.
    pub other: Vec<u8>,
    /// Of trees of different sizes: how the larger one begins. `None` of trees of one size, whose roots differ.
    pub beginning: Option<Beginning>,
}

/// The beginning of the larger tree, as large as the smaller one, and another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// Its root, which is not the one that the smaller head states.
    pub root: Hash,
    /// The consistency proof from it to the larger head: at most 63 hashes.
    pub proof: Vec<Hash>,
}
