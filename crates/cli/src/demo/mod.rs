//! `folkmoot demo`: a region on one machine, every community and the coordinator a server process of its own.
//!
//! ```text
//! found folders ─▶ start coordinator, nodes ─▶ story: notices, covenant, pool, poll ─▶ summary ─▶ Ctrl-C
//!                   (this program, anew,       (through the same commands that
//!                    as hidden subcommands)     a clerk would type)
//! ```
//!
//! What was done is noted in the folder after every step, so that a second run on the same folder goes on from there.

mod process;
mod region;
mod state;
mod story;
mod summary;

use std::{path::PathBuf, time::Instant};

use anyhow::Context as _;
use runtime::exit::Exit;

use self::{region::DemoRegion, story::Story};
use crate::{console::Console, failure::Failure};

/// The most communities of a demonstration: each is a process of about 20 MB.
const MAX_COMMUNITIES: u16 = 200;

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
    /// How many communities found the region
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=i64::from(MAX_COMMUNITIES)))]
    communities: u16,
    /// Import these OCDS files or folders, in place of the invented notices that come with the program
    #[arg(long, value_name = "PATH")]
    ocds: Vec<PathBuf>,
    /// Keep the data in this folder; a second run on it goes on from there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  folkmoot demo
      Five invented communities and a coordinator; stays up until Ctrl-C.
  folkmoot demo --once --json | python3 -m json.tool
      Tells the story, prints what came of it, and leaves.
  folkmoot demo --dir ./region --communities 8
      Keeps the data; the same command goes on from there.";

/// Tells the story, and stays up unless told to leave.
///
/// # Errors
///
/// Whatever kept the story from being told, in words for a person.
pub async fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    match tell(options, console).await {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => match error.downcast::<Failure>() {
            Ok(failure) => Err(failure),
            Err(error) => Err(Failure::new(Exit::Failed, "demo.failed", format!("{error:#}"))),
        },
    }
}

async fn tell(options: &Options, console: &Console) -> anyhow::Result<()> {
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
    let work = async {
        let mut region = DemoRegion::start(&folder, options.communities, &teller).await?;
        let summary = Story::new(&mut region, &teller).tell(&options.ocds, started).await?;
        anyhow::Ok((region, summary))
    };
    let (region, summary) = tokio::select! {
        done = work => done?,
        () = stop.stopped() => anyhow::bail!(
            "Stopped before the story was told. With --dir, the same command goes on from there."
        ),
    };
    if options.json {
        console.answer_json(&summary)?;
    }
    teller.say(&summary.in_words())?;
    if !options.once {
        teller.say(&region.where_to_look(&summary))?;
        stop.stopped().await;
        teller.say("Stopping the region.")?;
    }
    region.stop().await
}

/// Where the story is told: standard output, or standard error when the first is for the summary alone.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    json: bool,
    console: &'a Console,
}

impl Teller<'_> {
    /// Says something to the person.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json {
            self.console.remark(text);
            return Ok(());
        }
        self.console.answer(text)
    }
}
