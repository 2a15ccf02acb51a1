//! Logs held here: shown record by record, and exported as a directory of tiles.

use peer::Peer;
use proto::clerk::{ExportLogResponse, ShowLogRequest, ShowLogResponse};
use serde_json::{Value, json};
use store::{LogRow, StoredRecord};
use tlog::tile::{encode_bundle, new_bundles, tiles_of};
use tokio::sync::mpsc;
use tonic::Status;

use super::refusal::Refusal;

/// Records in an answer, if the caller does not say.
const DEFAULT_RECORDS: u32 = 20;
/// The most records in an answer.
const MAX_RECORDS: u32 = 1_000;

/// Where an export is sent, file by file.
pub(super) type Files = mpsc::Sender<Result<ExportLogResponse, Status>>;

/// The log of this community's newest era; the node's own if none is named.
pub(super) async fn held_log(peer: &Peer, community: &str) -> Result<LogRow, Refusal> {
    let community = match community {
        "" => peer.community(),
        id => parse_community(id)?,
    };
    let missing = || {
        let detail = format!("No log of {community} is held here.");
        Refusal::not_found("log.unknown", detail)
    };
    peer.store().newest_log(community).await?.ok_or_else(missing)
}

fn parse_community(text: &str) -> Result<record::CommunityId, Refusal> {
    text.parse().map_err(|error: record::ids::IdError| {
        Refusal::invalid("request.id", format!("`{text}` is no community id: {error}."))
    })
}

/// Records as JSON, decoded where their kind is known.
pub(super) async fn show(peer: &Peer, request: ShowLogRequest) -> Result<ShowLogResponse, Refusal> {
    let ShowLogRequest { community, start, limit } = request;
    let row = held_log(peer, &community).await?;
    let limit = if limit == 0 { DEFAULT_RECORDS } else { limit.min(MAX_RECORDS) };
    let end = start.saturating_add(u64::from(limit));
    let records = peer.store().records(row.name, start, end).await?;
    let mut records_json = Vec::with_capacity(records.len());
    for record in &records {
        let refusal = peer.store().refusal(row.name, record.index).await?;
        records_json.push(record_json(record, refusal)?.to_string());
    }
    Ok(ShowLogResponse { records_json, size: row.frontier.size() })
}

fn record_json(record: &StoredRecord, refusal: Option<(String, String)>) -> Result<Value, Refusal> {
    let header = record.header()?;
    let refused = refusal.map(|(reason, detail)| json!({ "reason": reason, "detail": detail }));
    Ok(json!({
        "index": record.index,
        "id": record.id(),
        "time": header.time,
        "kind": header.kind.as_str(),
        "payload_bytes": header.payload_bytes,
        "references": header.references,
        "payload": record.payload().map(|it| proto::describe::describe(&it)),
        "erased": record.content.is_none(),
        "refused": refused,
    }))
}

/// Sends every file of the log as it stood at its newest checkpoint.
pub(super) async fn export(peer: &Peer, row: LogRow, files: &Files) -> Result<(), Refusal> {
    let log = row.name;
    let none = || Refusal::refused("log.no_checkpoint", "This log has no checkpoint yet.");
    let (size, checkpoint) = row.checkpoint.ok_or_else(none)?;
    send(files, "checkpoint", checkpoint).await?;
    if let Some(identity) = row.identity {
        send(files, "identity", identity.to_vec()).await?;
    }
    for tile in tiles_of(size) {
        send(files, &tile.path(), peer.store().tile(log, tile).await?).await?;
    }
    for bundle in new_bundles(0, size) {
        let start = bundle.index() * u64::from(tlog::tile::FULL_WIDTH);
        let end = start + u64::from(bundle.width());
        let records = peer.store().records(log, start, end).await?;
        let headers: Vec<&[u8]> = records.iter().map(|it| it.header_bytes.as_slice()).collect();
        let entries = encode_bundle(&headers).map_err(|error| {
            tracing::error!(%error, %log, "records could not be bundled");
            Refusal::unavailable("store.unavailable", "The log could not be exported.")
        })?;
        send(files, &bundle.path(), entries).await?;
        for record in records {
            if let Some(content) = record.content {
                let bytes = [&content.salt.0[..], &content.payload].concat();
                send(files, &format!("payload/{}", record.index), bytes).await?;
            }
        }
    }
    Ok(())
}

async fn send(files: &Files, path: &str, content: Vec<u8>) -> Result<(), Refusal> {
    let gone = |_| Refusal::unavailable("request.gone", "The caller has gone.");
    files.send(Ok(ExportLogResponse { path: path.to_owned(), content })).await.map_err(gone)
}
