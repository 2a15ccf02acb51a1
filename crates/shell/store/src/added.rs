//! What our own log grew by in one transaction, carried to whoever passes it on: read back from the file, it would be read
//! once for each stream.

use record::VerifiedRecord;

use crate::read::StoredRecord;

/// Records that a commit carries at most.
const MAX_CARRIED_RECORDS: usize = 16;
/// Bytes of headers and payloads that it carries at most: 256 commits that nobody has heard yet hold 4 MiB.
const MAX_CARRIED_BYTES: usize = 16 * 1024;

/// The records that one transaction has appended to our own log so far, as long as they are few.
#[derive(Debug, Default)]
pub(crate) struct Added {
    records: Vec<StoredRecord>,
    n_appended: usize,
}

impl Added {
    /// One more.
    pub(crate) fn note(&mut self, index: u64, record: &VerifiedRecord) {
        let is_room = self.records.len() < MAX_CARRIED_RECORDS
            && self.n_bytes() + weight(record) <= MAX_CARRIED_BYTES;
        if is_room && self.records.len() == self.n_appended {
            self.records.push(StoredRecord {
                index,
                header_bytes: record.header_bytes().to_vec(),
                content: record.content().cloned(),
                erased_by: None,
            });
        }
        self.n_appended += 1;
    }

    fn n_bytes(&self) -> usize {
        let bytes = |it: &StoredRecord| {
            it.header_bytes.len() + it.content.as_ref().map_or(0, |it| it.payload.len())
        };
        self.records.iter().map(bytes).sum()
    }

    /// How many there are; see [`Added::take_back_to`].
    pub(crate) const fn n_appended(&self) -> usize {
        self.n_appended
    }

    /// The ones after the first `n` were not written after all.
    pub(crate) fn take_back_to(&mut self, n: usize) {
        self.n_appended = n;
        self.records.truncate(n);
    }

    /// All of them, in order and without a gap; else none.
    pub(crate) fn all(self) -> Vec<StoredRecord> {
        let is_gapless = self.records.windows(2).all(|two| match two {
            [one, next] => one.index.checked_add(1) == Some(next.index),
            _ => true,
        });
        let is_all = is_gapless && self.records.len() == self.n_appended;
        if is_all { self.records } else { Vec::new() }
    }
}

fn weight(record: &VerifiedRecord) -> usize {
    record.header_bytes().len() + record.content().map_or(0, |it| it.payload.len())
}
