//! How every Folkmoot program ends: one table of exit codes, one way to tell a person why.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, Write as _},
    process::{ExitCode, Termination},
};

/// What a program's end means to a script. The numbers are part of the command line's promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Ok = 0,
    /// 1: refused or failed; trying the same again changes nothing.
    Failed = 1,
    /// 2: the command line was wrong; nothing was done.
    Usage = 2,
    /// 3: a count stands at a tie that the rules decide by lot; draw it and give the result.
    NeedsLot = 3,
    /// 4: somebody who is needed cannot be reached; try again later.
    Unavailable = 4,
    /// 5: the configuration is wrong; nothing was done.
    Config = 5,
    /// 6: something was verified and does not hold.
    Verification = 6,
    /// 130: stopped by Ctrl-C before it was done, as shells say it.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

/// Tells a person on standard error what went wrong, and why.
pub fn report(error: &(dyn Error + 'static)) {
    // Where standard error is closed, nobody is left to tell.
    let _ = io::stderr().write_all(render(error).as_bytes());
}

/// The error's sentence, then a line for each cause that says something new.
#[must_use]
pub fn render(error: &(dyn Error + 'static)) -> String {
    let mut last = error.to_string();
    let mut text = format!("{last}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !last.contains(&said) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  because: {said}");
            last = said;
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("Could not open the data folder.")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("/data: {0}")]
    struct Middle(#[source] io::Error);

    #[test]
    fn a_report_gives_the_sentence_and_each_new_cause_once() {
        let error = Outer(Middle(io::Error::other("permission denied")));

        assert_eq!(
            render(&error),
            "Could not open the data folder.\n  because: /data: permission denied\n"
        );
    }

    #[test]
    fn the_numbers_are_those_that_scripts_rely_on() {
        let all = [
            Exit::Ok,
            Exit::Failed,
            Exit::Usage,
            Exit::NeedsLot,
            Exit::Unavailable,
            Exit::Config,
            Exit::Verification,
            Exit::Interrupted,
        ];

        assert_eq!(all.map(Exit::code), [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
