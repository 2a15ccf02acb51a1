//! The payload of `folkmoot.record.identity.v1`: one message, one action, one encoding.
//!
//! ```proto
//! // folkmoot/record/identity/v1/identity.proto
//! message Identity {
//!   oneof action { Genesis genesis = 1; Rotation rotation = 2; OfficerChange officer_change = 3; }
//! }
//! ```
//!
//! The parts are described where they are defined: [`Genesis`], [`Rotation`], [`OfficerChange`], and
//! [`Recovery`](super::Recovery), which is a payload of its own kind.

use super::{Genesis, KeyError, OfficerChange, OfficersError, Rotation};
use crate::{
    name::NameError,
    wire::{Reader, Value, WireError, Writer},
};

/// Why bytes are not the payload of an identity or recovery record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The bytes are not in the strict subset.
    #[error("the identity record is not canonical protobuf: {0}")]
    Wire(#[from] WireError),
    /// A field is missing, unknown or of the wrong form.
    #[error("field {field} of {message} is missing or malformed")]
    Field {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u64,
    },
    /// More entries than may ever be needed.
    #[error("{message} lists more than {limit} entries in field {field}")]
    TooMany {
        /// The message.
        message: &'static str,
        /// The field's number.
        field: u64,
        /// The most that are accepted.
        limit: usize,
    },
    /// A key is refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The officers are not a set that can act.
    #[error(transparent)]
    Officers(#[from] OfficersError),
    /// The name is refused.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The bytes mean an identity record, but are not its one encoding.
    #[error("the identity record is not in its one canonical encoding")]
    NotCanonical,
}

impl PayloadError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Wire(_) | Self::Field { .. } | Self::NotCanonical => "identity.malformed",
            Self::TooMany { .. } => "identity.list_too_long",
            Self::Key(error) => error.reason(),
            Self::Officers(error) => error.reason(),
            Self::Name(error) => error.reason(),
        }
    }
}

/// What an identity record does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityAction {
    /// Founds the community. Only ever record 0 of era 0.
    Genesis(Genesis),
    /// Replaces the epoch's keys.
    Rotation(Rotation),
    /// Replaces the officers.
    OfficerChange(OfficerChange),
}

impl IdentityAction {
    /// The payload's one encoding. Of a genesis, these are the bytes that [`CommunityId`](crate::CommunityId) is the
    /// hash of.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Genesis(genesis) => as_field(1, &genesis.encode_inner()),
            Self::Rotation(rotation) => as_field(2, &rotation.encode_inner()),
            Self::OfficerChange(change) => as_field(3, &change.encode_inner()),
        }
    }

    /// The action in these bytes, if they are its one encoding.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] says what is wrong; nothing is repaired.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let no_action = PayloadError::Field { message: "Identity", field: 1 };
        let field = Reader::new(bytes).next()?.ok_or(no_action)?;
        let malformed = PayloadError::Field { message: "Identity", field: field.number };
        let inner = field.value.bytes().ok_or(malformed)?;
        let action = match field.number {
            1 => Self::Genesis(Genesis::read(inner)?),
            2 => Self::Rotation(Rotation::read(inner)?),
            3 => Self::OfficerChange(OfficerChange::read(inner)?),
            _ => return Err(malformed),
        };
        // Whatever stands behind the first field is not written again, and so refused.
        if action.encode() == bytes { Ok(action) } else { Err(PayloadError::NotCanonical) }
    }
}

/// A message of one field that holds a message.
pub(super) fn as_field(field: u64, message: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.element(field, message);
    writer.finish()
}

/// The value of a field that may not be left out.
pub(super) fn required<T>(
    found: Option<T>,
    message: &'static str,
    field: u64,
) -> Result<T, PayloadError> {
    found.ok_or(PayloadError::Field { message, field })
}

/// Reads one message whose fields are all single, handing each to `take`, which says whether it knew what to do.
pub(super) fn read_fields<'a>(
    bytes: &'a [u8],
    message: &'static str,
    mut take: impl FnMut(u64, Value<'a>) -> Result<Option<()>, PayloadError>,
) -> Result<(), PayloadError> {
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next()? {
        let malformed = PayloadError::Field { message, field: field.number };
        take(field.number, field.value)?.ok_or(malformed)?;
    }
    Ok(())
}

/// Appends to a list of at most `limit` entries.
pub(super) fn push_within<T>(
    list: &mut Vec<T>,
    entry: T,
    limit: usize,
    (message, field): (&'static str, u64),
) -> Result<(), PayloadError> {
    if limit <= list.len() {
        return Err(PayloadError::TooMany { message, field, limit });
    }
    list.push(entry);
    Ok(())
}
