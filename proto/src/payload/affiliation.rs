//! `folkmoot.record.affiliation.v1`.

use record::{
    payload::affiliation::{Affiliation, MAX_ADDRESSES},
    region::{MAX_ADDRESS_BYTES, MAX_SEATS},
};

use super::{
    error::{Fault, PayloadError, Within},
    shapes::{Limit, ascending, community, list, no_longer_than, region},
};
use crate::kinds::affiliation as wire;

const ADDRESSES: Limit =
    Limit { reason: "affiliation.too_many_addresses", most: MAX_ADDRESSES as u64 };
const SEATS: Limit = Limit { reason: "region.too_many_seats", most: MAX_SEATS as u64 };

/// The affiliation in a payload.
///
/// # Errors
///
/// [`PayloadError::Field`] with the path of the field.
pub fn parse(payload: wire::Affiliation) -> Result<Affiliation, PayloadError> {
    let wire::Affiliation { region: id, addresses, coordinators } = payload;
    let coordinators = list(coordinators, SEATS, |id| Ok(community(&id)?))
        .and_then(|all| ascending(all, |id| *id))
        .within("coordinators")?;
    Ok(Affiliation {
        region: region(&id).within("region")?,
        addresses: list(addresses, ADDRESSES, |it| Ok(address(it)?)).within("addresses")?,
        coordinators,
    })
}

/// The message of an affiliation.
#[must_use]
pub fn render(affiliation: &Affiliation) -> wire::Affiliation {
    let Affiliation { region, addresses, coordinators } = affiliation;
    wire::Affiliation {
        region: region.as_bytes().to_vec(),
        addresses: addresses.clone(),
        coordinators: coordinators.iter().map(|id| id.as_bytes().to_vec()).collect(),
    }
}

fn address(text: String) -> Result<String, Fault> {
    let text = no_longer_than(text, MAX_ADDRESS_BYTES)?;
    let is_visible = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
    is_visible.then_some(text).ok_or(Fault::Form { expected: "an address of visible characters" })
}
