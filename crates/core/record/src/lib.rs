//! What a community signs, and how anybody checks it.
//!
//! ```text
//! genesis ──hash──▶ CommunityId        header = leaf of the log ──hash──▶ RecordId
//!    │ officers, first keys                │ commitment
//!    ▼                                     ▼
//! identity records, recovery           salt ‖ payload   (detached, so it can be erased)
//! ```
//!
//! A region is the hash of its charter ([`region`]); it has no key and no log.
//!
//! Pure: no I/O, no clock, no randomness. [`verified::verify`] is the only function that makes a
//! [`verified::VerifiedRecord`], and only a verified record reaches the rules.
//!
//! Not here: the tree and signed notes (`tlog`), the rules (`civic`), the decoding of payloads other than
//! identity (`proto`).

pub mod canonical_text;
pub mod commitment;
pub mod fork;
pub mod header;
pub mod identity;
pub mod ids;
pub mod index;
pub mod kind;
pub mod limits;
pub mod money;
pub mod name;
pub mod org;
pub mod payload;
pub mod place;
pub mod policy;
pub mod proof_extra;
pub mod proved;
pub mod region;
pub mod time;
pub mod verified;
pub mod wire;

pub use header::Header;
pub use ids::{CommunityId, ItemId, LogName, Network, RecordId, RegionId};
pub use kind::Kind;
pub use money::Money;
pub use name::Name;
pub use payload::Payload;
pub use time::UnixMillis;
pub use verified::VerifiedRecord;
