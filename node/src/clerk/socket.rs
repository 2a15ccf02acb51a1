//! The clerk's socket: in the data folder, for its owner alone.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::PathBuf};

use peer::DataFolder;
use tokio::net::UnixListener;

/// Read and write for the node's own user, nothing for anybody else.
const OWNER_ONLY: u32 = 0o600;

/// The bound socket. Its file goes when the value is dropped.
#[derive(Debug)]
pub struct ClerkSocket {
    path: PathBuf,
}

impl ClerkSocket {
    /// Binds the socket of a folder that this process holds.
    ///
    /// The folder is readable to its owner only, so nobody else can connect in the moment before the socket's own mode
    /// is set. A socket that a killed process left is removed: whoever holds the folder's lock is its only owner.
    ///
    /// # Errors
    ///
    /// The system's; a path of more than about 100 bytes is too long for a socket.
    pub fn bind(folder: &DataFolder) -> io::Result<(Self, UnixListener)> {
        let path = folder.clerk_socket();
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ONLY))?;
        Ok((Self { path }, listener))
    }
}

impl Drop for ClerkSocket {
    fn drop(&mut self) {
        // A socket left over is removed at the next start.
        let _ = fs::remove_file(&self.path);
    }
}
