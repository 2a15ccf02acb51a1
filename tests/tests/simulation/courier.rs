//! Streams between hosts: calls to addresses, answers, and the couriers that carry their frames.

use std::sync::Arc;

use mesh::{FrameStream, StreamFault};
use peer::{
    Peer,
    machine::{Caller, Calling, Frames, Line},
};
use proto::{
    replication::{decode_frame, encode_frame},
    v1::{Frame, Offered, frame::Step},
};
use tokio::{
    sync::mpsc,
    time::{Duration, sleep},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::Status;
use transport::{DialError, PeerKey, TransportKey};

use crate::net::{Net, No};

/// Frames that wait for a courier, and to be taken from it.
const WAITING_FRAMES: usize = 8;
/// How long somebody who does not answer is called.
const CALL_TIME: Duration = Duration::from_secs(3);

/// What a courier carries.
#[derive(Debug)]
pub(crate) enum Parcel {
    Frame(Vec<u8>),
    End(Status),
}

impl Parcel {
    /// Whether it says that everything has been offered.
    pub(crate) fn is_offered(&self) -> bool {
        let offered = Frame { step: Some(Step::Offered(Offered {})) };
        matches!(self, Self::Frame(bytes) if *bytes == encode_frame(&offered))
    }

    fn of_frame(frame: Frame) -> Self {
        Self::Frame(encode_frame(&frame))
    }

    fn into_frame(self) -> Result<Frame, Status> {
        match self {
            Self::Frame(bytes) => {
                decode_frame(&bytes).map_err(|error| Status::invalid_argument(error.to_string()))
            }
            Self::End(status) => Err(status),
        }
    }

    fn into_bytes(self) -> Result<Vec<u8>, StreamFault> {
        match self {
            Self::Frame(bytes) => Ok(bytes),
            Self::End(status) => Err(StreamFault::Connection(status.message().to_owned())),
        }
    }
}

/// One way of a stream.
#[derive(Debug, Clone, Copy)]
struct Way {
    talk: u64,
    from: No,
    to: No,
}

/// Carries frames one way until either end is done, or the connection breaks.
async fn carry<S, K>(
    net: Net,
    way: Way,
    (mut source, pack): (mpsc::Receiver<S>, fn(S) -> Parcel),
    (sink, unpack): (mpsc::Sender<K>, fn(Parcel) -> K),
) {
    let Way { talk, from, to } = way;
    if let Some(cut) = net.cut_of(talk) {
        let carrying = async {
            loop {
                let parcel = tokio::select! {
                    biased;
                    () = sink.closed() => return,
                    parcel = source.recv() => match parcel {
                        Some(parcel) => pack(parcel),
                        None => return,
                    },
                };
                sleep(net.take(talk, from, to)).await;
                net.until_open(from, to).await;
                let Some(parcel) = net.deliver(talk, (from, to), parcel) else { continue };
                if sink.send(unpack(parcel)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = cut.wait() => {
                let end = Parcel::End(Status::unavailable("the connection broke"));
                // Whoever takes nothing sees it end.
                let _ = sink.try_send(unpack(end));
            }
            () = carrying => {}
        }
    }
    net.end_courier(talk);
}

/// Calls hosts by their addresses.
#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) net: Net,
    pub(crate) own: No,
}

impl Caller for Phone {
    fn call<'a>(&'a self, own: &'a TransportKey, address: &'a str) -> Calling<'a> {
        let (net, from, own) = (self.net.clone(), self.own, own.public());
        Box::pin(async move {
            let found = net.lock().reach(from, |it| it.address == address);
            let Some((to, up)) = found else {
                sleep(CALL_TIME).await;
                return Err(DialError::Timeout { addr: address.to_owned(), after: CALL_TIME });
            };
            let pause = net.lock().delay(from, to);
            sleep(pause * 2).await;
            let server_key = PeerKey(net.lock().stations[to].key.0);
            let exchange = move |frames: ReceiverStream<Frame>| -> peer::machine::Opening {
                Box::pin(async move { Ok(exchange(&net, (from, own), (to, up.peer), frames)) })
            };
            Ok(Line { server_key, exchange: Box::new(exchange) })
        })
    }
}

/// Opens a stream from one host to another, where it is answered.
fn exchange(
    net: &Net,
    (from, key): (No, PeerKey),
    (to, callee): (No, Peer),
    frames: ReceiverStream<Frame>,
) -> Frames {
    let talk = net.begin_talk((from, to), false);
    let (asked, requests) = mpsc::channel(WAITING_FRAMES);
    let (answer, answered) = mpsc::channel(WAITING_FRAMES);
    let (told, answers) = mpsc::channel(WAITING_FRAMES);
    let there = (frames.into_inner(), Parcel::of_frame as fn(Frame) -> Parcel);
    let back = (answered, (|it| it) as fn(Parcel) -> Parcel);
    let unpack: fn(Parcel) -> Result<Frame, Status> = Parcel::into_frame;
    tokio::spawn(carry(net.clone(), Way { talk, from, to }, there, (asked, unpack)));
    tokio::spawn(carry(net.clone(), Way { talk, from: to, to: from }, back, (told, unpack)));
    tokio::spawn(respond(callee, key, ReceiverStream::new(requests), answer));
    Box::pin(ReceiverStream::new(answers))
}

/// Has a host answer a stream, for as long as the answers are taken.
async fn respond(
    callee: Peer,
    key: PeerKey,
    requests: ReceiverStream<Result<Frame, Status>>,
    answer: mpsc::Sender<Parcel>,
) {
    let mut frames = match callee.answer(key, requests).await {
        Ok(frames) => frames,
        Err(status) => {
            let _ = answer.send(Parcel::End(status)).await;
            return;
        }
    };
    drop(callee);
    loop {
        let parcel = tokio::select! {
            biased;
            () = answer.closed() => return,
            frame = frames.next() => match frame {
                Some(Ok(frame)) => Parcel::of_frame(frame),
                Some(Err(status)) => Parcel::End(status),
                None => return,
            },
        };
        if answer.send(parcel).await.is_err() {
            return;
        }
    }
}

/// Both ends of a stream over the mesh.
pub(crate) fn open_over_mesh(net: &Net, from: No, to: No) -> (FrameStream, FrameStream) {
    let talk = net.begin_talk((from, to), true);
    let one_way = |from, to| {
        let (outgoing, taken) = mpsc::channel(WAITING_FRAMES);
        let (told, incoming) = mpsc::channel(WAITING_FRAMES);
        let source = (taken, Parcel::Frame as fn(Vec<u8>) -> Parcel);
        let unpack: fn(Parcel) -> Result<Vec<u8>, StreamFault> = Parcel::into_bytes;
        tokio::spawn(carry(net.clone(), Way { talk, from, to }, source, (told, unpack)));
        (outgoing, incoming)
    };
    let (outgoing, far_incoming) = one_way(from, to);
    let (far_outgoing, incoming) = one_way(to, from);
    let far = FrameStream { incoming: far_incoming, outgoing: far_outgoing };
    (FrameStream { incoming, outgoing }, far)
}

/// The machine's caller of a host.
pub(crate) fn phone(net: &Net, own: No) -> Arc<dyn Caller> {
    Arc::new(Phone { net: net.clone(), own })
}
