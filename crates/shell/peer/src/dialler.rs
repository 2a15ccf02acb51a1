//! Keeps a stream open to a community whose address is known.

use std::time::Duration;

use proto::v1::{self, ExchangeRequest, replication_service_client::ReplicationServiceClient};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use transport::{DialLimits, Expect, TransportKey, dial};

use crate::{
    charter::Seat,
    hello::{HelloError, hello, verify_hello},
    machine::{Caller, Calling, Frames, Line, Opening},
    peer::Peer,
    stream::{self, StreamEnd},
};

/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15);
/// How long the other side may take to answer our Hello.
const HELLO_TIME_OUT: Duration = Duration::from_secs(10);
/// Frames handed to the connection ahead of what it has sent.
const OUT_FRAMES: usize = 4;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Dial(#[from] transport::DialError),
    #[error("the other side refused the stream: {}", .0.message())]
    Refused(#[from] tonic::Status),
    #[error("the other side did not answer our Hello in time")]
    Silent,
    #[error("the other side has as many streams to here as it may have")]
    Busy,
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Ended(#[from] StreamEnd),
}

/// Dials, exchanges, and dials again. Runs until it is dropped.
///
/// # Errors
///
/// Never: what fails is noted in the peer's links and tried again.
pub async fn keep_linked(peer: Peer, seat: Seat) -> Result<(), std::convert::Infallible> {
    let Some(address) = &seat.address else {
        tracing::warn!(community = %seat.id, "the charter gives no address; waiting to be called");
        return std::future::pending().await;
    };
    let mut wait = FIRST_WAIT;
    loop {
        let began = tokio::time::Instant::now();
        let ended = link(&peer, &seat, address).await;
        let told = ended.err().map(|error| error.to_string());
        peer.links().update(seat.id, |state| {
            if state.last_error != told {
                let why = told.as_deref().unwrap_or_default();
                tracing::info!(community = %seat.id, %why, "no stream to the other side; trying again");
            }
            state.last_error = told;
        });
        // A stream that lasted ended by a stop or a bad line; one that did not will soon end again.
        if LONGEST_WAIT < began.elapsed() {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn link(peer: &Peer, seat: &Seat, address: &str) -> Result<(), LinkError> {
    let line = peer.machine().caller.call(&peer.keys().transport, address).await?;
    let (out, frames) = mpsc::channel(OUT_FRAMES);
    let ours = hello(peer).await.map_err(StreamEnd::Here)?;
    // The channel is empty: there is room.
    let _ = out.send(ours).await;
    let answered = async {
        let mut answers = (line.exchange)(ReceiverStream::new(frames)).await?;
        let first = answers.next().await.transpose()?;
        Ok::<_, tonic::Status>((answers, first))
    };
    let answered = tokio::time::timeout(HELLO_TIME_OUT, answered).await;
    let (answers, first) = answered.map_err(|_elapsed| LinkError::Silent)??;
    let remote = verify_hello(peer, first, line.server_key)?;
    if remote.community != seat.id {
        let (expected, found) = (seat.id, remote.community);
        return Err(HelloError::OtherCommunity { expected, found }.into());
    }
    tracing::info!(community = %seat.id, "stream open");
    let _open = peer.links().open(seat.id).ok_or(LinkError::Busy)?;
    Ok(stream::run(peer, &remote, answers, out).await?)
}

/// Calls over gRPC.
#[derive(Debug, Clone, Copy)]
pub struct Grpc;

impl Caller for Grpc {
    fn call<'a>(&'a self, own: &'a TransportKey, address: &'a str) -> Calling<'a> {
        Box::pin(async move {
            let dialled = dial(address, own, Expect::AnyEd25519, DialLimits::default()).await?;
            let mut client = ReplicationServiceClient::new(dialled.channel)
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES);
            let exchange = move |frames: ReceiverStream<v1::Frame>| -> Opening {
                let requests = frames.map(|frame| ExchangeRequest { frame: Some(frame) });
                Box::pin(async move {
                    let answers = client.exchange(requests).await?.into_inner();
                    let frames =
                        answers.map(|it| it.map(|answer| answer.frame.unwrap_or_default()));
                    Ok(Box::pin(frames) as Frames)
                })
            };
            Ok(Line { server_key: dialled.server_key, exchange: Box::new(exchange) })
        })
    }
}
