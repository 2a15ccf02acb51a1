//! Verifier keys: who signs, with what, and how a note names them (signed-note, "Verifier keys").
//!
//! A key is known by its name and a four-byte id. The id is short: it tells keys apart and proves
//! nothing. Trust comes from the whole public key that the reader was given beforehand.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// How many bytes an ML-DSA-44 public key has (FIPS 204).
pub const ML_DSA_44_PUBLIC_KEY_BYTES: usize = 1_312;

/// The longest name: what the one-byte length of ML-DSA cosignatures can say (tlog-cosignature).
pub const MAX_KEY_NAME_BYTES: usize = 255;

/// The name of a key; of a log's key, the log's origin.
///
/// Not empty, at most [`MAX_KEY_NAME_BYTES`], no Unicode space, no `+`, no control character below
/// U+0020. Compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ public key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

/// What a key signs, and with which algorithm (signed-note, "Signature types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyType {
    /// 0x01: Ed25519 over the note's text.
    Ed25519,
    /// 0x04: timestamped Ed25519 over a checkpoint (see [`crate::cosignature`]).
    Cosignature,
    /// 0x06: timestamped ML-DSA-44. Such keys are read and written, and their signatures ignored.
    MlDsa44,
}

/// The public key of a signer, with its name and type.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    key_type: KeyType,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Ed25519(VerifyingKey),
    /// Of an algorithm that cannot be verified here.
    Opaque(Vec<u8>),
}

/// Why a key or its name is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty, above [`MAX_KEY_NAME_BYTES`], or holds a space, a `+` or a control
    /// character.
    #[error("a key's name has 1 to 255 bytes, no space, no plus sign and no control character")]
    Name,
    /// The text is not `<name>+<key id as 8 hex digits>+<base64>`.
    #[error("a verifier key reads <name>+<8 hex digits>+<base64>")]
    Format,
    /// The id in the text is not that of the name and the key.
    #[error("the key's id is {computed}, not {stated}")]
    Id {
        /// The id in the text.
        stated: KeyId,
        /// The id of the name and key in the text.
        computed: KeyId,
    },
    /// No algorithm of this type is used in transparency logs of ours.
    #[error("keys of type {type_byte:#04x} are not known")]
    Type {
        /// The type byte.
        type_byte: u8,
    },
    /// The public key has a length that keys of its type have not.
    #[error("a public key of this type does not have {n_bytes} bytes")]
    Length {
        /// How many bytes it has.
        n_bytes: usize,
    },
    /// The bytes are no point of the curve, or not in their one encoding.
    #[error("the public key is not an Ed25519 key")]
    NotAKey,
    /// A key of small order: signatures under it verify for many messages.
    #[error("the public key is weak: anybody can sign for it")]
    Weak,
}

impl KeyName {
    /// The name, if it is one.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] if it breaks the rules of signed-note.
    pub fn parse(name: &str) -> Result<Self, KeyError> {
        let is_allowed = |it: char| !it.is_whitespace() && it != '+' && ' ' <= it;
        if !(1..=MAX_KEY_NAME_BYTES).contains(&name.len()) || !name.chars().all(is_allowed) {
            return Err(KeyError::Name);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for KeyName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl KeyId {
    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl KeyType {
    /// The byte that stands for the type.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Cosignature => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    /// The type that a byte stands for.
    ///
    /// # Errors
    ///
    /// [`KeyError::Type`] for every byte but 0x01, 0x04 and 0x06.
    pub const fn from_byte(type_byte: u8) -> Result<Self, KeyError> {
        match type_byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::Cosignature),
            0x06 => Ok(Self::MlDsa44),
            _ => Err(KeyError::Type { type_byte }),
        }
    }
}

/// The id by which notes name a key: SHA-256(name ‖ 0x0A ‖ type ‖ public key), first four bytes.
#[must_use]
pub fn key_id(name: &KeyName, key_type: KeyType, public_key: &[u8]) -> KeyId {
    let digest = Sha256::new()
        .chain_update(name.as_str())
        .chain_update([b'\n', key_type.byte()])
        .chain_update(public_key)
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
    KeyId([a, b, c, d])
}

impl VerifierKey {
    /// The key of this name and type with these public key bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Length`], [`KeyError::NotAKey`] or [`KeyError::Weak`] if no signature should be
    /// trusted under such a key.
    pub fn new(name: KeyName, key_type: KeyType, public_key: &[u8]) -> Result<Self, KeyError> {
        let wrong_length = KeyError::Length { n_bytes: public_key.len() };
        let material = match key_type {
            KeyType::Ed25519 | KeyType::Cosignature => {
                let bytes: &[u8; 32] = public_key.try_into().ok().ok_or(wrong_length)?;
                Material::Ed25519(checked_ed25519(bytes)?)
            }
            KeyType::MlDsa44 if public_key.len() == ML_DSA_44_PUBLIC_KEY_BYTES => {
                Material::Opaque(public_key.to_vec())
            }
            KeyType::MlDsa44 => return Err(wrong_length),
        };
        let id = key_id(&name, key_type, public_key);
        Ok(Self { name, id, key_type, material })
    }

    /// The key that verifies a log's own signatures (type 0x01); the name is the log's origin.
    ///
    /// # Errors
    ///
    /// As [`VerifierKey::new`].
    pub fn ed25519(name: KeyName, key: &VerifyingKey) -> Result<Self, KeyError> {
        Self::new(name, KeyType::Ed25519, key.as_bytes())
    }

    /// The key that verifies a witness's or a mirror's cosignatures (type 0x04).
    ///
    /// # Errors
    ///
    /// As [`VerifierKey::new`].
    pub fn cosignature(name: KeyName, key: &VerifyingKey) -> Result<Self, KeyError> {
        Self::new(name, KeyType::Cosignature, key.as_bytes())
    }

    /// Reads `<name>+<key id as 8 hex digits>+<base64(type ‖ public key)>`.
    ///
    /// # Errors
    ///
    /// [`KeyError`], each variant with its own meaning.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Format)?;
        let (stated, encoded) = rest.split_once('+').ok_or(KeyError::Format)?;
        let name = KeyName::parse(name)?;
        let stated = HEXLOWER.decode(stated.as_bytes()).ok().ok_or(KeyError::Format)?;
        let stated = KeyId(stated.try_into().ok().ok_or(KeyError::Format)?);
        let decoded = BASE64.decode(encoded.as_bytes()).ok().ok_or(KeyError::Format)?;
        let (type_byte, public_key) = decoded.split_first().ok_or(KeyError::Format)?;
        let key = Self::new(name, KeyType::from_byte(*type_byte)?, public_key)?;
        if key.id != stated {
            return Err(KeyError::Id { stated, computed: key.id });
        }
        Ok(key)
    }

    /// The key as text: what [`VerifierKey::parse`] reads.
    #[must_use]
    pub fn render(&self) -> String {
        let mut typed = vec![self.key_type.byte()];
        typed.extend(self.public_key());
        format!("{}+{}+{}", self.name, self.id, BASE64.encode(&typed))
    }

    /// The key's name; of a log's key, the log's origin.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id by which signature lines name the key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The public key's bytes: 32, or 1,312 of an ML-DSA-44 key.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        match &self.material {
            Material::Ed25519(key) => key.as_bytes(),
            Material::Opaque(bytes) => bytes,
        }
    }

    /// Whether signatures under this key can be verified here; if not, their lines are ignored.
    #[must_use]
    pub const fn is_supported(&self) -> bool {
        matches!(self.material, Material::Ed25519(_))
    }

    /// Whether `signature` is this key's over `message`, by the strict rules that refuse small-order
    /// points and altered signatures.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.material {
            Material::Ed25519(key) => {
                key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
            }
            Material::Opaque(_) => false,
        }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render())
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({}+{})", self.name, self.id)
    }
}

/// The key with these bytes, if they are its one encoding and it is not weak.
fn checked_ed25519(bytes: &[u8; 32]) -> Result<VerifyingKey, KeyError> {
    let key = VerifyingKey::from_bytes(bytes).ok().ok_or(KeyError::NotAKey)?;
    if key.is_weak() {
        return Err(KeyError::Weak);
    }
    if is_canonical(bytes) { Ok(key) } else { Err(KeyError::NotAKey) }
}

/// Whether the y-coordinate is written as a number below p = 2^255 − 19. Of the points that have two forms for another
/// reason, as x is 0, all are weak.
fn is_canonical(&[first, ref middle @ .., last]: &[u8; 32]) -> bool {
    first < 0xed || last & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;

    /// What the quick look at the bytes is to answer.
    fn is_as_compressed(bytes: &[u8; 32]) -> Option<bool> {
        let key = VerifyingKey::from_bytes(bytes).ok().filter(|it| !it.is_weak())?;
        Some(key.to_edwards().compress().as_bytes() == bytes)
    }

    #[test]
    fn every_key_written_with_a_number_of_p_or_more_is_refused() {
        let mut n_points = 0;
        for (first, last) in (0xe8..=0xff).flat_map(|it| [(it, 0x7f), (it, 0xff)]) {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (first, last);
            assert_eq!(is_canonical(&bytes), first < 0xed, "{first:x}");
            if let Some(as_compressed) = is_as_compressed(&bytes) {
                n_points += 1;
                assert_eq!(is_canonical(&bytes), as_compressed, "{first:x}");
                assert_eq!(checked_ed25519(&bytes).is_ok(), as_compressed, "{first:x}");
            }
        }
        assert!(0 < n_points);
    }

    proptest! {
        #[test]
        fn a_key_is_taken_if_compressing_it_gives_its_bytes(bytes in any::<[u8; 32]>()) {
            prop_assert_eq!(checked_ed25519(&bytes).is_ok(), is_as_compressed(&bytes) == Some(true));
        }
    }

    #[test]
    fn a_name_has_no_space_plus_or_control_character() {
        for name in ["a", "example.org/log/1", "élan", "a\u{7f}b", "—"] {
            assert_eq!(KeyName::parse(name).unwrap().as_str(), name);
        }
        for name in ["", " ", "a b", "a+b", "a\tb", "a\nb", "a\u{0}b", "a\u{a0}b", "a\u{2003}b"] {
            assert_eq!(KeyName::parse(name), Err(KeyError::Name), "{name:?}");
        }
    }

    #[test]
    fn a_name_of_255_bytes_is_read_and_one_of_256_refused() {
        assert!(KeyName::parse(&"n".repeat(255)).is_ok());
        assert_eq!(KeyName::parse(&"n".repeat(256)), Err(KeyError::Name));
    }

    #[test]
    fn the_same_key_has_another_id_under_another_name_or_type() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key();
        let name = |text| KeyName::parse(text).unwrap();
        let log = VerifierKey::ed25519(name("a"), &key).unwrap();
        let witness = VerifierKey::cosignature(name("a"), &key).unwrap();
        let other = VerifierKey::ed25519(name("b"), &key).unwrap();
        assert!(log.id() != witness.id() && log.id() != other.id());
        assert_ne!(log, witness);
    }

    #[test]
    fn an_ml_dsa_key_is_read_and_written_but_verifies_nothing() {
        let name = KeyName::parse("w").unwrap();
        for (n_bytes, is_read) in [(1_311, false), (1_312, true), (1_313, false)] {
            let key = VerifierKey::new(name.clone(), KeyType::MlDsa44, &vec![5; n_bytes]);
            assert_eq!(key.is_ok(), is_read);
            let Ok(key) = key else { continue };
            assert_eq!(VerifierKey::parse(&key.render()), Ok(key.clone()));
            assert!(!key.is_supported() && !key.signed(b"any", &[0; 64]));
        }
    }

    #[test]
    fn refuses_keys_of_unknown_type_and_of_wrong_length() {
        assert_eq!(KeyType::from_byte(2), Err(KeyError::Type { type_byte: 2 }));
        for type_byte in 0..=u8::MAX {
            if let Ok(key_type) = KeyType::from_byte(type_byte) {
                assert_eq!(key_type.byte(), type_byte);
            }
        }
        for n_bytes in [0, 31, 33] {
            let name = KeyName::parse("a").unwrap();
            let key = VerifierKey::new(name, KeyType::Ed25519, &vec![1; n_bytes]);
            assert_eq!(key, Err(KeyError::Length { n_bytes }));
        }
    }

    #[test]
    fn refuses_weak_keys_and_second_encodings() {
        let of = |bytes: [u8; 32]| {
            VerifierKey::new(KeyName::parse("a").unwrap(), KeyType::Ed25519, &bytes)
        };
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(of(identity), Err(KeyError::Weak));
        assert_eq!(of([0; 32]), Err(KeyError::Weak));
        // y = p + n for n below 19 is a second spelling of y = n.
        let mut n_second_encodings = 0;
        for n in 0..19 {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + n, 0x7f);
            assert!(of(bytes).is_err());
            n_second_encodings += u8::from(VerifyingKey::from_bytes(&bytes).is_ok());
        }
        assert!(0 < n_second_encodings, "the curve library reads some of them");
    }

    #[test]
    fn refuses_every_other_spelling_of_a_key() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let name = KeyName::parse("example.org/log").unwrap();
        let key = VerifierKey::ed25519(name, &signing.verifying_key()).unwrap();
        let text = key.render();
        assert_eq!(VerifierKey::parse(&text), Ok(key.clone()));
        let (front, encoded) = text.rsplit_once('+').unwrap();
        for wrong in [
            String::new(),
            "example.org/log".to_owned(),
            front.to_owned(),
            text.replace("example.org", "example org"),
            text.replace("example.org", "example.net"),
            format!("{text}\n"),
            format!("{text}="),
            text.trim_end_matches('=').to_owned() + "*",
            format!("{}+{encoded}", front.to_uppercase()),
            format!("example.org/log+0{}+{encoded}", key.id()),
            format!("{front}+"),
        ] {
            assert!(VerifierKey::parse(&wrong).is_err(), "{wrong}");
        }
        let upper = key.id().to_string().to_uppercase();
        if upper != key.id().to_string() {
            let wrong = format!("example.org/log+{upper}+{encoded}");
            assert_eq!(VerifierKey::parse(&wrong), Err(KeyError::Format));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn keys_go_to_text_and_back(seed in any::<[u8; 32]>(), name in "[a-z./0-9é]{1,30}") {
            let name = KeyName::parse(&name).unwrap();
            let key = VerifierKey::cosignature(name, &SigningKey::from_bytes(&seed).verifying_key());
            let key = key.unwrap();
            prop_assert_eq!(VerifierKey::parse(&key.render()), Ok(key));
        }

        #[test]
        fn reading_an_arbitrary_key_never_panics(text in "\\PC{0,3}\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{0,48}={0,2}") {
            if let Ok(key) = VerifierKey::parse(&text) {
                prop_assert_eq!(key.render(), text);
            }
        }
    }
}
