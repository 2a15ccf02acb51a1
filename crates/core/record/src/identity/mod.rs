//! Identity: genesis, officers, key epochs, eras, and the bundle that proves them (ARCHITECTURE §3).
//!
//! ```text
//! genesis ──hash──▶ CommunityId, for ever
//!   officers, t of n ──sign──▶ rotations, recoveries      (new keys)
//!   their spare keys ──sign──▶ changes of officers        (new officers)
//! ```
//!
//! No directory and no authority: whoever has the genesis can check every later record. Not here: the making and
//! keeping of secret keys, and which of two changes on one record holds, which the region's quorum decides.
//!
//! One officer and one epoch suffice to run:
//!
//! ```
//! use ed25519_dalek::SigningKey;
//! use record::{CommunityId, Name, identity::*};
//!
//! let [officer, spare, log, transport, mirror, witness] =
//!     [1, 2, 3, 4, 5, 6].map(|seed| SigningKey::from_bytes(&[seed; 32]));
//! let spare_digest = SpareDigest::of(&SpareKey::of(&spare));
//! let genesis = Genesis {
//!     network: "demo.folkmoot.example".parse()?,
//!     name: Name::parse("Eastside")?,
//!     officers: Officers::new(vec![Officer { key: OfficerKey::of(&officer), spare_digest }], 1)?,
//!     keys: EpochKeys::new(
//!         LogKey::of(&log),
//!         TransportKey::of(&transport),
//!         MirrorKey::of(&mirror),
//!         WitnessKey::of(&witness),
//!     )?,
//!     nonce: Nonce::default(),
//! };
//! // The payload of record 0 of era 0, and the community that it founds.
//! let payload = IdentityAction::Genesis(genesis).encode();
//! let community = CommunityId::of_genesis(&payload);
//! assert!(community.to_string().starts_with("fm1"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod action;
mod bundle;
mod change;
mod codec;
mod genesis;
mod keys;
mod names;
mod paper;
mod recovery;
mod signing;
mod state;

pub use action::{OfficerAction, SignError};
pub use bundle::{
    BundleError, BundleRecord, IdentityBundle, MAX_BUNDLE_BYTES, MAX_BUNDLE_RECORDS,
    VerifiedIdentity, Witnessed,
};
pub use change::{OfficerChange, Rotation};
pub use codec::{IdentityAction, PayloadError};
pub use genesis::{
    Genesis, MAX_NONCE_BYTES, MAX_OFFICERS, MIN_NONCE_BYTES, Nonce, Officer, Officers,
    OfficersError,
};
pub use keys::{
    EpochKeys, KeyError, LogKey, MirrorKey, OfficerKey, SpareDigest, SpareKey, TransportKey,
    WitnessKey,
};
pub use names::{
    mirror_name, mirror_verifier_key, verifier_key, witness_name, witness_verifier_key,
};
pub use paper::{
    PAPER_GROUP_CHARS, PAPER_GROUPS, PaperError, PaperRole, parse_paper, render_paper,
};
pub use recovery::{KeptTree, Recovery};
pub use signing::{
    Context, MAX_OFFICER_SIGNATURES, OfficerSignature, SignatureError, SpareSignature,
};
pub use state::{Epoch, Identity, IdentityError};

#[cfg(test)]
mod tests;
