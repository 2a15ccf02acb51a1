//! What others say of a log: the heads that seats state or index, and whose cosignatures are held here.
//!
//! A head that contradicts the log, or is ahead of all of it, is no evidence by itself: a seat may state what it likes. It
//! is the first that an operator sees of a second machine with the same keys.

use std::collections::BTreeMap;

use record::{CommunityId, LogName};
use tlog::{Checkpoint, Hash, Note};

use crate::{
    Store, StoreConfig,
    db::Db,
    error::StoreError,
    logs::LogRow,
    proofs,
    read::known_log,
    rows,
    transaction::{self, Value},
};

/// Statements that are looked at, the largest first: two of each of at most 32 seats.
const N_NEWEST: i64 = 64;

/// The largest head of a log that a seat says to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whose claim it is.
    pub by: CommunityId,
    /// The size of the head.
    pub size: u64,
    /// How it stands to the log that is held here.
    pub agreement: Agreement,
}

/// How a head stands to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The log has that root at that size.
    Holds,
    /// The log has another root at that size.
    Contradicts,
    /// It is larger than the log, or than what of our own log is signed.
    Ahead,
}

impl Store {
    /// The largest head that each seat states or indexes of a log that is held, in ascending order of community; those
    /// that contradict it stand before those that do not.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log.
    pub async fn claims(&self, log: LogName) -> Result<Vec<Claim>, StoreError> {
        let mut db = self.reader().await?;
        let sql =
            "SELECT coordinator, size, root FROM index_entries WHERE community = ? AND era = ?
                   UNION SELECT * FROM (
                     SELECT seat, size, root FROM stated_heads WHERE community = ? AND era = ?
                     ORDER BY size DESC LIMIT ?
                   )";
        let name = [Value::from(log.community.as_bytes()), i64::from(log.era).into()];
        let values = name.clone().into_iter().chain(name).chain([N_NEWEST.into()]);
        let stored = transaction::read(&mut db, sql, values).await?;
        // Afterwards, so that a log which grows meanwhile is not behind what is said of it.
        let row = known_log(&mut db, log).await?;
        let mut claims: BTreeMap<CommunityId, Claim> = BTreeMap::new();
        for stored in &stored {
            let damaged = || StoreError::Damaged { what: "a stated head" };
            let (by, size, root): (&[u8], i64, &[u8]) =
                (rows::column(stored, 0)?, rows::column(stored, 1)?, rows::column(stored, 2)?);
            let by = CommunityId::from_slice(by).ok_or_else(damaged)?;
            let (size, root) = (size.unsigned_abs(), Hash::from_slice(root).ok_or_else(damaged)?);
            let agreement = agreement(&mut db, &row, size, &root).await?;
            let claim = Claim { by, size, agreement };
            let known = claims.entry(by).or_insert(claim);
            if worth(known) < worth(&claim) {
                *known = claim;
            }
        }
        Ok(claims.into_values().collect())
    }

    /// Up to which size each cosigner has cosigned a log, as far as its cosignatures are held here: by the name in the
    /// signature line.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log.
    pub async fn cosigners(&self, log: LogName) -> Result<BTreeMap<String, u64>, StoreError> {
        let row = self.known_log(log).await?;
        let mut db = self.reader().await?;
        let sql = "SELECT cosigner, MAX(size) FROM acks WHERE community = ? AND era = ?
                   GROUP BY cosigner";
        let values = [Value::from(log.community.as_bytes()), i64::from(log.era).into()];
        let mut cosigners = BTreeMap::new();
        for stored in &transaction::read(&mut db, sql, values).await? {
            let size: i64 = rows::column(stored, 1)?;
            cosigners.insert(rows::column::<String>(stored, 0)?, size.unsigned_abs());
        }
        for (_, note) in row.checkpoint.iter().chain(&row.cosigned) {
            note_lines(&self.config, log, note, &mut cosigners)?;
        }
        Ok(cosigners)
    }
}

/// Of one seat, the claim that tells more.
const fn worth(claim: &Claim) -> (bool, u64) {
    (matches!(claim.agreement, Agreement::Contradicts), claim.size)
}

async fn agreement(
    db: &mut Db,
    row: &LogRow,
    size: u64,
    root: &Hash,
) -> Result<Agreement, StoreError> {
    // What is not signed is nobody's yet, and may be taken back.
    let signed = row.signed_frontier.as_ref().unwrap_or(&row.frontier);
    if signed.size() < size {
        return Ok(Agreement::Ahead);
    }
    let ours = if size == signed.size() {
        signed.root()
    } else {
        proofs::root_at(db, row.log_no, size).await?
    };
    Ok(if ours == *root { Agreement::Holds } else { Agreement::Contradicts })
}

/// Notes whose lines, beside the log's own, stand on a checkpoint.
fn note_lines(
    config: &StoreConfig,
    log: LogName,
    note: &[u8],
    cosigners: &mut BTreeMap<String, u64>,
) -> Result<(), StoreError> {
    let damaged = || StoreError::Damaged { what: "a checkpoint" };
    let note = Note::parse(note).ok().ok_or_else(damaged)?;
    let size = Checkpoint::parse_text(note.text()).ok().ok_or_else(damaged)?.size;
    let origin = config.network.log_origin(&log.community, log.era);
    for line in note.signatures().iter().filter(|it| it.name().as_str() != origin) {
        let known = cosigners.entry(line.name().to_string()).or_default();
        *known = size.max(*known);
    }
    Ok(())
}
