//! People, rolls and ballots in a file of their own; what leaves is counts and roots.
//!
//! ```text
//! add_people ─▶ person ──freeze_roll──▶ roll + salted root ──▶ RollCommitment (public)
//!                                          │ open_poll binds a poll to one frozen roll
//!                                          ▼
//! cast ──queue, group commit──▶ ballot ──close_poll──▶ root, number ──count──▶ Counts (public)
//!            └─▶ CastReceipt ──────────────check_receipt──▶ BallotProof
//! ```
//!
//! The rules are those of VOTES.md, *Ballots*. What this crate adds to them:
//! - One ballot a person. A second is refused with a clear answer, unless it is said to replace the first.
//! - No time of casting is stored, and no order: a place for everybody's ballot is made at the opening, in the order of
//!   the credential hashes.
//! - In a secret poll the link between a person and a ballot is erased when the box is closed; that the person has voted
//!   stays. Until then, whoever can read the file can see who voted how.
//! - Names, choices and salts are in no `Debug`, no error text and no log line. A ballot is a private type.
//!
//! Not here: who may call (`node`), whether counts may be published (`civic`), and the lock that keeps a second node off
//! the directory (`runtime`). Time is an argument; randomness is injected ([`Entropy`]).

mod ballot;
mod cast;
mod choice;
mod copy;
mod count;
mod entropy;
mod error;
mod file;
mod migrations;
mod people;
mod poll;
mod receipt;
mod roll;
mod tree;
mod writer;

pub use cast::{Cast, CastReceipt, CastRefusal};
pub use choice::{Choice, InvalidChoice};
pub use count::CountRefusal;
pub use entropy::{Entropy, NoEntropy};
pub use error::{BoxError, Failure};
pub use file::{BallotBox, Settings};
pub use people::{
    MAX_NAME_CHARS, MAX_PEOPLE_PER_PAGE, MAX_REFERENCE_CHARS, NewPerson, PeoplePage, PeopleRefusal,
    Person, PersonId, PersonIdError,
};
pub use poll::{BoxRoot, CloseRefusal, OpenRefusal, Opened, PollTerms, UnknownPoll};
pub use receipt::{BallotProof, ReceiptStanding};
pub use roll::{FreezeRefusal, RollProof, RollProofRefusal};
pub use writer::MAX_CASTS_PER_CALL;
