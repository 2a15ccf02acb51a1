//! Tiles: the tree cut into squares that never change (tlog-tiles).
//!
//! A tile of level `l` holds up to 256 hashes, each over 256^l leaves. Entries travel in bundles
//! that stand beside the tiles of level 0. A full tile or bundle is final; a partial one shows how
//! far the tree went when a checkpoint was made.
//!
//! ```text
//! tile/1/000.p/1        [ h0 ]                     h0 = root of the tile below
//! tile/0/000            [ leaf 0 … leaf 255 ]      tile/0/001.p/44  [ leaf 256 … leaf 299 ]
//! tile/entries/000      [ entry 0 … entry 255 ]    tile/entries/001.p/44
//! ```

use std::collections::BTreeSet;

pub use crate::bundle::{BundleError, MAX_ENTRY_BYTES, decode_bundle, encode_bundle};
use crate::{decimal::parse_decimal, hash::Hash, prove::NodeRef};

/// How many hashes a full tile has, and how many entries a full bundle.
pub const FULL_WIDTH: u16 = 256;

/// The highest level that a path may name (tlog-tiles); no tree of ours reaches beyond 7.
pub const MAX_TILE_LEVEL: u8 = 63;

/// How many levels of the tree one level of tiles spans: log2 of [`FULL_WIDTH`].
pub(crate) const LEVELS_PER_TILE: u8 = 8;

/// One tile: its place and how many hashes it has. Ordered by level, index, width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileRef {
    level: u8,
    index: u64,
    width: u16,
}

/// One bundle of entries: those whose leaf hashes the level-0 tile of the same index holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BundleRef {
    index: u64,
    width: u16,
}

/// Why there is no such tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The level is above [`MAX_TILE_LEVEL`].
    #[error("there is no tile level {level}")]
    Level {
        /// The level asked for.
        level: u8,
    },
    /// The width is 0 or above [`FULL_WIDTH`].
    #[error("a tile cannot be {width} wide")]
    Width {
        /// The width asked for.
        width: u16,
    },
    /// The path is not the one spelling of a tile's place.
    #[error("the path names no tile")]
    Path,
    /// The content has not one hash for each place of the tile.
    #[error("the tile's content does not fit its width of {width}")]
    Content {
        /// The tile's width.
        width: u16,
    },
    /// Two tiles of one place disagree in a hash that both have.
    #[error("two tiles of level {level} at {index} disagree")]
    Disagreement {
        /// The tile's level.
        level: u8,
        /// The tile's index.
        index: u64,
    },
    /// A tile that is needed to go on is not at hand, or not as wide as it must be.
    #[error("the tile of level {level} at {index} is not at hand")]
    Missing {
        /// The tile's level.
        level: u8,
        /// The tile's index.
        index: u64,
    },
}

impl TileRef {
    /// The tile number `index` of `level`, with `width` hashes.
    ///
    /// # Errors
    ///
    /// [`TileError::Level`] above [`MAX_TILE_LEVEL`]; [`TileError::Width`] outside
    /// 1..=[`FULL_WIDTH`].
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if MAX_TILE_LEVEL < level {
            return Err(TileError::Level { level });
        }
        check_width(width)?;
        Ok(Self { level, index, width })
    }

    /// The tile of this place as it stands in a tree of `size` leaves, or `None` if it has no hash
    /// yet.
    #[must_use]
    pub fn at_size(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = width_at(index, n_hashes_at(level, size))?;
        Self::new(level, index, width).ok()
    }

    /// The level, from 0 at the leaves: 0..=[`MAX_TILE_LEVEL`].
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// The position in its level, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes the tile has: 1..=[`FULL_WIDTH`].
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile is complete and so will never change.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == FULL_WIDTH
    }

    /// The path below the log's prefix, such as `tile/0/x001/x234/067` or `tile/1/017.p/3`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, render_place(self.index, self.width))
    }

    /// Reads what [`TileRef::path`] writes, and no other spelling of it.
    ///
    /// # Errors
    ///
    /// [`TileError::Path`] if it is not a tile's path; an entry bundle's path is not.
    pub fn parse_path(path: &str) -> Result<Self, TileError> {
        let parse = || {
            let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
            let level = u8::try_from(parse_decimal(level)?).ok()?;
            let (index, width) = parse_place(place)?;
            Self::new(level, index, width).ok()
        };
        parse().ok_or(TileError::Path)
    }

    /// The tile as bytes: its hashes one after the other.
    #[must_use]
    pub fn encode(hashes: &[Hash]) -> Vec<u8> {
        hashes.iter().flat_map(Hash::as_bytes).copied().collect()
    }

    /// The hashes of this tile, from its bytes.
    ///
    /// # Errors
    ///
    /// [`TileError::Content`] unless there are 32 bytes for each hash of the tile's width.
    pub fn decode(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN_BYTES }>();
        if !rest.is_empty() || hashes.len() != usize::from(self.width) {
            return Err(TileError::Content { width: self.width });
        }
        Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
    }
}

impl BundleRef {
    /// The bundle number `index`, with `width` entries.
    ///
    /// # Errors
    ///
    /// [`TileError::Width`] outside 1..=[`FULL_WIDTH`].
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        check_width(width)?;
        Ok(Self { index, width })
    }

    /// The bundle as it stands in a tree of `size` leaves, or `None` if it has no entry yet.
    #[must_use]
    pub fn at_size(index: u64, size: u64) -> Option<Self> {
        Some(Self { index, width: width_at(index, size)? })
    }

    /// The position among the bundles, from 0: the first entry is number `index * 256`.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many entries the bundle has: 1..=[`FULL_WIDTH`].
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// The path below the log's prefix, such as `tile/entries/273.p/112`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/entries/{}", render_place(self.index, self.width))
    }

    /// Reads what [`BundleRef::path`] writes, and no other spelling of it.
    ///
    /// # Errors
    ///
    /// [`TileError::Path`] if it is not a bundle's path.
    pub fn parse_path(path: &str) -> Result<Self, TileError> {
        let place = path.strip_prefix("tile/entries/").ok_or(TileError::Path)?;
        let (index, width) = parse_place(place).ok_or(TileError::Path)?;
        Self::new(index, width)
    }
}

/// Every tile of a tree of `size` leaves, full and partial: level by level, each from the left.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TileRef> {
    new_tiles(0, size)
}

/// The tiles, full and partial, that a tree of `new_size` has and one of `old_size` has not: level by
/// level, each from the left. None if the tree did not grow.
///
/// One who publishes these at every checkpoint has published every tile that tlog-tiles asks for.
pub fn new_tiles(old_size: u64, new_size: u64) -> impl Iterator<Item = TileRef> {
    (0..u64::BITS.div_ceil(LEVELS_PER_TILE.into())).flat_map(move |level| {
        let level = u8::try_from(level).unwrap_or(u8::MAX);
        let (n_old, n_new) = (n_hashes_at(level, old_size), n_hashes_at(level, new_size));
        let grew = n_old < n_new;
        let first = n_old / u64::from(FULL_WIDTH);
        let end = if grew { n_new.div_ceil(u64::from(FULL_WIDTH)) } else { first };
        (first..end).filter_map(move |index| TileRef::at_size(level, index, new_size))
    })
}

/// The partial tiles at the right edge of a tree of `size`, lowest level first: what
/// [`crate::TileCache::grow`] continues. At most one for each level.
#[must_use]
pub fn edge_tiles(size: u64) -> Vec<TileRef> {
    (0..=MAX_TILE_LEVEL)
        .filter_map(|level| {
            let index = n_hashes_at(level, size) / u64::from(FULL_WIDTH);
            TileRef::at_size(level, index, size)
        })
        .collect()
}

/// The bundles, full and partial, that a tree of `new_size` has and one of `old_size` has not.
pub fn new_bundles(old_size: u64, new_size: u64) -> impl Iterator<Item = BundleRef> {
    let first = old_size / u64::from(FULL_WIDTH);
    let end = if old_size < new_size { new_size.div_ceil(u64::from(FULL_WIDTH)) } else { first };
    (first..end).filter_map(move |index| BundleRef::at_size(index, new_size))
}

/// The tiles that hold these nodes of a tree of `size` leaves.
///
/// The widths are those of that tree; a wider tile of the same place serves as well. A node outside
/// the tree has no tile and adds none.
#[must_use]
pub fn required_tiles(nodes: &[NodeRef], size: u64) -> BTreeSet<TileRef> {
    nodes
        .iter()
        .filter_map(|node| {
            let place = place_of(*node)?;
            TileRef::at_size(place.level, place.index, size)
        })
        .collect()
}

/// Where the hashes below a node lie: all in one tile.
pub(crate) struct NodePlace {
    /// The tile's level.
    pub(crate) level: u8,
    /// The tile's index.
    pub(crate) index: u64,
    /// The first hash of the tile that lies under the node.
    pub(crate) offset: usize,
    /// How many of the tile's hashes lie under the node: a power of two, 1..=128.
    pub(crate) n_hashes: usize,
}

/// Where a node's hashes lie; `None` for a node that no tree of 64-bit size can have.
pub(crate) fn place_of(node: NodeRef) -> Option<NodePlace> {
    if u64::BITS <= u32::from(node.level) {
        return None;
    }
    let height = node.level % LEVELS_PER_TILE;
    let n_hashes = 1_u64 << height;
    let first = node.index.checked_mul(n_hashes)?;
    Some(NodePlace {
        level: node.level / LEVELS_PER_TILE,
        index: first / u64::from(FULL_WIDTH),
        offset: usize::try_from(first % u64::from(FULL_WIDTH)).ok()?,
        n_hashes: usize::try_from(n_hashes).ok()?,
    })
}

/// How many hashes all tiles of a level have together in a tree of `size`: size / 256^level.
fn n_hashes_at(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(LEVELS_PER_TILE)).unwrap_or(0)
}

/// How wide the tile `index` of a level with `n_hashes` hashes is; `None` if it has none.
fn width_at(index: u64, n_hashes: u64) -> Option<u16> {
    let before = index.checked_mul(u64::from(FULL_WIDTH))?;
    let width = n_hashes.checked_sub(before)?.min(u64::from(FULL_WIDTH));
    u16::try_from(width).ok().filter(|width| *width != 0)
}

fn check_width(width: u16) -> Result<(), TileError> {
    if (1..=FULL_WIDTH).contains(&width) { Ok(()) } else { Err(TileError::Width { width }) }
}

/// `<N>[.p/<W>]`: the index in groups of three digits, all but the last behind an `x`.
fn render_place(index: u64, width: u16) -> String {
    let mut rendered = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest != 0 {
        rendered = format!("x{:03}/{rendered}", rest % 1000);
        rest /= 1000;
    }
    if width != FULL_WIDTH {
        rendered.push_str(&format!(".p/{width}"));
    }
    rendered
}

/// Reads what [`render_place`] writes, and no other spelling of it.
fn parse_place(place: &str) -> Option<(u64, u16)> {
    let (groups, width) = match place.split_once(".p/") {
        Some((groups, width)) => (groups, u16::try_from(parse_decimal(width)?).ok()?),
        None => (place, FULL_WIDTH),
    };
    let index = groups.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let all_digits = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
        let group = all_digits.then(|| digits.parse::<u64>().ok()).flatten()?;
        index.checked_mul(1000)?.checked_add(group)
    })?;
    (render_place(index, width) == place).then_some((index, width))
}

#[cfg(test)]
#[path = "tile_tests.rs"]
mod tests;
