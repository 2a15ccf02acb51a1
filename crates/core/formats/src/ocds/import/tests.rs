use proptest::prelude::*;
use record::{Money, payload::opportunity::Source, payload::opportunity::Stage};
use serde_json::{Value, json};

use super::*;

fn import(value: &Value) -> FileReport {
    read("x.json", value.to_string().as_bytes()).unwrap()
}

fn accepted(value: &Value) -> AcceptedRelease {
    let report = import(value);
    assert_eq!(report.quarantined, []);
    report.accepted.into_iter().next().unwrap()
}

fn reason(value: &Value) -> &'static str {
    let report = import(value);
    assert_eq!(report.accepted, []);
    report.quarantined.first().unwrap().reason
}

fn minimal() -> Value {
    json!({"ocid": "ocds-x-1", "date": "2025-01-02T00:00:00Z"})
}

fn with(name: &str, value: Value) -> Value {
    let mut release = minimal();
    release[name] = value;
    release
}

#[test]
fn a_release_with_nothing_but_ocid_and_date_is_accepted() {
    let taken = accepted(&minimal());
    assert_eq!(taken.release.ocid, "ocds-x-1");
    assert_eq!(taken.release.release_id, "");
    assert_eq!(taken.release.stage, Stage::Planned);
    assert_eq!(taken.title, "ocds-x-1");
    assert_eq!(taken.notes, []);
}

#[test]
fn the_hash_is_of_the_bytes_as_they_stand_in_the_file() {
    let raw = "{ \"ocid\":\"o\",\n\"date\" : \"2025-01-02T00:00:00Z\" }";
    let package = format!("\u{feff} {{\"releases\": [ {raw} , 7]}}");
    let report = read("/srv/someone/x.json", package.as_bytes()).unwrap();
    let source = report.accepted.first().unwrap().release.source.clone().unwrap();
    let sha256 = sha2::Digest::finalize(sha2::Digest::chain_update(
        <sha2::Sha256 as sha2::Digest>::new(),
        raw.as_bytes(),
    ));
    assert_eq!(source, Source { url: "x.json".to_owned(), sha256: sha256.into() });
    assert_eq!(report.n_releases, 2);
}

#[test]
fn one_bad_release_never_stops_a_package() {
    let report = import(&json!({"releases": [1, minimal(), {"ocid": "o"}, minimal()]}));
    assert_eq!((report.n_releases, report.accepted.len()), (4, 2));
    let reasons: Vec<_> =
        report.quarantined.iter().map(|q| (q.release.as_str(), q.reason)).collect();
    assert_eq!(reasons, [("number 1", "release.not_an_object"), ("o", "date.malformed")]);
}

#[test]
fn a_release_with_half_a_character_is_quarantined_alone() {
    let package =
        r#"{"releases": [{"ocid": "\ud800"}, {"ocid":"o","date":"2025-01-02T00:00:00Z"}]}"#;
    let report = read("x", package.as_bytes()).unwrap();
    assert_eq!(report.quarantined.first().unwrap().reason, "release.unreadable");
    assert_eq!(report.accepted.len(), 1);
}

#[test]
fn an_ocid_has_at_most_128_bytes_and_no_spaces() {
    assert_eq!(accepted(&with("ocid", json!("o".repeat(128)))).release.ocid.len(), 128);
    for (ocid, expected) in [
        (json!("o".repeat(129)), "ocid.malformed"),
        (json!("a b"), "ocid.malformed"),
        (json!("a\u{7}b"), "ocid.malformed"),
        (json!(5), "ocid.malformed"),
        (json!(""), "ocid.missing"),
        (Value::Null, "ocid.missing"),
    ] {
        assert_eq!(reason(&with("ocid", ocid)), expected);
    }
}

#[test]
fn dates_in_words_are_quarantined_with_the_field_named() {
    let tender = json!({"tenderPeriod": {"endDate": "end of March"}});
    let report = import(&with("tender", tender));
    let first = report.quarantined.first().unwrap();
    assert_eq!(first.reason, "date.malformed");
    assert!(first.detail.contains("tender.tenderPeriod.endDate"), "{}", first.detail);
    assert_eq!(reason(&with("date", json!("yesterday"))), "date.malformed");
    assert_eq!(reason(&with("date", Value::Null)), "date.malformed");
    assert_eq!(reason(&with("date", json!("0001-01-01T00:00:00Z"))), "date.out_of_range");
}

#[test]
fn a_deadline_of_the_year_one_means_none() {
    let tender = json!({"tenderPeriod": {"endDate": "0001-01-01T00:00:00Z"}});
    let taken = accepted(&with("tender", tender));
    assert_eq!(taken.release.tender_ends, None);
    assert_eq!(taken.notes.first().unwrap().what, "date.placeholder");
}

#[test]
fn a_buyer_is_known_by_identifier_only() {
    let release = |identifier: Value| {
        let mut release = with("buyer", json!({"id": "1", "name": "Anything"}));
        release["parties"] =
            json!([{"id": "1", "roles": ["buyer"]}, {"id": "1", "identifier": identifier}]);
        accepted(&release).release.buyer.map(|org| org.to_string())
    };
    let company = |id: &str| release(json!({"scheme": "GB-COH", "id": id}));
    assert_eq!(company("123").as_deref(), Some("GB-COH-00000123"));
    assert_eq!(company("not a number"), None);
    assert_eq!(release(json!({"legalName": "X"})), None);
    let nameless = json!({"parties": [{"roles": ["buyer"], "identifier": {"scheme": "GB-LAE", "id": "X"}}],
        "ocid": "o", "date": "2025-01-02T00:00:00Z", "buyer": null});
    assert!(accepted(&nameless).release.buyer.is_some());
}

#[test]
fn codes_are_kept_once_and_places_only_with_gss_codes() {
    let tender = json!({
        "classification": {"scheme": "CPV", "id": "03000000-1"},
        "items": [{"classification": {"scheme": "cpv", "id": "77230000"},
            "additionalClassifications": [{"scheme": "CPV", "id": "03000000"}, {"scheme": "X", "id": "77230001"},
                {"scheme": "CPV", "id": "7723"}, {"scheme": "CPV", "id": 3_000_001}],
            "deliveryAddresses": [{"region": "UKM75"}, {"region": "E07000223"}, {"region": "E07000223"}]}],
        "lots": [{}, {}], "suitability": {"vcse": true},
    });
    let release = accepted(&with("tender", tender)).release;
    assert_eq!(release.cpv, [3_000_000, 77_230_000, 3_000_001]);
    assert_eq!(release.places.len(), 1);
    assert_eq!(release.places.first().unwrap().vintage, 2025);
    assert_eq!((release.n_lots, release.suits_vcse), (2, Some(true)));
}

#[test]
fn the_first_200_codes_are_kept_and_the_cut_is_said() {
    let codes = |n: u32| -> Value {
        (0..n).map(|code| json!({"scheme": "CPV", "id": format!("{code:08}")})).collect()
    };
    let all = accepted(&with("tender", json!({"additionalClassifications": codes(200)})));
    assert_eq!((all.release.cpv.len(), all.notes.len()), (200, 0));
    let cut = accepted(&with("tender", json!({"additionalClassifications": codes(201)})));
    assert_eq!((cut.release.cpv.len(), cut.notes.len()), (200, 1));
}

#[test]
fn a_notice_fits_a_payload() {
    let filled = |n: usize| with("x", json!("a".repeat(n)));
    let frame = filled(0).to_string().len();
    let largest = filled(MAX_NOTICE_BYTES - frame);
    assert_eq!(accepted(&largest).notice_json.len(), MAX_NOTICE_BYTES);
    assert_eq!(reason(&filled(MAX_NOTICE_BYTES - frame + 1)), "release.too_large");
    let mut shrinks = filled(10);
    shrinks["contactPoint"] = json!("b".repeat(MAX_NOTICE_BYTES));
    assert!(accepted(&shrinks).notice_json.len() < MAX_NOTICE_BYTES);
    assert_eq!(reason(&filled(MAX_RELEASE_BYTES)), "release.too_large");
}

#[test]
fn json_nests_64_levels_and_not_65() {
    // The release is one level, in a package two more.
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let bare = |n| format!(r#"{{"ocid":"o","date":"2025-01-02T00:00:00Z","x":{}}}"#, nested(n));
    let packed = |n| format!(r#"{{"releases":[{}]}}"#, bare(n));
    let outcome = |text: String| {
        let report = read("x", text.as_bytes()).unwrap();
        report.quarantined.first().map(|q| q.reason)
    };
    assert_eq!(outcome(bare(63)), None);
    assert_eq!(outcome(bare(64)), Some("import.too_deep"));
    assert_eq!(outcome(packed(61)), None);
    assert_eq!(outcome(packed(62)), Some("import.too_deep"));
    assert_eq!(outcome(bare(1_000_000)), Some("import.too_deep"));
    let outside = format!(r#"{{"publisher":{},"releases":[{}]}}"#, nested(100_000), minimal());
    assert_eq!(outcome(outside), None);
}

#[test]
fn a_file_of_64_mib_and_a_byte_is_refused_before_parsing() {
    let limit = usize::try_from(MAX_IMPORT_FILE_BYTES).unwrap();
    let mut file = vec![b' '; limit + 1];
    assert!(matches!(read("x", &file), Err(FileRefusal::TooLarge { found_bytes: 67_108_865, .. })));
    file.truncate(limit);
    let refusal = read("x", &file).unwrap_err();
    assert_eq!(refusal.reason(), "import.not_json");
}

#[test]
fn a_file_holds_at_most_100_000_releases() {
    let file = |n: usize| format!("{{\"releases\":[{}1]}}", "1,".repeat(n - 1));
    assert_eq!(read("x", file(MAX_RELEASES).as_bytes()).unwrap().n_releases, MAX_RELEASES);
    let refusal = read("x", file(MAX_RELEASES + 1).as_bytes()).unwrap_err();
    assert_eq!(refusal.reason(), "import.too_many_releases");
}

#[test]
fn what_is_not_utf8_json_or_ocds_is_refused() {
    let reason = |bytes: &[u8]| read("x", bytes).unwrap_err().reason();
    assert_eq!(reason(b"{\"a\": \"\xff\"}"), "import.not_utf8");
    assert_eq!(reason(b"\xff\xfe{\0}\0"), "import.not_utf8");
    assert_eq!(reason(b""), "import.not_json");
    assert_eq!(reason(b"{} x"), "import.not_json");
    assert_eq!(reason(b"7"), "import.not_releases");
}

#[test]
fn json_without_a_mark_of_a_release_is_refused_and_a_release_without_its_ocid_is_quarantined() {
    let refused = [
        json!({"$schema": "x", "id": "y", "title": "Schema for an OCDS Release", "type": "object"}),
        json!({"name": "Lots", "description": "x", "compatibility": ["1.1"], "codelists": []}),
        json!({"uri": "u", "version": "1.1", "publisher": {"name": "A"}, "packages": ["v"]}),
        json!([{"id": "1"}, 7]),
        json!({"records": [{"ocid": "o", "releases": [{"url": "u"}]}, {"ocid": "p"}]}),
        json!({"ocid": "o", "releases": [{"url": "u"}]}),
    ];
    for value in refused {
        let refusal = read("a/x.json", value.to_string().as_bytes()).unwrap_err();
        assert_eq!(refusal.reason(), "import.not_releases", "{value}");
        assert!(refusal.to_string().starts_with("a/x.json is JSON but not an OCDS"), "{refusal}");
    }
    let mut nameless = with("tender", json!({"title": "Roof works"}));
    nameless.as_object_mut().unwrap().remove("ocid");
    for value in [nameless.clone(), json!([nameless.clone()]), json!({"releases": [nameless]})] {
        assert_eq!(reason(&value), "ocid.missing", "{value}");
    }
    assert_eq!(reason(&json!({"releases": [{"id": "1"}]})), "ocid.missing");
}

#[test]
fn an_empty_record_among_others_is_quarantined_and_empty_lists_hold_nothing() {
    let records = json!({"records": [{"ocid": "p"}, {"ocid": "o", "releases": [minimal()]}]});
    let report = import(&records);
    assert_eq!((report.n_releases, report.accepted.len()), (2, 1));
    assert_eq!(report.quarantined.first().unwrap().reason, "record.empty");
    for empty in [json!([]), json!({"releases": []}), json!({"records": []})] {
        assert_eq!(import(&empty), FileReport::default(), "{empty}");
    }
}

#[test]
fn a_republication_keeps_its_origin() {
    let origin =
        json!({"originalId": "r1", "sourceUrl": "https://a.example/", "sha256": "07".repeat(32)});
    let taken = accepted(&with("folkmoot", origin));
    assert_eq!(taken.release.release_id, "r1");
    let source = Source { url: "https://a.example/".to_owned(), sha256: [7; 32] };
    assert_eq!(taken.release.source, Some(source));
    assert!(!String::from_utf8(taken.notice_json).unwrap().contains("folkmoot"));
}

#[test]
fn a_title_is_one_line_without_contact_details() {
    let taken = accepted(&with(
        "tender",
        json!({"title": " Lamps\n for\u{0} a@b.example  ", "value": {"amount": 5, "currency": "GBP"}}),
    ));
    assert_eq!(taken.title, "Lamps for [e-mail address left out]");
    assert_eq!(taken.release.value, Some(Money::pence(500)));
    let long = accepted(&with("title", json!("é".repeat(301))));
    assert_eq!(long.title.chars().count(), 300);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~é\u{0}]{0,12}".prop_map(Value::from),
        Just(json!("2025-01-02T00:00:00Z")),
        Just(json!("a@b.example")),
    ];
    let names = prop::sample::select(vec![
        "ocid",
        "id",
        "date",
        "tag",
        "tender",
        "awards",
        "contracts",
        "value",
        "amount",
        "currency",
        "parties",
        "buyer",
        "identifier",
        "scheme",
        "items",
        "classification",
        "releases",
        "records",
        "compiledRelease",
        "contactPoint",
        "email",
        "status",
        "tenderPeriod",
        "endDate",
        "folkmoot",
        "sha256",
        "suitability",
        "lots",
        "url",
        "title",
        "name",
        "telephone",
    ]);
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..8)
                .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_stops_an_import_and_every_release_is_accounted_for(value in any_json()) {
        if let Ok(report) = read("x", value.to_string().as_bytes()) {
            prop_assert_eq!(report.n_releases, report.accepted.len() + report.quarantined.len());
        }
    }

    #[test]
    fn no_bytes_stop_an_import(bytes: Vec<u8>) {
        let _ = read("x", &bytes);
    }

    #[test]
    fn nothing_personal_is_left_in_a_notice(value in any_json()) {
        let mut release = minimal();
        release["parties"] = value;
        for taken in import(&release).accepted {
            let notice = String::from_utf8(taken.notice_json).unwrap();
            for word in ["contactPoint", "\"email\"", "\"telephone\"", "a@b.example"] {
                prop_assert!(!notice.contains(word), "{word} in {notice}");
            }
        }
    }
}
