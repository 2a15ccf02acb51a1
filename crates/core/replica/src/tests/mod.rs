//! Streams wired back to back over logs in memory.

mod author;
mod catch_up;
mod eras;
mod forks;
mod laws;
mod limits;
mod refusals;
mod throttling;
mod world;
