//! What anybody can check: `folkmoot verify` and `folkmoot audit`, with what they print.

use std::path::PathBuf;

use anyhow::Result;
use runtime::exit::Exit;
use serde_json::Value;

use crate::{
    Console,
    verify::{self, audit},
};

/// What `folkmoot verify` says of a file or an address.
pub(super) async fn verify(subject: &str) -> Result<Value> {
    verify_by(subject, None).await
}

/// As [`verify`], with the identity bundle of the log that evidence accuses.
pub(super) async fn verify_by(subject: &str, identity: Option<PathBuf>) -> Result<Value> {
    let options = verify::Options {
        subject: subject.to_owned(),
        community: None,
        key: None,
        server_key: None,
        policy: None,
        identity,
        record: None,
        payload: None,
        json: true,
    };
    let (console, captured) = Console::captured();
    match verify::run(&options, &console).await {
        Ok(_) => {}
        // It says so in what it prints, too.
        Err(failure) if failure.exit() == Exit::Verification => {}
        Err(failure) => return Err(failure.into()),
    }
    Ok(serde_json::from_str(&captured.answers())?)
}

/// What `folkmoot audit` finds in a coordinator's log and everything that it serves.
pub(super) async fn audit(subject: String, acks: Vec<PathBuf>) -> Result<(Exit, Value)> {
    let options =
        audit::Options { subject, acks, server_key: None, policy: None, out: None, json: true };
    let (console, captured) = Console::captured();
    let exit = audit::run(&options, &console).await?;
    Ok((exit, serde_json::from_str(&captured.answers())?))
}
