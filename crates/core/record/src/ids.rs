//! Names that outlive keys: communities, regions, records, feed items, and the network they live in.
//!
//! Text form: a prefix and lower-case RFC 4648 base32 without padding (52 characters for 32 bytes).

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use tlog::Hash;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not begin with the prefix of this kind of id.
    #[error("`{text}` is not {what}: it must begin with `{prefix}`")]
    Prefix {
        /// The kind of id that was expected.
        what: &'static str,
        /// The prefix that kind has.
        prefix: &'static str,
        /// The text as given, cut to 80 characters.
        text: String,
    },
    /// The rest of the text is not 52 characters of lower-case base32.
    #[error("`{text}` is not {what}: after `{prefix}` come 52 characters of a–z and 2–7")]
    Encoding {
        /// The kind of id that was expected.
        what: &'static str,
        /// The prefix that kind has.
        prefix: &'static str,
        /// The text as given, cut to 80 characters.
        text: String,
    },
}

fn parse_id(text: &str, what: &'static str, prefix: &'static str) -> Result<[u8; 32], IdError> {
    let shown = || text.chars().take(80).collect::<String>();
    let rest =
        text.strip_prefix(prefix).ok_or_else(|| IdError::Prefix { what, prefix, text: shown() })?;
    let wrong = || IdError::Encoding { what, prefix, text: shown() };
    if rest.len() != 52 || rest.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(wrong());
    }
    let bytes = BASE32_NOPAD.decode(rest.to_ascii_uppercase().as_bytes()).ok().ok_or_else(wrong)?;
    bytes.try_into().ok().ok_or_else(wrong)
}

fn render_id(f: &mut fmt::Formatter<'_>, prefix: &str, bytes: &[u8; 32]) -> fmt::Result {
    f.write_str(prefix)?;
    f.write_str(&BASE32_NOPAD.encode(bytes).to_ascii_lowercase())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The id with these 32 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The id in these bytes, if they are 32.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                render_id(f, $prefix, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse_id(text, $what, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

id!(
    /// A community: `fm1…`, the hash of its genesis. It outlives every key.
    CommunityId, "fm1", "the id of a community"
);
id!(
    /// A region: `fmg1…`, the hash of its charter.
    RegionId, "fmg1", "the id of a region"
);
id!(
    /// A record: `fmr1…`, its leaf hash. A case has the id of the record that opened it.
    RecordId, "fmr1", "the id of a record"
);
id!(
    /// A feed item: `fmi1…`, the hash of what it says and what caused it; equal at every coordinator.
    ItemId, "fmi1", "the id of a feed item"
);

impl CommunityId {
    /// SHA-256("folkmoot/genesis/v1\0" ‖ genesis), ARCHITECTURE §3.
    #[must_use]
    pub fn of_genesis(genesis: &[u8]) -> Self {
        Self(tagged_hash("folkmoot/genesis/v1", &[genesis]))
    }
}

impl RecordId {
    /// The record whose leaf hash this is.
    #[must_use]
    pub fn from_leaf(leaf: Hash) -> Self {
        Self(*leaf.as_bytes())
    }

    /// The leaf hash of the record.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::from_bytes(self.0)
    }
}

/// One era of one community's log: the unit that travels, is mirrored and is frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// The community that writes it.
    pub community: CommunityId,
    /// Which of its logs, from 0.
    pub era: u32,
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.community, self.era)
    }
}

/// SHA-256(tag ‖ 0x00 ‖ parts…): every hash of ours outside the tree names what it is a hash of.
///
/// The parts are joined without separators: give fixed lengths, or one part of variable length, last.
#[must_use]
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The longest network name, in bytes.
pub const MAX_NETWORK_BYTES: usize = 64;

/// The name of a network: a lower-case DNS name. Every signed byte string contains it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct Network(String);

/// Why a text is not the name of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a network name: it is a lower-case DNS name of at most 64 bytes, such as `demo.folkmoot.example`"
)]
pub struct NetworkError {
    /// The text as given, cut to 80 characters.
    pub text: String,
}

impl Network {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin line of a log's checkpoints: `<network>/log/<community id>/<era>`.
    #[must_use]
    pub fn log_origin(&self, community: &CommunityId, era: u32) -> String {
        format!("{}/log/{community}/{era}", self.0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let label_ok = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if text.len() <= MAX_NETWORK_BYTES && text.split('.').all(label_ok) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NetworkError { text: text.chars().take(80).collect() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = CommunityId::of_genesis(b"genesis");
        let text = id.to_string();
        assert_eq!(text.len(), 3 + 52);
        assert_eq!(text.parse(), Ok(id));
    }

    #[test]
    fn refuses_another_prefix_upper_case_and_one_character_less() {
        let text = RecordId::from_bytes([7; 32]).to_string();
        let (shorter, _) = text.split_at(55);
        let upper = format!("fmr1{}", text.strip_prefix("fmr1").unwrap().to_uppercase());
        assert!(matches!(text.parse::<CommunityId>(), Err(IdError::Prefix { .. })));
        assert!(matches!(text.to_uppercase().parse::<RecordId>(), Err(IdError::Prefix { .. })));
        assert!(matches!(shorter.parse::<RecordId>(), Err(IdError::Encoding { .. })));
        assert!(matches!(upper.parse::<RecordId>(), Err(IdError::Encoding { .. })));
    }

    #[test]
    fn refuses_an_id_whose_last_character_carries_stray_bits() {
        let text = RecordId::from_bytes([0; 32]).to_string();
        let stray = format!("{}b", text.strip_suffix('a').unwrap());
        assert!(stray.parse::<RecordId>().is_err());
    }

    #[test]
    fn a_hash_names_what_it_is_a_hash_of() {
        // SHA-256("folkmoot/genesis/v1\0genesis"), computed apart from this code.
        let id = CommunityId::of_genesis(b"genesis");
        assert_eq!(data_encoding::HEXLOWER.encode(id.as_bytes()), OF_GENESIS);
        assert_ne!(tagged_hash("a", &[b"b"]), tagged_hash("ab", &[b""]));
    }

    const OF_GENESIS: &str = "b0b10f9312b06599ad48c92e689abdda499d57fd9453e3c16a48defc1d3fbe16";

    #[test]
    fn a_log_is_named_by_its_community_and_era_alike_in_display_and_origin() {
        let community = CommunityId::of_genesis(b"genesis");
        let log = LogName { community, era: 3 };
        let network: Network = "demo.folkmoot.example".parse().unwrap();
        assert_eq!(log.to_string(), format!("{community}/3"));
        assert_eq!(network.log_origin(&community, 3), format!("demo.folkmoot.example/log/{log}"));
    }

    #[test]
    fn a_network_is_a_lower_case_dns_name_of_at_most_64_bytes() {
        let longest = format!("{}.{}", "a".repeat(32), "b".repeat(31));
        assert!(longest.parse::<Network>().is_ok());
        for wrong in ["", "A.example", "a..b", "a+b", "-a.example", &format!("{longest}c")] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
