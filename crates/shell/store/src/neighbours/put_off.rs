//! Items of neighbouring regions that could not be proved when they were told, and are asked for again.
//!
//! Not here: which items are worth it, how often, and how many of them are kept (`coordinator`).

use record::{ItemId, RegionId, UnixMillis};
use sqlx::sqlite::SqliteRow;

use crate::{Store, error::StoreError, rows, transaction::Value, writer::Scope};

/// An item that could not be proved, and is asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOff {
    /// Its id.
    pub id: ItemId,
    /// What it claims, as whoever keeps it writes it.
    pub claim: String,
    /// How often it was asked for again.
    pub n_tries: u32,
    /// From when on it is to be asked for.
    pub due_at: UnixMillis,
}

/// How much of a region is put off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutOffs {
    /// Items.
    pub n_items: usize,
    /// Bytes of what they claim.
    pub n_bytes: usize,
    /// When the first of them is due; `None` where there is none.
    pub due_at: Option<UnixMillis>,
}

/// Takes away what was asked for again or told after all, and keeps what is put off.
pub(super) async fn keep(
    scope: &mut Scope<'_>,
    region: RegionId,
    ended: impl Iterator<Item = ItemId>,
    put_off: Vec<PutOff>,
) -> Result<(), StoreError> {
    let key = |item: &ItemId| [Value::from(region.as_bytes()), item.as_bytes().into()];
    for item in ended {
        let sql = "DELETE FROM neighbour_put_off WHERE region = ? AND id = ?";
        scope.tx.write(sql, key(&item)).await?;
    }
    for PutOff { id, claim, n_tries, due_at } in put_off {
        let sql = "INSERT INTO neighbour_put_off (region, id, claim, n_tries, due_at)
                   VALUES (?, ?, ?, ?, ?) ON CONFLICT (region, id) DO NOTHING";
        let due_at = rows::to_i64_at_most(due_at.0);
        let said = [claim.into(), i64::from(n_tries).into(), due_at.into()];
        scope.tx.write(sql, key(&id).into_iter().chain(said)).await?;
    }
    Ok(())
}

impl Store {
    /// How much of a neighbouring region is put off.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn put_offs(&self, region: RegionId) -> Result<PutOffs, StoreError> {
        let sql = "SELECT COUNT(*), COALESCE(SUM(LENGTH(CAST(claim AS BLOB))), 0), MIN(due_at)
                   FROM neighbour_put_off WHERE region = ?";
        let stored = self.read_of(sql, [region.as_bytes().into()]).await?;
        let Some(row) = stored.first() else { return Ok(PutOffs::default()) };
        let number = |at| rows::column::<i64>(row, at).map(|it| usize::try_from(it).unwrap_or(0));
        let due_at: Option<i64> = rows::column(row, 2)?;
        let due_at = due_at.map(|at| UnixMillis(at.unsigned_abs()));
        Ok(PutOffs { n_items: number(0)?, n_bytes: number(1)?, due_at })
    }

    /// Items of a neighbouring region that are put off and due, those first that are due longest.
    ///
    /// # Errors
    ///
    /// As [`Store::keep_neighbours`].
    pub async fn due_again(
        &self,
        region: RegionId,
        now: UnixMillis,
        limit: u32,
    ) -> Result<Vec<PutOff>, StoreError> {
        let sql = "SELECT id, claim, n_tries, due_at FROM neighbour_put_off
                   WHERE region = ? AND due_at <= ? ORDER BY due_at, id LIMIT ?";
        let now = rows::to_i64_at_most(now.0);
        let values = [region.as_bytes().into(), now.into(), i64::from(limit).into()];
        let stored = self.read_of(sql, values).await?;
        let put_off = |row: &SqliteRow| {
            let id: &[u8] = rows::column(row, 0)?;
            let id = ItemId::from_slice(id).ok_or(StoreError::Damaged { what: "an item's id" })?;
            let (n_tries, due_at): (i64, i64) = (rows::column(row, 2)?, rows::column(row, 3)?);
            let n_tries = u32::try_from(n_tries).unwrap_or(u32::MAX);
            let due_at = UnixMillis(due_at.unsigned_abs());
            Ok(PutOff { id, claim: rows::column(row, 1)?, n_tries, due_at })
        };
        stored.iter().map(put_off).collect()
    }
}
