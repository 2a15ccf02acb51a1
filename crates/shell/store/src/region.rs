//! The region as the records here tell it: which epoch holds, who may act, and where they are reached.

use std::collections::BTreeMap;

use civic::{RegionChange, RegionView, Statement};
use record::{
    CommunityId, Payload, RecordId, UnixMillis, kind::Known, limits::MAX_STATEMENTS,
    payload::Affiliation, region::RegionAction,
};
use sqlx::sqlite::SqliteRow;

use crate::{
    Store,
    accept::stored_header,
    db::Db,
    error::StoreError,
    forks,
    logs::{place_of, split_place},
    rows, transaction,
    writer::Scope,
};

/// In the table `dirty` the region stands beside the cases, under a number that no case has, and before all of them.
pub(crate) const DIRTY: i64 = 0;

/// Every statement with the first receipt of it by each coordinator, a row each.
const STATEMENTS: &str = "
SELECT s.place, r.header, r.payload, x.coordinator, MIN(x.received_at)
FROM statements AS s JOIN records AS r ON r.place = s.place JOIN logs AS l ON l.log_no = s.place >> 40
LEFT JOIN receipts AS x
  ON x.community = l.community AND x.era = l.era AND (s.place & 1099511627775) < x.size
GROUP BY s.place, x.coordinator ORDER BY s.place";

/// Files what a community says about this region, unless its log has said too much already; the region is folded anew
/// before the commit. Without that bound one member could make every replica read a flood at each of its records.
pub(crate) async fn note(
    scope: &mut Scope<'_>,
    place: i64,
    action: &RegionAction,
) -> Result<(), StoreError> {
    if action.region() != scope.config.region.region() {
        return Ok(());
    }
    let most = i64::try_from(MAX_STATEMENTS).unwrap_or(i64::MAX);
    let first = place_of(split_place(place).0, 0)?;
    let sql = "INSERT OR IGNORE INTO statements (place) SELECT ? WHERE (
                 SELECT COUNT(*) FROM statements WHERE ? <= place AND place < ?
               ) < ?";
    scope.tx.write(sql, [place.into(), first.into(), place.into(), most.into()]).await?;
    let sql = "INSERT OR REPLACE INTO refusals (place, reason, detail)
               SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM statements WHERE place = ?)";
    let detail = format!("Of one log {MAX_STATEMENTS} records about the region count.");
    let reason = "region.too_many_statements";
    scope.tx.write(sql, [place.into(), reason.into(), detail.into(), place.into()]).await?;
    scope.group.may_be_dirty = true;
    scope.group.is_about_region = true;
    scope.tx.write("INSERT OR IGNORE INTO dirty VALUES (?)", [DIRTY.into()]).await
}

/// Folds the region anew. If it changed, so may every case with a record that was not received before.
pub(crate) async fn refold(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    scope.tx.write("DELETE FROM dirty WHERE case_no = ?", [DIRTY.into()]).await?;
    let stored = scope.tx.read(STATEMENTS, []).await?;
    let region = scope.config.region.after(&statements(&stored)?);
    if region == **scope.region {
        return Ok(());
    }
    let seats_changed = region.quorum() != scope.region.quorum()
        || region.coordinators() != scope.region.coordinators();
    let change = region.change_from(scope.region);
    *scope.region = region.into();
    if seats_changed {
        forks::seats_changed(scope).await?;
    }
    match change {
        Some(change) => mark_changed(scope, &change).await,
        None => Ok(()),
    }
}

/// Marks every case with a record that may fold otherwise: all but what as many coordinators as are needed had received
/// before the change.
async fn mark_changed(scope: &mut Scope<'_>, change: &RegionChange) -> Result<(), StoreError> {
    let RegionChange { from, coordinators, receipts_needed } = change;
    let n_before = usize::try_from(*receipts_needed).unwrap_or(usize::MAX).saturating_sub(1);
    if coordinators.len() <= n_before {
        let sql = "INSERT OR IGNORE INTO dirty SELECT case_no FROM cases";
        return scope.tx.write(sql, []).await;
    }
    let apart = forks::apart(scope).await?;
    let covered = |it| {
        let table = apart.table(it);
        format!(
            "SELECT (
        SELECT r.size FROM {table} AS r
        WHERE r.community = l.community AND r.era = l.era AND r.coordinator = ? AND r.received_at < ?
        ORDER BY r.size DESC LIMIT 1
      ) AS size"
        )
    };
    let covered = coordinators.iter().map(covered).collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!(
        "INSERT OR IGNORE INTO dirty SELECT c.case_no FROM logs AS l CROSS JOIN case_records AS c
         WHERE (l.log_no << 40) + COALESCE((
             SELECT size FROM ({covered}) ORDER BY size DESC LIMIT 1 OFFSET ?
           ), 0) <= c.place
           AND c.place < ((l.log_no + 1) << 40)"
    );
    let from = from.map_or(i64::MAX, |at| rows::to_i64_at_most(at.0));
    let receipts = coordinators.iter().flat_map(|it| [it.as_bytes().into(), from.into()]);
    let offset = i64::try_from(n_before).unwrap_or(i64::MAX);
    scope.tx.write(&sql, receipts.chain([offset.into()])).await
}

/// The region when the file is opened.
pub(crate) async fn read(db: &mut Db, founded: &RegionView) -> Result<RegionView, StoreError> {
    Ok(founded.after(&statements(&transaction::read(db, STATEMENTS, []).await?)?))
}

/// Keeps an affiliation unless a later one is kept: of a later era, or further on in the same log.
pub(crate) async fn note_affiliation(
    scope: &mut Scope<'_>,
    place: i64,
    community: CommunityId,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO affiliations (community, place) VALUES (?, ?)
               ON CONFLICT (community) DO UPDATE SET place = excluded.place
               WHERE ((SELECT era FROM logs WHERE log_no = affiliations.place >> 40), affiliations.place)
                   < ((SELECT era FROM logs WHERE log_no = excluded.place >> 40), excluded.place)";
    scope.tx.write(sql, [community.as_bytes().into(), place.into()]).await
}

/// How far statements and affiliations have come: as long as it is equal, nobody has said anything more of the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionMark {
    n_statements: i64,
    last_statement: i64,
    /// Community and place of each affiliation.
    affiliations: String,
}

impl Store {
    /// What is compared to see whether anybody has said more of the region, without reading what was said.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn region_mark(&self) -> Result<RegionMark, StoreError> {
        let mut db = self.reader().await?;
        let sql = "SELECT (SELECT COUNT(*) FROM statements), (SELECT COALESCE(MAX(place), 0) FROM statements),
                     (SELECT COALESCE(group_concat(hex(community) || place, ' '), '') FROM affiliations)";
        let stored = transaction::read(&mut db, sql, []).await?;
        let row = stored.first().ok_or(StoreError::Damaged { what: "the region" })?;
        Ok(RegionMark {
            n_statements: rows::column(row, 0)?,
            last_statement: rows::column(row, 1)?,
            affiliations: rows::column(row, 2)?,
        })
    }

    /// Everything that communities said about the region, in the order of their logs here.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn statements(&self) -> Result<Vec<Statement>, StoreError> {
        let mut db = self.reader().await?;
        statements(&transaction::read(&mut db, STATEMENTS, []).await?)
    }

    /// The newest affiliation of each community that has one, in ascending order of community.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn affiliations(&self) -> Result<BTreeMap<CommunityId, Affiliation>, StoreError> {
        let mut db = self.reader().await?;
        let sql = "SELECT a.community, r.payload FROM affiliations AS a
                   JOIN records AS r ON r.place = a.place ORDER BY a.community";
        let stored = transaction::read(&mut db, sql, []).await?;
        stored.iter().map(affiliation).collect()
    }
}

fn affiliation(row: &SqliteRow) -> Result<(CommunityId, Affiliation), StoreError> {
    let damaged = || StoreError::Damaged { what: "an affiliation" };
    let (community, payload): (&[u8], Option<&[u8]>) =
        (rows::column(row, 0)?, rows::column(row, 1)?);
    let community = CommunityId::from_slice(community).ok_or_else(damaged)?;
    let payload = proto::payload::decode(Known::Affiliation, payload.ok_or_else(damaged)?);
    match payload {
        Ok(Payload::Affiliation(affiliation)) => Ok((community, affiliation)),
        Ok(_) | Err(_) => Err(damaged()),
    }
}

fn statements(stored: &[SqliteRow]) -> Result<Vec<Statement>, StoreError> {
    let mut by_place: BTreeMap<i64, Statement> = BTreeMap::new();
    for row in stored {
        let place: i64 = rows::column(row, 0)?;
        let statement = match by_place.entry(place) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(statement(row)?),
        };
        statement.receipts.extend(receipt(row)?);
    }
    Ok(by_place.into_values().collect())
}

fn statement(row: &SqliteRow) -> Result<Statement, StoreError> {
    let damaged = || StoreError::Damaged { what: "a record about the region" };
    let (header_bytes, payload): (&[u8], Option<&[u8]>) =
        (rows::column(row, 1)?, rows::column(row, 2)?);
    let header = stored_header(header_bytes)?;
    let payload = proto::payload::decode(Known::RegionEpoch, payload.ok_or_else(damaged)?);
    let Ok(Payload::RegionEpoch(action)) = payload else { return Err(damaged()) };
    Ok(Statement {
        record: RecordId::from_leaf(tlog::leaf_hash(header_bytes)),
        community: header.community,
        era: header.era,
        index: header.index,
        receipts: Vec::new(),
        action,
    })
}

fn receipt(row: &SqliteRow) -> Result<Option<(CommunityId, UnixMillis)>, StoreError> {
    let coordinator: Option<&[u8]> = rows::column(row, 3)?;
    let at: Option<i64> = rows::column(row, 4)?;
    let coordinator = coordinator.and_then(CommunityId::from_slice);
    Ok(coordinator.zip(at.map(|at| UnixMillis(at.unsigned_abs()))))
}
