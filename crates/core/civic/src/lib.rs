//! The rules: covenants, opportunities, pools and polls as pure state machines with clocks.
//!
//! ```text
//! records of one case ──▶ canonical order ──▶ machine of the kind ──▶ Case { state, body, judgements,
//! (any order, receipts)    (order, room)       (covenant, opportunity,        transitions, next deadline }
//!                                               pool, poll)
//! ```
//!
//! [`fold`] is a function of records, receipts, the region's epochs and `now`: the same at every replica, whatever
//! the order of arrival (ARCHITECTURE §6). Deadlines are judged by receipts alone. A record that breaks a rule is
//! judged [`Verdict::Refused`] with a public reason; it never stops a fold.
//!
//! Not here: signatures and logs (`tlog`, `replica`), decoding (`proto`), ballots (`ballotbox`), words and captions,
//! which change no state.

pub mod case;
pub mod count;
pub mod covenant;
pub mod opportunity;
pub mod poll;
pub mod pool;
pub mod refusal;
pub mod region;
pub mod sums;

mod clock;
mod fold;
mod instant;
mod order;
mod room;
mod timeline;

pub use case::{Case, CaseBody, CaseKind, CaseRecord, Judgement, Transition, Verdict};
pub use clock::SETTLING_MILLIS;
pub use fold::fold;
pub use refusal::Refusal;
pub use region::{EpochView, RegionChange, RegionView, Statement};
pub use room::too_many;
pub use timeline::item_id;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod samples;
