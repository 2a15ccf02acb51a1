//! Whom the branch of a forked log is fetched from which a quorum states, where another is held here.
//!
//! ```text
//! a stream finds two branches, and a quorum states another than ours ─ nobody has the turn ─▶ this neighbour has it
//!   ─▶ its stream begins anew with what both branches have in common, and pulls theirs into a place of its own
//!      ├─ more than half of the seats have stated a head of it ─▶ it takes the place of ours, and every stream begins anew
//!      └─ nothing comes for a minute ─▶ another neighbour has its turn
//! ```
//!
//! Of a log one neighbour at a time is asked, and each once in two minutes, then four, up to once an hour: however many
//! branches its author signs, and whoever shows them, no more is fetched. What is held is dropped for none of them but one
//! that a quorum has stated.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use record::{CommunityId, LogName};
use replica::HeldLog;
use tokio::{sync::broadcast, time::Instant};

use crate::peer::{Peer, PeerError};

/// A neighbour from whom nothing more of a branch comes for so long has had its turn. Longer than a stream waits at most
/// before it is dialled anew.
const PATIENCE: Duration = Duration::from_mins(1);
/// A neighbour is asked for a branch of one log a second time after this time, and each time after twice as long.
const ASKED_AGAIN: Duration = Duration::from_mins(2);
/// But at least so often.
const ASKED_EVERY: Duration = Duration::from_hours(1);
/// How often a stream that found two branches looks whether it is its turn.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Whose turn it is to be asked for a branch of which log.
#[derive(Debug)]
pub(crate) struct Branches {
    turns: Mutex<Turns>,
    /// Wakes whoever waits in the order in which they wait, so that a run can be repeated.
    taken: broadcast::Sender<()>,
}

#[derive(Debug, Default)]
struct Turns {
    now: BTreeMap<LogName, Turn>,
    /// When each neighbour had its last one, and how long it waits for another.
    last: BTreeMap<(LogName, CommunityId), (Instant, Duration)>,
}

#[derive(Debug)]
struct Turn {
    community: CommunityId,
    has_begun: bool,
    /// When something came last.
    heard: Instant,
}

impl Turns {
    fn is_free(&self, log: LogName) -> bool {
        self.now.get(&log).is_none_or(|it| PATIENCE <= it.heard.elapsed())
    }

    /// Gives a neighbour the turn, unless another has it or it had one lately.
    fn give(&mut self, log: LogName, community: CommunityId) -> bool {
        let had_one = self.last.get(&(log, community));
        if !self.is_free(log) || had_one.is_some_and(|(at, wait)| at.elapsed() < *wait) {
            return false;
        }
        let heard = Instant::now();
        let wait = had_one.map_or(ASKED_AGAIN, |(_, wait)| ASKED_EVERY.min(*wait * 2));
        self.last.insert((log, community), (heard, wait));
        self.now.insert(log, Turn { community, has_begun: false, heard });
        true
    }

    /// Takes up a turn that was given; tells whether there was one.
    fn begin(&mut self, log: LogName, community: CommunityId) -> bool {
        let turn = self.now.get_mut(&log).filter(|it| it.community == community && !it.has_begun);
        let Some(turn) = turn else { return false };
        (turn.has_begun, turn.heard) = (true, Instant::now());
        true
    }

    fn end(&mut self, log: LogName, community: CommunityId) {
        if self.now.get(&log).is_some_and(|it| it.community == community) {
            self.now.remove(&log);
        }
    }

    /// Forgets everything about a log.
    fn forget(&mut self, log: LogName) {
        self.now.remove(&log);
        self.last.retain(|(of, _), _| *of != log);
    }
}

impl Default for Branches {
    fn default() -> Self {
        Self { turns: Mutex::default(), taken: broadcast::Sender::new(1) }
    }
}

impl Branches {
    fn with<T>(&self, change: impl FnOnce(&mut Turns) -> T) -> T {
        // A panic while this is held leaves a turn that ends by itself.
        change(&mut self.turns.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Told whenever a branch has taken the place of another.
    pub(crate) fn listen(&self) -> broadcast::Receiver<()> {
        self.taken.subscribe()
    }

    /// A branch has taken the place of another.
    pub(crate) fn note_taken(&self, log: LogName) {
        self.with(|turns| turns.forget(log));
        // Nobody listening is no fault.
        let _ = self.taken.send(());
    }
}

/// A branch that a stream fetches, until this is dropped.
#[derive(Debug)]
pub(crate) struct Fetching {
    peer: Peer,
    community: CommunityId,
    /// What both branches have in common, as the stream takes it for what is held.
    pub(crate) held: HeldLog,
}

impl Fetching {
    /// Something of it came.
    pub(crate) fn note_heard(&self) {
        self.peer.branches().with(|turns| {
            if let Some(turn) = turns.now.get_mut(&self.held.log) {
                turn.heard = Instant::now();
            }
        });
    }

    /// Whether nothing came for so long that it is another's turn.
    pub(crate) fn is_over(&self) -> bool {
        self.peer.branches().with(|turns| turns.is_free(self.held.log))
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.peer.branches().with(|turns| turns.end(self.held.log, self.community));
    }
}

impl Peer {
    /// Whether this neighbour, which holds another branch of a log than we do, is to be asked for it now.
    pub(crate) async fn is_to_be_asked(
        &self,
        log: LogName,
        community: CommunityId,
    ) -> Result<bool, PeerError> {
        let fork = self.store().fork(log).await?;
        let is_sought = fork.is_some_and(|it| it.is_elsewhere);
        Ok(is_sought && self.branches().with(|turns| turns.give(log, community)))
    }

    /// The branches that this neighbour is asked for on the stream that begins.
    pub(crate) async fn begin_branches(
        &self,
        community: CommunityId,
    ) -> Result<Vec<Fetching>, PeerError> {
        let mut fetching = Vec::new();
        for log in self.branches().with(|turns| turns.now.keys().copied().collect::<Vec<_>>()) {
            if !self.branches().with(|turns| turns.begin(log, community)) {
                continue;
            }
            let common = self.store().begin_branch(log).await?;
            let row = self.store().log(log).await?;
            let (Some(frontier), Some(row)) = (common, row) else {
                self.branches().with(|turns| turns.end(log, community));
                continue;
            };
            let identity = self.identity(&row)?;
            let (head, pending, cosignatures) = (None, None, Vec::new());
            let held = HeldLog { log, frontier, head, pending, identity, cosignatures };
            tracing::info!(%log, %community, "more than half of the seats state another branch of a forked log; it is fetched");
            fetching.push(Fetching { peer: self.clone(), community, held });
        }
        Ok(fetching)
    }

    /// Whose turn it is to be asked for another branch of a forked log.
    pub(crate) fn branches(&self) -> &Arc<Branches> {
        &self.shared.branches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogName {
        LogName { community: CommunityId::from_bytes([9; 32]), era: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn one_neighbour_at_a_time_is_asked_until_nothing_came_for_a_minute() {
        let [one, other] = [1, 2].map(|n| CommunityId::from_bytes([n; 32]));
        let mut turns = Turns::default();
        assert!(!turns.begin(log(), one), "nobody has a turn");
        assert!(turns.give(log(), one));
        assert!(!turns.give(log(), other));
        assert!(!turns.begin(log(), other));
        assert!(turns.begin(log(), one));
        assert!(!turns.begin(log(), one), "on one stream only");
        tokio::time::advance(PATIENCE - Duration::from_millis(1)).await;
        assert!(!turns.give(log(), other));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(turns.give(log(), other));
        turns.end(log(), one);
        assert!(turns.begin(log(), other), "the turn of another is not ended");
    }

    #[tokio::test(start_paused = true)]
    async fn each_neighbour_is_asked_again_after_two_minutes_for_each_log_and_then_ever_more_rarely()
     {
        let one = CommunityId::from_bytes([1; 32]);
        let another = LogName { era: 1, ..log() };
        let mut turns = Turns::default();
        assert!(turns.give(log(), one));
        turns.end(log(), one);
        tokio::time::advance(ASKED_AGAIN - Duration::from_millis(1)).await;
        assert!(!turns.give(log(), one));
        assert!(turns.give(another, one));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(turns.give(log(), one));
        for wait in [4, 8, 16, 32, 60, 60].map(Duration::from_mins) {
            tokio::time::advance(wait - Duration::from_millis(1)).await;
            assert!(!turns.give(log(), one), "{wait:?}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(turns.give(log(), one), "{wait:?}");
        }
        turns.forget(log());
        assert!(turns.give(log(), one));
    }
}
