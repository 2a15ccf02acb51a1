//! A node erases words; every holder follows, one of them late; every proof stays valid.
//!
//! ```text
//! words at four holders ─▶ one is down ─▶ erase ─▶ three have followed, one is named ─▶ it comes back and follows
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use proto::v1::{GetProofRequest, log_service_client::LogServiceClient};
use record::CommunityId;
use serde_json::{Value, json};

use super::{
    Measured, check,
    ground::{Ground, Seat},
    load::open_pool,
    look,
};
use crate::demo::{
    process::{Ready, args},
    summary::{number, text},
};

/// Words about a person whom nobody has met.
const WORDS: &str = "Solar panels for Mrs Invented-Person, Saltmarsh Row";

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, false).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let ready = ground.start(&coordinator).await?;
    for node in &nodes {
        ground.start(node).await?;
    }
    let world = World { ground, nodes, coordinator, ready };
    let words = world.write().await?;
    let proof = world.save_proof(&words).await?;
    let before = world.seen(&words, &proof).await?;

    let absent = world.nodes.last().context("There is a last node.")?;
    ground.kill(absent).await?;
    world.erase(&words, absent).await?;
    ground.start(absent).await?;
    world.until_followed(&[]).await?;
    let clean = async || Ok(world.holders_of(WORDS)?.is_empty().then_some(()));
    look::until("for the bytes to go", clean).await?;
    ground.say(
        "It came back, read the log, and dropped them too: the bytes are in no file of anybody.",
    )?;

    let after = world.seen(&words, &proof).await?;
    let mut measured = Measured::new(before, after);
    measured.gaps = world.not_yet().await?.len() as u64;
    measured.must(measured.gaps == 0, "A holder has not followed.");
    let expected = json!({
        "holders": 4, "with_words": 0, "case": "forming", "log": "verified", "proof": "verified",
        "erased": 1,
    });
    measured.must(measured.after == expected, "After the erasure, something else is seen.");
    ground.say("  The log, the case and the proof that was saved before still verify.")?;
    Ok(measured)
}

/// The record of words, and the case that it belongs to.
struct Words {
    id: String,
    index: u64,
    case: String,
}

struct World<'a> {
    ground: &'a Ground<'a>,
    nodes: Vec<Seat>,
    coordinator: Seat,
    ready: Ready,
}

impl World<'_> {
    fn owner(&self) -> Result<&Seat> {
        self.nodes.first().context("There is a first node.")
    }

    fn log_url(&self) -> Result<String> {
        Ok(format!("http://{}/log/{}/0", look::plain(&self.ready), self.owner()?.id))
    }

    async fn write(&self) -> Result<Words> {
        let owner = self.owner()?;
        let written = open_pool(self.ground, owner, WORDS).await?;
        let shown = self.ground.command(owner, &args!["log", "show"]).await?;
        let records = shown.get("records").and_then(Value::as_array);
        let is_text = |it: &&Value| text(it, "kind") == "folkmoot.record.text.v1";
        let record =
            records.and_then(|it| it.iter().find(is_text)).context("Words were written.")?;
        let words =
            Words { id: text(record, "id"), index: number(record, "index"), case: written.id };
        let n_holders = self.nodes.len() + 1;
        look::until("for everybody to hold the words", async || {
            Ok((self.holders_of(WORDS)?.len() == n_holders).then_some(()))
        })
        .await?;
        self.ground.say(&format!(
            "A community published words about a person; {n_holders} holders have them."
        ))?;
        Ok(words)
    }

    /// Saves the proof of the words as anybody could have.
    async fn save_proof(&self, words: &Words) -> Result<PathBuf> {
        let mut logs = LogServiceClient::new(look::channel(&self.ready).await?);
        let community: CommunityId = self.owner()?.id.parse()?;
        let community = community.as_bytes().to_vec();
        let request = GetProofRequest { community, era: 0, index: words.index };
        let proof = logs.get_proof(request).await?.into_inner().tlog_proof;
        let path = self.ground.folder().join("words.tlog-proof");
        runtime::files::write_private_file(&path, &proof)?;
        Ok(path)
    }

    async fn erase(&self, words: &Words, absent: &Seat) -> Result<()> {
        let line =
            args!["erase", "record", &words.id, "--ground", "personal", "--asked-by", "subject",];
        self.ground.command(self.owner()?, &line).await?;
        self.until_followed(std::slice::from_ref(&absent.id)).await?;
        let kept = absent.dir.clone();
        let only_there = async || Ok((self.holders_of(WORDS)? == [kept.clone()]).then_some(()));
        look::until("for the bytes to go", only_there).await?;
        self.ground.say(
            "The person asked, and the community erased them. Two holders followed at once; the owner sees that the third, \
             whose machine lost its power, has not.",
        )
    }

    /// The holders that have not followed, as the owner sees it.
    async fn not_yet(&self) -> Result<Vec<String>> {
        let listed = self.ground.command(self.owner()?, &args!["erase", "list"]).await?;
        let not_yet = listed.pointer("/0/not_yet").and_then(Value::as_array);
        let not_yet = not_yet.context("An erasure is listed.")?.iter();
        Ok(not_yet.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn until_followed(&self, but: &[String]) -> Result<()> {
        let seen = async || Ok((self.not_yet().await? == but).then_some(()));
        look::until("for holders to follow", seen).await
    }

    /// The folders in whose files these words are.
    fn holders_of(&self, words: &str) -> Result<Vec<PathBuf>> {
        let mut holders = Vec::new();
        for seat in self.nodes.iter().chain([&self.coordinator]) {
            if has_bytes(&seat.dir, words.as_bytes())? {
                holders.push(seat.dir.clone());
            }
        }
        Ok(holders)
    }

    async fn seen(&self, words: &Words, proof: &Path) -> Result<Value> {
        let log = check::verify(&self.log_url()?).await?;
        let proof = check::verify(&proof.display().to_string()).await?;
        let case = look::register(&self.ready).await?.get(&words.case).map(|it| text(it, "state"));
        let verified = |it: &Value| {
            if it.get("verified") == Some(&true.into()) { "verified" } else { "refused" }
        };
        Ok(json!({
            "holders": self.nodes.len() + 1,
            "with_words": self.holders_of(WORDS)?.len(),
            "case": case,
            "log": verified(&log),
            "erased": number(&log, "erased"),
            "proof": verified(&proof),
        }))
    }
}

/// Whether these bytes are in any file below a folder.
fn has_bytes(folder: &Path, bytes: &[u8]) -> Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let found = if kind.is_dir() {
            has_bytes(&entry.path(), bytes)?
        } else if kind.is_file() {
            let read = std::fs::read(entry.path()).unwrap_or_default();
            read.windows(bytes.len()).any(|it| it == bytes)
        } else {
            false
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
