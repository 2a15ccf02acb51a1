//! The coordinator is killed for ever under load; members seat another, which is rebuilt from their nodes.
//!
//! ```text
//! story, load ─▶ kill -9 ─▶ nodes go on over the mesh ─▶ epoch 1 seats another ─▶ it fetches, the subscriber follows
//! ```

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context as _, Result};
use runtime::exit::Exit;
use serde_json::{Value, json};

use super::{
    Measured, check,
    ground::{Ground, Seat},
    load::{Load, Written},
    look::{self, Register},
    subscriber::{Subscriber, n_doubles, n_gaps},
};
use crate::demo::{
    process::{Ready, args},
    story::Story,
    summary::{number, text},
};

/// Members: two of them are more than half.
const N_NODES: usize = 3;
/// Records between one step and the next.
const N_BETWEEN: usize = 12;

/// What was seen at the moment of the loss.
struct Loss {
    register: Register,
    told: BTreeSet<String>,
    acks: Vec<PathBuf>,
}

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(N_NODES, false).await?;
    let first = ground.found_coordinator("first coordinator").await?;
    let second = ground.found_coordinator("second coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&first))?;
    let first_ready = ground.start(&first).await?;
    let mut readies = Vec::new();
    for node in &nodes {
        readies.push(ground.start(node).await?);
    }
    let subscriber = Subscriber::follow(&first, &ground.folder().join("cursor.json"))?;
    ground.say("Three communities, their coordinator, and a subscriber who follows its feed.")?;
    let mut demo = ground.as_demo(&nodes, &first, &first_ready)?;
    Box::pin(Story::new(&mut demo, ground.teller()).steps(&[])).await?;
    until_settled(&first_ready).await?;

    let world = World { ground, nodes, readies, first, first_ready, second, subscriber };
    let load = Load::new(ground, &world.nodes);
    let drill = async {
        load.until_more(N_BETWEEN).await?;
        let loss = world.kill_the_first(&load).await?;
        let second_ready = world.seat_the_second(&load).await?;
        load.stop();
        anyhow::Ok((loss, second_ready))
    };
    let ((), (loss, second_ready)) = tokio::try_join!(load.run(), drill)?;
    let measured = world.measure(loss, &second_ready, &load.written()).await?;
    world.subscriber.stop().await?;
    Ok(measured)
}

/// Waits until the poll is declared, with a receipt for every record of it: tallies near a deadline are settled by those.
async fn until_settled(ready: &Ready) -> Result<()> {
    look::until("for the poll to be settled", async || {
        let register = look::register(ready).await?;
        let mut polls = register.values().filter(|it| text(it, "kind") == "poll");
        let is_settled = |it: &Value| it.get("provisional") == Some(&Value::Bool(false));
        Ok(polls.all(|it| is_settled(it) && text(it, "state") == "declared").then_some(()))
    })
    .await
}

struct World<'a> {
    ground: &'a Ground<'a>,
    nodes: Vec<Seat>,
    readies: Vec<Ready>,
    first: Seat,
    first_ready: Ready,
    second: Seat,
    subscriber: Subscriber,
}

impl World<'_> {
    /// Looks once more at everything that the first coordinator shows, and kills it.
    async fn kill_the_first(&self, load: &Load<'_>) -> Result<Loss> {
        let told = look::until("for the subscriber", async || {
            let feed = look::feed(&self.first_ready).await?;
            let told = self.subscriber.ids();
            Ok((n_gaps(&feed, &told) == 0).then_some(told))
        });
        let told = told.await?;
        let register = look::register(&self.first_ready).await?;
        self.ground.kill(&self.first).await?;
        let n_cases = register.len();
        self.ground.say(&format!(
            "The coordinator was killed (kill -9) while nodes wrote. It had shown {n_cases} cases and told {} events. \
             It never comes back.",
            told.len()
        ))?;
        load.until_more(N_BETWEEN).await?;
        let newest = load.written();
        for (node, ready) in self.nodes.iter().zip(&self.readies) {
            for (other, written) in newest_of_others(node, &self.nodes, &newest) {
                look::until_held(ready, other, written.index + 1).await?;
            }
        }
        self.ground.say("  Nodes go on writing, and hear of each other over the mesh.")?;
        let mut acks = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let out = self.ground.folder().join(format!("acks-{}", number + 1));
            self.ground.command(node, &args!["acks", "--out", &out]).await?;
            acks.push(out);
        }
        Ok(Loss { register, told, acks })
    }

    /// Members seat the second coordinator in the place of the first; it fetches everything from them.
    async fn seat_the_second(&self, load: &Load<'_>) -> Result<Ready> {
        let member = self.nodes.first().context("There is a member.")?;
        let joined = self.ground.command(&self.second, &args!["join", member.address()]).await?;
        let ready = self.ground.start_by_certificate(&self.second).await?;
        let seat = format!("{}={}", self.second.id, self.second.address());
        let line = args!["region", "propose", "--seat", seat, "--unseat", &self.first.id];
        let hash = text(&self.ground.command(member, &line).await?, "hash");
        for other in self.nodes.iter().skip(1) {
            look::until("for a member to hear of the proposal", async || {
                let line = args!["region", "support", &hash];
                Ok(Some(self.ground.command(other, &line).await?))
            })
            .await?;
        }
        look::until("for the epoch to hold", async || {
            let shown = self.ground.command(member, &args!["region", "show"]).await?;
            Ok((number(&shown, "epoch") == 1).then_some(()))
        })
        .await?;
        self.ground.say(&format!(
            "The members of {} seated another coordinator, each in its own log. The first was not asked.",
            text(&joined, "name")
        ))?;
        look::until("for the subscriber to go on", async || {
            Ok(self.subscriber.remarks().contains(&self.second.address()).then_some(()))
        })
        .await?;
        load.until_more(N_BETWEEN).await?;
        Ok(ready)
    }

    async fn measure(&self, loss: Loss, second: &Ready, written: &[Written]) -> Result<Measured> {
        for node in &self.nodes {
            if let Some(newest) = written.iter().rfind(|it| it.community == node.id) {
                look::until_held(second, node, newest.index + 1).await?;
            }
        }
        let feed = look::until("for the subscriber to be told everything", async || {
            let feed = look::feed(second).await?;
            Ok((n_gaps(&feed, &self.subscriber.ids()) == 0).then_some(feed))
        });
        let feed = feed.await?;
        let rebuilt = look::until("for the registers to agree", async || {
            let rebuilt = look::register(second).await?;
            for ready in &self.readies {
                if look::register(ready).await? != rebuilt {
                    return Ok(None);
                }
            }
            Ok(Some(rebuilt))
        });
        let rebuilt = rebuilt.await?;
        let after = look::comparable(&rebuilt, &loss.register);
        let before = look::comparable(&loss.register, &loss.register);
        let here: BTreeSet<String> = feed.iter().map(|it| it.id.clone()).collect();
        let lasting = lasting(&self.subscriber.told(), &loss.told, &here);
        let before = shown(&before, &lasting, &lasting);
        let mut measured = Measured::new(before, shown(&after, &lasting, &here));
        measured.gaps = n_gaps(&feed, &self.subscriber.ids());
        measured.doubles = n_doubles(&self.subscriber.told());
        measured.lost = self.lost(&loss, second, written).await?;
        let unknown = written.iter().filter(|it| !rebuilt.contains_key(&it.id)).count();
        measured.must(unknown == 0, "A record that a node acknowledged is in no register.");
        measured.must_be_unchanged();
        self.ground.say(&format!(
            "  It was rebuilt from the nodes: {} cases, those of before with the same states and results; {} receipted \
             records lost; {} gaps and {} doubles at the subscriber, who followed the members' certificate.",
            rebuilt.len(),
            measured.lost.len(),
            measured.gaps,
            measured.doubles,
        ))?;
        Ok(measured)
    }

    /// What the first coordinator received, by its own receipts and acknowledgements, and the second does not hold.
    async fn lost(&self, loss: &Loss, second: &Ready, written: &[Written]) -> Result<Vec<String>> {
        let subject = format!("http://{}/log/{}/0", look::plain(second), self.first.id);
        let (exit, found) = check::audit(subject, loss.acks.clone()).await?;
        let missing = found.get("missing").and_then(Value::as_array).cloned().unwrap_or_default();
        anyhow::ensure!(
            exit == Exit::Ok || !missing.is_empty(),
            "The first coordinator's log contradicts itself: {found}"
        );
        let mut lost = BTreeSet::new();
        for finding in missing {
            let log = text(&finding, "log");
            let (community, _) = log.split_once('/').unwrap_or_default();
            let of_log = look::logs(second).await?;
            let n_held = of_log.iter().find(|it| it.id == community).map_or(0, |it| it.size);
            for index in n_held..number(&finding, "size") {
                let known =
                    written.iter().find(|it| it.community == community && it.index == index);
                lost.insert(known.map_or_else(|| format!("{log}/{index}"), |it| it.id.clone()));
            }
        }
        Ok(lost.into_iter().collect())
    }
}

/// The newest record of each node but this one.
fn newest_of_others<'s>(
    node: &Seat,
    all: &'s [Seat],
    written: &'s [Written],
) -> Vec<(&'s Seat, &'s Written)> {
    let others = all.iter().filter(|it| it.id != node.id);
    let newest = |it: &'s Seat| Some((it, written.iter().rfind(|one| one.community == it.id)?));
    others.filter_map(newest).collect()
}

/// The events told before the loss, without those that were told as provisional and have been settled otherwise since:
/// when the receipts came, another pledge was the one that reached the threshold.
fn lasting(told: &[Value], before: &BTreeSet<String>, feed: &BTreeSet<String>) -> BTreeSet<String> {
    let is_settled = |it: &Value| it.get("provisional") == Some(&Value::Bool(false));
    let counted = |it: &&Value| is_settled(it) || feed.contains(&text(it, "id"));
    let ids = told.iter().filter(counted).map(|it| text(it, "id"));
    ids.filter(|it| before.contains(it)).collect()
}

/// The register, and how many of the events that had been told are in a feed.
fn shown(register: &Register, told: &BTreeSet<String>, feed: &BTreeSet<String>) -> Value {
    let mut shown = look::summary(register);
    if let Some(members) = shown.as_object_mut() {
        members.insert("events".to_owned(), json!(told.intersection(feed).count()));
    }
    shown
}
