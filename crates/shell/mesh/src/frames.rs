//! A stream of frames: four bytes of length, the most significant first, and so many bytes, over and over.
//!
//! Not here: what a frame says.

use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::{sync::mpsc, time::timeout};

use crate::limits::WAITING_FRAMES;

/// A stream to another node. It ends when both halves are dropped.
#[derive(Debug)]
pub struct FrameStream {
    /// What comes in, in order; a fault is the last.
    pub incoming: mpsc::Receiver<Result<Vec<u8>, StreamFault>>,
    /// Takes what goes out; closed once the other side takes nothing more.
    pub outgoing: mpsc::Sender<Vec<u8>>,
}

/// Why a stream was cut off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// A frame is longer than allowed.
    #[error("the other side sent a frame of {found} bytes; {most} is the most")]
    TooLarge {
        /// Its bytes.
        found: u32,
        /// The most.
        most: usize,
    },
    /// A frame was on its way for too long.
    #[error("one frame was on its way for more than {} s", .0.as_secs())]
    Slow(Duration),
}

impl StreamFault {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Connection(_) => "mesh.connection",
            Self::TooLarge { .. } => "mesh.frame_too_large",
            Self::Slow(_) => "mesh.slow",
        }
    }
}

/// Two ends of a stream in memory.
#[must_use]
pub fn frame_pair() -> (FrameStream, FrameStream) {
    let ((near, in_near), (far, in_far)) = (ends(), ends());
    tokio::spawn(pass_on(in_near.outgoing, in_far.incoming));
    tokio::spawn(pass_on(in_far.outgoing, in_near.incoming));
    (near, far)
}

async fn pass_on(
    mut from: mpsc::Receiver<Vec<u8>>,
    to: mpsc::Sender<Result<Vec<u8>, StreamFault>>,
) {
    loop {
        let frame = tokio::select! {
            frame = from.recv() => frame,
            () = to.closed() => None,
        };
        let Some(frame) = frame else { return };
        if to.send(Ok(frame)).await.is_err() {
            return;
        }
    }
}

/// The inner halves of a stream.
pub(crate) struct Inner {
    pub(crate) incoming: mpsc::Sender<Result<Vec<u8>, StreamFault>>,
    pub(crate) outgoing: mpsc::Receiver<Vec<u8>>,
}

pub(crate) fn ends() -> (FrameStream, Inner) {
    let (incoming_in, incoming) = mpsc::channel(WAITING_FRAMES);
    let (outgoing, outgoing_out) = mpsc::channel(WAITING_FRAMES);
    let inner = Inner { incoming: incoming_in, outgoing: outgoing_out };
    (FrameStream { incoming, outgoing }, inner)
}

/// What frames may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameLimits {
    pub(crate) max_bytes: usize,
    pub(crate) time: Duration,
}

/// Carries frames until both halves of the outer stream are dropped or the connection fails.
pub(crate) async fn carry(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    inner: Inner,
    limits: FrameLimits,
) {
    let Inner { incoming, mut outgoing } = inner;
    let (mut reader, mut writer) = stream.split();
    let told = incoming.downgrade();
    let taken = async move {
        let read = read_all(&mut reader, &incoming, limits);
        let fault = tokio::select! {
            ended = read => ended.err(),
            () = incoming.closed() => None,
        };
        if let Some(fault) = fault {
            // Whoever no longer listens needs no reason.
            let _ = incoming.send(Err(fault)).await;
        }
    };
    let sent = async move {
        let written = write_all(&mut writer, &mut outgoing, limits).await;
        outgoing.close();
        if let (Err(fault), Some(incoming)) = (written, told.upgrade()) {
            let _ = incoming.send(Err(fault)).await;
        }
    };
    futures::future::join(taken, sent).await;
}

async fn read_all(
    reader: &mut (impl AsyncRead + Unpin),
    incoming: &mpsc::Sender<Result<Vec<u8>, StreamFault>>,
    limits: FrameLimits,
) -> Result<(), StreamFault> {
    loop {
        let mut length = [0; 4];
        // Between two frames nothing needs to come.
        if reader.read(&mut length[..1]).await.map_err(failed)? == 0 {
            return Ok(());
        }
        let rest = async {
            reader.read_exact(&mut length[1..]).await.map_err(failed)?;
            read_frame(reader, u32::from_be_bytes(length), limits.max_bytes).await
        };
        let frame = timeout(limits.time, rest).await;
        let frame = frame.map_err(|_elapsed| StreamFault::Slow(limits.time))??;
        if incoming.send(Ok(frame)).await.is_err() {
            return Ok(());
        }
    }
}

/// Takes memory as bytes come, not as they are promised.
async fn read_frame(
    reader: &mut (impl AsyncRead + Unpin),
    length: u32,
    most: usize,
) -> Result<Vec<u8>, StreamFault> {
    let n_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if most < n_bytes {
        return Err(StreamFault::TooLarge { found: length, most });
    }
    let mut frame = Vec::new();
    reader.take(u64::from(length)).read_to_end(&mut frame).await.map_err(failed)?;
    if frame.len() < n_bytes {
        return Err(StreamFault::Connection("it ended within a frame".to_owned()));
    }
    Ok(frame)
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    outgoing: &mut mpsc::Receiver<Vec<u8>>,
    limits: FrameLimits,
) -> Result<(), StreamFault> {
    while let Some(frame) = outgoing.recv().await {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let sent = async {
            writer.write_all(&length.to_be_bytes()).await?;
            writer.write_all(&frame).await?;
            writer.flush().await
        };
        let sent = timeout(limits.time, sent).await;
        sent.map_err(|_elapsed| StreamFault::Slow(limits.time))?.map_err(failed)?;
    }
    // The other side may be gone already.
    let _ = timeout(limits.time, writer.close()).await;
    Ok(())
}

fn failed(error: std::io::Error) -> StreamFault {
    StreamFault::Connection(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FrameLimits = FrameLimits { max_bytes: 8, time: Duration::from_secs(5) };

    /// Gives nothing and takes nothing.
    struct Silent;

    impl AsyncRead for Silent {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
            _buf: &mut [u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Pending
        }
    }

    impl AsyncWrite for Silent {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
            _buf: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Pending
        }

        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Pending
        }

        fn poll_close(
            self: std::pin::Pin<&mut Self>,
            _cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    fn carried(input: &[u8]) -> futures::io::Cursor<Vec<u8>> {
        futures::io::Cursor::new(input.to_vec())
    }

    async fn read(input: &[u8]) -> Vec<Result<Vec<u8>, StreamFault>> {
        let (FrameStream { mut incoming, outgoing }, inner) = ends();
        drop(outgoing);
        let carrying = tokio::spawn(carry(carried(input), inner, LIMITS));
        let mut all = Vec::new();
        while let Some(frame) = incoming.recv().await {
            all.push(frame);
        }
        carrying.await.unwrap();
        all
    }

    #[tokio::test]
    async fn a_frame_of_the_largest_size_passes_and_one_byte_more_is_cut_off() {
        let largest = [&[0, 0, 0, 8][..], &[7; 8]].concat();
        assert_eq!(read(&largest).await, [Ok(vec![7; 8])]);
        let larger = [&[0, 0, 0, 9][..], &[7; 9]].concat();
        assert_eq!(read(&larger).await, [Err(StreamFault::TooLarge { found: 9, most: 8 })]);
    }

    #[tokio::test]
    async fn an_empty_frame_is_a_frame_and_half_a_frame_is_none() {
        assert_eq!(read(&[0, 0, 0, 0]).await, [Ok(vec![])]);
        let [Err(StreamFault::Connection(_))] = &read(&[0, 0, 0, 2, 1]).await[..] else {
            panic!("half a frame was taken")
        };
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_a_frame_in_time_is_cut_off() {
        let (FrameStream { mut incoming, outgoing }, inner) = ends();
        let carrying = tokio::spawn(carry(Silent, inner, LIMITS));
        outgoing.send(vec![1]).await.unwrap();
        assert_eq!(incoming.recv().await, Some(Err(StreamFault::Slow(LIMITS.time))));
        drop((incoming, outgoing));
        carrying.await.unwrap();
    }

    #[tokio::test]
    async fn a_pair_in_memory_carries_both_ways_until_one_end_is_dropped() {
        let (near, mut far) = frame_pair();
        near.outgoing.send(vec![1]).await.unwrap();
        assert_eq!(far.incoming.recv().await, Some(Ok(vec![1])));
        drop(near);
        assert_eq!(far.incoming.recv().await, None);
    }
}
