//! The suite of the store once more, over a store that waits in turn, on files in memory: what simulations run on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test crate: a panic is the failure report"
)]

#[path = "suite/accepting.rs"]
mod accepting;
#[path = "suite/appending.rs"]
mod appending;
#[path = "suite/author.rs"]
mod author;
#[path = "suite/carried.rs"]
mod carried;
#[path = "suite/durability.rs"]
mod durability;
#[path = "suite/epochs.rs"]
mod epochs;
#[path = "suite/eras.rs"]
mod eras;
#[path = "suite/erasing.rs"]
mod erasing;
#[path = "suite/forks.rs"]
mod forks;
#[path = "suite/guards.rs"]
mod guards;
#[path = "suite/receipts.rs"]
mod receipts;
#[path = "suite/regions.rs"]
mod regions;
#[path = "suite/register.rs"]
mod register;
#[path = "suite/settling.rs"]
mod settling;
#[path = "suite/witnesses.rs"]
mod witnesses;
#[path = "suite/world.rs"]
mod world;

use std::path::Path;

use store::Waits;
use tempfile::TempDir;

/// How stores here wait for SQLite.
pub(crate) const WAITS: Waits = Waits::InTurn;

/// A folder for a file: in memory, where the system has such a place.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}
