//! Streams wired back to back over logs in memory.

mod author;
mod catch_up;
mod eras;
mod evidence;
mod forks;
mod laws;
mod limits;
mod push;
mod refusals;
mod throttling;
mod verified;
mod world;
