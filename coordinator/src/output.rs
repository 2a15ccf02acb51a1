//! What the commands print.

use std::fmt;

/// Prints a line on standard output.
#[expect(clippy::print_stdout, reason = "a command's answer belongs on standard output")]
pub(crate) fn line(text: impl fmt::Display) {
    println!("{text}");
}
