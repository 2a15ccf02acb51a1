//! Keeps a stream open to every coordinator that is seated, as the region tells it.
//!
//! A stream that is open is kept when another address is told for its coordinator: who answers by its key is there. The
//! other address is dialled once the stream has ended.

use std::{collections::BTreeMap, time::Duration};

use record::CommunityId;
use store::StoreError;
use tokio::task::AbortHandle;

use crate::{charter::Seat, dialler, peer::Peer};

/// How often addresses are looked at anew, beside every change of the region.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A stream that is kept until this is dropped.
struct Kept {
    address: Option<String>,
    task: AbortHandle,
}

impl Kept {
    fn open(peer: &Peer, seat: Seat) -> Self {
        let address = seat.address.clone();
        let task = tokio::spawn(dialler::keep_linked(peer.clone(), seat)).abort_handle();
        Self { address, task }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Calls the coordinators that are seated, and no longer those that are not. Runs until it is dropped.
///
/// # Errors
///
/// [`StoreError`] if the disk cannot be read.
pub async fn keep_linked_to_seats(peer: Peer) -> Result<(), StoreError> {
    let mut region = peer.store().region();
    let mut kept: BTreeMap<CommunityId, Kept> = BTreeMap::new();
    loop {
        region.mark_unchanged();
        let wanted = peer.seats_to_call().await?;
        let connected = peer.links().over_grpc();
        kept.retain(|id, it| {
            let seat = wanted.iter().find(|seat| seat.id == *id);
            seat.is_some_and(|seat| seat.address == it.address || connected.contains(id))
        });
        for seat in wanted {
            kept.entry(seat.id).or_insert_with(|| Kept::open(&peer, seat));
        }
        tokio::select! {
            biased;
            changed = region.changed() => if changed.is_err() { return Ok(()) },
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}
