//! Epochs, vouches and joining, as a clerk meets them; and words that are erased.

use crate::world::{Community, FORUM, NEIGHBOUR, clerk};

const NEWCOMER: &str = "fm1amaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaq";

#[test]
fn a_proposal_is_filed_once_shown_to_others_and_holds_with_two_of_three() {
    let node = Community::found().run();
    let filed = node.ask(&["region", "propose", "--seat", &format!("{NEWCOMER}=up.example:7443")]);
    assert_eq!((&filed["epoch"], &filed["n_filed"]), (&1.into(), &1.into()));
    assert_eq!((&filed["needed"], &filed["holds"]), (&2.into(), &false.into()));
    let shown = node.ask(&["region", "show"]);
    assert_eq!(shown["epoch"], 0);
    assert_eq!(shown["proposals"][0]["hash"], filed["hash"]);
    assert_eq!(shown["proposals"][0]["coordinators"]["added"][0], NEWCOMER);
    assert_eq!(shown["proposals"][0]["filed_by"][0], node.community.id.as_str());

    let told = &shown["proposals"][0]["addresses"][0];
    assert_eq!((&told["id"], &told["address"]), (&NEWCOMER.into(), &"up.example:7443".into()));

    let beginning = filed["hash"].as_str().unwrap().get(..8).unwrap();
    let again = node.refused(&["region", "support", beginning]);
    assert_eq!(again.json["error"]["reason"], "record.repeat");
    let other = node.refused(&["region", "propose", "--remove", FORUM]);
    assert_eq!(other.json["error"]["reason"], "region.filed_another");
}

#[test]
fn refuses_what_changes_nothing_what_is_not_there_and_what_cannot_be() {
    let node = Community::found().run();
    let seat = |port: &str| format!("{NEWCOMER}=up.example{port}");
    for (args, reason) in [
        (&["region", "propose"][..], "region.no_change"),
        (&["region", "propose", "--remove", NEWCOMER], "region.not_there"),
        (&["region", "propose", "--admit", NEIGHBOUR], "region.there_already"),
        (&["region", "propose", "--receipts-needed", "2"], "region.receipts_needed"),
        (&["region", "propose", "--admit", "fm2"], "request.id"),
        (&["region", "propose", "--admit", NEWCOMER, "--remove", NEWCOMER], "region.not_there"),
        (&["region", "propose", "--admit", FORUM, "--remove", FORUM], "region.comes_and_goes"),
        (&["region", "propose", "--seat", &seat("")], "region.address"),
        (&["region", "propose", "--seat", &seat(":0")], "region.address"),
        (&["region", "propose", "--seat", "fm1=/ip4/127.0.0.1/tcp/7444"], "request.id"),
        (&["region", "support", "00"], "region.no_such_proposal"),
        (&["region", "vouch", NEIGHBOUR], "region.member_already"),
    ] {
        let refused = node.refused(args);
        assert_eq!(refused.json["error"]["reason"], reason, "{args:?}: {}", refused.sentence);
    }
    assert!(node.ask(&["region", "show"])["proposals"].as_array().unwrap().is_empty());
}

#[test]
fn a_community_that_is_vouched_for_is_a_guest_until_that_is_taken_back() {
    let node = Community::found().run();
    node.ask(&["region", "vouch", NEWCOMER]);
    assert_eq!(node.ask(&["region", "show"])["guests"][0], NEWCOMER);
    node.ask(&["region", "vouch", NEWCOMER, "--withdraw"]);
    assert!(node.ask(&["region", "show"])["guests"].as_array().unwrap().is_empty());
}

#[test]
fn a_newcomer_joins_by_a_members_certificate_and_runs_without_a_charter() {
    let node = Community::found().run();
    let address = node.ready["grpc"].as_str().unwrap();
    let region = node.ask(&["region", "show"])["region"].as_str().unwrap().to_owned();
    let newcomer = Community::found();

    let joined = clerk(&newcomer.dir, &["join", address, "--region", &region]);
    assert_eq!(joined.code, 0, "{}", joined.sentence);
    assert_eq!((&joined.json["epoch"], &joined.json["has_place"]), (&0.into(), &false.into()));
    let checked = clerk(&newcomer.dir, &["check-config"]);
    assert_eq!(checked.json["region"], region.as_str(), "{}", checked.sentence);

    let elsewhere = format!("fmg1{}", "a".repeat(52));
    let other = clerk(&newcomer.dir, &["join", address, "--region", &elsewhere]);
    assert_eq!(other.json["error"]["reason"], "region.other_region", "{}", other.sentence);
    let nobody = clerk(&newcomer.dir, &["join", "127.0.0.1:9"]);
    assert_eq!((nobody.code, &nobody.json["error"]["reason"]), (4, &"join.unreachable".into()));
}

#[test]
fn words_are_erased_once_and_the_owner_sees_who_has_not_followed() {
    let node = Community::found().run();
    let opened = node.written(&[
        "pool",
        "open",
        "--title",
        "Solar panels of Mrs Invented-Person",
        "--unit",
        "panels",
        "--threshold",
        "40",
        "--closes",
        "30d",
    ]);
    let log = node.ask(&["log", "show"]);
    let records = log["records"].as_array().unwrap();
    let words = records.iter().find(|it| it["kind"] == "folkmoot.record.text.v1").unwrap();
    let words = words["id"].as_str().unwrap();
    let erase = ["erase", "record", words, "--ground", "personal", "--asked-by", "subject"];
    node.ask(&erase);

    let listed = node.ask(&["erase", "list"]);
    assert_eq!((&listed[0]["record"], &listed[0]["ground"]), (&words.into(), &"personal".into()));
    assert_eq!(listed[0]["not_yet"].as_array().unwrap().len(), 2);
    let pool = node.ask(&["pool", "show", &opened]);
    assert_eq!((&pool["state"], &pool["words"]), (&"forming".into(), &serde_json::Value::Null));
    assert_eq!(node.refused(&erase).json["error"]["reason"], "record.repeat");
    let decisive = ["erase", "record", &opened, "--ground", "mistake", "--asked-by", "community"];
    assert_eq!(node.refused(&decisive).json["error"]["reason"], "erase.unknown");
}
