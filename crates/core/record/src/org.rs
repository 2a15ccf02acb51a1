//! Organisations: identifiers of org-id.guide, never names.

use std::fmt;

/// The longest scheme and the longest identifier inside it, in bytes.
pub const MAX_ORG_PART_BYTES: usize = 64;

/// An organisation by scheme and identifier: `GB-COH` and `01234567`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct OrgId {
    scheme: String,
    id: String,
}

impl OrgId {
    /// The organisation, with a Companies House number brought to its eight upper-case characters.
    ///
    /// `None` when either part is empty, longer than [`MAX_ORG_PART_BYTES`], or holds a space or control character;
    /// or when a `GB-COH` number cannot be one.
    #[must_use]
    pub fn new(scheme: &str, id: &str) -> Option<Self> {
        let sound = |part: &str| {
            !part.is_empty()
                && part.len() <= MAX_ORG_PART_BYTES
                && part.chars().all(|c| !c.is_whitespace() && !c.is_control())
        };
        let id = id.trim();
        if !sound(scheme) || !sound(id) {
            return None;
        }
        let id = if scheme == "GB-COH" { companies_house_number(id)? } else { id.to_owned() };
        Some(Self { scheme: scheme.to_owned(), id })
    }

    /// The scheme, as org-id.guide lists it.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The identifier inside the scheme.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for OrgId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.scheme, self.id)
    }
}

/// Eight characters: up to two letters, then digits padded with zeros on the left.
fn companies_house_number(raw: &str) -> Option<String> {
    let upper = raw.to_ascii_uppercase();
    let n_letters = upper.bytes().take_while(u8::is_ascii_uppercase).count();
    let (letters, digits) = upper.split_at_checked(n_letters)?;
    let formed = n_letters <= 2 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !formed || upper.len() > 8 {
        return None;
    }
    Some(format!("{letters}{digits:0>width$}", width = 8 - n_letters))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companies_house_numbers_have_eight_upper_case_characters() {
        let id = |raw| OrgId::new("GB-COH", raw).map(|org| org.id);
        assert_eq!(id("1234567").as_deref(), Some("01234567"));
        assert_eq!(id("sc12345").as_deref(), Some("SC012345"));
        assert_eq!(id("12345678").as_deref(), Some("12345678"));
        assert_eq!(id("123456789"), None);
        assert_eq!(id("SC"), None);
        assert_eq!(id("12 34"), None);
    }

    #[test]
    fn other_schemes_keep_their_identifiers() {
        assert_eq!(OrgId::new("GB-MPR", "8731").unwrap().to_string(), "GB-MPR-8731");
        assert_eq!(OrgId::new("GB-MPR", ""), None);
        assert_eq!(OrgId::new("GB-MPR", &"1".repeat(65)), None);
        assert!(OrgId::new("GB-MPR", &"1".repeat(64)).is_some());
    }
}
