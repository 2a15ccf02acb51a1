//! The newest heads of the logs held here, each verified once: every stream that begins offers all of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use record::LogName;
use replica::{Fault, LogIdentity, SignedHead};

use crate::peer::Peer;

/// One head for each log, the last that was asked for. About 1 KiB each.
#[derive(Debug, Default)]
pub(crate) struct OpenedHeads(Mutex<BTreeMap<LogName, (Arc<LogIdentity>, SignedHead)>>);

impl OpenedHeads {
    /// A head that is stored here, verified unless it was the last of its log that was asked for.
    ///
    /// # Errors
    ///
    /// As [`SignedHead::open`].
    pub(crate) fn open(
        &self,
        peer: &Peer,
        log: LogName,
        identity: &Arc<LogIdentity>,
        note: &[u8],
    ) -> Result<SignedHead, Fault> {
        // A panic while this is held cannot leave the map half-changed.
        let opened = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = opened().get(&log).cloned();
        // The same bytes under other keys may say something else.
        let is_known = |(verified_by, head): &(Arc<LogIdentity>, SignedHead)| {
            Arc::ptr_eq(verified_by, identity) && **head.note() == *note
        };
        if let Some((_, head)) = known.filter(is_known) {
            return Ok(head);
        }
        let head = peer.verified().head(peer.network(), log, identity, &note.into())?;
        opened().insert(log, (Arc::clone(identity), head.clone()));
        Ok(head)
    }
}
