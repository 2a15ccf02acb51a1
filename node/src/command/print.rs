//! What a command prints: sentences for a person, or one JSON object for a script.

use std::fmt::Write as _;

use runtime::exit::Exit;
use serde_json::{Value, json};

use crate::look;

/// What a command has to say.
#[derive(Debug)]
pub(super) struct Said {
    /// For a script.
    pub(super) json: Value,
    /// For a person; lines.
    pub(super) text: String,
    /// How the program ends: not every answer is a success.
    pub(super) exit: Exit,
}

impl Said {
    pub(super) fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into(), exit: Exit::Ok }
    }

    /// The same, with part of what was asked not done.
    pub(super) fn failed_in_part(self) -> Self {
        Self { exit: Exit::Failed, ..self }
    }

    /// A record that was written.
    pub(super) fn written(
        written: Option<proto::clerk::Written>,
        text: impl FnOnce(&str) -> String,
    ) -> Self {
        let proto::clerk::Written { record, index } = written.unwrap_or_default();
        let text = text(&record);
        Self::new(json!({ "record": record, "index": index }), text)
    }
}

/// A word of the register for a person: `under_review` reads `under review`.
pub(super) fn words(text: &str) -> String {
    text.replace('_', " ")
}

/// The title of a case in the first language it has.
pub(super) fn title(case: &Value) -> &str {
    look::at(case, "/words/0/title").as_str().unwrap_or("(the words were erased)")
}

/// An instant for a person: `2027-03-03 17:00 UTC`.
pub(super) fn instant(at: &Value) -> String {
    let millis = at.as_u64().and_then(|it| i64::try_from(it).ok());
    let stamp = millis.and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
    stamp.map_or("(no date)".to_owned(), |it| it.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// One line for each case: id, state and title.
pub(super) fn case_lines(cases: &[Value], kind: &str) -> String {
    if cases.is_empty() {
        return format!("There is no {kind} here yet.");
    }
    let mut text = String::new();
    for case in cases {
        let (id, state) = (look::text(case, "/id"), look::at(case, "/state").as_str());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{id}  {:<16} {}", words(state.unwrap_or_default()), title(case));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reads_as_date_and_time() {
        assert_eq!(instant(&json!(1_804_093_200_000_u64)), "2027-03-03 17:00 UTC");
        assert_eq!(instant(&Value::Null), "(no date)");
    }

    #[test]
    fn a_list_names_id_state_and_title_and_an_empty_one_says_so() {
        let case =
            json!({ "id": "fmr1x", "state": "closing overdue", "words": [{ "title": "Solar" }] });
        assert_eq!(case_lines(&[case], "pool"), "fmr1x  closing overdue  Solar\n");
        assert_eq!(case_lines(&[], "pool"), "There is no pool here yet.");
    }
}
