//! Forked logs: evidence verified, and the head at which each is frozen.
//!
//! ```text
//! evidence (a record in any log) ─▶ accusations ─ verified with the log's identity ─┐
//! receipts, cosignatures records ─▶ stated_heads ─ the largest that a quorum covers ─┴▶ forks ─▶ cases folded anew
//! ```
//!
//! All of it is a function of the records and identities held, whatever their order. A key that was stolen after it had
//! been retired freezes nobody: evidence by it lapses once a quorum has stated a head that covers the rotation.
//!
//! Not here: who finds a fork and files the evidence (`replica`, `peer`), and recovery, which begins another era.

mod accused;
mod kept;
mod statements;

use record::{
    CommunityId, LogName, Payload, VerifiedRecord,
    fork::{EvidenceError, Standing, open_evidence},
    identity::{Identity, IdentityBundle},
    kind::Known,
    payload::ForkEvidence,
    policy::{CosignerGroup, render_policy},
};
use sqlx::sqlite::SqliteRow;
use tlog::Policy;

use crate::{
    Store,
    error::StoreError,
    logs::{self, LogRow, place_of},
    receipts::counted,
    rows,
    transaction::Value,
    writer::Scope,
};

pub(crate) use accused::{
    Accused, Frozen, apart, count_apart, counts_apart, frozen_size, is_forked,
};
use accused::{accused, frozen};
pub(crate) use statements::{
    largest_fetched, quorum, state, state_all, stated_sizes, statements_changed,
};

/// A log that forked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// Which log.
    pub log: LogName,
    /// How many of its records count whatever comes: those under the largest head that more than half of the seats have
    /// stated.
    pub frozen_size: u64,
    /// The log that holds a record of evidence.
    pub evidence_log: LogName,
    /// The index of that record.
    pub evidence_index: u64,
    /// Whether more than half of the seats may state a larger head than this, of another branch than the one held here.
    pub is_elsewhere: bool,
}

impl Store {
    /// Every log that forked, in ascending order of name.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn forks(&self) -> Result<Vec<Fork>, StoreError> {
        let mut db = self.reader().await?;
        let stored = crate::transaction::read(&mut db, FORKS, []).await?;
        let mut forks = Vec::with_capacity(stored.len());
        for row in &stored {
            let (evidence_log, evidence_index) =
                logs::log_of_place(&mut db, rows::column(row, 3)?).await?;
            let frozen_size: i64 = rows::column(row, 2)?;
            let frozen_size = frozen_size.unsigned_abs();
            let (log, is_elsewhere) = (read_name(row)?, rows::column(row, 4)?);
            forks.push(Fork { log, frozen_size, evidence_log, evidence_index, is_elsewhere });
        }
        Ok(forks)
    }

    /// Whether a log forked, and where it is frozen.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn fork(&self, log: LogName) -> Result<Option<Fork>, StoreError> {
        Ok(self.forks().await?.into_iter().find(|it| it.log == log))
    }

    /// How many records of evidence against a log, in the log of this accuser, wait for the log or for an identity that
    /// proves them.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn n_waiting_evidence(
        &self,
        accuser: LogName,
        log: LogName,
    ) -> Result<u64, StoreError> {
        let Some(row) = self.log(accuser).await? else { return Ok(0) };
        let (start, end) = range_of(row.log_no)?;
        let sql = "SELECT COUNT(*) FROM accusations
                   WHERE community = ? AND era = ? AND standing < ? AND ? <= place AND place <= ?";
        let values = name(log).into_iter().chain([HOLDS.into(), start.into(), end.into()]);
        let mut db = self.reader().await?;
        let stored = crate::transaction::read(&mut db, sql, values).await?;
        let n: i64 = stored.first().map_or(Ok(0), |row| rows::column(row, 0))?;
        Ok(n.unsigned_abs())
    }
}

const FORKS: &str = "SELECT community, era, frozen_size, place, is_elsewhere FROM forks
                     ORDER BY community, era";

fn read_name(row: &SqliteRow) -> Result<LogName, StoreError> {
    rows::log_name(row, 0)
}

fn name(log: LogName) -> [Value; 2] {
    [log.community.as_bytes().into(), i64::from(log.era).into()]
}

/// Notes a record of evidence; the log is judged at the end of the group.
pub(crate) async fn accuse(
    scope: &mut Scope<'_>,
    place: i64,
    evidence: &ForkEvidence,
) -> Result<(), StoreError> {
    let log = LogName { community: evidence.community, era: evidence.era };
    let sql = "INSERT OR IGNORE INTO accusations (community, era, place) VALUES (?, ?, ?)";
    let values = name(log).into_iter().chain([place.into()]);
    scope.tx.write(sql, values).await?;
    scope.group.judged.insert(log);
    Ok(())
}

/// As [`accuse`], of a record that counts for nothing else.
pub(crate) async fn accuse_if_evidence(
    scope: &mut Scope<'_>,
    place: i64,
    record: &VerifiedRecord,
) -> Result<(), StoreError> {
    if record.header().kind.known() != Some(Known::Evidence) {
        return Ok(());
    }
    let payload = record.content().map(|it| it.payload.as_slice()).unwrap_or_default();
    match proto::payload::decode(Known::Evidence, payload) {
        Ok(Payload::Evidence(evidence)) => accuse(scope, place, &evidence).await,
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The log has grown, or a seat has stated a head of it: if it is accused, it is judged at the end of the group.
pub(crate) async fn judge_if_accused(
    scope: &mut Scope<'_>,
    log: LogName,
) -> Result<(), StoreError> {
    if accused(scope).await?.contains_key(&log) {
        scope.group.judged.insert(log);
    }
    Ok(())
}

/// A community's identity became known or changed: what it is accused of is verified anew, and if it has a seat, so is
/// what rests on its cosignatures.
pub(crate) async fn identity_changed(
    scope: &mut Scope<'_>,
    community: CommunityId,
) -> Result<(), StoreError> {
    let has_seat = i64::from(scope.region.quorum().contains(&community));
    let concerned = "community = ? OR (standing = 3 AND 0 < ?)";
    let values = || [community.as_bytes().into(), Value::from(has_seat)];
    let sql = format!("SELECT DISTINCT community, era FROM accusations WHERE {concerned}");
    let stored = scope.tx.read(&sql, values()).await?;
    if stored.is_empty() {
        return Ok(());
    }
    for row in &stored {
        scope.group.judged.insert(read_name(row)?);
    }
    scope
        .tx
        .write(&format!("UPDATE accusations SET standing = 0 WHERE {concerned}"), values())
        .await
}

/// The region seats others: every log that is accused is judged by their statements and cosignatures.
pub(crate) async fn seats_changed(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let accused: Vec<LogName> = accused(scope).await?.keys().copied().collect();
    if accused.is_empty() {
        return Ok(());
    }
    scope.group.judged.extend(accused);
    // What a retired key signed counts by the cosignatures of whoever is seated.
    scope.tx.write("UPDATE accusations SET standing = 0", []).await?;
    judge_all(scope).await
}

/// Judges every log of the group that is accused: whether it forked, where it is frozen, and which cases that changes.
pub(crate) async fn judge_all(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    accused(scope).await?;
    for log in std::mem::take(&mut scope.group.judged) {
        // An unknown log waits as a row.
        let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { continue };
        let row = tail.row.clone();
        judge(scope, log, &row).await?;
    }
    Ok(())
}

async fn judge(scope: &mut Scope<'_>, log: LogName, row: &LogRow) -> Result<(), StoreError> {
    verify_new(scope, log).await?;
    let accusations = accusations(scope, log).await?;
    let before = frozen(scope, log).await?;
    let stated = statements::largest_stated(scope, log, row).await?;
    let standing = accusations.iter().find(|it| it.stands(stated));
    let is_counted_apart = before.is_some_and(|it| it.is_counted_apart);
    let after = standing.map(|_| Frozen { size: stated, is_counted_apart });
    let sql = match standing {
        Some(_) => {
            "INSERT INTO forks (community, era, frozen_size, place, is_elsewhere)
             VALUES (?, ?, ?, ?, ?) ON CONFLICT (community, era)
             DO UPDATE SET frozen_size = excluded.frozen_size, place = excluded.place,
               is_elsewhere = excluded.is_elsewhere"
        }
        None => "DELETE FROM forks WHERE community = ? AND era = ?",
    };
    let mut values = name(log).to_vec();
    if let Some(accusation) = standing {
        let is_elsewhere = i64::from(is_elsewhere(scope, row, stated).await?);
        let rest = [rows::to_i64(stated)?.into(), accusation.place.into(), is_elsewhere.into()];
        values.extend(rest);
    }
    scope.tx.write(sql, values).await?;
    if accusations.is_empty() {
        accused(scope).await?.remove(&log);
    } else {
        accused(scope).await?.insert(log, after);
    }
    let is_coordinator = scope.region.coordinators().contains(&log.community);
    let is_first_count = is_coordinator && after.is_some() && !is_counted_apart;
    if is_first_count || (is_counted_apart && before != after) {
        counted::count_anew(scope, log.community).await?;
    }
    if before == after {
        return Ok(());
    }
    if before.is_none() {
        tracing::warn!(%log, frozen_size = stated, "a log forked; its records from here on do not count until its officers recover it");
    }
    // From the smaller of the two on, verdicts change.
    let first = before.into_iter().chain(after).map(|it| it.size).min().unwrap_or_default();
    mark_dirty(scope, row, first).await
}

/// Whether a quorum may state another branch, which is to be fetched. Our own log is ours to recover, and of an era that has
/// ended the recovery says what is kept.
async fn is_elsewhere(
    scope: &mut Scope<'_>,
    row: &LogRow,
    stated: u64,
) -> Result<bool, StoreError> {
    if row.name.community == scope.config.own.name.community || row.kept_size.is_some() {
        return Ok(false);
    }
    statements::are_elsewhere(scope, row, stated).await
}

/// Where a log is frozen, if it forked and a quorum may state another branch than the one held.
pub(crate) async fn frozen_elsewhere(
    scope: &mut Scope<'_>,
    log: LogName,
) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT frozen_size FROM forks WHERE community = ? AND era = ? AND is_elsewhere = 1";
    let stored = scope.tx.read(sql, name(log)).await?;
    let size: Option<i64> = stored.first().map(|row| rows::column(row, 0)).transpose()?;
    Ok(size.map(i64::unsigned_abs))
}

/// The places of all records that a log may have.
fn range_of(log_no: i64) -> Result<(i64, i64), StoreError> {
    Ok((place_of(log_no, 0)?, place_of(log_no, logs::MAX_LOG_RECORDS)?))
}

async fn mark_dirty(scope: &mut Scope<'_>, row: &LogRow, first: u64) -> Result<(), StoreError> {
    let (start, end) = (place_of(row.log_no, first)?, place_of(row.log_no, logs::MAX_LOG_RECORDS)?);
    let sql = "INSERT OR IGNORE INTO dirty SELECT case_no FROM case_records
               WHERE ? <= place AND place <= ?";
    scope.group.may_be_dirty = true;
    scope.tx.write(sql, [start.into(), end.into()]).await
}

/// Evidence that was verified.
struct Accusation {
    place: i64,
    standing: i64,
    rotation_index: Option<i64>,
}

impl Accusation {
    /// Whether it shows a fork, where a quorum has stated so much of the log.
    fn stands(&self, stated: u64) -> bool {
        match self.standing {
            HOLDS => true,
            UNTIL_COVERED => self.rotation_index.is_some_and(|it| stated <= it.unsigned_abs()),
            _ => false,
        }
    }
}

const UNPROVED: i64 = 1;
const HOLDS: i64 = 2;
const UNTIL_COVERED: i64 = 3;
const ENDED: i64 = 4;

async fn accusations(scope: &mut Scope<'_>, log: LogName) -> Result<Vec<Accusation>, StoreError> {
    let sql = "SELECT place, standing, rotation_index FROM accusations
               WHERE community = ? AND era = ? ORDER BY place";
    let stored = scope.tx.read(sql, name(log)).await?;
    let read = |row: &SqliteRow| {
        Ok(Accusation {
            place: rows::column(row, 0)?,
            standing: rows::column(row, 1)?,
            rotation_index: rows::column(row, 2)?,
        })
    };
    stored.iter().map(read).collect()
}

/// Verifies the evidence against a log that was not yet verified under the identity that is known.
async fn verify_new(scope: &mut Scope<'_>, log: LogName) -> Result<(), StoreError> {
    let sql =
        "SELECT a.place, r.payload FROM accusations AS a JOIN records AS r ON r.place = a.place
               WHERE a.community = ? AND a.era = ? AND a.standing = 0 ORDER BY a.place";
    let stored = scope.tx.read(sql, name(log)).await?;
    if stored.is_empty() {
        return Ok(());
    }
    let Some(identity) = identity_of(scope, log.community).await? else { return Ok(()) };
    let mut quorum = None;
    for row in &stored {
        let (place, payload): (i64, Option<&[u8]>) = (rows::column(row, 0)?, rows::column(row, 1)?);
        let read = proto::payload::decode(Known::Evidence, payload.unwrap_or_default());
        let Ok(Payload::Evidence(evidence)) = read else {
            kept::forget(scope, log, place).await?;
            continue;
        };
        let network = &scope.config.network;
        let mut opened = open_evidence(network, &evidence, &identity, None);
        if opened.as_ref().is_ok_and(|it| matches!(it.standing, Standing::UntilCovered { .. })) {
            if quorum.is_none() {
                quorum = Some(quorum_policy(scope).await?);
            }
            let policy = quorum.as_ref().and_then(Option::as_ref);
            opened = open_evidence(&scope.config.network, &evidence, &identity, policy);
        }
        match opened.map(|it| it.standing) {
            Ok(standing) => kept::settle(scope, log, (place, &evidence), standing).await?,
            // A later identity may know the key.
            Err(EvidenceError::UnknownKey | EvidenceError::BadSignature) => {
                kept::write_standing(scope, log, place, (UNPROVED, None)).await?;
            }
            Err(
                EvidenceError::OtherCommunity
                | EvidenceError::Malformed { .. }
                | EvidenceError::OtherOrigin { .. }
                | EvidenceError::NotTwo
                | EvidenceError::NoContradiction
                | EvidenceError::Proof(_)
                | EvidenceError::RetiredKey,
            ) => kept::forget(scope, log, place).await?,
        }
    }
    Ok(())
}

/// What the newest bundle of a community says; `None` if there is none that holds.
async fn identity_of(
    scope: &mut Scope<'_>,
    community: CommunityId,
) -> Result<Option<Identity>, StoreError> {
    let sql = "SELECT identity FROM logs WHERE community = ? AND identity IS NOT NULL
               ORDER BY era DESC LIMIT 1";
    let stored = scope.tx.read(sql, [community.as_bytes().into()]).await?;
    let Some(row) = stored.first() else { return Ok(None) };
    let bundle: &[u8] = rows::column(row, 0)?;
    let verified = IdentityBundle::decode(bundle)
        .and_then(|it| it.verify(Some(community), &scope.config.network, None));
    Ok(verified.ok().map(|it| it.identity))
}

/// A policy that asks for cosignatures of more than half of the seats, by any key that each has or had. `None` while
/// too few of their identities are known.
async fn quorum_policy(scope: &mut Scope<'_>) -> Result<Option<Policy>, StoreError> {
    let mut seats = Vec::new();
    let seated = scope.region.quorum();
    let needed = quorum(&seated);
    for seat in seated {
        seats.extend(identity_of(scope, seat).await?);
    }
    let members: Vec<&Identity> = seats.iter().collect();
    let group = CosignerGroup { name: "seats", needed, members: &members };
    // A group that needs more than its members is refused, and one without members left out.
    let policy = Policy::parse(&render_policy(&[], &[group])).ok();
    Ok(policy.filter(|_| needed <= members.len()))
}
