//! How a coordinator treats logs that forked: said in its own log, to the author in the stream, and taken back when it
//! holds no longer.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    LogName, UnixMillis,
    payload::{Status, status::Reason},
};
use store::{Fork, StoreError};

use crate::peer::{Peer, Role};

impl Peer {
    /// How every log is treated that we treat otherwise than well. Pauses come last: they are of whole communities.
    pub(crate) async fn standings(&self) -> Result<Vec<Status>, StoreError> {
        let mut standings = self.told_forks().await?;
        let paused = self.quotas().throttled();
        standings.retain(|log, _| paused.iter().all(|it| it.log != *log));
        Ok(standings.into_values().chain(paused).collect())
    }

    /// Says of every log that forked that it is frozen and what lifts that, unless it was said; and of every other of
    /// which it was said that it is over. What has to wait for other reasons is told when its pause is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn treat_forks(&self) -> Result<(), StoreError> {
        if self.role() != Role::Coordinator {
            return Ok(());
        }
        let now = UnixMillis(self.clock().now_millis());
        let told: BTreeSet<LogName> = self.told_forks().await?.into_keys().collect();
        let forked = self.forked().await?;
        for log in forked.symmetric_difference(&told) {
            if !self.quotas().is_throttled(&log.community) {
                self.treat(standing(&forked, *log, now)).await;
            }
        }
        Ok(())
    }

    /// Every log that forked.
    pub(crate) async fn forked(&self) -> Result<BTreeSet<LogName>, StoreError> {
        Ok(self.store().forks().await?.into_iter().map(|Fork { log, .. }| log).collect())
    }

    /// Forks that we have filed and not taken back.
    async fn told_forks(&self) -> Result<BTreeMap<LogName, Status>, StoreError> {
        if self.role() != Role::Coordinator {
            return Ok(BTreeMap::new());
        }
        let is_fork = |status: &Status| status.reason == Some(Reason::TwoHistories);
        let ours = self.store().statuses().await?.into_iter();
        let ours = ours.filter(|(by, status)| *by == self.community() && is_fork(status));
        Ok(ours.map(|(_, status)| (status.log, status)).collect())
    }
}

/// How a log is treated that does not have to wait.
pub(crate) fn standing(forked: &BTreeSet<LogName>, log: LogName, now: UnixMillis) -> Status {
    let reason = forked.contains(&log).then_some(Reason::TwoHistories);
    Status { log, since: now, reason, until: None }
}
