//! Records with their proofs, one or many at a time.

use std::pin::Pin;

use proto::v1::{self, GetProofRequest, GetProofResponse, GetProofsRequest, GetProofsResponse};
use record::{LogName, limits::MAX_PROOFS};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Code, Status};

use super::{REASON_KEY, community_of, refusal_status, status_of};
use crate::peer::Peer;

/// Answers handed to the connection ahead of what it has sent: each at most about 0.5 MiB.
const OUT_ANSWERS: usize = 4;

pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<GetProofsResponse, Status>> + Send>>;

pub(super) async fn one(peer: &Peer, asked: GetProofRequest) -> Result<GetProofResponse, Status> {
    let GetProofRequest { community, era, index } = asked;
    let log = LogName { community: community_of(&community)?, era };
    if let Some(reason) = peer.withheld(log) {
        return Err(refusal_status(Code::PermissionDenied, reason.token(), reason.sentence()));
    }
    let (record, tlog_proof) = peer.proof(log, index).await.map_err(|error| status_of(&error))?;
    let content =
        record.content.map(|it| v1::Content { salt: it.salt.0.to_vec(), payload: it.payload });
    let erased_by = record.erased_by.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
    let record = v1::RawRecord { header: record.header_bytes, content, erased_by };
    Ok(GetProofResponse { record: Some(record), tlog_proof })
}

/// An answer for each record, in order. One that is not to be had does not end the others.
pub(super) fn several(peer: &Peer, asked: GetProofsRequest) -> Result<Answers, Status> {
    if MAX_PROOFS < asked.records.len() {
        let told = format!("At most {MAX_PROOFS} proofs can be asked for at once.");
        return Err(refusal_status(Code::InvalidArgument, "proof.too_many", told));
    }
    let (out, answers) = mpsc::channel(OUT_ANSWERS);
    let peer = peer.clone();
    tokio::spawn(async move {
        for asked in asked.records {
            let answer = match one(&peer, asked).await {
                Ok(proof) => Ok(GetProofsResponse { proof: Some(proof), reason: String::new() }),
                Err(status) if status.code() == Code::Unavailable => Err(status),
                Err(status) => Ok(GetProofsResponse { proof: None, reason: reason_of(&status) }),
            };
            let is_last = answer.is_err();
            if out.send(answer).await.is_err() || is_last {
                return;
            }
        }
    });
    Ok(Box::pin(ReceiverStream::new(answers)))
}

fn reason_of(status: &Status) -> String {
    let named = status.metadata().get(REASON_KEY).and_then(|it| it.to_str().ok());
    named.unwrap_or("proof.not_found").to_owned()
}
