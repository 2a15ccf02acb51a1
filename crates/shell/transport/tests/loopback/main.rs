//! Real TLS and real HTTP over loopback sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test file: a panic is the failure report"
)]

mod certificates;
mod dialling;
mod impostors;
mod serving;
mod support;
