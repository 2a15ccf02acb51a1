//! What every store must do, as functions over [`store::Store`]; here over one whose tasks give way, on a disk.
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
mod carried;
mod claims;
mod copying;
mod durability;
mod epochs;
mod eras;
mod erasing;
mod forks;
mod guards;
mod neighbours;
mod receipts;
mod regions;
mod register;
mod settling;
mod witnesses;
mod world;

use store::Waits;
use tempfile::TempDir;

/// How stores here wait for SQLite.
pub(crate) const WAITS: Waits = Waits::GivingWay;

/// A folder for a file.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}
