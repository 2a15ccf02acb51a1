//! Names that people read: one line of visible text.

use std::fmt;

use crate::canonical_text::canonical;

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// The name of a community or a region, for people to read. Anybody may take any name: an id is what tells two apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is one line of 1 to {MAX_NAME_BYTES} bytes, without spaces at its ends or invisible characters"
)]
pub struct NameError;

impl NameError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        "record.name"
    }
}

impl Name {
    /// The name, if it is one line of 1 to [`MAX_NAME_BYTES`] bytes in NFC.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is empty or too long, has spaces at its ends, control characters, or characters that turn
    /// the direction of writing and so make one name look like another.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let is_visible = |c: char| {
            let is_format = matches!(
                c,
                '\u{ad}'
                    | '\u{61c}'
                    | '\u{200b}'..='\u{200f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}'
                    | '\u{feff}'
            );
            !c.is_control() && !is_format
        };
        let sound = (1..=MAX_NAME_BYTES).contains(&text.len())
            && text.trim() == text
            && text.chars().all(is_visible)
            && canonical(text) == text;
        if sound { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_128_bytes_is_read_and_one_of_129_refused() {
        assert!(Name::parse(&"a".repeat(MAX_NAME_BYTES)).is_ok());
        assert_eq!(Name::parse(&"a".repeat(MAX_NAME_BYTES + 1)), Err(NameError));
    }

    #[test]
    fn a_name_is_one_line_of_visible_text_in_nfc() {
        for name in ["Eastside", "Tŷ Coch & Glan-yr-Afon", "St Mary's (North)"] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
        for wrong in [
            "",
            " ",
            "a ",
            " a",
            "a\nb",
            "a\tb",
            "a\u{7}",
            "Cafe\u{301}",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{200b}",
        ] {
            assert_eq!(Name::parse(wrong), Err(NameError), "{wrong:?}");
        }
    }
}
