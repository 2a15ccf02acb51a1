//! `recover`: a community whose machine was lost or stolen goes on in a new folder, in a new era of its log.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use peer::{
    ActionFile, CharterFile, DataFolder,
    recover::{RecoverError, Recoverer, Source, Survey},
};
use record::{CommunityId, Network, identity::OfficerAction};
use runtime::{exit::Exit, files};
use serde_json::{Value, json};

use super::{
    CommandError,
    failure::not_run,
    keys::{clock, merged},
    officer::{self, KeyOptions, describe},
    print::Said,
};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: one officer, whose key was in the node's folder: from a copy of its keys.toml\n  folkmoot-node recover --dir harbour-2 --charter charter.toml --community fm1… --key harbour-backup/keys.toml\n\nExample: one officer, from the key on the recovery sheet\n  folkmoot-node recover --dir harbour-2 --charter charter.toml --community fm1… --paper\n\nExample: several officers\n  folkmoot-node recover --dir harbour-2 --charter charter.toml --community fm1…\n  folkmoot-node officer sign harbour-2/action.toml --key officer-1.toml   # by each of them, anywhere\n  folkmoot-node recover --dir harbour-2 --charter charter.toml --community fm1…   # again: it goes on\n\nWhere the places hold different numbers of records, or one does not answer, it says so and changes nothing: give it again with --keep or --holders. Nothing that others hold is changed by it, and it may be stopped and given again at any time. Ballots and members are only in your own backups: put ballots.sqlite into the new folder if you have it."
)]
pub(super) struct Recover {
    /// The charter of the region, or its page /.well-known/folkmoot/region from any member, saved as a file.
    #[arg(long, value_name = "FILE")]
    charter: PathBuf,
    /// The community's id (fm1…), as it stands on the recovery sheet.
    #[arg(long, value_name = "COMMUNITY")]
    community: CommunityId,
    /// Who holds the log: an address, a data folder or a log.sqlite; those in the charter if not given. May be repeated.
    #[arg(long, value_name = "PLACE")]
    from: Vec<String>,
    /// Keep as much of the log as this many places hold.
    #[arg(long, value_name = "NUMBER", conflicts_with = "keep")]
    holders: Option<usize>,
    /// Keep this many records: fewer than others hold only if a thief wrote the last ones.
    #[arg(long, value_name = "NUMBER")]
    keep: Option<u64>,
    #[command(flatten)]
    keys: KeyOptions,
    /// A copy of the action that officers have signed; may be repeated.
    #[arg(long, value_name = "FILE")]
    signed: Vec<PathBuf>,
}

/// What was found and decided, for whoever reads along.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) text: String,
    pub(super) holders: Vec<Value>,
    /// How many places gave no answer that can be used.
    n_silent: usize,
}

fn failed(error: &RecoverError) -> CommandError {
    CommandError::caused_by(Exit::Failed, error.reason(), error)
}

pub(super) async fn run(dir: &Path, recover: Recover) -> Result<Said, CommandError> {
    let charter = CharterFile::read(&recover.charter).map_err(not_run)?;
    if !charter.everybody().contains(&recover.community) {
        let sentence = format!(
            "The charter does not name {}. Nothing was changed. Compare the id with the recovery sheet.",
            recover.community
        );
        return Err(CommandError::new(Exit::Config, "config.not_in_charter", sentence));
    }
    let folder = DataFolder::at(dir);
    files::create_private_dir(dir).map_err(peer::folder::FolderError::from)?;
    let _held = folder.lock()?;
    let recoverer = Recoverer { folder: &folder, charter: &charter, clock: clock() };
    let mut told = Told::default();
    let is_begun = officer::exists(&folder.action_file());
    if !is_begun {
        folder.check_empty()?;
    }
    let decides_anew = recover.keep.is_some() || recover.holders.is_some();
    let mut file = if is_begun && !decides_anew {
        merged(&folder, &recover.signed)?
    } else {
        prepare(&recoverer, &recover, &mut told).await?
    };
    if file.community != recover.community {
        let sentence = format!("{} is the recovery of another community.", dir.display());
        return Err(CommandError::failed("recover.other_folder", sentence));
    }
    for (role, key) in recover.keys.read()? {
        officer::sign_with(&mut file, role, &key)?;
    }
    officer::write_action(&folder.action_file(), &file)?;
    if 0 < file.n_missing() {
        return Ok(still_to_sign(&folder, &file, told));
    }
    finish(&recoverer, file, told).await
}

/// Finds the log, decides how much of it is kept, and fetches that.
async fn prepare(
    recoverer: &Recoverer<'_>,
    recover: &Recover,
    told: &mut Told,
) -> Result<ActionFile, CommandError> {
    let places = places(recoverer.charter, recover.community, &recover.from);
    let survey = survey(recover.community, recoverer.charter.network(), places, told).await?;
    let kept = decided(recoverer.charter, recover, &survey, told)?;
    let n_agreed = survey.holders.iter().filter(|it| kept <= it.size()).count();
    let _ = writeln!(
        told.text,
        "Kept: the first {kept} records, which {n_agreed} of these places hold. What stands behind them counts for nothing; \
         choose another number with --keep."
    );
    let recovery = recoverer.prepare(&survey, kept).await.map_err(|error| failed(&error))?;
    Ok(ActionFile::of(survey.identity(), OfficerAction::Recovery(recovery)))
}

/// How much of the log is kept. What is left out counts for nothing for ever: a person decides, unless all places answered
/// and hold the same. Less than a coordinator acknowledged is kept only if the number itself is given.
fn decided(
    charter: &CharterFile,
    recover: &Recover,
    survey: &Survey,
    told: &Told,
) -> Result<u64, CommandError> {
    if let Some(kept) = recover.keep {
        return Ok(kept);
    }
    let (most, least) = (survey.held_by(1), survey.held_by(survey.holders.len()));
    let Some(n_holders) = recover.holders else {
        if told.n_silent == 0 && least == most {
            return Ok(most);
        }
        let sentence = format!(
            "{}Not all of these places answered with the same number of records, and every record that is not kept counts for \
             nothing, for ever. Nothing was changed. Start what else may hold the log and name it with --from, or decide: \
             --keep {most} keeps all that is shown here; --keep with fewer is for a thief who wrote the last ones.",
            told.text
        );
        return Err(CommandError::failed("recover.undecided", sentence));
    };
    let (kept, acknowledged) = (survey.held_by(n_holders), survey.acknowledged(charter));
    if acknowledged <= kept {
        return Ok(kept);
    }
    let sentence = format!(
        "{}With --holders {n_holders}, {kept} records would be kept, and a coordinator acknowledged {acknowledged}: the others \
         would count for nothing, for ever. Nothing was changed. --keep {acknowledged} keeps them; if they are a thief's, \
         --keep {kept} leaves them out.",
        told.text
    );
    Err(CommandError::failed("recover.leaves_out_acknowledged", sentence))
}

/// Asks these places how much of the log they hold, and tells what they said.
pub(super) async fn survey(
    community: CommunityId,
    network: &Network,
    places: Vec<String>,
    told: &mut Told,
) -> Result<Survey, CommandError> {
    let mut sources = Vec::new();
    for place in places {
        match Source::open(&place, network).await {
            Ok(source) => sources.push(source),
            Err(error) => silent(told, &place, &error.to_string()),
        }
    }
    let survey = Survey::of(community, network, sources).await;
    let survey = survey.map_err(|error| failed(&error))?;
    for holder in &survey.holders {
        let (place, size) = (holder.place(), holder.size());
        // Writing to a string cannot fail.
        let _ = writeln!(told.text, "{place} holds {size} records.");
        told.holders.push(json!({ "place": place, "size": size }));
    }
    for (place, why) in &survey.silent {
        silent(told, place, why);
    }
    Ok(survey)
}

fn silent(told: &mut Told, place: &str, why: &str) {
    told.n_silent += 1;
    let _ = writeln!(told.text, "{place} was left out: {why}");
}

/// The places that were named, or else everybody's in the charter but our own.
pub(super) fn places(charter: &CharterFile, own: CommunityId, named: &[String]) -> Vec<String> {
    if !named.is_empty() {
        return named.to_vec();
    }
    let others = charter.everybody().into_iter().filter(|it| *it != own);
    others.filter_map(|it| charter.address(&it).map(str::to_owned)).collect()
}

fn still_to_sign(folder: &DataFolder, file: &ActionFile, told: Told) -> Said {
    let path = folder.action_file();
    let text = format!(
        "{}\n{}\n{} must still sign. Give them {path}; it holds no secret. Each signs, on any computer:\n  \
         folkmoot-node officer sign {path} --key officer-1.toml\nThen give this command again: it goes on.",
        told.text,
        describe(file),
        file.n_missing(),
        path = path.display(),
    );
    let json = json!({
        "recovered": false, "action": path, "missing": file.n_missing(), "holders": told.holders,
    });
    Said::new(json, text)
}

async fn finish(
    recoverer: &Recoverer<'_>,
    file: ActionFile,
    told: Told,
) -> Result<Said, CommandError> {
    let OfficerAction::Recovery(recovery) = file.action else {
        let sentence = "The file in this folder is no recovery. Nothing was changed; put it in force with `keys apply`.";
        return Err(CommandError::failed("recover.other_action", sentence));
    };
    let log = recoverer.finish(&recovery).await.map_err(|error| failed(&error))?;
    let dir = recoverer.folder.path().display();
    let text = format!(
        "{}{} is recovered, with {} records of its log kept and a new era begun ({log}).\n\
         If you have a backup of ballots.sqlite, put it into {dir} now.\n\
         Next: folkmoot-node run --dir {dir} --charter charter.toml\n\
         The old machine's keys are worth nothing from now on; others learn of it as soon as this node reaches them.",
        told.text,
        file.name.as_str(),
        recovery.kept.size,
    );
    let json = json!({
        "recovered": true,
        "community": recovery.community,
        "era": log.era,
        "kept": recovery.kept.size,
        "holders": told.holders,
    });
    Ok(Said::new(json, text))
}
