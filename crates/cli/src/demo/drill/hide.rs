//! A coordinator shows less than it acknowledged; its own signatures tell on it, and nodes use another.
//!
//! ```text
//! two coordinators, acks kept ─▶ the first serves an old copy of itself ─▶ audit: evidence
//!                                └─ and answers its nodes no more ─▶ they note the silence, and use the second
//! ```

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use runtime::exit::Exit;
use serde_json::{Value, json};

use super::{
    Measured, check,
    ground::{Ground, Seat},
    load::open_pool,
    look,
    recovery::copy_folder,
};
use crate::demo::{
    process::{Ready, args},
    summary::{number, text},
};

/// Records that the community writes before the copy, after it, and into the silence.
const N_WRITTEN: usize = 3;

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, false).await?;
    let first = ground.found_coordinator("first coordinator").await?;
    let second = ground.found_coordinator("second coordinator").await?;
    ground.write_charter(&nodes, &[first.clone(), second.clone()])?;
    ground.start(&first).await?;
    let second_ready = ground.start(&second).await?;
    for node in &nodes {
        ground.start(node).await?;
    }
    let author = nodes.into_iter().next().context("There is a first node.")?;
    let drill = Drill { ground, author, first, second, second_ready };
    let (copy, acks, acknowledged) = drill.prepare().await?;
    let ready = ground.start_lying_alone(&copy).await?;
    let shown = look::held(&ready, &drill.author).await?.1;
    let (exit, found) = check::audit(drill.log_of_first(&ready), acks.clone()).await?;
    let n_evidence = found.get("missing").and_then(Value::as_array).map_or(0, Vec::len);
    ground.say(&format!(
        "It acknowledged {acknowledged} records of a community, and shows {shown}. `folkmoot audit` has the evidence: \
         {n_evidence} of its own signatures promise more than is served."
    ))?;
    let other = format!("http://{}/log/{}/0", look::plain(&drill.second_ready), drill.second.id);
    let (honest, _) = check::audit(other, acks).await?;
    let (silence, size, used) = drill.until_silent().await?;
    ground.say(&format!(
        "  The node notes that the first is silent ({silence}), and the second holds all {used} of its {size} records."
    ))?;
    let before = json!({ "acknowledged": acknowledged, "shown": acknowledged });
    let after = json!({
        "acknowledged": acknowledged, "shown": shown, "evidence": n_evidence, "silence": silence,
        "used_instead": used == size,
    });
    let mut measured = Measured::new(before, after);
    measured.gaps = size.saturating_sub(used);
    measured.must(shown < acknowledged, "The first coordinator hid nothing.");
    measured.must(exit == Exit::Verification && 0 < n_evidence, "The audit found no evidence.");
    measured
        .must(honest == Exit::Ok, "The audit accuses the second coordinator, which hid nothing.");
    measured.must(measured.gaps == 0, "The second coordinator does not hold everything.");
    Ok(measured)
}

struct Drill<'a> {
    ground: &'a Ground<'a>,
    /// The community that writes.
    author: Seat,
    first: Seat,
    second: Seat,
    second_ready: Ready,
}

impl Drill<'_> {
    fn log_of_first(&self, ready: &Ready) -> String {
        format!("http://{}/log/{}/0", look::plain(ready), self.first.id)
    }

    /// Writes, copies the first coordinator, writes more, keeps its acknowledgements, and kills it.
    async fn prepare(&self) -> Result<(Seat, Vec<PathBuf>, u64)> {
        self.write("Lamps for the hall").await?;
        self.until_acknowledged(&self.first).await?;
        self.ground.stop(&self.first).await?;
        let copy = self.ground.elsewhere(&self.first, "first coordinator, old copy")?;
        copy_folder(&self.first.dir, &copy.dir)?;
        self.ground.start(&self.first).await?;
        self.write("Lamps for the yard").await?;
        let acknowledged = self.until_acknowledged(&self.first).await?;
        let acks = self.ground.folder().join("acks");
        self.ground.command(&self.author, &args!["acks", "--out", &acks]).await?;
        self.ground.kill(&self.first).await?;
        self.ground.say(
            "Two coordinators. The operator of the first killed it (kill -9), and shows the public an old copy in its place.",
        )?;
        Ok((copy, vec![acks], acknowledged))
    }

    async fn write(&self, title: &str) -> Result<()> {
        for _ in 0..N_WRITTEN {
            open_pool(self.ground, &self.author, title).await?;
        }
        Ok(())
    }

    /// The node's own size, and its link to a coordinator.
    async fn link(&self, coordinator: &Seat) -> Result<(u64, Value)> {
        let status = self.ground.command(&self.author, &args!["status"]).await?;
        let size = status.pointer("/log/size").and_then(Value::as_u64).unwrap_or_default();
        let links = status.get("coordinators").and_then(Value::as_array);
        let mut links = links.into_iter().flatten();
        let link = links.find(|it| text(it, "id") == coordinator.id);
        Ok((size, link.cloned().context("The coordinator is seated.")?))
    }

    /// Waits until a coordinator has acknowledged everything, and the node keeps what it signed; how much that is.
    async fn until_acknowledged(&self, coordinator: &Seat) -> Result<u64> {
        look::until("for a coordinator to acknowledge", async || {
            let (size, link) = self.link(coordinator).await?;
            Ok((size == number(&link, "cosigned_size")).then_some(size))
        })
        .await
    }

    /// Writes on until the node notes that the first is silent; why, the node's size, and what the second holds of it.
    async fn until_silent(&self) -> Result<(String, u64, u64)> {
        self.write("Lamps for the stage").await?;
        let size = self.until_acknowledged(&self.second).await?;
        let used = look::held(&self.second_ready, &self.author).await?.1;
        let silence = look::until("for the node to note the silence", async || {
            let (_, link) = self.link(&self.first).await?;
            let reason = link.pointer("/silence/reason").and_then(Value::as_str);
            Ok(reason.map(str::to_owned))
        });
        Ok((silence.await?, size, used))
    }
}
