//! What the operators decided about logs, taken up by the running coordinator whenever its file changes.

use std::{convert::Infallible, time::Duration};

use peer::{DataFolder, Peer, folder::FolderError};

/// How often the file is read: it has a few lines.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Takes up the orders in a folder.
///
/// # Errors
///
/// [`FolderError`] if their file is damaged: then those that were taken up before hold.
pub(crate) fn take_up(folder: &DataFolder, peer: &Peer) -> Result<(), FolderError> {
    peer.set_orders(folder.orders()?);
    Ok(())
}

/// Takes up every change of the file. Runs until it is dropped.
pub(crate) async fn follow(folder: DataFolder, peer: Peer) -> Result<(), Infallible> {
    let mut is_told = false;
    loop {
        tokio::time::sleep(READ_EVERY).await;
        let taken = take_up(&folder, &peer);
        if let Err(error) = &taken
            && !is_told
        {
            tracing::error!(%error, "orders about logs cannot be read; those of before hold");
        }
        is_told = taken.is_err();
    }
}
