//! `folkmoot.record.text.v1` and `folkmoot.record.notice.v1`.

use record::{
    canonical_text::canonical,
    payload::words::{Notice, Text, Wording},
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{ENTRIES, LANGUAGES, ascending, language, list},
};
use crate::kinds::{notice as notice_wire, text as wire};

/// The text in a payload: at least one wording, in ascending order of language, each language once, all canonical.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_text(payload: wire::Text) -> Result<Text, PayloadError> {
    let wire::Text { wordings } = payload;
    Ok(Text { wordings: parse_wordings(wordings).within("wordings")? })
}

/// The message of a text.
#[must_use]
pub fn render_text(text: &Text) -> wire::Text {
    let Text { wordings } = text;
    wire::Text { wordings: wordings.iter().map(render_wording).collect() }
}

fn parse_wordings(all: Vec<wire::Wording>) -> Result<Vec<Wording>, PayloadError> {
    if all.is_empty() {
        return Err(Fault::Missing.into());
    }
    ascending(list(all, LANGUAGES, parse_wording)?, |wording| wording.language.clone())
}

fn parse_wording(wording: wire::Wording) -> Result<Wording, PayloadError> {
    let wire::Wording { language: tag, title, text, labels } = wording;
    Ok(Wording {
        language: language(&tag).within("language")?,
        title: one_line(title).within("title")?,
        text: canonical_text(text).within("text")?,
        labels: list(labels, ENTRIES, |label| Ok(one_line(label)?)).within("labels")?,
    })
}

fn render_wording(wording: &Wording) -> wire::Wording {
    let Wording { language, title, text, labels } = wording;
    wire::Wording {
        language: language.as_str().to_owned(),
        title: title.clone(),
        text: text.clone(),
        labels: labels.clone(),
    }
}

/// The text as it is, if it is canonical. Control characters but line ends and tabs are refused: the hash of a wording
/// parts its pieces by NUL, so that a NUL inside a piece would give two wordings one hash.
fn canonical_text(text: String) -> Result<String, Fault> {
    let allowed = |c: char| !c.is_control() || c == '\n' || c == '\t';
    let formed = text.chars().all(allowed) && canonical(&text) == text;
    formed.then_some(text).ok_or(Fault::NotCanonicalText)
}

fn one_line(text: String) -> Result<String, Fault> {
    if text.contains('\n') {
        return Err(Fault::Form { expected: "one line" });
    }
    canonical_text(text)
}

/// The notice in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] if it is empty.
pub fn parse_notice(payload: notice_wire::Notice) -> Result<Notice, PayloadError> {
    let notice_wire::Notice { release_json } = payload;
    if release_json.is_empty() {
        return Err(Fault::Missing).within("release_json");
    }
    Ok(Notice { release_json })
}

/// The message of a notice.
#[must_use]
pub fn render_notice(notice: &Notice) -> notice_wire::Notice {
    let Notice { release_json } = notice;
    notice_wire::Notice { release_json: release_json.clone() }
}
