//! What every store must do, as functions over [`store::Store`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test crate: a panic is the failure report"
)]

mod accepting;
mod appending;
mod author;
mod claims;
mod copying;
mod durability;
mod eras;
mod erasing;
mod forks;
mod guards;
mod receipts;
mod regions;
mod register;
mod settling;
mod witnesses;
mod world;
