//! `opportunity`: contracting processes, imported from OCDS files.

use std::{
    fmt::Write as _,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use proto::clerk::ImportOpportunitiesRequest;
use record::limits::MAX_IMPORT_FILE_BYTES;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    CommandError, case_list,
    print::{Said, instant, title, words},
    reach::Client,
    status::json_of,
};
use crate::look;

/// Bytes of a file in one message.
const PART_BYTES: usize = 256 * 1024;
/// Parts that wait for the node.
const WAITING_PARTS: usize = 4;
/// Quarantined releases told to a person; `--json` tells them all.
const SHOWN_QUARANTINED: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum Opportunity {
    /// Import OCDS files: release packages, record packages, or single releases.
    #[command(after_help = "Example:\n  folkmoot-node opportunity import notices-2027-03.json")]
    Import {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// List the opportunities of the region.
    #[command(after_help = "Example:\n  folkmoot-node opportunity list --json")]
    List(case_list::Page),
    /// Show one opportunity.
    #[command(after_help = "Example:\n  folkmoot-node opportunity show fmr1…")]
    Show {
        /// The opportunity.
        #[arg(value_name = "OPPORTUNITY")]
        opportunity: String,
    },
}

pub(super) async fn run(mut client: Client, command: Opportunity) -> Result<Said, CommandError> {
    match command {
        Opportunity::Import { files } => import(client, files).await,
        Opportunity::List(page) => case_list::list(client, "opportunity", page).await,
        Opportunity::Show { opportunity } => {
            let case = case_list::one(&mut client, "opportunity", &opportunity).await?;
            let text = format!(
                "{}\n{}: {}; bids end {}.\n",
                title(&case),
                look::text(&case, "/ocid"),
                words(look::text(&case, "/state")),
                instant(look::at(&case, "/tender_ends")),
            );
            Ok(Said::new(case, text))
        }
    }
}

async fn import(mut client: Client, files: Vec<PathBuf>) -> Result<Said, CommandError> {
    for file in &files {
        check_size(file)?;
    }
    let n_files = files.len();
    let (parts, sent) = mpsc::channel(WAITING_PARTS);
    let sender = std::thread::spawn(move || files.iter().try_for_each(|it| send(it, &parts)));
    let mut answers = client.import_opportunities(ReceiverStream::new(sent)).await?.into_inner();
    let mut reports = Vec::with_capacity(n_files);
    while let Some(answer) = answers.message().await? {
        reports.push(json_of(&answer.report_json)?);
    }
    let unread = || CommandError::failed("import.failed", "A file could not be read.");
    sender.join().map_err(|_error| unread())??;
    if let [only] = reports.as_slice()
        && let Some(detail) = look::at(only, "/refused/detail").as_str()
    {
        let reason = look::at(only, "/refused/reason").as_str().unwrap_or("import.refused");
        return Err(CommandError::failed(reason, format!("{detail}. Nothing was imported.")));
    }
    let text = reports.iter().map(sentences).collect::<String>();
    let is_whole = reports.iter().all(|it| look::at(it, "/refused").is_null());
    let said = Said::new(json!({ "files": reports }), text);
    Ok(if is_whole { said } else { said.failed_in_part() })
}

/// A file above the limit is refused before a byte of it is read.
fn check_size(path: &Path) -> Result<(), CommandError> {
    let found = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if MAX_IMPORT_FILE_BYTES < found.len() {
        let sentence = format!(
            "{} has {} bytes; an import reads at most {MAX_IMPORT_FILE_BYTES}. Nothing was imported; split the file.",
            path.display(),
            found.len()
        );
        return Err(CommandError::failed("import.file_too_large", sentence));
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::usage(format!("{} could not be read: {error}.", path.display()))
}

/// Sends a file part by part; a node that listens no more is told of by its answer.
fn send(path: &Path, parts: &mpsc::Sender<ImportOpportunitiesRequest>) -> Result<(), CommandError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut file = File::open(path).map_err(|error| unreadable(path, &error))?;
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let limit = u64::try_from(PART_BYTES).unwrap_or(u64::MAX);
        let read = file.by_ref().take(limit).read_to_end(&mut part);
        let n_bytes = read.map_err(|error| unreadable(path, &error))?;
        let last = n_bytes < PART_BYTES;
        let request = ImportOpportunitiesRequest { name: name.clone(), part, last };
        if parts.blocking_send(request).is_err() || last {
            return Ok(());
        }
    }
}

fn sentences(report: &Value) -> String {
    let file = look::text(report, "/file");
    if let Some(detail) = look::at(report, "/refused/detail").as_str() {
        return format!("{file}: not imported. {detail}.\n");
    }
    let quarantined: Vec<&Value> =
        look::at(report, "/quarantined").as_array().into_iter().flatten().collect();
    let mut text = format!(
        "{file}: {} releases; {} imported, {} already here, {} left out.\n",
        look::at(report, "/releases"),
        look::at(report, "/accepted"),
        look::at(report, "/already_held"),
        quarantined.len()
    );
    for left_out in quarantined.iter().take(SHOWN_QUARANTINED) {
        let release = look::text(left_out, "/release");
        let detail = look::text(left_out, "/detail");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  left out: {release}: {detail}");
    }
    if SHOWN_QUARANTINED < quarantined.len() {
        text.push_str("  … and more; --json tells them all.\n");
    }
    text
}
