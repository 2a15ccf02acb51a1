//! Meeting a server: dial it, ask who it is, and go on only if it is the one that is trusted.
//!
//! The same for whoever follows a feed and for whoever reads pages over TLS. What they say of their own is a [`Manner`].

use std::time::Duration;

use peer::visit::identity_shown;
use proto::v1::{GetIdentityRequest, log_service_client::LogServiceClient};
use record::{identity::Identity, limits::MAX_GRPC_MESSAGE_BYTES};
use runtime::exit::Exit;
use tokio::time::timeout;
use tonic::{Code, Status, transport::Channel};
use transport::{DialError, DialLimits, Dialled, Expect, dial_anonymous};

use super::pin::{Because, GivenKey, Manner, Pin, decide};
use crate::{Console, Failure, console::plain};

/// For an answer to a question.
pub(crate) const ANSWER_TIME_OUT: Duration = Duration::from_secs(30);

/// A server that is trusted.
#[derive(Debug)]
pub(crate) struct Met {
    /// The connection; it takes itself up again with the same key only.
    pub(crate) channel: Channel,
    /// Whom to remember.
    pub(crate) pin: Pin,
    identity: Identity,
    because: Because,
}

/// Dials `host:port`, asks the other end who it is, and decides whether that is whom the command line or the last run
/// names.
///
/// # Errors
///
/// [`Failure`] with exit code 6 if it is not; nothing but its identity was asked of it then.
pub(crate) async fn meet(
    address: &str,
    manner: &Manner,
    given: Option<GivenKey>,
    remembered: Option<&Pin>,
) -> Result<Met, Failure> {
    let Dialled { channel, server_key } = dial(address, manner, given).await?;
    let identity = ask_identity(address, manner, channel.clone()).await?;
    let (pin, because) = decide(manner, given, remembered, &identity, server_key)?;
    Ok(Met { channel, pin, identity, because })
}

impl Met {
    /// Says on whose word the server is trusted, where nobody knew before.
    pub(crate) fn tell(&self, manner: &Manner, console: &Console) {
        let (name, id) = (plain(self.identity.name().as_str()), self.identity.community());
        match self.because {
            Because::Given | Because::Remembered => {}
            Because::Rotated => console.remark(&format!(
                "{name} ({id}) has a new transport key, and its officers signed the change. Following it."
            )),
            Because::FirstUse => console.remark(&format!(
                "Trusting {name} ({id}) on first use. Compare this id with one that you got another way, \
                 and give it with {} next time.",
                manner.option
            )),
        }
    }
}

async fn dial(address: &str, manner: &Manner, given: Option<GivenKey>) -> Result<Dialled, Failure> {
    let expect = match given {
        Some(GivenKey::Transport(key)) => Expect::Key(key),
        // The identity is asked for first, and decides.
        Some(GivenKey::Community(_)) | None => Expect::AnyEd25519,
    };
    let dialled = dial_anonymous(address, expect, DialLimits::default()).await;
    dialled.map_err(|error| dial_failure(manner, &error))
}

/// Who the other end says that it is, verified by itself.
async fn ask_identity(
    address: &str,
    manner: &Manner,
    channel: Channel,
) -> Result<Identity, Failure> {
    let mut client =
        LogServiceClient::new(channel).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
    let asking = client.get_identity(GetIdentityRequest { community: Vec::new() });
    let answer = timeout(ANSWER_TIME_OUT, asking).await;
    let answer = answer.ok().ok_or_else(|| lost(address, "it did not say who it is"))?;
    let answer = answer.map_err(|status| refused(address, manner, &status))?;
    identity_shown(&answer.into_inner().identity).map_err(|what| {
        let detail = format!(
            "{address} showed an identity that does not hold: {what}. Nothing was read from it. {} \
             Ask its operators, or use another server.",
            manner.safe
        );
        Failure::does_not_hold("identity.refused", detail)
    })
}

/// The connection broke off: it may be tried again.
pub(crate) fn lost(address: &str, what: &str) -> Failure {
    let detail = format!("The connection to {address} was lost: {what}.");
    Failure::new(Exit::Unavailable, "server.lost", detail)
}

/// The server answered a question with an error.
pub(crate) fn refused(address: &str, manner: &Manner, status: &Status) -> Failure {
    let said = plain(status.message());
    let exit = exit_of(status.code());
    if exit == Exit::Unavailable {
        return lost(address, if said.is_empty() { "it broke off" } else { &said });
    }
    let detail = if status.code() == Code::Unimplemented {
        format!(
            "{address} does not know what was asked. It is another kind of server, or another version. {} \
             Check the address and the port.",
            manner.safe
        )
    } else {
        format!("{address} refused: {}. {}", said.trim_end_matches('.'), manner.safe)
    };
    Failure::new(exit, "server.refused", detail)
}

fn dial_failure(manner: &Manner, error: &DialError) -> Failure {
    let (exit, reason) = match error {
        DialError::BadAddress { .. } => (Exit::Usage, "url.malformed"),
        DialError::WrongKey { .. } => (Exit::Verification, "key.other"),
        DialError::NotEd25519 { .. } | DialError::NotHttp2 { .. } | DialError::OwnKey(_) => {
            (Exit::Failed, "server.refused")
        }
        DialError::Unreachable { .. }
        | DialError::Timeout { .. }
        | DialError::Tls { .. }
        | DialError::Http2 { .. }
        | _ => (Exit::Unavailable, "server.unreachable"),
    };
    let told = runtime::exit::render(error);
    Failure::new(exit, reason, format!("{}\n{}", told.trim_end(), manner.safe))
}

/// Whether to come again after an answer with this code.
const fn exit_of(code: Code) -> Exit {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Exit::Failed,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Exit::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trying_again_cannot_change_is_not_tried_again() {
        assert_eq!(exit_of(Code::InvalidArgument), Exit::Failed);
        assert_eq!(exit_of(Code::Unavailable), Exit::Unavailable);
        assert_eq!(exit_of(Code::ResourceExhausted), Exit::Unavailable);
    }
}
