//! A coordinator's feed and pages on a real store, and the whole program with a node that writes to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test file: a panic is the failure report"
)]

mod affiliation;
mod export;
mod feed;
mod neighbour_bounds;
mod neighbour_seats;
mod neighbours;
mod pages;
mod program;
mod world;
