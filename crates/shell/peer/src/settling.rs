//! After a start: is our own log the newest that anybody holds?
//!
//! A data folder may have come from a backup. Until peers have shown how much of our log they hold, nothing that we write
//! is signed, and so nothing new leaves this process; what they hold beyond ours is fetched first. Two peers are asked, or
//! all that are known if those are fewer. Where only some of them answer, they are enough after a while: a region whose
//! coordinator is gone for ever goes on. Alone, a node writes, and publishes later.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use record::CommunityId;
use store::StoreError;
use tokio::{
    sync::{broadcast::error::RecvError, watch},
    time::Instant,
};

use crate::{
    folder::DataFolder,
    peer::{Peer, PeerError, Role},
};

/// How many peers are asked, where so many are known.
const ASKED: usize = 2;
/// After the first answer, others are waited for this long.
const OTHERS_WITHIN: Duration = Duration::from_secs(5);

/// Who has shown that it holds no more of our own log than we do.
#[derive(Debug)]
pub struct Settling {
    shown: watch::Sender<BTreeSet<CommunityId>>,
    /// When the first of them did.
    first: Mutex<Option<Instant>>,
}

impl Default for Settling {
    fn default() -> Self {
        Self { shown: watch::Sender::new(BTreeSet::new()), first: Mutex::default() }
    }
}

impl Settling {
    /// This community's process has offered everything that it holds, and of our own log that is here.
    pub fn note_shown(&self, community: CommunityId) {
        // A panic while this is held cannot leave it half-written.
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.shown.send_if_modified(|shown| shown.insert(community));
    }

    fn first(&self) -> Option<Instant> {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peer {
    /// Has our own log signed once enough peers have shown theirs. Ends when it is, or when the store closes.
    ///
    /// # Errors
    ///
    /// [`PeerError::Store`] if the disk cannot be read.
    pub async fn settle(self) -> Result<(), PeerError> {
        let mut shown = self.settling().shown.subscribe();
        let mut commits = self.store().commits();
        while !self.store().is_settled() {
            let n_shown = shown.borrow_and_update().len();
            let needed = self.n_asked().await?;
            let enough_at = self.settling().first().map(|at| at + OTHERS_WITHIN);
            if needed <= n_shown || enough_at.is_some_and(|at| at <= Instant::now()) {
                match self.store().settle().await {
                    Ok(()) => return Ok(()),
                    Err(StoreError::Closing) => return Ok(()),
                    // Records of ours are still coming, or the disk is full: tried again after the next commit.
                    Err(error) => tracing::info!(%error, "our own log is not signed yet"),
                }
            }
            let later = Instant::now() + OTHERS_WITHIN;
            tokio::select! {
                biased;
                () = self.streams_ending() => return Ok(()),
                changed = shown.changed() => if changed.is_err() { return Ok(()) },
                commit = commits.recv() => if matches!(commit, Err(RecvError::Closed)) { return Ok(()) },
                () = tokio::time::sleep_until(enough_at.filter(|at| Instant::now() < *at).unwrap_or(later)) => {}
            }
        }
        Ok(())
    }

    /// As [`Peer::settle`], in a task of its own; notes it in the folder.
    pub(crate) async fn settle_or_say(self, folder: DataFolder) {
        if let Err(error) = self.clone().settle().await {
            tracing::error!(%error, "our own log stays unsigned until the next start");
        }
        if let Err(error) = self.note_settled(&folder).await {
            tracing::warn!(%error, "keys and officers cannot be changed on this folder before its next start");
        }
    }

    /// Notes how much of our own log nobody holds more than, if that is known.
    async fn note_settled(&self, folder: &DataFolder) -> Result<(), PeerError> {
        if !self.store().is_settled() {
            return Ok(());
        }
        let log = self.own_log();
        let size = self.store().log(log).await?.map_or(0, |it| it.frontier.size());
        Ok(folder.note_settled(log.era, size)?)
    }

    /// How many peers are to show what they hold of our own log.
    async fn n_asked(&self) -> Result<usize, StoreError> {
        let own = self.community();
        let n_others = self.region().newest().roster.everybody().filter(|it| *it != own).count();
        // A node asks whom it calls; a coordinator is called by everybody.
        let n_known = match self.role() {
            Role::Coordinator => n_others,
            Role::Node => self.seats_to_call().await?.len().max(self.links().n_connected()).max(1),
        };
        Ok(ASKED.min(n_known).min(n_others))
    }
}
