//! Covenants and pools.

use std::fs;

use crate::world::{Community, FORUM, NEIGHBOUR};

#[test]
fn a_pool_is_opened_pledged_to_withdrawn_from_and_closed() {
    let node = Community::found().run();
    let opened = node.written(&[
        "pool",
        "open",
        "--title",
        "Solar panels",
        "--unit",
        "panels",
        "--threshold",
        "40",
        "--closes",
        "30d",
        "--unit-price",
        "185.00",
        "--lock",
        "on-threshold",
    ]);
    node.ask(&["pool", "pledge", "--pool", &opened, "--quantity", "30"]);
    let early = node.refused(&["pool", "close", "--pool", &opened]);
    assert_eq!(early.json["error"]["reason"], "pool.threshold_not_met");
    node.ask(&["pool", "withdraw", "--pool", &opened]);
    let none = node.refused(&["pool", "withdraw", "--pool", &opened]);
    assert_eq!(none.json["error"]["reason"], "pledge.none_to_withdraw");
    node.ask(&["pool", "pledge", "--pool", &opened, "--quantity", "45"]);
    node.ask(&["pool", "close", "--pool", &opened]);
    let pool = node.ask(&["pool", "show", &opened]);
    assert_eq!((&pool["state"], &pool["quantity"]), (&"locked".into(), &45.into()));
    assert_eq!(pool["words"][0]["title"], "Solar panels");
    let late = node.refused(&["pool", "pledge", "--pool", &opened, "--quantity", "1"]);
    assert_eq!(late.code, 1);
    let listed = node.ask(&["pool", "list"]);
    assert_eq!(listed["cases"][0]["id"], opened.as_str());
}

#[test]
fn a_pool_that_this_community_leads_is_closed_by_its_node_in_time() {
    let node = Community::found().run();
    let opened = node.written(&[
        "pool",
        "open",
        "--title",
        "Salt",
        "--unit",
        "bags",
        "--threshold",
        "10",
        "--closes",
        "1s",
    ]);
    node.ask(&["pool", "pledge", "--pool", &opened, "--quantity", "9"]);
    let pool = node.wait_for(&["pool", "show", &opened], |it| it["closing"].is_string());
    assert_eq!(pool["state"], "expired");
}

#[test]
fn wrong_values_are_refused_with_a_sentence_and_nothing_is_opened() {
    let node = Community::found().run();
    let open = |unit: &str, closes: &str| {
        let args = [
            "pool",
            "open",
            "--title",
            "X",
            "--unit",
            unit,
            "--threshold",
            "1",
            "--closes",
            closes,
        ];
        node.refused(&args)
    };
    let unit = open("bags (big)", "1d");
    assert_eq!(unit.json["error"]["reason"], "payload.wrong_form");
    assert!(unit.sentence.contains("unit: it is not"), "{}", unit.sentence);
    let closes = open("bags", "soon");
    assert_eq!(closes.code, 2);
    assert!(closes.sentence.contains("`soon` is no time"), "{}", closes.sentence);
    assert_eq!(node.ask(&["status"])["log"]["size"], 1);
}

#[test]
fn a_covenant_from_a_file_is_proposed_signed_and_shown_with_its_words() {
    let community = Community::found();
    let file = community.folder.path().join("covenant.toml");
    let own = community.id.clone();
    let text = format!(
        "title = \"Harbour Baths\"\ntext = \"The baths stay open.\"\nsign_by = \"30d\"\n\
         [[parties]]\nid = \"{own}\"\n[[parties]]\nid = \"{NEIGHBOUR}\"\nrole = \"parish\"\n\
         [[commitments]]\nparty = \"{own}\"\nwords = \"Opens the doors\"\nhours = 20\n"
    );
    fs::write(&file, text).unwrap();
    let node = community.run();
    let opened = node.written(&["covenant", "propose", "--from", file.to_str().unwrap()]);
    let covenant = node.ask(&["covenant", "show", &opened]);
    assert_eq!(covenant["words"][0]["text"], "The baths stay open.");
    assert_eq!(covenant["words"][0]["labels"][0], "Opens the doors");
    let signed = [
        "covenant",
        "sign",
        "--covenant",
        &opened,
        "--minute",
        "12/2027",
        "--meeting",
        "2027-03-03",
    ];
    node.ask(&signed);
    let covenant = node.ask(&["covenant", "show", &opened]);
    assert_eq!((&covenant["n_signed"], &covenant["n_parties"]), (&1.into(), &2.into()));
    assert_eq!(node.refused(&signed).code, 1, "a second signature says nothing new");
}

#[test]
fn a_covenant_that_a_party_declined_is_not_signed() {
    let community = Community::found();
    let own = community.id.clone();
    let node = community.run();
    let words = ["covenant", "propose", "--title", "Baths", "--sign-by", "30d"];
    let parties = ["--party", &own, "--party", NEIGHBOUR];
    let opened = node.written(&[&words[..], &parties[..]].concat());
    node.ask(&["covenant", "sign", "--decline", "--covenant", &opened]);
    let refused = node.refused(&["covenant", "sign", "--covenant", &opened]);
    assert_eq!(refused.json["error"]["reason"], "covenant.lapsed");
    assert_eq!(node.ask(&["covenant", "show", &opened])["state"], "lapsed");
}

#[test]
fn a_covenant_is_not_signed_by_a_stranger() {
    let node = Community::found().run();
    let opened = node.written(&[
        "covenant",
        "propose",
        "--title",
        "Others",
        "--sign-by",
        "30d",
        "--party",
        NEIGHBOUR,
        "--party",
        &format!("{FORUM}:forum"),
    ]);
    let refused = node.refused(&["covenant", "sign", "--covenant", &opened]);
    assert_eq!(refused.json["error"]["reason"], "covenant.not_a_party");
    let pool = node.refused(&["pool", "show", &opened]);
    assert_eq!(pool.json["error"]["reason"], "case.other_kind");
}
