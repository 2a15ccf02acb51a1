//! Verification of inclusion and consistency proofs: RFC 9162, sections 2.1.3.2 and 2.1.4.2.
//!
//! Both walk from a leaf (or from the last complete subtree of the old tree) to the root. `here` is
//! the position of the node reached, `last` that of the last node of its level; each step up halves
//! both. A proof is right only if it ends exactly at the root.

use crate::{
    hash::Hash,
    tree::{EMPTY_ROOT, node_hash},
};

/// The most hashes a consistency proof may have (tlog-witness, `add-checkpoint`): enough for trees
/// of 2^62 leaves.
pub const MAX_CONSISTENCY_HASHES: usize = 63;

/// The most hashes an inclusion proof may have: one for each level of a tree of 2^63 leaves.
pub const MAX_INCLUSION_HASHES: usize = 63;

/// Why a proof does not prove what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
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
    /// A proof between these sizes has another number of hashes.
    #[error("the proof has {n_hashes} hashes, which is not the right number")]
    WrongLength {
        /// How many hashes were given.
        n_hashes: usize,
    },
    /// The hashes do not lead to the root; of a consistency proof, to the newer root.
    #[error("the proof does not lead to the root")]
    RootMismatch,
    /// The hashes do not lead to the older root: these trees are not one log.
    #[error("the proof does not lead to the older root")]
    OldRootMismatch,
}

/// Verifies that `leaf` (a leaf hash, not an entry) is number `index` of the tree of `size` leaves
/// with this root. The proof goes from the leaf's sibling up.
///
/// # Errors
///
/// [`ProofError::IndexOutside`] if there is no such leaf; [`ProofError::WrongLength`] if the proof is
/// for another place or size; [`ProofError::RootMismatch`] if it leads elsewhere.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if size <= index {
        return Err(ProofError::IndexOutside { index, size });
    }
    let wrong_length = ProofError::WrongLength { n_hashes: proof.len() };
    let mut walk = Walk { here: index, last: size - 1 };
    let mut reached = leaf;
    for sibling in proof {
        reached = match walk.step_up().ok_or(wrong_length)? {
            Side::Left => node_hash(sibling, &reached),
            Side::Right => node_hash(&reached, sibling),
        };
    }
    if walk.last != 0 {
        return Err(wrong_length);
    }
    if reached != *root {
        return Err(ProofError::RootMismatch);
    }
    Ok(())
}

/// Verifies that the tree of `new_size` leaves begins with the whole tree of `old_size` leaves.
///
/// Equal sizes need equal roots and an empty proof. From size 0 the proof is empty and says nothing
/// about the new root: every tree continues the empty one.
///
/// # Errors
///
/// [`ProofError::SizesReversed`] if the old tree is the larger; [`ProofError::WrongLength`] if the
/// proof is for other sizes or above [`MAX_CONSISTENCY_HASHES`]; [`ProofError::OldRootMismatch`] or
/// [`ProofError::RootMismatch`] if it leads elsewhere, or if an empty tree has not the empty root.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if new_size < old_size {
        return Err(ProofError::SizesReversed { old_size, new_size });
    }
    if old_size == 0 && *old_root != EMPTY_ROOT {
        return Err(ProofError::OldRootMismatch);
    }
    let wrong_length = ProofError::WrongLength { n_hashes: proof.len() };
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(wrong_length);
        }
        let same_root_needed = old_size == new_size;
        if same_root_needed && old_root != new_root {
            return Err(ProofError::RootMismatch);
        }
        return Ok(());
    }
    if MAX_CONSISTENCY_HASHES < proof.len() {
        return Err(wrong_length);
    }

    // The last complete subtree of the old tree is a node of both; where it is the whole old tree,
    // its hash is already known and the proof leaves it out.
    let (seed, siblings) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(wrong_length)?
    };
    let complete_levels = old_size.trailing_zeros();
    let mut walk =
        Walk { here: (old_size - 1) >> complete_levels, last: (new_size - 1) >> complete_levels };
    let (mut old_reached, mut new_reached) = (*seed, *seed);
    for sibling in siblings {
        match walk.step_up().ok_or(wrong_length)? {
            Side::Left => {
                old_reached = node_hash(sibling, &old_reached);
                new_reached = node_hash(sibling, &new_reached);
            }
            // What stands to the right came later: the old tree has no part in it.
            Side::Right => new_reached = node_hash(&new_reached, sibling),
        }
    }
    if walk.last != 0 {
        return Err(wrong_length);
    }
    if old_reached != *old_root {
        return Err(ProofError::OldRootMismatch);
    }
    if new_reached != *new_root {
        return Err(ProofError::RootMismatch);
    }
    Ok(())
}

/// A way from a node up to the root.
struct Walk {
    /// The position of the node reached, from 0, in its level.
    here: u64,
    /// The position of the last node of that level; 0 at the root.
    last: u64,
}

/// On which side of the node reached its next sibling stands.
enum Side {
    Left,
    Right,
}

impl Walk {
    /// Goes up to the next node that has a sibling; `None` if the root was reached already.
    fn step_up(&mut self) -> Option<Side> {
        if self.last == 0 {
            return None;
        }
        let is_right_child = self.here & 1 == 1;
        let side = if is_right_child || self.here == self.last {
            // A last node without a sibling moves up unchanged until it is a right child.
            let lone_levels = self.here.trailing_zeros();
            self.here >>= lone_levels;
            self.last >>= lone_levels;
            Side::Left
        } else {
            Side::Right
        };
        self.here >>= 1;
        self.last >>= 1;
        Some(side)
    }
}
