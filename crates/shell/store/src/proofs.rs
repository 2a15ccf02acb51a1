//! Proofs from stored tiles.

use record::LogName;
use tlog::{Frontier, Hash, NodeRef, TileCache, TileRef, prove, tile};

use crate::{
    Store,
    db::Db,
    error::StoreError,
    logs::{self, load_tile},
    readers::Reader,
};

/// The tiles that hold these nodes of a tree of `size`.
async fn cache_of(
    db: &mut Db,
    log_no: i64,
    nodes: &[NodeRef],
    size: u64,
) -> Result<TileCache, StoreError> {
    let mut cache = TileCache::new();
    for needed in tile::required_tiles(nodes, size) {
        let hashes = load_tile(&mut *db, log_no, needed).await?;
        cache.insert(needed, hashes).map_err(|_error| StoreError::Damaged { what: "a tile" })?;
    }
    Ok(cache)
}

fn outside(error: prove::ProveError) -> StoreError {
    StoreError::Invalid { reason: "proof.outside_the_log", detail: error.to_string() }
}

/// Proof that a tree of `new_size` continues the tree of `old_size` of the same stored log.
pub(crate) async fn consistency(
    db: &mut Db,
    log_no: i64,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash>, StoreError> {
    let nodes = prove::consistency_nodes(old_size, new_size).map_err(outside)?;
    let cache = cache_of(db, log_no, &nodes, new_size).await?;
    prove::consistency_proof(old_size, new_size, &cache.lookup()).map_err(outside)
}

/// The tree of a stored log at a size that it has or had.
pub(crate) async fn frontier_at(
    db: &mut Db,
    log_no: i64,
    size: u64,
) -> Result<Frontier, StoreError> {
    let nodes = prove::root_nodes(size).map_err(outside)?;
    let cache = cache_of(db, log_no, &nodes, size).await?;
    prove::frontier_at(size, &cache.lookup()).map_err(outside)
}

/// The root of a stored log at a size that it has or had.
pub(crate) async fn root_at(db: &mut Db, log_no: i64, size: u64) -> Result<Hash, StoreError> {
    Ok(frontier_at(db, log_no, size).await?.root())
}

impl Store {
    /// Proof that the record at `index` is in the tree of `size`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log; [`StoreError::Invalid`] outside of what is held.
    pub async fn inclusion_proof(
        &self,
        log: LogName,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, StoreError> {
        let (mut db, row) = self.reader_of(log, size).await?;
        let nodes = prove::inclusion_nodes(index, size).map_err(outside)?;
        let cache = cache_of(&mut db, row.log_no, &nodes, size).await?;
        prove::inclusion_proof(index, size, &cache.lookup()).map_err(outside)
    }

    /// Proof that the tree of `new_size` continues that of `old_size`.
    ///
    /// # Errors
    ///
    /// As [`Store::inclusion_proof`].
    pub async fn consistency_proof(
        &self,
        log: LogName,
        old_size: u64,
        new_size: u64,
    ) -> Result<Vec<Hash>, StoreError> {
        let (mut db, row) = self.reader_of(log, new_size).await?;
        consistency(&mut db, row.log_no, old_size, new_size).await
    }

    /// The root of the tree at an earlier size.
    ///
    /// # Errors
    ///
    /// As [`Store::inclusion_proof`].
    pub async fn root_at(&self, log: LogName, size: u64) -> Result<Hash, StoreError> {
        let (mut db, row) = self.reader_of(log, size).await?;
        root_at(&mut db, row.log_no, size).await
    }

    /// How the tree of `tree_size` began: its root at an earlier size, and the proof that it continues that.
    ///
    /// # Errors
    ///
    /// As [`Store::inclusion_proof`].
    pub async fn beginning(
        &self,
        log: LogName,
        size: u64,
        tree_size: u64,
    ) -> Result<(Hash, Vec<Hash>), StoreError> {
        let (mut db, row) = self.reader_of(log, tree_size).await?;
        let root = root_at(&mut db, row.log_no, size).await?;
        Ok((root, consistency(&mut db, row.log_no, size, tree_size).await?))
    }

    /// A tile as tlog-tiles serves it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log or a tile that it does not have.
    pub async fn tile(&self, log: LogName, tile: TileRef) -> Result<Vec<u8>, StoreError> {
        let (mut db, row) = self.reader_of(log, 0).await?;
        let size = row.frontier.size();
        let held = TileRef::at_size(tile.level(), tile.index(), size)
            .is_some_and(|held| tile.width() <= held.width());
        if !held {
            return Err(StoreError::NotFound { what: tile.path() });
        }
        Ok(TileRef::encode(&load_tile(&mut db, row.log_no, tile).await?))
    }

    /// A reader, and the log, which must have at least `size` records.
    async fn reader_of(
        &self,
        log: LogName,
        size: u64,
    ) -> Result<(Reader, logs::LogRow), StoreError> {
        let mut db = self.reader().await?;
        let row = logs::find_log(&mut *db, log)
            .await?
            .ok_or_else(|| StoreError::NotFound { what: format!("log of {}", log.community) })?;
        if row.frontier.size() < size {
            return Err(StoreError::Invalid {
                reason: "proof.outside_the_log",
                detail: format!("The log has {} records here, not {size}.", row.frontier.size()),
            });
        }
        Ok((db, row))
    }
}
