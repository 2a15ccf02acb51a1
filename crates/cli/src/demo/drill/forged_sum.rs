//! An operator changes the sum of a poll in the coordinator's own files; whoever adds up the tallies finds it.
//!
//! ```text
//! a poll is declared ─▶ audit: clean ─▶ stop, two figures exchanged in log.sqlite, start ─▶ it shows them ─▶ audit: found
//! ```

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use runtime::exit::Exit;
use serde_json::{Value, json};

use super::{
    Measured, check,
    ground::{Ground, Seat},
    look,
};
use crate::demo::{process::Ready, story::Story, summary::text};

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, false).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let ready = ground.start(&coordinator).await?;
    let mut others = Vec::new();
    for node in &nodes {
        others.push(ground.start(node).await?);
    }
    let mut demo = ground.as_demo(&nodes, &coordinator, &ready)?;
    Box::pin(Story::new(&mut demo, ground.teller()).poll()).await?;
    let right = poll(&ready).await?;
    let counts = right.pointer("/sums/counts/by_option").cloned().unwrap_or_default();
    let (clean, _) = check::audit(log_of(&coordinator, &ready), Vec::new()).await?;

    ground.stop(&coordinator).await?;
    let forged_figures = forge(&coordinator.dir.join("log.sqlite"), &counts)?;
    let ready = ground.start(&coordinator).await?;
    let forged = poll(&ready).await?;
    let shown = forged.pointer("/sums/counts/by_option").cloned().unwrap_or_default();
    ground.say(&format!(
        "The poll was declared with {counts}. The operator stopped the coordinator, changed its file, and started it again: \
         it shows {shown}."
    ))?;
    let (exit, found) = check::audit(log_of(&coordinator, &ready), Vec::new()).await?;
    let findings = found.get("contradictions").and_then(Value::as_array).cloned();
    let findings = findings.unwrap_or_default();
    let reasons: Vec<String> = findings.iter().map(|it| text(it, "reason")).collect();
    let mut n_right = 0;
    for other in &others {
        n_right += usize::from(result(&poll(other).await?) == result(&right));
    }
    ground.say(&format!(
        "  Whoever reads the tallies finds it (`folkmoot audit`): {}\n  At all {n_right} nodes the result is as it was \
         declared.",
        findings.first().map(|it| text(it, "detail")).unwrap_or_default()
    ))?;
    let of_nodes = others.first().context("There is a node.")?;
    let mut measured = Measured::new(
        json!({ "counts": counts, "findings": [], "result_at_nodes": result(&right) }),
        json!({ "counts": shown, "findings": reasons, "result_at_nodes": result(&poll(of_nodes).await?) }),
    );
    measured.must(shown == forged_figures, "The coordinator does not show the forged sum.");
    measured
        .must(clean == Exit::Ok, "The audit accuses the coordinator before anything was changed.");
    measured.must(exit == Exit::Verification, "The audit did not find the forged sum.");
    measured.must(
        reasons.iter().any(|it| it == "sum.differs"),
        "The forged sum is not what was found.",
    );
    measured.must(n_right == others.len(), "A node shows another result than the one declared.");
    Ok(measured)
}

fn log_of(coordinator: &Seat, ready: &Ready) -> String {
    format!("http://{}/log/{}/0", look::plain(ready), coordinator.id)
}

/// The one poll of a register, once it is declared and every record of it has a receipt.
async fn poll(ready: &Ready) -> Result<Value> {
    look::until("for the declared poll", async || {
        let register = look::register(ready).await?;
        let mut polls = register.into_values().filter(|it| text(it, "kind") == "poll");
        // With every receipt there, nothing folds it anew.
        let is_settled = |it: &Value| {
            text(it, "state") == "declared" && it.get("provisional") == Some(&Value::Bool(false))
        };
        Ok(polls.next().filter(is_settled))
    })
    .await
}

/// What was decided, by which figures.
fn result(poll: &Value) -> Value {
    let of = |at: &str| poll.pointer(at).cloned().unwrap_or_default();
    json!({ "counts": of("/sums/counts/by_option"), "outcome": of("/outcome") })
}

/// Exchanges the figures of the sum wherever they stand in a file; answers what stands there now.
fn forge(file: &Path, counts: &Value) -> Result<Value> {
    let mut exchanged = counts.as_array().cloned().context("There is a sum.")?;
    exchanged.reverse();
    let exchanged = Value::from(exchanged);
    let of = |figures: &Value| format!("\"by_option\":{figures}").into_bytes();
    let (right, wrong) = (of(counts), of(&exchanged));
    ensure!(right != wrong && right.len() == wrong.len(), "These figures cannot be exchanged.");
    let mut bytes = std::fs::read(file)?;
    let mut n_changed = 0;
    let places: Vec<usize> = bytes
        .windows(right.len())
        .enumerate()
        .filter(|(_, it)| *it == right)
        .map(|(at, _)| at)
        .collect();
    for place in places {
        if let Some(found) = bytes.get_mut(place..place + right.len()) {
            found.copy_from_slice(&wrong);
            n_changed += 1;
        }
    }
    ensure!(0 < n_changed, "The sum is not in {}.", file.display());
    std::fs::write(file, bytes)?;
    Ok(exchanged)
}
