//! libp2p: finding nodes, doorbells, relays, and streams between nodes.
//!
//! ```text
//!            Command                        libp2p
//!   Mesh ───────────────▶ ┌────────┐  ◀── TCP (noise, yamux), QUIC, circuits
//!                         │ driver │  ◀── kademlia, mDNS, identify: who is where
//!   Events ◀───────────── └────────┘  ◀── gossip: doorbells
//!            Event             └────────▶ FrameStream: frames with their length before them
//! ```
//!
//! A node is known by its *transport key*, which is also its libp2p key, so no second identity exists. A key is a
//! **stranger** until [`Mesh::admit`] names it: a stranger may connect for a while, ask where others are, and open one
//! stream to say who it is; its doorbells are not passed on, nothing is relayed for it, and nobody is told where it is.
//!
//! A doorbell is never the truth: it says that there may be something to pull. What it holds, whether its signature is
//! good and which keys belong to the region is for whoever holds the [`Mesh`]; this crate knows neither records nor
//! regions.
//!
//! [`seam`] gives a [`Mesh`] whose far end is held by the caller, so that a network in memory can stand in place of
//! libp2p. It is the only crate that knows libp2p.

mod address;
mod behaviour;
mod book;
mod config;
mod dial_backs;
mod doorbell;
mod driver;
mod frames;
mod gate;
mod key;
mod limits;
mod members;
mod seam;
mod swarm;
mod table;
mod wire;

pub use address::{Address, AddressError};
pub use config::{MeshConfig, RegionKey, RegionKeyError};
pub use frames::{FrameStream, StreamFault, frame_pair};
pub use key::NodeKey;
pub use limits::{
    DIAL_BACK_SPAN, Limits, MAX_DIAL_BACKS, MAX_DIAL_BACKS_OF_ALL, MAX_DOORBELL_BYTES, RelayLimits,
};
pub use seam::{Command, Event, Mesh, OpenError, Rung, Switchboard, Ticket, Verdict, seam};
pub use swarm::{MeshError, start};
