//! The laws of the house (crates/README.md), checked against `cargo metadata` and the tree.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test file: a panic is the failure report"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// What each crate of the workspace may depend on inside the workspace.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tlog", &[]),
    ("record", &["tlog"]),
    ("civic", &["record"]),
    ("replica", &["record", "tlog"]),
    ("formats", &["record"]),
    ("proto", &["record", "tlog"]),
    ("runtime", &[]),
    ("transport", &[]),
    ("mesh", &[]),
    ("ballotbox", &["record", "tlog"]),
    ("store", &["record", "tlog", "civic", "proto", "runtime"]),
    (
        "peer",
        &["record", "tlog", "civic", "replica", "proto", "store", "transport", "mesh", "runtime"],
    ),
    (
        "node",
        &[
            "record",
            "tlog",
            "civic",
            "formats",
            "proto",
            "store",
            "ballotbox",
            "transport",
            "runtime",
            "peer",
        ],
    ),
    ("coordinator", &["record", "civic", "formats", "proto", "store", "runtime", "peer"]),
    (
        "folkmoot",
        &[
            "record",
            "tlog",
            "formats",
            "proto",
            "transport",
            "runtime",
            "peer",
            "node",
            "coordinator",
        ],
    ),
];
/// Crates that must reach no I/O.
const PURE: &[&str] = &["tlog", "record", "civic", "replica", "formats"];
/// Crates of the outside world, and who alone may name them.
const OUTSIDE: &[(&str, &[&str])] = &[
    (
        "tokio",
        &[
            "ballotbox",
            "store",
            "transport",
            "mesh",
            "runtime",
            "peer",
            "node",
            "coordinator",
            "folkmoot",
        ],
    ),
    ("tonic", &["proto", "transport", "peer", "node", "coordinator", "folkmoot"]),
    ("prost", &["proto"]),
    ("sqlx", &["store", "ballotbox"]),
    ("libp2p", &["mesh"]),
    ("rustls", &["transport"]),
    ("tokio-rustls", &["transport"]),
    ("getrandom", &["ballotbox", "peer"]),
];
/// A file fits in a head.
const MAX_FILE_LINES: usize = 500;

#[test]
fn workspace_dependencies_point_inward() {
    let edges = edges();
    let members: BTreeSet<_> = edges.keys().cloned().collect();
    for (name, dependencies) in &edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(it, _)| it == name) else {
            assert_eq!(name, "tests", "crate `{name}` has no row in ALLOWED");
            continue;
        };
        for dependency in dependencies.intersection(&members) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "`{name}` must not depend on `{dependency}`"
            );
        }
    }
}

#[test]
fn only_the_node_links_the_ballot_box() {
    for (name, dependencies) in edges() {
        assert!(
            !dependencies.contains("ballotbox") || name == "node",
            "`{name}` links the ballot box"
        );
    }
}

#[test]
fn only_the_tool_links_both_node_and_coordinator() {
    for (name, dependencies) in edges() {
        let both = dependencies.contains("node") && dependencies.contains("coordinator");
        assert!(!both || name == "folkmoot", "`{name}` links node and coordinator");
    }
}

#[test]
fn the_outside_world_stays_in_its_shells() {
    for (name, dependencies) in edges() {
        for (outside, owners) in OUTSIDE {
            let prefix = format!("{outside}-");
            let linked = dependencies.iter().any(|it| it == outside || it.starts_with(&prefix));
            // Test-only names of other families that share a prefix are owned by the more specific row.
            assert!(
                !linked || owners.contains(&name.as_str()) || name == "tests",
                "`{name}` must not use `{outside}`"
            );
            assert!(
                !linked || !PURE.contains(&name.as_str()),
                "the pure crate `{name}` uses `{outside}`"
            );
        }
    }
}

#[test]
fn every_file_fits_in_a_head() {
    let root = folkmoot_tests::root();
    for file in sources(&root) {
        let n_lines = fs::read_to_string(&file).expect("a source file is text").lines().count();
        assert!(n_lines <= MAX_FILE_LINES, "{} has {n_lines} lines", file.display());
    }
}

#[test]
fn migrations_are_numbered_without_a_gap() {
    let root = folkmoot_tests::root();
    for crate_name in ["store", "ballotbox"] {
        let folder = root.join("crates/shell").join(crate_name).join("migrations");
        let mut numbers: Vec<usize> = fs::read_dir(&folder)
            .expect("the crate has migrations")
            .map(|entry| entry.expect("a folder entry").file_name().to_string_lossy().into_owned())
            .map(|name| {
                name.split('_').next().and_then(|n| n.parse().ok()).expect("a number first")
            })
            .collect();
        numbers.sort_unstable();
        let expected: Vec<usize> = (1..=numbers.len()).collect();
        assert_eq!(numbers, expected, "{crate_name}");
    }
}

#[test]
fn the_tree_names_no_machine() {
    let root = folkmoot_tests::root();
    // Put together here, so that this file does not name them either.
    let paths = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|parts| parts.concat());
    for file in sources(&root) {
        let text = fs::read_to_string(&file).expect("a source file is text");
        for path in &paths {
            assert!(!text.contains(path.as_str()), "{} names {path}", file.display());
        }
    }
}

/// Crate to what it depends on outside of its tests, both by their short names.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .current_dir(folkmoot_tests::root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&out.stdout).expect("cargo metadata prints JSON");
    let short = |name: &str| name.trim_start_matches("folkmoot-").to_owned();
    let text = |value: &Value| value.as_str().expect("a name").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let linked = dependencies.iter().filter(|it| it["kind"].is_null());
            let names = linked.map(|it| short(&text(&it["name"]))).collect();
            (short(&text(&package["name"])), names)
        })
        .collect()
}

/// Every Rust file that people write.
fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the tree") {
            let path = entry.expect("a folder entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "gen" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    assert!(100 < found.len(), "the walk found the tree");
    found
}
