//! What a release says in words: its title and its description.

use record::{
    Payload, canonical_text,
    payload::words::{Language, Wording},
};
use serde_json::Value;

use super::{MAX_TITLE_CHARS, find};

/// What a record of words says: a text in each of its languages, a notice in its own. `None` for a record that is none of
/// words, and for a notice that is no release.
#[must_use]
pub fn wordings_of(payload: Payload) -> Option<Vec<Wording>> {
    match payload {
        Payload::Text(text) => Some(text.wordings),
        Payload::Notice(notice) => wording_of(&notice.release_json).map(|it| vec![it]),
        Payload::Covenant(_)
        | Payload::Opportunity(_)
        | Payload::Pool(_)
        | Payload::Pledge(_)
        | Payload::Roll(_)
        | Payload::Poll(_)
        | Payload::Tally(_)
        | Payload::Result(_)
        | Payload::Receipt(_)
        | Payload::Cosignatures(_)
        | Payload::Evidence(_)
        | Payload::RegionEpoch(_)
        | Payload::Affiliation(_)
        | Payload::Erase(_)
        | Payload::Erased(_)
        | Payload::Index(_)
        | Payload::Status(_) => None,
    }
}

/// The title and the description of a notice, in the language that it names, or else English. `None` if it is no
/// release with an ocid.
#[must_use]
pub fn wording_of(notice_json: &[u8]) -> Option<Wording> {
    let release: Value = serde_json::from_slice(notice_json).ok()?;
    let ocid = find::text(&release, &["ocid"])?;
    let language = find::text(&release, &["language"]).map(str::to_ascii_lowercase);
    let language = language.and_then(|it| Language::parse(&it)).unwrap_or_else(Language::english);
    let text = find::text(&release, &["tender", "description"])
        .or_else(|| find::text(&release, &["description"]));
    Some(Wording {
        language,
        title: title_of(&release, ocid),
        text: text.unwrap_or_default().to_owned(),
        labels: Vec::new(),
    })
}

/// One line of at most [`MAX_TITLE_CHARS`] characters: the tender's title, or what else names the release; the ocid
/// where nothing does.
pub(super) fn title_of(release: &Value, ocid: &str) -> String {
    let first = |list: &str| find::list(release, &[list]).first();
    let title = find::text(release, &["tender", "title"])
        .or_else(|| find::text(release, &["title"]))
        .or_else(|| find::text(first("awards")?, &["title"]))
        .or_else(|| find::text(first("contracts")?, &["title"]))
        .or_else(|| find::text(release, &["planning", "project"]))
        .unwrap_or(ocid);
    one_line(title)
}

fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    canonical_text::canonical(&words.join(" ")).chars().take(MAX_TITLE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(json: &str) -> Option<String> {
        wording_of(json.as_bytes()).map(|it| it.title)
    }

    #[test]
    fn a_notice_is_named_by_its_tender_and_else_by_its_ocid() {
        let both = br#"{"ocid":"o","language":"cy","tender":{"title":" Roof\n\u0007works "}}"#;
        let both = wording_of(both).unwrap();
        assert_eq!((both.language.as_str(), both.title.as_str()), ("cy", "Roof works"));
        assert_eq!(title(r#"{"ocid":"o"}"#).as_deref(), Some("o"));
        assert_eq!(title("no JSON"), None);
        assert_eq!(title(r#"{"title":"x"}"#), None);
    }

    #[test]
    fn a_title_of_300_characters_is_whole_and_one_of_301_is_cut() {
        let long = "é".repeat(MAX_TITLE_CHARS);
        assert_eq!(one_line(&long), long);
        assert_eq!(one_line(&format!("{long}x")), long);
    }
}
