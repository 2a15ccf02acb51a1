//! `folkmoot demo`: a region on one machine, every community and the coordinator a server process of its own.
//!
//! ```text
//! found folders ─▶ start coordinator, nodes ─▶ story: notices, covenant, pool, poll ─▶ summary ─▶ Ctrl-C
//!                   (this program, anew,       (through the same commands that
//!                    as hidden subcommands)     a clerk would type)
//! ```
//!
//! Ctrl-C at any point closes the pipe to every server and waits until all of them have ended.
//!
//! What was done is noted in the folder after every step, so that a second run on the same folder goes on from there.

mod drill;
mod process;
mod region;
mod state;
mod story;
mod summary;

use std::{path::PathBuf, sync::Arc, time::Instant};

use anyhow::Context as _;
use runtime::exit::Exit;

use self::{
    drill::Drill, process::Processes, region::DemoRegion, state::State, story::Story,
    summary::Summary,
};
use crate::{console::Console, failure::Failure};

/// The fewest communities of a demonstration: three of them have a part of their own in the story.
const MIN_COMMUNITIES: u16 = 3;
/// The most communities of a demonstration: all of them are parties of its covenant, which has at most so many. Each is
/// a process of about 20 MB, so these take 1.3 GB.
const MAX_COMMUNITIES: u16 = 64;
const _: () = assert!(MAX_COMMUNITIES as usize <= record::limits::MAX_PARTIES);

/// What a person may choose.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Options {
    /// Leave when the story is told, in place of staying up until Ctrl-C
    #[arg(long)]
    once: bool,
    /// Print the summary as one JSON object on one line of standard output; everything else goes to standard error
    #[arg(long)]
    json: bool,
    /// How many communities found the region, from 3 to 64
    #[arg(long, default_value_t = 5, value_parser = parse_communities)]
    communities: u16,
    /// Import these OCDS files or folders, in place of the invented notices that come with the program
    #[arg(long, value_name = "PATH")]
    ocds: Vec<PathBuf>,
    /// Keep the data in this folder; a second run on it goes on from there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Show what the region survives, in place of the story: processes are killed, and what is left is measured
    #[arg(long, value_name = "NAME", value_enum, conflicts_with_all = ["ocds", "communities"])]
    drill: Option<Drill>,
}

const EXAMPLES: &str = "\
Examples:
  folkmoot demo
      Five invented communities and a coordinator; stays up until Ctrl-C.
  folkmoot demo --once --json | python3 -m json.tool
      Tells the story, prints what came of it, and leaves.
  folkmoot demo --dir ./region --communities 8
      Keeps the data; the same command goes on from there.
  folkmoot demo --drill replace --once
      Kills the coordinator for ever, and shows what is lost: nothing.

A drill wants a new or empty folder. With --json it prints one object: before, after, lost (record ids), gaps, doubles,
seconds. It exits with 6 if what it shows did not hold.

Ctrl-C before the story is told waits for every process to end, and exits with 130; pressed again a second or more
later, it does not wait.";

fn parse_communities(given: &str) -> Result<u16, String> {
    let n_communities = given.parse().ok();
    n_communities.filter(|it| (MIN_COMMUNITIES..=MAX_COMMUNITIES).contains(it)).ok_or_else(|| {
        format!(
            "a demonstration has from {MIN_COMMUNITIES} to {MAX_COMMUNITIES} communities, because the first proposes \
             the covenant, the second leads the pool and the third opens the poll, and because a covenant has at most 64 \
             parties"
        )
    })
}

/// Tells the story, and stays up unless told to leave.
///
/// # Errors
///
/// Whatever kept the story from being told, in words for a person.
pub async fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    match tell(options, console).await {
        Ok(exit) => Ok(exit),
        Err(error) => match error.downcast::<Failure>() {
            Ok(failure) => Err(failure),
            Err(error) => Err(Failure::new(Exit::Failed, "demo.failed", format!("{error:#}"))),
        },
    }
}

async fn tell(options: &Options, console: &Console) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let kept;
    let folder = match &options.dir {
        Some(folder) => folder.clone(),
        None => {
            kept = tempfile::tempdir().context("No temporary folder could be made.")?;
            kept.path().join("region")
        }
    };
    let teller = Teller { json: options.json, console };
    let stop = runtime::stop::StopSignal::on_signals()?;
    let processes = Arc::new(Processes::default());
    let work = async {
        if let Some(drill) = options.drill {
            let shown = Box::pin(drill::show(drill, &folder, &processes, &teller)).await;
            if shown.is_ok() && !options.once {
                teller
                    .say(&format!("\nThe region is in {}. Ctrl-C stops it.", folder.display()))?;
            }
            return shown;
        }
        let n_communities = options.communities;
        State::load(&folder)?.takes(&options.ocds)?;
        let mut region = DemoRegion::start(&folder, n_communities, &processes, &teller).await?;
        let summary = Story::new(&mut region, &teller).tell(&options.ocds, started).await?;
        teller.show(&summary)?;
        if !options.once {
            teller.say(&region.where_to_look(&summary))?;
        }
        anyhow::Ok(())
    };
    let told = tokio::select! {
        told = work => told,
        () = stop.stopped() => return Ok(interrupted(options, console, &processes).await),
    };
    let told = if told.is_ok() && !options.once {
        stop.stopped().await;
        teller.say("Stopping the region.").map_err(Into::into)
    } else {
        told
    };
    // Whatever came of the story, no process outlives it.
    told.and(processes.stop().await).map(|()| Exit::Ok)
}

/// Ctrl-C before the story was told.
async fn interrupted(options: &Options, console: &Console, processes: &Processes) -> Exit {
    let goes_on = if options.dir.is_some() {
        "the same command goes on from here"
    } else {
        "with --dir, the same command would go on from here"
    };
    console.remark(&format!(
        "Stopped before the story was told; waiting for every process to end ({goes_on})."
    ));
    if let Err(error) = processes.stop().await {
        console.remark(&format!("{error:#}"));
    }
    Exit::Interrupted
}

/// Where the story is told: standard output, or standard error when the first is for the summary alone.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    json: bool,
    console: &'a Console,
}

impl Teller<'_> {
    /// Prints the one object if it was asked for.
    fn object(&self, object: &impl serde::Serialize) -> Result<(), Failure> {
        if self.json { self.console.answer_json(object) } else { Ok(()) }
    }

    /// Shows what came of the story: words for the person, and the one object if it was asked for.
    fn show(&self, summary: &Summary) -> Result<(), Failure> {
        self.object(summary)?;
        self.say(&summary.in_words())
    }

    /// Says something to the person.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            self.console.remark(text);
            return Ok(());
        }
        self.console.answer(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_communities_outside_the_range_is_told_the_range_and_why() {
        for right in ["3", "64"] {
            assert_eq!(parse_communities(right).map(|it| it.to_string()), Ok(right.to_owned()));
        }
        for wrong in ["2", "65", "0", "-1", "65536", "many", ""] {
            let told = parse_communities(wrong).expect_err("out of range");
            assert!(told.contains("from 3 to 64") && told.contains("because"), "{told}");
        }
    }
}
