//! Answers that a reader may already have: 304 by entity tag or date.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use peer::pages::Tag;
use record::UnixMillis;

/// HTTP dates count seconds: what changed within the last two may change again within the same one.
const SETTLED_AFTER_MILLIS: u64 = 2_000;
/// Ask again whether it changed, but not more than every few seconds.
const FOR_SECONDS: &str = "public, max-age=2";

/// A page, or 304 if the reader has it.
pub(super) fn answer(
    asked: &HeaderMap,
    kind: &'static str,
    body: String,
    updated: Option<UnixMillis>,
    now: UnixMillis,
) -> Response {
    let tag = Tag::of(body.as_bytes());
    answer_kept(asked, kind, (&tag, body.into()), updated, now)
}

/// The same with a page that is kept, and its tag.
pub(super) fn answer_kept(
    asked: &HeaderMap,
    kind: &'static str,
    (tag, body): (&Tag, Bytes),
    updated: Option<UnixMillis>,
    now: UnixMillis,
) -> Response {
    let settled = updated.filter(|at| at.plus_millis(SETTLED_AFTER_MILLIS) <= now);
    let modified = settled.and_then(http_date);
    let body = if is_known(asked, tag, modified.as_deref()) { None } else { Some(body) };
    let mut headers = HeaderMap::new();
    let mut add = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    add(header::ETAG, tag.as_str());
    add(header::CACHE_CONTROL, FOR_SECONDS);
    add(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    add(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(header::VARY, "Host");
    if let Some(modified) = &modified {
        add(header::LAST_MODIFIED, modified);
    }
    let Some(body) = body else { return (StatusCode::NOT_MODIFIED, headers).into_response() };
    add_kind(&mut headers, kind);
    (headers, Body::from(body)).into_response()
}

fn add_kind(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
}

/// Whether the reader has this already. The tag decides where one is given (RFC 9110, section 13.2.2).
fn is_known(asked: &HeaderMap, tag: &Tag, modified: Option<&str>) -> bool {
    let text = |name| asked.get(name).and_then(|it| it.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        return tag.is_among(tags);
    }
    modified.is_some() && text(header::IF_MODIFIED_SINCE) == modified
}

fn http_date(at: UnixMillis) -> Option<String> {
    let at = Timestamp::from_second(i64::try_from(at.unix_seconds()).ok()?).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(784_111_777_000 + SETTLED_AFTER_MILLIS);
    const UPDATED: UnixMillis = UnixMillis(784_111_777_000);

    fn ask(name: Option<(&'static str, &str)>, now: UnixMillis) -> Response {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = name {
            headers.insert(name, value.parse().unwrap());
        }
        answer(&headers, "text/plain", "body".to_owned(), Some(UPDATED), now)
    }

    #[test]
    fn who_has_the_tag_gets_304_and_who_has_another_gets_the_page() {
        let first = ask(None, NOW);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()["etag"].to_str().unwrap();
        for known in [tag, &format!("\"x\", W/{tag}"), "*"] {
            assert_eq!(ask(Some(("if-none-match", known)), NOW).status(), 304, "{known}");
        }
        assert_eq!(ask(Some(("if-none-match", "\"x\"")), NOW).status(), 200);
    }

    #[test]
    fn the_date_is_that_of_rfc_9110_and_is_enough_without_a_tag() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(ask(None, NOW).headers()["last-modified"], date);
        assert_eq!(ask(Some(("if-modified-since", date)), NOW).status(), 304);
        let earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
        assert_eq!(ask(Some(("if-modified-since", earlier)), NOW).status(), 200);
    }

    #[test]
    fn what_changed_within_two_seconds_has_no_date() {
        let sooner = UnixMillis(NOW.0 - 1);
        assert!(!ask(None, sooner).headers().contains_key("last-modified"));
    }
}
