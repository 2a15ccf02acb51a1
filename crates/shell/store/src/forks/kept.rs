//! Which evidence is kept beside its record: of what will always be judged alike one piece, and a bounded number in all.
//!
//! What is kept does not depend on the order in which evidence comes, as long as it has the same standing: replicas that
//! know the same records judge the same evidence when an epoch or an identity changes that standing.

use std::collections::BTreeMap;

use record::{LogName, Payload, fork::Standing, kind::Known, payload::ForkEvidence};
use tlog::{Hash, Note, leaf_hash};

use super::{ENDED, HOLDS, UNTIL_COVERED, name};
use crate::{error::StoreError, rows, writer::Scope};

/// Pieces of evidence against one log that are kept with the same standing, each with other keys or cosignatures: a seat or
/// two that cosigned one of the heads and not the other make a few.
pub(super) const MAX_KEPT: usize = 16;

/// Notes what evidence shows, unless other evidence will always be judged alike. Of more than [`MAX_KEPT`] pieces, those
/// with the smallest hashes are kept.
pub(super) async fn settle(
    scope: &mut Scope<'_>,
    log: LogName,
    (place, evidence): (i64, &ForkEvidence),
    standing: Standing,
) -> Result<(), StoreError> {
    let (standing, rotation_index) = match standing {
        Standing::Holds => (HOLDS, None),
        Standing::UntilCovered { rotation_index } => (UNTIL_COVERED, Some(rotation_index)),
        Standing::Ended => (ENDED, None),
    };
    let rotation_index = rotation_index.map(rows::to_i64).transpose()?;
    let sql =
        "SELECT a.place, r.payload FROM accusations AS a JOIN records AS r ON r.place = a.place
               WHERE a.community = ? AND a.era = ? AND a.standing = ? AND a.rotation_index IS ?
                 AND a.place <> ?";
    let values = [standing.into(), rotation_index.into(), place.into()];
    let stored = scope.tx.read(sql, name(log).into_iter().chain(values)).await?;
    let mut kept = BTreeMap::new();
    for row in &stored {
        let payload: Option<&[u8]> = rows::column(row, 1)?;
        let read = proto::payload::decode(Known::Evidence, payload.unwrap_or_default());
        if let Ok(Payload::Evidence(evidence)) = read {
            kept.insert(judged_by(&evidence), rows::column(row, 0)?);
        }
    }
    let judged_by = judged_by(evidence);
    if kept.contains_key(&judged_by) {
        return forget(scope, log, place).await;
    }
    write_standing(scope, log, place, (standing, rotation_index)).await?;
    kept.insert(judged_by, place);
    while MAX_KEPT < kept.len() {
        let Some((_, superfluous)) = kept.pop_last() else { break };
        forget(scope, log, superfluous).await?;
    }
    Ok(())
}

/// What the judgement of evidence depends on, beside identities and epochs: which keys of the log signed, and which
/// cosignatures stand on each head.
fn judged_by(evidence: &ForkEvidence) -> Hash {
    let mut told = Vec::new();
    for note in [&evidence.one, &evidence.other] {
        let Ok(note) = Note::parse(note) else { continue };
        let origin = note.text().lines().next().unwrap_or_default();
        let line = |it: &tlog::NoteSignature| match it.name().as_str() == origin {
            // Two signatures by one key of the log are worth the same, whatever they are over.
            true => format!("{:08x}\n", u32::from_be_bytes(*it.key_id().as_bytes())),
            false => it.render_line(),
        };
        let mut lines: Vec<String> = note.signatures().iter().map(line).collect();
        lines.sort_unstable();
        told.extend(lines.concat().into_bytes());
        // No line is empty, so that this ends the lines of a head.
        told.push(b'\n');
    }
    leaf_hash(&told)
}

pub(super) async fn write_standing(
    scope: &mut Scope<'_>,
    log: LogName,
    place: i64,
    (standing, rotation_index): (i64, Option<i64>),
) -> Result<(), StoreError> {
    let sql = "UPDATE accusations SET standing = ?, rotation_index = ?
               WHERE community = ? AND era = ? AND place = ?";
    let values = [standing.into(), rotation_index.into()];
    scope.tx.write(sql, values.into_iter().chain(name(log)).chain([place.into()])).await
}

pub(super) async fn forget(
    scope: &mut Scope<'_>,
    log: LogName,
    place: i64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM accusations WHERE community = ? AND era = ? AND place = ?";
    scope.tx.write(sql, name(log).into_iter().chain([place.into()])).await
}
