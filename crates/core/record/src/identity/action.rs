//! What officers are asked to sign, whichever it is: while signatures are gathered, and when there are enough.
//!
//! ```text
//! made, unsigned ──sign, sign, …──▶ (merged, if copies went round) ──verify──▶ the payload of a record
//! ```

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;

use super::{
    IdentityAction, OfficerChange, OfficerKey, Officers, PayloadError, Recovery, Rotation,
    SignatureError, SpareDigest, SpareKey, signing::Context,
};
use crate::{ids::RecordId, kind::Known};

/// A change of identity that officers sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfficerAction {
    /// New keys.
    Rotation(Rotation),
    /// New officers.
    OfficerChange(OfficerChange),
    /// The end of an era.
    Recovery(Recovery),
}

/// Why a key does not sign an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is no officer's, or for a change of officers nobody's spare key.
    #[error("this key is none that may sign this")]
    NotTheirs,
    /// The officer has signed already.
    #[error("officer number {officer_index} has signed already")]
    Repeat {
        /// The officer's place, from 0.
        officer_index: u32,
    },
}

impl OfficerAction {
    /// The kind of the record whose payload it is.
    #[must_use]
    pub const fn kind(&self) -> Known {
        match self {
            Self::Rotation(_) | Self::OfficerChange(_) => Known::Identity,
            Self::Recovery(_) => Known::Recovery,
        }
    }

    /// The payload's one encoding, with the signatures so far.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Rotation(it) => IdentityAction::Rotation(it.clone()).encode(),
            Self::OfficerChange(it) => IdentityAction::OfficerChange(it.clone()).encode(),
            Self::Recovery(it) => it.encode(),
        }
    }

    /// The action of a payload of this kind; `None` for a genesis and for other kinds, which nobody is asked to sign.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] if the bytes are none of this kind.
    pub fn decode(kind: Known, payload: &[u8]) -> Result<Option<Self>, PayloadError> {
        if kind == Known::Recovery {
            return Recovery::decode(payload).map(Self::Recovery).map(Some);
        }
        if kind != Known::Identity {
            return Ok(None);
        }
        Ok(match IdentityAction::decode(payload)? {
            IdentityAction::Genesis(_) => None,
            IdentityAction::Rotation(it) => Some(Self::Rotation(it)),
            IdentityAction::OfficerChange(it) => Some(Self::OfficerChange(it)),
        })
    }

    /// The identity record that it follows.
    #[must_use]
    pub const fn previous(&self) -> RecordId {
        match self {
            Self::Rotation(it) => it.previous,
            Self::OfficerChange(it) => it.previous,
            Self::Recovery(it) => it.last_identity,
        }
    }

    /// Whether spare keys sign it, and not the keys of the office.
    #[must_use]
    pub const fn needs_spare(&self) -> bool {
        matches!(self, Self::OfficerChange(_))
    }

    /// The places of the officers who have signed.
    #[must_use]
    pub fn signed_by(&self) -> BTreeSet<u32> {
        match self {
            Self::Rotation(Rotation { signatures, .. })
            | Self::Recovery(Recovery { signatures, .. }) => {
                signatures.iter().map(|it| it.officer_index).collect()
            }
            Self::OfficerChange(OfficerChange { signatures, .. }) => {
                signatures.iter().map(|it| it.officer_index).collect()
            }
        }
    }

    /// Signs with a secret key of one of these officers, who are in office, and answers whose place that is.
    ///
    /// # Errors
    ///
    /// [`SignError`]; nothing is then signed.
    pub fn sign(
        &mut self,
        context: &Context<'_>,
        officers: &Officers,
        key: &SigningKey,
    ) -> Result<u32, SignError> {
        let officer_index = self.place_of(officers, key).ok_or(SignError::NotTheirs)?;
        if self.signed_by().contains(&officer_index) {
            return Err(SignError::Repeat { officer_index });
        }
        match self {
            Self::Rotation(it) => it.sign(context, officer_index, key),
            Self::OfficerChange(it) => it.sign(context, officer_index, key),
            Self::Recovery(it) => it.sign(context.network, officer_index, key),
        }
        Ok(officer_index)
    }

    /// The officer whose key, or for a change of officers whose spare key, this is.
    fn place_of(&self, officers: &Officers, key: &SigningKey) -> Option<u32> {
        let (own, spare) = (OfficerKey::of(key), SpareDigest::of(&SpareKey::of(key)));
        let needs_spare = self.needs_spare();
        let place = officers.list().iter().position(|it| match needs_spare {
            true => it.spare_digest == spare,
            false => it.key == own,
        });
        u32::try_from(place?).ok()
    }

    /// Takes over the signatures of a copy. `false` if it is a copy of another action, and nothing is then taken.
    #[must_use]
    pub fn merge(&mut self, copy: &Self) -> bool {
        if self.unsigned() != copy.unsigned() {
            return false;
        }
        let has = self.signed_by();
        match (self, copy) {
            (Self::Rotation(own), Self::Rotation(copy)) => {
                let new = copy.signatures.iter().filter(|it| !has.contains(&it.officer_index));
                own.signatures.extend(new.copied());
            }
            (Self::OfficerChange(own), Self::OfficerChange(copy)) => {
                let new = copy.signatures.iter().filter(|it| !has.contains(&it.officer_index));
                own.signatures.extend(new.copied());
            }
            (Self::Recovery(own), Self::Recovery(copy)) => {
                let new = copy.signatures.iter().filter(|it| !has.contains(&it.officer_index));
                own.signatures.extend(new.copied());
            }
            // Two of different kinds are no copies, and were told apart above.
            (Self::Rotation(_) | Self::OfficerChange(_) | Self::Recovery(_), _) => return false,
        }
        true
    }

    /// The action without signatures: what is signed.
    #[must_use]
    pub fn unsigned(&self) -> Self {
        match self {
            Self::Rotation(it) => Self::Rotation(Rotation { signatures: Vec::new(), ..*it }),
            Self::OfficerChange(it) => {
                Self::OfficerChange(OfficerChange { signatures: Vec::new(), ..it.clone() })
            }
            Self::Recovery(it) => Self::Recovery(Recovery { signatures: Vec::new(), ..*it }),
        }
    }

    /// Checks that enough of these officers, who are in office, have signed.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] at the first signature that is refused, or if too few have signed.
    pub fn verify(&self, context: &Context<'_>, officers: &Officers) -> Result<(), SignatureError> {
        match self {
            Self::Rotation(it) => it.verify(context, officers),
            Self::OfficerChange(it) => it.verify(context, officers),
            Self::Recovery(it) => it.verify(context.network, officers),
        }
    }
}
