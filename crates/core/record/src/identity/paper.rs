//! A secret key as a person writes it down: groups of five characters, each with a check of its own.
//!
//! ```text
//! role, 1 byte ‖ seed, 32 bytes ‖ first 2 bytes of SHA-256("folkmoot/paper/v1\0" ‖ role ‖ seed)
//!   = 280 bits = 56 characters of base32 = 14 groups of 4, each followed by its check character
//! ```
//!
//! The characters are digits and the small letters but i, l, o and u, as Crockford chose them. A check character is a sum
//! over the field of 32 elements, in which every character of the group and the group's number have weights of their own:
//! one wrong character, two that changed places, and two groups that changed places are found, and the group is named.

use crate::ids::tagged_hash;

/// Characters in their order of value.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Groups of a key on paper.
pub const PAPER_GROUPS: usize = 14;
/// Characters of a group, the check character included.
pub const PAPER_GROUP_CHARS: usize = 5;
/// Characters of a group that carry the key.
const KEY_CHARS: usize = PAPER_GROUP_CHARS - 1;
/// Role, seed and sum.
const N_BYTES: usize = 1 + 32 + 2;

// 35 bytes are 280 bits, and 56 characters of 5 bits.
const _: () = assert!(N_BYTES * 8 == PAPER_GROUPS * KEY_CHARS * 5);

/// Which of an officer's keys a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PaperRole {
    /// The key that signs rotations and recoveries.
    Officer,
    /// The spare key, which signs changes of officers.
    Spare,
}

/// Why a text is not a key on paper. Nothing of the text is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PaperError {
    /// Too few or too many characters.
    #[error(
        "a key on paper has {} characters in {PAPER_GROUPS} groups; these are {n_characters}",
        PAPER_GROUPS * PAPER_GROUP_CHARS
    )]
    Length {
        /// How many there are.
        n_characters: usize,
    },
    /// A character that is never used.
    #[error("group {group} has a character that no key has")]
    Character {
        /// The group, from 1.
        group: usize,
    },
    /// The group's check character does not fit.
    #[error("group {group} is not as it was written: compare its {PAPER_GROUP_CHARS} characters")]
    Group {
        /// The group, from 1.
        group: usize,
    },
    /// Each group fits, but not all together.
    #[error("the groups do not belong together: compare every one")]
    Sum,
    /// The first character names a role that this release does not know.
    #[error("this is no officer's key, or one of a later release")]
    Role,
}

impl PaperError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Length { .. } => "paper.length",
            Self::Character { .. } => "paper.character",
            Self::Group { .. } => "paper.group",
            Self::Sum => "paper.sum",
            Self::Role => "paper.role",
        }
    }
}

impl PaperRole {
    const fn byte(self) -> u8 {
        match self {
            Self::Officer => 1,
            Self::Spare => 2,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Officer),
            2 => Some(Self::Spare),
            _ => None,
        }
    }
}

/// The seed of a secret key as 14 groups of five characters, with spaces between.
#[must_use]
pub fn render_paper(role: PaperRole, seed: &[u8; 32]) -> String {
    let mut values = values_of(&with_sum(role.byte(), seed)).into_iter();
    let mut text = String::with_capacity(PAPER_GROUPS * (PAPER_GROUP_CHARS + 1));
    for number in 1..=PAPER_GROUPS {
        let group: Vec<u8> = values.by_ref().take(KEY_CHARS).collect();
        if 1 < number {
            text.push(' ');
        }
        let check = check_of(number, &group);
        text.extend(group.into_iter().chain([check]).filter_map(character));
    }
    text
}

/// The seed that was written down. Spaces, hyphens and line ends mean nothing, capitals are small letters, and o, i and l
/// are read as the digits that they look like.
///
/// # Errors
///
/// [`PaperError`] names the group that is wrong, where that can be said.
pub fn parse_paper(text: &str) -> Result<(PaperRole, [u8; 32]), PaperError> {
    let typed: Vec<char> = text.chars().filter(|it| !it.is_whitespace() && *it != '-').collect();
    let n_characters = typed.len();
    if n_characters != PAPER_GROUPS * PAPER_GROUP_CHARS {
        return Err(PaperError::Length { n_characters });
    }
    let mut values = Vec::with_capacity(PAPER_GROUPS * KEY_CHARS);
    for (group, typed) in (1..).zip(typed.chunks(PAPER_GROUP_CHARS)) {
        let read: Option<Vec<u8>> = typed.iter().map(|it| value(*it)).collect();
        let read = read.ok_or(PaperError::Character { group })?;
        let Some((check, key)) = read.split_last() else { continue };
        if check_of(group, key) != *check {
            return Err(PaperError::Group { group });
        }
        values.extend_from_slice(key);
    }
    let bytes = bytes_of(&values).ok_or(PaperError::Sum)?;
    let (role, rest) = bytes.split_first().ok_or(PaperError::Sum)?;
    let seed: [u8; 32] = rest.first_chunk().copied().ok_or(PaperError::Sum)?;
    if with_sum(*role, &seed) != bytes {
        return Err(PaperError::Sum);
    }
    Ok((PaperRole::from_byte(*role).ok_or(PaperError::Role)?, seed))
}

fn with_sum(role: u8, seed: &[u8; 32]) -> [u8; N_BYTES] {
    let [one, two, ..] = tagged_hash("folkmoot/paper/v1", &[&[role], seed]);
    let mut bytes = [0; N_BYTES];
    let all = [role].into_iter().chain(*seed).chain([one, two]);
    bytes.iter_mut().zip(all).for_each(|(slot, byte)| *slot = byte);
    bytes
}

/// Five bits each, highest first.
fn values_of(bytes: &[u8; N_BYTES]) -> Vec<u8> {
    let bit = |place: usize| {
        let byte = bytes.get(place / 8).copied().unwrap_or_default();
        (byte >> (7 - place % 8)) & 1
    };
    let value = |first: usize| (first..first + 5).fold(0, |sum, place| (sum << 1) | bit(place));
    (0..N_BYTES * 8).step_by(5).map(value).collect()
}

/// The reverse of [`values_of`].
fn bytes_of(values: &[u8]) -> Option<[u8; N_BYTES]> {
    let bit = |place: usize| Some((values.get(place / 5)? >> (4 - place % 5)) & 1);
    let mut bytes = [0; N_BYTES];
    for (slot, first) in bytes.iter_mut().zip((0..).step_by(8)) {
        for place in first..first + 8 {
            *slot = (*slot << 1) | bit(place)?;
        }
    }
    Some(bytes)
}

/// The check character's value: the sum of the group's number and characters, the i-th of them times 2^i.
fn check_of(number: usize, group: &[u8]) -> u8 {
    let number = u8::try_from(number % 32).unwrap_or_default();
    let (sum, _) = group.iter().fold((number, 1), |(sum, weight), value| {
        let weight = double(weight);
        (sum ^ times(*value, weight), weight)
    });
    sum
}

/// Twice an element of the field of 32 elements, modulo x^5 + x^2 + 1.
const fn double(value: u8) -> u8 {
    let doubled = value << 1;
    if doubled & 32 == 0 { doubled } else { doubled ^ 0b10_0101 }
}

fn times(value: u8, by: u8) -> u8 {
    let mut power = value;
    (0..5).fold(0, |sum, bit| {
        let product = if by >> bit & 1 == 1 { sum ^ power } else { sum };
        power = double(power);
        product
    })
}

fn character(value: u8) -> Option<char> {
    ALPHABET.get(usize::from(value)).copied().map(char::from)
}

fn value(typed: char) -> Option<u8> {
    let typed = match typed.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    };
    let place = ALPHABET.iter().position(|it| char::from(*it) == typed)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn role() -> impl Strategy<Value = PaperRole> {
        prop_oneof![Just(PaperRole::Officer), Just(PaperRole::Spare)]
    }

    #[test]
    fn the_form_on_paper_never_changes() {
        let text = render_paper(PaperRole::Officer, &[1; 32]);
        assert_eq!(text.split(' ').map(str::len).collect::<Vec<_>>(), [PAPER_GROUP_CHARS; 14]);
        assert_eq!(text, GOLDEN);
    }

    /// Computed apart from this code.
    const GOLDEN: &str =
        "040gw 2081w 040gy 2081t 040gr 2081r 040gt 2081p 040gm 2081m 040gp 2081j 040gg 391ag";

    #[test]
    fn a_key_may_be_typed_in_capitals_without_spaces_and_with_letters_for_digits() {
        let text = render_paper(PaperRole::Spare, &[0; 32]);
        let typed = text.to_uppercase().replace(' ', "").replace('0', "O").replace('1', "l");
        assert_eq!(parse_paper(&typed), Ok((PaperRole::Spare, [0; 32])));
        assert_eq!(parse_paper(&text.replace(' ', "-\n")), Ok((PaperRole::Spare, [0; 32])));
    }

    #[test]
    fn a_character_too_few_or_too_many_is_told_by_number() {
        let text = render_paper(PaperRole::Officer, &[9; 32]);
        let short: String = text.chars().skip(1).collect();
        assert_eq!(parse_paper(&short), Err(PaperError::Length { n_characters: 69 }));
        assert_eq!(parse_paper(&format!("{text}0")), Err(PaperError::Length { n_characters: 71 }));
        let strange = text.replacen(text.chars().next().unwrap(), "u", 1);
        assert_eq!(parse_paper(&strange), Err(PaperError::Character { group: 1 }));
    }

    #[test]
    fn a_role_of_a_later_release_is_refused_as_such() {
        let bytes = with_sum(3, &[5; 32]);
        let groups: Vec<String> = (1..)
            .zip(values_of(&bytes).chunks(KEY_CHARS))
            .map(|(number, group)| {
                let check = check_of(number, group);
                group.iter().copied().chain([check]).filter_map(character).collect()
            })
            .collect();
        assert_eq!(parse_paper(&groups.join(" ")), Err(PaperError::Role));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(role in role(), seed in any::<[u8; 32]>()) {
            prop_assert_eq!(parse_paper(&render_paper(role, &seed)), Ok((role, seed)));
        }

        #[test]
        fn one_wrong_character_is_found_and_its_group_named(
            seed in any::<[u8; 32]>(), at in 0_usize..70, other in 0_usize..32,
        ) {
            let text = render_paper(PaperRole::Officer, &seed).replace(' ', "");
            let mut typed = text.clone().into_bytes();
            prop_assume!(typed[at] != ALPHABET[other]);
            typed[at] = ALPHABET[other];
            let group = at / PAPER_GROUP_CHARS + 1;
            let told = parse_paper(&String::from_utf8(typed).unwrap());
            prop_assert_eq!(told, Err(PaperError::Group { group }));
        }

        #[test]
        fn two_characters_that_changed_places_are_found(seed in any::<[u8; 32]>(), at in 0_usize..69) {
            let mut typed = render_paper(PaperRole::Officer, &seed).replace(' ', "").into_bytes();
            prop_assume!(typed[at] != typed[at + 1]);
            typed.swap(at, at + 1);
            prop_assert!(parse_paper(&String::from_utf8(typed).unwrap()).is_err());
        }

        #[test]
        fn two_groups_that_changed_places_are_found(seed in any::<[u8; 32]>(), one in 0_usize..14, other in 0_usize..14) {
            let text = render_paper(PaperRole::Officer, &seed);
            let mut groups: Vec<&str> = text.split(' ').collect();
            prop_assume!(groups[one] != groups[other]);
            groups.swap(one, other);
            prop_assert!(parse_paper(&groups.join(" ")).is_err());
        }
    }
}
