//! What is asked before a place is taken, and how the store of one is opened.

use std::sync::Arc;

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, LogName,
    identity::{IdentityAction, mirror_name, witness_name},
};
use runtime::clock::Clock;
use store::{Cosigner, OwnLog, StoreConfig, Waits};
use tlog::KeyName;

use super::{PeerError, Role};
use crate::{
    charter::CharterFile,
    folder::{DataFolder, Keys},
};

/// Whether the community in a folder has this place in a charter, as [`super::Peer::open`] asks.
///
/// # Errors
///
/// [`PeerError::Folder`] if nothing is founded there; [`PeerError::OtherNetwork`] and [`PeerError::NotInCharter`] if it
/// has no such place.
pub fn check_seat(
    folder: &DataFolder,
    charter: &CharterFile,
    role: Role,
) -> Result<CommunityId, PeerError> {
    let community = folder.community()?;
    folder.keys()?;
    check_network(&folder.genesis()?, charter)?;
    check_charter(charter, community, role)?;
    Ok(community)
}

/// The founding bytes name a network; whether they are sound is found when their record is verified.
pub(super) fn check_network(genesis: &[u8], charter: &CharterFile) -> Result<(), PeerError> {
    match IdentityAction::decode(genesis) {
        Ok(IdentityAction::Genesis(it)) if it.network != *charter.network() => {
            Err(PeerError::OtherNetwork { charter: charter.network().clone() })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

pub(super) fn check_charter(
    charter: &CharterFile,
    community: CommunityId,
    role: Role,
) -> Result<(), PeerError> {
    let seats = match role {
        Role::Node => &charter.founders,
        Role::Coordinator => &charter.coordinators,
    };
    // Whoever joined by a certificate may wait for its admission or seat.
    if charter.certified.is_some() || seats.iter().any(|seat| seat.id == community) {
        return Ok(());
    }
    let region = charter.charter.name().as_str().to_owned();
    Err(PeerError::NotInCharter { region, community })
}

#[expect(clippy::expect_used, reason = "the sentence is true of every network name")]
pub(crate) fn store_config(
    charter: &CharterFile,
    own: LogName,
    keys: &Keys,
    role: Role,
    clock: Arc<dyn Clock>,
) -> StoreConfig {
    let cosigner = |name: &str, key: &SigningKey| Cosigner {
        name: KeyName::parse(name).expect("DNS names, base32 and slashes make a key name"),
        key: key.clone(),
    };
    let mirror = || cosigner(&mirror_name(charter.network(), &own.community), &keys.mirror);
    let witness = cosigner(&witness_name(charter.network(), &own.community), &keys.witness);
    StoreConfig {
        network: charter.network().clone(),
        region: RegionView::founded(&charter.charter),
        own: OwnLog {
            name: own,
            log_key: keys.log.clone(),
            mirror: (role == Role::Coordinator).then(mirror),
            witness: Some(witness),
        },
        is_settled: true,
        clock,
        waits: Waits::default(),
    }
}
