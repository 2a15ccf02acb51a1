//! Looking into JSON whose shape cannot be relied on: what has another type than expected is as good as absent.

use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// The value at a path of member names.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |inner, name| inner.get(name)).filter(|found| !found.is_null())
}

/// The text at a path, trimmed; `None` if empty.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The text or number at a path, as text.
pub(super) fn id(value: &Value, path: &[&str]) -> Option<String> {
    match at(value, path)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The elements of the array at a path; none where there is no array.
pub(super) fn list<'v>(value: &'v Value, path: &[&str]) -> &'v [Value] {
    at(value, path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The original text of a member of an object, so that a number keeps its digits.
pub(super) fn raw<'a>(object: &'a RawValue, path: &[&str]) -> Option<&'a RawValue> {
    path.iter().try_fold(object, |inner, name| {
        serde_json::from_str::<BTreeMap<String, &RawValue>>(inner.get()).ok()?.remove(*name)
    })
}

/// The original texts of the elements of an array member.
pub(super) fn raw_list<'a>(object: &'a RawValue, path: &[&str]) -> Vec<&'a RawValue> {
    raw(object, path).and_then(|array| serde_json::from_str(array.get()).ok()).unwrap_or_default()
}
