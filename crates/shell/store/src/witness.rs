//! Cosigning as a witness: never two branches of a log, and never backwards.
//!
//! ```text
//! records accepted ─ a whole checkpoint is held ─┐  continues the largest   ┌─ cosigned, kept as the largest
//! a checkpoint brought, with a proof ────────────┴─ head known here? ───────┴─ else not, and said why
//! ```
//!
//! A mirror's key and a witness's key of one process state heads of one branch: neither cosigns what does not continue
//! what the other has. A log that forked is not cosigned any more. A witness with a seat states in its own log what it
//! has cosigned, at most once in ten seconds, so that everybody can count the statements.
//!
//! Not here: the log's own signature (`peer` verifies it), and the words of the C2SP witness protocol.

use std::collections::BTreeMap;

use record::{
    Kind, LogName, Payload, UnixMillis,
    commitment::Salt,
    kind::Known,
    payload::{Cosignatures, receipt::HeldHead},
};
use sqlx::sqlite::SqliteRow;
use tlog::{Checkpoint, Frontier, Hash, Note, cosign, verify_consistency};

use crate::{
    Cosigner, OwnLog,
    append::{self, Draft},
    error::StoreError,
    forks,
    logs::LogRow,
    proofs, rows,
    writer::Scope,
};

/// How long changes are gathered before they are stated.
const STATEMENT_MILLIS: u64 = 10_000;
/// Heads in one statement: each takes up to 90 bytes, together 184 KB of the 256 KiB of a payload.
const MAX_STATED_HEADS: usize = 2_048;

/// What we cosigned and have not stated yet.
#[derive(Debug, Default)]
pub(crate) struct Unstated {
    /// `None` without a seat, and until it has been read from the file.
    heads: Option<BTreeMap<LogName, (u64, Hash)>>,
    /// Whether one of them makes a statement; those that make none are in the next.
    is_due: bool,
    /// When we stated something last.
    last: UnixMillis,
}

/// A checkpoint that somebody brings to be cosigned.
#[derive(Debug, Clone)]
pub struct AddCheckpoint {
    /// The log that signed it.
    pub log: LogName,
    /// The size from which the proof leads to it.
    pub old_size: u64,
    /// The consistency proof.
    pub proof: Vec<Hash>,
    /// The signed note; the log's signature has been verified.
    pub checkpoint: Vec<u8>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// It continues the largest head known here, and is the largest: our signature line.
    Cosigned(String),
    /// The proof does not begin at the size of the largest head known here, which is this.
    OtherSize(u64),
    /// The proof does not lead from the largest head known here to the checkpoint.
    NotProved,
    /// It has the size of the largest head known here, and another root: this note and it are evidence of a fork.
    Contradicts(Vec<u8>),
    /// The log forked, and is not cosigned until its officers recover it.
    Forked,
}

impl OwnLog {
    /// The key that cosigns what is held: a mirror's, else a witness's.
    pub(crate) fn cosigner(&self) -> Option<&Cosigner> {
        self.mirror.as_ref().or(self.witness.as_ref())
    }
}

/// Whether the tree that is held, with these leaves behind it, may be cosigned: it continues what our witness key has
/// cosigned, and the log has not forked.
pub(crate) async fn may_cosign(
    scope: &mut Scope<'_>,
    log: LogName,
    held: Option<&LogRow>,
    leaves: &[Hash],
) -> Result<bool, StoreError> {
    if forks::is_forked(scope, log).await? {
        return Ok(false);
    }
    let Some(row) = held else { return Ok(true) };
    let Some((size, note)) = &row.witnessed else { return Ok(true) };
    if let Some((_, held)) = row.checkpoint.as_ref().filter(|(held, _)| size == held) {
        return Ok(head_of(held)?.root == head_of(note)?.root);
    }
    let Some(missing) = size.checked_sub(row.frontier.size()) else {
        let db = scope.tx.connection().await?;
        return Ok(proofs::root_at(db, row.log_no, *size).await? == head_of(note)?.root);
    };
    let Some(grown) = usize::try_from(missing).ok().and_then(|n| leaves.get(..n)) else {
        return Ok(false);
    };
    let mut frontier: Frontier = row.frontier.clone();
    grown.iter().for_each(|leaf| frontier.push(*leaf));
    Ok(frontier.root() == head_of(note)?.root)
}

/// Keeps a head as the largest that our witness key has cosigned, and states it if it is worth that.
pub(crate) async fn keep(
    scope: &mut Scope<'_>,
    log: LogName,
    (size, root): (u64, Hash),
    (note, is_worth_a_statement): (Vec<u8>, bool),
) -> Result<(), StoreError> {
    let tail = scope.tails.get_or_begin(&mut scope.tx, log, None).await?;
    tail.row.witnessed = Some((size, bare(&note)?));
    scope.group.changed.insert(log);
    if has_seat(scope) {
        unstated(scope).await?.insert(log, (size, root));
        scope.tails.unstated.is_due |= is_worth_a_statement;
    }
    Ok(())
}

/// Whether we are seated as a witness.
fn has_seat(scope: &Scope<'_>) -> bool {
    scope.region.newest().roster.witnesses().contains(&scope.config.own.name.community)
}

/// What is still to be stated; where it is not known, because we have just begun or just been seated, it is read from the
/// file.
async fn unstated<'s>(
    scope: &'s mut Scope<'_>,
) -> Result<&'s mut BTreeMap<LogName, (u64, Hash)>, StoreError> {
    if scope.tails.unstated.heads.is_none() {
        let sql = "SELECT l.community, l.era, l.witnessed FROM logs AS l
                   WHERE l.witnessed IS NOT NULL AND NOT EXISTS (
                     SELECT 1 FROM stated_heads AS s WHERE s.community = l.community
                       AND s.era = l.era AND l.witnessed_size <= s.size AND s.seat = ?
                   )";
        let own = scope.config.own.name.community;
        let stored = scope.tx.read(sql, [own.as_bytes().into()]).await?;
        let read = |row: &SqliteRow| {
            let head = head_of(rows::column(row, 2)?)?;
            Ok((rows::log_name(row, 0)?, (head.size, head.root)))
        };
        let heads: BTreeMap<_, _> = stored.iter().map(read).collect::<Result<_, StoreError>>()?;
        scope.tails.unstated.is_due |= !heads.is_empty();
        scope.tails.unstated.heads = Some(heads);
    }
    let heads = scope.tails.unstated.heads.as_mut();
    heads.ok_or(StoreError::Damaged { what: "the list of heads to be stated" })
}

/// Cosigns a checkpoint that was brought, if it continues the largest head known here.
pub(crate) async fn add_checkpoint(
    scope: &mut Scope<'_>,
    asked: AddCheckpoint,
) -> Result<Witnessed, StoreError> {
    let AddCheckpoint { log, old_size, proof, checkpoint } = asked;
    let missing = || StoreError::NotFound { what: format!("log of {}", log.community) };
    let own = scope.config.own.witness.as_ref().ok_or_else(missing)?;
    let row = scope.tails.get(&mut scope.tx, log).await?.ok_or_else(missing)?.row.clone();
    if forks::is_forked(scope, log).await? {
        return Ok(Witnessed::Forked);
    }
    let (size, note) = largest(&row);
    if old_size != size {
        return Ok(Witnessed::OtherSize(size));
    }
    let head = head_of(&checkpoint)?;
    if let Some(ours) = note {
        let known = head_of(ours)?;
        if (known.size, known.root) == (head.size, head.root) {
            // It is cosigned anew, as of now.
        } else if known.size == head.size {
            return Ok(Witnessed::Contradicts(bare(ours)?));
        } else if verify_consistency(known.size, &known.root, head.size, &head.root, &proof)
            .is_err()
        {
            return Ok(Witnessed::NotProved);
        }
    }
    // From the empty tree nothing is to be proved.
    if note.is_none() && !proof.is_empty() {
        return Ok(Witnessed::NotProved);
    }
    if !continues_held(scope, &row, &head).await? {
        return Ok(Witnessed::NotProved);
    }
    let malformed = || StoreError::Damaged { what: "the time of a cosignature" };
    let at = scope.now.unix_seconds();
    let line = cosign(&head, &own.name, &own.key, at).ok().ok_or_else(malformed)?;
    keep(scope, log, (head.size, head.root), (checkpoint, true)).await?;
    Ok(Witnessed::Cosigned(line.render_line()))
}

/// Whether a head is one that the records held here lead to, where they reach that far.
async fn continues_held(
    scope: &mut Scope<'_>,
    row: &LogRow,
    head: &Checkpoint,
) -> Result<bool, StoreError> {
    if row.frontier.size() < head.size {
        return Ok(true);
    }
    let db = scope.tx.connection().await?;
    Ok(proofs::root_at(db, row.log_no, head.size).await? == head.root)
}

/// The largest head known here: of which all is held, or which was cosigned ahead of that.
fn largest(row: &LogRow) -> (u64, Option<&[u8]>) {
    let heads = [row.checkpoint.as_ref(), row.witnessed.as_ref()].into_iter().flatten();
    let largest = heads.max_by_key(|(size, _)| *size);
    largest.map_or((0, None), |(size, note)| (*size, Some(note)))
}

fn head_of(note: &[u8]) -> Result<Checkpoint, StoreError> {
    let read = Note::parse(note).ok().and_then(|it| Checkpoint::parse_text(it.text()).ok());
    read.ok_or_else(malformed)
}

fn malformed() -> StoreError {
    let detail = "The checkpoint is not a note of a checkpoint.".to_owned();
    StoreError::Invalid { reason: "note.malformed", detail }
}

/// A note with the log's own signature only.
fn bare(note: &[u8]) -> Result<Vec<u8>, StoreError> {
    let note = Note::parse(note).ok().ok_or_else(malformed)?;
    let origin = note.text().lines().next().unwrap_or_default();
    let own = note.signatures().iter().filter(|it| it.name().as_str() == origin);
    let bare = Note::new(note.text().to_owned(), own.cloned().collect());
    Ok(bare.ok().ok_or_else(malformed)?.render().into_bytes())
}

/// When to state something because the commit that ends here gave us a seat.
pub(crate) fn due_if_just_seated(scope: &Scope<'_>) -> Option<UnixMillis> {
    (has_seat(scope) && scope.tails.unstated.heads.is_none()).then_some(scope.now)
}

/// States in our own log what we have cosigned, if the last statement is ten seconds old. Says when there is more to
/// state.
pub(crate) async fn state(scope: &mut Scope<'_>) -> Result<Option<UnixMillis>, StoreError> {
    if !*scope.settled {
        return Ok(None);
    }
    if !has_seat(scope) {
        scope.tails.unstated.heads = None;
        return Ok(None);
    }
    unstated(scope).await?;
    let Unstated { heads, is_due, last } = &mut scope.tails.unstated;
    if !*is_due {
        return Ok(None);
    }
    let due = UnixMillis(last.0.saturating_add(STATEMENT_MILLIS));
    if scope.now < due {
        return Ok(Some(due));
    }
    (*last, *is_due) = (scope.now, false);
    let heads: Vec<HeldHead> = heads
        .replace(BTreeMap::new())
        .into_iter()
        .flatten()
        .map(|(log, (size, root))| HeldHead { community: log.community, era: log.era, size, root })
        .collect();
    for heads in heads.chunks(MAX_STATED_HEADS) {
        let stated = Cosignatures { stated_at: scope.now, heads: heads.to_vec() };
        let draft = Draft {
            kind: Kind::from(Known::Cosignatures),
            payload: proto::payload::encode(&Payload::Cosignatures(stated)),
            // Public for ever, as a receipt is: there is nothing to guess.
            salt: Salt([0; 32]),
            references: Vec::new(),
        };
        append::write(scope, vec![draft]).await?;
        scope.group.own_grew = true;
    }
    Ok(None)
}
