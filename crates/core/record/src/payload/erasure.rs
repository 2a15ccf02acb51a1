//! Erasure: an author asks every holder to drop a payload, and holders say that they have.

use crate::ids::RecordId;

/// Why a payload is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// It tells of a person who does not want it told.
    Personal,
    /// It was published by mistake.
    Mistake,
    /// Somebody else has the right to it.
    Copyright,
    /// It is unlawful.
    Unlawful,
    /// It is no longer needed for what it was published for.
    NoLongerNeeded,
}

/// Who asked that a payload be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// The person it tells of.
    Subject,
    /// The community itself.
    Community,
    /// An authority, such as a data-protection commissioner.
    Authority,
    /// A court.
    Court,
}

/// The author of a record asks every holder to drop its payload for ever. The header stays, so that every proof does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erase {
    /// Which era of the author's log.
    pub era: u32,
    /// The place in it.
    pub index: u64,
    /// The record's id.
    pub record: RecordId,
    /// Why.
    pub ground: Ground,
    /// Who asked for it.
    pub asked_by: Asker,
}

/// A holder has dropped payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The erase records that it has followed, in ascending order.
    pub erasures: Vec<RecordId>,
}
