//! The region that is followed, as `peer::known_region` keeps it; what contradicts itself ends the following.

use peer::known_region::{self, TwoEpochs};
pub(super) use peer::known_region::{KnownRegion, Seated};

use crate::Failure;

/// What one server shows of the region, if it is newer than what is known. Without an answer nothing is learnt.
///
/// # Errors
///
/// [`Failure`] with exit code 6 if it contradicts what was known: then nobody is followed any further.
pub(super) async fn learn(
    address: &str,
    known: Option<&KnownRegion>,
) -> Result<Option<KnownRegion>, Failure> {
    known_region::learn(address, known).await.map_err(|error| contradiction(&error))
}

/// Asks everybody who is known for the region, and answers the newest that holds.
///
/// # Errors
///
/// As [`learn`].
pub(super) async fn ask_around(known: &KnownRegion) -> Result<KnownRegion, Failure> {
    known_region::ask_around(known).await.map_err(|error| contradiction(&error))
}

fn contradiction(error: &TwoEpochs) -> Failure {
    Failure::does_not_hold("region.two_epochs", error.to_string())
}
