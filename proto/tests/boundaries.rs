//! What the .proto files may and must say, checked on their descriptors.
#![allow(
    clippy::expect_used,
    clippy::string_slice,
    reason = "a test file: a panic is the failure report"
)]

mod schema;

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{DescriptorProto, FileDescriptorProto};
use record::kind::Known;

/// The package that people at a node use; it is served on a unix socket of the node's owner only.
const PRIVATE_PACKAGE: &str = "folkmoot.clerk.v1";
/// Words for single people and what they voted.
const PERSONAL_WORDS: &[&str] = &["ballot", "member", "voter", "elector"];

/// Numbers of fields in descriptor.proto, of which the paths of comments are made.
const FILE_MESSAGES: i32 = 4;
const FILE_SERVICES: i32 = 6;
const MESSAGE_FIELDS: i32 = 2;
const MESSAGE_ONEOFS: i32 = 8;
const SERVICE_METHODS: i32 = 2;

#[test]
fn no_public_message_is_named_after_a_person_or_a_ballot() {
    for file in public_files() {
        for message in &file.message_type {
            let name = message.name();
            assert!(!is_personal(name), "{}.{name}", file.package());
        }
    }
}

#[test]
fn no_public_field_holds_a_person_or_a_ballot_only_counts_and_roots() {
    for file in public_files() {
        for message in &file.message_type {
            for field in &message.field {
                let name = field.name();
                let allowed = name.starts_with("n_") || name.ends_with("_root");
                let place = format!("{}.{}.{name}", file.package(), message.name());
                assert!(allowed || !is_personal(name), "{place}");
            }
        }
    }
}

#[test]
fn the_search_for_personal_words_finds_those_of_the_clerk() {
    let clerk = files().into_iter().filter(|file| file.package() == PRIVATE_PACKAGE);
    let names: BTreeSet<_> =
        clerk.flat_map(|file| file.message_type).map(|it| it.name().to_owned()).collect();
    assert!(names.iter().any(|name| is_personal(name)), "{names:?}");
}

#[test]
fn messages_stand_side_by_side_so_that_no_check_misses_one() {
    for file in files() {
        for message in &file.message_type {
            let nested = message.nested_type.iter().find(|it| !is_map_entry(it));
            let name = nested.map(DescriptorProto::name);
            assert_eq!(name, None, "nested in {}.{}", file.package(), message.name());
        }
    }
}

#[test]
fn every_service_method_message_and_field_has_a_comment_before_it() {
    for file in files() {
        let commented = commented_paths(&file);
        for (path, name) in places(&file) {
            assert!(commented.contains(&path), "{}: `{name}` has no comment", file.name());
        }
    }
}

#[test]
fn every_kind_has_one_payload_message_named_after_it() {
    let mut roots: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let files = files();
    let used: BTreeSet<_> = files
        .iter()
        .filter(|file| file.package() != PRIVATE_PACKAGE)
        .flat_map(|file| &file.message_type)
        .flat_map(|message| &message.field)
        .map(|field| field.type_name().to_owned())
        .collect();
    for file in &files {
        for message in &file.message_type {
            if !used.contains(&format!(".{}.{}", file.package(), message.name())) {
                let names = roots.entry(file.package().to_owned()).or_default();
                names.insert(message.name().to_owned());
            }
        }
    }
    for kind in Known::ALL {
        let expected = BTreeSet::from([camel_case(kind.package())]);
        assert_eq!(roots.get(kind.package()), Some(&expected), "{}", kind.package());
    }
}

#[test]
fn every_record_package_is_a_known_kind() {
    let known: BTreeSet<_> = Known::ALL.iter().map(|kind| kind.package().to_owned()).collect();
    let records: BTreeSet<_> = files()
        .iter()
        .map(|file| file.package().to_owned())
        .filter(|package| package.starts_with("folkmoot.record."))
        .collect();
    assert_eq!(records, known);
}

#[test]
fn payloads_hold_no_map_no_float_and_no_fixed_width_number() {
    use prost_types::field_descriptor_proto::Type;
    let allowed = [
        Type::Uint32,
        Type::Uint64,
        Type::Sint64,
        Type::Bool,
        Type::String,
        Type::Bytes,
        Type::Message,
        Type::Enum,
    ];
    let of_payloads =
        |package: &str| package.starts_with("folkmoot.record.") || package == "folkmoot.types.v1";
    for file in files().iter().filter(|file| of_payloads(file.package())) {
        for message in &file.message_type {
            assert!(!message.nested_type.iter().any(is_map_entry), "{}", message.name());
            for field in &message.field {
                let place = format!("{}.{}.{}", file.package(), message.name(), field.name());
                assert!(allowed.contains(&field.r#type()), "{place}");
            }
        }
    }
}

fn files() -> Vec<FileDescriptorProto> {
    schema::compiled().file
}

fn public_files() -> impl Iterator<Item = FileDescriptorProto> {
    files().into_iter().filter(|file| file.package() != PRIVATE_PACKAGE)
}

fn is_personal(name: &str) -> bool {
    let name = name.to_lowercase();
    PERSONAL_WORDS.iter().any(|word| name.contains(word))
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}

/// `folkmoot.record.spending_decision.v1` gives `SpendingDecision`.
fn camel_case(package: &str) -> String {
    let kind = package.split('.').nth(2).expect("the third part of a record package is the kind");
    kind.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn commented_paths(file: &FileDescriptorProto) -> BTreeSet<Vec<i32>> {
    let source = file.source_code_info.as_ref().expect("the compiler keeps comments");
    let has_words = |text: &str| !text.trim().is_empty();
    source
        .location
        .iter()
        .filter(|place| place.leading_comments.as_deref().is_some_and(has_words))
        .map(|place| place.path.clone())
        .collect()
}

/// The path and the name of everything that must have a comment.
fn places(file: &FileDescriptorProto) -> Vec<(Vec<i32>, String)> {
    let mut places = Vec::new();
    for (message, index) in file.message_type.iter().zip(0..) {
        let path = vec![FILE_MESSAGES, index];
        places.push((path.clone(), message.name().to_owned()));
        let fields = message.field.iter().map(|it| it.name()).zip(0..);
        let oneofs = declared_oneofs(message).into_iter().zip(0..);
        let fields = fields.map(|(name, index)| (MESSAGE_FIELDS, name, index));
        let oneofs = oneofs.map(|(name, index)| (MESSAGE_ONEOFS, name, index));
        for (list, name, index) in fields.chain(oneofs) {
            let name = format!("{}.{name}", message.name());
            places.push(([path.as_slice(), &[list, index]].concat(), name));
        }
    }
    for (service, index) in file.service.iter().zip(0..) {
        let path = vec![FILE_SERVICES, index];
        places.push((path.clone(), service.name().to_owned()));
        for (method, index) in service.method.iter().zip(0..) {
            let name = format!("{}.{}", service.name(), method.name());
            places.push(([path.as_slice(), &[SERVICE_METHODS, index]].concat(), name));
        }
    }
    places
}

/// The oneofs that somebody wrote: an `optional` field has one of its own, which comes after them.
fn declared_oneofs(message: &DescriptorProto) -> Vec<&str> {
    let of_optional: BTreeSet<_> = message
        .field
        .iter()
        .filter(|field| field.proto3_optional())
        .filter_map(|field| field.oneof_index)
        .collect();
    let numbered = message.oneof_decl.iter().zip(0..);
    numbered.filter(|(_, index)| !of_optional.contains(index)).map(|(it, _)| it.name()).collect()
}
