//! Erasures: payloads dropped for ever at their author's word, and who has dropped them.
//!
//! ```text
//! erase record noted ─▶ payload and salt set to NULL ─▶ an `erased` record of ours ─▶ commit ─▶ WAL folded and cut
//! ```
//!
//! The header stays, and with it every proof. A copy that comes late is dropped by the same record, which every holder has
//! in its place in the author's log: whoever replays the log erases again. It may stand in a later era than what it erases,
//! and come before that: then it is refused until what it names is here.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    CommunityId, Kind, LogName, Payload, RecordId, UnixMillis, VerifiedRecord,
    commitment::Salt,
    kind::{Durability, Known},
    payload::{Erase, Erased},
};
use tlog::leaf_hash;

use crate::{
    Store,
    accept::stored_header,
    append::{self, Draft},
    error::StoreError,
    logs::{place_of, split_place},
    register, rows,
    transaction::{self, Value},
    writer::Scope,
};

/// Erase records in one `erased` record: as many as a list of ids may have.
const MAX_ERASED: usize = record::limits::MAX_LIST_ENTRIES;

/// An erase record that a group has stored.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) place: i64,
    pub(crate) id: RecordId,
    pub(crate) author: LogName,
    pub(crate) erase: Erase,
}

/// What is shown of an erase record of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The erase record.
    pub id: RecordId,
    /// What it says.
    pub erase: Erase,
    /// When it was written, as its author says.
    pub time: UnixMillis,
    /// Who says to have followed it.
    pub followed_by: BTreeSet<CommunityId>,
}

/// Drops the payloads that the group's erase records name, and says so in our own log.
pub(crate) async fn carry_out(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let own = scope.config.own.name;
    let mut followed = BTreeSet::new();
    for noted in std::mem::take(&mut scope.group.erasures) {
        let is_done = erase(scope, &noted).await?;
        if is_done && noted.author.community != own.community {
            followed.insert(noted.id);
        }
    }
    if *scope.settled { say_followed(scope, followed).await } else { Ok(()) }
}

/// Says what was followed and could not be said then: our own log was not settled.
pub(crate) async fn say_what_was_followed(scope: &mut Scope<'_>) -> Result<(), StoreError> {
    let own = scope.config.own.name.community;
    let sql = "SELECT DISTINCT e.erase FROM erasures AS e JOIN logs AS l ON l.log_no = e.erase_place >> 40
               WHERE l.community <> ?
                 AND NOT EXISTS (SELECT 1 FROM erased_by AS b WHERE b.erase = e.erase AND b.community = ?)";
    let stored = scope.tx.read(sql, [own.as_bytes().into(), own.as_bytes().into()]).await?;
    let mut followed = BTreeSet::new();
    for row in &stored {
        let damaged = StoreError::Damaged { what: "an erasure" };
        let id: [u8; 32] = rows::column::<&[u8]>(row, 0)?.try_into().ok().ok_or(damaged)?;
        followed.insert(RecordId::from_leaf(tlog::Hash::from_bytes(id)));
    }
    say_followed(scope, followed).await
}

async fn say_followed(
    scope: &mut Scope<'_>,
    followed: BTreeSet<RecordId>,
) -> Result<(), StoreError> {
    let all: Vec<RecordId> = followed.into_iter().collect();
    for erasures in all.chunks(MAX_ERASED) {
        let erased = Payload::Erased(Erased { erasures: erasures.to_vec() });
        let draft = Draft {
            kind: Kind::from(Known::Erased),
            payload: proto::payload::encode(&erased),
            // It is public for ever and tells nothing that could be guessed.
            salt: Salt([0; 32]),
            references: Vec::new(),
        };
        append::write(scope, vec![draft]).await?;
        scope.group.own_grew = true;
    }
    Ok(())
}

/// Follows one erase record; tells whether a payload is gone by it now.
async fn erase(scope: &mut Scope<'_>, noted: &Noted) -> Result<bool, StoreError> {
    let Noted { place, id, author, erase: Erase { era, index, record, .. } } = *noted;
    let target = LogName { community: author.community, era };
    let log = scope.tails.get(&mut scope.tx, target).await?.map(|tail| tail.row.log_no);
    let Some(target_place) = log.and_then(|log_no| place_of(log_no, index).ok()) else {
        return refuse(scope, place, NOT_THERE, UNKNOWN).await;
    };
    let sql = "SELECT header FROM records WHERE place = ?";
    let stored = scope.tx.read(sql, [target_place.into()]).await?;
    let header: Option<&[u8]> = stored.first().map(|row| rows::column(row, 0)).transpose()?;
    let Some(bytes) = header.filter(|it| RecordId::from_leaf(leaf_hash(it)) == record) else {
        return refuse(scope, place, NOT_THERE, UNKNOWN).await;
    };
    let kind = stored_header(bytes)?.kind.known();
    if kind.is_none_or(|it| it.durability() == Durability::Decisive) {
        let detail = "The record decides something, and such a payload is never erased.";
        return refuse(scope, place, "erase.decisive", detail).await;
    }
    let sql = "UPDATE records SET salt = NULL, payload = NULL WHERE place = ?";
    scope.tx.write(sql, [target_place.into()]).await?;
    let sql = "INSERT OR IGNORE INTO erasures (place, erase_place, erase) VALUES (?, ?, ?)";
    let values = [target_place.into(), place.into(), id.as_bytes().into()];
    scope.tx.write(sql, values).await?;
    scope.group.erased = true;
    Ok(true)
}

/// The stable reason of an erase record whose target is not here.
const NOT_THERE: &str = "erase.unknown";
const UNKNOWN: &str = "There is no such record before it in the logs of its author.";

async fn refuse(
    scope: &mut Scope<'_>,
    place: i64,
    reason: &str,
    detail: &str,
) -> Result<bool, StoreError> {
    register::refuse(scope, place, reason, detail).await?;
    Ok(false)
}

/// Takes up again what later eras erase of a community's log and what was not here when they came.
pub(crate) async fn note_again(scope: &mut Scope<'_>, grown: LogName) -> Result<(), StoreError> {
    let sql = "SELECT r.place, r.header, r.payload FROM refusals AS f
               JOIN records AS r ON r.place = f.place JOIN logs AS l ON l.log_no = f.place >> 40
               WHERE f.reason = ? AND l.community = ? AND ? < l.era";
    let values = [NOT_THERE.into(), grown.community.as_bytes().into(), i64::from(grown.era).into()];
    for row in &scope.tx.read(sql, values).await? {
        let (place, header): (i64, &[u8]) = (rows::column(row, 0)?, rows::column(row, 1)?);
        let payload: &[u8] = rows::column::<Option<&[u8]>>(row, 2)?.unwrap_or_default();
        let Erasure { id, erase, .. } = erasure(header, payload)?;
        if erase.era != grown.era {
            continue;
        }
        let author = LogName { era: stored_header(header)?.era, ..grown };
        scope.tx.write("DELETE FROM refusals WHERE place = ?", [place.into()]).await?;
        scope.group.erasures.push(Noted { place, id, author, erase });
    }
    Ok(())
}

/// Notes who says to have followed erase records.
pub(crate) async fn note_erased(
    scope: &mut Scope<'_>,
    community: CommunityId,
    erased: &Erased,
) -> Result<(), StoreError> {
    for erase in &erased.erasures {
        let sql = "INSERT OR IGNORE INTO erased_by (erase, community) VALUES (?, ?)";
        scope.tx.write(sql, [erase.as_bytes().into(), community.as_bytes().into()]).await?;
    }
    Ok(())
}

/// Notes that a record came without its payload.
pub(crate) async fn note_missing(
    scope: &mut Scope<'_>,
    place: i64,
    erase: RecordId,
) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO missing (place, erase) VALUES (?, ?)";
    scope.tx.write(sql, [place.into(), erase.as_bytes().into()]).await?;
    scope.group.came_without_payload = true;
    Ok(())
}

/// Notes what an erase record says that counts for nothing: it drops no payload, and explains one that is missing.
pub(crate) async fn note_void(
    scope: &mut Scope<'_>,
    place: i64,
    record: &VerifiedRecord,
) -> Result<(), StoreError> {
    let Some(Payload::Erase(erase)) = record.content().and_then(|it| {
        let kind = record.header().kind.known().filter(|kind| *kind == Known::Erase)?;
        proto::payload::decode(kind, &it.payload).ok()
    }) else {
        return Ok(());
    };
    let target = LogName { community: record.header().community, era: erase.era };
    let log = scope.tails.get(&mut scope.tx, target).await?.map(|tail| tail.row.log_no);
    let Some(target_place) = log.and_then(|log_no| place_of(log_no, erase.index).ok()) else {
        return Ok(());
    };
    let sql = "INSERT OR IGNORE INTO void_erasures (place, erase, erase_place) VALUES (?, ?, ?)";
    let id = record.id();
    scope.tx.write(sql, [target_place.into(), id.as_bytes().into(), place.into()]).await
}

/// Forgets what records in this range of places erased, and what was erased of them: others will stand there.
pub(crate) async fn forget(scope: &mut Scope<'_>, range: [Value; 2]) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM erasures WHERE ? <= erase_place AND erase_place < ?",
        "DELETE FROM erasures WHERE ? <= place AND place < ?",
    ] {
        scope.tx.write(sql, range.clone()).await?;
    }
    Ok(())
}

/// Refuses to hold a checkpoint of a log of which a payload is missing without an erase record in the log.
pub(crate) async fn must_explain_what_is_missing(
    scope: &mut Scope<'_>,
    log_no: i64,
) -> Result<(), StoreError> {
    if !scope.group.came_without_payload {
        return Ok(());
    }
    // Erase records of this group count, too.
    carry_out(scope).await?;
    let sql = "INSERT OR IGNORE INTO erasures (place, erase_place, erase)
               SELECT m.place, v.erase_place, v.erase
               FROM missing AS m JOIN void_erasures AS v ON v.place = m.place AND v.erase = m.erase";
    scope.tx.write(sql, []).await?;
    let (start, end) = (place_of(log_no, 0)?, place_of(log_no.saturating_add(1), 0)?);
    let sql = "SELECT m.place FROM missing AS m WHERE ? <= m.place AND m.place < ? AND NOT EXISTS (
                 SELECT 1 FROM erasures AS e WHERE e.place = m.place AND e.erase = m.erase
               ) LIMIT 1";
    let unexplained = scope.tx.read(sql, [start.into(), end.into()]).await?;
    let Some(row) = unexplained.first() else { return Ok(()) };
    let (_, index) = split_place(rows::column(row, 0)?);
    Err(StoreError::Refused {
        reason: "record.payload_missing".to_owned(),
        detail: format!(
            "The payload of number {index} is missing, and nothing in the log erased it."
        ),
    })
}

impl Store {
    /// The erase records in a log, in order, with who says to have followed them.
    ///
    /// # Errors
    ///
    /// As [`Store::logs`]; [`StoreError::NotFound`] for an unknown log.
    pub async fn erasures(&self, log: LogName) -> Result<Vec<Erasure>, StoreError> {
        let log_no = self.known_log(log).await?.log_no;
        let (start, end) = (place_of(log_no, 0)?, place_of(log_no.saturating_add(1), 0)?);
        let sql = "SELECT r.place, r.header, r.payload, b.community
                   FROM erasures AS e JOIN records AS r ON r.place = e.erase_place
                   LEFT JOIN erased_by AS b ON b.erase = e.erase
                   WHERE ? <= e.erase_place AND e.erase_place < ? ORDER BY r.place";
        let mut db = self.reader().await?;
        let stored = transaction::read(&mut db, sql, [start.into(), end.into()]).await?;
        let mut erasures: BTreeMap<i64, Erasure> = BTreeMap::new();
        for row in &stored {
            let place: i64 = rows::column(row, 0)?;
            let (header, payload): (&[u8], Option<&[u8]>) =
                (rows::column(row, 1)?, rows::column(row, 2)?);
            let follower: Option<&[u8]> = rows::column(row, 3)?;
            let entry = match erasures.entry(place) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert(erasure(header, payload.unwrap_or_default())?)
                }
            };
            entry.followed_by.extend(follower.and_then(CommunityId::from_slice));
        }
        Ok(erasures.into_values().collect())
    }
}

fn erasure(header: &[u8], payload: &[u8]) -> Result<Erasure, StoreError> {
    let Ok(Payload::Erase(erase)) = proto::payload::decode(Known::Erase, payload) else {
        return Err(StoreError::Damaged { what: "an erase record" });
    };
    let id = RecordId::from_leaf(leaf_hash(header));
    let time = stored_header(header)?.time;
    Ok(Erasure { id, erase, time, followed_by: BTreeSet::new() })
}
