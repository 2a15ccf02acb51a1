//! Starts a mesh: libp2p behind the seam.

use std::{io, time::Duration};

use futures::StreamExt as _;
use libp2p::{
    Swarm, TransportError,
    core::transport::ListenerId,
    relay,
    swarm::{self, SwarmEvent},
};
use tokio::{sync::mpsc, time::timeout};
use zeroize::Zeroizing;

use crate::{
    address::Address,
    behaviour::{Behaviour, SetupError, topic},
    config::MeshConfig,
    driver::{Driver, Early},
    key::key_pair,
    members::Members,
    seam::{Event, Mesh, seam},
    wire,
};

/// How long opening the ports may take.
const LISTEN_TIME: Duration = Duration::from_secs(5);

/// Why a mesh cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MeshError {
    /// The key.
    #[error("The transport key cannot be used for the mesh.")]
    Key,
    /// The protocols.
    #[error("The mesh could not be set up: {0}")]
    Setup(String),
    /// A port is taken or not ours to take, or the address is of a kind that is not compiled in.
    #[error("The mesh could not listen on {address}: {why}")]
    Listen {
        /// The address.
        address: Address,
        /// What the system said.
        why: String,
    },
}

impl From<SetupError> for MeshError {
    fn from(error: SetupError) -> Self {
        Self::Setup(error.to_string())
    }
}

/// Opens the ports and starts looking for others. The mesh runs until the last [`Mesh`] is dropped.
///
/// `seed` is that of the node's transport key.
///
/// # Errors
///
/// [`MeshError`] says what is wrong; nothing is left running.
pub async fn start(
    config: MeshConfig,
    seed: &Zeroizing<[u8; 32]>,
) -> Result<(Mesh, mpsc::Receiver<Event>), MeshError> {
    let members = Members::default();
    let mut swarm = build(&config, seed, &members)?;
    let topic = topic(&config);
    swarm
        .behaviour_mut()
        .gossip
        .subscribe(&topic)
        .map_err(|error| MeshError::Setup(error.to_string()))?;
    for address in &config.external {
        swarm.add_external_address(address.0.clone());
    }
    let (circuits, ports): (Vec<_>, Vec<_>) =
        config.listen.iter().cloned().partition(Address::is_circuit);
    let early = listen(&mut swarm, &ports).await?;
    let (mesh, events, far) = seam();
    far.listening.send_replace(swarm.listeners().cloned().map(Address).collect());
    let driver = Driver::new(swarm, config, members, far)?;
    tokio::spawn(driver.run(circuits, early));
    Ok((mesh, events))
}

fn build(
    config: &MeshConfig,
    seed: &Zeroizing<[u8; 32]>,
    members: &Members,
) -> Result<Swarm<Behaviour>, MeshError> {
    let pair = key_pair(seed).ok_or(MeshError::Key)?;
    let me = pair.public().to_peer_id();
    let (circuits, circuit_client) = relay::client::new(me);
    let wire = wire::wire(&pair, config.region_key.as_ref(), circuits)
        .map_err(|error| MeshError::Setup(error.to_string()))?;
    let behaviour = Behaviour::new(&pair, config, members, circuit_client)?;
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.limits.idle_time)
        .with_max_negotiating_inbound_streams(32);
    Ok(Swarm::new(wire, behaviour, me, settings))
}

/// Listens, and waits until every port is open; gives what else happened meanwhile.
async fn listen(swarm: &mut Swarm<Behaviour>, ports: &[Address]) -> Result<Early, MeshError> {
    let mut early = Vec::new();
    for address in ports {
        let failed = |why: String| MeshError::Listen { address: address.clone(), why };
        let id = swarm.listen_on(address.0.clone()).map_err(|error| failed(said(error)))?;
        let opened = timeout(LISTEN_TIME, opened(swarm, id, &mut early)).await;
        let opened =
            opened.map_err(|_elapsed| failed("no interface has this address".to_owned()))?;
        opened.map_err(|error| failed(error.to_string()))?;
    }
    Ok(early)
}

fn said(error: TransportError<io::Error>) -> String {
    match error {
        TransportError::MultiaddrNotSupported(_) => {
            "this program has no transport for such an address".to_owned()
        }
        TransportError::Other(error) => error.to_string(),
    }
}

async fn opened(
    swarm: &mut Swarm<Behaviour>,
    id: ListenerId,
    early: &mut Early,
) -> Result<(), io::Error> {
    loop {
        let event = swarm.select_next_some().await;
        if let SwarmEvent::ListenerClosed { listener_id, reason, .. } = event {
            if listener_id == id {
                return reason;
            }
            continue;
        }
        let is_open =
            matches!(&event, SwarmEvent::NewListenAddr { listener_id, .. } if *listener_id == id);
        early.push(event);
        if is_open {
            return Ok(());
        }
    }
}
