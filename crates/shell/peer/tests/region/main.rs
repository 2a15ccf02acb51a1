//! Real peers in one process, over TLS on loopback ports.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test crate: a panic is the failure report"
)]

mod batches;
mod cold;
mod doorbells;
mod forks;
mod hellos;
mod keys;
mod limits;
mod meshes;
mod orders;
mod pages;
mod quotas;
mod regions;
mod restores;
mod travel;
mod witness;
mod world;
