//! Two branches of a log on one stream: theirs is fetched if it may be the one that a quorum states.

use std::{collections::BTreeSet, time::Duration};

use record::LogName;
use replica::{HeldLog, Input};
use store::{Fetched, Incoming, StoreError};
use tokio::time::Instant;

use super::{ReplicationStream, StreamEnd, not_stored};
use crate::{
    branches::{Fetching, LOOK_EVERY},
    hello::Remote,
    peer::{Peer, PeerError},
};

/// After growth, whose turn it is is looked at within this time.
const SOON: Duration = Duration::from_secs(1);

/// What a stream knows of branches.
#[derive(Debug)]
pub(super) struct OfBranches {
    /// Logs of which the other side holds another branch than we do.
    found: BTreeSet<LogName>,
    /// Logs of which the other side's branch is fetched.
    fetching: Vec<Fetching>,
    look_at: Instant,
}

impl OfBranches {
    /// What is to be fetched from the other side, and every log held: of one that is fetched, what both branches have in
    /// common.
    pub(super) async fn begin(
        peer: &Peer,
        remote: &Remote,
    ) -> Result<(Self, Vec<HeldLog>), PeerError> {
        let fetching = peer.begin_branches(remote.community).await?;
        let (found, look_at) = (BTreeSet::new(), Instant::now() + LOOK_EVERY);
        let branches = Self { found, fetching, look_at };
        let mut held = peer.held_logs().await?;
        held.retain(|it| !branches.is_fetched(it.log));
        held.extend(branches.fetching.iter().map(|it| it.held.clone()));
        Ok((branches, held))
    }

    fn of(&self, log: LogName) -> Option<&Fetching> {
        self.fetching.iter().find(|it| it.held.log == log)
    }

    /// Whether this stream fetches another branch of a log: what it says of the log is not what is held here.
    pub(super) fn is_fetched(&self, log: LogName) -> bool {
        self.of(log).is_some()
    }

    /// Something may have been stated: whose turn it is is looked at within a second, not at every growth.
    pub(super) fn hurry(&mut self) {
        self.look_at = self.look_at.min(Instant::now() + SOON);
    }

    /// When to look again whose turn it is; `None` if nothing depends on it.
    pub(super) fn look_at(&self) -> Option<Instant> {
        let is_concerned = !self.found.is_empty() || !self.fetching.is_empty();
        is_concerned.then_some(self.look_at)
    }
}

impl ReplicationStream<'_> {
    /// The other side holds another branch of a log than we do.
    pub(super) async fn note_branch(&mut self, log: LogName) -> Result<(), StreamEnd> {
        self.branches.found.insert(log);
        self.look_at_branches().await
    }

    /// Ends the stream if it is to begin anew: to fetch a branch from the other side, or because that has had its turn.
    pub(super) async fn look_at_branches(&mut self) -> Result<(), StreamEnd> {
        self.branches.look_at = Instant::now() + LOOK_EVERY;
        if self.branches.fetching.iter().any(Fetching::is_over) {
            return Err(StreamEnd::OtherBranch);
        }
        if !self.branches.fetching.is_empty() {
            return Ok(());
        }
        for log in &self.branches.found {
            if self.peer.is_to_be_asked(*log, self.remote.community).await? {
                return Err(StreamEnd::OtherBranch);
            }
        }
        Ok(())
    }

    /// Keeps records of a branch that is fetched; the answer comes back as an input.
    pub(super) async fn keep_branch(&self, batch: Incoming) -> Result<(), StreamEnd> {
        let log = batch.log;
        let answer = match self.peer.store().accept_branch(batch).await {
            Ok(Fetched { size, is_taken }) => {
                if let Some(fetching) = self.branches.of(log) {
                    fetching.note_heard();
                }
                if is_taken {
                    self.peer.branches().note_taken(log);
                }
                Input::Durable { log, size, cosignatures: Vec::new() }
            }
            Err(StoreError::Closing) => return Err(StoreError::Closing.into()),
            Err(error) => not_stored(log, &error),
        };
        // A stream that has ended needs no answer.
        let _ = self.answers.send(answer);
        Ok(())
    }
}
