//! `/.well-known/folkmoot/region`: who the region is now, and the certificate that shows it.

use axum::{extract::State, response::Response};
use data_encoding::BASE64;
use record::CommunityId;

use super::{FOR_SECONDS, Problem, page};
use crate::peer::{Peer, PeerError};

const JSON: &str = "application/json";

/// The page. Whoever follows a region believes `certificate` alone, base64 of what `record::region` verifies from the
/// region's id; the rest is for people.
pub(super) async fn region(State(peer): State<Peer>) -> Result<Response, Problem> {
    let certificate = peer.certificate().await.map_err(|error| match error {
        PeerError::Store(error) => Problem::from(error),
        PeerError::Folder(_)
        | PeerError::Damaged { .. }
        | PeerError::NotInCharter { .. }
        | PeerError::OtherNetwork { .. } => Problem::not_found(),
    })?;
    let view = peer.region();
    let (newest, charter) = (view.newest(), &peer.charter().charter);
    let address = |id: &CommunityId| {
        let known = certificate.addresses.iter().find(|it| it.community == *id);
        serde_json::json!({ "id": id, "address": known.map(|it| &it.address) })
    };
    let seats = |ids: &[CommunityId]| ids.iter().map(address).collect::<Vec<_>>();
    let rules = newest.roster.rules();
    let body = serde_json::json!({
        "network": charter.network().as_str(),
        "region": view.region(),
        "name": charter.name().as_str(),
        "refounds": charter.refounds(),
        "epoch": newest.number,
        "epoch_hash": newest.hash.to_string(),
        "in_force_since": newest.since,
        "members": seats(newest.roster.members()),
        "coordinators": seats(newest.roster.coordinators()),
        "witnesses": seats(newest.roster.witnesses()),
        "guests": view.guests(),
        "receipts_needed": newest.roster.receipts_needed(),
        "vouches_needed": rules.vouches_needed,
        "quota": {
            "records_per_minute": rules.quota.records_per_minute,
            "bytes_per_day": rules.quota.bytes_per_day,
        },
        "certificate": BASE64.encode(&certificate.encode()),
    });
    Ok(page(JSON, FOR_SECONDS, body.to_string().into_bytes()))
}
