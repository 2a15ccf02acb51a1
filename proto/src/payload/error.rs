//! Why bytes are not a payload, with the place of the fault.

use record::kind::Known;

/// Why bytes are not a payload of their kind. A record with such a payload is kept, served and shown raw, not folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The payload is longer than [`record::limits::MAX_PAYLOAD_BYTES`].
    #[error("the payload has {found} bytes; {most} are allowed", most = record::limits::MAX_PAYLOAD_BYTES)]
    TooLarge {
        /// Its length in bytes.
        found: usize,
    },
    /// The bytes are not a protobuf message of the kind's type.
    #[error("the bytes are not the protobuf message of this kind")]
    Malformed(#[source] prost::DecodeError),
    /// A field does not hold what it must.
    #[error("{field}: {fault}")]
    Field {
        /// The path of the field, such as `propose.parties[3].community`.
        field: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The bytes hold an unknown field, or are not the one encoding of what they say.
    #[error(
        "the payload holds fields that are unknown here, or is not in its one canonical encoding"
    )]
    NotCanonicalOrUnknownFields,
    /// An epoch of a region, or a vouch, is refused.
    #[error(transparent)]
    Region(#[from] record::region::RegionActionError),
    /// Payloads of this kind are encoded and decoded by [`record::identity`].
    #[error("payloads of the kind {kind} are read by `record::identity`", kind = .0.package())]
    OfIdentity(Known),
}

/// What is wrong with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A part that the payload cannot do without is absent.
    #[error("it is missing")]
    Missing,
    /// The number is not one of the values of the list.
    #[error("the value {number} is unknown")]
    UnknownValue {
        /// The number as it came.
        number: i32,
    },
    /// An id, hash or root has another length.
    #[error("it has {found} bytes in place of {expected}")]
    Length {
        /// The length it must have, in bytes.
        expected: usize,
        /// The length it has, in bytes.
        found: usize,
    },
    /// A limit of [`record::limits::TABLE`] is exceeded.
    #[error("{found} is above the limit of {most}")]
    AboveLimit {
        /// The limit's reason in that table.
        reason: &'static str,
        /// The limit.
        most: u64,
        /// What was found.
        found: u64,
    },
    /// Text or bytes are longer than allowed.
    #[error("it has {found} bytes; {most} are allowed")]
    TooLong {
        /// The limit in bytes.
        most: usize,
        /// The length in bytes.
        found: usize,
    },
    /// A list is not in ascending order, or holds an entry twice.
    #[error("it does not ascend, or repeats its predecessor")]
    NotAscending,
    /// A number is outside its range.
    #[error("{found} is not in {least} to {most}")]
    OutOfRange {
        /// The smallest allowed value.
        least: u64,
        /// The largest allowed value.
        most: u64,
        /// The value.
        found: u64,
    },
    /// A text is not in canonical form ([`record::canonical_text`]).
    #[error(
        "it is not in canonical form: NFC, LF line ends, no spaces at line ends, no control characters"
    )]
    NotCanonicalText,
    /// A text does not have the form that the sentence describes.
    #[error("it is not {expected}")]
    Form {
        /// What it must be.
        expected: &'static str,
    },
    /// Two fields say what cannot both be true.
    #[error("it does not go with {other}")]
    Contradicts {
        /// The other field.
        other: &'static str,
    },
}

impl PayloadError {
    /// The stable reason, `payload.…`, or the reason of the limit in [`record::limits::TABLE`].
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "record.payload_too_large",
            Self::Malformed(_) => "payload.malformed",
            Self::Field { fault, .. } => fault.reason(),
            Self::NotCanonicalOrUnknownFields => "payload.not_canonical_or_unknown_fields",
            Self::Region(error) => error.reason(),
            Self::OfIdentity(_) => "payload.of_identity",
        }
    }
}

impl Fault {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "payload.missing",
            Self::UnknownValue { .. } => "payload.unknown_value",
            Self::Length { .. } => "payload.wrong_length",
            Self::AboveLimit { reason, .. } => reason,
            Self::TooLong { .. } => "payload.too_long",
            Self::NotAscending => "payload.not_ascending",
            Self::OutOfRange { .. } => "payload.out_of_range",
            Self::NotCanonicalText => "payload.not_canonical_text",
            Self::Form { .. } => "payload.wrong_form",
            Self::Contradicts { .. } => "payload.contradiction",
        }
    }
}

impl From<Fault> for PayloadError {
    fn from(fault: Fault) -> Self {
        Self::Field { field: String::new(), fault }
    }
}

/// Names the place of a fault, from the inside out.
pub(crate) trait Within<T> {
    /// The fault is in this field, or inside it.
    fn within(self, field: &str) -> Result<T, PayloadError>;
}

impl<T, E: Into<PayloadError>> Within<T> for Result<T, E> {
    fn within(self, name: &str) -> Result<T, PayloadError> {
        self.map_err(|error| {
            let mut error = error.into();
            if let PayloadError::Field { field, .. } = &mut error {
                *field = joined(name, field);
            }
            error
        })
    }
}

fn joined(outer: &str, inner: &str) -> String {
    let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inner}")
}
