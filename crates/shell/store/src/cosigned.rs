//! Cosignatures that come after a head was signed, and the largest head that a quorum has cosigned.
//!
//! A busy log has signed its next head before the cosignatures of the last one are back, so the heads signed last are kept
//! at hand until theirs have come. What a quorum has cosigned stays: it is what a reader with a policy is shown.

use std::collections::{BTreeSet, VecDeque};

use record::{
    CommunityId, LogName,
    identity::{mirror_name, witness_name},
};
use tlog::{Note, NoteSignature};

use crate::{
    StoreConfig,
    accept::{keep_checkpoint, with_lines},
    error::StoreError,
    forks,
    writer::Scope,
};

/// Heads of our own log at hand, each up to some 4 KiB with its cosignatures: the heads of a second at one commit every
/// 15 ms.
const MAX_RECENT_HEADS: usize = 64;

/// The heads of our own log that were signed last.
#[derive(Debug, Default)]
pub(crate) struct RecentHeads(VecDeque<(u64, Vec<u8>)>);

impl RecentHeads {
    /// Keeps a head that was just signed.
    pub(crate) fn push(&mut self, size: u64, note: Vec<u8>) {
        if MAX_RECENT_HEADS <= self.0.len() {
            self.0.pop_front();
        }
        self.0.push_back((size, note));
    }

    fn at(&mut self, size: u64) -> Option<&mut Vec<u8>> {
        self.0.iter_mut().find(|(at, _)| *at == size).map(|(_, note)| note)
    }
}

/// Adds cosignatures, already verified, to the checkpoint of this size: the newest of any log, or one of our own log that
/// was signed lately. Where they make a quorum, the checkpoint is kept as the largest that has one.
pub(crate) async fn add(
    scope: &mut Scope<'_>,
    log: LogName,
    size: u64,
    lines: &[String],
) -> Result<(), StoreError> {
    let malformed = |error: tlog::note::NoteError| StoreError::Invalid {
        reason: "note.malformed",
        detail: format!("A cosignature is not a signature line: {error}."),
    };
    let lines: Vec<NoteSignature> = lines
        .iter()
        .map(|line| NoteSignature::parse_line(line).map_err(malformed))
        .collect::<Result<_, _>>()?;
    let Some(tail) = scope.tails.get(&mut scope.tx, log).await? else { return Ok(()) };
    let newest = tail.row.checkpoint.clone().filter(|(held, _)| *held == size);
    let signed = match newest {
        Some((_, note)) => {
            let Some(signed) = added(&note, &lines)? else { return Ok(()) };
            keep_checkpoint(scope, log, size, signed.clone()).await?;
            signed
        }
        None if log == scope.config.own.name => {
            let Some(note) = scope.tails.recent.at(size) else { return Ok(()) };
            let Some(signed) = added(note, &lines)? else { return Ok(()) };
            note.clone_from(&signed);
            signed
        }
        None => return Ok(()),
    };
    keep_if_quorum(scope, log, size, signed).await
}

/// The note with these lines; `None` if that adds nothing.
fn added(note: &[u8], lines: &[NoteSignature]) -> Result<Option<Vec<u8>>, StoreError> {
    let parsed = Note::parse(note).ok().ok_or(StoreError::Damaged { what: "a checkpoint" })?;
    let signed = with_lines(&parsed, parsed.signatures().iter().chain(lines))?;
    Ok((signed != note).then_some(signed))
}

async fn keep_if_quorum(
    scope: &mut Scope<'_>,
    log: LogName,
    size: u64,
    signed: Vec<u8>,
) -> Result<(), StoreError> {
    let note = Note::parse(&signed).ok().ok_or(StoreError::Damaged { what: "a checkpoint" })?;
    let seats = scope.region.quorum();
    if seats_on(scope.config, &seats, &note) < forks::quorum(&seats) {
        return Ok(());
    }
    let tail = scope.tails.get_or_begin(&mut scope.tx, log, None).await?;
    if tail.row.cosigned.as_ref().is_none_or(|(held, _)| *held <= size) {
        tail.row.cosigned = Some((size, signed));
        scope.group.changed.insert(log);
    }
    Ok(())
}

/// How many of the seats have their mirror's or witness's name on a note.
fn seats_on(config: &StoreConfig, seats: &BTreeSet<CommunityId>, note: &Note) -> usize {
    let names: BTreeSet<&str> = note.signatures().iter().map(|it| it.name().as_str()).collect();
    let is_on = |seat: &&CommunityId| {
        [mirror_name(&config.network, seat), witness_name(&config.network, seat)]
            .iter()
            .any(|name| names.contains(name.as_str()))
    };
    seats.iter().filter(is_on).count()
}
