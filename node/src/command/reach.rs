//! Reaching the node that runs on a data folder, over its socket.

use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use peer::DataFolder;
use proto::clerk::clerk_service_client::ClerkServiceClient;
use runtime::exit::Exit;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use super::failure::CommandError;
use crate::clerk::MAX_CLERK_MESSAGE_BYTES;

/// A client of the clerk's API.
pub(super) type Client = ClerkServiceClient<Channel>;

/// Connects to the node that runs on this folder.
pub(super) async fn reach(dir: &Path) -> Result<Client, CommandError> {
    let folder = DataFolder::at(dir);
    folder.community()?;
    let socket = folder.clerk_socket();
    if let Err(error) = UnixStream::connect(&socket).await {
        return Err(not_running(dir, &error));
    }
    // The address is never looked up: the connector takes the socket whatever it says.
    let endpoint = Endpoint::from_static("http://clerk.invalid");
    let connector = tower::service_fn(move |_| connect(socket.clone()));
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| CommandError::caused_by(Exit::Unavailable, "node.unreachable", &error))?;
    Ok(ClerkServiceClient::new(channel)
        .max_decoding_message_size(MAX_CLERK_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_CLERK_MESSAGE_BYTES))
}

async fn connect(socket: PathBuf) -> std::io::Result<TokioIo<UnixStream>> {
    UnixStream::connect(socket).await.map(TokioIo::new)
}

fn not_running(dir: &Path, error: &std::io::Error) -> CommandError {
    let dir = dir.display();
    if error.kind() == std::io::ErrorKind::PermissionDenied {
        let sentence = format!(
            "The node on {dir} serves its owner only. Run this command as the user that runs the node."
        );
        return CommandError::failed("node.not_owner", sentence);
    }
    let sentence = format!(
        "No node is running on {dir}, so nothing was done. Start it with `folkmoot-node run --dir {dir}` and try again."
    );
    CommandError::new(Exit::Unavailable, "node.not_running", sentence)
}
