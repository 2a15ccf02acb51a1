//! The .proto files as a compiler sees them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use prost_types::FileDescriptorSet;

/// The folder of this crate, which is also the root of all imports.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every .proto file of the crate, compiled, with its comments.
pub(crate) fn compiled() -> FileDescriptorSet {
    let mut files = Vec::new();
    collect(&root().join("folkmoot"), &mut files);
    files.sort();
    protox::compile(files, [root()]).expect("the .proto files compile")
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|it| it == "proto") {
            into.push(path);
        }
    }
}
