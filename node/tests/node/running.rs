//! A node that runs: its socket, its status, its end.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use crate::world::{Community, clerk};

#[test]
fn the_clerks_socket_is_for_the_owner_alone() {
    let node = Community::found().run();
    let socket = fs::metadata(node.community.dir.join("clerk.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn status_tells_log_people_and_register() {
    let node = Community::found().run();
    let status = node.ask(&["status"]);
    assert_eq!(status["community"], node.community.id.as_str());
    assert_eq!(status["community"], node.ready["community"]);
    assert_eq!(status["name"], "Harbour Baths Society");
    assert_eq!((&status["log"]["size"], &status["log"]["era"]), (&1.into(), &0.into()));
    assert!(status["log"]["vkey"].as_str().unwrap().starts_with("test.folkmoot.example/log/"));
    assert_eq!((&status["members"], &status["coordinator"]), (&0.into(), &().into()));
    node.enrol(3);
    let status = node.ask(&["status"]);
    assert_eq!((&status["members"], &status["log"]["size"]), (&3.into(), &2.into()));
}

#[test]
fn members_are_listed_page_by_page_and_none_of_their_names_is_logged() {
    let node = Community::found().run();
    node.enrol(3);
    let page = node.ask(&["member", "list", "--limit", "2"]);
    assert_eq!(page["members"][1]["name"], "Invented Person 2");
    assert_eq!(page["more"], true);
    let rest = node.ask(&["member", "list", "--after", page["members"][1]["id"].as_str().unwrap()]);
    assert_eq!(rest["members"].as_array().unwrap().len(), 1);
    assert_eq!(rest["more"], false);
    let long = "x".repeat(300);
    let refused = node.refused(&["member", "add", "Invented Person 4", &long]);
    assert_eq!(refused.json["error"]["reason"], "member.name_too_long");
    assert!(!refused.sentence.contains("Invented"), "{}", refused.sentence);
    assert_eq!(node.ask(&["status"])["members"], 3);
    let (_, log) = node.terminate();
    assert!(!log.contains("Invented"), "{log}");
}

#[test]
fn a_node_that_is_told_to_stop_in_the_middle_of_work_ends_well_and_starts_again() {
    let node = Community::found().run();
    let dir = node.community.dir.clone();
    let names: Vec<String> = (0..200).map(|n| format!("Invented Person {n}")).collect();
    let working = std::thread::spawn(move || {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut n_done = 0;
        while clerk(&dir, &[&["member", "add"], names.as_slice()].concat()).code == 0 {
            n_done += 200;
        }
        n_done
    });
    node.wait_for(&["status"], |status| 0 < status["members"].as_u64().unwrap());
    let (id, charter) = (node.community.id.clone(), node.community.charter.clone());
    let mut node = node;
    let pid = node.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(node.child.wait().unwrap().code(), Some(0));
    let n_done: u64 = working.join().unwrap();

    let mut again = node.community.command(&["--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(again.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let status = clerk(&node.community.dir, &["status"]).json;
    assert_eq!(status["community"], id.as_str());
    assert!(n_done <= status["members"].as_u64().unwrap(), "{status} after {n_done}");
    assert!(charter.exists());
    drop(again.stdin.take());
    assert_eq!(again.wait().unwrap().code(), Some(0), "it ends with its parent's pipe");
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let community = Community::found();
    let told = community.command(&["--listen", &address]).output().unwrap();
    assert_eq!(told.status.code(), Some(1));
    let sentence = String::from_utf8(told.stderr).unwrap();
    assert!(sentence.contains(&address) && sentence.contains("port 0"), "{sentence}");
}

#[test]
fn a_second_node_on_the_same_folder_is_refused() {
    let node = Community::found().run();
    let told = node.community.command(&["--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert_eq!(node.ask(&["status"])["log"]["size"], 1, "the first node serves on");
}
