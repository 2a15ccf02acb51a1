//! Words: texts in each language and notices from outside. Erasable; they change no state.

/// A language that a text is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Language(String);

impl Language {
    /// A lower-case BCP 47 tag of two to eight letters and hyphens, such as `en`, `cy`, `en-gb`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let formed = (2..=8).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        formed.then(|| Self(text.to_owned()))
    }

    /// English.
    #[must_use]
    pub fn english() -> Self {
        Self("en".to_owned())
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A title and text in one language, both canonical (see [`crate::canonical_text`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// The language.
    pub language: Language,
    /// One line.
    pub title: String,
    /// Any number of lines; may be empty.
    pub text: String,
    /// Labels for numbered things: options of a poll, commitments of a covenant, in their order.
    pub labels: Vec<String>,
}

/// The words of another record, which refers to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// One wording for each language, at least one.
    pub wordings: Vec<Wording>,
}

/// The hash of a wording: what signers sign.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextHash {
    /// The language.
    pub language: Language,
    /// [`Wording::hash`].
    pub sha256: [u8; 32],
}

impl Wording {
    /// SHA-256 of the title, the text and the labels in canonical form, parted by NUL bytes.
    #[must_use]
    pub fn hash(&self) -> TextHash {
        let mut whole = format!("{}\0{}", self.title, self.text);
        for label in &self.labels {
            whole.push('\0');
            whole.push_str(label);
        }
        let sha256 = crate::canonical_text::text_hash(&whole);
        TextHash { language: self.language.clone(), sha256 }
    }
}

/// A notice from outside, kept as it will be published again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// One OCDS release as JSON, with contact details left out.
    pub release_json: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wording() -> Wording {
        Wording {
            language: Language::parse("cy").unwrap(),
            title: "Pool".to_owned(),
            text: "Croeso\nhere".to_owned(),
            labels: vec!["Ie".to_owned(), "Na".to_owned()],
        }
    }

    #[test]
    fn the_hash_of_a_wording_never_changes() {
        let TextHash { language, sha256 } = wording().hash();
        assert_eq!(language.as_str(), "cy");
        // SHA-256("Pool\0Croeso\nhere\0Ie\0Na"), computed apart from this code.
        assert_eq!(data_encoding::HEXLOWER.encode(&sha256), WORDING);
    }

    const WORDING: &str = "c5a2ebc3c49bd6142b10ea5513580c2002e46b0db39594e65cce2d582f8c183c";

    #[test]
    fn a_word_moved_from_one_part_to_another_changes_the_hash() {
        let hash = wording().hash();
        let title = Wording { title: "Pool\nCroeso".into(), text: "here".into(), ..wording() };
        let labels = Wording { labels: vec!["Na".into(), "Ie".into()], ..wording() };
        let fewer = Wording { labels: vec!["IeNa".into()], ..wording() };
        for other in [title, labels, fewer] {
            assert_ne!(other.hash().sha256, hash.sha256);
        }
    }

    #[test]
    fn a_language_has_two_to_eight_lower_case_letters_and_inner_hyphens() {
        for right in ["en", "cy", "en-gb", "abcdefgh"] {
            assert_eq!(Language::parse(right).unwrap().as_str(), right);
        }
        for wrong in ["", "e", "abcdefghi", "EN", "en_gb", "-en", "en-", "e1"] {
            assert_eq!(Language::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Language::parse("en"), Some(Language::english()));
    }
}
