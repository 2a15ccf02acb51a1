//! The protocols that a node speaks, and their settings.

use std::{num::NonZeroUsize, time::Duration};

use libp2p::{
    PeerId, StreamProtocol, autonat, connection_limits, dcutr, gossipsub, identify,
    identity::Keypair,
    kad, mdns, ping, relay,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
};
use sha2::{Digest as _, Sha256};

use crate::{
    config::MeshConfig,
    dial_backs::DialBacks,
    gate::Gate,
    limits::{Limits, MAX_DOORBELL_BYTES, RelayLimits},
    members::Members,
    table::Table,
};

/// The protocol of streams between nodes.
pub(crate) const REPLICATION: StreamProtocol = StreamProtocol::new("/folkmoot/replication/1");
/// Gossip as a whole: subscriptions and control messages beside doorbells.
const MAX_GOSSIP_BYTES: usize = 64 * 1024;
/// What gossip puts around a doorbell: its topic, and a few bytes of protobuf.
const ENVELOPE_BYTES: usize = 512;
/// Doorbells that wait to be sent to one node; a node that does not take them loses hints, nothing else.
const WAITING_DOORBELLS: usize = 64;
/// A doorbell that comes again within this time is the same one.
const DOORBELL_MEMORY: Duration = Duration::from_secs(60);

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    limits: connection_limits::Behaviour,
    pub(crate) identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) table: Table,
    pub(crate) gossip:
        gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>,
    pub(crate) streams: libp2p_stream::Behaviour,
    circuits: relay::client::Behaviour,
    relay: Toggle<relay::Behaviour>,
    dcutr: dcutr::Behaviour,
    autonat: autonat::v2::client::Behaviour,
    dial_backs: Toggle<DialBacks>,
    mdns: Toggle<mdns::tokio::Behaviour>,
}

/// Why the protocols cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("the protocol names are not allowed: {0}")]
    Name(String),
    #[error("the gossip settings are not allowed: {0}")]
    Gossip(String),
    #[error("the local network cannot be searched")]
    Mdns(#[from] std::io::Error),
}

/// The topic of a region's doorbells.
pub(crate) fn topic(config: &MeshConfig) -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new(format!("folkmoot/{}/{}/heads/1", config.network, config.region))
}

impl Behaviour {
    pub(crate) fn new(
        pair: &Keypair,
        config: &MeshConfig,
        members: &Members,
        circuits: relay::client::Behaviour,
    ) -> Result<Self, SetupError> {
        let me = pair.public().to_peer_id();
        let mdns = config.mdns.then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), me));
        Ok(Self {
            gate: Gate::new(members.clone(), &config.limits),
            limits: connection_limits::Behaviour::new(connection_limits_of(&config.limits)),
            identify: identify::Behaviour::new(identify_config(pair, config)),
            ping: ping::Behaviour::default(),
            table: Table::new(kademlia(me, config)?),
            gossip: gossip(config)?,
            streams: libp2p_stream::Behaviour::new(),
            circuits,
            relay: config
                .relay
                .then(|| relay::Behaviour::new(me, relay_config(&config.limits.relay, members)))
                .map(|mut it| {
                    it.set_status(Some(relay::Status::Enable));
                    it
                })
                .into(),
            dcutr: dcutr::Behaviour::new(me),
            autonat: autonat::v2::client::Behaviour::default(),
            dial_backs: config.relay.then(|| DialBacks::new(members.clone())).into(),
            mdns: mdns.transpose()?.into(),
        })
    }
}

fn connection_limits_of(limits: &Limits) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.max_pending))
        .with_max_pending_outgoing(Some(limits.max_pending))
        .with_max_established(Some(limits.max_connections))
        .with_max_established_per_peer(Some(limits.max_connections_per_key))
}

fn identify_config(pair: &Keypair, config: &MeshConfig) -> identify::Config {
    identify::Config::new(format!("/folkmoot/{}/1", config.network), pair.public())
        .with_agent_version(concat!("folkmoot ", env!("CARGO_PKG_VERSION")).to_owned())
        .with_push_listen_addr_updates(true)
        .with_cache_size(0)
}

/// Only members enter the table, by hand; nobody stores anything here.
fn kademlia(
    me: PeerId,
    config: &MeshConfig,
) -> Result<kad::Behaviour<kad::store::MemoryStore>, SetupError> {
    let name = format!("/folkmoot/{}/kad/1", config.network);
    let name = StreamProtocol::try_from_owned(name);
    let name = name.map_err(|error| SetupError::Name(error.to_string()))?;
    let mut settings = kad::Config::new(name);
    settings
        .set_kbucket_inserts(kad::BucketInserts::Manual)
        .set_record_filtering(kad::StoreInserts::FilterBoth)
        .set_replication_interval(None)
        .set_publication_interval(None)
        .set_provider_publication_interval(None)
        .set_periodic_bootstrap_interval(None)
        .set_query_timeout(Duration::from_secs(20));
    let nothing = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: 0,
        ..kad::store::MemoryStoreConfig::default()
    };
    let store = kad::store::MemoryStore::with_config(me, nothing);
    let mut kad = kad::Behaviour::with_config(me, store, settings);
    kad.set_mode(Some(kad::Mode::Server));
    Ok(kad)
}

/// Doorbells carry their author's signature inside; gossip adds none, and names nobody.
fn gossip(
    config: &MeshConfig,
) -> Result<
    gossipsub::Behaviour<gossipsub::IdentityTransform, gossipsub::WhitelistSubscriptionFilter>,
    SetupError,
> {
    let topic = topic(config).hash();
    let settings = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| Sha256::digest(&message.data).to_vec().into())
        .max_transmit_size(MAX_GOSSIP_BYTES)
        .max_transmit_size_for_topic(MAX_DOORBELL_BYTES + ENVELOPE_BYTES, topic.clone())
        .duplicate_cache_time(DOORBELL_MEMORY)
        .connection_handler_queue_len(WAITING_DOORBELLS)
        .max_ihave_messages_heartbeat(NonZeroUsize::MIN.get() * 10)
        .flood_publish(false)
        .build()
        .map_err(|error| SetupError::Gossip(error.to_string()))?;
    let filter = gossipsub::WhitelistSubscriptionFilter([topic].into());
    gossipsub::Behaviour::new_with_subscription_filter(
        gossipsub::MessageAuthenticity::Anonymous,
        settings,
        filter,
    )
    .map_err(|error| SetupError::Gossip(error.to_owned()))
}

/// Relays for members alone: who is none gets neither a reservation nor a circuit.
fn relay_config(limits: &RelayLimits, members: &Members) -> relay::Config {
    let (reserve, connect) = (members.clone(), members.clone());
    let mut config = relay::Config {
        max_reservations: limits.max_reservations,
        max_reservations_per_peer: 1,
        max_circuits: limits.max_circuits,
        // libp2p refuses a circuit if there are more than so many already.
        max_circuits_per_peer: limits.max_circuits_per_key.saturating_sub(1),
        max_circuit_duration: limits.max_circuit_time,
        max_circuit_bytes: limits.max_circuit_bytes,
        ..relay::Config::default()
    };
    config
        .reservation_rate_limiters
        .push(Box::new(move |peer, _: &libp2p::Multiaddr, _| reserve.contain(&peer)));
    config
        .circuit_src_rate_limiters
        .push(Box::new(move |peer, _: &libp2p::Multiaddr, _| connect.contain(&peer)));
    config
}
