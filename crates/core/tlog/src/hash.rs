//! A SHA-256 hash of this tree: a leaf, an inner node or a root.

use std::fmt;

use data_encoding::BASE64;

/// A SHA-256 hash: of a leaf, an inner node or a whole tree. Ordered as its bytes are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; Self::LEN_BYTES]);

impl Hash {
    /// How many bytes a hash has.
    pub const LEN_BYTES: usize = 32;

    /// The hash with these bytes; nothing is hashed.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LEN_BYTES]) -> Self {
        Self(bytes)
    }

    /// The hash with these bytes, or `None` unless there are 32 of them.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LEN_BYTES] {
        &self.0
    }

    /// Standard base64 with padding, 44 characters: how every C2SP text writes a hash.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }

    /// Reads what [`Hash::to_base64`] writes, and no other spelling of it.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.as_bytes()).ok()?;
        Self::from_slice(&bytes)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_goes_there_and_back() {
        let hash = Hash::from_bytes([0xfb; 32]);
        assert_eq!(Hash::from_base64(&hash.to_base64()), Some(hash));
        assert_eq!(format!("{hash:?}"), "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=");
    }

    #[test]
    fn refuses_another_length_and_another_spelling() {
        let of = |n: usize| BASE64.encode(&vec![0; n]);
        assert!(Hash::from_base64(&of(31)).is_none());
        assert!(Hash::from_base64(&of(32)).is_some());
        assert!(Hash::from_base64(&of(33)).is_none());
        // No padding, set bits behind the last byte, the URL alphabet, an inner line break.
        let right = Hash::from_bytes([0xfb; 32]).to_base64();
        for wrong in [
            right.trim_end_matches('=').to_owned(),
            right.replace("s=", "t="),
            right.replace('+', "-").replace('/', "_"),
            right.replacen("v7", "v\n7", 1),
            format!("{right}\n"),
        ] {
            assert!(Hash::from_base64(&wrong).is_none(), "{wrong:?}");
        }
    }
}
