//! Visiting a process of another region: dialled without a key of our own, asked who it is, and left if it is somebody else.

use std::time::Duration;

use proto::v1::{GetIdentityRequest, log_service_client::LogServiceClient};
use record::{
    CommunityId, Header,
    identity::{Identity, IdentityBundle},
    limits::MAX_GRPC_MESSAGE_BYTES,
};
use tokio::time::timeout;
use tonic::transport::Channel;
use transport::{DialLimits, Dialled, Expect, dial_anonymous};

/// For the answer to who it is.
const ANSWER_TIME_OUT: Duration = Duration::from_secs(10);

/// Why a visit came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] transport::DialError),
    /// It does not say who it is.
    #[error("{address} did not say who it is: {what}")]
    NoIdentity {
        /// Who was asked.
        address: String,
        /// What came instead.
        what: String,
    },
    /// Somebody else answered, or somebody with another key than its identity names.
    #[error(
        "{found} answered at {address}, where {expected} was expected with the key of its identity"
    )]
    SomebodyElse {
        /// Who was asked.
        address: String,
        /// Who was meant.
        expected: CommunityId,
        /// Who it says it is.
        found: CommunityId,
    },
}

/// Dials `host:port` and asks who is there. The connection is given out only if it is this community, under the transport
/// key of its identity; it takes itself up again with the same key only.
///
/// # Errors
///
/// [`VisitError`]; nothing but its identity was asked of it then.
pub async fn visit(address: &str, expected: CommunityId) -> Result<Channel, VisitError> {
    let told = |what: String| VisitError::NoIdentity { address: address.to_owned(), what };
    let Dialled { channel, server_key } =
        dial_anonymous(address, Expect::AnyEd25519, DialLimits::default()).await?;
    let mut client =
        LogServiceClient::new(channel.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let asking = client.get_identity(GetIdentityRequest { community: Vec::new() });
    let late = |_elapsed| told("it did not answer in time".to_owned());
    let answer = timeout(ANSWER_TIME_OUT, asking).await.map_err(late)?;
    let answer = answer.map_err(|status| told(status.message().to_owned()))?;
    let identity = identity_shown(&answer.into_inner().identity).map_err(told)?;
    let found = identity.community();
    if found != expected || *identity.keys().transport().as_bytes() != server_key.0 {
        return Err(VisitError::SomebodyElse { address: address.to_owned(), expected, found });
    }
    Ok(channel)
}

/// The identity in a bundle that holds by itself.
///
/// # Errors
///
/// What is wrong with it.
pub fn identity_shown(bytes: &[u8]) -> Result<Identity, String> {
    let bundle = IdentityBundle::decode(bytes).map_err(|error| error.to_string())?;
    let genesis = bundle.records.first().ok_or("it is empty")?;
    let network = Header::decode(&genesis.header).map_err(|error| error.to_string())?.network;
    let verified = bundle.verify(None, &network, None).map_err(|error| error.to_string())?;
    Ok(verified.identity)
}
