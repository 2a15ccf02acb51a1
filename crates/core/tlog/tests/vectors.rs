//! Golden vectors made with Go's reference implementation (golang.org/x/mod/sumdb).
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test file: a panic is the failure report, and a skipped test says so"
)]

use std::{fs::read_to_string, path::Path};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use serde_json::Value;
use tlog::{
    BundleRef, Checkpoint, Frontier, Hash, KeyName, NoteSignature, TileCache, TileRef, TlogProof,
    VerifierKey, cosign, leaf_hash, note, open_checkpoint,
    prove::{consistency_proof, inclusion_proof, root_at},
    sign_checkpoint, verify_consistency, verify_cosignature, verify_inclusion,
};

const PATH: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data/tlog/vectors.json");

#[test]
fn every_root_is_that_of_the_reference() {
    let Some(vectors) = vectors() else { return };
    let (leaves, cache) = tree(&vectors);
    let roots = vectors["roots"].as_object().unwrap();
    assert!(20 < roots.len());
    for (size, root) in roots {
        let size: u64 = size.parse().unwrap();
        let n_leaves = usize::try_from(size).unwrap();
        let frontier: Frontier = leaves[..n_leaves].iter().copied().collect();
        assert_eq!(frontier.root(), hash(root), "size {size}");
        assert_eq!(root_at(size, &cache.lookup()), Ok(hash(root)), "size {size}");
    }
}

#[test]
fn every_inclusion_proof_is_made_and_verified() {
    let Some(vectors) = vectors() else { return };
    let (leaves, cache) = tree(&vectors);
    let proofs = vectors["inclusion"].as_array().unwrap();
    assert!(50 < proofs.len());
    for vector in proofs {
        let (index, size) = (number(&vector["index"]), number(&vector["size"]));
        let proof = hashes(&vector["proof"]);
        assert_eq!(inclusion_proof(index, size, &cache.lookup()).unwrap(), proof);
        let leaf = leaves[usize::try_from(index).unwrap()];
        let root = hash(&vectors["roots"][size.to_string()]);
        assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
    }
}

#[test]
fn every_consistency_proof_is_made_and_verified() {
    let Some(vectors) = vectors() else { return };
    let (_, cache) = tree(&vectors);
    let proofs = vectors["consistency"].as_array().unwrap();
    assert!(200 < proofs.len());
    for vector in proofs {
        let (old, new) = (number(&vector["old"]), number(&vector["new"]));
        let proof = hashes(&vector["proof"]);
        assert_eq!(consistency_proof(old, new, &cache.lookup()).unwrap(), proof);
        let root = |size: u64| hash(&vectors["roots"][size.to_string()]);
        assert_eq!(verify_consistency(old, &root(old), new, &root(new), &proof), Ok(()));
    }
}

#[test]
fn keys_are_written_and_named_as_the_reference_does() {
    let Some(vectors) = vectors() else { return };
    assert_eq!(log_key(&vectors).render(), text(&vectors["vkey"]));
    assert_eq!(witness_key(&vectors).render(), text(&vectors["witness_vkey"]));
    for vkey in ["vkey", "witness_vkey"] {
        let vkey = text(&vectors[vkey]);
        assert_eq!(VerifierKey::parse(vkey).unwrap().render(), vkey);
    }
}

#[test]
fn the_checkpoint_is_signed_byte_for_byte_and_opens() {
    let Some(vectors) = vectors() else { return };
    let expected = text(&vectors["checkpoint"]).as_bytes();
    let root = hash(&vectors["roots"]["600"]);
    let checkpoint = Checkpoint { origin: origin(&vectors), size: 600, root };
    let signed = sign_checkpoint(&checkpoint, &seed(&vectors, "log_secret_seed_hex"));
    assert_eq!(signed.to_bytes(), expected);
    assert_eq!(open_checkpoint(expected, &log_key(&vectors)), Ok(signed));
}

#[test]
fn the_cosignature_is_made_byte_for_byte_and_verifies() {
    let Some(vectors) = vectors() else { return };
    let signed =
        open_checkpoint(text(&vectors["checkpoint"]).as_bytes(), &log_key(&vectors)).unwrap();
    let witness = witness_key(&vectors);
    let secs = number(&vectors["cosignature_time"]);
    let key = seed(&vectors, "witness_secret_seed_hex");
    let line = cosign(signed.checkpoint(), witness.name(), &key, secs).unwrap();
    assert_eq!(line.render_line(), text(&vectors["cosignature_line"]));
    let read = NoteSignature::parse_line(text(&vectors["cosignature_line"])).unwrap();
    assert_eq!(verify_cosignature(signed.text(), &read, &witness), Ok(secs));
}

#[test]
fn the_tlog_proof_is_made_byte_for_byte_and_verifies() {
    let Some(vectors) = vectors() else { return };
    let (leaves, cache) = tree(&vectors);
    let expected = text(&vectors["tlog_proof_of_137"]);
    let proof = TlogProof::parse(expected.as_bytes()).unwrap();
    assert_eq!(proof.render(), expected);
    assert_eq!(proof.index(), 137);
    let signed = proof.verify_leaf(leaves[137], &log_key(&vectors)).unwrap();
    assert_eq!(signed.checkpoint().size, 600);

    let line = NoteSignature::parse_line(text(&vectors["cosignature_line"])).unwrap();
    let signed = open_checkpoint(text(&vectors["checkpoint"]).as_bytes(), &log_key(&vectors));
    let note = signed.unwrap().with_signature_line(line).unwrap().note().clone();
    let hashes = inclusion_proof(137, 600, &cache.lookup()).unwrap();
    assert_eq!(TlogProof::new(137, hashes, note).unwrap(), proof);

    let keys = [log_key(&vectors), witness_key(&vectors)];
    let opened = note::open(proof.checkpoint_note().render().as_bytes(), &keys).unwrap();
    let times: Vec<_> = opened.verified().iter().map(|it| it.cosigned_at_secs).collect();
    assert_eq!(times, [None, Some(number(&vectors["cosignature_time"]))]);
}

#[test]
fn every_tile_path_is_that_of_the_reference() {
    let Some(vectors) = vectors() else { return };
    let paths = vectors["tile_paths"].as_object().unwrap();
    assert!(!paths.is_empty());
    for (place, path) in paths {
        let path = text(path);
        let of = |word: &str| {
            let mut words = place.split(' ').skip_while(|it| *it != word);
            words.nth(1).map(|number| number.parse::<u64>().unwrap())
        };
        let index = of("index").unwrap();
        let width = u16::try_from(of("width").unwrap_or(256)).unwrap();
        if place.starts_with("entries") {
            let bundle = BundleRef::new(index, width).unwrap();
            assert_eq!(bundle.path(), path);
            assert_eq!(BundleRef::parse_path(path), Ok(bundle));
        } else {
            let level = u8::try_from(of("level").unwrap()).unwrap();
            let tile = TileRef::new(level, index, width).unwrap();
            assert_eq!(tile.path(), path);
            assert_eq!(TileRef::parse_path(path), Ok(tile));
        }
    }
}

/// The vectors, or `None` with a word on stderr where they are not at hand.
fn vectors() -> Option<Value> {
    if !Path::new(PATH).exists() {
        eprintln!("skipped: the golden vectors are not at {PATH}");
        return None;
    }
    Some(serde_json::from_str(&read_to_string(PATH).unwrap()).unwrap())
}

/// The leaf hashes of all entries, and their tiles.
fn tree(vectors: &Value) -> (Vec<Hash>, TileCache) {
    let entries = vectors["entries_hex"].as_array().unwrap();
    let leaves: Vec<_> = entries
        .iter()
        .map(|entry| leaf_hash(&HEXLOWER.decode(text(entry).as_bytes()).unwrap()))
        .collect();
    let mut cache = TileCache::new();
    cache.grow(0, &leaves).unwrap();
    (leaves, cache)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn hash(value: &Value) -> Hash {
    Hash::from_base64(text(value)).expect("a hash")
}

fn hashes(value: &Value) -> Vec<Hash> {
    // Go writes a list without elements as null.
    value.as_array().map(|list| list.iter().map(hash).collect()).unwrap_or_default()
}

fn origin(vectors: &Value) -> KeyName {
    KeyName::parse(text(&vectors["vkey"]).split('+').next().unwrap()).unwrap()
}

fn seed(vectors: &Value, which: &str) -> SigningKey {
    let bytes = HEXLOWER.decode(text(&vectors[which]).as_bytes()).unwrap();
    SigningKey::from_bytes(&bytes.try_into().unwrap())
}

fn log_key(vectors: &Value) -> VerifierKey {
    let key = seed(vectors, "log_secret_seed_hex").verifying_key();
    VerifierKey::ed25519(origin(vectors), &key).unwrap()
}

fn witness_key(vectors: &Value) -> VerifierKey {
    let name = text(&vectors["witness_vkey"]).split('+').next().unwrap();
    let key = seed(vectors, "witness_secret_seed_hex").verifying_key();
    VerifierKey::cosignature(KeyName::parse(name).unwrap(), &key).unwrap()
}
