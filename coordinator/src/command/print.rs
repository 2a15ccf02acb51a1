//! What a command prints: sentences for a person, or one JSON object for a script.

use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::failure::CommandError;

/// What a command has to say.
#[derive(Debug)]
pub(super) struct Said {
    /// For a script.
    pub(super) json: Value,
    /// For a person; lines.
    pub(super) text: String,
}

/// Prints on standard output.
pub(super) fn print(said: &Said, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if as_json {
        writeln!(out, "{}", said.json)?;
    } else {
        writeln!(out, "{}", said.text.trim_end())?;
    }
    out.flush()
}

/// Tells why a command failed: a sentence on standard error, and with `--json` an object on standard output.
pub(super) fn print_failure(error: &CommandError, as_json: bool) {
    // Where an output is closed, nobody is left to tell.
    let _ = writeln!(io::stderr(), "{}", error.sentence);
    if as_json {
        let failure = json!({ "error": { "reason": error.reason, "detail": error.sentence } });
        let _ = writeln!(io::stdout(), "{failure}");
    }
}
