//! How a coordinator treats logs that forked, or about which its operators decided something: said in its own log, to the
//! author in the stream, and taken back when it holds no longer.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    LogName, UnixMillis,
    payload::{
        Status,
        status::{Lift, Reason},
    },
};
use store::{Fork, StoreError};

use crate::peer::{Peer, Role};

impl Peer {
    /// How every log is treated that we treat otherwise than well. Pauses come last: they are of whole communities.
    pub(crate) async fn standings(&self) -> Result<Vec<Status>, StoreError> {
        let mut standings = self.told_reasons().await?;
        let paused = self.quotas().throttled();
        standings.retain(|log, _| paused.iter().all(|it| it.log != *log));
        Ok(standings.into_values().chain(paused).collect())
    }

    /// Says of every log that forked that it is frozen and what lifts that, and of every other what the operators decided,
    /// unless it was said; and of every other of which something of the kind was said that it is over. What has to wait
    /// for other reasons is told when its pause is over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn treat_forks(&self) -> Result<(), StoreError> {
        if self.role() != Role::Coordinator {
            return Ok(());
        }
        let now = UnixMillis(self.clock().now_millis());
        let told = self.told_reasons().await?;
        let reasons = self.reasons().await?;
        let logs: BTreeSet<LogName> = told.keys().chain(reasons.keys()).copied().collect();
        for log in logs {
            let is_told = told.get(&log).and_then(|it| it.reason) == reasons.get(&log).copied();
            if !is_told && !self.quotas().is_throttled(&log.community) {
                self.treat(standing(&reasons, log, now)).await;
            }
        }
        Ok(())
    }

    /// Why logs are treated otherwise than well, pauses aside. What the operators decided about a log that forked stands
    /// above the fork: anybody finds that in its evidence.
    pub(crate) async fn reasons(&self) -> Result<BTreeMap<LogName, Reason>, StoreError> {
        let forks = self.store().forks().await?.into_iter();
        let mut reasons: BTreeMap<_, _> =
            forks.map(|Fork { log, .. }| (log, Reason::TwoHistories)).collect();
        reasons.extend(self.true_orders().await?);
        Ok(reasons)
    }

    /// What we have filed and not taken back, pauses aside.
    async fn told_reasons(&self) -> Result<BTreeMap<LogName, Status>, StoreError> {
        if self.role() != Role::Coordinator {
            return Ok(BTreeMap::new());
        }
        let lasts = |status: &Status| status.reason.is_some_and(|it| it.lift() != Lift::Time);
        let ours = self.store().statuses().await?.into_iter();
        let ours = ours.filter(|(by, status)| *by == self.community() && lasts(status));
        Ok(ours.map(|(_, status)| (status.log, status)).collect())
    }
}

/// How a log is treated that does not have to wait.
pub(crate) fn standing(
    reasons: &BTreeMap<LogName, Reason>,
    log: LogName,
    now: UnixMillis,
) -> Status {
    Status { log, since: now, reason: reasons.get(&log).copied(), until: None }
}
