//! How the node is, as JSON.

use std::collections::BTreeMap;

use peer::{DataFolder, Peer};
use serde_json::{Value, json};

use super::refusal::Refusal;
use crate::{doctor::facts::Facts, look};

/// Community, log, links, people, register, clock, the last backup, version, and what `doctor` judges.
pub(super) async fn status(
    peer: &Peer,
    folder: &DataFolder,
    n_members: u64,
) -> Result<Value, Refusal> {
    let own = peer.own_log();
    let row = peer.store().log(own).await?;
    let root = row.as_ref().map(|it| it.frontier.root().to_string());
    let size = row.as_ref().map_or(0, |it| it.frontier.size());
    let described = peer.communities().await?;
    let own_id = own.community.to_string();
    let described = described.into_iter().find(|it| it.id == own_id);
    let (name, vkey) = described.map(|it| (it.name, it.vkey)).unwrap_or_default();
    let roll = peer.store().roll(own.community).await?;
    let links = links(peer).await?;
    let region = peer.region();
    let fork = peer.store().fork(own).await?;
    let skew = links.iter().find_map(|link| look::at(link, "/clock_skew_millis").as_i64());
    Ok(json!({
        "community": own_id,
        "name": name,
        "network": peer.network().as_str(),
        "region": peer.charter().region,
        "region_name": peer.charter().charter.name().as_str(),
        "epoch": region.newest().number,
        "has_vote": region.newest().roster.is_member(&own.community),
        // What is not signed waits until peers have shown what they hold of this log.
        "log": {
            "era": own.era, "size": size, "root": root, "vkey": vkey,
            "settled": peer.store().is_settled(), "unsigned": peer.store().n_unsigned().await?,
        },
        // Its own log has two histories: so many of its records count, and here is who says so.
        "forked": fork.map(|it| json!({
            "frozen_size": it.frozen_size,
            "evidence": { "log": it.evidence_log.to_string(), "index": it.evidence_index },
        })),
        "coordinator": links.first(),
        "coordinators": links,
        "members": n_members,
        "roll": roll,
        "register": register(peer).await?,
        "clock_skew_millis": skew,
        // A note that cannot be read is told by `doctor`.
        "last_backup": folder.last_backup().ok().flatten(),
        "examined": Facts::of_running(peer).await?,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// One entry for each coordinator that is seated.
async fn links(peer: &Peer) -> Result<Vec<Value>, Refusal> {
    let states: BTreeMap<_, _> = peer.links().all().into_iter().collect();
    let seat = |seat: &peer::Seat| {
        let state = states.get(&seat.id).cloned().unwrap_or_default();
        json!({
            "id": seat.id,
            "address": seat.address,
            "connected": state.connected,
            "mesh_streams": state.mesh_streams,
            "acked_size": state.acked_size,
            "cosigned_size": state.cosigned_size,
            "clock_skew_millis": state.clock_skew_millis,
            "other_region": state.other_region,
            "standing": state.standing,
            "silence": state.silence,
            "last_refusal": state.last_refusal,
            "last_error": state.last_error,
        })
    };
    Ok(peer.seats_to_call().await?.iter().map(seat).collect())
}

/// Cases by kind, then by state.
async fn register(peer: &Peer) -> Result<Value, Refusal> {
    let mut kinds: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for kind in ["covenant", "opportunity", "pool", "poll"] {
        kinds.insert(kind.to_owned(), BTreeMap::new());
    }
    for (kind, state, n_cases) in peer.store().case_counts().await? {
        kinds.entry(kind).or_default().insert(state, n_cases);
    }
    Ok(json!(kinds))
}
