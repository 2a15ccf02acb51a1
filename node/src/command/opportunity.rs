//! `opportunity`: contracting processes, of this community's own or imported from OCDS files.

mod form;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap::Subcommand;
use proto::clerk::{ImportOpportunitiesRequest, OpenOpportunityResponse, Written};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{
    CommandError, case_list, now_millis,
    print::{Said, instant, title, words},
    reach::Client,
    status::json_of,
};
use crate::{
    clerk::notice_file::{self, report_refusal},
    look,
};

/// Bytes of a file in one message.
const PART_BYTES: usize = 256 * 1024;
/// Parts that wait for the node.
const WAITING_PARTS: usize = 4;
/// Quarantined releases told to a person; `--json` tells them all.
const SHOWN_QUARANTINED: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum Opportunity {
    /// Publish an opportunity of this community's own.
    Open(Box<form::Open>),
    /// Say where an opportunity of this community's own stands.
    Update(form::Update),
    /// Import OCDS files: release packages, record packages, lists of releases, or single releases.
    #[command(after_help = "Example:\n  folkmoot-node opportunity import notices-2027-03.json\n\n\
A file that cannot be read, is too large or holds no OCDS releases is named with the reason, and the others are \
imported.\n\nExit codes:\n  0 no file was refused · 1 a file was refused")]
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
        Opportunity::Open(open) => {
            let answer = client.open_opportunity(open.request(now_millis())?).await?.into_inner();
            Ok(published(answer))
        }
        Opportunity::Update(update) => {
            let answer = client.update_opportunity(update.request(now_millis())?).await?;
            Ok(Said::written(answer.into_inner().written, |_| "It is said.".to_owned()))
        }
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

fn published(answer: OpenOpportunityResponse) -> Said {
    let OpenOpportunityResponse { written, ocid } = answer;
    let Written { record, index } = written.unwrap_or_default();
    let named = match ocid.as_str() {
        "" => "The charter of this region has no OCDS prefix, so it has no ocid and is in no OCDS package.".to_owned(),
        ocid => format!("Its ocid is {ocid}."),
    };
    let text = format!("The opportunity is published.\n  {record}\n{named}");
    Said::new(json!({ "record": record, "index": index, "ocid": ocid }), text)
}

async fn import(mut client: Client, files: Vec<PathBuf>) -> Result<Said, CommandError> {
    let (parts, sent) = mpsc::channel(WAITING_PARTS);
    let send_all = move || files.iter().map(|it| send(it, &parts)).collect::<Vec<_>>();
    let sender = std::thread::spawn(send_all);
    let mut answers = client.import_opportunities(ReceiverStream::new(sent)).await?.into_inner();
    let mut answered = Vec::new();
    while let Some(answer) = answers.message().await? {
        answered.push(json_of(&answer.report_json)?);
    }
    let unread = || CommandError::failed("import.failed", "The node did not report on every file.");
    let refused = sender.join().ok().ok_or_else(unread)?;
    // In the order in which the files were named, whoever reports on them.
    let mut answered = answered.into_iter();
    let reports = refused.into_iter().map(|it| it.or_else(|| answered.next()).ok_or_else(unread));
    tell(&reports.collect::<Result<Vec<_>, _>>()?)
}

fn tell(reports: &[Value]) -> Result<Said, CommandError> {
    if let [only] = reports
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

/// Sends a file part by part; a node that listens no more is told of by its answer. Of a file that is not sent, because
/// it cannot be read or is too large, the report is answered.
fn send(path: &Path, parts: &mpsc::Sender<ImportOpportunitiesRequest>) -> Option<Value> {
    let name = path.display().to_string();
    let bytes = match notice_file::read(path) {
        Ok(bytes) => bytes,
        Err(refusal) => return Some(report_refusal(&name, &refusal)),
    };
    let request = |part: &[u8], last| ImportOpportunitiesRequest {
        name: name.clone(),
        part: part.to_vec(),
        last,
    };
    for part in bytes.chunks(PART_BYTES) {
        parts.blocking_send(request(part, false)).ok()?;
    }
    parts.blocking_send(request(&[], true)).ok()?;
    None
}

fn sentences(report: &Value) -> String {
    let file = look::text(report, "/file");
    if let Some(detail) = look::at(report, "/refused/detail").as_str() {
        return format!("Not imported: {detail}.\n");
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
