//! `folkmoot.record.index.v1`.

use record::{
    LogName,
    payload::index::{Index, IndexEntry, MAX_INDEX_CHANGES},
};
use tlog::Hash;

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{Limit, array, ascending, community, list},
    status::{parse_standing, render_standing},
};
use crate::kinds::index as wire;

const CHANGES: Limit = Limit { reason: "index.too_many_changes", most: MAX_INDEX_CHANGES as u64 };

/// The index in a payload: at least one change, in ascending order of community and era, each once.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse(payload: wire::Index) -> Result<Index, PayloadError> {
    let wire::Index { root, n_entries, n_to_follow, changes } = payload;
    if changes.is_empty() {
        return Err(Fault::Missing).within("changes");
    }
    let changes = list(changes, CHANGES, parse_entry)
        .and_then(|changes| ascending(changes, |it| it.log))
        .within("changes")?;
    let root = array(&root).map(Hash::from_bytes).within("root")?;
    Ok(Index { root, n_entries, n_to_follow, changes })
}

/// The message of an index.
#[must_use]
pub fn render(index: &Index) -> wire::Index {
    let Index { root, n_entries, n_to_follow, changes } = index;
    wire::Index {
        root: root.as_bytes().to_vec(),
        n_entries: *n_entries,
        n_to_follow: *n_to_follow,
        changes: changes.iter().map(render_entry).collect(),
    }
}

fn parse_entry(entry: wire::IndexEntry) -> Result<IndexEntry, PayloadError> {
    let wire::IndexEntry { community: id, era, size, root, standing } = entry;
    Ok(IndexEntry {
        log: LogName { community: community(&id).within("community")?, era },
        size,
        root: array(&root).map(Hash::from_bytes).within("root")?,
        standing: parse_standing(standing).within("standing")?,
    })
}

fn render_entry(entry: &IndexEntry) -> wire::IndexEntry {
    let IndexEntry { log: LogName { community, era }, size, root, standing } = *entry;
    wire::IndexEntry {
        community: community.as_bytes().to_vec(),
        era,
        size,
        root: root.as_bytes().to_vec(),
        standing: render_standing(standing),
    }
}
