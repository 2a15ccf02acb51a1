//! Places: ONS GSS codes with the year in which they were in force.

use std::fmt;

/// An ONS GSS code: one of E W S N K J, then eight digits (`E07000223`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GssCode([u8; 9]);

impl GssCode {
    /// The code in this text, if it has the form `^[EWSNKJ]\d{8}$`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 9] = text.as_bytes().try_into().ok()?;
        let (letter, digits) = bytes.split_first()?;
        let formed = b"EWSNKJ".contains(letter) && digits.iter().all(u8::is_ascii_digit);
        formed.then_some(Self(bytes))
    }

    /// The nine characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for GssCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for GssCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for GssCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place that a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    /// The code.
    pub code: GssCode,
    /// The year of the code list it was taken from.
    pub vintage: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gss_code_is_a_country_letter_and_eight_digits() {
        assert!(GssCode::parse("E07000223").is_some());
        for wrong in ["X07000223", "E0700022", "E070002233", "E0700022a", "e07000223"] {
            assert!(GssCode::parse(wrong).is_none(), "{wrong}");
        }
    }
}
