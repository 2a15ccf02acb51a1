//! A node notes coordinators that are silent: in its links, which `status` shows, and in its log file.
//!
//! Every seated coordinator has a stream and a task of its own, so one that is silent holds no other up, and records
//! count by the receipts of the others.

use std::{collections::BTreeMap, time::Duration};

use record::{CommunityId, UnixMillis};
use replica::silence::{Seen, Silence, Watch};
use store::StoreError;
use tokio::sync::broadcast::error::RecvError;

use crate::{
    links::ToldSilence,
    peer::{Peer, Role},
};

/// How often coordinators are looked at that owe us something.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often they are looked at while all that is owed is an index, for which there are three minutes, or nothing at
/// all; whatever is committed ends the wait.
const LOOK_AT_REST: Duration = Duration::from_secs(15);

/// What is known of each seated coordinator.
#[derive(Debug, Default)]
pub struct Watches {
    watches: BTreeMap<CommunityId, (Watch, Option<Silence>)>,
}

impl Peer {
    /// Watches every seated coordinator. Runs until it is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn watch_silence(self) -> Result<(), StoreError> {
        if self.role() == Role::Coordinator {
            return std::future::pending().await;
        }
        let mut watches = Watches::default();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut commits = self.store().commits();
            self.look_for_silence(&mut watches).await?;
            if watches.watches.values().all(|(watch, found)| !watch.owes_ack() && found.is_none()) {
                tokio::select! {
                    biased;
                    next = commits.recv() => if matches!(next, Err(RecvError::Closed)) { return Ok(()) },
                    () = tokio::time::sleep(LOOK_AT_REST) => {}
                }
            }
        }
    }

    /// Looks once at every seated coordinator.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn look_for_silence(&self, watches: &mut Watches) -> Result<(), StoreError> {
        let now = UnixMillis(self.clock().now_millis());
        let own = self.store().log(self.own_log()).await?;
        let own_size = own.and_then(|it| it.checkpoint).map_or(0, |(size, _)| size);
        let links: BTreeMap<_, _> = self.links().all().into_iter().collect();
        let seats = self.region().newest().roster.coordinators().to_vec();
        // Who has lost its seat owes nothing any more.
        for (id, _) in watches.watches.extract_if(.., |id, _| !seats.contains(id)) {
            self.links().update(id, |link| link.silence = None);
        }
        for id in &seats {
            let link = links.get(id).cloned().unwrap_or_default();
            let indexed_size = self.store().indexed_size(*id, self.own_log()).await?;
            let (acked_size, is_excused) = (link.acked_size, link.standing.is_some());
            let seen = Seen { own_size, acked_size, indexed_size, is_excused };
            let (watch, before) = watches.watches.entry(*id).or_default();
            let found = watch.look(seen, now);
            if found != *before {
                *before = found;
                self.note_silence(*id, found, seats.len());
            }
        }
        Ok(())
    }

    fn note_silence(&self, id: CommunityId, found: Option<Silence>, n_seats: usize) {
        let told = found.map(|it| ToldSilence { reason: it.reason(), since: it.since() });
        self.links().update(id, |link| link.silence = told);
        let others = n_seats.saturating_sub(1);
        match found {
            Some(silence) => {
                let reason = silence.reason();
                tracing::warn!(community = %id, reason, others, "a coordinator is silent; our records go to every other that is seated");
            }
            None => tracing::info!(community = %id, "the coordinator is no longer silent"),
        }
    }
}
