//! The OCDS prefix that a charter may give its region.

use std::{fmt, str::FromStr};

/// The OCDS prefix of a region's own contracting processes: `ocds-` and six lower-case letters or digits, as the Open
/// Contracting Partnership registered it for the region. The ocids of such processes are the prefix, a hyphen and more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OcidPrefix(String);

/// Why a text is no prefix of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OcidPrefixError {
    /// It does not have the form of a prefix.
    #[error(
        "an ocid prefix is `ocds-` and six lower-case letters or digits, as they were registered with OCDS"
    )]
    Form,
    /// It is the prefix in OCDS's own examples, which belongs to nobody.
    #[error("OCDS keeps the ocid prefix `ocds-213czf` for documentation")]
    Documentation,
}

impl OcidPrefix {
    /// The prefix that OCDS keeps for documentation.
    const DOCUMENTATION: &str = "ocds-213czf";
    /// How many letters and digits follow `ocds-`.
    const CODE_BYTES: usize = 6;

    /// The prefix as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OcidPrefix {
    type Err = OcidPrefixError;

    fn from_str(text: &str) -> Result<Self, OcidPrefixError> {
        let is_code = |code: &str| {
            let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            code.len() == Self::CODE_BYTES && code.bytes().all(is_allowed)
        };
        if !text.strip_prefix("ocds-").is_some_and(is_code) {
            return Err(OcidPrefixError::Form);
        }
        if text == Self::DOCUMENTATION {
            return Err(OcidPrefixError::Documentation);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for OcidPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_ocds_and_six_lower_case_letters_or_digits() {
        for right in ["ocds-a1b2c3", "ocds-000000", "ocds-zzzzzz", "ocds-213czg"] {
            assert_eq!(right.parse::<OcidPrefix>().unwrap().as_str(), right);
        }
        for wrong in [
            "",
            "ocds-",
            "ocds-a1b2c",
            "ocds-a1b2c34",
            "ocds-A1B2C3",
            "OCDS-a1b2c3",
            "ocds_a1b2c3",
            "a1b2c3",
            " ocds-a1b2c3",
            "ocds-a1b2c3-",
            "ocds-a1b2c\u{e9}",
            "ocds-a1b2\u{e9}",
            "ocds-a1b 2c",
        ] {
            assert_eq!(wrong.parse::<OcidPrefix>(), Err(OcidPrefixError::Form), "{wrong}");
        }
        let documentation = "ocds-213czf".parse::<OcidPrefix>();
        assert_eq!(documentation, Err(OcidPrefixError::Documentation));
    }
}
