//! Nodes of a tree computed from the tiles at hand, and the tiles a tree gains when it grows.
//!
//! The cache trusts what it is given: tiles from a stranger are checked by comparing the root they
//! lead to with a signed checkpoint.

use std::collections::BTreeMap;

use crate::{
    hash::Hash,
    prove::NodeRef,
    tile::{FULL_WIDTH, TileError, TileRef, edge_tiles, place_of},
    tree::Frontier,
};

/// Tiles at hand, by level and index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TileCache {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl TileCache {
    /// No tiles.
    #[must_use]
    pub const fn new() -> Self {
        Self { tiles: BTreeMap::new() }
    }

    /// Adds a tile. Of two tiles of one place the wider is kept.
    ///
    /// # Errors
    ///
    /// [`TileError::Content`] unless there is one hash for each place of the tile;
    /// [`TileError::Disagreement`] if a tile of this place is at hand and has other hashes.
    pub fn insert(&mut self, tile: TileRef, hashes: Vec<Hash>) -> Result<(), TileError> {
        if hashes.len() != usize::from(tile.width()) {
            return Err(TileError::Content { width: tile.width() });
        }
        let (level, index) = (tile.level(), tile.index());
        let held = self.tiles.entry((level, index)).or_default();
        if !held.iter().zip(&hashes).all(|(ours, theirs)| ours == theirs) {
            return Err(TileError::Disagreement { level, index });
        }
        if held.len() < hashes.len() {
            *held = hashes;
        }
        Ok(())
    }

    /// Adds a tile as it is stored and served: its hashes one after the other.
    ///
    /// # Errors
    ///
    /// As [`TileCache::insert`].
    pub fn insert_bytes(&mut self, tile: TileRef, bytes: &[u8]) -> Result<(), TileError> {
        self.insert(tile, tile.decode(bytes)?)
    }

    /// The hash of the perfect subtree over the leaves `index * 2^level .. (index + 1) * 2^level`,
    /// or `None` if its tile is not at hand or not wide enough.
    #[must_use]
    pub fn node(&self, level: u8, index: u64) -> Option<Hash> {
        let place = place_of(NodeRef { level, index })?;
        let hashes = self.tiles.get(&(place.level, place.index))?;
        let below = hashes.get(place.offset..place.offset.checked_add(place.n_hashes)?)?;
        Some(root_of(below))
    }

    /// [`TileCache::node`] in the form that [`crate::prove`] takes.
    pub fn lookup(&self) -> impl Fn(u8, u64) -> Option<Hash> {
        |level, index| self.node(level, index)
    }

    /// Appends leaf hashes to a tree of `old_size` and returns the tiles that came into being, with
    /// their hashes: exactly those of [`crate::tile::new_tiles`], in its order.
    ///
    /// The tiles of [`edge_tiles`]`(old_size)` must be at hand; the new tiles are afterwards, so that
    /// the tree can grow on and proofs at the new size can be made.
    ///
    /// # Errors
    ///
    /// [`TileError::Missing`] if a tile at the edge is not at hand; [`TileError::Disagreement`] if
    /// tiles beyond the edge are at hand and differ: the log would contradict itself.
    pub fn grow(
        &mut self,
        old_size: u64,
        leaves: &[Hash],
    ) -> Result<Vec<(TileRef, Vec<Hash>)>, TileError> {
        let edges: BTreeMap<_, _> =
            edge_tiles(old_size).into_iter().map(|edge| (edge.level(), edge)).collect();
        let mut grown = Vec::new();
        let mut added = leaves.to_vec();
        let mut n_old = old_size;
        for level in 0.. {
            if added.is_empty() {
                break;
            }
            let mut hashes = match edges.get(&level) {
                Some(edge) => self.edge_hashes(*edge)?.to_vec(),
                None => Vec::new(),
            };
            hashes.append(&mut added);
            let first = n_old / u64::from(FULL_WIDTH);
            for (index, content) in (first..).zip(hashes.chunks(usize::from(FULL_WIDTH))) {
                let width = u16::try_from(content.len()).unwrap_or(FULL_WIDTH);
                let tile = TileRef::new(level, index, width)?;
                if tile.is_full() {
                    added.push(root_of(content));
                }
                self.insert(tile, content.to_vec())?;
                grown.push((tile, content.to_vec()));
            }
            n_old = first;
        }
        Ok(grown)
    }

    /// The hashes of a tile, as far as its width goes; `None` if they are not at hand.
    #[must_use]
    pub fn hashes(&self, tile: TileRef) -> Option<&[Hash]> {
        self.tiles.get(&(tile.level(), tile.index()))?.get(..usize::from(tile.width()))
    }

    fn edge_hashes(&self, edge: TileRef) -> Result<&[Hash], TileError> {
        let missing = TileError::Missing { level: edge.level(), index: edge.index() };
        self.hashes(edge).ok_or(missing)
    }
}

/// The root over hashes of one level.
fn root_of(hashes: &[Hash]) -> Hash {
    hashes.iter().copied().collect::<Frontier>().root()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        leaf_hash,
        prove::{
            consistency_nodes, consistency_proof, frontier_at, inclusion_nodes, inclusion_proof,
            leaf_lookup, root_nodes,
        },
        tile::{new_tiles, required_tiles, tiles_of},
    };

    #[test]
    fn keeps_the_wider_of_two_tiles_and_refuses_one_that_disagrees() {
        let hashes = leaves(3);
        let tile = |width| TileRef::new(0, 0, width).unwrap();
        let mut cache = TileCache::new();

        cache.insert(tile(3), hashes.clone()).unwrap();
        cache.insert(tile(2), hashes[..2].to_vec()).unwrap();
        assert_eq!(cache.node(0, 2), Some(hashes[2]));

        let refusal = cache.insert(tile(1), vec![hashes[1]]);
        assert_eq!(refusal, Err(TileError::Disagreement { level: 0, index: 0 }));
        let refusal = cache.insert(tile(2), hashes);
        assert_eq!(refusal, Err(TileError::Content { width: 2 }));
    }

    #[test]
    fn a_tile_too_narrow_has_no_such_node() {
        let mut cache = TileCache::new();
        cache.insert(TileRef::new(0, 0, 3).unwrap(), leaves(3)).unwrap();
        assert!(cache.node(1, 0).is_some());
        assert!(cache.node(1, 1).is_none());
        assert!(cache.node(0, 3).is_none());
        assert!(cache.node(8, 0).is_none());
        assert!(cache.node(64, 0).is_none());
        assert!(cache.node(7, u64::MAX).is_none());
    }

    #[test]
    fn does_not_grow_without_its_edge() {
        let missing = Err(TileError::Missing { level: 0, index: 0 });
        assert_eq!(TileCache::new().grow(3, &leaves(1)), missing);
        assert_eq!(TileCache::new().grow(3, &[]), Ok(vec![]));
        assert!(TileCache::new().grow(256, &leaves(1)).is_ok());
    }

    #[test]
    fn growing_again_from_an_earlier_size_must_say_the_same() {
        let hashes = leaves(10);
        let mut cache = TileCache::new();
        cache.grow(0, &hashes).unwrap();
        let again = cache.grow(5, &hashes[5..8]).unwrap();
        assert_eq!(again, [(TileRef::new(0, 0, 8).unwrap(), hashes[..8].to_vec())]);
        let disagreement = Err(TileError::Disagreement { level: 0, index: 0 });
        assert_eq!(cache.grow(5, &hashes[..1]), disagreement);
    }

    #[test]
    fn grows_over_two_levels_of_tiles() {
        let hashes = leaves(70_000);
        let mut cache = TileCache::new();
        let grown = cache.grow(0, &hashes).unwrap();
        let tiles: Vec<_> = grown.iter().map(|(tile, _)| *tile).collect();
        assert_eq!(tiles, tiles_of(70_000).collect::<Vec<_>>());
        let frontier: Frontier = hashes.iter().copied().collect();
        assert_eq!(frontier_at(70_000, &cache.lookup()), Ok(frontier));
        assert_eq!(cache.node(16, 0), Some(root_of(&hashes[..65_536])));
    }

    fn leaves(n_leaves: u32) -> Vec<Hash> {
        (0..n_leaves).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_tree_that_grows_in_steps_has_the_tiles_of_one_that_grows_at_once(
            steps in proptest::collection::vec(0..400_u32, 1..6),
        ) {
            let all = leaves(steps.iter().sum());
            let (mut cache, mut size) = (TileCache::new(), 0);
            for step in steps {
                let n_new = size + usize::try_from(step).unwrap();
                let (old, new) = (u64::try_from(size).unwrap(), u64::try_from(n_new).unwrap());
                // Only the edge survives a restart.
                let mut edge = TileCache::new();
                for tile in edge_tiles(old) {
                    edge.insert(tile, cache.tiles[&(tile.level(), tile.index())].clone()).unwrap();
                }
                let grown = edge.grow(old, &all[size..n_new]).unwrap();
                let expected: Vec<_> = new_tiles(old, new).collect();
                prop_assert_eq!(grown.iter().map(|(tile, _)| *tile).collect::<Vec<_>>(), expected);
                for (tile, hashes) in grown {
                    cache.insert(tile, hashes).unwrap();
                }
                size = n_new;
            }
            let mut at_once = TileCache::new();
            at_once.grow(0, &all).unwrap();
            prop_assert_eq!(cache, at_once);
        }

        #[test]
        fn proofs_from_the_required_tiles_equal_proofs_from_leaves(
            size in 1..1_200_u32, later in 0..300_u32, at in any::<proptest::sample::Index>(),
        ) {
            // The store's tiles may be wider than the asked-for tree's.
            let all = leaves(size + later);
            let mut store = TileCache::new();
            store.grow(0, &all).unwrap();
            let fetch = |nodes: &[NodeRef]| {
                let mut cache = TileCache::new();
                for needed in required_tiles(nodes, size.into()) {
                    let held = store.tiles[&(needed.level(), needed.index())].clone();
                    let width = u16::try_from(held.len()).unwrap();
                    let tile = TileRef::new(needed.level(), needed.index(), width).unwrap();
                    cache.insert(tile, held).unwrap();
                }
                cache
            };
            let size = u64::from(size);
            let index = u64::try_from(at.index(usize::try_from(size).unwrap())).unwrap();
            let from_leaves = leaf_lookup(&all);

            let cache = fetch(&inclusion_nodes(index, size).unwrap());
            let proof = inclusion_proof(index, size, &cache.lookup()).unwrap();
            prop_assert_eq!(proof, inclusion_proof(index, size, &from_leaves).unwrap());

            let cache = fetch(&consistency_nodes(index, size).unwrap());
            let proof = consistency_proof(index, size, &cache.lookup()).unwrap();
            prop_assert_eq!(proof, consistency_proof(index, size, &from_leaves).unwrap());

            let cache = fetch(&root_nodes(size).unwrap());
            let frontier = frontier_at(size, &cache.lookup()).unwrap();
            prop_assert_eq!(frontier, frontier_at(size, &from_leaves).unwrap());
        }
    }
}
