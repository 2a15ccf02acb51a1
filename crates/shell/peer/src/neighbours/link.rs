//! One stream over the mesh: a Hello each way, then the exchange as over gRPC.

use std::time::Duration;

use mesh::{FrameStream, NodeKey, StreamFault};
use proto::{
    replication::{decode_frame, encode_frame},
    v1::{self, frame::Step},
};
use record::CommunityId;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Status};
use transport::PeerKey;

use crate::{
    hello::{HelloError, Remote, hello, verify_hello},
    links::MAX_STREAMS,
    peer::Peer,
    stream::{self, StreamEnd},
};

/// How long the other side may take to say who it is.
const HELLO_TIME_OUT: Duration = Duration::from_secs(10);
/// How long whoever wanted an introduction waits for the other side to go on.
const INTRODUCTION_TIME: Duration = Duration::from_secs(2);
/// How long a parting word may take.
const PARTING_TIME: Duration = Duration::from_secs(2);
/// Frames handed on ahead of what the mesh has taken.
const OUT_FRAMES: usize = 1;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkEnd {
    #[error("the stream was not opened: {0}")]
    Open(#[from] mesh::OpenError),
    #[error("the other side did not say who it is in time")]
    Silent,
    #[error("the other side refused the stream: {0}")]
    Refused(String),
    #[error("replication.too_many_streams: a community has at most {MAX_STREAMS} streams at once")]
    Busy,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Ended(#[from] StreamEnd),
    #[error(transparent)]
    Fault(#[from] StreamFault),
}

impl LinkEnd {
    /// What the other side is told, if it is told anything.
    fn parting(&self) -> Option<(&str, String)> {
        match self {
            Self::Hello(error) => Some((error.reason(), error.to_string())),
            Self::Busy => Some(("replication.too_many_streams", self.to_string())),
            Self::Silent => Some(("hello.missing", "no Hello came in time".to_owned())),
            Self::Fault(fault) => Some((fault.reason(), fault.to_string())),
            Self::Ended(StreamEnd::Closed { reason, detail }) => Some((reason, detail.clone())),
            Self::Ended(StreamEnd::Frame(error)) => Some(("message.malformed", error.to_string())),
            Self::Ended(StreamEnd::NotReading) => {
                Some(("replication.not_reading", StreamEnd::NotReading.to_string()))
            }
            Self::Ended(StreamEnd::KeyReplaced) => {
                Some(("hello.other_key", StreamEnd::KeyReplaced.to_string()))
            }
            Self::Ended(StreamEnd::Connection(status)) => (status.code() == Code::InvalidArgument)
                .then(|| ("message.malformed", status.message().to_owned())),
            Self::Ended(
                StreamEnd::Finished
                | StreamEnd::Stopping
                | StreamEnd::RegionChanged
                | StreamEnd::Missed
                | StreamEnd::OtherBranch
                | StreamEnd::Here(_),
            )
            | Self::Open(_)
            | Self::Refused(_) => None,
        }
    }
}

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To learn who has this key; it ends with the Hellos, unless either side wants more of the other.
    Introduction,
    /// To exchange logs.
    Exchange,
    /// Whatever the other side, which opened it, wants, or this side once it knows the other.
    Answer,
}

/// Who has a key, as its Hello proved.
#[derive(Debug)]
pub(crate) struct Met {
    pub(crate) key: NodeKey,
    pub(crate) community: CommunityId,
    /// Takes whether logs are to be exchanged with it.
    pub(crate) is_wanted: oneshot::Sender<bool>,
}

/// Says Hello, hears one, tells `met` who it is, and exchanges logs until the stream ends.
pub(crate) async fn link(
    peer: Peer,
    (key, line): (NodeKey, FrameStream),
    purpose: Purpose,
    met: mpsc::Sender<Met>,
) -> Result<(), LinkEnd> {
    let outgoing = line.outgoing.clone();
    let ended = talk(&peer, (key, line), purpose, met).await;
    if let Err(why) = &ended
        && let Some((reason, detail)) = why.parting()
    {
        let evidence = Vec::new();
        let refusal = v1::Refusal { log: None, reason: reason.to_owned(), detail, evidence };
        let frame = v1::Frame { step: Some(Step::Refusal(refusal)) };
        // Whoever does not take it has been told all that can be told.
        let _ = timeout(PARTING_TIME, outgoing.send(encode_frame(&frame))).await;
    }
    ended
}

async fn talk(
    peer: &Peer,
    (key, mut line): (NodeKey, FrameStream),
    purpose: Purpose,
    met: mpsc::Sender<Met>,
) -> Result<(), LinkEnd> {
    let ours = hello(peer).await.map_err(StreamEnd::Here)?;
    // If it is not taken, none comes back.
    let _ = line.outgoing.send(encode_frame(&ours)).await;
    let first = timeout(HELLO_TIME_OUT, next_frame(&mut line)).await;
    let first = first.map_err(|_elapsed| LinkEnd::Silent)??;
    if let Some(v1::Frame { step: Some(Step::Refusal(refusal)) }) = first {
        return Err(LinkEnd::Refused(refusal.detail.chars().take(200).collect()));
    }
    let remote = verify_hello(peer, first, PeerKey(key.0))?;
    let (is_wanted, answered) = oneshot::channel();
    // Whoever keeps the neighbours has gone only if everything ends.
    let _ = met.send(Met { key, community: remote.community, is_wanted }).await;
    let is_wanted = purpose == Purpose::Exchange || answered.await.unwrap_or(false);
    let second = match purpose {
        _ if is_wanted => None,
        Purpose::Introduction => {
            // Who wants more of us has a log to offer.
            let second = timeout(INTRODUCTION_TIME, next_frame(&mut line)).await;
            let Some(second) = second.unwrap_or(Ok(None))? else { return Ok(()) };
            Some(second)
        }
        Purpose::Exchange | Purpose::Answer => {
            // Who only wanted to be introduced says nothing more; everybody else has a log to offer.
            let second = timeout(HELLO_TIME_OUT, next_frame(&mut line)).await;
            let Some(second) = second.map_err(|_elapsed| LinkEnd::Silent)?? else { return Ok(()) };
            Some(second)
        }
    };
    let _open = peer.links().open_over_mesh(remote.community).ok_or(LinkEnd::Busy)?;
    tracing::info!(community = %remote.community, "stream open over the mesh");
    Ok(Box::pin(exchange(peer, &remote, line, second)).await?)
}

async fn exchange(
    peer: &Peer,
    remote: &Remote,
    FrameStream { incoming, outgoing }: FrameStream,
    second: Option<v1::Frame>,
) -> Result<(), StreamEnd> {
    let (out, mut frames) = mpsc::channel(OUT_FRAMES);
    let sending = async move {
        while let Some(frame) = frames.recv().await {
            if outgoing.send(encode_frame(&frame)).await.is_err() {
                return;
            }
        }
    };
    let second = tokio_stream::iter(second.map(Ok));
    let rest = ReceiverStream::new(incoming).map(|it| match it {
        Ok(bytes) => frame_in(&bytes),
        Err(fault) => Err(Status::unavailable(format!("{}: {fault}", fault.reason()))),
    });
    tokio::select! {
        biased;
        ended = stream::run(peer, remote, second.chain(rest), out) => ended,
        () = sending => Err(StreamEnd::Finished),
    }
}

async fn next_frame(line: &mut FrameStream) -> Result<Option<v1::Frame>, LinkEnd> {
    let bytes = line.incoming.recv().await.transpose()?;
    let frame = bytes.map(|it| frame_in(&it)).transpose();
    Ok(frame.map_err(StreamEnd::Connection)?)
}

fn frame_in(bytes: &[u8]) -> Result<v1::Frame, Status> {
    decode_frame(bytes).map_err(|error| Status::invalid_argument(error.to_string()))
}
