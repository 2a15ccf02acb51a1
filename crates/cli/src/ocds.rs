//! `folkmoot ocds check`: what an import would take of these files, and why it would leave out the rest.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use formats::ocds::import::{self, FileRefusal, FileReport, Note, Quarantined};
use node::clerk::notice_file;
use runtime::exit::Exit;
use serde::Serialize;

use crate::{Console, Failure, console::plain};

/// Options of `folkmoot ocds`.
#[derive(Debug, Args)]
pub struct Options {
    /// What to do with the files.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with OCDS files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what an import would take, and why it would leave out the rest. Nothing is imported.
    Check(CheckOptions),
}

/// Options of `folkmoot ocds check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub struct CheckOptions {
    /// Files, and folders whose *.json files are read.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Print JSON, with every release that would be left out and every note.
    #[arg(long)]
    pub json: bool,
}

const CHECK_HELP: &str = "\
Examples:
  folkmoot ocds check notices.json
  folkmoot ocds check downloads/ --json > report.json

Exit codes:
  0 everything would be taken · 1 something would be left out";

/// Releases listed for each file where a person reads; `--json` lists all.
const MAX_LISTED: usize = 20;

/// What would become of one file.
#[derive(Debug, Serialize)]
struct Checked {
    /// Its path, beginning as the person wrote it.
    file: String,
    releases: usize,
    accepted: usize,
    quarantined: Vec<Quarantined>,
    notes: Vec<ReleaseNote>,
    /// Why nothing in it can be read.
    refused: Option<Refused>,
}

#[derive(Debug, Serialize)]
struct ReleaseNote {
    release: String,
    #[serde(flatten)]
    note: Note,
}

#[derive(Debug, Serialize)]
struct Refused {
    reason: &'static str,
    detail: String,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    files: usize,
    files_refused: usize,
    releases: usize,
    accepted: usize,
    quarantined: usize,
    notes: usize,
    /// How many releases and files each reason would keep out.
    reasons: BTreeMap<&'static str, usize>,
}

/// Does what is asked with OCDS files.
///
/// # Errors
///
/// [`Failure`] if there is no file, or the answer cannot be written.
pub fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    match &options.command {
        Command::Check(options) => check(options, console),
    }
}

fn check(options: &CheckOptions, console: &Console) -> Result<Exit, Failure> {
    let files = json_files(&options.paths);
    if files.is_empty() {
        let detail = "There is no *.json file in what you named. Nothing was checked.";
        return Err(Failure::new(Exit::Failed, "import.no_files", detail));
    }
    let mut checked = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        if 1 < files.len() {
            console.progress(&format!("Reading file {} of {}…", number + 1, files.len()));
        }
        checked.push(check_file(file));
    }
    let totals = Totals::of(&checked);
    if options.json {
        console.answer_json(&serde_json::json!({ "files": checked, "totals": totals }))?;
    } else {
        console.answer(&render(&checked, &totals))?;
    }
    let is_clean = totals.quarantined == 0 && totals.files_refused == 0;
    Ok(if is_clean { Exit::Ok } else { Exit::Failed })
}

/// The files named, and every *.json file in the folders named, in order. Links to folders are not followed.
pub(crate) fn json_files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() { files.extend(files_in(path)) } else { files.push(path.clone()) }
    }
    files
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            // Reported as a file that cannot be read, rather than passed over.
            found.push(folder);
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|it| it.is_dir()) {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("json")) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn check_file(path: &Path) -> Checked {
    let file = path.display().to_string();
    // Read as an import reads it, so that both say the same about the same file.
    match notice_file::read(path).and_then(|bytes| import::read(&file, &bytes)) {
        Ok(report) => Checked::of(file, report),
        Err(refusal) => Checked {
            file,
            releases: 0,
            accepted: 0,
            quarantined: Vec::new(),
            notes: Vec::new(),
            refused: Some(refusal.into()),
        },
    }
}

impl From<FileRefusal> for Refused {
    fn from(refusal: FileRefusal) -> Self {
        Self { reason: refusal.reason(), detail: refusal.to_string() }
    }
}

impl Checked {
    fn of(file: String, report: FileReport) -> Self {
        let FileReport { accepted, quarantined, n_releases } = report;
        let n_accepted = accepted.len();
        let notes = accepted.into_iter().flat_map(|it| {
            let release = format!("{} {}", it.release.ocid, it.release.release_id);
            it.notes.into_iter().map(move |note| ReleaseNote { release: release.clone(), note })
        });
        Self {
            file,
            releases: n_releases,
            accepted: n_accepted,
            quarantined,
            notes: notes.collect(),
            refused: None,
        }
    }
}

impl Totals {
    fn of(checked: &[Checked]) -> Self {
        let mut totals = Self::default();
        for Checked { file: _, releases, accepted, quarantined, notes, refused } in checked {
            totals.files += 1;
            totals.files_refused += usize::from(refused.is_some());
            totals.releases += releases;
            totals.accepted += accepted;
            totals.quarantined += quarantined.len();
            totals.notes += notes.len();
            let reasons = quarantined.iter().map(|it| it.reason);
            for reason in reasons.chain(refused.iter().map(|it| it.reason)) {
                *totals.reasons.entry(reason).or_default() += 1;
            }
        }
        totals
    }
}

fn render(checked: &[Checked], totals: &Totals) -> String {
    let mut lines =
        vec![format!("{:>9} {:>9} {:>12} {:>7}  file", "releases", "taken", "left out", "notes")];
    for file in checked {
        lines.push(row(file));
    }
    let Totals { files, releases, accepted, quarantined, notes, .. } = totals;
    lines.push(format!(
        "{releases:>9} {accepted:>9} {quarantined:>12} {notes:>7}  in all, {files} files"
    ));
    for file in checked {
        list_left_out(file, &mut lines);
    }
    if !totals.reasons.is_empty() {
        lines.push("\nReasons:".to_owned());
        lines.extend(totals.reasons.iter().map(|(reason, n)| format!("{n:>9} × {reason}")));
    }
    lines.join("\n")
}

fn row(file: &Checked) -> String {
    let name = plain(&file.file);
    match &file.refused {
        Some(_) => format!("{:>9} {:>9} {:>12} {:>7}  {name}", "-", "-", "the file", "-"),
        None => {
            let Checked { releases, accepted, .. } = file;
            let (quarantined, notes) = (file.quarantined.len(), file.notes.len());
            format!("{releases:>9} {accepted:>9} {quarantined:>12} {notes:>7}  {name}")
        }
    }
}

fn list_left_out(file: &Checked, lines: &mut Vec<String>) {
    if let Some(Refused { reason, detail }) = &file.refused {
        lines.push(format!("\n{}\n  {reason}: {}", plain(&file.file), plain(detail)));
    }
    if file.quarantined.is_empty() {
        return;
    }
    lines.push(format!("\n{}", plain(&file.file)));
    for Quarantined { release, reason, detail } in file.quarantined.iter().take(MAX_LISTED) {
        lines.push(format!("  {}: {reason}: {}", plain(release), plain(detail)));
    }
    let n_more = file.quarantined.len().saturating_sub(MAX_LISTED);
    if n_more != 0 {
        lines.push(format!("  and {n_more} more; --json lists all"));
    }
}
