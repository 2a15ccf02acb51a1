//! What carries bytes: TCP with noise and yamux, QUIC, circuits through a relay.

use std::time::Duration;

use futures::future::Either;
use libp2p::{
    PeerId, Transport as _,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    identity::Keypair,
    noise, pnet, relay, tcp, yamux,
};

use crate::config::RegionKey;

/// How long a connection may take until both sides know each other's key.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Streams on one connection at once, all protocols together.
const MAX_STREAMS_PER_CONNECTION: usize = 64;
/// Bytes of one QUIC stream that may be on the way: half of the largest frame.
#[cfg(feature = "quic")]
const QUIC_STREAM_BYTES: u32 = 1024 * 1024;
/// Bytes of one QUIC connection that may be on the way.
#[cfg(feature = "quic")]
const QUIC_CONNECTION_BYTES: u32 = 4 * 1024 * 1024;

/// What all connections go over.
pub(crate) type Wire = Boxed<(PeerId, StreamMuxerBox)>;

/// Everything that is compiled in; with a region key TCP alone, as QUIC has no place for one.
pub(crate) fn wire(
    pair: &Keypair,
    region_key: Option<&RegionKey>,
    circuits: relay::client::Transport,
) -> Result<Wire, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let region_key = region_key.map(RegionKey::pre_shared);
    let tcp = tcp.and_then(move |socket, _| async move {
        match region_key {
            Some(key) => pnet::PnetConfig::new(key).handshake(socket).await.map(Either::Left),
            None => Ok(Either::Right(socket)),
        }
    });
    let mut muxing = yamux::Config::default();
    muxing.set_max_num_streams(MAX_STREAMS_PER_CONNECTION);
    let secured = circuits
        .or_transport(tcp)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(pair)?)
        .multiplex(muxing)
        .timeout(HANDSHAKE_TIME);
    Ok(with_quic(secured, pair, region_key.is_some()))
}

#[cfg(feature = "quic")]
fn with_quic<T, M>(secured: T, pair: &Keypair, is_private: bool) -> Wire
where
    T: libp2p::Transport<Output = (PeerId, M)> + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
    M: libp2p::core::muxing::StreamMuxer + Send + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync + 'static,
{
    if is_private {
        return secured.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed();
    }
    let mut config = libp2p::quic::Config::new(pair);
    config.max_stream_data = QUIC_STREAM_BYTES;
    config.max_connection_data = QUIC_CONNECTION_BYTES;
    config.max_concurrent_stream_limit = 64;
    config.max_idle_timeout = 30 * 1_000;
    config.keep_alive_interval = Duration::from_secs(10);
    let quic = libp2p::quic::tokio::Transport::new(config);
    let either = quic.or_transport(secured);
    let boxed = either.map(|connected, _| match connected {
        Either::Left((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
        Either::Right((peer, muxer)) => (peer, StreamMuxerBox::new(muxer)),
    });
    boxed.boxed()
}

#[cfg(not(feature = "quic"))]
fn with_quic<T, M>(secured: T, _pair: &Keypair, _is_private: bool) -> Wire
where
    T: libp2p::Transport<Output = (PeerId, M)> + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
    M: libp2p::core::muxing::StreamMuxer + Send + 'static,
    M::Substream: Send + 'static,
    M::Error: Send + Sync + 'static,
{
    secured.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed()
}
