//! What the three kinds of server differ in: where connections come from, and what must happen
//! before one may speak HTTP.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    key::key_of_certificate,
    serve::{Peer, RemoteAddr},
};

/// The length of HTTP/2's opening, `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n` (RFC 9113, section 3.4). An
/// HTTP/1.1 request is longer too, because it must name its host.
const GREETING_BYTES: usize = 24;

/// Where connections come from. `accept` may be dropped and called again; none is lost.
pub(crate) trait Listen: Send {
    type Raw: Send + 'static;

    fn accept(
        &self,
    ) -> impl Future<Output = io::Result<(Self::Raw, Option<RemoteAddr>)>> + Send + '_;
}

impl Listen for TcpListener {
    type Raw = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<RemoteAddr>)> {
        let (stream, from): (TcpStream, SocketAddr) = Self::accept(self).await?;
        // Fails only on a socket that is already closed, which reading then tells.
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(RemoteAddr(from))))
    }
}

impl Listen for UnixListener {
    type Raw = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<RemoteAddr>)> {
        let (stream, _) = Self::accept(self).await?;
        Ok((stream, None))
    }
}

/// What happens before HTTP.
pub(crate) trait Secure<Raw>: Clone + Send + Sync + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn secure(&self, raw: Raw) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Secure<TcpStream> for TlsAcceptor {
    type Stream = TlsStream<TcpStream>;

    async fn secure(&self, raw: TcpStream) -> io::Result<(Self::Stream, Peer)> {
        let stream = self.accept(raw).await?;
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let key = certificate.map(key_of_certificate).transpose().map_err(io::Error::other)?;
        Ok((stream, Peer(key)))
    }
}

/// Nothing happens: the listener itself is the boundary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plain;

impl<Raw: AsyncRead + AsyncWrite + Unpin + Send + 'static> Secure<Raw> for Plain {
    type Stream = Raw;

    async fn secure(&self, raw: Raw) -> io::Result<(Raw, Peer)> {
        Ok((raw, Peer(None)))
    }
}

/// Whether a connection has said which HTTP it speaks. hyper waits for that without a time-out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Greeting(Arc<AtomicUsize>);

impl Greeting {
    pub(crate) fn was_heard(&self) -> bool {
        GREETING_BYTES <= self.0.load(Ordering::Relaxed)
    }

    /// The stream, counting what is read from it until the greeting is complete.
    pub(crate) fn listen_on<S>(&self, stream: S) -> Heard<S> {
        Heard { stream, greeting: self.clone() }
    }
}

/// A stream whose first bytes are counted.
#[derive(Debug)]
pub(crate) struct Heard<S> {
    stream: S,
    greeting: Greeting,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !self.greeting.was_heard() {
            let n_read = buffer.filled().len().saturating_sub(before);
            self.greeting.0.fetch_add(n_read, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
