//! The ballot box, from outside: what it takes, what it refuses, what it lets out.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test crate: a panic is the failure report"
)]

mod casting;
mod closing;
mod copying;
mod people;
mod privacy;
mod receipts;
mod rolls;
mod world;
