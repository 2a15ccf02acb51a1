//! The public pages of a log, exactly as tlog-tiles names them, and the pages for whoever runs the process.
//!
//! | path | what |
//! |---|---|
//! | `/log/<id>/<era>/checkpoint` | the newest signed checkpoint, with cosignatures |
//! | `/log/<id>/<era>/tile/<L>/<N>[.p/<W>]` | hashes |
//! | `/log/<id>/<era>/tile/entries/<N>[.p/<W>]` | headers, each behind its length |
//! | `/log/<id>/<era>/payload/<index>` | 32 bytes of salt, then the payload; 410 once erased |
//! | `/log/<id>/<era>/proof/<index>` | a tlog-proof to the largest checkpoint that a quorum cosigned, or else to the newest |
//! | `/log/<id>/<era>/identity` | the identity bundle |
//! | `/log/<id>/<era>/evidence` | evidence that the log forked, if it did |
//! | all of these | 451 or 403 while the operators of this coordinator withhold the log; its status says why |
//! | `POST /witness/add-checkpoint` | the C2SP witness: a cosignature on a checkpoint that is proved |
//! | `/.well-known/folkmoot/region` | the region's newest epoch, and the certificate that shows it |
//! | `/healthz`, `/readyz`, `/metrics` | for the operator |

mod region;
mod tag;

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use record::{LogName, payload::status::Reason};
use runtime::{
    health::{Health, Readiness},
    telemetry::Metrics,
};
use store::StoreError;
use tlog::{
    TileRef,
    tile::{BundleRef, encode_bundle},
};

use crate::{peer::Peer, witness::witness_pages};

pub(crate) use region::KeptPage;
pub use tag::Tag;

/// What never changes may be kept for a year.
const FOR_LONG: &str = "public, max-age=31536000, immutable";
/// A checkpoint is asked for again after a few seconds.
const FOR_SECONDS: &str = "public, max-age=2";
/// A payload may be erased, so nobody else is asked to keep it.
const NOT_KEPT: &str = "no-cache";

/// The pages of every log held, of the region, and of the witness.
pub fn log_pages(peer: Peer) -> Router {
    Router::new()
        .route("/log/{community}/{era}/checkpoint", get(checkpoint))
        .route("/log/{community}/{era}/identity", get(identity))
        .route("/log/{community}/{era}/evidence", get(evidence))
        .route("/log/{community}/{era}/payload/{index}", get(payload))
        .route("/log/{community}/{era}/proof/{index}", get(proof))
        .route("/log/{community}/{era}/tile/{*place}", get(tile))
        .route_layer(from_fn_with_state(peer.clone(), must_be_served))
        .route("/.well-known/folkmoot/region", get(region::region))
        .with_state(peer.clone())
        .merge(witness_pages(peer))
}

/// Refuses every page of a log that is withheld here: 451 if a law asks for it, else 403.
async fn must_be_served(
    State(peer): State<Peer>,
    Path(place): Path<BTreeMap<String, String>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let named = place.get("community").zip(place.get("era"));
    let log = named.and_then(|(community, era)| log_name(community, era).ok());
    match log.and_then(|it| peer.withheld(it)) {
        None => Ok(next.run(request).await),
        Some(reason) => {
            let by_law = matches!(reason, Reason::Ordered | Reason::PersonalData);
            let code = if by_law {
                StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS
            } else {
                StatusCode::FORBIDDEN
            };
            Err(Problem::new(code, reason.token(), reason.sentence()))
        }
    }
}

/// The pages for whoever runs the process.
pub fn operator_pages(health: Health, metrics: Metrics) -> Router {
    let ready = health.clone();
    Router::new()
        .route("/healthz", get(async move || healthz(&health)))
        .route("/readyz", get(async move || readyz(&ready)))
        .route(
            "/metrics",
            get(async move || {
                (
                    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
                    metrics.render(),
                )
            }),
        )
}

fn healthz(health: &Health) -> Response {
    match health.cause_of_death() {
        None => "ok\n".into_response(),
        Some(cause) => (StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n")).into_response(),
    }
}

fn readyz(health: &Health) -> Response {
    match health.readiness() {
        Readiness::Ready => "ready\n".into_response(),
        waiting => (StatusCode::SERVICE_UNAVAILABLE, format!("{waiting}\n")).into_response(),
    }
}

/// A refusal as problem+json (RFC 9457).
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    reason: &'static str,
    detail: String,
}

impl Problem {
    /// A problem with its stable reason and a sentence for a person.
    #[must_use]
    pub fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into() }
    }

    /// There is no such thing here.
    #[must_use]
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page.not_found", "There is no such page here.")
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::not_found(),
            StoreError::Invalid { reason, detail } => {
                Self::new(StatusCode::BAD_REQUEST, reason, detail)
            }
            error @ (StoreError::Storage { .. }
            | StoreError::Damaged { .. }
            | StoreError::Refused { .. }
            | StoreError::Gap { .. }
            | StoreError::SigningGuard { .. }
            | StoreError::Closing) => {
                tracing::error!(%error, "a page could not be made");
                let detail = "The page could not be made. Try again later.";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "page.unavailable", detail)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "reason": self.reason,
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, body.to_string()).into_response()
    }
}

fn page(kind: &'static str, keep: &'static str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static(keep)),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, bytes).into_response()
}

const TEXT: &str = "text/plain; charset=utf-8";
const OCTETS: &str = "application/octet-stream";

fn log_name(community: &str, era: &str) -> Result<LogName, Problem> {
    let era_text = era;
    let era: u32 = era.parse().ok().ok_or_else(Problem::not_found)?;
    let community = community.parse().ok().ok_or_else(Problem::not_found)?;
    if era.to_string() == era_text {
        Ok(LogName { community, era })
    } else {
        Err(Problem::not_found())
    }
}

fn number(text: &str) -> Result<u64, Problem> {
    let number: u64 = text.parse().ok().ok_or_else(Problem::not_found)?;
    if number.to_string() == text { Ok(number) } else { Err(Problem::not_found()) }
}

async fn checkpoint(
    State(peer): State<Peer>,
    Path((community, era)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = peer.store().log(log_name(&community, &era)?).await?;
    let (_, note) = row.and_then(|it| it.checkpoint).ok_or_else(Problem::not_found)?;
    Ok(page(TEXT, FOR_SECONDS, note))
}

async fn identity(
    State(peer): State<Peer>,
    Path((community, era)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let row = peer.store().log(log_name(&community, &era)?).await?;
    let bundle = row.and_then(|it| it.identity).ok_or_else(Problem::not_found)?;
    Ok(page(OCTETS, FOR_SECONDS, bundle.to_vec()))
}

async fn evidence(
    State(peer): State<Peer>,
    Path((community, era)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let fork = peer.store().fork(log_name(&community, &era)?).await?;
    let fork = fork.ok_or_else(Problem::not_found)?;
    let (log, index) = (fork.evidence_log, fork.evidence_index);
    let records = peer.store().records(log, index, index.saturating_add(1)).await?;
    let content = records.into_iter().next().and_then(|it| it.content);
    Ok(page(OCTETS, FOR_SECONDS, content.ok_or_else(Problem::not_found)?.payload))
}

async fn payload(
    State(peer): State<Peer>,
    Path((community, era, index)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (log, index) = (log_name(&community, &era)?, number(&index)?);
    must_be_shown(&peer, log, index.saturating_add(1)).await?;
    let records = peer.store().records(log, index, index.saturating_add(1)).await?;
    let record = records.into_iter().next().ok_or_else(Problem::not_found)?;
    let Some(content) = record.content else {
        let detail = "The payload was erased. Every proof of the record stays valid.";
        return Err(Problem::new(StatusCode::GONE, "payload.erased", detail));
    };
    Ok(page(OCTETS, NOT_KEPT, [&content.salt.0[..], &content.payload].concat()))
}

async fn proof(
    State(peer): State<Peer>,
    Path((community, era, index)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (_, proof) = peer.proof(log_name(&community, &era)?, number(&index)?).await?;
    Ok(page(TEXT, FOR_SECONDS, proof))
}

async fn tile(
    State(peer): State<Peer>,
    Path((community, era, place)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let log = log_name(&community, &era)?;
    let path = format!("tile/{place}");
    if let Ok(bundle) = BundleRef::parse_path(&path) {
        return entries(&peer, log, bundle).await;
    }
    let tile = TileRef::parse_path(&path).ok().ok_or_else(Problem::not_found)?;
    let n_hashes = tile.index().saturating_mul(256).saturating_add(u64::from(tile.width()));
    let n_leaves_each = 256_u64.saturating_pow(u32::from(tile.level()));
    must_be_shown(&peer, log, n_hashes.saturating_mul(n_leaves_each)).await?;
    Ok(page(OCTETS, FOR_LONG, peer.store().tile(log, tile).await?))
}

/// Records of ours that wait to be signed may still be taken back: they are nobody's yet.
async fn must_be_shown(peer: &Peer, log: LogName, end: u64) -> Result<(), Problem> {
    let signed = peer.store().log(log).await?.and_then(|it| it.signed_frontier);
    match signed.is_some_and(|it| it.size() < end) {
        true => Err(Problem::not_found()),
        false => Ok(()),
    }
}

async fn entries(peer: &Peer, log: LogName, bundle: BundleRef) -> Result<Response, Problem> {
    let start = bundle.index().checked_mul(256).ok_or_else(Problem::not_found)?;
    let width = usize::from(bundle.width());
    let end = start.saturating_add(u64::from(bundle.width()));
    must_be_shown(peer, log, end).await?;
    let headers = peer.store().headers(log, start, end).await?;
    if headers.len() != width {
        return Err(Problem::not_found());
    }
    let headers: Vec<&[u8]> = headers.iter().map(Vec::as_slice).collect();
    let bytes = encode_bundle(&headers).ok().ok_or_else(Problem::not_found)?;
    Ok(page(OCTETS, FOR_LONG, bytes))
}
