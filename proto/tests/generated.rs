//! Generates `src/gen` anew from the .proto files and compares. Needs no `protoc`.
#![allow(clippy::expect_used, reason = "a test file: a panic is the failure report")]

mod schema;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use prost::Message as _;
use prost_types::FileDescriptorSet;

/// The package that no network may describe.
const PRIVATE_PACKAGE: &str = "folkmoot.clerk.v1";

#[test]
fn generated_code_matches_the_proto_files() {
    let committed = schema::root().join("src/gen");
    let fresh = tempfile::tempdir().expect("a temporary folder");
    generate(schema::compiled(), fresh.path());

    let (before, after) = (files_of(&committed), files_of(fresh.path()));
    let stale: BTreeSet<_> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        .collect();
    if !stale.is_empty() {
        rewrite(&committed, &before, &after);
    }
    assert!(
        stale.is_empty(),
        "src/gen differed from the .proto files in {stale:?}; it has been rewritten: look at it, then commit it"
    );
}

#[test]
fn the_public_descriptor_set_leaves_out_the_clerk() {
    let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).expect("a descriptor set");
    let packages: Vec<_> = set.file.iter().map(|file| file.package()).collect();
    assert!(packages.contains(&"folkmoot.v1"));
    assert!(packages.contains(&"folkmoot.record.covenant.v1"));
    assert!(!packages.contains(&PRIVATE_PACKAGE));
}

fn generate(set: FileDescriptorSet, out: &Path) {
    fs::write(out.join("descriptor.bin"), public_part(set.clone()).encode_to_vec())
        .expect("the descriptor set is written");
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .btree_map(".")
        .out_dir(out)
        .compile_fds(set)
        .expect("code is generated");
}

/// The public packages, with comments but without the places of everything in the source.
fn public_part(mut set: FileDescriptorSet) -> FileDescriptorSet {
    set.file.retain(|file| file.package() != PRIVATE_PACKAGE);
    for file in &mut set.file {
        if let Some(source) = &mut file.source_code_info {
            source.location.retain(|place| place.leading_comments.is_some());
        }
    }
    set
}

fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| {
            let path = entry.expect("the entry can be read").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("the file can be read"))
        })
        .collect()
}

fn rewrite(folder: &Path, before: &BTreeMap<String, Vec<u8>>, after: &BTreeMap<String, Vec<u8>>) {
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        fs::remove_file(folder.join(name)).expect("a stale file is removed");
    }
    for (name, bytes) in after {
        fs::write(folder.join(name), bytes).expect("a generated file is written");
    }
}
