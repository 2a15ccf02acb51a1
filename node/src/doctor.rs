//! What an operator should look at: each thing that can go wrong with a node, judged by itself.
//!
//! ```text
//! Facts (the running node, or its file at rest) ─▶ judge ──┐
//! folder, files, disk, configuration (this machine) ─▶ local ─┴▶ checks: name, verdict, what it means and what to do
//! ```
//!
//! Nothing secret and nothing about a person is in a check: ids of communities, sizes, times and what to do.

pub(crate) mod facts;
pub(crate) mod judge;
pub(crate) mod local;

use serde::Serialize;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Somebody should look at it, tomorrow; or it cannot be known now.
    Warn,
    /// Somebody should look at it now.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Its stable name.
    pub(crate) name: &'static str,
    /// How it is.
    pub(crate) verdict: Verdict,
    /// What that means, and what to do.
    pub(crate) sentence: String,
}

impl Check {
    pub(crate) fn ok(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, sentence: sentence.into() }
    }

    pub(crate) fn warn(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Warn, sentence: sentence.into() }
    }

    pub(crate) fn bad(name: &'static str, sentence: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Bad, sentence: sentence.into() }
    }
}

/// A length of time for a person: the largest unit of which there is at least one.
pub(crate) fn span(millis: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    let unit = UNITS.iter().find(|(length, _)| *length <= millis);
    let (length, name) = unit.unwrap_or(&(1_000, "second"));
    let n = millis / length;
    format!("{n} {name}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_verdicts_is_the_greatest() {
        assert!(Verdict::Ok < Verdict::Warn && Verdict::Warn < Verdict::Bad);
    }

    #[test]
    fn a_length_of_time_is_told_in_its_largest_unit() {
        let told = [
            (0, "0 seconds"),
            (59_999, "59 seconds"),
            (60_000, "1 minute"),
            (7_200_000, "2 hours"),
        ];
        for (millis, text) in told {
            assert_eq!(span(millis), text);
        }
        assert_eq!(span(3 * 86_400_000 - 1), "2 days");
    }
}
