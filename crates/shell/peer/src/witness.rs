//! The C2SP witness: anybody's tool may bring a checkpoint of a log that is held here, with a proof, and have it cosigned.
//!
//! ```text
//! old <size>                              404 a log that is not held here
//! <base64 of a hash>, at most 63 lines    403 no signature of the log's key, or the log forked
//!                                         400 it cannot be read, or old is above the checkpoint's size
//! <the checkpoint, a signed note>         409 old is not the size cosigned last, which is the answer
//!                                         422 the proof is wrong, or the size has another root (kept as evidence)
//!                                         200 our signature line
//! ```

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::post,
};
use record::LogName;
use replica::{SignedHead, fork_evidence};
use store::{AddCheckpoint, Witnessed};
use tlog::{Checkpoint, Hash, MAX_CONSISTENCY_HASHES, Note, note::MAX_NOTE_BYTES};

use crate::{pages::Problem, peer::Peer};

/// The largest request: a note, 63 lines of 45 bytes, and the line of the old size.
const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + MAX_CONSISTENCY_HASHES * 45 + 64;

/// The page of the witness.
pub(crate) fn witness_pages(peer: Peer) -> Router {
    Router::new()
        .route("/witness/add-checkpoint", post(add_checkpoint))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(peer)
}

/// What somebody asks of a witness.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    old_size: u64,
    proof: Vec<Hash>,
    checkpoint: Vec<u8>,
}

fn parse(body: &[u8]) -> Result<Asked, Problem> {
    let wrong = |what: &str| Problem::new(StatusCode::BAD_REQUEST, "witness.malformed", what);
    let text = str::from_utf8(body).map_err(|_error| wrong("The request is not UTF-8."))?;
    let (head, checkpoint) =
        text.split_once("\n\n").ok_or_else(|| wrong("There is no empty line in the request."))?;
    let mut lines = head.split('\n');
    let old = lines.next().and_then(|it| it.strip_prefix("old ")).and_then(parse_size);
    let old_size = old.ok_or_else(|| wrong("The first line is not `old` and a size."))?;
    let proof: Option<Vec<Hash>> =
        lines.map(Hash::from_base64).take(MAX_CONSISTENCY_HASHES + 1).collect();
    let proof = proof.ok_or_else(|| wrong("A line of the proof is not the base64 of a hash."))?;
    if MAX_CONSISTENCY_HASHES < proof.len() {
        let what = format!("The proof has more than {MAX_CONSISTENCY_HASHES} hashes.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "proof.too_long", what));
    }
    Ok(Asked { old_size, proof, checkpoint: checkpoint.as_bytes().to_vec() })
}

/// A size without sign or leading zeros.
fn parse_size(text: &str) -> Option<u64> {
    text.parse().ok().filter(|size: &u64| size.to_string() == text)
}

async fn add_checkpoint(State(peer): State<Peer>, body: Bytes) -> Result<Response, Problem> {
    let Asked { old_size, proof, checkpoint } = parse(&body)?;
    let malformed = |error: &dyn ToString| {
        Problem::new(StatusCode::BAD_REQUEST, "witness.malformed", error.to_string())
    };
    let note = Note::parse(&checkpoint).map_err(|error| malformed(&error))?;
    let stated = Checkpoint::parse_text(note.text()).map_err(|error| malformed(&error))?;
    let log = log_of(&peer, stated.origin.as_str()).ok_or_else(unknown)?;
    let row = peer.store().log(log).await?.ok_or_else(unknown)?;
    let identity = peer.identity(&row).map_err(|_damaged| unknown())?;
    let head = SignedHead::open(peer.network(), log, &identity, &checkpoint.clone().into());
    let head = head
        .map_err(|fault| Problem::new(StatusCode::FORBIDDEN, fault.reason(), fault.to_string()))?;
    if stated.size < old_size {
        let what = format!("The old size {old_size} is above the checkpoint's {}.", stated.size);
        return Err(Problem::new(StatusCode::BAD_REQUEST, "witness.old_size", what));
    }
    let asked = AddCheckpoint { log, old_size, proof, checkpoint };
    match peer.store().add_checkpoint(asked).await? {
        Witnessed::Cosigned(line) => Ok(text(StatusCode::OK, "text/plain; charset=utf-8", line)),
        Witnessed::OtherSize(size) => {
            Ok(text(StatusCode::CONFLICT, "text/x.tlog.size", format!("{size}\n")))
        }
        Witnessed::NotProved => Err(not_proved()),
        Witnessed::Forked => {
            let what = format!("{log} forked; it is not cosigned until its officers recover it.");
            Err(Problem::new(StatusCode::FORBIDDEN, crate::evidence::FORKED, what))
        }
        Witnessed::Contradicts(ours) => {
            let ours = SignedHead::open(peer.network(), log, &identity, &ours.into());
            if let Ok(ours) = ours {
                let quorum = peer.quorum().await.ok().flatten();
                let proved = (None, quorum.as_deref());
                let found = fork_evidence(peer.network(), log, &identity, [&ours, &head], proved);
                keep(&peer, log, found).await;
            }
            Err(not_proved())
        }
    }
}

/// Keeps what two heads of one size show, if they show a fork.
async fn keep(
    peer: &Peer,
    log: LogName,
    found: Result<record::payload::ForkEvidence, replica::Fault>,
) {
    let filed = match found {
        Ok(evidence) => peer.file_evidence(evidence).await.map_err(|error| error.to_string()),
        Err(fault) => Err(fault.to_string()),
    };
    if let Err(error) = filed {
        tracing::warn!(%log, error, "a checkpoint that contradicts ours was brought, and no evidence was filed");
    }
}

fn not_proved() -> Problem {
    let what = "The checkpoint is not proved to continue the one that was cosigned last.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "witness.not_proved", what)
}

fn unknown() -> Problem {
    let what = "This log is not held here.";
    Problem::new(StatusCode::NOT_FOUND, "witness.unknown_log", what)
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

/// The log that an origin of our network names.
fn log_of(peer: &Peer, origin: &str) -> Option<LogName> {
    let (rest, era) = origin.rsplit_once('/')?;
    let (_, community) = rest.rsplit_once('/')?;
    let (community, era) = (community.parse().ok()?, era.parse().ok()?);
    (peer.network().log_origin(&community, era) == origin).then_some(LogName { community, era })
}
