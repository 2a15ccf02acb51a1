//! The tiles that a log must have, made from its leaves as they come, one unfinished tile a level in memory.

use tlog::{Frontier, Hash, TileRef, tile::FULL_WIDTH};

/// Tiles that are not full yet, by level.
#[derive(Debug, Default)]
pub(super) struct Tiles {
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    /// Which tile of the level is being filled.
    index: u64,
    hashes: Vec<Hash>,
}

/// A tile and what it must hold.
pub(super) type Tile = (TileRef, Vec<Hash>);

impl Tiles {
    /// Adds a leaf; gives the tiles that it fills, lowest first.
    pub(super) fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut full = Vec::new();
        let mut carried = Some(leaf);
        let mut level_number = 0_u8;
        while let Some(hash) = carried.take() {
            let place = usize::from(level_number);
            if self.levels.len() == place {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(place) else { break };
            level.hashes.push(hash);
            if level.hashes.len() == usize::from(FULL_WIDTH) {
                let hashes = std::mem::take(&mut level.hashes);
                carried = Some(hashes.iter().copied().collect::<Frontier>().root());
                full.extend(
                    TileRef::new(level_number, level.index, FULL_WIDTH).map(|it| (it, hashes)),
                );
                level.index += 1;
            }
            level_number += 1;
        }
        full
    }

    /// The tiles that stay partial, lowest first.
    pub(super) fn finish(self) -> Vec<Tile> {
        let mut partial = Vec::new();
        for (number, Level { index, hashes }) in (0_u8..).zip(self.levels) {
            let width = u16::try_from(hashes.len()).unwrap_or(FULL_WIDTH);
            // A level without further hashes has no partial tile.
            partial.extend(TileRef::new(number, index, width).map(|it| (it, hashes)));
        }
        partial
    }
}

#[cfg(test)]
mod tests {
    use tlog::{TileCache, leaf_hash};

    use super::*;

    #[test]
    fn the_tiles_are_those_of_the_log_whatever_its_size() {
        let leaves: Vec<Hash> = (0..66_000_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for size in [1, 255, 256, 257, 512, 65_536, 66_000] {
            let mut cache = TileCache::new();
            let mut expected = cache.grow(0, &leaves[..size]).unwrap();
            let mut tiles = Tiles::default();
            let mut found: Vec<_> = leaves[..size].iter().flat_map(|it| tiles.push(*it)).collect();
            found.extend(tiles.finish());
            expected.sort_by_key(|(tile, _)| *tile);
            found.sort_by_key(|(tile, _)| *tile);
            assert_eq!(found, expected, "{size}");
        }
    }
}
