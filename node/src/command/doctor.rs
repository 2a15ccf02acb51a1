//! `doctor`: what an operator should look at, of a running or a stopped node.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use peer::{DataFolder, command::Options, folder::FolderError, own::Own};
use proto::clerk::GetStatusRequest;
use runtime::{exit::Exit, files::FileError};
use serde_json::json;
use store::{OwnLog, Store, StoreConfig};

use super::{
    CommandError,
    keys::clock,
    now_millis,
    print::Said,
    reach,
    start::{self, ENV_PREFIX},
    status::json_of,
};
use crate::doctor::{
    Check, Verdict,
    facts::{Facts, LogFacts},
    judge::{judge, unreadable},
    local::{self, Form},
};

/// Say how the node is, what is wrong, and what to do about it.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  folkmoot-node doctor --dir harbour --charter charter.toml\n\nExample: every hour, told to somebody if something is bad\n  folkmoot-node doctor --dir harbour --json > doctor.json || mail -s harbour warden@example.org < doctor.json\n\nIt asks the node if one runs, and reads the folder if none does; it changes nothing. A check is ok, warn (look at it tomorrow, or it cannot be known now) or bad (look at it now). Exit code 0 unless something is bad, then 1."
)]
pub(super) struct Doctor {
    /// The charter that the node runs with, to be checked as well.
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// The configuration that it runs with, to be checked as well.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) async fn run(dir: &Path, doctor: Doctor) -> Result<Said, CommandError> {
    let folder = DataFolder::at(dir);
    let community = folder.community()?;
    let now = now_millis();
    let (files, form) = local::files(&folder).await;
    let mut checks = examine(dir, &folder, form, now).await;
    checks.extend([
        local::folder(&folder),
        files,
        configuration(dir, &folder, doctor),
        local::disk(dir),
        local::backup(&folder, now),
    ]);
    let verdict = checks.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Ok);
    let exit = if verdict == Verdict::Bad { Exit::Failed } else { Exit::Ok };
    let text = sentences(&checks);
    let json = json!({ "community": community, "verdict": verdict, "checks": checks });
    Ok(Said { exit, ..Said::new(json, text) })
}

/// What the running node knows, or the folder of a stopped one.
async fn examine(dir: &Path, folder: &DataFolder, form: Form, now: u64) -> Vec<Check> {
    let version = env!("CARGO_PKG_VERSION");
    let judged = |facts: Facts| judge(&facts, version, now);
    match ask(dir).await {
        Ok(facts) => return judged(facts),
        Err(error) if error.reason != "node.not_running" => {
            return [vec![Check::bad("node", error.sentence)], unreadable()].concat();
        }
        Err(_not_running) => {}
    }
    // Held, so that no node starts on what is being read.
    let (node, _held) = match folder.lock() {
        Ok(held) => (None, Some(held)),
        Err(FolderError::File(FileError::InUse { .. })) => {
            let sentence = "A node is starting or stopping on this folder, or another command works on it. Ask again in a minute.";
            (Some(Check::warn("node", sentence)), None)
        }
        // What is wrong with the folder is a check of its own.
        Err(_) => (Some(Check::bad("node", "No node runs on this folder, and none could.")), None),
    };
    if let Some(node) = node {
        return [vec![node], unreadable()].concat();
    }
    if form != Form::Current {
        let node = Check::warn("node", "No node runs on this folder.");
        return [vec![node], unreadable()].concat();
    }
    match at_rest(folder).await {
        Ok(log) => judged(Facts { log, running: None }),
        Err(sentence) => {
            let node = Check::bad("node", format!("No node runs, and none could: {sentence}"));
            [vec![node], unreadable()].concat()
        }
    }
}

/// What a running node tells.
async fn ask(dir: &Path) -> Result<Facts, CommandError> {
    let mut client = reach::reach(dir).await?;
    let answer = client.get_status(GetStatusRequest {}).await?.into_inner();
    let mut status = json_of(&answer.status_json)?;
    let examined = status.get_mut("examined").map(serde_json::Value::take).unwrap_or_default();
    serde_json::from_value(examined).map_err(|_error| {
        let sentence = "The node that runs is of another version than this program. Restart it, and ask again.";
        CommandError::failed("node.other_version", sentence)
    })
}

/// What the file of a stopped node tells, which is held and has the form of this release.
async fn at_rest(folder: &DataFolder) -> Result<LogFacts, String> {
    if !folder.log_file().exists() {
        return Ok(LogFacts::default());
    }
    let told = |error: &(dyn std::error::Error + 'static)| {
        runtime::exit::render(error).trim_end().to_owned()
    };
    let own = Own::of(folder).await.map_err(|error| told(&error))?;
    let log = OwnLog { name: own.log, log_key: own.seeds.keys().log, mirror: None, witness: None };
    let config = StoreConfig::of_no_region(own.network, log, clock());
    // Nothing is written, and could not be signed.
    let config = StoreConfig { is_settled: false, ..config };
    let store = Store::open(&folder.log_file(), config).await.map_err(|error| told(&error))?;
    let facts = LogFacts::of(&store, own.log, None, &BTreeMap::new()).await;
    store.close().await.map_err(|error| told(&error))?;
    facts.map_err(|error| told(&error))
}

/// Whether the node could run with its configuration, as far as that is named.
fn configuration(dir: &Path, folder: &DataFolder, doctor: Doctor) -> Check {
    const NAME: &str = "configuration";
    let Doctor { charter, config } = doctor;
    let config = Options { charter, config, ..Options::default() }.load(ENV_PREFIX);
    let config = match config.map_err(CommandError::from) {
        Ok(config) => config,
        Err(error) => return Check::bad(NAME, error.sentence),
    };
    if config.charter.is_none() && !folder.region_file().exists() {
        return Check::warn(
            NAME,
            "It was not checked, as no charter was named: give --charter or --config as the node has them.",
        );
    }
    match start::check(dir, &config) {
        Ok(said) => Check::ok(NAME, said.text),
        Err(error) => Check::bad(NAME, error.sentence),
    }
}

/// One paragraph for each check, what is bad first.
fn sentences(checks: &[Check]) -> String {
    let mut text = String::new();
    for (verdict, word) in [(Verdict::Bad, "BAD "), (Verdict::Warn, "warn"), (Verdict::Ok, "ok  ")]
    {
        for Check { name, sentence, .. } in checks.iter().filter(|it| it.verdict == verdict) {
            let sentence = sentence.replace('\n', "\n                    ");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}  {name:<13} {sentence}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_is_told_first_and_every_check_has_its_line() {
        let checks = [
            Check::ok("disk", "There is room."),
            Check::bad("forked", "Yes."),
            Check::warn("backup", "None."),
        ];
        let told = sentences(&checks);
        let names: Vec<_> = told.lines().filter_map(|it| it.split_whitespace().nth(1)).collect();
        assert_eq!(names, ["forked", "backup", "disk"]);
    }
}
