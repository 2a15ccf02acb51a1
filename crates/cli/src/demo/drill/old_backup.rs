//! A node is restored from an old backup and writes at once; then its log file is lost and comes back from the others.
//!
//! ```text
//! load, and backup under it ─▶ kill -9, backup put back ─▶ it writes at once ─▶ one log, nothing lost
//!    ─▶ kill -9, log.sqlite deleted ─▶ refuses to begin anew ─▶ restore ─▶ it goes on
//! ```

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{
    Measured,
    ground::{Ground, Seat},
    load::{Load, Written, open_pool},
    look::{self, Register},
    recovery::copy_folder,
    subscriber::{Subscriber, n_doubles, n_gaps},
};
use crate::demo::{
    process::{Ready, args},
    summary::{number, text},
};

/// Records that nodes write after the backup.
const N_AFTER_BACKUP: usize = 9;

pub(super) async fn run(ground: &Ground<'_>) -> Result<Measured> {
    let nodes = ground.found_nodes(3, false).await?;
    let coordinator = ground.found_coordinator("coordinator").await?;
    ground.write_charter(&nodes, std::slice::from_ref(&coordinator))?;
    let mut others = vec![ground.start(&coordinator).await?];
    let (unlucky, rest) = nodes.split_first().context("There is a first node.")?;
    ground.start(unlucky).await?;
    for node in rest {
        others.push(ground.start(node).await?);
    }
    let subscriber = Subscriber::follow(&coordinator, &ground.folder().join("cursor.json"))?;
    let first = open_pool(ground, unlucky, "Lamps for the hall").await?;
    let drill = Drill { ground, others, unlucky, subscriber };
    drill.until_everywhere(&first).await?;

    let load = Load::new(ground, &nodes);
    let accident = async {
        load.until_more(1).await?;
        let backup = drill.back_up().await?;
        load.until_more(N_AFTER_BACKUP).await?;
        load.stop();
        anyhow::Ok(backup)
    };
    let ((), backup) = tokio::try_join!(load.run(), accident)?;
    let written = load.written();
    let last = written.iter().rfind(|it| it.community == unlucky.id);
    drill.until_everywhere(last.context("It wrote.")?).await?;
    ground.say(&format!(
        "Three communities and a coordinator. One was backed up while it wrote, and wrote on: {} records, most of them later than its backup.",
        written.iter().filter(|it| it.community == unlucky.id).count()
    ))?;
    let before = drill.register().await?;
    let at_once = drill.put_back(&backup).await?;
    let held = drill.until_everywhere(&at_once).await?;
    ground.say(
        "The node was killed (kill -9), the old backup put in its place, and a pool opened before it had met anybody. It \
         fetched what it lacked, and published the pool behind that.",
    )?;
    let (last, n_restored) = drill.lose_log().await?;
    let mut measured = drill.measure(&before, &written, &last).await?;
    measured.must(n_restored == held, "The log did not come back as the others held it.");
    Ok(measured)
}

struct Drill<'a> {
    ground: &'a Ground<'a>,
    /// The coordinator, then the other nodes.
    others: Vec<Ready>,
    unlucky: &'a Seat,
    subscriber: Subscriber,
}

impl Drill<'_> {
    async fn register(&self) -> Result<Register> {
        look::register(self.others.first().context("There is a coordinator.")?).await
    }

    /// Waits until a pool of this title and community counts at all others; answers the size of the log there.
    ///
    /// A record that was appended anew has another id than the one that the clerk was told.
    async fn until_everywhere(&self, pool: &Written) -> Result<u64> {
        let mut size = 0;
        for other in &self.others {
            look::until_held(other, self.unlucky, pool.index + 1).await?;
            size = look::held(other, self.unlucky).await?.1;
        }
        Ok(size)
    }

    /// A backup of the node, made while it runs and writes.
    async fn back_up(&self) -> Result<Seat> {
        let backup = self.ground.elsewhere(self.unlucky, "backup")?;
        self.ground.command(self.unlucky, &args!["backup", "--out", &backup.dir]).await?;
        Ok(backup)
    }

    /// Puts a backup in the place of the folder; the node writes as soon as it runs. Answers where the pool stands once
    /// the log is settled.
    async fn put_back(&self, backup: &Seat) -> Result<Written> {
        self.ground.kill(self.unlucky).await?;
        std::fs::remove_dir_all(&self.unlucky.dir)?;
        copy_folder(&backup.dir, &self.unlucky.dir)?;
        self.ground.start(self.unlucky).await?;
        let written = look::until("to write at once", async || {
            // While its own records are coming back it refuses to write between them.
            Ok(open_pool(self.ground, self.unlucky, "Lamps from a backup").await.ok())
        });
        let written = written.await?;
        let size = self.until_settled().await?;
        Ok(Written { index: size - 1, ..written })
    }

    /// Waits until nothing of the log waits to be signed; answers its size.
    async fn until_settled(&self) -> Result<u64> {
        look::until("for the log to be settled", async || {
            let status = self.ground.command(self.unlucky, &args!["status"]).await?;
            let of = |at: &str| status.pointer(at).cloned().unwrap_or_default();
            let is_settled = of("/log/settled") == true && of("/log/unsigned") == 0;
            Ok(of("/log/size").as_u64().filter(|_| is_settled))
        })
        .await
    }

    /// The log file is deleted; the node does not begin it again, and fetches it back.
    async fn lose_log(&self) -> Result<(Written, u64)> {
        self.ground.kill(self.unlucky).await?;
        for name in ["log.sqlite", "log.sqlite-wal", "log.sqlite-shm"] {
            match std::fs::remove_file(self.unlucky.dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
        }
        let begun = self.ground.start(self.unlucky).await;
        anyhow::ensure!(begun.is_err(), "A node whose log was lost began it a second time.");
        self.ground.kill(self.unlucky).await?;
        let charter = self.ground.charter();
        let restored =
            self.ground.command(self.unlucky, &args!["restore", "--charter", charter]).await?;
        self.ground.start(self.unlucky).await?;
        let n_restored = number(&restored, "now");
        self.ground.say(&format!(
            "Its log file was deleted. The node refused to begin the log again; `restore` brought {n_restored} records back \
             from the others."
        ))?;
        Ok((open_pool(self.ground, self.unlucky, "Lamps, once more").await?, n_restored))
    }

    async fn measure(
        &self,
        then: &Register,
        written: &[Written],
        last: &Written,
    ) -> Result<Measured> {
        self.until_settled().await?;
        self.until_everywhere(last).await?;
        let now = look::until("for the last pool", async || {
            Ok(Some(self.register().await?).filter(|it| it.contains_key(&last.id)))
        });
        let now = now.await?;
        let before = look::comparable(then, then);
        let same = look::comparable(&now, then);
        let mut measured = Measured::new(shown(&before, 0), shown(&same, self.n_forked().await?));
        measured.must_be_unchanged();
        let from_backup = now.values().filter(|it| !then.contains_key(&text(it, "id")));
        measured
            .must(from_backup.count() == 2, "What was written on the backup does not count once.");
        let missing = written.iter().filter(|it| !now.contains_key(&it.id));
        measured.lost = missing.map(|it| it.id.clone()).collect();
        let feed = look::feed(self.others.first().context("There is a coordinator.")?).await?;
        look::until("for the subscriber to be told everything", async || {
            Ok((n_gaps(&feed, &self.subscriber.ids()) == 0).then_some(()))
        })
        .await?;
        measured.gaps = n_gaps(&feed, &self.subscriber.ids());
        measured.doubles = n_doubles(&self.subscriber.told());
        self.ground.say(
            "  There is one history of its log, and everything that was written counts once.",
        )?;
        Ok(measured)
    }

    /// How many see a fork of the log.
    async fn n_forked(&self) -> Result<usize> {
        let status = self.ground.command(self.unlucky, &args!["status"]).await?;
        Ok(usize::from(!status.get("forked").is_none_or(Value::is_null)))
    }
}

fn shown(register: &Register, n_forked: usize) -> Value {
    let mut shown = look::summary(register);
    if let Some(members) = shown.as_object_mut() {
        members.insert("forked".to_owned(), json!(n_forked));
    }
    shown
}
