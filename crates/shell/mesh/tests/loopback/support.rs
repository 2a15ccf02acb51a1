//! Nodes on the loopback.

use std::{future::Future, time::Duration};

use ed25519_dalek::SigningKey;
use mesh::{Address, Event, Mesh, MeshConfig, NodeKey, start};
use tokio::{sync::mpsc, time::timeout};
use zeroize::Zeroizing;

/// What takes longer does not happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest frame in these tests.
pub(crate) const MAX_FRAME_BYTES: usize = 64 * 1024;

/// TCP on a free port.
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";
/// QUIC on a free port.
pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A node and its events.
pub(crate) struct Node {
    pub(crate) mesh: Mesh,
    pub(crate) key: NodeKey,
    events: mpsc::Receiver<Event>,
    seen: Vec<Event>,
}

/// The key of the node with this number.
pub(crate) fn key(number: u8) -> NodeKey {
    NodeKey(SigningKey::from_bytes(&[number; 32]).verifying_key().to_bytes())
}

/// A configuration that listens on one address.
pub(crate) fn config(listen: &str) -> MeshConfig {
    let mut config = MeshConfig::new("test.folkmoot.example", "fmg1test", MAX_FRAME_BYTES);
    config.listen = vec![listen.parse().unwrap()];
    config
}

/// A configuration that looks for others at one node.
pub(crate) fn config_at(listen: &str, other: &Node) -> MeshConfig {
    MeshConfig { peers: other.mesh.listening(), ..config(listen) }
}

impl Node {
    /// Starts the node with this number, to which those with the other numbers are members.
    pub(crate) async fn start(number: u8, config: MeshConfig, members: &[u8]) -> Self {
        let (mesh, events) = start(config, &Zeroizing::new([number; 32])).await.unwrap();
        for member in members {
            mesh.admit(key(*member)).await;
        }
        Self { mesh, key: key(number), events, seen: Vec::new() }
    }

    /// Where it listens, with its key.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.mesh.listening().into_iter().map(|it| it.of_node(self.key)).collect()
    }

    /// The first event, past or future, of which this makes something; it is used up.
    pub(crate) async fn wait_for<T>(
        &mut self,
        mut pick: impl FnMut(&mut Option<Event>) -> Option<T>,
    ) -> T {
        let mut seen = std::mem::take(&mut self.seen);
        let mut found = None;
        seen.retain_mut(|event| {
            if found.is_some() {
                return true;
            }
            let mut taken = Some(std::mem::replace(event, Event::Disconnected(key(0))));
            found = pick(&mut taken);
            if let Some(back) = taken {
                *event = back;
                return true;
            }
            false
        });
        self.seen = seen;
        if let Some(found) = found {
            return found;
        }
        let next = async {
            loop {
                let mut event = Some(self.events.recv().await.expect("the mesh runs"));
                if let Some(found) = pick(&mut event) {
                    return found;
                }
                self.seen.extend(event);
            }
        };
        timeout(PATIENCE, next).await.expect("an event that was waited for")
    }

    /// Waits until this key is connected.
    pub(crate) async fn connected_to(&mut self, other: NodeKey) {
        self.wait_for(|it| {
            it.take_if(|it| matches!(it, Event::Connected(key) if *key == other)).map(drop)
        })
        .await;
    }

    /// Waits until this key is no longer connected.
    pub(crate) async fn parted_from(&mut self, other: NodeKey) {
        self.wait_for(|it| {
            it.take_if(|it| matches!(it, Event::Disconnected(key) if *key == other)).map(drop)
        })
        .await;
    }

    /// The next stream that another node opens.
    pub(crate) async fn opened(&mut self) -> (NodeKey, mesh::FrameStream) {
        self.wait_for(|it| {
            let opened = it.take_if(|it| matches!(it, Event::Opened(..)))?;
            if let Event::Opened(key, stream) = opened { Some((key, stream)) } else { None }
        })
        .await
    }

    /// The next doorbell.
    pub(crate) async fn rung(&mut self) -> mesh::Rung {
        self.wait_for(|it| {
            let rung = it.take_if(|it| matches!(it, Event::Rung(_)))?;
            if let Event::Rung(rung) = rung { Some(rung) } else { None }
        })
        .await
    }
}

/// What is not done in time does not come.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("what was waited for")
}

/// Whether nothing of it comes while something else, which takes its time, is done.
pub(crate) async fn first_of<T, U>(
    other: impl Future<Output = U>,
    unwanted: impl Future<Output = T>,
) -> U {
    tokio::select! {
        done = other => done,
        _ = unwanted => panic!("what must not come came"),
    }
}
