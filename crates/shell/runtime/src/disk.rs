//! How much room there is on a disk.

use std::{io, path::Path};

/// Bytes that this process may still write on the file system of a file or folder.
///
/// # Errors
///
/// The system's, if there is nothing at the path.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_of_what_is_there_and_of_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let free = free_bytes(folder.path()).expect("it is there");
        assert!(0 < free && free < 1 << 60, "{free}");
        assert!(free_bytes(&folder.path().join("missing")).is_err());
    }
}
