//! The task that looks at every live poll and pool, when something happened and when the clock says so.

use std::{sync::Arc, time::Duration};

use record::{RecordId, UnixMillis};
use store::{Commit, StoreError};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Duties, Step, step};
use crate::clerk::refusal::Refusal;

/// Between two sweeps at least: many commits in a row cause one.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);
/// A clock that is set forward is noticed within the minute.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Cases read at once.
const PAGE: u32 = 200;

/// States in which nothing more is asked of this community by the clock.
const AT_REST: &[&str] = &["refused", "declared", "confirmed", "locked", "expired"];

impl Duties {
    /// Does what is due, for as long as the store is open.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the register cannot be read.
    pub async fn keep(self) -> Result<(), StoreError> {
        let mut commits = self.shared.peer.store().commits();
        loop {
            let next = self.sweep().await?;
            let now = self.shared.peer.clock().now_millis();
            let wait = next.map(|at| Duration::from_millis(at.0.saturating_sub(now)));
            let wait = wait.unwrap_or(LONGEST_WAIT).clamp(SHORTEST_WAIT, LONGEST_WAIT);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                is_open = news(&mut commits) => {
                    if !is_open {
                        return Ok(());
                    }
                    tokio::time::sleep(SHORTEST_WAIT).await;
                }
            }
        }
    }

    /// Looks at every live case once, and answers when to look again.
    async fn sweep(&self) -> Result<Option<UnixMillis>, StoreError> {
        let mut next = None;
        for kind in ["poll", "pool"] {
            let mut after = 0;
            loop {
                let rows = self.shared.peer.store().cases(kind, after, PAGE).await?;
                let Some(last) = rows.last() else { break };
                after = last.case_no;
                for row in rows.iter().filter(|row| !AT_REST.contains(&row.state.as_str())) {
                    let at = self.look_at(kind, row.id).await;
                    next = [next, at].into_iter().flatten().min();
                }
            }
        }
        Ok(next)
    }

    async fn look_at(&self, kind: &str, id: RecordId) -> Option<UnixMillis> {
        let mut memory = self.shared.turn.lock().await;
        let (peer, ballots) = (&self.shared.peer, &self.shared.ballots);
        let done: Result<Step, Refusal> = if kind == "poll" {
            step::poll(peer, ballots, &mut memory, id).await
        } else {
            step::pool(peer, &mut memory, id).await
        };
        match done {
            Ok(step) => step.next,
            Err(refusal) => {
                if memory.is_news(id, refusal.detail()) {
                    let (reason, detail) = (refusal.reason(), refusal.detail());
                    tracing::warn!(case = %id, reason, detail, "what is due in a case cannot be done now");
                }
                let now = UnixMillis(peer.clock().now_millis());
                memory.tried(id, "look", now);
                memory.not_before(id, "look", now)
            }
        }
    }
}

/// Waits for a commit that moved a case; `false` once the store is closed.
async fn news(commits: &mut broadcast::Receiver<Arc<Commit>>) -> bool {
    loop {
        match commits.recv().await {
            Ok(commit) if commit.n_items == 0 => {}
            Ok(_) | Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}
