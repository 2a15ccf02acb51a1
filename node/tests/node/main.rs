//! The node as its operator meets it: the binary, run as processes over a data folder of its own.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test: a panic is the failure report"
)]

mod backups;
mod cases;
mod doctors;
mod founding;
mod import;
mod keys;
mod logs;
mod opportunities;
mod polls;
mod regions;
mod running;
mod world;
