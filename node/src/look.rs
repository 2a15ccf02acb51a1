//! Reading JSON whose form this program made itself.

use serde_json::Value;

static NOTHING: Value = Value::Null;

/// What stands at this JSON pointer (RFC 6901); null where there is nothing.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&NOTHING)
}

/// The text at this JSON pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_null_and_has_no_text() {
        let json = serde_json::json!({ "words": [{ "title": "Salt" }], "n": 3 });
        assert_eq!(text(&json, "/words/0/title"), "Salt");
        assert_eq!(at(&json, "/n"), 3);
        assert!(at(&json, "/words/1/title").is_null());
        assert_eq!(text(&json, "/n"), "");
    }
}
