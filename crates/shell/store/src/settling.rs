//! Our own log after a start, until peers have shown how much of it they hold.
//!
//! ```text
//! open ─▶ unsettled: what we write is appended and not signed ─▶ peers have shown their heads ─▶ settled: signed
//!            └─ a peer holds more of our log, or other records: ours are taken back, its records come first,
//!               and ours are appended anew behind them
//! ```
//!
//! A data folder that came from a backup may be older than what its community has published. A head signed on it would
//! be a second one of its size: a fork. What was never signed has been shown to nobody, and can be taken back.
//!
//! Not here: who is asked, and when enough have answered (`peer`).

use std::collections::BTreeMap;

use record::{LogName, RecordId, commitment::Salt};
use tlog::leaf_hash;

use crate::{
    Store,
    accept::stored_header,
    append::{self, Draft, Reference},
    eras, erasures,
    error::StoreError,
    jobs::Job,
    logs::{self, place_of},
    rows,
    writer::Scope,
};

impl Store {
    /// Whether our own log is known to be the newest that anybody holds: until then nothing of it is signed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// How many records of our own log wait to be signed.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`].
    pub async fn n_unsigned(&self) -> Result<u64, StoreError> {
        let row = self.log(self.config().own.name).await?;
        let unsigned = row.and_then(|it| {
            let signed = it.signed_frontier.as_ref()?.size();
            Some(it.frontier.size().saturating_sub(signed))
        });
        let mut db = self.reader().await?;
        let sql = "SELECT COUNT(*) FROM retracted";
        let stored = crate::transaction::read(&mut db, sql, []).await?;
        let retracted: i64 = stored.first().map_or(Ok(0), |row| rows::column(row, 0))?;
        Ok(unsigned.unwrap_or_default().saturating_add(retracted.unsigned_abs()))
    }

    /// Peers have shown that they hold no more of our own log than is here: what waits is appended and signed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] with `log.catching_up` while records of our own log are still coming.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.ask(|reply| Job::Settle { reply }).await
    }
}

/// Appends what was taken back, says what could not be said meanwhile, and has everything signed.
pub(crate) async fn settle(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    must_not_be_catching_up(scope).await?;
    if *scope.settled {
        return Ok(());
    }
    *scope.settled = true;
    append_anew(scope).await?;
    erasures::say_what_was_followed(scope).await?;
    let own = scope.config.own.name;
    let tail = scope.tails.get(&mut scope.tx, own).await?;
    scope.group.own_grew |= tail.is_some_and(|it| it.row.signed_frontier.is_some());
    Ok(())
}

/// Refuses to write into our own log while records of it are coming from a peer: they belong before ours.
pub(crate) async fn must_not_be_catching_up(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let own = scope.config.own.name;
    let tail = scope.tails.get(&mut scope.tx, own).await?;
    if tail.is_none_or(|it| it.row.pending.is_none()) {
        return Ok(());
    }
    Err(StoreError::Refused {
        reason: "log.catching_up".to_owned(),
        detail: "This node is fetching records of its own log back from a peer. Nothing was written; try again in a \
                 moment."
            .to_owned(),
    })
}

/// Takes back every record of our own log that was never signed, to be appended anew.
pub(crate) async fn retract(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let own = scope.config.own.name;
    let Some(tail) = scope.tails.get(&mut scope.tx, own).await? else { return Ok(()) };
    let Some(signed) = tail.row.signed_frontier.take() else { return Ok(()) };
    let (log_no, first) = (tail.row.log_no, signed.size());
    let n_retracted = tail.row.frontier.size().saturating_sub(first);
    tracing::warn!(
        n_retracted,
        "peers hold more of our own log than this folder; what was written here since is appended behind it"
    );
    let (start, end) = (place_of(log_no, first)?, place_of(log_no, logs::MAX_LOG_RECORDS)?);
    let range = || [start.into(), end.into()];
    // What was erased meanwhile, nobody misses.
    let sql =
        "INSERT INTO retracted (header, salt, payload) SELECT header, salt, payload FROM records
               WHERE ? <= place AND place < ? AND payload IS NOT NULL ORDER BY place";
    scope.tx.write(sql, range()).await?;
    eras::take_out_of_register(scope, (log_no, first)).await?;
    for sql in [
        "DELETE FROM refusals WHERE ? <= place AND place < ?",
        "DELETE FROM missing WHERE ? <= place AND place < ?",
        "DELETE FROM accusations WHERE ? <= place AND place < ?",
        "DELETE FROM records WHERE ? <= place AND place < ?",
    ] {
        scope.tx.write(sql, range()).await?;
    }
    erasures::forget(scope, range()).await?;
    // Higher tiles keep hashes that are no longer of this tree; they are written anew before anybody reads so far.
    let sql = "DELETE FROM tiles WHERE log_no = ? AND level = 0 AND ? < (tile_index + 1) * 256";
    scope.tx.write(sql, [log_no.into(), rows::to_i64(first)?.into()]).await?;
    scope.tails.cut(&mut scope.tx, own, signed).await?;
    scope.group.changed.insert(own);
    eras::renote(scope, own.community).await
}

/// Appends what was taken back, with references to each other as they are now called.
async fn append_anew(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let sql = "SELECT header, salt, payload FROM retracted ORDER BY number";
    let stored = scope.tx.read(sql, []).await?;
    if stored.is_empty() {
        return Ok(());
    }
    let mut numbers: BTreeMap<RecordId, usize> = BTreeMap::new();
    let mut drafts = Vec::with_capacity(stored.len());
    for row in &stored {
        let damaged = || StoreError::Damaged { what: "a record that was taken back" };
        let (bytes, salt, payload): (&[u8], &[u8], &[u8]) =
            (rows::column(row, 0)?, rows::column(row, 1)?, rows::column(row, 2)?);
        let header = stored_header(bytes)?;
        let reference = |it: &RecordId| match numbers.get(it) {
            Some(number) => Reference::Draft(*number),
            None => Reference::Record(*it),
        };
        drafts.push(Draft {
            kind: header.kind.clone(),
            payload: payload.to_vec(),
            salt: Salt(salt.try_into().ok().ok_or_else(damaged)?),
            references: header.references.iter().map(reference).collect(),
        });
        numbers.insert(RecordId::from_leaf(leaf_hash(bytes)), numbers.len());
    }
    scope.tx.write("DELETE FROM retracted", []).await?;
    append::write(scope, drafts).await?;
    scope.group.own_grew = true;
    Ok(())
}

/// Whether this is our own log, with records that were never signed.
pub(crate) async fn is_unsigned(scope: &mut Scope<'_>, log: LogName) -> Result<bool, StoreError> {
    if *scope.settled || log != scope.config.own.name {
        return Ok(false);
    }
    let tail = scope.tails.get(&mut scope.tx, log).await?;
    Ok(tail.is_some_and(|it| it.row.signed_frontier.is_some()))
}
