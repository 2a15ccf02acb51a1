//! Telling the releases of a file apart, without parsing them and without holding more than their places.
//!
//! | the file is | it holds |
//! |---|---|
//! | an object with `records` | a record package: each record's releases, or else its compiled one |
//! | an object with `compiledRelease`, or with `ocid` and `releases` | one record |
//! | an object with `releases` | a release package: every element stands for a release, whatever it is |
//! | any other object with one of [`MARKS`] | one release |
//! | an array | a list of releases, if any element has one of [`MARKS`]; an empty one is an empty list |
//! | anything else | no releases |

use std::{borrow::Cow, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

/// The members by which a release is known where no package says that it is one: the sections of OCDS 1.1 and the members
/// it requires, but for `id` and `date`, which other JSON has as well. A release that lacks its ocid has others of them.
const MARKS: [&str; 9] = [
    "ocid",
    "tag",
    "initiationType",
    "parties",
    "buyer",
    "planning",
    "tender",
    "awards",
    "contracts",
];

/// What stands where a release is expected.
pub(super) enum Found<'a> {
    /// A release, as it stands in the file.
    Release {
        /// Its original text.
        raw: &'a RawValue,
        /// Objects and arrays around it.
        depth: usize,
    },
    /// A record with neither embedded releases nor a compiled release.
    EmptyRecord,
}

/// Why no releases can be told apart.
#[derive(Debug)]
pub(super) enum SplitError {
    NotReleases,
    NotJson(serde_json::Error),
}

/// Takes each thing found; `false` stops.
type Visit<'f, 'a> = dyn FnMut(Found<'a>) -> bool + 'f;

/// Calls `visit` for each release of a file in its order.
pub(super) fn each_release<'a>(text: &'a str, visit: &mut Visit<'_, 'a>) -> Result<(), SplitError> {
    let whole: &'a RawValue = serde_json::from_str(text).map_err(SplitError::NotJson)?;
    match whole.get().as_bytes().first() {
        Some(b'[') if may_be_releases(whole) => {
            each_element(whole, &mut |raw| visit(Found::Release { raw, depth: 1 }))
        }
        Some(b'{') => each_of_object(whole, visit),
        _ => Err(SplitError::NotReleases),
    }
}

/// Whether an array is empty, or any of its elements looks like a release.
fn may_be_releases(array: &RawValue) -> bool {
    let (mut is_empty, mut is_marked) = (true, false);
    // It stops at the first that does, which is no fault.
    let _ = each_element(array, &mut |raw| {
        is_empty = false;
        is_marked = Outline::of(raw).is_ok_and(|it| it.is_marked);
        !is_marked
    });
    is_empty || is_marked
}

fn each_of_object<'a>(whole: &'a RawValue, visit: &mut Visit<'_, 'a>) -> Result<(), SplitError> {
    let outline = Outline::of(whole)?;
    if let Some(records) = outline.records {
        return each_element(records, &mut |record| each_of_record(record, 2, visit));
    }
    if outline.compiled.is_some() || (outline.ocid && outline.releases.is_some()) {
        each_of_record(whole, 0, visit);
        return Ok(());
    }
    match outline.releases {
        Some(releases) => {
            each_element(releases, &mut |raw| visit(Found::Release { raw, depth: 2 }))
        }
        None if outline.is_marked => {
            visit(Found::Release { raw: whole, depth: 0 });
            Ok(())
        }
        None => Err(SplitError::NotReleases),
    }
}

/// The embedded releases of a record, or its compiled release if the releases are only linked.
fn each_of_record<'a>(record: &'a RawValue, depth: usize, visit: &mut Visit<'_, 'a>) -> bool {
    let outline = Outline::of(record).unwrap_or_default();
    let mut n_embedded = 0_usize;
    let mut wanted = true;
    if let Some(releases) = outline.releases {
        let _ = each_element(releases, &mut |raw| {
            if Outline::of(raw).is_ok_and(|release| release.url && !release.ocid) {
                return true;
            }
            n_embedded += 1;
            wanted = visit(Found::Release { raw, depth: depth + 2 });
            wanted
        });
    }
    match (n_embedded, outline.compiled) {
        (0, Some(raw)) => visit(Found::Release { raw, depth: depth + 1 }),
        (0, None) => visit(Found::EmptyRecord),
        _ => wanted,
    }
}

/// Visits the elements of an array one by one.
fn each_element<'a>(
    array: &'a RawValue,
    visit: &mut dyn FnMut(&'a RawValue) -> bool,
) -> Result<(), SplitError> {
    if !array.get().starts_with('[') {
        return Err(SplitError::NotReleases);
    }
    let mut json = serde_json::Deserializer::from_str(array.get());
    Elements(visit).deserialize(&mut json).map_err(SplitError::NotJson)
}

struct Elements<'f, 'a>(&'f mut dyn FnMut(&'a RawValue) -> bool);

impl<'a> DeserializeSeed<'a> for Elements<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(raw) = elements.next_element::<&'a RawValue>()? {
            if !(self.0)(raw) {
                return Err(A::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

/// The members of an object that tell what it is.
#[derive(Default)]
struct Outline<'a> {
    /// Whether it has one of [`MARKS`].
    is_marked: bool,
    ocid: bool,
    url: bool,
    releases: Option<&'a RawValue>,
    records: Option<&'a RawValue>,
    compiled: Option<&'a RawValue>,
}

impl<'a> Outline<'a> {
    fn of(object: &'a RawValue) -> Result<Self, SplitError> {
        let mut json = serde_json::Deserializer::from_str(object.get());
        json.deserialize_map(OutlineVisitor).map_err(SplitError::NotJson)
    }
}

struct OutlineVisitor;

impl<'a> Visitor<'a> for OutlineVisitor {
    type Value = Outline<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut members: A) -> Result<Outline<'a>, A::Error> {
        let mut outline = Outline::default();
        while let Some(name) = members.next_key::<Cow<'a, str>>()? {
            match name.as_ref() {
                "releases" => outline.releases = members.next_value()?,
                "records" => outline.records = members.next_value()?,
                "compiledRelease" => outline.compiled = members.next_value()?,
                other => {
                    outline.is_marked |= MARKS.contains(&other);
                    outline.ocid |= other == "ocid";
                    outline.url |= other == "url";
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(outline)
    }
}

/// The deepest nesting of objects and arrays in a text that is JSON.
pub(super) fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0_usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        each_release(text, &mut |found| {
            all.push(match found {
                Found::Release { raw, depth } => format!("{depth} {}", raw.get()),
                Found::EmptyRecord => "empty".to_owned(),
            });
            true
        })
        .unwrap();
        all
    }

    #[test]
    fn finds_releases_in_packages_records_arrays_and_alone() {
        assert_eq!(found(r#" {"ocid": 1} "#), [r#"0 {"ocid": 1}"#]);
        assert_eq!(found(r#"[{"a":1}, {"tag":1}, 2]"#), [r#"1 {"a":1}"#, r#"1 {"tag":1}"#, "1 2"]);
        assert_eq!(found(r#"{"x":{},"releases":[{"a":1}]}"#), [r#"2 {"a":1}"#]);
        assert_eq!(found(r#"{"releases":[]}"#), Vec::<String>::new());
        let records = r#"{"records":[{"ocid":"o","releases":[{"ocid":"o"}]}]}"#;
        assert_eq!(found(records), [r#"4 {"ocid":"o"}"#]);
    }

    #[test]
    fn a_record_of_links_gives_its_compiled_release() {
        let linked = r#"{"ocid":"o","releases":[{"url":"u"}],"compiledRelease":{"ocid":"o"}}"#;
        assert_eq!(found(linked), [r#"1 {"ocid":"o"}"#]);
        assert_eq!(found(r#"{"compiledRelease":{"ocid":"o"}}"#), [r#"1 {"ocid":"o"}"#]);
        assert_eq!(found(r#"{"ocid":"o","releases":[{"url":"u"}]}"#), ["empty"]);
        assert_eq!(found(r#"{"records":[{"ocid":"o"}, 3]}"#), ["empty", "empty"]);
    }

    fn holds_none(text: &str) -> bool {
        matches!(each_release(text, &mut |_| true), Err(SplitError::NotReleases))
    }

    #[test]
    fn a_number_and_a_package_without_a_list_hold_no_releases() {
        for text in ["3", "\"x\"", "null", r#"{"releases":{}}"#, r#"{"records":7}"#] {
            assert!(holds_none(text), "{text}");
        }
    }

    #[test]
    fn every_mark_alone_makes_a_release_and_id_and_date_do_not() {
        for mark in MARKS {
            assert_eq!(found(&format!(r#"{{"{mark}":null}}"#)).len(), 1, "{mark}");
            assert_eq!(found(&format!(r#"[7,{{"{mark}":null}}]"#)).len(), 2, "{mark}");
        }
        for text in ["{}", r#"{"id":"1","date":"2025-01-02T00:00:00Z"}"#, r#"{"a":{"ocid":"o"}}"#] {
            assert!(holds_none(text), "{text}");
            assert!(holds_none(&format!("[{text}]")), "{text}");
        }
        assert!(holds_none("[1,[\"ocid\"]]"));
        assert_eq!(found("[]"), Vec::<String>::new());
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(nesting(r#"{"a":["[[[","\"[",{}]}"#), 3);
        assert_eq!(nesting(r#""\\""#), 0);
        assert_eq!(nesting(r#"["\\[", []]"#), 2);
    }
}
