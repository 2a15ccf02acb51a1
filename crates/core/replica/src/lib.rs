//! How logs travel: heads, wants, batches, acks, credit, forks and their evidence (ARCHITECTURE §5).
//!
//! ```text
//!   one side                                   the other side
//!   Heads  (log, signed checkpoint)  ───────▶  verified, compared with what is held
//!          ◀───────  Want   (start, end, credit)
//!   Load   ──▶ Batch (≤ 256 records, proof)  ───────▶  verify_batch ──▶ Store
//!          ◀───────  Ack    (durable size, cosignatures)  ◀── Durable
//! ```
//!
//! One [`Exchange`] serves one stream. Both ends run the same code: each offers the logs it holds and
//! pulls those it lacks. It does no I/O: [`Exchange::handle`] takes one [`Input`] and answers what to
//! do. A log has one writer, so there is nothing to merge: what is missing is a range, and a range is
//! either proved against a signed checkpoint or not stored.
//!
//! | module | what it holds |
//! |---|---|
//! | [`frame`] | what crosses the stream |
//! | [`head`] | the keys of a log, a checkpoint opened with them |
//! | [`batch`] | the verification of a batch, a pure function |
//! | [`evidence`] | two signed heads that cannot both be true |
//! | [`exchange`] | the state machine |
//! | [`fault`] | every reason for a refusal |
//! | [`limits`] | every limit, with its arithmetic |
//! | [`quota`] | who has to wait |
//! | [`silence`] | a coordinator that does not do what it owes |
//! | [`verified`] | what was verified lately, for every stream |
//!
//! Not here: the encoding of frames (`proto`), storage, when to dial whom (`peer`), what a record
//! means (`civic`), and whether a cosignature that came back verifies: its cosigner's key is known to
//! whoever keeps the policy.

pub mod batch;
pub mod evidence;
pub mod exchange;
pub mod fault;
pub mod frame;
pub mod head;
pub mod limits;
pub mod quota;
pub mod silence;
pub mod verified;

pub use batch::{BatchPlace, VerifiedBatch, verify_batch};
pub use evidence::fork_evidence;
pub use exchange::{
    Admission, Exchange, ExchangeConfig, HeldLog, Input, Output, PendingHead, Store,
};
pub use fault::Fault;
pub use frame::{Ack, Batch, Frame, Head, LogName, RawRecord, Refusal, Want};
pub use head::{LogIdentity, SignedHead};
pub use verified::Verified;

#[cfg(test)]
mod tests;
