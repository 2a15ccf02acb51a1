//! A node's machine is stolen with its keys; what the thief writes counts for nothing once the officers have recovered.
//!
//! ```text
//! machine taken ─▶ thief writes, everybody believes it ─▶ officers recover, keeping what is theirs ─▶ the thief is refused
//! ```

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Measured,
    ground::{Ground, Seat},
    load::{Written, open_pool},
    look::{self, Register},
    recovery::{self, Recovered, copy_folder},
};
use crate::demo::{
    process::{Ready, args},
    summary::text,
};

/// What the community wrote before the theft, and the thief after it.
const N_WRITTEN: usize = 3;

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, true).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let mut others = vec![ground.start(&coordinator).await?];
    let (robbed, rest) = nodes.split_first().context("There is a first node.")?;
    ground.start(robbed).await?;
    for node in rest {
        others.push(ground.start(node).await?);
    }
    let last = write(ground, robbed, "Lamps for the hall").await?;
    let size = last.last().map_or(0, |it| it.index + 1);
    for other in &others {
        look::until_held(other, robbed, size).await?;
    }
    let drill = Drill { ground, others, robbed, size };
    let register = drill.register().await?;
    let (thief, of_thief) = drill.steal().await?;
    let recovered = recovery::recover(ground, robbed, "community-1-anew", Some(size)).await?;
    ground.say(&format!(
        "Two officers recovered the community into a new folder, and kept its first {size} records: those from before the \
         theft."
    ))?;
    drill.measure(&register, (&thief, &of_thief), &recovered).await
}

/// Opens pools, one after another.
async fn write(ground: &Ground<'_>, seat: &Seat, title: &str) -> Result<Vec<Written>> {
    let mut written = Vec::new();
    for _ in 0..N_WRITTEN {
        written.push(open_pool(ground, seat, title).await?);
    }
    Ok(written)
}

struct Drill<'a> {
    ground: &'a Ground<'a>,
    /// The coordinator, then the other nodes.
    others: Vec<Ready>,
    robbed: &'a Seat,
    /// The size of its log before the theft.
    size: u64,
}

impl Drill<'_> {
    async fn register(&self) -> Result<Register> {
        look::register(self.others.first().context("There is a coordinator.")?).await
    }

    /// The machine is taken; the thief runs it elsewhere and writes.
    async fn steal(&self) -> Result<(Seat, Vec<Written>)> {
        self.ground.kill(self.robbed).await?;
        let thief = self.ground.elsewhere(self.robbed, "thief")?;
        copy_folder(&self.robbed.dir, &thief.dir)?;
        std::fs::remove_dir_all(&self.robbed.dir)?;
        self.ground.start(&thief).await?;
        let written = write(self.ground, &thief, "Money for nothing").await?;
        let size = written.last().map_or(0, |it| it.index + 1);
        for other in &self.others {
            look::until_held(other, self.robbed, size).await?;
            look::until("for the thief to be believed", async || {
                Ok((0 < n_known(&look::register(other).await?, &written)).then_some(()))
            })
            .await?;
        }
        self.ground.say(&format!(
            "A node's machine was stolen with its keys. The thief runs it elsewhere and opened {N_WRITTEN} pools; everybody \
             believes them."
        ))?;
        Ok((thief, written))
    }

    async fn measure(
        &self,
        register: &Register,
        (thief, of_thief): (&Seat, &[Written]),
        recovered: &Recovered,
    ) -> Result<Measured> {
        let new = open_pool(self.ground, &recovered.seat, "Lamps, once more").await?;
        let mut everybody = self.others.clone();
        everybody.push(recovered.ready.clone());
        recovery::until_in_era_1(&everybody, self.robbed, new.index + 1).await?;
        for ready in &everybody {
            look::until("for the thief's pools to leave a register", async || {
                let register = look::register(ready).await?;
                let is_right = n_known(&register, of_thief) == 0 && register.contains_key(&new.id);
                Ok(is_right.then_some(()))
            })
            .await?;
        }
        let refused = self.until_refused(thief).await?;
        self.ground.say(&format!(
            "  What the thief wrote counts for nothing at anybody, and the thief is refused: {refused}"
        ))?;
        let late = open_pool(self.ground, thief, "Too late").await?;
        let mark = open_pool(self.ground, &recovered.seat, "A last one").await?;
        recovery::until_in_era_1(&everybody, self.robbed, mark.index + 1).await?;
        let known = look::until("for the last pool", async || {
            Ok(Some(self.register().await?).filter(|it| it.contains_key(&mark.id)))
        });
        let known = known.await?;
        let same = look::comparable(&known, register);
        let n_of_thief = n_known(&known, of_thief) + n_known(&known, &[late]);
        let before = look::comparable(register, register);
        let mut measured =
            Measured::new(shown(&before, self.size, 0), shown(&same, recovered.kept, n_of_thief));
        measured.must_be_unchanged();
        let eras = recovery::eras(&self.others, self.robbed).await?;
        measured.must(eras == [0, 1], "Not everybody serves both eras.");
        Ok(measured)
    }

    /// Waits until the coordinator no longer speaks with the thief; in its words, why.
    async fn until_refused(&self, thief: &Seat) -> Result<String> {
        look::until("for the thief to be refused", async || {
            let status = self.ground.command(thief, &args!["status"]).await?;
            let link = status.pointer("/coordinators/0").cloned().unwrap_or_default();
            let is_out = link.get("connected") == Some(&Value::Bool(false));
            Ok(Some(text(&link, "last_error")).filter(|why| is_out && !why.is_empty()))
        })
        .await
    }
}

/// How many of these are cases of a register.
fn n_known(register: &Register, written: &[Written]) -> usize {
    written.iter().filter(|it| register.contains_key(&it.id)).count()
}

fn shown(register: &Register, n_records: u64, n_of_thief: usize) -> Value {
    let mut shown = look::summary(register);
    if let Some(members) = shown.as_object_mut() {
        members.insert("records".to_owned(), json!(n_records));
        members.insert("of_thief".to_owned(), json!(n_of_thief));
    }
    shown
}
