//! Bringing a publisher's release to what OCDS 1.1.5 allows, without adding anything to what it says.
//!
//! A value of the wrong type is converted where that loses nothing, and left out where it would; so are codes outside a
//! closed codelist, nulls and empty things. Fields that the standard does not list stay.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::{
    shapes::{CURRENCIES, Field, Ids, RELEASE, Shape},
    uri,
};
use crate::ocds::instant::{self, Day};

/// The release with every listed field as the standard wants it, and what the standard requires beside ocid, id and date.
pub(super) fn tidy_release(release: Map<String, Value>) -> Map<String, Value> {
    let mut release = object(release, RELEASE);
    if !release.contains_key("tag") {
        release.insert("tag".to_owned(), Value::from(vec![implied_tag(&release)]));
    }
    release.insert("initiationType".to_owned(), Value::from("tender"));
    let ocid = release.get("ocid").cloned().unwrap_or_default();
    if let Some(Value::Object(tender)) = release.get_mut("tender") {
        tender.entry("id").or_insert_with(|| ocid);
    }
    name_awards_of_contracts(&mut release);
    release
}

fn implied_tag(release: &Map<String, Value>) -> &'static str {
    let parts = [("contracts", "contract"), ("awards", "award"), ("tender", "tender")];
    let found = parts.into_iter().find(|(part, _)| release.contains_key(*part));
    found.map_or("planning", |(_, tag)| tag)
}

/// A contract must name its award: the only one there is, or one that is said to be unknown.
fn name_awards_of_contracts(release: &mut Map<String, Value>) {
    let only = match release.get("awards").and_then(Value::as_array).map(Vec::as_slice) {
        Some([award]) => award.get("id").cloned(),
        _ => None,
    };
    let name = only.unwrap_or_else(|| Value::from("unknown"));
    let contracts = release.get_mut("contracts").and_then(Value::as_array_mut);
    for contract in contracts.into_iter().flatten().filter_map(Value::as_object_mut) {
        contract.entry("awardID").or_insert_with(|| name.clone());
    }
}

/// The members that can take their shape, in it.
pub(super) fn object(members: Map<String, Value>, fields: &[Field]) -> Map<String, Value> {
    members
        .into_iter()
        .filter_map(|(name, value)| {
            let tidied = match shape_of(&name, fields) {
                Some(shape) => tidy(value, shape)?,
                None => clean(&name, value)?,
            };
            Some((name, tidied))
        })
        .collect()
}

/// The shape of a listed field, or of its translation (`title_cy`).
fn shape_of(name: &str, fields: &[Field]) -> Option<Shape> {
    let listed =
        |name: &str| fields.iter().find(|(field, _)| *field == name).map(|(_, shape)| *shape);
    listed(name).or_else(|| {
        let stem = name.split_once('_')?.0;
        listed(stem).filter(|shape| matches!(shape, Shape::Text | Shape::Uri))
    })
}

/// The value in the shape, or `None` if it is empty or cannot take it.
fn tidy(value: Value, shape: Shape) -> Option<Value> {
    match shape {
        Shape::Text | Shape::TextId => text(&value).map(Value::from),
        Shape::Id if value.is_i64() || value.is_u64() => Some(value),
        Shape::Id => text(&value).map(Value::from),
        Shape::Language => text(&value).map(|tag| Value::from(tag.to_lowercase())),
        Shape::Date => instant::tidy(value.as_str()?, Day::Begins).map(Value::from),
        Shape::EndDate => instant::tidy(value.as_str()?, Day::Ends).map(Value::from),
        Shape::Uri => uri::tidy(value.as_str()?).map(Value::from),
        Shape::Number => number(value).map(Value::Number),
        Shape::Integer => number(value).and_then(|n| integer(&n)).map(Value::Number),
        Shape::Boolean => match value.as_str() {
            Some(word) => word.parse::<bool>().ok().map(Value::from),
            None => value.as_bool().map(Value::from),
        },
        Shape::Code(codes) => code(&value, codes).map(Value::from),
        Shape::Currency => currency(&value).map(Value::from),
        Shape::Texts => texts(value, text),
        Shape::Codes(codes) => texts(value, |one| code(one, codes).map(str::to_owned)),
        Shape::Object(fields) => match value {
            Value::Object(members) => filled(object(members, fields)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        },
        Shape::Objects(fields, ids) => objects(value, fields, ids),
        Shape::Anything => value.is_object().then(|| clean("", value))?,
    }
}

fn filled(members: Map<String, Value>) -> Option<Value> {
    (!members.is_empty()).then_some(Value::Object(members))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => (!text.trim().is_empty()).then(|| text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(word) => Some(word.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number(value: Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number),
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number without a fraction as JSON writes integers; through text, so that nothing is rounded.
fn integer(number: &Number) -> Option<Number> {
    if !number.is_f64() {
        return Some(number.clone());
    }
    let written = number.to_string();
    written.strip_suffix(".0")?.parse::<i64>().ok().map(Number::from)
}

fn code<'c>(value: &Value, codes: &[&'c str]) -> Option<&'c str> {
    let word = value.as_str()?.trim();
    codes.iter().find(|code| code.eq_ignore_ascii_case(word)).copied()
}

fn currency(value: &Value) -> Option<String> {
    let code = value.as_str()?.trim().to_ascii_uppercase();
    CURRENCIES.split(' ').any(|known| known == code).then_some(code)
}

fn texts(value: Value, one: impl Fn(&Value) -> Option<String>) -> Option<Value> {
    let list = listed(value);
    let mut seen = BTreeSet::new();
    let kept: Vec<Value> = list
        .iter()
        .filter_map(one)
        .filter(|text| seen.insert(text.clone()))
        .map(Value::from)
        .collect();
    (!kept.is_empty()).then_some(Value::Array(kept))
}

/// A list, or a single thing where a list belongs.
fn listed(value: Value) -> Vec<Value> {
    if let Value::Array(list) = value { list } else { vec![value] }
}

fn objects(value: Value, fields: &[Field], ids: Ids) -> Option<Value> {
    let list = listed(value);
    let mut kept = Elements { ids, list: Vec::with_capacity(list.len()), taken: BTreeSet::new() };
    for element in list {
        if let Value::Object(members) = element {
            kept.push(object(members, fields));
        }
    }
    kept.number_the_nameless();
    (!kept.list.is_empty()).then(|| kept.list.into_iter().map(Value::Object).collect())
}

/// A list that a checker accepts: no two equal elements, no id twice, no id missing where one is required.
struct Elements {
    ids: Ids,
    list: Vec<Map<String, Value>>,
    /// Ids as JSON, so that 1 and "1" differ.
    taken: BTreeSet<String>,
}

impl Elements {
    fn push(&mut self, mut element: Map<String, Value>) {
        if element.is_empty() && self.ids != Ids::Required {
            return;
        }
        let Some(id) = element.get("id").map(Value::to_string) else {
            if self.ids == Ids::Required || !self.list.contains(&element) {
                self.list.push(element);
            }
            return;
        };
        if self.ids == Ids::Free || self.taken.insert(id.clone()) {
            self.list.push(element);
            return;
        }
        match self.ids {
            Ids::Merged => self.merge(element),
            Ids::Required if !self.list.contains(&element) => {
                let fresh =
                    self.fresh_id(element.get("id").and_then(text).as_deref().unwrap_or(""));
                element.insert("id".to_owned(), Value::from(fresh));
                self.list.push(element);
            }
            Ids::Required | Ids::Mentioned | Ids::Free => {}
        }
    }

    /// The first mention's fields win; roles are united.
    fn merge(&mut self, other: Map<String, Value>) {
        let same = |element: &&mut Map<String, Value>| element.get("id") == other.get("id");
        let Some(first) = self.list.iter_mut().find(same) else {
            return;
        };
        for (name, value) in other {
            match (first.get_mut(&name), value) {
                (None, value) => {
                    first.insert(name, value);
                }
                (Some(Value::Array(roles)), Value::Array(more)) if name == "roles" => {
                    let new: Vec<Value> = more.into_iter().filter(|r| !roles.contains(r)).collect();
                    roles.extend(new);
                }
                _ => {}
            }
        }
    }

    fn number_the_nameless(&mut self) {
        if self.ids != Ids::Required {
            return;
        }
        let nameless: Vec<usize> = (0..self.list.len())
            .filter(|at| self.list.get(*at).is_some_and(|element| !element.contains_key("id")))
            .collect();
        for at in nameless {
            let fresh = self.fresh_id(&format!("{}", at + 1));
            if let Some(element) = self.list.get_mut(at) {
                element.insert("id".to_owned(), Value::from(fresh));
            }
        }
    }

    /// `stem`, or the first of `stem-2`, `stem-3`, … that is free.
    fn fresh_id(&mut self, stem: &str) -> String {
        let mut id = stem.to_owned();
        let mut n = 1_u32;
        while !self.taken.insert(Value::from(id.as_str()).to_string()) {
            n += 1;
            id = format!("{stem}-{n}");
        }
        id
    }
}

/// An additional field without nulls and empty things.
fn clean(name: &str, value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => {
            let address =
                ["url", "uri", "href"].iter().any(|end| name.to_lowercase().ends_with(end));
            let tidied = if address { uri::tidy(&text) } else { None };
            Some(Value::String(tidied.unwrap_or(text)))
        }
        Value::Array(list) => {
            let kept: Vec<Value> = list.into_iter().filter_map(|one| clean(name, one)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Object(members) => {
            filled(members.into_iter().filter_map(|(n, v)| clean(&n, v).map(|v| (n, v))).collect())
        }
        Value::Bool(_) | Value::Number(_) => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tidied(release: Value) -> Value {
        let Value::Object(members) = release else { panic!("an object") };
        Value::Object(tidy_release(members))
    }

    #[test]
    fn what_the_standard_requires_is_supplied() {
        let release =
            tidied(json!({"ocid": "o", "tender": {"title": "t"}, "contracts": [{"title": "c"}]}));
        let expected = json!({
            "ocid": "o", "tag": ["contract"], "initiationType": "tender",
            "tender": {"id": "o", "title": "t"},
            "contracts": [{"id": "1", "awardID": "unknown", "title": "c"}],
        });
        assert_eq!(release, expected);
    }

    #[test]
    fn wrong_types_are_converted_where_nothing_is_lost() {
        let release = tidied(json!({
            "tag": "tender", "language": "EN",
            "tender": {"id": 7, "title": 5, "numberOfTenderers": 3.0, "hasEnquiries": "true",
                "status": "Active", "procurementMethod": "competitive",
                "value": {"amount": "250.50", "currency": "gbp"},
                "minValue": {"amount": "on request", "currency": "ZZZ"},
                "tenderPeriod": {"endDate": "2025-01-02", "startDate": "soon", "durationInDays": 1.5},
                "items": {"quantity": "120", "unit": null}},
        }));
        let expected = json!({
            "tag": ["tender"], "language": "en", "initiationType": "tender",
            "tender": {"id": 7, "title": "5", "numberOfTenderers": 3, "hasEnquiries": true,
                "status": "active", "value": {"amount": 250.5, "currency": "GBP"},
                "tenderPeriod": {"endDate": "2025-01-03T00:00:00Z"},
                "items": [{"id": "1", "quantity": 120}]},
        });
        assert_eq!(release, expected);
    }

    #[test]
    fn one_party_named_twice_is_one_party() {
        let parties = json!([
            {"id": "1", "name": "A", "roles": ["buyer"]},
            {"id": 1, "name": "B", "roles": ["buyer", "supplier"], "address": {"region": "UK"}},
            {"name": "C"}, {"name": "C"}, {}
        ]);
        let release = tidied(json!({"tag": ["tender"], "parties": parties}));
        let expected = json!([
            {"id": "1", "name": "A", "roles": ["buyer", "supplier"], "address": {"region": "UK"}},
            {"name": "C"}
        ]);
        assert_eq!(release["parties"], expected);
    }

    #[test]
    fn no_id_stands_twice_in_a_list() {
        let documents = json!([{"id": "1", "title": "a"}, {"id": "1", "title": "b"}, {"id": "1", "title": "a"},
            {"title": "c"}, {"id": "1-2"}]);
        let release =
            tidied(json!({"tag": ["tender"], "tender": {"id": "t", "documents": documents}}));
        let ids: BTreeSet<&str> = release["tender"]["documents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|document| document["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), 4);
        let suppliers = json!([{"id": "1"}, {"id": "1", "name": "again"}]);
        let award = tidied(json!({"awards": [{"id": "1", "suppliers": suppliers}]}));
        assert_eq!(award["awards"][0]["suppliers"], json!([{"id": "1"}]));
    }

    #[test]
    fn nulls_and_empty_things_go_and_additional_fields_stay() {
        let release = tidied(json!({
            "tag": ["award", "nonsense"], "buyer": null, "awards": [], "planning": {},
            "title_cy": "Teitl", "x": {"a": [null, {}], "b": 0, "c": false, "url": "http://a b"},
        }));
        let expected = json!({
            "tag": ["award"], "initiationType": "tender", "title_cy": "Teitl",
            "x": {"b": 0, "c": false, "url": "http://a%20b"},
        });
        assert_eq!(release, expected);
    }
}
