//! An event as a line: for a person, or as JSON.

use jiff::tz::TimeZone;
use proto::v1::{Cause, Item};
use serde_json::{Value, json};

use crate::{console::plain, time};

/// `2027-03-03 17:00:00 GMT  covenant  in force  Harbour Baths: all parties have signed. (provisional)`
pub(super) fn render(item: &Item, zone: &TimeZone) -> String {
    let Item { kind, state, provisional, summary, at, level, .. } = item;
    let level = if level.is_empty() { String::new() } else { format!(" ({})", plain(level)) };
    let mark = if *provisional { " (provisional)" } else { "" };
    let at = time::shown(*at, zone);
    let (kind, state, summary) = (plain(kind), plain(state), plain(summary));
    format!("{at}  {kind:<11} {state:<16} {summary}{level}{mark}")
}

/// The item, field by field, under the names of the protocol.
pub(super) fn as_json(item: &Item) -> Value {
    let Item {
        id,
        transition,
        kind,
        case_id,
        state,
        provisional,
        summary,
        at,
        deadline,
        causes,
        community,
        places,
        cursor,
        titles,
        level,
        region,
        told_by,
        checked,
    } = item;
    let [told_by, checked] = [told_by, checked].map(|it| Some(it).filter(|it| !it.is_empty()));
    let level = Some(level).filter(|it| !it.is_empty());
    let causes: Vec<Value> = causes.iter().map(cause).collect();
    let titles: std::collections::BTreeMap<_, _> = titles.iter().collect();
    json!({
        "id": id,
        "transition": transition,
        "kind": kind,
        "case_id": case_id,
        "state": state,
        "provisional": provisional,
        "summary": summary,
        "at": at,
        "deadline": deadline,
        "causes": causes,
        "community": community,
        "places": places,
        "cursor": cursor,
        "titles": titles,
        "level": level,
        "region": region,
        "told_by": told_by,
        "checked": checked,
    })
}

fn cause(Cause { record, community, era, index }: &Cause) -> Value {
    json!({ "record": record, "community": community, "era": era, "index": index })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item() -> Item {
        Item {
            id: "fmi1a".into(),
            kind: "covenant".into(),
            state: "in force".into(),
            provisional: true,
            summary: "Harbour Baths\u{1b}[2J: all have signed.".into(),
            at: 1_800_000_000_000,
            titles: [("en".to_owned(), "Harbour Baths".to_owned())].into_iter().collect(),
            causes: vec![Cause {
                record: "fmr1a".into(),
                community: "fm1a".into(),
                era: 0,
                index: 9,
            }],
            ..Item::default()
        }
    }

    #[test]
    fn a_line_has_time_kind_state_sentence_and_the_provisional_mark() {
        let line = render(&item(), &TimeZone::UTC);
        let expected = "2027-01-15 08:00:00 UTC  covenant    in force         \
                        Harbour Baths�[2J: all have signed. (provisional)";
        assert_eq!(line, expected);
        let settled = Item { provisional: false, ..item() };
        assert!(!render(&settled, &TimeZone::UTC).contains("provisional"));
        let counted = Item { level: "self-declared".into(), ..item() };
        assert!(
            render(&counted, &TimeZone::UTC).ends_with("signed. (self-declared) (provisional)")
        );
    }

    #[test]
    fn as_json_every_field_has_its_name_in_the_protocol() {
        let value = as_json(&item());
        assert_eq!(value.as_object().map(serde_json::Map::len), Some(18));
        assert_eq!(
            value["causes"][0],
            json!({"record": "fmr1a", "community": "fm1a", "era": 0, "index": 9})
        );
        assert_eq!(
            (&value["deadline"], &value["level"], &value["titles"]["en"]),
            (&Value::Null, &Value::Null, &json!("Harbour Baths"))
        );
    }
}
