//! What a ballot says, whether the poll takes it, and its bytes.

use std::{collections::BTreeSet, fmt};

use record::payload::poll::Method;

/// What somebody votes. Options are numbers from 0, in the poll's order. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub enum Choice {
    /// One option: for yes/no and plurality.
    One(u32),
    /// One option or more: for approval.
    Several(BTreeSet<u32>),
    /// Handed in unmarked: counts for the quorum and for no option.
    Blank,
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choice(hidden)")
    }
}

/// Why a choice does not fit the poll. It does not repeat the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidChoice {
    /// The poll takes one option.
    #[error("this poll takes one option")]
    OneOnly,
    /// The poll takes a list of options.
    #[error("this poll takes a list of options")]
    ListExpected,
    /// The list is empty.
    #[error("no option is marked; hand in a blank ballot if that is what you mean")]
    NothingMarked,
    /// An option is not one of the poll's.
    #[error("the ballot names an option that the poll does not have; it has {n_options}")]
    NotAnOption {
        /// How many the poll has.
        n_options: u32,
    },
}

impl Choice {
    /// Checks that a poll of this method takes the choice.
    pub(crate) fn check(&self, method: Method, n_options: u32) -> Result<(), InvalidChoice> {
        let one_only = match method {
            Method::YesNo | Method::Plurality => true,
            Method::Approval => false,
        };
        match self {
            Self::Blank => return Ok(()),
            Self::One(_) if !one_only => return Err(InvalidChoice::ListExpected),
            Self::Several(_) if one_only => return Err(InvalidChoice::OneOnly),
            Self::Several(options) if options.is_empty() => {
                return Err(InvalidChoice::NothingMarked);
            }
            Self::One(_) | Self::Several(_) => {}
        }
        let all_known = self.options().all(|option| option < n_options);
        if all_known { Ok(()) } else { Err(InvalidChoice::NotAnOption { n_options }) }
    }

    /// The options marked, ascending, each once.
    pub(crate) fn options(&self) -> impl Iterator<Item = u32> {
        let (one, several) = match self {
            Self::One(option) => (Some(*option), None),
            Self::Several(options) => (None, Some(options)),
            Self::Blank => (None, None),
        };
        one.into_iter().chain(several.into_iter().flatten().copied())
    }

    /// The choice as it is stored and hashed: one bit for each option of the poll, option 0 in the lowest bit of the first
    /// byte, the last byte filled up with zeros. All choices of a poll have the same length; a blank one is all zeros.
    pub(crate) fn to_bytes(&self, n_options: u32) -> Vec<u8> {
        let mut bytes = vec![0; n_choice_bytes(n_options)];
        for option in self.options() {
            if let Some(byte) = bytes.get_mut(byte_index(option)) {
                *byte |= 1 << (option % 8);
            }
        }
        bytes
    }

    /// Reads what [`Choice::to_bytes`] writes; `None` for anything that no checked choice is written as.
    pub(crate) fn from_bytes(bytes: &[u8], method: Method, n_options: u32) -> Option<Self> {
        let is_marked = |option: &u32| {
            bytes.get(byte_index(*option)).is_some_and(|byte| byte >> (option % 8) & 1 == 1)
        };
        let options: BTreeSet<u32> = (0..n_options).filter(is_marked).collect();
        let choice = match (options.first(), method) {
            (None, _) => Self::Blank,
            (Some(option), Method::YesNo | Method::Plurality) => Self::One(*option),
            (Some(_), Method::Approval) => Self::Several(options),
        };
        // Two marks where one is allowed, stray bits and other lengths are written differently.
        (choice.to_bytes(n_options) == bytes).then_some(choice)
    }
}

/// How many bytes a choice of a poll with so many options has.
pub(crate) fn n_choice_bytes(n_options: u32) -> usize {
    byte_index(n_options.div_ceil(8) * 8)
}

/// In which byte the bit of an option is.
fn byte_index(option: u32) -> usize {
    usize::try_from(option / 8).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn several<const N: usize>(options: [u32; N]) -> Choice {
        Choice::Several(options.into_iter().collect())
    }

    #[test]
    fn each_method_takes_its_own_form_and_any_takes_a_blank() {
        for method in [Method::YesNo, Method::Plurality] {
            assert_eq!(Choice::One(1).check(method, 2), Ok(()));
            assert_eq!(several([1]).check(method, 2), Err(InvalidChoice::OneOnly));
            assert_eq!(Choice::Blank.check(method, 2), Ok(()));
        }
        assert_eq!(several([0, 1]).check(Method::Approval, 2), Ok(()));
        assert_eq!(several([]).check(Method::Approval, 2), Err(InvalidChoice::NothingMarked));
        assert_eq!(Choice::One(1).check(Method::Approval, 2), Err(InvalidChoice::ListExpected));
        assert_eq!(Choice::Blank.check(Method::Approval, 2), Ok(()));
    }

    #[test]
    fn takes_the_last_option_and_refuses_the_one_after_it() {
        let refusal = Err(InvalidChoice::NotAnOption { n_options: 5 });
        assert_eq!(Choice::One(4).check(Method::Plurality, 5), Ok(()));
        assert_eq!(Choice::One(5).check(Method::Plurality, 5), refusal);
        assert_eq!(several([0, 4]).check(Method::Approval, 5), Ok(()));
        assert_eq!(several([0, 5]).check(Method::Approval, 5), refusal);
    }

    #[test]
    fn a_choice_is_one_bit_an_option_from_the_lowest_up() {
        assert_eq!(several([0, 2, 9]).to_bytes(10), [0b101, 0b10]);
        assert_eq!(Choice::One(7).to_bytes(8), [0b1000_0000]);
        assert_eq!(Choice::One(8).to_bytes(9), [0, 1]);
        assert_eq!(Choice::Blank.to_bytes(200), [0; 25]);
    }

    #[test]
    fn refuses_bytes_that_no_choice_is_written_as() {
        let read = |bytes: &[u8], method| Choice::from_bytes(bytes, method, 3);
        assert_eq!(read(&[0b110], Method::Approval), Some(several([1, 2])));
        assert_eq!(read(&[0b110], Method::Plurality), None);
        assert_eq!(read(&[0b100], Method::Plurality), Some(Choice::One(2)));
        assert_eq!(read(&[0b1000], Method::Plurality), None);
        assert_eq!(read(&[0b1001], Method::Approval), None);
        assert_eq!(read(&[], Method::Approval), None);
        assert_eq!(read(&[1, 0], Method::Approval), None);
    }

    proptest! {
        #[test]
        fn a_choice_reads_back_from_its_bytes(
            options in proptest::collection::btree_set(0..200_u32, 1..9),
            n_more in 1..20_u32,
        ) {
            let n_options = options.last().unwrap() + n_more;
            let one = Choice::One(*options.first().unwrap());
            let list = Choice::Several(options);
            let read = |choice: &Choice, method| {
                Choice::from_bytes(&choice.to_bytes(n_options), method, n_options)
            };
            prop_assert_eq!(read(&one, Method::Plurality), Some(one));
            prop_assert_eq!(read(&list, Method::Approval), Some(list));
        }
    }
}
