//! The transparency log: RFC 6962 trees and the C2SP texts around them.
//!
//! ```text
//! entry --leaf_hash--> Frontier --root--> Checkpoint --signed--> Note --cosigned--> Note
//!            |                                                                       |
//!            +--TileCache--> inclusion and consistency proofs --------> TlogProof <--+
//! ```
//!
//! | module | what it holds | source |
//! |---|---|---|
//! | [`tree`] | leaf and node hashes, the frontier of a growing tree | RFC 6962 §2.1 |
//! | [`proof`] | verification of inclusion and consistency proofs | RFC 9162 §2.1.3, §2.1.4 |
//! | [`prove`] | which nodes a proof needs, and the proof made of them | RFC 6962 §2.1.1, §2.1.2 |
//! | [`tile`], [`tile_cache`] | tiles, entry bundles, their paths, nodes computed from tiles | tlog-tiles |
//! | [`key`], [`note`] | verifier keys, signed notes | signed-note |
//! | [`checkpoint`], [`cosignature`] | what a log signs, what a witness or mirror adds | tlog-checkpoint, tlog-cosignature |
//! | [`proof_file`], [`policy`] | a proof that travels alone, whom a reader trusts | tlog-proof, tlog-policy |
//!
//! Everything here is a pure function of its arguments. The crate does not store, fetch or listen,
//! does not know what an entry means, makes no keys, and reads no clock: whether a cosignature is
//! too old or too new is the caller's to judge.

mod bundle;
pub mod checkpoint;
pub mod cosignature;
mod decimal;
mod hash;
pub mod key;
pub mod note;
pub mod policy;
pub mod proof;
pub mod proof_file;
pub mod prove;
pub mod tile;
pub mod tile_cache;
pub mod tree;

pub use checkpoint::{Checkpoint, SignedCheckpoint, open_checkpoint, sign_checkpoint};
pub use cosignature::{cosign, verify_cosignature};
pub use hash::Hash;
pub use key::{KeyId, KeyName, KeyType, VerifierKey};
pub use note::{Note, NoteSignature, Signer};
pub use policy::Policy;
pub use proof::{MAX_CONSISTENCY_HASHES, verify_consistency, verify_inclusion};
pub use proof_file::TlogProof;
pub use prove::{NodeRef, consistency_proof, inclusion_proof, join_consistency, root_at};
pub use tile::{BundleRef, TileRef};
pub use tile_cache::TileCache;
pub use tree::{EMPTY_ROOT, Frontier, MAX_TREE_SIZE, empty_root, leaf_hash, node_hash};
