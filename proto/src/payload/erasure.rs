//! `folkmoot.record.erase.v1` and `folkmoot.record.erased.v1`.

use record::payload::erasure::{Asker, Erase, Erased, Ground};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{record_id, record_ids, same_names},
};
use crate::kinds::{erase as wire, erased as erased_wire};

same_names!(
    parse_ground,
    render_ground,
    Ground,
    wire::Ground,
    [Personal, Mistake, Copyright, Unlawful, NoLongerNeeded]
);
same_names!(parse_asker, render_asker, Asker, wire::Asker, [Subject, Community, Authority, Court]);

/// The erasure in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_erase(payload: wire::Erase) -> Result<Erase, PayloadError> {
    let wire::Erase { era, index, record, ground, asked_by } = payload;
    Ok(Erase {
        era,
        index,
        record: record_id(&record).within("record")?,
        ground: parse_ground(ground).within("ground")?,
        asked_by: parse_asker(asked_by).within("asked_by")?,
    })
}

/// The message of an erasure.
#[must_use]
pub fn render_erase(erase: &Erase) -> wire::Erase {
    let Erase { era, index, record, ground, asked_by } = *erase;
    wire::Erase {
        era,
        index,
        record: record.as_bytes().to_vec(),
        ground: render_ground(ground),
        asked_by: render_asker(asked_by),
    }
}

/// What a holder says that it has dropped.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse_erased(payload: erased_wire::Erased) -> Result<Erased, PayloadError> {
    let erasures = record_ids(payload.erasures).within("erasures")?;
    if erasures.is_empty() {
        return Err(Fault::Missing).within("erasures");
    }
    Ok(Erased { erasures })
}

/// The message of it.
#[must_use]
pub fn render_erased(erased: &Erased) -> erased_wire::Erased {
    let erasures = erased.erasures.iter().map(|id| id.as_bytes().to_vec()).collect();
    erased_wire::Erased { erasures }
}
