//! The branch of a forked log that a quorum states, where another is held here: fetched beside it, and put in its place.
//!
//! ```text
//! more than half of the seats may state a head that is not of the branch held (forks) ─▶ begin: from what is in common on
//!   ─▶ accept, batch by batch: nothing of it counts ─▶ more than half of the seats have stated a head of it, beyond the
//!      one at which the log is frozen here ─▶ take, in one transaction: what is held is cut, and this stored behind it
//! ```
//!
//! What is dropped stood behind the head at which the log is frozen, and counted for nothing at anybody. The branch that
//! is taken is held and counted, and never cosigned or receipted: we have cosigned the other one. Evidence against third
//! logs that stood in what is dropped is filed anew, in our own log.
//!
//! A fetch is begun anew rather than resumed: what a crash leaves of one is thrown away by the next. Our own log is never
//! cut here. Not here: whom a branch is fetched from (`peer`).

use std::collections::BTreeSet;

use record::{
    LogName, RecordId, VerifiedRecord,
    commitment::Salt,
    kind::Known,
    verified::{Content, ExpectedPlace, verify},
};
use sqlx::sqlite::SqliteRow;
use tlog::{Frontier, Hash};

use crate::{
    Store,
    accept::{self, Incoming},
    append::{self, Draft},
    eras,
    error::StoreError,
    forks,
    jobs::Job,
    logs::{LogRow, MAX_LOG_RECORDS, Pending, place_of},
    proofs, rows, settling,
    transaction::Value,
    writer::Scope,
};

/// What became of records of another branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// How large the branch is, as far as it was fetched.
    pub size: u64,
    /// Whether it has taken the place of the one that was held.
    pub is_taken: bool,
}

impl Store {
    /// Begins to fetch another branch of a forked log, and gives the tree that both have in common; `None` unless more
    /// than half of the seats may state a larger head than the frozen one, of another branch than the one held. What was fetched of one before is thrown away.
    ///
    /// # Errors
    ///
    /// As [`Store::tick`].
    pub async fn begin_branch(&self, log: LogName) -> Result<Option<Frontier>, StoreError> {
        self.ask(|reply| Job::BeginBranch { log, reply }).await
    }

    /// Keeps verified records of the branch that is being fetched. As soon as more than half of the seats have stated a
    /// head of it beyond the one at which the log is frozen, it takes the place of the branch held.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] with `log.branch_not_sought` if none is fetched, and with `log.other_tree` if the records do
    /// not continue what was fetched; with `log.catching_up` while records of our own log are still coming;
    /// [`StoreError::Gap`] if some are missing before them.
    pub async fn accept_branch(&self, incoming: Incoming) -> Result<Fetched, StoreError> {
        let incoming = Box::new(incoming);
        self.ask(|reply| Job::AcceptBranch { incoming, reply }).await
    }
}

/// A branch as far as it was fetched.
struct Branch {
    first: u64,
    frontier: Frontier,
    identity: Option<Vec<u8>>,
}

/// The head to which the last batch of a branch leads.
struct Led {
    checkpoint: std::sync::Arc<[u8]>,
    proof: Vec<Hash>,
    completes: bool,
}

fn not_sought(log: LogName) -> StoreError {
    StoreError::Refused {
        reason: "log.branch_not_sought".to_owned(),
        detail: format!("No other branch of the log {log} is fetched. Nothing was written."),
    }
}

/// A forked log of somebody else of which a quorum may state another branch, and where it is frozen here.
async fn sought(scope: &mut Scope<'_>, log: LogName) -> Result<Option<(LogRow, u64)>, StoreError> {
    let Some(frozen) = forks::frozen_elsewhere(scope, log).await? else { return Ok(None) };
    let tail = scope.tails.get(&mut scope.tx, log).await?;
    let row = tail.map(|it| it.row.clone()).filter(|it| it.kept_size.is_none());
    Ok(row.map(|it| (it, frozen)))
}

pub(crate) async fn begin(
    scope: &mut Scope<'_>,
    log: LogName,
) -> Result<Option<Frontier>, StoreError> {
    let Some((row, frozen)) = sought(scope, log).await? else { return Ok(None) };
    let first = first_to_fetch(scope, row.log_no, frozen).await?;
    forget(scope, row.log_no).await?;
    let frontier = proofs::frontier_at(scope.tx.connection().await?, row.log_no, first).await?;
    let sql = "INSERT INTO fetched_branches (log_no, first, frontier) VALUES (?, ?, ?)";
    let values = [row.log_no.into(), rows::to_i64(first)?.into(), frontier.to_bytes().into()];
    scope.tx.write(sql, values).await?;
    Ok(Some(frontier))
}

/// Where the other branch is fetched from: the frozen head, or an earlier record whose payload is gone by the word of one
/// that is going to be dropped.
async fn first_to_fetch(
    scope: &mut Scope<'_>,
    log_no: i64,
    frozen: u64,
) -> Result<u64, StoreError> {
    let [start, behind, end] = [place_of(log_no, 0)?, place_of(log_no, frozen)?, end_of(log_no)?];
    let sql = "SELECT MIN(place) - ? FROM erasures
               WHERE ? <= place AND place < ? AND ? <= erase_place AND erase_place < ?";
    let values = [start, start, end, behind, end].map(Value::from);
    let stored = scope.tx.read(sql, values).await?;
    let erased: Option<i64> = stored.first().map(|row| rows::column(row, 0)).transpose()?.flatten();
    Ok(erased.map_or(frozen, |it| frozen.min(it.unsigned_abs())))
}

fn end_of(log_no: i64) -> Result<i64, StoreError> {
    place_of(log_no, MAX_LOG_RECORDS)
}

/// Throws away what was fetched of a branch.
async fn forget(scope: &mut Scope<'_>, log_no: i64) -> Result<(), StoreError> {
    let range = [place_of(log_no, 0)?.into(), end_of(log_no)?.into()];
    scope.tx.write("DELETE FROM fetched_records WHERE ? <= place AND place < ?", range).await?;
    for sql in [
        "DELETE FROM fetched_heads WHERE log_no = ?",
        "DELETE FROM fetched_branches WHERE log_no = ?",
    ] {
        scope.tx.write(sql, [log_no.into()]).await?;
    }
    Ok(())
}

async fn read(scope: &mut Scope<'_>, log_no: i64) -> Result<Option<Branch>, StoreError> {
    let sql = "SELECT first, frontier, identity FROM fetched_branches WHERE log_no = ?";
    let stored = scope.tx.read(sql, [log_no.into()]).await?;
    let damaged = |_error| StoreError::Damaged { what: "a branch that is fetched" };
    let read = |row: &SqliteRow| {
        let (first, frontier): (i64, &[u8]) = (rows::column(row, 0)?, rows::column(row, 1)?);
        Ok(Branch {
            first: first.unsigned_abs(),
            frontier: Frontier::from_bytes(frontier).map_err(damaged)?,
            identity: rows::column(row, 2)?,
        })
    };
    stored.first().map(read).transpose()
}

pub(crate) async fn accept(
    scope: &mut Scope<'_>,
    incoming: Incoming,
) -> Result<Fetched, StoreError> {
    let Incoming { log, start, mut records, frontier, checkpoint, proof, completes, identity } =
        incoming;
    let (row, frozen) = sought(scope, log).await?.ok_or_else(|| not_sought(log))?;
    let mut branch = read(scope, row.log_no).await?.ok_or_else(|| not_sought(log))?;
    let size = branch.frontier.size();
    let n_held = size.checked_sub(start).and_then(|it| usize::try_from(it).ok());
    let n_held = n_held.filter(|n| *n < records.len()).ok_or(StoreError::Gap { start, size })?;
    records.drain(..n_held);
    let mut sizes = forks::stated_sizes(scope, log, (size, frontier.size())).await?;
    sizes.insert(frozen);
    let roots = grow(&mut branch.frontier, &records, &sizes);
    if branch.frontier != frontier {
        return Err(StoreError::other_tree(frontier.size()));
    }
    branch.identity = identity.or(branch.identity);
    keep(scope, row.log_no, (size, records), roots).await?;
    write(scope, row.log_no, &branch).await?;
    let is_stated = frozen < forks::largest_fetched(scope, log, row.log_no).await?;
    let is_taken = is_stated && continues_frozen(scope, &row, frozen, &branch).await?;
    if is_taken {
        // Evidence may have to be filed anew.
        settling::must_not_be_catching_up(scope).await?;
        take(scope, &row, branch, Led { checkpoint, proof, completes }).await?;
    }
    Ok(Fetched { size: frontier.size(), is_taken })
}

/// Grows a tree by records; its roots at these sizes on the way.
fn grow(
    frontier: &mut Frontier,
    records: &[VerifiedRecord],
    sizes: &BTreeSet<u64>,
) -> Vec<(u64, Hash)> {
    let mut roots = Vec::new();
    for record in records {
        frontier.push(record.id().leaf());
        if sizes.contains(&frontier.size()) {
            roots.push((frontier.size(), frontier.root()));
        }
    }
    roots
}

/// Keeps records that were fetched, and the roots at stated sizes.
async fn keep(
    scope: &mut Scope<'_>,
    log_no: i64,
    (first, records): (u64, Vec<VerifiedRecord>),
    roots: Vec<(u64, Hash)>,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO fetched_records (place, header, salt, payload, erase) VALUES (?, ?, ?, ?, ?)";
    for (index, record) in (first..).zip(records) {
        let place = place_of(log_no, index)?;
        let erase = record.erased_by().map(|it| it.as_bytes().to_vec());
        let (_, header, content) = record.into_parts();
        let (salt, payload) = content.map(|it| (it.salt.0.to_vec(), it.payload)).unzip();
        let values: [Value; 5] =
            [place.into(), header.into(), salt.into(), payload.into(), erase.into()];
        scope.tx.write(sql, values).await?;
    }
    let sql = "INSERT OR REPLACE INTO fetched_heads (log_no, size, root) VALUES (?, ?, ?)";
    for (size, root) in roots {
        let values = [log_no.into(), rows::to_i64(size)?.into(), root.as_bytes().into()];
        scope.tx.write(sql, values).await?;
    }
    Ok(())
}

async fn write(scope: &mut Scope<'_>, log_no: i64, branch: &Branch) -> Result<(), StoreError> {
    let sql = "UPDATE fetched_branches SET frontier = ?, identity = ? WHERE log_no = ?";
    let values = [branch.frontier.to_bytes().into(), branch.identity.clone().into()];
    scope.tx.write(sql, values.into_iter().chain([log_no.into()])).await
}

/// Whether a branch that was fetched from before the frozen head has that head, too: what a quorum has stated counts for
/// ever, whatever else it states.
async fn continues_frozen(
    scope: &mut Scope<'_>,
    row: &LogRow,
    frozen: u64,
    branch: &Branch,
) -> Result<bool, StoreError> {
    if frozen <= branch.first {
        return Ok(true);
    }
    let sql = "SELECT root FROM fetched_heads WHERE log_no = ? AND size = ?";
    let values = [row.log_no.into(), rows::to_i64(frozen)?.into()];
    let stored = scope.tx.read(sql, values).await?;
    let fetched: Option<&[u8]> = stored.first().map(|row| rows::column(row, 0)).transpose()?;
    let ours = proofs::root_at(scope.tx.connection().await?, row.log_no, frozen).await?;
    Ok(fetched == Some(ours.as_bytes().as_slice()))
}

/// Puts the branch that was fetched in the place of the one held.
async fn take(
    scope: &mut Scope<'_>,
    row: &LogRow,
    branch: Branch,
    led: Led,
) -> Result<(), StoreError> {
    let (log, log_no) = (row.name, row.log_no);
    let Branch { first, frontier, identity } = branch;
    let n_dropped = row.frontier.size().saturating_sub(first);
    tracing::warn!(%log, n_dropped, "more than half of the seats state another branch of a forked log than the one held here; it takes the place of records that counted for nothing");
    let evidence = evidence_behind(scope, log_no, first).await?;
    cut(scope, row, first).await?;
    if let Some(bundle) = identity.filter(|it| row.identity.as_deref() != Some(it)) {
        eras::set_identity(scope, log, bundle).await?;
    }
    let Led { checkpoint, proof, completes } = led;
    let pending = Pending { checkpoint: checkpoint.to_vec(), proof };
    let pending = (!completes).then_some(pending);
    let mut start = first;
    while start < frontier.size() {
        let records = fetched(scope, row, start).await?;
        start = start.saturating_add(records.len().max(1) as u64);
        accept::store_records(scope, log, records, pending.clone()).await?;
    }
    forget(scope, log_no).await?;
    if !evidence.is_empty() {
        append::write(scope, evidence).await?;
        scope.group.own_grew = true;
    }
    scope.group.judged.insert(log);
    match accept::complete(scope, log, (&frontier, &checkpoint), completes).await {
        // Some payload is missing and nothing explains it: the head is not kept, as it would not be of any log.
        Err(error) if !error.is_fault() => {
            tracing::warn!(%log, %error, "the head of the branch was not kept");
            Ok(())
        }
        ended => ended,
    }
}

/// Evidence against other logs in records that are going to be dropped: one piece for each log, if it was verified.
async fn evidence_behind(
    scope: &mut Scope<'_>,
    log_no: i64,
    first: u64,
) -> Result<Vec<Draft>, StoreError> {
    let sql = "SELECT r.payload, r.salt FROM records AS r JOIN (
                 SELECT MIN(place) AS place FROM accusations
                 WHERE ? <= place AND place < ? AND standing IN (2, 3) GROUP BY community, era
               ) AS a ON a.place = r.place WHERE r.payload IS NOT NULL ORDER BY r.place";
    let range = [place_of(log_no, first)?.into(), end_of(log_no)?.into()];
    let stored = scope.tx.read(sql, range).await?;
    let draft = |row: &SqliteRow| {
        let (payload, salt): (Vec<u8>, &[u8]) = (rows::column(row, 0)?, rows::column(row, 1)?);
        let damaged = |_error| StoreError::Damaged { what: "a salt" };
        Ok(Draft {
            kind: Known::Evidence.into(),
            payload,
            salt: Salt(salt.try_into().map_err(damaged)?),
            references: Vec::new(),
        })
    };
    stored.iter().map(draft).collect()
}

/// Ends a log at an earlier size, and takes what stood behind it out of the file and the register.
async fn cut(scope: &mut Scope<'_>, row: &LogRow, first: u64) -> Result<(), StoreError> {
    let (log, log_no) = (row.name, row.log_no);
    let range: [Value; 2] = [place_of(log_no, first)?.into(), end_of(log_no)?.into()];
    eras::take_out_of_register(scope, (log_no, first)).await?;
    let accused = "SELECT DISTINCT community, era FROM accusations WHERE ? <= place AND place < ?";
    for row in &scope.tx.read(accused, range.clone()).await? {
        scope.group.judged.insert(rows::log_name(row, 0)?);
    }
    for sql in [
        "DELETE FROM refusals WHERE ? <= place AND place < ?",
        "DELETE FROM missing WHERE ? <= place AND place < ?",
        "DELETE FROM accusations WHERE ? <= place AND place < ?",
        "DELETE FROM erasures WHERE ? <= place AND place < ?",
        "DELETE FROM erasures WHERE ? <= erase_place AND erase_place < ?",
        "DELETE FROM void_erasures WHERE ? <= place AND place < ?",
        "DELETE FROM void_erasures WHERE ? <= erase_place AND erase_place < ?",
        "DELETE FROM records WHERE ? <= place AND place < ?",
    ] {
        scope.tx.write(sql, range.clone()).await?;
    }
    // Tiles of higher levels are written anew before anybody reads so far.
    let sql = "DELETE FROM tiles WHERE log_no = ? AND level = 0 AND ? < (tile_index + 1) * 256";
    scope.tx.write(sql, [log_no.into(), rows::to_i64(first)?.into()]).await?;
    let frontier = proofs::frontier_at(scope.tx.connection().await?, log_no, first).await?;
    scope.tails.cut(&mut scope.tx, log, frontier).await?;
    if let Some(tail) = scope.tails.get(&mut scope.tx, log).await? {
        let is_left = |(size, _): &(u64, Vec<u8>)| *size <= first;
        tail.row.checkpoint = tail.row.checkpoint.take().filter(is_left);
        tail.row.cosigned = tail.row.cosigned.take().filter(is_left);
        tail.row.pending = None;
    }
    scope.group.changed.insert(log);
    scope.group.received.remove(&log);
    scope.group.erasures.retain(|it| it.author != log);
    if let Some(duties) = scope.duties.as_mut() {
        duties.receipts.forget(&log);
    }
    eras::renote(scope, log.community).await
}

/// Records read at once.
const RECORDS_PER_READ: u64 = 256;

/// The next records of the branch that was fetched, verified.
async fn fetched(
    scope: &mut Scope<'_>,
    row: &LogRow,
    start: u64,
) -> Result<Vec<VerifiedRecord>, StoreError> {
    let end = start.saturating_add(RECORDS_PER_READ);
    let sql = "SELECT header, salt, payload, erase FROM fetched_records
               WHERE ? <= place AND place < ? ORDER BY place";
    let range = [place_of(row.log_no, start)?.into(), place_of(row.log_no, end)?.into()];
    let stored = scope.tx.read(sql, range).await?;
    let network = &scope.config.network;
    let LogName { community, era } = row.name;
    let damaged = || StoreError::Damaged { what: "a record that was fetched" };
    let read = |(index, row): (u64, &SqliteRow)| {
        let salt: Option<&[u8]> = rows::column(row, 1)?;
        let salt = salt.map(|it| it.try_into().map(Salt)).transpose().ok().ok_or_else(damaged)?;
        let payload: Option<Vec<u8>> = rows::column(row, 2)?;
        let content = salt.zip(payload).map(|(salt, payload)| Content { salt, payload });
        let erase: Option<&[u8]> = rows::column(row, 3)?;
        let erase = erase.and_then(Hash::from_slice).map(RecordId::from_leaf);
        let expected = ExpectedPlace { network, community, era, index };
        let record = verify(rows::column(row, 0)?, content, &expected).ok().ok_or_else(damaged)?;
        Ok(record.naming_its_erasure(erase))
    };
    let records: Vec<_> = (start..).zip(&stored).map(read).collect::<Result<_, StoreError>>()?;
    if records.is_empty() { Err(damaged()) } else { Ok(records) }
}
