//! The text of a feed's cursor (WIRE.md, ids): `fmc1` and base64url without padding.
//!
//! ```text
//! version 1 │ coordinator 32 │ log size 8 │ instant 8     big endian, 49 bytes, 66 characters
//! ```

use std::{fmt, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use record::{CommunityId, UnixMillis};

/// What every cursor begins with.
pub const CURSOR_PREFIX: &str = "fmc1";
/// Version, coordinator, log size, instant: 1 + 32 + 8 + 8.
const CURSOR_BYTES: usize = 49;
/// The version of the bytes inside.
const VERSION: u8 = 1;

/// A place in a feed: everything up to (`log_size`, `instant`) has been seen, compared in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Whose log `log_size` counts.
    pub coordinator: CommunityId,
    /// The size of that log, in leaves.
    pub log_size: u64,
    /// The instant up to which deadlines have been seen.
    pub instant: UnixMillis,
}

/// Why a text is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It does not begin with [`CURSOR_PREFIX`].
    #[error("a cursor begins with `fmc1`")]
    Prefix,
    /// The rest is not 66 characters of base64url without padding.
    #[error("after `fmc1` a cursor has 66 characters of base64url without padding")]
    Encoding,
    /// The bytes are of another version.
    #[error("the cursor is of version {found}; version 1 is read")]
    Version {
        /// The version in the text.
        found: u8,
    },
}

impl Cursor {
    /// Whether something caused at (`log_size`, `instant`) of this coordinator's log lies after the cursor.
    #[must_use]
    pub fn is_before(&self, log_size: u64, instant: UnixMillis) -> bool {
        (self.log_size, self.instant) < (log_size, instant)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.coordinator.as_bytes());
        bytes.extend_from_slice(&self.log_size.to_be_bytes());
        bytes.extend_from_slice(&self.instant.0.to_be_bytes());
        write!(f, "{CURSOR_PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let rest = text.strip_prefix(CURSOR_PREFIX).ok_or(CursorError::Prefix)?;
        let decoded = BASE64URL_NOPAD.decode(rest.as_bytes()).ok();
        let bytes = decoded.filter(|b| b.len() == CURSOR_BYTES).ok_or(CursorError::Encoding)?;
        parse_bytes(&bytes).ok_or(CursorError::Encoding)?
    }
}

/// `None` when the bytes are too few.
fn parse_bytes(bytes: &[u8]) -> Option<Result<Cursor, CursorError>> {
    let (&version, rest) = bytes.split_first()?;
    if version != VERSION {
        return Some(Err(CursorError::Version { found: version }));
    }
    let (coordinator, rest) = rest.split_first_chunk::<32>()?;
    let (log_size, rest) = rest.split_first_chunk::<8>()?;
    let (instant, _) = rest.split_first_chunk::<8>()?;
    Some(Ok(Cursor {
        coordinator: CommunityId::from_bytes(*coordinator),
        log_size: u64::from_be_bytes(*log_size),
        instant: UnixMillis(u64::from_be_bytes(*instant)),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(log_size: u64, instant: u64) -> Cursor {
        let coordinator = CommunityId::from_bytes([7; 32]);
        Cursor { coordinator, log_size, instant: UnixMillis(instant) }
    }

    #[test]
    fn the_text_of_a_cursor_does_not_change() {
        let text = cursor(258, 1_700_000_000_000).to_string();
        let expected = "fmc1AQcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHAAAAAAAAAQIAAAGLz-VoAA";
        assert_eq!(text, expected);
    }

    #[test]
    fn refuses_another_prefix_padding_one_character_less_and_stray_bits() {
        let text = cursor(1, 2).to_string();
        let mut shorter = text.clone();
        shorter.pop();
        assert_eq!(text.replace("fmc1", "fmc2").parse::<Cursor>(), Err(CursorError::Prefix));
        let wrong = [
            format!("{text}="),
            shorter.clone(),
            format!("{shorter}B"),
            format!("{text}A"),
            format!("{text} "),
            "fmc1".to_owned(),
        ];
        for wrong in wrong {
            assert_eq!(wrong.parse::<Cursor>(), Err(CursorError::Encoding), "{wrong}");
        }
    }

    #[test]
    fn refuses_a_version_that_is_not_known() {
        let text = cursor(1, 2).to_string().replacen("fmc1AQ", "fmc1Ag", 1);
        assert_eq!(text.parse::<Cursor>(), Err(CursorError::Version { found: 2 }));
    }

    #[test]
    fn size_comes_before_instant() {
        let at = cursor(5, 100);
        assert!(at.is_before(6, UnixMillis(0)));
        assert!(at.is_before(5, UnixMillis(101)));
        assert!(!at.is_before(5, UnixMillis(100)));
        assert!(!at.is_before(4, UnixMillis(999)));
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back(id: [u8; 32], log_size: u64, instant: u64) {
            let coordinator = CommunityId::from_bytes(id);
            let cursor = Cursor { coordinator, log_size, instant: UnixMillis(instant) };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn whatever_reads_is_written_the_same(text in "fmc1[A-Za-z0-9_-]{60,70}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
