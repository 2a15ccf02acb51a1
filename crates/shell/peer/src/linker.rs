//! Keeps a stream open to every coordinator that is seated, as the region tells it.

use std::{collections::BTreeMap, time::Duration};

use store::StoreError;
use tokio::task::AbortHandle;

use crate::{charter::Seat, dialler, peer::Peer};

/// How often addresses are looked at anew, beside every change of the region.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A stream that is kept until this is dropped.
struct Kept(AbortHandle);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls the coordinators that are seated, and no longer those that are not. Runs until it is dropped.
///
/// # Errors
///
/// [`StoreError`] if the disk cannot be read.
pub async fn keep_linked_to_seats(peer: Peer) -> Result<(), StoreError> {
    let mut region = peer.store().region();
    let mut kept: BTreeMap<Seat, Kept> = BTreeMap::new();
    loop {
        region.mark_unchanged();
        let wanted = peer.seats_to_call().await?;
        kept.retain(|seat, _| wanted.contains(seat));
        for seat in wanted {
            kept.entry(seat.clone()).or_insert_with(|| {
                Kept(tokio::spawn(dialler::keep_linked(peer.clone(), seat)).abort_handle())
            });
        }
        tokio::select! {
            biased;
            changed = region.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
