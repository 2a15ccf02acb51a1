//! A node's machine is lost with everything on it; its officers go on in a new folder, in a new era.
//!
//! ```text
//! load ─▶ kill -9, folder deleted ─▶ two officers recover from what others hold ─▶ era 1 ─▶ it goes on writing
//! ```

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Measured,
    ground::{Ground, Seat},
    load::{Load, Written, open_pool},
    look::{self, Register},
    recovery::{self, Recovered},
    subscriber::{Subscriber, n_doubles, n_gaps},
};
use crate::demo::{
    process::{Ready, args},
    summary::number,
};

/// Records that nodes write before the loss.
const N_BEFORE: usize = 12;
/// People on the roll of the node that is lost.
const N_PEOPLE: u64 = 3;

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, true).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let mut others = vec![ground.start(&coordinator).await?];
    let (lost, rest) = nodes.split_first().context("There is a first node.")?;
    ground.start(lost).await?;
    for node in rest {
        others.push(ground.start(node).await?);
    }
    ground.command(lost, &args!["member", "add", "Person 1", "Person 2", "Person 3"]).await?;
    let subscriber = Subscriber::follow(&coordinator, &ground.folder().join("cursor.json"))?;
    ground.say(
        "Three communities and a coordinator. Each community has three officers, of whom two act.",
    )?;

    let load = Load::new(ground, &nodes);
    let accident = async {
        load.until_more(N_BEFORE).await?;
        load.stop();
        ground.kill(lost).await
    };
    tokio::try_join!(load.run(), accident)?;
    std::fs::remove_dir_all(&lost.dir)?;
    let (size, register) = until_agreed(&others, lost).await?;
    ground.say(&format!(
        "One node was killed (kill -9) while it wrote, and its folder was deleted. Others hold {size} of its records."
    ))?;
    let recovered = recovery::recover(ground, lost, "community-1-anew", None).await?;
    ground.say(&format!(
        "Two officers recovered it into a new folder: {} records kept, and era 1 of its log begun.",
        recovered.kept
    ))?;
    let drill = Drill { ground, others, lost, size, register, recovered, subscriber };
    let measured = drill.measure(&load.written()).await?;
    drill.subscriber.stop().await?;
    Ok(measured)
}

/// Waits until all others hold as much of the lost log, and show the same register.
async fn until_agreed(others: &[Ready], lost: &Seat) -> Result<(u64, Register)> {
    look::until("for the others to agree", async || {
        let first = others.first().context("There is a coordinator.")?;
        let (held, register) = (look::held(first, lost).await?, look::register(first).await?);
        for other in others {
            if look::held(other, lost).await? != held || look::register(other).await? != register {
                return Ok(None);
            }
        }
        Ok(Some((held.1, register)))
    })
    .await
}

struct Drill<'a> {
    ground: &'a Ground<'a>,
    /// The coordinator, then the other nodes.
    others: Vec<Ready>,
    lost: &'a Seat,
    /// How much of the lost log the others held, and their register then.
    size: u64,
    register: Register,
    recovered: Recovered,
    subscriber: Subscriber,
}

impl Drill<'_> {
    async fn measure(&self, written: &[Written]) -> Result<Measured> {
        let Recovered { seat, ready, kept } = &self.recovered;
        let new = open_pool(self.ground, seat, "Lamps, once more").await?;
        recovery::until_in_era_1(&self.others, seat, new.index + 1).await?;
        let (_, register) = until_agreed(&self.others, seat).await?;
        let own = look::until("for the new node to agree", async || {
            Ok(Some(look::register(ready).await?).filter(|it| *it == register))
        })
        .await;
        let eras = recovery::eras(&self.others, self.lost).await?;
        let same = look::comparable(&register, &self.register);
        let before = look::comparable(&self.register, &self.register);
        let mut measured = Measured::new(shown(&before, self.size), shown(&same, *kept));
        measured.must_be_unchanged();
        measured.must(own.is_ok(), "The recovered node's own register differs from the others'.");
        measured.must(eras == [0, 1], "Not everybody serves both eras.");
        measured.must(register.contains_key(&new.id), "What it wrote in era 1 does not count.");
        let only_there =
            written.iter().filter(|it| it.community == self.lost.id && *kept <= it.index);
        measured.lost = only_there.map(|it| it.id.clone()).collect();
        let feed = look::until("for the subscriber to be told everything", async || {
            let feed = look::feed(self.others.first().context("There is a coordinator.")?).await?;
            Ok((n_gaps(&feed, &self.subscriber.ids()) == 0).then_some(feed))
        });
        let feed = feed.await?;
        measured.gaps = n_gaps(&feed, &self.subscriber.ids());
        measured.doubles = n_doubles(&self.subscriber.told());
        self.tell(&measured).await?;
        Ok(measured)
    }

    async fn tell(&self, measured: &Measured) -> Result<()> {
        let status = self.ground.command(&self.recovered.seat, &args!["status"]).await?;
        let n_people = number(&status, "members");
        let n_lost = measured.lost.len();
        self.ground.say(&format!(
            "  It writes on, everybody holds both eras, and its cases are as they were. Records that only the lost machine \
             had: {n_lost}. People on its roll: {N_PEOPLE} before, {n_people} now. People and ballots never leave a node: \
             they come back from a backup of ballots.sqlite alone."
        ))
    }
}

fn shown(register: &Register, n_records: u64) -> Value {
    let mut shown = look::summary(register);
    if let Some(members) = shown.as_object_mut() {
        members.insert("records".to_owned(), json!(n_records));
    }
    shown
}
