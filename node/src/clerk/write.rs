//! Writing: payloads become drafts, and drafts records that count.

use peer::{Peer, folder::fresh_seed};
use proto::clerk::Written;
use record::{Kind, Payload, RecordId, canonical_text, commitment::Salt, payload::Text};
use store::{Appended, Draft, Guard, Reference};

use super::refusal::Refusal;

/// A draft of this payload, after a strict decoder has accepted its bytes.
pub(crate) fn draft(payload: &Payload, references: Vec<Reference>) -> Result<Draft, Refusal> {
    let kind = payload.kind();
    let bytes = proto::payload::encode(payload);
    proto::payload::decode(kind, &bytes)?;
    Ok(Draft { kind: Kind::from(kind), payload: bytes, salt: Salt(*fresh_seed()?), references })
}

/// Opens a case: its words, and the record that names them.
pub(crate) async fn open_case(
    peer: &Peer,
    text: Text,
    opening: &Payload,
) -> Result<Appended, Refusal> {
    let words = draft(&Payload::Text(text), Vec::new())?;
    let opening = draft(opening, vec![Reference::Draft(0)])?;
    append(peer, vec![words, opening]).await
}

/// Says something in a case that exists.
pub(crate) async fn say_in(
    peer: &Peer,
    case: RecordId,
    payload: &Payload,
) -> Result<Appended, Refusal> {
    append(peer, vec![draft(payload, vec![Reference::Record(case)])?]).await
}

/// Appends drafts, all of which must count, and answers the last.
pub(crate) async fn append(peer: &Peer, drafts: Vec<Draft>) -> Result<Appended, Refusal> {
    let appended = peer.store().append(drafts, Guard::MustCount).await?;
    let nothing = || Refusal::unavailable("store.unavailable", "Nothing was written.");
    appended.last().copied().ok_or_else(nothing)
}

/// The record as the clerk is told of it.
pub(crate) fn written(appended: Appended) -> Written {
    Written { record: appended.id.to_string(), index: appended.index }
}

/// An id in a request.
pub(crate) fn record_id(text: &str) -> Result<RecordId, Refusal> {
    text.parse().map_err(|error: record::ids::IdError| {
        Refusal::invalid("request.id", format!("`{text}` is no record id: {error}."))
    })
}

/// The words in a request, in canonical form and in ascending order of language.
pub(crate) fn text_of(text: Option<proto::kinds::text::Text>) -> Result<Text, Refusal> {
    let missing =
        || Refusal::invalid("request.text", "The words are missing. Nothing was written.");
    let mut text = text.ok_or_else(missing)?;
    for wording in &mut text.wordings {
        wording.title = canonical_text::canonical(wording.title.trim());
        wording.text = canonical_text::canonical(&wording.text);
        for label in &mut wording.labels {
            *label = canonical_text::canonical(label.trim());
        }
        if wording.title.is_empty() {
            return Err(Refusal::invalid("request.title", "Every language needs a title."));
        }
    }
    text.wordings.sort_by(|one, next| one.language.cmp(&next.language));
    Ok(proto::payload::words::parse_text(text)?)
}

/// Whether every wording has exactly so many labels.
pub(crate) fn check_labels(text: &Text, n_labels: usize, of: &str) -> Result<(), Refusal> {
    match text.wordings.iter().find(|it| it.labels.len() != n_labels) {
        None => Ok(()),
        Some(wording) => Err(Refusal::invalid(
            "request.labels",
            format!(
                "The words in `{}` have {} labels; there are {n_labels} {of}. Nothing was written.",
                wording.language.as_str(),
                wording.labels.len()
            ),
        )),
    }
}
