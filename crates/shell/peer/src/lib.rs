//! What a node and a coordinator have in common: a data folder with keys, a charter, a log of their own, the logs of
//! others, the replication stream between them, and the public pages of a log.
//!
//! ```text
//! DataFolder + CharterFile ──▶ Peer ──▶ dialler ────┐
//!                               ├────▶ services ───┼─▶ stream (replica::Exchange over store and connection)
//!                               ├────▶ neighbours ─┘
//!                               └────▶ pages: /log/<id>/<era>/…, /healthz, /readyz, /metrics
//! ```
//!
//! Not here: what only a node does (people, ballots, the clerk) and what only a coordinator does (feeds, exports).

pub mod action;
pub mod affiliation;
pub mod charter;
pub mod command;
pub mod config;
pub mod dialler;
pub mod folder;
pub mod frames;
pub mod growth;
pub mod hello;
pub mod host;
pub mod join;
pub mod known_region;
pub mod linker;
pub mod links;
pub mod machine;
pub mod mesh_config;
pub mod neighbours;
pub mod offline;
pub mod orders;
pub mod own;
pub mod pages;
pub mod quotas;
pub mod recover;
pub mod region;
pub mod services;
pub mod settling;
pub mod silence;
pub mod stream;
pub mod visit;

mod branches;
mod cosignatures;
mod evidence;
mod heads;
mod peer;
mod seat_addresses;
mod standings;
mod witness;

pub use action::ActionFile;
pub use charter::{CharterFile, Seat};
pub use config::Config;
pub use folder::{DataFolder, Keys};
pub use host::{Host, HostError, Manner};
pub use machine::Machine;
pub use peer::{Peer, PeerError, Role, check_seat};
