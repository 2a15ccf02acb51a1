//! The strict protobuf subset of headers and identity: one encoding for each value, or refused.
//!
//! Ascending tags, no default values, shortest varints, no groups, no fixed-width numbers. A reader takes fields
//! in order with [`Reader::next`]; what is left out has its default. Whoever decodes checks
//! `encode(decode(bytes)) == bytes` as the last step, so an oversight here cannot let a second encoding through.

/// Why bytes are not in the strict subset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// A number takes more bytes than it needs, or more than 64 bits.
    #[error("a number is not in its shortest form")]
    Varint,
    /// A wire type other than number and bytes.
    #[error("field {field} has a type that is not used here")]
    Type {
        /// The field's number.
        field: u64,
    },
}

/// One field as read: its number and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The field's number, from 1.
    pub number: u64,
    /// What it holds.
    pub value: Value<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned number (wire type 0).
    Number(u64),
    /// A string, bytes or a nested message (wire type 2).
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The number, if it is one.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match self {
            Self::Number(n) => Some(n),
            Self::Bytes(_) => None,
        }
    }

    /// The bytes, if it is a string, bytes or a message.
    #[must_use]
    pub fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }

    /// The bytes as an array of this length.
    #[must_use]
    pub fn array<const N: usize>(self) -> Option<[u8; N]> {
        self.bytes()?.try_into().ok()
    }

    /// The bytes as UTF-8.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }
}

/// Reads fields one after another.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next field, or `None` at the end.
    ///
    /// # Errors
    ///
    /// [`WireError`] where the bytes are not in the strict subset.
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Field<'a>>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok().ok_or(WireError::Truncated)?;
                let (bytes, rest) =
                    self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(WireError::Type { field: number }),
        };
        Ok(Some(Field { number, value }))
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(WireError::Truncated)?;
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && 1 < bits {
                return Err(WireError::Varint);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(WireError::Varint) };
            }
        }
        Err(WireError::Varint)
    }
}

/// Writes fields; the caller writes them in ascending order.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A number; zero is the default and is left out.
    pub fn number(&mut self, field: u64, value: u64) -> &mut Self {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
        self
    }

    /// Bytes, a string or a message; empty is the default and is left out.
    pub fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        if value.is_empty() { self } else { self.element(field, value) }
    }

    /// One element of a repeated field, written even when it is empty.
    pub fn element(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn varint(&mut self, mut value: u64) {
        while 0x7f < value {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_a_number_with_a_needless_byte() {
        assert_eq!(Reader::new(&[8, 0x80, 0]).next(), Err(WireError::Varint));
        let mut eleven = vec![8];
        eleven.extend([0xff; 10]);
        assert_eq!(Reader::new(&eleven).next(), Err(WireError::Varint));
    }

    #[test]
    fn the_largest_number_has_ten_bytes_and_one_bit_more_is_refused() {
        let mut largest = vec![8];
        largest.extend([0xff; 9]);
        largest.push(1);
        let field = Reader::new(&largest).next().unwrap().unwrap();
        assert_eq!(field.value, Value::Number(u64::MAX));
        *largest.last_mut().unwrap() = 2;
        assert_eq!(Reader::new(&largest).next(), Err(WireError::Varint));
    }

    #[test]
    fn refuses_bytes_that_end_inside_a_field_and_fixed_width_numbers() {
        assert_eq!(Reader::new(&[10, 2, 1]).next(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[9, 0]).next(), Err(WireError::Type { field: 1 }));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(number in 1u64.., bytes in prop::collection::vec(any::<u8>(), 1..300)) {
            let mut writer = Writer::default();
            writer.number(1, number).bytes(2, &bytes).element(200, b"");
            let written = writer.finish();
            let mut reader = Reader::new(&written);
            prop_assert_eq!(reader.next().unwrap().unwrap().value, Value::Number(number));
            prop_assert_eq!(reader.next().unwrap().unwrap().value, Value::Bytes(&bytes));
            prop_assert_eq!(reader.next().unwrap().unwrap(), Field { number: 200, value: Value::Bytes(b"") });
            prop_assert_eq!(reader.next(), Ok(None));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(_)) = reader.next() {}
        }
    }
}
