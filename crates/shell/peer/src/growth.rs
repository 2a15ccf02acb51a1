//! What grew, as every stream of a process is told.

use record::LogName;
use replica::{Batch, HeldLog, RawRecord};
use store::StoredRecord;

/// Logs that grew in one commit.
#[derive(Debug, Clone)]
pub struct Growth {
    /// The logs, ready to be offered.
    pub logs: Vec<HeldLog>,
    /// What our own log grew by, as it is sent to whoever held all before it; `None` where it is to be read from the file.
    pub added: Option<Batch>,
}

/// The batch that ends with these records of our own log, and with its tree.
pub(crate) fn batch_of(own: LogName, added: &[StoredRecord]) -> Option<Batch> {
    let (first, last) = (added.first()?, added.last()?);
    Some(Batch {
        log: own,
        start: first.index,
        records: added.iter().cloned().map(raw).collect(),
        tree_size: last.index.checked_add(1)?,
        proof: Vec::new(),
    })
}

/// A record as it travels.
pub(crate) fn raw(record: StoredRecord) -> RawRecord {
    let StoredRecord { header_bytes: header, content, erased_by, .. } = record;
    RawRecord { header, content, erased_by }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(index: u64) -> StoredRecord {
        StoredRecord { index, header_bytes: vec![7], content: None, erased_by: None }
    }

    #[test]
    fn what_was_added_becomes_the_batch_that_ends_with_the_tree() {
        let own = LogName { community: record::CommunityId::from_bytes([1; 32]), era: 0 };
        let batch = batch_of(own, &[stored(4), stored(5)]).unwrap();
        assert_eq!((batch.log, batch.start, batch.tree_size), (own, 4, 6));
        assert_eq!((batch.end(), batch.proof.len()), (Some(6), 0));
        assert!(batch_of(own, &[]).is_none());
    }
}
