//! A whole RFC 6962 tree in memory: its root, and the way from one leaf to it.

use tlog::{Frontier, Hash};

/// The root of the tree of these leaf hashes.
pub(crate) fn root_of(leaves: &[Hash]) -> [u8; 32] {
    *leaves.iter().copied().collect::<Frontier>().root().as_bytes()
}

/// The inclusion proof of leaf `index`, from its sibling up; `None` if there is no such leaf (RFC 6962, section 2.1.1).
pub(crate) fn inclusion_path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    let perfect_subtree = |level: u8, index: u64| {
        let n_leaves = 1_usize.checked_shl(level.into())?;
        let start = usize::try_from(index).ok()?.checked_mul(n_leaves)?;
        let under = leaves.get(start..start.checked_add(n_leaves)?)?;
        Some(Hash::from_bytes(root_of(under)))
    };
    let (index, size) = (u64::try_from(index).ok()?, u64::try_from(leaves.len()).ok()?);
    tlog::inclusion_proof(index, size, &perfect_subtree).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
        for n_leaves in 1..=33_u8 {
            let leaves: Vec<_> = (0..n_leaves).map(|n| tlog::leaf_hash(&[n])).collect();
            let root = Hash::from_bytes(root_of(&leaves));
            for (index, leaf) in leaves.iter().enumerate() {
                let path = inclusion_path(&leaves, index).unwrap();
                let verify = |leaf| {
                    tlog::verify_inclusion(leaf, index as u64, leaves.len() as u64, &path, &root)
                };
                assert_eq!(verify(*leaf), Ok(()));
                assert!(verify(tlog::leaf_hash(b"another")).is_err());
            }
            assert_eq!(inclusion_path(&leaves, leaves.len()), None);
        }
    }
}
