//! Proofs made and verified: exhaustively for small trees, against the crate `ct-merkle` for larger
//! ones, and at the largest sizes there are.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test file: a panic is the failure report"
)]

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog::{
    EMPTY_ROOT, Frontier, Hash, MAX_CONSISTENCY_HASHES, MAX_TREE_SIZE, leaf_hash, node_hash,
    proof::ProofError,
    prove::{consistency_proof, inclusion_proof, join_consistency, leaf_lookup, root_at},
    verify_consistency, verify_inclusion,
};

#[test]
fn every_leaf_of_every_small_tree_is_proved() {
    let leaves = leaves(40);
    for size in 1..=40 {
        let root = root_of(&leaves, size);
        for index in 0..size {
            let proof = inclusion_proof(index, size, &leaf_lookup(&leaves)).unwrap();
            for (place, leaf) in (0..).zip(&leaves) {
                let verified = verify_inclusion(*leaf, index, size, &proof, &root);
                assert_eq!(verified.is_ok(), place == index);
            }
        }
    }
}

#[test]
fn every_pair_of_small_trees_is_consistent() {
    let leaves = leaves(40);
    for new in 0..=40 {
        for old in 0..=new {
            let proof = consistency_proof(old, new, &leaf_lookup(&leaves)).unwrap();
            let (old_root, new_root) = (root_of(&leaves, old), root_of(&leaves, new));
            let verified = verify_consistency(old, &old_root, new, &new_root, &proof);
            assert_eq!(verified, Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn two_proofs_that_follow_each_other_join_to_the_one_between_their_ends() {
    let leaves = leaves(40);
    let proof = |old, new| consistency_proof(old, new, &leaf_lookup(&leaves)).unwrap();
    for (new, middle) in (0..=40).flat_map(|new| (0..=new).map(move |middle| (new, middle))) {
        for old in 0..=middle {
            let links = [proof(old, middle), proof(middle, new)];
            let joined = join_consistency([old, middle, new], &links[0], &links[1]);
            assert_eq!(joined, Some(proof(old, new)), "{old} {middle} {new}");
        }
    }
}

#[test]
fn a_proof_that_lacks_hashes_joins_to_nothing_at_any_size() {
    let sizes = [5, MAX_TREE_SIZE / 2 + 1, MAX_TREE_SIZE];
    assert_eq!(join_consistency(sizes, &[], &[]), None);
    assert_eq!(join_consistency([9, 7, 5], &[], &[]), None);
}

#[test]
fn a_proof_is_refused_at_every_other_place_and_size_of_its_log() {
    let leaves = leaves(24);
    let proof = inclusion_proof(5, 13, &leaf_lookup(&leaves)).unwrap();
    let root = root_of(&leaves, 13);
    for size in 0..24 {
        for index in 0..24 {
            let verified = verify_inclusion(leaves[5], index, size, &proof, &root);
            // A proof does not state the size: where the path to the root is the same, so is the
            // proof. The size comes with the root, in a checkpoint.
            let same_path = (9..=16).contains(&size) && index == 5;
            assert_eq!(verified.is_ok(), same_path, "{index} of {size}");
        }
    }
}

#[test]
fn a_proof_one_hash_short_or_long_is_refused() {
    let leaves = leaves(24);
    let (old_root, root) = (root_of(&leaves, 6), root_of(&leaves, 13));
    let inclusion = inclusion_proof(5, 13, &leaf_lookup(&leaves)).unwrap();
    let consistency = consistency_proof(6, 13, &leaf_lookup(&leaves)).unwrap();
    for (n_inclusion, n_consistency) in
        [(inclusion.len() - 1, consistency.len() - 1), (inclusion.len() + 1, consistency.len() + 1)]
    {
        let resized = |proof: &[Hash], n_hashes| {
            let mut proof = proof.to_vec();
            proof.resize(n_hashes, root);
            proof
        };
        let n_hashes = n_inclusion;
        let refusal = verify_inclusion(leaves[5], 5, 13, &resized(&inclusion, n_hashes), &root);
        assert_eq!(refusal, Err(ProofError::WrongLength { n_hashes }));
        let n_hashes = n_consistency;
        let proof = resized(&consistency, n_hashes);
        let refusal = verify_consistency(6, &old_root, 13, &root, &proof);
        assert_eq!(refusal, Err(ProofError::WrongLength { n_hashes }));
    }
    let refusal = verify_consistency(6, &old_root, 13, &root, &[]);
    assert_eq!(refusal, Err(ProofError::WrongLength { n_hashes: 0 }));
}

#[test]
fn there_is_no_leaf_beyond_the_last() {
    let leaf = leaf_hash(b"only");
    assert_eq!(verify_inclusion(leaf, 0, 1, &[], &leaf), Ok(()));
    let outside = |index, size| Err(ProofError::IndexOutside { index, size });
    assert_eq!(verify_inclusion(leaf, 1, 1, &[], &leaf), outside(1, 1));
    assert_eq!(verify_inclusion(leaf, 0, 0, &[], &EMPTY_ROOT), outside(0, 0));
}

#[test]
fn from_the_empty_tree_nothing_is_proved_but_its_root() {
    let root = leaf_hash(b"any");
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 7, &root, &[]), Ok(()));
    let refusal = Err(ProofError::OldRootMismatch);
    assert_eq!(verify_consistency(0, &root, 7, &root, &[]), refusal);
    assert_eq!(verify_consistency(0, &root, 0, &root, &[]), refusal);
    let refusal = Err(ProofError::WrongLength { n_hashes: 1 });
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 7, &root, &[root]), refusal);
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 0, &EMPTY_ROOT, &[]), Ok(()));
    let refusal = Err(ProofError::RootMismatch);
    assert_eq!(verify_consistency(0, &EMPTY_ROOT, 0, &root, &[]), refusal);
}

#[test]
fn equal_sizes_need_equal_roots_and_no_hashes() {
    let (root, other) = (leaf_hash(b"one"), leaf_hash(b"other"));
    assert_eq!(verify_consistency(7, &root, 7, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(7, &root, 7, &other, &[]), Err(ProofError::RootMismatch));
    let refusal = Err(ProofError::WrongLength { n_hashes: 1 });
    assert_eq!(verify_consistency(7, &root, 7, &root, &[other]), refusal);
    let refusal = Err(ProofError::SizesReversed { old_size: 8, new_size: 7 });
    assert_eq!(verify_consistency(8, &root, 7, &root, &[]), refusal);
}

#[test]
fn names_which_of_two_roots_is_wrong() {
    let leaves = leaves(13);
    let (old_root, new_root) = (root_of(&leaves, 6), root_of(&leaves, 13));
    let proof = consistency_proof(6, 13, &leaf_lookup(&leaves)).unwrap();
    let verify = |old: &Hash, new: &Hash| verify_consistency(6, old, 13, new, &proof);
    assert_eq!(verify(&old_root, &new_root), Ok(()));
    assert_eq!(verify(&new_root, &new_root), Err(ProofError::OldRootMismatch));
    assert_eq!(verify(&old_root, &old_root), Err(ProofError::RootMismatch));
}

#[test]
fn sixty_three_hashes_of_a_consistency_proof_are_accepted_and_sixty_four_refused() {
    let lookup = equal_leaves();
    let check = |old, new| {
        let proof = consistency_proof(old, new, &lookup).unwrap();
        let (old_root, new_root) = (root_at(old, &lookup).unwrap(), root_at(new, &lookup).unwrap());
        (proof.len(), verify_consistency(old, &old_root, new, &new_root, &proof))
    };
    assert_eq!(check(3, 1 << 62), (MAX_CONSISTENCY_HASHES, Ok(())));
    let n_hashes = MAX_CONSISTENCY_HASHES + 1;
    let refusal = Err(ProofError::WrongLength { n_hashes });
    assert_eq!(check(3, (1 << 62) + 1), (n_hashes, refusal));
}

#[test]
fn leaves_of_the_largest_tree_are_proved() {
    let lookup = equal_leaves();
    let size = MAX_TREE_SIZE;
    let root = root_at(size, &lookup).unwrap();
    for index in [0, 1, 1 << 40, size / 2, size - 2, size - 1] {
        let proof = inclusion_proof(index, size, &lookup).unwrap();
        assert!(proof.len() <= 63);
        let leaf = leaf_hash(b"same");
        assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()), "{index}");
    }
}

/// A lookup into a tree, of any size, whose leaves are all the same: a node depends on its level
/// alone.
fn equal_leaves() -> impl Fn(u8, u64) -> Option<Hash> {
    let leaf = leaf_hash(b"same");
    let levels: Vec<_> =
        std::iter::successors(Some(leaf), |below| Some(node_hash(below, below))).take(64).collect();
    move |level, _| levels.get(usize::from(level)).copied()
}

fn leaves(n_leaves: u32) -> Vec<Hash> {
    (0..n_leaves).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn root_of(leaves: &[Hash], size: u64) -> Hash {
    let n_leaves = usize::try_from(size).unwrap();
    leaves[..n_leaves].iter().copied().collect::<Frontier>().root()
}

/// The tree of `ct-merkle` over the entries behind [`leaves`].
fn ct_merkle(n_leaves: u32) -> MemoryBackedTree<Sha256, [u8; 4]> {
    let mut tree = MemoryBackedTree::new();
    (0..n_leaves).for_each(|n| tree.push(n.to_be_bytes()));
    tree
}

fn bytes_of(proof: &[Hash]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn roots_and_proofs_equal_those_of_ct_merkle(
        new in 1..700_u32, at in any::<proptest::sample::Index>(),
    ) {
        let leaves = leaves(new);
        let index = at.index(leaves.len());
        let (tree, lookup) = (ct_merkle(new), leaf_lookup(&leaves));
        let root = root_of(&leaves, new.into());
        let their_root = tree.root();
        prop_assert_eq!(root.as_ref(), their_root.as_bytes().as_slice());

        let place = u64::try_from(index).unwrap();
        let inclusion = inclusion_proof(place, new.into(), &lookup).unwrap();
        let theirs = tree.prove_inclusion(index);
        prop_assert_eq!(bytes_of(&inclusion), theirs.as_bytes());

        let old = u32::try_from(index + 1).unwrap();
        let consistency = consistency_proof(old.into(), new.into(), &lookup).unwrap();
        let theirs = tree.prove_consistency(usize::try_from(new - old).unwrap());
        prop_assert_eq!(bytes_of(&consistency), theirs.as_bytes());
    }

    #[test]
    fn one_flipped_bit_is_refused(
        new in 2..300_u32, at in any::<proptest::sample::Index>(), bit in any::<proptest::sample::Index>(),
    ) {
        let leaves = leaves(new);
        let lookup = leaf_lookup(&leaves);
        let index = at.index(leaves.len());
        let (place, size) = (u64::try_from(index).unwrap(), u64::from(new));
        let root = root_of(&leaves, size);

        let flip = |proof: &mut Vec<Hash>| {
            let mut bytes = bytes_of(proof);
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            *proof = bytes.chunks(32).map(|hash| Hash::from_slice(hash).unwrap()).collect();
        };
        let mut proof = inclusion_proof(place, size, &lookup).unwrap();
        flip(&mut proof);
        prop_assert!(verify_inclusion(leaves[index], place, size, &proof, &root).is_err());

        let old_root = root_of(&leaves, place);
        let mut proof = consistency_proof(place, size, &lookup).unwrap();
        if !proof.is_empty() {
            flip(&mut proof);
            prop_assert!(verify_consistency(place, &old_root, size, &root, &proof).is_err());
        }
    }

    #[test]
    fn verifying_anything_never_panics(
        (old, new) in any::<(u64, u64)>(),
        hashes in proptest::collection::vec(any::<[u8; 32]>().prop_map(Hash::from_bytes), 1..70),
    ) {
        let (root, proof) = hashes.split_first().unwrap();
        let _ = verify_inclusion(*root, old, new, proof, root);
        let _ = verify_consistency(old, root, new, root, proof);
    }
}
