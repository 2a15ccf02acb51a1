//! Records of other logs, already verified, and the checkpoints that they complete.

use std::sync::Arc;

use record::{Header, LogName, VerifiedRecord};
use tlog::{Checkpoint, Frontier, Hash, Note, NoteSignature, cosign};

use crate::{
    append, eras, erasures,
    error::StoreError,
    forks,
    logs::{LogRow, Pending, place_of},
    proofs, receipts, register, settling,
    transaction::Value,
    witness,
    writer::Scope,
};

/// Records that continue a log, verified by `replica` against a signed checkpoint.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Which log.
    pub log: LogName,
    /// The index of the first record.
    pub start: u64,
    /// The records, in order.
    pub records: Vec<VerifiedRecord>,
    /// The tree after them.
    pub frontier: Frontier,
    /// The signed checkpoint against which they were verified.
    pub checkpoint: Arc<[u8]>,
    /// The consistency proof from the tree after them to that checkpoint; empty if they complete it.
    pub proof: Vec<Hash>,
    /// Whether they complete it.
    pub completes: bool,
    /// The log's identity bundle, when it is seen for the first time.
    pub identity: Option<Vec<u8>>,
}

/// What is held after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The log's size.
    pub size: u64,
    /// Our cosignature lines on the checkpoint that was completed.
    pub cosignatures: Vec<String>,
}

/// Stores records that continue a log. What is held already is passed over.
///
/// Everything is compared with what is held before anything is written: two streams may have verified records of one
/// log against two heads that contradict each other, and only the first may be believed, let alone cosigned.
pub(crate) async fn accept(
    scope: &mut Scope<'_>,
    incoming: Incoming,
) -> Result<Accepted, StoreError> {
    let Incoming { log, start, mut records, frontier, checkpoint, proof, completes, identity } =
        incoming;
    if settling::is_unsigned(scope, log).await? {
        settling::retract(scope).await?;
    }
    let tail = scope.tails.get(&mut scope.tx, log).await?;
    let held = tail.map(|it| it.row.clone());
    let size = held.as_ref().map_or(0, |it| it.frontier.size());
    if frontier.size() <= size {
        compare(scope, held.as_ref(), &frontier).await?;
        records.clear();
    } else {
        let n_held = size.checked_sub(start).and_then(|it| usize::try_from(it).ok());
        let n_held =
            n_held.filter(|n| *n < records.len()).ok_or(StoreError::Gap { start, size })?;
        records.drain(..n_held);
        must_lead_to(held.as_ref(), &records, &frontier)?;
    }
    let completed = match completes {
        true => {
            let leaves: Vec<_> = records.iter().map(|it| it.id().leaf()).collect();
            let may_cosign = witness::may_cosign(scope, log, held.as_ref(), &leaves).await?;
            Some(Completed::of(scope, held.as_ref(), (&frontier, &checkpoint), may_cosign)?)
        }
        false => None,
    };
    let is_worth_a_receipt = receipts::are_worth_one(scope, log, &records);
    let known = scope.tails.get_or_begin(&mut scope.tx, log, identity.as_deref()).await?;
    let is_known = held.is_some() && known.row.identity.as_deref() == identity.as_deref();
    if let Some(bundle) = identity.filter(|_| !is_known) {
        eras::set_identity(scope, log, bundle).await?;
    }
    if !records.is_empty() {
        let pending = Pending { checkpoint: checkpoint.to_vec(), proof };
        store_records(scope, log, records, (!completes).then_some(pending)).await?;
    }
    let size = size.max(frontier.size());
    let Some(completed) = completed else { return Ok(Accepted { size, cosignatures: Vec::new() }) };
    completed.keep(scope, log, is_worth_a_receipt).await
}

/// Whether the tree that is held began with this one.
async fn compare(
    scope: &mut Scope<'_>,
    held: Option<&LogRow>,
    frontier: &Frontier,
) -> Result<(), StoreError> {
    let same = match held {
        None => true,
        Some(row) if row.frontier.size() == frontier.size() => row.frontier == *frontier,
        Some(row) => {
            let db = scope.tx.connection().await?;
            proofs::root_at(db, row.log_no, frontier.size()).await? == frontier.root()
        }
    };
    if same { Ok(()) } else { Err(StoreError::other_tree(frontier.size())) }
}

/// Whether these records turn the tree that is held into the one that was verified.
fn must_lead_to(
    held: Option<&LogRow>,
    records: &[VerifiedRecord],
    frontier: &Frontier,
) -> Result<(), StoreError> {
    let mut grown = held.map(|it| it.frontier.clone()).unwrap_or_default();
    records.iter().for_each(|record| grown.push(record.id().leaf()));
    if grown == *frontier { Ok(()) } else { Err(StoreError::other_tree(frontier.size())) }
}

/// A checkpoint of which every record is held, as it will be kept.
struct Completed {
    checkpoint: Checkpoint,
    /// With the signatures that are kept: the log's own, ours, those that came before, those that came now.
    note: Vec<u8>,
    ours: Option<NoteSignature>,
    /// Whether it is newer than the newest so far, or has more signatures.
    is_news: bool,
    /// Whether it covers more than the newest so far.
    is_newer: bool,
    /// Whether it may be stated that this head was seen.
    may_cosign: bool,
}

impl Completed {
    /// Cosigns, as a mirror or else as a witness. A checkpoint that we have cosigned already keeps that cosignature.
    fn of(
        scope: &Scope<'_>,
        held: Option<&LogRow>,
        (frontier, note): (&Frontier, &[u8]),
        may_cosign: bool,
    ) -> Result<Self, StoreError> {
        let malformed = || StoreError::Invalid {
            reason: "note.malformed",
            detail: "The checkpoint is not a note of a checkpoint.".to_owned(),
        };
        let came = Note::parse(note).ok().ok_or_else(malformed)?;
        let checkpoint = Checkpoint::parse_text(came.text()).ok().ok_or_else(malformed)?;
        if (checkpoint.size, checkpoint.root) != (frontier.size(), frontier.root()) {
            return Err(StoreError::other_tree(frontier.size()));
        }
        let newest = held.and_then(|it| it.checkpoint.as_ref());
        let newest_size = newest.map(|(size, _)| *size);
        let kept = newest.filter(|(size, _)| *size == checkpoint.size);
        let kept = kept.and_then(|(_, note)| Note::parse(note).ok());
        let kept_lines = kept.iter().flat_map(Note::signatures);
        // A cosignature says that no larger head was seen.
        let may_cosign = may_cosign && newest_size.is_none_or(|size| size <= checkpoint.size);
        let ours = match scope.config.own.cosigner() {
            None => None,
            // A cosignature by an earlier key is not the one that others ask for.
            Some(cosigner) => match kept_lines.clone().find(|it| cosigner.has_signed(it)) {
                Some(line) => Some(line.clone()),
                None if may_cosign => {
                    let at = scope.now.unix_seconds();
                    let line = cosign(&checkpoint, &cosigner.name, &cosigner.key, at);
                    Some(line.ok().ok_or_else(malformed)?)
                }
                None => None,
            },
        };
        let lines = ours.iter().chain(kept_lines).chain(came.signatures());
        let signed = with_lines(&came, lines)?;
        let is_newer = newest_size.is_none_or(|size| size < checkpoint.size);
        let is_same = newest.is_some_and(|(_, note)| *note == signed);
        let is_news = newest_size.is_none_or(|size| size <= checkpoint.size) && !is_same;
        Ok(Self { checkpoint, note: signed, ours, is_news, is_newer, may_cosign })
    }

    async fn keep(
        self,
        scope: &mut Scope<'_>,
        log: LogName,
        is_worth_a_receipt: bool,
    ) -> Result<Accepted, StoreError> {
        let Self { checkpoint, note, ours, is_news, is_newer, may_cosign } = self;
        let Checkpoint { size, root, .. } = checkpoint;
        let log_no = scope.tails.get_or_begin(&mut scope.tx, log, None).await?.row.log_no;
        erasures::must_explain_what_is_missing(scope, log_no).await?;
        let held = &scope.tails.get_or_begin(&mut scope.tx, log, None).await?.row;
        let accepted = Accepted {
            size: held.frontier.size(),
            cosignatures: ours.iter().map(NoteSignature::render_line).collect(),
        };
        if is_news {
            keep_checkpoint(scope, log, size, note.clone()).await?;
        }
        if is_newer && log == scope.config.own.name {
            // It is ours: signed before, and by us.
            return append::note_signed(scope, (size, root)).await.map(|()| accepted);
        }
        if is_newer {
            if is_worth_a_receipt && may_cosign {
                scope.group.received.insert(log, (size, root));
            }
            let now = scope.now;
            if let Some(duties) = scope.duties.as_mut() {
                duties.index.note_head(log, (size, root), is_worth_a_receipt, now);
            }
            if may_cosign && scope.config.own.mirror.is_none() && ours.is_some() {
                witness::keep(scope, log, (size, root), (note, is_worth_a_receipt)).await?;
            }
        }
        Ok(accepted)
    }
}

/// Keeps the checkpoint that a branch ends with which took the place of another; it is not cosigned.
pub(crate) async fn complete(
    scope: &mut Scope<'_>,
    log: LogName,
    (frontier, checkpoint): (&Frontier, &[u8]),
    completes: bool,
) -> Result<(), StoreError> {
    if !completes {
        return Ok(());
    }
    let held = scope.tails.get(&mut scope.tx, log).await?.map(|it| it.row.clone());
    let completed = Completed::of(scope, held.as_ref(), (frontier, checkpoint), false)?;
    completed.keep(scope, log, false).await.map(drop)
}

/// Signatures kept on a checkpoint: as many as C2SP asks every reader to accept.
const MAX_KEPT_SIGNATURES: usize = 16;

/// The note with the log's own signature and then these, each signer's first; what is beyond the limit is left out.
pub(crate) fn with_lines<'a>(
    note: &'a Note,
    lines: impl Iterator<Item = &'a NoteSignature>,
) -> Result<Vec<u8>, StoreError> {
    let origin = note.text().lines().next().unwrap_or_default();
    let own = note.signatures().iter().filter(|it| it.name().as_str() == origin);
    let mut signatures: Vec<NoteSignature> = Vec::new();
    for line in own.chain(lines) {
        let is_there =
            |it: &NoteSignature| it.key_id() == line.key_id() && it.name() == line.name();
        if signatures.len() < MAX_KEPT_SIGNATURES && !signatures.iter().any(is_there) {
            signatures.push(line.clone());
        }
    }
    let too_large = |error: tlog::note::NoteError| StoreError::Invalid {
        reason: "note.too_large",
        detail: format!("The signatures on the checkpoint leave no room for ours: {error}."),
    };
    Ok(Note::new(note.text().to_owned(), signatures).map_err(too_large)?.render().into_bytes())
}

/// Makes a note the newest checkpoint of a log.
pub(crate) async fn keep_checkpoint(
    scope: &mut Scope<'_>,
    log: LogName,
    size: u64,
    note: Vec<u8>,
) -> Result<(), StoreError> {
    let tail = scope.tails.get_or_begin(&mut scope.tx, log, None).await?;
    tail.row.checkpoint = Some((size, note));
    scope.group.changed.insert(log);
    scope.group.heads.insert(log);
    Ok(())
}

/// Rows in one INSERT: past this the statement's own cost no longer shows.
const ROWS_PER_INSERT: usize = 64;

/// Appends verified records to a log: rows, tiles, frontier and register.
pub(crate) async fn store_records(
    scope: &mut Scope<'_>,
    log: LogName,
    records: Vec<VerifiedRecord>,
    pending: Option<Pending>,
) -> Result<(), StoreError> {
    let tail = scope.tails.get_or_begin(&mut scope.tx, log, None).await?;
    let (log_no, first, kept) = (tail.row.log_no, tail.row.frontier.size(), tail.row.kept_size);
    let leaves: Vec<_> = records.iter().map(|record| record.id().leaf()).collect();
    tail.grow(&mut scope.tx, &leaves).await?;
    tail.row.pending = pending;
    scope.group.changed.insert(log);
    forks::judge_if_accused(scope, log).await?;
    for (index, record) in (first..).zip(&records) {
        let place = place_of(log_no, index)?;
        if let Some(erase) = record.erased_by() {
            erasures::note_missing(scope, place, erase).await?;
        }
        match kept.filter(|kept| *kept <= index) {
            Some(kept) => eras::refuse(scope, place, record, kept).await?,
            None => register::note(scope, place, record).await?,
        }
    }
    let mut place = place_of(log_no, first)?;
    let mut records = records.into_iter();
    while 0 < records.len() {
        let n_rows = rows_in_next(records.len());
        let values = (place..).zip(records.by_ref().take(n_rows)).flat_map(row_of);
        scope.tx.write(&insert_of(n_rows), values).await?;
        place = place.saturating_add(i64::try_from(n_rows).unwrap_or(i64::MAX));
    }
    // Only of an era that has ended is there a later one.
    if kept.is_some() { erasures::note_again(scope, log).await } else { Ok(()) }
}

/// Powers of two up to [`ROWS_PER_INSERT`], so that there are only seven statements to prepare.
fn rows_in_next(n_left: usize) -> usize {
    let largest = 1 << n_left.max(1).ilog2();
    ROWS_PER_INSERT.min(largest)
}

fn insert_of(n_rows: usize) -> String {
    let mut sql =
        String::from("INSERT INTO records (place, header, salt, payload) VALUES (?, ?, ?, ?)");
    for _ in 1..n_rows {
        sql.push_str(", (?, ?, ?, ?)");
    }
    sql
}

fn row_of((place, record): (i64, VerifiedRecord)) -> [Value; 4] {
    let (_, header_bytes, content) = record.into_parts();
    let (salt, payload) = content.map(|it| (it.salt.0.to_vec(), it.payload)).unzip();
    [place.into(), header_bytes.into(), salt.into(), payload.into()]
}

/// The header of a stored record.
pub(crate) fn stored_header(bytes: &[u8]) -> Result<Header, StoreError> {
    Header::decode(bytes).ok().ok_or(StoreError::Damaged { what: "a header" })
}
