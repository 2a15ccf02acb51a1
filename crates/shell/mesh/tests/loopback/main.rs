//! Meshes of real libp2p on the loopback of this machine.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test file: a panic is the failure report"
)]

mod doorbells;
mod finding;
mod lan;
mod relaying;
mod streams;
mod support;
