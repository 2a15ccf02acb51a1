//! The Merkle tree of RFC 6962, section 2.1: its hashes, and its frontier while it grows.
//!
//! A tree of `size` leaves is a row of perfect subtrees, one for each set bit of `size`, largest
//! first. Their roots are all that is needed to append a leaf or to know the root:
//!
//! ```text
//! size 7 = 4 + 2 + 1     [0..4) [4..6) [6]     root = node(p0, node(p1, p2))
//! ```
//!
//! The frontier proves nothing about the past; proofs are made in [`crate::prove`].

use sha2::{Digest as _, Sha256};

use crate::hash::Hash;

/// The largest tree: 2^63 - 1 leaves, so that a size fits a signed 64-bit column.
pub const MAX_TREE_SIZE: u64 = (1 << 63) - 1;

/// The root of the tree without leaves: SHA-256 of nothing (RFC 6962, section 2.1).
pub const EMPTY_ROOT: Hash = Hash::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// What stands before an entry when it is hashed, so that no entry can pass for a node.
const LEAF_PREFIX: [u8; 1] = [0x00];
/// What stands before two hashes when they are joined.
const NODE_PREFIX: [u8; 1] = [0x01];

/// [`EMPTY_ROOT`], as a function.
#[must_use]
pub const fn empty_root() -> Hash {
    EMPTY_ROOT
}

/// The hash of a leaf: SHA-256(0x00 ‖ entry) (RFC 6962, section 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let digest = Sha256::new().chain_update(LEAF_PREFIX).chain_update(entry).finalize();
    Hash::from_bytes(digest.into())
}

/// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 6962, section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let digest = Sha256::new()
        .chain_update(NODE_PREFIX)
        .chain_update(left.as_bytes())
        .chain_update(right.as_bytes())
        .finalize();
    Hash::from_bytes(digest.into())
}

/// The root over `peaks`, the roots of neighbouring perfect subtrees, largest first; `None` if
/// there are none.
pub(crate) fn root_of_peaks(peaks: &[Hash]) -> Option<Hash> {
    let (last, others) = peaks.split_last()?;
    Some(others.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// A growing tree: its size and the roots of its perfect subtrees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// One for each set bit of `size`, largest subtree first.
    peaks: Vec<Hash>,
}

/// Why a frontier cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The bytes are not 8 + 32 for each set bit of the size they begin with.
    #[error("a frontier of {n_bytes} bytes does not fit the size it states")]
    Length {
        /// How many bytes were given.
        n_bytes: usize,
    },
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log may be")]
    TooLarge {
        /// The size stated.
        size: u64,
    },
}

impl Frontier {
    /// The tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// A tree of `size` leaves whose perfect subtrees have these roots, largest first.
    ///
    /// # Errors
    ///
    /// [`FrontierError::TooLarge`] above [`MAX_TREE_SIZE`]; [`FrontierError::Length`] unless there is
    /// one peak for each set bit of `size`.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, FrontierError> {
        if MAX_TREE_SIZE < size {
            return Err(FrontierError::TooLarge { size });
        }
        if peaks.len() != n_peaks(size) {
            let n_bytes = size_of::<u64>() + peaks.len() * Hash::LEN_BYTES;
            return Err(FrontierError::Length { n_bytes });
        }
        Ok(Self { size, peaks })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, largest first: one for each set bit of the size.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// The root of the tree; [`EMPTY_ROOT`] while it has no leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        root_of_peaks(&self.peaks).unwrap_or(EMPTY_ROOT)
    }

    /// Appends one leaf hash (see [`leaf_hash`]), not an entry.
    pub fn push(&mut self, leaf: Hash) {
        // Each trailing one bit of the size is a subtree as large as what has been built so far.
        let mut right = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            right = node_hash(&left, &right);
        }
        self.peaks.push(right);
        self.size += 1;
    }

    /// The frontier as bytes: the size as 8 bytes big-endian, then the peaks, largest first.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        bytes.extend(self.peaks.iter().flat_map(Hash::as_bytes));
        bytes
    }

    /// Reads what [`Frontier::to_bytes`] writes.
    ///
    /// That the peaks are those of any real tree cannot be seen from them; compare [`Frontier::root`]
    /// with a signed checkpoint.
    ///
    /// # Errors
    ///
    /// [`FrontierError::Length`] if the length does not fit the size; [`FrontierError::TooLarge`]
    /// above [`MAX_TREE_SIZE`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrontierError> {
        let wrong_length = FrontierError::Length { n_bytes: bytes.len() };
        let (size, peaks) = bytes.split_first_chunk().ok_or(wrong_length)?;
        let (peaks, []) = peaks.as_chunks::<{ Hash::LEN_BYTES }>() else {
            return Err(wrong_length);
        };
        let peaks = peaks.iter().copied().map(Hash::from_bytes).collect();
        Self::from_peaks(u64::from_be_bytes(*size), peaks)
    }
}

impl Extend<Hash> for Frontier {
    /// Appends leaf hashes in order.
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

impl FromIterator<Hash> for Frontier {
    /// The tree of these leaf hashes, in order.
    fn from_iter<T: IntoIterator<Item = Hash>>(leaves: T) -> Self {
        let mut frontier = Self::new();
        frontier.extend(leaves);
        frontier
    }
}

/// How many perfect subtrees a tree of `size` leaves consists of.
fn n_peaks(size: u64) -> usize {
    // At most 64, which fits every usize.
    usize::try_from(size.count_ones()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, Hash::from_bytes(Sha256::digest([]).into()));
        assert_eq!(Frontier::new().root(), empty_root());
        assert_eq!(Frontier::new(), Frontier::default());
    }

    #[test]
    fn an_entry_that_spells_a_node_has_another_hash() {
        let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
        let spelled = [left.as_bytes().as_slice(), right.as_bytes()].concat();
        assert_ne!(leaf_hash(&spelled), node_hash(&left, &right));
    }

    #[test]
    fn seven_leaves_are_four_and_two_and_one() {
        let leaves: Vec<_> = (0..7_u8).map(|n| leaf_hash(&[n])).collect();
        let pair = |n: usize| node_hash(&leaves[n], &leaves[n + 1]);
        let four = node_hash(&pair(0), &pair(2));

        let frontier: Frontier = leaves.iter().copied().collect();

        assert_eq!(frontier.peaks(), [four, pair(4), leaves[6]]);
        assert_eq!(frontier.root(), node_hash(&four, &node_hash(&pair(4), &leaves[6])));
    }

    #[test]
    fn refuses_a_frontier_one_byte_or_one_peak_off() {
        let bytes = (0..7_u8).map(|n| leaf_hash(&[n])).collect::<Frontier>().to_bytes();
        assert_eq!(bytes.len(), 8 + 3 * 32);
        assert!(Frontier::from_bytes(&bytes).is_ok());
        for n_bytes in [0, 7, 8, bytes.len() - 32, bytes.len() - 1] {
            let refusal = Err(FrontierError::Length { n_bytes });
            assert_eq!(Frontier::from_bytes(&bytes[..n_bytes]), refusal);
        }
        for more in [1, 32] {
            let longer = [bytes.as_slice(), &vec![0; more]].concat();
            assert!(Frontier::from_bytes(&longer).is_err());
        }
    }

    #[test]
    fn the_largest_tree_is_read_and_the_next_refused() {
        let peak = leaf_hash(b"any");
        assert!(Frontier::from_peaks(MAX_TREE_SIZE, vec![peak; 63]).is_ok());
        let size = MAX_TREE_SIZE + 1;
        let refusal = Err(FrontierError::TooLarge { size });
        assert_eq!(Frontier::from_peaks(size, vec![peak]), refusal);
    }

    /// RFC 6962, section 2.1, word for word.
    fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&merkle_tree_hash(left), &merkle_tree_hash(right))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_frontier_agrees_with_the_recursive_definition(n_leaves in 0..300_u16) {
            let leaves: Vec<_> = (0..n_leaves).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let frontier: Frontier = leaves.iter().copied().collect();
            prop_assert_eq!(frontier.size(), u64::from(n_leaves));
            prop_assert_eq!(frontier.root(), merkle_tree_hash(&leaves));
        }

        #[test]
        fn a_frontier_goes_to_bytes_and_back_and_grows_on(n_before in 0..100_u16, n_after in 0..100_u16) {
            let mut frontier: Frontier = (0..n_before).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let mut read = Frontier::from_bytes(&frontier.to_bytes()).unwrap();
            prop_assert_eq!(&read, &frontier);
            let more: Vec<_> = (0..n_after).map(|n| leaf_hash(&n.to_le_bytes())).collect();
            frontier.extend(more.iter().copied());
            read.extend(more);
            prop_assert_eq!(read.root(), frontier.root());
        }

        #[test]
        fn reading_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frontier) = Frontier::from_bytes(&bytes) {
                prop_assert_eq!(frontier.to_bytes(), bytes);
            }
        }
    }
}
