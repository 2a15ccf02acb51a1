//! The program that a community runs: its log and its links to others (`peer`), its people and ballots (`ballotbox`),
//! and the clerk who speaks for it.
//!
//! ```text
//! command ──unix socket, 0600──▶ clerk ──▶ store (append, register), ballotbox
//!                                  ▲
//!           polls ─────────────────┘ what the clock asks of this community: boxes closed, counts and results filed
//! ```
//!
//! Not here: the rules (`civic`), replication and public pages (`peer`), anything of a coordinator.

pub mod backup;
pub mod clerk;
pub mod command;
mod doctor;
mod look;
pub mod polls;
pub mod sheet;
