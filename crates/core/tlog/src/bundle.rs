//! Entry bundles: the entries of a tree, up to 256 at a time (tlog-tiles, "Log entries").
//!
//! Each entry stands behind its length as a big-endian `u16`, in the order of the level-0 tile.

use crate::tile::FULL_WIDTH;

/// The largest entry: what a 16-bit length can say.
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// Why entries and a bundle do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// A bundle has 1..=256 entries.
    #[error("a bundle cannot have {n_entries} entries")]
    Count {
        /// How many there are.
        n_entries: usize,
    },
    /// An entry is above [`MAX_ENTRY_BYTES`].
    #[error("entry {place} of the bundle has {n_bytes} bytes, more than a bundle can hold")]
    EntryTooLarge {
        /// The entry's place in the bundle, from 0.
        place: usize,
        /// Its size.
        n_bytes: usize,
    },
    /// The bytes end within an entry, or before the last.
    #[error("the bundle ends within entry {place}")]
    Truncated {
        /// The place of the entry that is not all there, from 0.
        place: u16,
    },
    /// Something follows the last entry.
    #[error("{n_bytes} bytes follow the last entry of the bundle")]
    TrailingBytes {
        /// How many bytes.
        n_bytes: usize,
    },
}

/// A bundle of these entries, in their order.
///
/// # Errors
///
/// [`BundleError::Count`] unless there are 1..=256 of them; [`BundleError::EntryTooLarge`] if one is
/// above [`MAX_ENTRY_BYTES`].
pub fn encode_bundle<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, BundleError> {
    if entries.is_empty() || usize::from(FULL_WIDTH) < entries.len() {
        return Err(BundleError::Count { n_entries: entries.len() });
    }
    let mut bytes = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let entry = entry.as_ref();
        let too_large = BundleError::EntryTooLarge { place, n_bytes: entry.len() };
        let n_bytes = u16::try_from(entry.len()).ok().ok_or(too_large)?;
        bytes.extend(n_bytes.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// The `width` entries of a bundle, in their order.
///
/// # Errors
///
/// [`BundleError::Count`] unless `width` is 1..=256; [`BundleError::Truncated`] if an entry is not all
/// there; [`BundleError::TrailingBytes`] if something follows the last.
pub fn decode_bundle(width: u16, bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    if !(1..=FULL_WIDTH).contains(&width) {
        return Err(BundleError::Count { n_entries: width.into() });
    }
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(width.into());
    for place in 0..width {
        let (entry, after) = split_entry(rest).ok_or(BundleError::Truncated { place })?;
        entries.push(entry);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(BundleError::TrailingBytes { n_bytes: rest.len() });
    }
    Ok(entries)
}

/// The first entry and what follows it.
fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (n_bytes, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*n_bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_stands_behind_its_length() {
        let bytes = encode_bundle(&[b"abc".as_slice(), b""]).unwrap();
        assert_eq!(bytes, [0, 3, b'a', b'b', b'c', 0, 0]);
        assert_eq!(decode_bundle(2, &bytes), Ok(vec![b"abc".as_slice(), b""]));
    }

    #[test]
    fn the_largest_entry_fits_and_the_next_is_refused() {
        let largest = vec![7; MAX_ENTRY_BYTES];
        let bytes = encode_bundle(&[&largest]).unwrap();
        assert_eq!(decode_bundle(1, &bytes), Ok(vec![largest.as_slice()]));
        let n_bytes = MAX_ENTRY_BYTES + 1;
        let refusal = Err(BundleError::EntryTooLarge { place: 1, n_bytes });
        assert_eq!(encode_bundle(&[vec![], vec![7; n_bytes]]), refusal);
    }

    #[test]
    fn one_to_256_entries_fit() {
        for n_entries in [1, 256] {
            let bytes = encode_bundle(&vec![b"x"; n_entries]).unwrap();
            assert_eq!(bytes.len(), 3 * n_entries);
        }
        for n_entries in [0, 257] {
            let refusal = Err(BundleError::Count { n_entries });
            assert_eq!(encode_bundle(&vec![b"x"; n_entries]), refusal);
            let width = u16::try_from(n_entries).unwrap();
            assert_eq!(decode_bundle(width, &[]), Err(BundleError::Count { n_entries }));
        }
    }

    #[test]
    fn refuses_one_byte_less_and_one_more() {
        let bytes = encode_bundle(&[b"abc", b"def"]).unwrap();
        for n_bytes in 0..bytes.len() {
            let place = u16::from(5 <= n_bytes);
            let refusal = Err(BundleError::Truncated { place });
            assert_eq!(decode_bundle(2, &bytes[..n_bytes]), refusal);
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode_bundle(2, &longer), Err(BundleError::TrailingBytes { n_bytes: 1 }));
        assert_eq!(decode_bundle(1, &bytes), Err(BundleError::TrailingBytes { n_bytes: 5 }));
    }

    proptest! {
        #[test]
        fn bundles_go_there_and_back(
            entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..=256),
        ) {
            let bytes = encode_bundle(&entries).unwrap();
            let width = u16::try_from(entries.len()).unwrap();
            prop_assert_eq!(decode_bundle(width, &bytes).unwrap(), entries);
        }

        #[test]
        fn reading_arbitrary_bytes_never_panics(
            width in any::<u16>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            if let Ok(entries) = decode_bundle(width, &bytes) {
                prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes);
            }
        }
    }
}
