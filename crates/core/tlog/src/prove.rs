//! Making proofs, in two steps and without I/O: say which nodes are needed, then join them.
//!
//! A proof is a list of *ranges* of leaves whose roots are its hashes (RFC 6962, sections 2.1.1 and
//! 2.1.2). Each range is a row of perfect *nodes*, and each node lies in one tile. A store therefore
//! asks for the nodes, fetches their tiles, and hands them back:
//!
//! ```
//! use tlog::{TileCache, leaf_hash, prove, tile, tree::Frontier, verify_inclusion};
//!
//! // Six leaves fit one tile.
//! let leaves: Vec<_> = (0..6_u8).map(|n| leaf_hash(&[n])).collect();
//! let (index, size) = (2, 6);
//!
//! let nodes = prove::inclusion_nodes(index, size)?;
//! let mut cache = TileCache::new();
//! for needed in tile::required_tiles(&nodes, size) {
//!     // Here a store would fetch the tile at `needed.path()`.
//!     assert_eq!(needed.path(), "tile/0/000.p/6");
//!     cache.insert(needed, leaves.clone())?;
//! }
//! let proof = prove::inclusion_proof(index, size, &cache.lookup())?;
//!
//! let root = leaves.iter().copied().collect::<Frontier>().root();
//! verify_inclusion(leaves[2], index, size, &proof, &root)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A *lookup* is `Fn(level, index) -> Option<Hash>`: the hash of the perfect subtree over the leaves
//! `index * 2^level .. (index + 1) * 2^level`, or `None` if it is not at hand.

use std::collections::BTreeMap;

use crate::{
    hash::Hash,
    tree::{EMPTY_ROOT, Frontier, MAX_TREE_SIZE, node_hash, root_of_peaks},
};

/// A perfect subtree: the leaves `index * 2^level .. (index + 1) * 2^level`.
///
/// Level 0 is the leaves. Not a tile's level, which is eight of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeRef {
    /// The height above the leaves: 0..=63.
    pub level: u8,
    /// The position in its level, from 0.
    pub index: u64,
}

/// A range of leaves whose root is one hash of a proof.
///
/// Its length may be anything above zero; it begins at a multiple of the smallest power of two that
/// is not below its length, so that it is a subtree of RFC 6962.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafRange {
    start: u64,
    end: u64,
}

/// Why a proof cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The tree has no leaf at this index.
    #[error("a tree of {size} leaves has no leaf {index}")]
    IndexOutside {
        /// The index asked for, from 0.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The tree said to be older is the larger one.
    #[error("a tree of {new_size} leaves cannot continue one of {old_size}")]
    SizesReversed {
        /// The size said to be older.
        old_size: u64,
        /// The size said to be newer.
        new_size: u64,
    },
    /// The size is above [`MAX_TREE_SIZE`].
    #[error("a tree of {size} leaves is larger than any log may be")]
    TooLarge {
        /// The size asked for.
        size: u64,
    },
    /// The lookup has no hash for a node that the proof needs.
    #[error("the node {} of level {} is not at hand", .0.index, .0.level)]
    MissingNode(NodeRef),
}

impl LeafRange {
    /// The first leaf, from 0.
    #[must_use]
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The leaf after the last.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The perfect subtrees that the range consists of, largest first: 1..=63 of them.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeRef> {
        let n_leaves = self.end.saturating_sub(self.start);
        let mut at = self.start;
        (0..u64::BITS)
            .rev()
            .filter(|level| n_leaves >> level & 1 == 1)
            .filter_map(|level| {
                let node = NodeRef { level: u8::try_from(level).ok()?, index: at >> level };
                at += 1 << level;
                Some(node)
            })
            .collect()
    }

    /// The root of the range.
    fn root(&self, lookup: &impl Fn(u8, u64) -> Option<Hash>) -> Result<Hash, ProveError> {
        let peaks = hashes_of(&self.nodes(), lookup)?;
        // A range is never empty, so the fall-back is never the answer.
        Ok(root_of_peaks(&peaks).unwrap_or(EMPTY_ROOT))
    }
}

/// The ranges whose roots prove that leaf `index` is in the tree of `size`, in the order of the
/// proof: from the leaf's sibling up (RFC 6962, section 2.1.1).
///
/// # Errors
///
/// [`ProveError::IndexOutside`] unless `index < size`; [`ProveError::TooLarge`] above
/// [`MAX_TREE_SIZE`].
pub fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<LeafRange>, ProveError> {
    check_size(size)?;
    if size <= index {
        return Err(ProveError::IndexOutside { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while let Some(middle) = split_point(start, end) {
        if index < middle {
            ranges.push(LeafRange { start: middle, end });
            end = middle;
        } else {
            ranges.push(LeafRange { start, end: middle });
            start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// The ranges whose roots prove that the tree of `new_size` begins with that of `old_size`, in the
/// order of the proof (RFC 6962, section 2.1.2). None from size 0 and for equal sizes.
///
/// # Errors
///
/// [`ProveError::SizesReversed`] if the old size is the larger; [`ProveError::TooLarge`] above
/// [`MAX_TREE_SIZE`].
pub fn consistency_ranges(old_size: u64, new_size: u64) -> Result<Vec<LeafRange>, ProveError> {
    check_size(new_size)?;
    if new_size < old_size {
        return Err(ProveError::SizesReversed { old_size, new_size });
    }
    if old_size == 0 {
        return Ok(Vec::new());
    }
    // Go down to the subtree that ends where the old tree ends.
    let (mut start, mut end) = (0, new_size);
    let mut ranges = Vec::new();
    while old_size < end {
        let Some(middle) = split_point(start, end) else { break };
        if old_size <= middle {
            ranges.push(LeafRange { start: middle, end });
            end = middle;
        } else {
            ranges.push(LeafRange { start, end: middle });
            start = middle;
        }
    }
    // Where that subtree is the whole old tree, the verifier knows its root already.
    if start != 0 {
        ranges.push(LeafRange { start, end });
    }
    ranges.reverse();
    Ok(ranges)
}

/// The nodes that [`inclusion_proof`] will look up.
///
/// # Errors
///
/// As [`inclusion_ranges`].
pub fn inclusion_nodes(index: u64, size: u64) -> Result<Vec<NodeRef>, ProveError> {
    Ok(inclusion_ranges(index, size)?.iter().flat_map(LeafRange::nodes).collect())
}

/// The nodes that [`consistency_proof`] will look up.
///
/// # Errors
///
/// As [`consistency_ranges`].
pub fn consistency_nodes(old_size: u64, new_size: u64) -> Result<Vec<NodeRef>, ProveError> {
    Ok(consistency_ranges(old_size, new_size)?.iter().flat_map(LeafRange::nodes).collect())
}

/// The nodes that [`root_at`] and [`frontier_at`] will look up: the perfect subtrees of the tree,
/// largest first.
///
/// # Errors
///
/// [`ProveError::TooLarge`] above [`MAX_TREE_SIZE`].
pub fn root_nodes(size: u64) -> Result<Vec<NodeRef>, ProveError> {
    check_size(size)?;
    Ok(LeafRange { start: 0, end: size }.nodes())
}

/// The inclusion proof of leaf `index` in the tree of `size`: from the leaf's sibling up, at most 63
/// hashes, none for a tree of one leaf.
///
/// # Errors
///
/// As [`inclusion_ranges`]; [`ProveError::MissingNode`] if the lookup lacks a node.
pub fn inclusion_proof(
    index: u64,
    size: u64,
    lookup: &impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProveError> {
    inclusion_ranges(index, size)?.iter().map(|range| range.root(lookup)).collect()
}

/// The proof that the tree of `new_size` begins with that of `old_size`; empty from size 0 and for
/// equal sizes.
///
/// # Errors
///
/// As [`consistency_ranges`]; [`ProveError::MissingNode`] if the lookup lacks a node.
pub fn consistency_proof(
    old_size: u64,
    new_size: u64,
    lookup: &impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProveError> {
    consistency_ranges(old_size, new_size)?.iter().map(|range| range.root(lookup)).collect()
}

/// One consistency proof of two that follow each other: from the tree of `old_size` to that of `middle_size`, and from
/// there to that of `new_size`, where the sizes ascend. The middle tree need not be known to whoever verifies the result.
///
/// Nothing is verified: the joined proof holds if both do. `None` if one of them lacks hashes.
#[must_use]
pub fn join_consistency(
    [old_size, middle_size, new_size]: [u64; 3],
    old_to_middle: &[Hash],
    middle_to_new: &[Hash],
) -> Option<Vec<Hash>> {
    let mut known = BTreeMap::new();
    let links = [(old_size, middle_size, old_to_middle), (middle_size, new_size, middle_to_new)];
    for (old, new, proof) in links {
        let ranges = consistency_ranges(old, new).ok()?;
        known.extend(ranges.iter().map(|it| (it.start, it.end)).zip(proof.iter().copied()));
    }
    let joined = consistency_ranges(old_size, new_size).ok()?;
    joined.iter().map(|range| root_of_known(range.start, range.end, &known)).collect()
}

/// The root over `start..end`, from roots of the parts into which a tree divides it.
fn root_of_known(start: u64, end: u64, known: &BTreeMap<(u64, u64), Hash>) -> Option<Hash> {
    if let Some(root) = known.get(&(start, end)) {
        return Some(*root);
    }
    let middle = split_point(start, end)?;
    // The first part that is missing ends it: else a short proof of a large tree would cost every leaf.
    let left = root_of_known(start, middle, known)?;
    Some(node_hash(&left, &root_of_known(middle, end, known)?))
}

/// The tree as it stood at `size`, ready to grow on from there.
///
/// # Errors
///
/// [`ProveError::TooLarge`] above [`MAX_TREE_SIZE`]; [`ProveError::MissingNode`] if the lookup lacks
/// a node.
pub fn frontier_at(
    size: u64,
    lookup: &impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Frontier, ProveError> {
    let peaks = hashes_of(&root_nodes(size)?, lookup)?;
    // One peak was looked up for each set bit of the size, so only the size can be wrong.
    Frontier::from_peaks(size, peaks).ok().ok_or(ProveError::TooLarge { size })
}

/// The root of the tree as it stood at `size`; [`crate::EMPTY_ROOT`] for size 0.
///
/// # Errors
///
/// As [`frontier_at`].
pub fn root_at(size: u64, lookup: &impl Fn(u8, u64) -> Option<Hash>) -> Result<Hash, ProveError> {
    Ok(frontier_at(size, lookup)?.root())
}

/// A lookup over all leaf hashes of a tree, from the first: for small trees and for tests, because
/// each answer hashes all the leaves below the node.
pub fn leaf_lookup(leaves: &[Hash]) -> impl Fn(u8, u64) -> Option<Hash> {
    |level, index| {
        let n_leaves = 1_usize.checked_shl(u32::from(level))?;
        let start = usize::try_from(index).ok()?.checked_mul(n_leaves)?;
        let below = leaves.get(start..start.checked_add(n_leaves)?)?;
        Some(below.iter().copied().collect::<Frontier>().root())
    }
}

fn check_size(size: u64) -> Result<(), ProveError> {
    if MAX_TREE_SIZE < size { Err(ProveError::TooLarge { size }) } else { Ok(()) }
}

/// Where the tree over the leaves `start..end` parts: after the largest power of two of leaves that
/// is below their number (RFC 6962, section 2.1). `None` for fewer than two leaves.
fn split_point(start: u64, end: u64) -> Option<u64> {
    let n_leaves = end.checked_sub(start)?;
    let levels = n_leaves.checked_sub(1)?.checked_ilog2()?;
    Some(start + (1 << levels))
}

fn hashes_of(
    nodes: &[NodeRef],
    lookup: &impl Fn(u8, u64) -> Option<Hash>,
) -> Result<Vec<Hash>, ProveError> {
    nodes
        .iter()
        .map(|node| lookup(node.level, node.index).ok_or(ProveError::MissingNode(*node)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_parts_at_the_largest_power_of_two_below_its_size() {
        let parts: Vec<_> = (0..=9).map(|size| split_point(0, size)).collect();
        let expected =
            [None, None, Some(1), Some(2), Some(2), Some(4), Some(4), Some(4), Some(4), Some(8)];
        assert_eq!(parts, expected);
        assert_eq!(split_point(8, 11), Some(10));
    }

    #[test]
    fn the_proof_of_leaf_three_of_seven_takes_the_ranges_of_the_rfc() {
        // RFC 6962, section 2.1.3: the path of d3 is [c, g, l].
        let ranges: Vec<_> =
            inclusion_ranges(3, 7).unwrap().iter().map(|it| (it.start(), it.end())).collect();
        assert_eq!(ranges, [(2, 3), (0, 2), (4, 7)]);
    }

    #[test]
    fn the_consistency_proof_of_three_and_seven_takes_the_ranges_of_the_rfc() {
        // RFC 6962, section 2.1.3: PROOF(3, D[7]) = [c, d, g, l], PROOF(4, D[7]) = [l],
        // PROOF(6, D[7]) = [i, j, k].
        let of = |old| -> Vec<_> {
            let ranges = consistency_ranges(old, 7).unwrap();
            ranges.iter().map(|it| (it.start(), it.end())).collect()
        };
        assert_eq!(of(3), [(2, 3), (3, 4), (0, 2), (4, 7)]);
        assert_eq!(of(4), [(4, 7)]);
        assert_eq!(of(6), [(4, 6), (6, 7), (0, 4)]);
        assert_eq!(of(7), []);
        assert_eq!(of(0), []);
    }

    #[test]
    fn refuses_places_and_sizes_just_outside() {
        assert!(inclusion_nodes(6, 7).is_ok());
        let outside = ProveError::IndexOutside { index: 7, size: 7 };
        assert_eq!(inclusion_nodes(7, 7), Err(outside));
        assert_eq!(inclusion_nodes(0, 0), Err(ProveError::IndexOutside { index: 0, size: 0 }));
        let reversed = ProveError::SizesReversed { old_size: 8, new_size: 7 };
        assert_eq!(consistency_nodes(8, 7), Err(reversed));

        let size = MAX_TREE_SIZE;
        assert!(inclusion_nodes(size - 1, size).is_ok());
        assert!(consistency_nodes(size - 1, size).is_ok());
        assert_eq!(root_nodes(size).map(|nodes| nodes.len()), Ok(63));
        let too_large = ProveError::TooLarge { size: size + 1 };
        assert_eq!(inclusion_nodes(0, size + 1), Err(too_large));
        assert_eq!(consistency_nodes(0, size + 1), Err(too_large));
        assert_eq!(root_nodes(size + 1), Err(too_large));
    }

    #[test]
    fn names_the_node_that_is_missing() {
        let leaves: Vec<_> = (0..6_u8).map(|n| crate::leaf_hash(&[n])).collect();
        let missing = ProveError::MissingNode(NodeRef { level: 0, index: 6 });
        assert_eq!(root_at(7, &leaf_lookup(&leaves)), Err(missing));
        assert!(root_at(6, &leaf_lookup(&leaves)).is_ok());
    }
}
