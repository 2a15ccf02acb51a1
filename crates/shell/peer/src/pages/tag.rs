//! Entity tags: a reader that has a page is told so, and gets it no second time.

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use data_encoding::HEXLOWER;
use tlog::leaf_hash;

/// What names the bytes of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of these bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(format!("\"{}\"", HEXLOWER.encode(leaf_hash(body).as_bytes())))
    }

    /// As it stands in a header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the value of an `If-None-Match` names it (RFC 9110, section 13.1.2).
    #[must_use]
    pub fn is_among(&self, tags: &str) -> bool {
        let is_same = |it: &str| it.trim().trim_start_matches("W/") == self.0 || it.trim() == "*";
        tags.split(',').any(is_same)
    }
}

/// A page, or 304 if the reader has it.
pub(super) fn tagged(
    asked: &HeaderMap,
    kind: &'static str,
    keep: &'static str,
    (tag, body): (&Tag, Bytes),
) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(tag) = HeaderValue::from_str(tag.as_str()) {
        headers.insert(header::ETAG, tag);
    }
    let known = asked.get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    if known.is_some_and(|tags| tag.is_among(tags)) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_tag_gets_no_bytes_and_who_has_another_gets_the_page() {
        let body = Bytes::from_static(b"page");
        let tag = Tag::of(&body);
        let ask = |tags: Option<&str>| {
            let mut asked = HeaderMap::new();
            if let Some(tags) = tags {
                asked.insert(header::IF_NONE_MATCH, tags.parse().unwrap());
            }
            tagged(&asked, "text/plain", "public", (&tag, body.clone()))
        };
        assert_eq!(ask(None).headers()["etag"], tag.as_str());
        for known in [tag.as_str(), &format!("\"x\", W/{}", tag.as_str()), "*"] {
            let told = ask(Some(known));
            assert_eq!(
                (told.status(), told.headers()["etag"].to_str().unwrap()),
                (StatusCode::NOT_MODIFIED, tag.as_str())
            );
        }
        assert_eq!(ask(Some("\"x\"")).status(), StatusCode::OK);
        assert_ne!(Tag::of(b"pagf"), tag);
    }
}
