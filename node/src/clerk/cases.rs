//! Cases of the register, with their words.

use formats::ocds::import::wordings_of;
use peer::{Peer, services::CasePage};
use proto::clerk::{ListCasesRequest, ListCasesResponse};
use record::{Payload, RecordId, kind::Known, payload::words::Wording};
use serde_json::{Value, json};
use store::WordsRow;
use tonic::Status;

use super::refusal::Refusal;
use crate::look;

/// Bytes of cases after which an answer ends: half of a message, so that one more case always fits.
const MAX_CASES_BYTES: usize = super::MAX_CLERK_MESSAGE_BYTES / 2;

/// Cases as the register shows them, each with a member `words`.
pub(super) async fn list(
    peer: &Peer,
    request: ListCasesRequest,
) -> Result<ListCasesResponse, Status> {
    let ListCasesRequest { kind, case_id, after, limit } = request;
    let kinds = ["covenant", "opportunity", "pool", "poll"];
    if case_id.is_empty() && !kinds.contains(&kind.as_str()) {
        let detail = format!("`{kind}` is no kind of case. There are: {}.", kinds.join(", "));
        return Err(Refusal::invalid("request.kind", detail).into());
    }
    let page = CasePage { kind: kind.clone(), case_id: case_id.clone(), after, limit };
    let (views, more) = peer.list_cases(page).await?;
    let (n_views, mut n_bytes) = (views.len(), 0);
    let mut cases_json = Vec::with_capacity(n_views);
    for view in views {
        let mut view: Value = serde_json::from_str(&view).map_err(damaged)?;
        if !kind.is_empty() && look::at(&view, "/kind") != kind.as_str() {
            let detail = format!("{case_id} is not a {kind}.");
            return Err(Refusal::not_found("case.other_kind", detail).into());
        }
        let words = words_of(peer, &view).await?;
        if let Some(view) = view.as_object_mut() {
            view.insert("words".to_owned(), words);
        }
        let case = view.to_string();
        n_bytes += case.len();
        cases_json.push(case);
        if MAX_CASES_BYTES < n_bytes {
            break;
        }
    }
    let more = more || cases_json.len() < n_views;
    Ok(ListCasesResponse { cases_json, more })
}

fn damaged(error: serde_json::Error) -> Refusal {
    tracing::error!(%error, "a case in the register is not JSON");
    Refusal::unavailable("store.unavailable", "The register is damaged. Restore it from peers.")
}

/// The words of a case: a list of wordings; null once they are erased.
async fn words_of(peer: &Peer, view: &Value) -> Result<Value, Refusal> {
    let id = |name: &str| view[name].as_str().and_then(|it| it.parse::<RecordId>().ok());
    let Some(case) = id("id") else { return Ok(Value::Null) };
    // An opportunity's words are those of its newest release.
    let speaks = id("record").unwrap_or(case);
    let Some(row) = peer.store().case(case).await? else { return Ok(Value::Null) };
    let records = peer.store().case_records(row.case_no).await?;
    let Some(record) = records.iter().find(|it| it.record.id() == speaks) else {
        return Ok(Value::Null);
    };
    let references = record.record.header()?.references;
    let named = if speaks == case { references.first() } else { references.get(1) };
    let Some(named) = named else { return Ok(Value::Null) };
    Ok(peer.store().words(*named).await?.and_then(|words| words_json(&words)).unwrap_or_default())
}

fn words_json(words: &WordsRow) -> Option<Value> {
    Some(wordings_of(words.record.payload()?)?.iter().map(wording_json).collect())
}

fn wording_json(wording: &Wording) -> Value {
    json!({
        "language": wording.language.as_str(),
        "title": wording.title,
        "text": wording.text,
        "labels": wording.labels,
    })
}

/// The opening record of a case, decoded, with the id of its words.
pub(super) async fn opening(
    peer: &Peer,
    case: RecordId,
) -> Result<(Payload, Option<RecordId>), Refusal> {
    let missing = || {
        let detail = format!("There is no case {case} here. If it is new, try again in a moment.");
        Refusal::not_found("case.unknown", detail)
    };
    let row = peer.store().case(case).await?.ok_or_else(missing)?;
    let records = peer.store().case_records(row.case_no).await?;
    let record = records.into_iter().find(|it| it.record.id() == case).ok_or_else(missing)?.record;
    let header = record.header()?;
    let content = record.content.ok_or_else(missing)?;
    let kind: Known = header.kind.known().ok_or_else(missing)?;
    let payload = proto::payload::decode(kind, &content.payload)?;
    Ok((payload, header.references.first().copied()))
}
