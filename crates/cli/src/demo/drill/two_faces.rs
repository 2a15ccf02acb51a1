//! A coordinator runs twice with the same keys, and shows each half of the nodes another log; everybody has the evidence.
//!
//! ```text
//! folder copied, run twice ─▶ nodes 1, 2 linked to one, node 3 to the other ─▶ nodes compare over the mesh ─▶ evidence
//! ```

use anyhow::{Context as _, Result};
use proto::v1::{GetIdentityRequest, log_service_client::LogServiceClient};
use record::CommunityId;
use serde_json::json;

use super::{
    Measured, check,
    ground::{Ground, Seat},
    load::open_pool,
    look,
    recovery::copy_folder,
};
use crate::demo::process::Ready;

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, false).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let ready = ground.start(&coordinator).await?;
    let mut readies = Vec::new();
    for node in &nodes {
        readies.push(ground.start(node).await?);
    }
    let first = nodes.first().context("There is a first node.")?;
    let last = nodes.last().context("There is a last node.")?;
    let written = open_pool(ground, first, "Lamps for the hall").await?;
    for holder in readies.iter().chain([&ready]) {
        look::until_held(holder, first, written.index + 1).await?;
    }
    let (_, size) = look::held(&ready, &coordinator).await?;
    for holder in &readies {
        look::until_held(holder, &coordinator, size).await?;
    }
    let mut accused = n_with_evidence(ground, &readies, &coordinator).await?;
    let before = json!({ "nodes": readies.len(), "with_evidence": accused, "innocent_accused": 0 });

    let other = part(ground, &nodes, &coordinator).await?;
    ground.kill(last).await?;
    readies.pop();
    readies.push(ground.start_under_other(last).await?);
    for (node, title) in [(first, "Lamps for one half"), (last, "Lamps for the other half")] {
        open_pool(ground, node, title).await?;
    }
    ground.say(
        "The coordinator's folder was copied, and runs twice with the same keys. Two nodes are linked to one, the third to \
         the other; each receives records and receipts them in a log of its own.",
    )?;
    look::until("for every node to have the evidence", async || {
        accused = n_with_evidence(ground, &readies, &coordinator).await?;
        Ok((accused == readies.len()).then_some(()))
    })
    .await?;
    let mut innocent = 0;
    for node in &nodes {
        innocent += n_with_evidence(ground, &readies, node).await?;
    }
    ground.say(&format!(
        "  All {accused} nodes hold evidence, two heads that {} signed and that cannot both be true; anybody verifies it. \
         Nobody innocent is accused.",
        other.id
    ))?;
    let after = json!({
        "nodes": readies.len(), "with_evidence": accused, "innocent_accused": innocent,
    });
    let mut measured = Measured::new(before, after);
    measured.gaps = readies.len().saturating_sub(accused) as u64;
    measured.must(measured.gaps == 0, "A node has no evidence.");
    measured.must(innocent == 0, "Somebody innocent is accused.");
    Ok(measured)
}

/// Stops the coordinator, copies its folder, and runs both.
async fn part(ground: &Ground<'_>, nodes: &[Seat], coordinator: &Seat) -> Result<Seat> {
    ground.stop(coordinator).await?;
    let other = ground.elsewhere(coordinator, "coordinator, its other face")?;
    copy_folder(&coordinator.dir, &other.dir)?;
    ground.write_other_charter(nodes, std::slice::from_ref(&other))?;
    ground.start_lying(coordinator).await?;
    ground.start_lying_under_other(&other).await?;
    Ok(other)
}

/// How many servers show evidence, which verifies by the accused log's identity, that it forked.
async fn n_with_evidence(ground: &Ground<'_>, readies: &[Ready], log: &Seat) -> Result<usize> {
    let community: CommunityId = log.id.parse()?;
    let identity = ground.folder().join("accused.identity");
    let mut n_with = 0;
    for ready in readies {
        let asked = GetIdentityRequest { community: community.as_bytes().to_vec() };
        let shown = LogServiceClient::new(look::channel(ready).await?).get_identity(asked).await?;
        runtime::files::write_private_file(&identity, &shown.into_inner().identity)?;
        let url = format!("http://{}/log/{}/0/evidence", look::plain(ready), log.id);
        // There is no such page where nobody is accused.
        let told = check::verify_by(&url, Some(identity.clone())).await.unwrap_or_default();
        n_with += usize::from(told.get("verified") == Some(&true.into()));
    }
    Ok(n_with)
}
