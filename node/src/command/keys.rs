//! `keys` and `officers`: new keys and new officers for the community in a folder, while its node is stopped.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand, ValueEnum};
use data_encoding::HEXLOWER;
use peer::{
    ActionFile, DataFolder,
    folder::Renewed,
    offline::{self, Applied, ApplyError},
};
use record::identity::{Identity, Officer, OfficerAction, OfficerChange, Rotation};
use runtime::{
    clock::{Clock, SystemClock},
    exit::Exit,
};
use serde_json::json;

use super::{
    CommandError,
    officer::{self, KeyOptions, describe, officers_of, parse_public_line},
    print::Said,
};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make new keys, and what the officers are to sign for them. The node is stopped first.
    ///
    /// Where the community has one officer whose key is in the folder, the new keys are in force at once.
    #[command(
        after_help = "Example: several officers\n  folkmoot-node keys rotate --dir harbour\n  folkmoot-node officer sign harbour/action.toml --key officer-1.toml   # by each of them, anywhere\n  folkmoot-node keys apply --dir harbour\n\nThe same works on the folder of a coordinator."
    )]
    Rotate(Rotate),
    /// Put in force what enough officers have signed. The node is stopped first.
    #[command(
        after_help = "Example:\n  folkmoot-node keys apply --dir harbour\n  folkmoot-node keys apply --dir harbour signed-by-mair.toml signed-by-tom.toml"
    )]
    Apply(Apply),
}

#[derive(Debug, Subcommand)]
pub(super) enum OfficersCommand {
    /// Make what the spare keys are to sign for other officers. The node is stopped first.
    #[command(
        after_help = "Example:\n  folkmoot-node officers change --dir harbour --officer 3b6a…:91f0… --officer 88c1…:0d2e… --threshold 2\n  folkmoot-node officer sign harbour/action.toml --key spare-1.toml   # by each officer in office, anywhere\n  folkmoot-node keys apply --dir harbour\n\nEach new officer makes the keys with `folkmoot-node officer new`. The list takes the place of the present one: name also those who stay, with new keys, as their spare keys are shown by signing."
    )]
    Change(Change),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Which keys; all of them if not given.
    #[arg(value_name = "KEY")]
    which: Vec<Which>,
    #[command(flatten)]
    keys: KeyOptions,
    /// Begin again, although officers are asked to sign something already.
    #[arg(long)]
    anew: bool,
}

/// A key that can be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Signs the log.
    Log,
    /// Speaks with others.
    Transport,
    /// Cosigns what is held.
    Mirror,
    /// Cosigns what was seen.
    Witness,
    /// All of them.
    All,
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Copies that officers have signed, beside the one in the folder.
    #[arg(value_name = "ACTION")]
    signed: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Change {
    /// A new officer, as `folkmoot-node officer new` printed it; once for each.
    #[arg(long, value_name = "KEY:SPARE_DIGEST", value_parser = parse_public_line, required = true)]
    officer: Vec<Officer>,
    /// How many of them act together; more than half if not given.
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u32>,
    #[command(flatten)]
    keys: KeyOptions,
    /// Begin again, although officers are asked to sign something already.
    #[arg(long)]
    anew: bool,
}

impl Rotate {
    fn renewed(&self) -> Renewed {
        let has = |it: Which| self.which.contains(&it);
        let all = self.which.is_empty() || has(Which::All);
        Renewed {
            log: all || has(Which::Log),
            transport: all || has(Which::Transport),
            mirror: all || has(Which::Mirror),
            witness: all || has(Which::Witness),
        }
    }
}

/// More than half.
pub(super) fn majority(n_officers: usize) -> u32 {
    u32::try_from(n_officers / 2 + 1).unwrap_or(u32::MAX)
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

/// Why an action did not come into force.
fn not_applied(error: &ApplyError) -> CommandError {
    CommandError::caused_by(Exit::Failed, error.reason(), error)
}

fn not_opened(error: peer::PeerError) -> CommandError {
    super::failure::not_run(error)
}

pub(super) async fn run(dir: &Path, command: Keys) -> Result<Said, CommandError> {
    let folder = DataFolder::at(dir);
    folder.community()?;
    let _held = folder.lock()?;
    match command {
        Keys::Rotate(it) => rotate(&folder, it).await,
        Keys::Apply(it) => apply(&folder, &it.signed).await,
    }
}

pub(super) async fn run_officers(
    dir: &Path,
    command: OfficersCommand,
) -> Result<Said, CommandError> {
    let folder = DataFolder::at(dir);
    folder.community()?;
    let _held = folder.lock()?;
    let OfficersCommand::Change(it) = command;
    change(&folder, it).await
}

/// Refuses to replace an action that officers are asked to sign: signatures on it would be lost.
fn check_free(folder: &DataFolder, anew: bool) -> Result<(), CommandError> {
    if anew || !officer::exists(&folder.action_file()) {
        return Ok(());
    }
    let sentence = format!(
        "Officers are asked to sign {} already. Nothing was changed. Put it in force with `keys apply`, or begin again with --anew.",
        folder.action_file().display()
    );
    Err(CommandError::failed("keys.pending", sentence))
}

async fn rotate(folder: &DataFolder, rotate: Rotate) -> Result<Said, CommandError> {
    check_free(folder, rotate.anew)?;
    let (identity, seeds) = offline::identity(folder, clock()).await.map_err(not_opened)?;
    offline::check_settled(folder).await.map_err(|error| not_applied(&error))?;
    let next = seeds.renew(rotate.renewed())?;
    // Before anybody signs for them.
    folder.keep_next(&next)?;
    let public = next.public().map_err(peer::folder::FolderError::from)?;
    let action = OfficerAction::Rotation(Rotation::new(identity.last_identity(), public));
    let mut file = ActionFile::of(&identity, action);
    if let Some(own) = seeds.officer_seed() {
        // The community's one officer, whose key is kept with the others. One who has left signs nothing.
        let _ = file.sign(own);
    }
    gather(folder, file, &rotate.keys).await
}

async fn change(folder: &DataFolder, change: Change) -> Result<Said, CommandError> {
    check_free(folder, change.anew)?;
    let (identity, _) = offline::identity(folder, clock()).await.map_err(not_opened)?;
    offline::check_settled(folder).await.map_err(|error| not_applied(&error))?;
    let threshold = change.threshold.unwrap_or_else(|| majority(change.officer.len()));
    let officers = officers_of(change.officer, threshold)?;
    let action = OfficerChange::new(identity.last_identity(), officers);
    let file = ActionFile::of(&identity, OfficerAction::OfficerChange(action));
    gather(folder, file, &change.keys).await
}

/// Signs with what is at hand; puts the action in force if that is enough, and else says who is to sign it.
async fn gather(
    folder: &DataFolder,
    mut file: ActionFile,
    keys: &KeyOptions,
) -> Result<Said, CommandError> {
    for (role, key) in keys.read()? {
        officer::sign_with(&mut file, role, &key)?;
    }
    let path = folder.action_file();
    officer::write_action(&path, &file)?;
    if file.n_missing() == 0 {
        return apply(folder, &[]).await;
    }
    let (path, dir) = (path.display(), folder.path().display());
    let whose = if file.action.needs_spare() { "spare-1.toml" } else { "officer-1.toml" };
    let text = format!(
        "{}\n{} must still sign. Give them {path}; it holds no secret. Each signs, on any computer:\n  \
         folkmoot-node officer sign {path} --key {whose}\n\
         Then: folkmoot-node keys apply --dir {dir}\n\
         Until then nothing has changed, and the node can run.",
        describe(&file),
        file.n_missing(),
    );
    let json = json!({
        "applied": false, "action": folder.action_file(), "missing": file.n_missing(),
    });
    Ok(Said::new(json, text))
}

async fn apply(folder: &DataFolder, signed: &[PathBuf]) -> Result<Said, CommandError> {
    let file = merged(folder, signed)?;
    let applied = offline::apply(folder, clock(), &file.action, |_| true).await;
    let applied = applied.map_err(|error| not_applied(&error))?;
    let (identity, _) = offline::identity(folder, clock()).await.map_err(not_opened)?;
    folder.drop_action()?;
    Ok(in_force(folder, &file, &identity, applied))
}

/// The action in the folder with the signatures of every copy.
pub(super) fn merged(folder: &DataFolder, signed: &[PathBuf]) -> Result<ActionFile, CommandError> {
    let path = folder.action_file();
    let mut paths = signed.iter().map(PathBuf::as_path).collect::<Vec<_>>();
    if officer::exists(&path) {
        paths.insert(0, &path);
    }
    let mut paths = paths.into_iter();
    let first = paths.next().ok_or_else(|| {
        let sentence =
            "Nothing waits to be put in force. Begin with `keys rotate` or `officers change`.";
        CommandError::failed("keys.nothing_pending", sentence)
    })?;
    let mut file = officer::read_action(first)?;
    for path in paths {
        if !file.merge(&officer::read_action(path)?) {
            let sentence = format!(
                "{} is of another action than {}. Nothing was changed.",
                path.display(),
                first.display()
            );
            return Err(CommandError::failed("keys.other_action", sentence));
        }
    }
    Ok(file)
}

fn in_force(folder: &DataFolder, file: &ActionFile, identity: &Identity, applied: Applied) -> Said {
    let what = match &file.action {
        OfficerAction::Rotation(_) => {
            "The new keys are in force, from the last record of the log on."
        }
        OfficerAction::OfficerChange(_) => {
            "The new officers are in office. The keys of the old ones are worth nothing."
        }
        OfficerAction::Recovery(_) => "The new era has begun.",
    };
    let again =
        if applied == Applied::Already { " They were before; nothing was changed." } else { "" };
    let text = format!(
        "{what}{again}\nStart the node again: folkmoot-node run --dir {} --charter charter.toml\n\
         Print new recovery sheets: folkmoot-node sheet --dir {} --charter charter.toml --out sheet.svg",
        folder.path().display(),
        folder.path().display(),
    );
    let json = json!({
        "applied": true,
        "era": identity.era(),
        "epochs": identity.epochs().len(),
        "officers": identity.officers().list().len(),
        "threshold": identity.officers().threshold(),
        "transport_key": HEXLOWER.encode(identity.keys().transport().as_bytes()),
        "log_key": HEXLOWER.encode(identity.keys().log().as_bytes()),
    });
    Said::new(json, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_all_keys_are_renewed_and_else_those_named() {
        let renewed = |which: &[Which]| {
            Rotate { which: which.to_vec(), keys: KeyOptions::default(), anew: false }.renewed()
        };
        assert_eq!(renewed(&[]), Renewed::ALL);
        assert_eq!(renewed(&[Which::All, Which::Log]), Renewed::ALL);
        let two = Renewed { log: true, transport: false, mirror: true, witness: false };
        assert_eq!(renewed(&[Which::Log, Which::Mirror]), two);
    }

    #[test]
    fn more_than_half_act_together() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [1, 2, 2, 3, 3]);
    }
}
