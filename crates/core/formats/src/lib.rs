//! OCDS, JSON Feed and Atom to and from core types.
//!
//! ```text
//! file ──ocds::import──▶ releases + redacted notices     registers ──ocds::export──▶ release package
//!                                                        feed items ──feed──▶ JSON Feed 1.1, Atom
//!                                                        cursor ⇄ text
//! ```
//!
//! Pure: bytes in, values out. Not here: fetching, storing, and the rules of cases (`civic`).

pub mod cursor;
pub mod feed;
pub mod ocds;
