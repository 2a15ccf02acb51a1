//! A coordinator's map of the logs that it holds: (community, era) → size, root, standing.
//!
//! ```text
//! index record, index record, … ─▶ Replay ─▶ IndexMap ─▶ root, compared with what the record says
//!                                              └─▶ IndexProof: this log is in it so, or is not in it
//! ```
//!
//! The map is an RFC 6962 tree whose leaves are the entries in ascending order of community and era. An entry is shown
//! by its inclusion proof; its absence by the two neighbours between which it would stand.

use std::collections::BTreeMap;

use tlog::{
    Frontier, Hash, leaf_hash,
    proof::verify_inclusion,
    prove::{inclusion_proof, leaf_lookup},
};

use crate::{
    ids::LogName,
    limits::MAX_STREAM_LOGS,
    payload::{
        index::{Index, IndexEntry, MAX_INDEX_CHANGES},
        status::Standing,
    },
};

/// The most entries of a map: as many logs as a stream carries.
pub const MAX_INDEX_ENTRIES: usize = MAX_STREAM_LOGS;

/// What the bytes of an entry begin with, so that they can be taken for nothing else.
const ENTRY_DOMAIN: &[u8] = b"folkmoot/index/v1\0";

/// Why an index record is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexFault {
    /// The record does not continue the index of several records that is under way, or one is missing.
    #[error("the record does not continue the index that is under way")]
    OutOfStep,
    /// The changes of an index of several records do not ascend.
    #[error("the changes do not ascend from record to record")]
    NotAscending,
    /// A log had more records before.
    #[error("{log} has {size} records, and had {before} before")]
    SizeWentDown {
        /// The log.
        log: LogName,
        /// Its size.
        size: u64,
        /// Its size in the index before.
        before: u64,
    },
    /// A log of the same size had another root before.
    #[error("{log} has another root than it had at {size} records before")]
    OtherRoot {
        /// The log.
        log: LogName,
        /// The size.
        size: u64,
    },
    /// The map has another number of entries than the record says.
    #[error("the map has {found} entries, and the record says {said}")]
    OtherCount {
        /// How many there are.
        found: u64,
        /// How many the record says.
        said: u64,
    },
    /// The map has another root than the record says.
    #[error("the map has the root {found}, and the record says {said}")]
    WrongRoot {
        /// The root of the changes made so far.
        found: Hash,
        /// The root in the record.
        said: Hash,
    },
    /// The map would have more than [`MAX_INDEX_ENTRIES`] entries; what is beyond is not kept.
    #[error("the map has more than {MAX_INDEX_ENTRIES} entries")]
    TooManyEntries,
}

impl IndexFault {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::OutOfStep => "index.out_of_step",
            Self::NotAscending => "index.not_ascending",
            Self::SizeWentDown { .. } => "index.size_went_down",
            Self::OtherRoot { .. } => "index.other_root",
            Self::OtherCount { .. } => "index.other_count",
            Self::WrongRoot { .. } => "index.wrong_root",
            Self::TooManyEntries => "index.too_many_entries",
        }
    }
}

/// The bytes of an entry, which its leaf is the hash of: a domain, then fields of fixed length.
#[must_use]
pub fn entry_bytes(entry: &IndexEntry) -> Vec<u8> {
    let IndexEntry { log: LogName { community, era }, size, root, standing } = entry;
    let mut bytes = ENTRY_DOMAIN.to_vec();
    bytes.extend_from_slice(community.as_bytes());
    bytes.extend_from_slice(&era.to_be_bytes());
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes.extend_from_slice(root.as_bytes());
    bytes.push(standing.number());
    bytes
}

fn leaf_of(entry: &IndexEntry) -> Hash {
    leaf_hash(&entry_bytes(entry))
}

/// A map of logs in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexMap {
    entries: BTreeMap<LogName, (u64, Hash, Standing)>,
}

fn entry_of((log, (size, root, standing)): (&LogName, &(u64, Hash, Standing))) -> IndexEntry {
    IndexEntry { log: *log, size: *size, root: *root, standing: *standing }
}

impl FromIterator<IndexEntry> for IndexMap {
    fn from_iter<I: IntoIterator<Item = IndexEntry>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|it| map.set(it));
        map
    }
}

impl IndexMap {
    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a log.
    #[must_use]
    pub fn get(&self, log: &LogName) -> Option<IndexEntry> {
        self.entries.get_key_value(log).map(entry_of)
    }

    /// Every entry, in ascending order.
    pub fn entries(&self) -> impl Iterator<Item = IndexEntry> + '_ {
        self.entries.iter().map(entry_of)
    }

    /// Puts an entry into its place.
    pub fn set(&mut self, entry: IndexEntry) {
        let IndexEntry { log, size, root, standing } = entry;
        self.entries.insert(log, (size, root, standing));
    }

    /// The root; that of the empty tree for an empty map.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.leaves().into_iter().collect::<Frontier>().root()
    }

    /// The entries in which this map differs from an earlier one, in ascending order. Entries never go away.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<IndexEntry> {
        self.entries().filter(|it| before.get(&it.log) != Some(*it)).collect()
    }

    /// The index records that lead from `before` to this map; none if they are equal.
    #[must_use]
    pub fn records_since(&self, before: &Self) -> Vec<Index> {
        let changes = self.changes_since(before);
        let (root, n_entries) = (self.root(), self.len() as u64);
        let parts = changes.chunks(MAX_INDEX_CHANGES);
        let n_parts = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let to_follow = (0..n_parts).rev();
        parts
            .zip(to_follow)
            .map(|(part, n_to_follow)| Index {
                root,
                n_entries,
                n_to_follow,
                changes: part.to_vec(),
            })
            .collect()
    }

    /// Shows how a log stands in the map, or that it does not.
    #[must_use]
    pub fn prove(&self, log: &LogName) -> IndexProof {
        let shown = |log: Option<LogName>| log.and_then(|it| self.show(&it));
        match self.show(log) {
            Some(entry) => IndexProof::Present(entry),
            None => IndexProof::Absent {
                before: shown(self.entries.range(..log).next_back().map(|it| *it.0)),
                after: shown(self.entries.range(log..).next().map(|it| *it.0)),
            },
        }
    }

    fn show(&self, log: &LogName) -> Option<ShownEntry> {
        let entry = self.get(log)?;
        let index = self.entries.range(..log).count() as u64;
        let leaves = self.leaves();
        let hashes = inclusion_proof(index, leaves.len() as u64, &leaf_lookup(&leaves)).ok()?;
        Some(ShownEntry { entry, index, hashes })
    }

    fn leaves(&self) -> Vec<Hash> {
        self.entries().map(|it| leaf_of(&it)).collect()
    }
}

/// An entry with the proof that it is number `index` of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownEntry {
    /// The entry.
    pub entry: IndexEntry,
    /// Its place, from 0.
    pub index: u64,
    /// From its sibling up.
    pub hashes: Vec<Hash>,
}

/// How a log stands in a map, or that it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexProof {
    /// It is there.
    Present(ShownEntry),
    /// It is not: these two stand side by side, and it would stand between them.
    Absent {
        /// The last entry before; `None` if the map begins after it.
        before: Option<ShownEntry>,
        /// The first entry after; `None` if the map ends before it.
        after: Option<ShownEntry>,
    },
}

impl IndexProof {
    /// The entry of a log in the map with this root and number of entries; `None` if the proof shows that it has none.
    ///
    /// # Errors
    ///
    /// [`ProofRefused`] if the proof shows neither.
    pub fn verify(
        &self,
        log: &LogName,
        root: &Hash,
        n_entries: u64,
    ) -> Result<Option<IndexEntry>, ProofRefused> {
        let holds = |it: &ShownEntry| {
            verify_inclusion(leaf_of(&it.entry), it.index, n_entries, &it.hashes, root).is_ok()
        };
        let shown = match self {
            Self::Present(it) => {
                return (it.entry.log == *log && holds(it))
                    .then_some(Some(it.entry))
                    .ok_or(ProofRefused);
            }
            Self::Absent { before: None, after: None } => {
                n_entries == 0 && *root == tlog::tree::empty_root()
            }
            Self::Absent { before: Some(last), after: None } => {
                last.entry.log < *log && last.index.checked_add(1) == Some(n_entries) && holds(last)
            }
            Self::Absent { before: None, after: Some(first) } => {
                *log < first.entry.log && first.index == 0 && holds(first)
            }
            Self::Absent { before: Some(before), after: Some(after) } => {
                let are_neighbours = before.index.checked_add(1) == Some(after.index);
                let is_between = before.entry.log < *log && *log < after.entry.log;
                are_neighbours && is_between && holds(before) && holds(after)
            }
        };
        shown.then_some(None).ok_or(ProofRefused)
    }
}

/// A proof that shows nothing about the log it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof shows neither the entry nor its absence")]
pub struct ProofRefused;

/// Follows the index records of one coordinator's log, in the order of that log.
///
/// A record that is wrong is told, and what it says is believed as far as it goes: later records build on it, and each is
/// judged by its own root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    map: IndexMap,
    under_way: Option<UnderWay>,
}

/// An index of several records of which some are still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderWay {
    /// Its root.
    pub root: Hash,
    /// How many records are still to come.
    pub n_to_follow: u32,
    /// The last log that changed so far.
    pub last: LogName,
}

impl Replay {
    /// Goes on from a map, and from an index of which some records were taken already.
    #[must_use]
    pub const fn resume(map: IndexMap, under_way: Option<UnderWay>) -> Self {
        Self { map, under_way }
    }

    /// The map so far.
    #[must_use]
    pub const fn map(&self) -> &IndexMap {
        &self.map
    }

    /// The index that waits for more records, if one does.
    #[must_use]
    pub const fn under_way(&self) -> Option<&UnderWay> {
        self.under_way.as_ref()
    }

    /// Takes the next record; true once the index it belongs to is complete and right.
    ///
    /// # Errors
    ///
    /// [`IndexFault`] names the first thing that is wrong with it.
    pub fn take(&mut self, index: &Index) -> Result<bool, IndexFault> {
        let in_step = self.check_step(index);
        let applied = self.apply(index);
        self.under_way = match (index.n_to_follow, index.changes.last()) {
            (0, _) | (_, None) => None,
            (n_to_follow, Some(last)) => {
                Some(UnderWay { root: index.root, n_to_follow, last: last.log })
            }
        };
        in_step?;
        applied?;
        if 0 < index.n_to_follow {
            return Ok(false);
        }
        let found = self.map.len() as u64;
        if found != index.n_entries {
            return Err(IndexFault::OtherCount { found, said: index.n_entries });
        }
        let (found, said) = (self.map.root(), index.root);
        if found == said { Ok(true) } else { Err(IndexFault::WrongRoot { found, said }) }
    }

    fn check_step(&self, index: &Index) -> Result<(), IndexFault> {
        let Some(under_way) = &self.under_way else { return Ok(()) };
        let continues = under_way.root == index.root
            && under_way.n_to_follow.checked_sub(1) == Some(index.n_to_follow);
        if !continues {
            return Err(IndexFault::OutOfStep);
        }
        let ascends = index.changes.first().is_none_or(|first| under_way.last < first.log);
        if ascends { Ok(()) } else { Err(IndexFault::NotAscending) }
    }

    /// Makes every change; tells the first that cannot be right. What goes down is not made.
    fn apply(&mut self, index: &Index) -> Result<(), IndexFault> {
        let mut met = Ok(());
        for change in &index.changes {
            let fault = self.fault_of(change);
            if fault.is_none() {
                self.map.set(*change);
            }
            met = met.and(fault.map_or(Ok(()), Err));
        }
        met
    }

    fn fault_of(&self, change: &IndexEntry) -> Option<IndexFault> {
        let IndexEntry { log, size, root, .. } = *change;
        let Some(before) = self.map.get(&log) else {
            return (MAX_INDEX_ENTRIES <= self.map.len()).then_some(IndexFault::TooManyEntries);
        };
        if size < before.size {
            return Some(IndexFault::SizeWentDown { log, size, before: before.size });
        }
        (size == before.size && root != before.root).then_some(IndexFault::OtherRoot { log, size })
    }
}

#[cfg(test)]
mod tests;
