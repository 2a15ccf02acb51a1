//! Opportunities that a community writes itself.

use std::fs;

use serde_json::{Value, json};

use crate::world::{Community, Node};

/// Publishes an opportunity, with further arguments.
fn open(node: &Node, args: &[&str]) -> Value {
    let words = ["opportunity", "open", "--title", "Roof of the baths"];
    node.ask(&[&words[..], args].concat())
}

#[test]
fn an_opportunity_of_our_own_is_published_updated_and_keeps_its_words() {
    let community = Community::found();
    let text = community.folder.path().join("roof.txt");
    fs::write(&text, "Slates.\n").unwrap();
    let node = community.run();
    let opened = open(
        &node,
        &[
            "--text",
            text.to_str().unwrap(),
            "--title-cy",
            "To'r baddonau",
            "--ends",
            "30d",
            "--value",
            "12000.00",
            "--cpv",
            "45261210",
            "--place",
            "E07000223:2023",
            "--buyer",
            "GB-COH:1234567",
            "--suits-vcse",
            "true",
        ],
    );
    assert_eq!(opened["ocid"], "", "the charter has no prefix");
    let id = opened["record"].as_str().unwrap();
    let shown = node.ask(&["opportunity", "show", id]);
    assert_eq!((&shown["state"], &shown["source"]), (&"open".into(), &Value::Null));
    assert_eq!(shown["value"], json!({ "minor": 1_200_000, "currency": "GBP" }));
    assert_eq!(shown["buyer"]["id"], "01234567");
    assert_eq!(shown["places"][0]["code"], "E07000223");
    let titles: Vec<&str> =
        shown["words"].as_array().unwrap().iter().map(|it| it["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["To'r baddonau", "Roof of the baths"]);

    node.written(&["opportunity", "update", id, "--stage", "awarded", "--value", "11400.00"]);
    let shown = node.ask(&["opportunity", "show", id]);
    assert_eq!((&shown["state"], &shown["n_releases"]), (&"awarded".into(), &2.into()));
    assert_eq!(shown["value"]["minor"], 1_140_000);
    assert_eq!(shown["cpv"], json!([45_261_210]), "what is not given stays");
    assert_eq!(shown["words"][1]["text"], "Slates.\n", "an update has the words of the opening");
    let again = node.refused(&["opportunity", "update", id, "--stage", "awarded"]);
    assert_eq!((again.code, &again.json["error"]["reason"]), (1, &"record.repeat".into()));
}

#[test]
fn what_was_imported_or_is_none_is_not_updated() {
    let node = Community::found().run();
    let file = node.community.folder.path().join("one.json");
    let release = json!({
        "ocid": "ocds-213czf-1", "id": "1", "date": "2027-01-01T00:00:00Z", "tag": ["tender"],
        "initiationType": "tender", "tender": { "id": "T-1", "title": "Footbridge", "status": "active" },
    });
    fs::write(&file, json!({ "releases": [release] }).to_string()).unwrap();
    node.ask(&["opportunity", "import", file.to_str().unwrap()]);
    let listed = node.ask(&["opportunity", "list"]);
    let imported = listed["cases"][0]["id"].as_str().unwrap();
    let update = |id: &str| node.refused(&["opportunity", "update", id, "--stage", "closed"]);
    assert_eq!(update(imported).json["error"]["reason"], "opportunity.imported");
    let args = ["--unit", "bags", "--threshold", "1", "--closes", "1d"];
    let pool = node.written(&[&["pool", "open", "--title", "Salt"][..], &args].concat());
    assert_eq!(update(&pool).json["error"]["reason"], "case.unknown");
}

#[test]
fn wrong_values_are_refused_with_a_sentence_and_nothing_is_published() {
    let node = Community::found().run();
    let refused = |args: &[&str]| {
        let words = ["opportunity", "open", "--title", "Roof"];
        node.refused(&[&words[..], args].concat())
    };
    let ended = refused(&["--ends", "2020-01-01"]);
    assert_eq!((ended.code, &ended.json["error"]["reason"]), (2, &"request.tender_ends".into()));
    let place = refused(&["--place", "Harbour:2023"]);
    assert_eq!(place.json["error"]["reason"], "payload.wrong_form");
    for (wrong, told) in [
        (["--ends", "soon"], "`soon` is no time"),
        (["--value", "£12"], "is no amount in pounds"),
        (["--place", "E07000223"], "is no place"),
        (["--buyer", "01234567"], "is no identifier"),
    ] {
        let refused = refused(&wrong);
        assert_eq!(refused.code, 2, "{wrong:?}");
        assert!(refused.sentence.contains(told), "{}", refused.sentence);
    }
    assert_eq!(node.ask(&["status"])["log"]["size"], 1);
}
