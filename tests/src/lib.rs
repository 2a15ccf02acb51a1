//! Whole-system tests and what they share: the workspace's root, the folder of real data beside it, and real processes
//! with data folders, ports and a clerk.

pub mod process;
pub mod region;

use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_path_buf)
}
