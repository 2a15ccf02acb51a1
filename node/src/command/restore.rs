//! `restore`: a folder whose log is lost or old fetches it back from whoever holds it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use peer::{
    CharterFile, DataFolder,
    recover::{RecoverError, Recoverer},
};
use runtime::exit::Exit;
use serde_json::json;

use super::{
    CommandError,
    failure::not_run,
    keys::clock,
    print::Said,
    recover::{Told, places, survey},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node restore --dir harbour --charter charter.toml\n\nThe node is stopped first. The folder must have its keys (keys.toml and genesis); without them, see recover. It may be stopped and given again at any time. Members and ballots are in ballots.sqlite, which is nowhere but in your own backups."
)]
pub(super) struct Restore {
    /// The charter of the region, or its page /.well-known/folkmoot/region from any member, saved as a file.
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
    /// Who holds the log: an address, a data folder or a log.sqlite; those in the charter if not given. May be repeated.
    #[arg(long, value_name = "PLACE")]
    from: Vec<String>,
}

fn failed(error: &RecoverError) -> CommandError {
    CommandError::caused_by(Exit::Failed, error.reason(), error)
}

pub(super) async fn run(dir: &Path, restore: Restore) -> Result<Said, CommandError> {
    let charter = CharterFile::read(&restore.charter).map_err(not_run)?;
    let folder = DataFolder::at(dir);
    let community = folder.community()?;
    let _held = folder.lock()?;
    let recoverer = Recoverer { folder: &folder, charter: &charter, clock: clock() };
    let mut told = Told::default();
    let places = places(&charter, community, &restore.from);
    let survey = survey(community, charter.network(), places, &mut told).await?;
    let restored = recoverer.restore(&survey).await.map_err(|error| failed(&error))?;
    let n_fetched = restored.n_now.saturating_sub(restored.n_before);
    let mut text = told.text;
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{n_fetched} records were fetched; {} holds {} now.\nNext: folkmoot-node run --dir {} --charter charter.toml",
        restored.log,
        restored.n_now,
        dir.display(),
    );
    let json = json!({
        "community": community,
        "era": restored.log.era,
        "before": restored.n_before,
        "now": restored.n_now,
        "holders": told.holders,
    });
    Ok(Said::new(json, text))
}
