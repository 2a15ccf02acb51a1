//! A poll from its opening to its declared result.

use std::fs;

use crate::world::{Community, Node, program};

/// Opens a yes-or-no poll that closes after this time.
fn open(node: &Node, closes: &str) -> String {
    node.written(&["poll", "open", "--question", "Open on Sundays?", "--closes", closes])
}

#[test]
fn a_poll_is_opened_voted_in_closed_counted_and_declared_by_the_clock() {
    let node = Community::found().run();
    node.enrol(12);
    let poll = open(&node, "3s");
    let file = node.community.folder.path().join("ballots.csv");
    let ballots: String = (1..=12).map(|n| format!("m-{n:06},Yes\n")).collect();
    fs::write(&file, ballots).unwrap();
    let cast = node.ask(&["poll", "cast", "--poll", &poll, "--from", file.to_str().unwrap()]);
    assert_eq!(cast["receipts"].as_array().unwrap().len(), 12);
    let declared = node.wait_for(&["poll", "show", &poll], |it| it["state"] == "declared");
    assert_eq!(declared["outcome"], "carried");
    assert_eq!(declared["sums"]["counts"]["by_option"], serde_json::json!([12, 0]));
    assert_eq!(declared["tallies"][0]["level"], "self-declared");
    assert!(declared["not_claimed"].as_str().unwrap().contains("statutory elections"));
    let done = node.ask(&["poll", "close", "--poll", &poll]);
    assert_eq!((&done["written"], &done["awaiting"]), (&serde_json::json!([]), &"".into()));
    let late =
        node.refused(&["poll", "cast", "--poll", &poll, "--member", "m-000001", "--choice", "No"]);
    assert_eq!(late.json["error"]["reason"], "ballot.closed");
    let log = node.ask(&["log", "show"]);
    let kinds: Vec<_> =
        log["records"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    let tail = &kinds[kinds.len() - 3..];
    assert_eq!(
        tail,
        ["folkmoot.record.tally.v1", "folkmoot.record.tally.v1", "folkmoot.record.result.v1"],
        "one root, one count, one result"
    );
}

#[test]
fn a_community_with_few_ballots_publishes_no_counts() {
    let node = Community::found().run();
    node.enrol(3);
    let poll = open(&node, "2s");
    node.ask(&["poll", "cast", "--poll", &poll, "--member", "m-000001", "--choice", "2"]);
    node.ask(&["poll", "cast", "--poll", &poll, "--member", "m-000002", "--blank"]);
    let declared = node.wait_for(&["poll", "show", &poll], |it| it["state"] == "declared");
    assert_eq!((&declared["ballots"], &declared["without_ballots"]), (&2.into(), &2.into()));
    assert!(declared["tallies"][0]["counts"].is_null());
}

#[test]
fn a_second_ballot_is_refused_with_a_sentence_unless_it_replaces_the_first() {
    let node = Community::found().run();
    node.enrol(2);
    let poll = open(&node, "1d");
    let cast = ["poll", "cast", "--poll", &poll, "--member", "m-000001", "--choice", "Yes"];
    node.ask(&cast);
    let second = node.refused(&cast);
    assert_eq!(second.json["error"]["reason"], "ballot.already_voted");
    assert!(second.sentence.contains("That ballot stands"), "{}", second.sentence);
    assert!(!second.sentence.contains("m-000001"), "{}", second.sentence);
    node.ask(&[cast.as_slice(), &["--replace"]].concat());
    let waiting = node.ask(&["poll", "close", "--poll", &poll]);
    assert_eq!(waiting["awaiting"], "Voting has not ended.");
    let stranger =
        node.refused(&["poll", "cast", "--poll", &poll, "--member", "m-000003", "--choice", "Yes"]);
    assert_eq!(stranger.json["error"]["reason"], "ballot.not_on_roll");
}

#[test]
fn a_refused_line_of_a_file_is_named_by_its_number_and_hinders_no_other() {
    let node = Community::found().run();
    node.enrol(2);
    let poll = open(&node, "1d");
    let file = node.community.folder.path().join("ballots.csv");
    fs::write(&file, "m-000001,Yes\nm-000009,No\nm-000002,No\n").unwrap();
    let told = node.refused(&["poll", "cast", "--poll", &poll, "--from", file.to_str().unwrap()]);
    assert_eq!(told.json["receipts"].as_array().unwrap().len(), 2);
    assert_eq!(told.json["refused"][0]["line"], 2);
    assert_eq!(told.json["refused"][0]["reason"], "ballot.not_on_roll");
    let (_, log) = node.terminate();
    assert!(!log.contains("m-0000"), "no ballot is logged with its person: {log}");
}

#[test]
fn whoever_opens_a_poll_is_told_what_is_not_claimed() {
    let node = Community::found().run();
    node.enrol(2);
    let args = ["poll", "open", "--question", "Open on Sundays?", "--closes", "1d"];
    let told = program(&node.community.dir, &args).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    for said in ["What is not claimed", "never what it says", "statutory elections"] {
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn no_poll_is_opened_without_a_published_roll() {
    let node = Community::found().run();
    let refused = node.refused(&["poll", "open", "--question", "Now?", "--closes", "1d"]);
    assert_eq!(refused.json["error"]["reason"], "poll.roll_missing");
    let own = node.community.id.clone();
    let named = ["poll", "open", "--question", "Now?", "--closes", "1d", "--community", &own];
    assert!(node.refused(&named).sentence.contains(&own));
}
