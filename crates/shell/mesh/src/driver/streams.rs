//! Streams between nodes, both ways, and how many of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::StreamExt as _;
use libp2p::{PeerId, Stream};
use libp2p_stream::{Control, IncomingStreams, OpenStreamError};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use crate::{
    behaviour::REPLICATION,
    config::MeshConfig,
    frames::{FrameLimits, FrameStream, carry, ends},
    key::NodeKey,
    limits::OPEN_TIME,
    seam::OpenError,
    swarm::MeshError,
};

/// Streams of others that wait to be told of.
const WAITING_STREAMS: usize = 32;

/// Streams between nodes.
pub(super) struct Streams {
    control: Control,
    limits: FrameLimits,
    partings: Partings,
    opened: mpsc::Receiver<(NodeKey, FrameStream)>,
}

impl Streams {
    pub(super) fn new(
        behaviour: &libp2p_stream::Behaviour,
        config: &MeshConfig,
    ) -> Result<Self, MeshError> {
        let mut control = behaviour.new_control();
        let incoming = control.accept(REPLICATION);
        let incoming = incoming.map_err(|error| MeshError::Setup(error.to_string()))?;
        let limits =
            FrameLimits { max_bytes: config.max_frame_bytes, time: config.limits.frame_time };
        let (told, opened) = mpsc::channel(WAITING_STREAMS);
        let counts = Counts { most: config.limits.max_streams_per_key, counts: Arc::default() };
        let partings = Partings::default();
        // Apart from the driver: libp2p drops a stream that nobody takes at once.
        tokio::spawn(accept(incoming, counts, (limits, partings.clone()), told));
        Ok(Self { control, limits, partings, opened })
    }

    /// A node's last connection has ended, and with it its streams.
    pub(super) fn part(&self, peer: &PeerId) {
        self.partings.part(peer);
    }

    /// The next stream that another node opened.
    pub(super) async fn next(&mut self) -> Option<(NodeKey, FrameStream)> {
        self.opened.recv().await
    }

    /// Opens a stream to a connected node.
    pub(super) fn open(
        &self,
        peer: PeerId,
        answer: oneshot::Sender<Result<FrameStream, OpenError>>,
    ) {
        let (mut control, limits) = (self.control.clone(), self.limits);
        let parting = self.partings.of(peer);
        tokio::spawn(async move {
            let opened = timeout(OPEN_TIME, control.open_stream(peer, REPLICATION)).await;
            let opened = match opened {
                Err(_elapsed) => Err(OpenError::Silent),
                Ok(Err(OpenStreamError::Io(error))) => Err(OpenError::Refused(error.to_string())),
                Ok(Err(error)) => Err(OpenError::Refused(error.to_string())),
                Ok(Ok(stream)) => {
                    let (outer, inner) = ends();
                    tokio::spawn(carry_until(stream, inner, limits, parting));
                    Ok(outer)
                }
            };
            // Whoever asked may have gone; the stream ends with its halves.
            let _ = answer.send(opened);
        });
    }
}

async fn accept(
    mut incoming: IncomingStreams,
    counts: Counts,
    (limits, partings): (FrameLimits, Partings),
    told: mpsc::Sender<(NodeKey, FrameStream)>,
) {
    loop {
        let next = tokio::select! {
            next = incoming.next() => next,
            () = told.closed() => return,
        };
        let Some((peer, stream)) = next else { return };
        let Some((key, counted)) = NodeKey::of(&peer).zip(counts.take(peer)) else {
            tracing::debug!(%peer, "mesh.too_many_streams: a stream was refused");
            continue;
        };
        let (outer, inner) = ends();
        if told.try_send((key, outer)).is_err() {
            tracing::debug!(%peer, "mesh.busy: a stream was refused");
            continue;
        }
        let parting = partings.of(peer);
        tokio::spawn(async move {
            carry_until(stream, inner, limits, parting).await;
            drop(counted);
        });
    }
}

/// Carries frames until the stream ends or its node has parted: where both sides close a connection at once, yamux tells
/// its streams nothing.
async fn carry_until(
    stream: Stream,
    inner: crate::frames::Inner,
    limits: FrameLimits,
    mut parting: watch::Receiver<()>,
) {
    tokio::select! {
        () = carry(stream, inner, limits) => {}
        _parted = parting.changed() => {}
    }
}

/// Tells the streams of a key that its last connection has ended: what they watch is dropped.
#[derive(Clone, Default)]
struct Partings(Arc<Mutex<BTreeMap<PeerId, watch::Sender<()>>>>);

impl Partings {
    fn of(&self, peer: PeerId) -> watch::Receiver<()> {
        // A panic while this is held cannot leave the map half-changed.
        let mut partings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        partings.entry(peer).or_default().subscribe()
    }

    fn part(&self, peer: &PeerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }
}

/// Open streams of each key that opened them.
#[derive(Clone)]
struct Counts {
    most: usize,
    counts: Arc<Mutex<BTreeMap<PeerId, usize>>>,
}

/// One stream; it counts until this is dropped.
struct Counted {
    counts: Counts,
    peer: PeerId,
}

impl Counts {
    fn take(&self, peer: PeerId) -> Option<Counted> {
        // A panic while this is held leaves a count at most one too high.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(peer).or_default();
        if self.most <= *count {
            return None;
        }
        *count += 1;
        Some(Counted { counts: self.clone(), peer })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.peer) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stream_with_room_is_counted_in_and_the_next_finds_none_until_one_ends() {
        let counts = Counts { most: 2, counts: Arc::default() };
        let peer = PeerId::random();
        let first = counts.take(peer).unwrap();
        let _second = counts.take(peer).unwrap();
        assert!(counts.take(peer).is_none());
        drop(first);
        assert!(counts.take(peer).is_some());
    }
}
