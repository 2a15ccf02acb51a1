//! Canonical text, so that two people who read the same words sign the same hash.

use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// The text in NFC, with LF line ends and no spaces or tabs at the end of a line (RECORDS.md).
#[must_use]
pub fn canonical(text: &str) -> String {
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> =
        unified.split('\n').map(|line| line.trim_end_matches([' ', '\t'])).collect();
    lines.join("\n").nfc().collect()
}

/// SHA-256 of the canonical form of a text.
#[must_use]
pub fn text_hash(text: &str) -> [u8; 32] {
    Sha256::digest(canonical(text).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_trailing_spaces_and_composed_letters_do_not_change_the_hash() {
        let one = "Caf\u{e9} \r\nline two\t\n";
        let other = "Cafe\u{301}\nline two\n";
        assert_eq!(text_hash(one), text_hash(other));
    }

    #[test]
    fn one_other_letter_changes_the_hash() {
        assert_ne!(text_hash("nine days"), text_hash("nine day"));
        assert_ne!(text_hash(" nine"), text_hash("nine"));
    }
}
