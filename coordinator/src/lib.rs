//! The program of a coordinator: it mirrors the logs of a region, adds up what they say, and serves it to everybody.
//!
//! ```text
//! nodes ─▶ peer (stream, store, receipts) ─▶ Feed ─▶ service: FeedService, one reader for what was and what comes
//!                                             └────▶ pages: /feed.json /feed.atom /ocds/releases /register/… /
//! ```
//!
//! A coordinator owns nothing: whatever it serves can be recomputed from the logs, and whoever reads it can check it.
//! Not here: people and ballots (`ballotbox`), which never reach a coordinator; verification (`replica`) and the pages of
//! a log (`peer`).

pub mod command;
pub mod feed;
pub mod neighbours;
pub mod pages;
pub mod service;

mod export;
mod item;
mod metrics;
mod orders;
mod words;
