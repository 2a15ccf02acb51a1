//! Importing OCDS files: received part by part, read release by release, written in groups.
//!
//! A file that cannot be read, and a release that breaks a rule, are reported and stop nothing else.

mod releases;

use std::collections::BTreeMap;

use formats::ocds::import::{FileRefusal, FileReport, read};
use peer::Peer;
use proto::clerk::{ImportOpportunitiesRequest, ImportOpportunitiesResponse};
use record::limits::MAX_IMPORT_FILE_BYTES;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{notice_file::report_refusal, refusal::Refusal};
use releases::Importer;

/// Where reports are sent, one a file.
pub(super) type Reports = mpsc::Sender<Result<ImportOpportunitiesResponse, Status>>;

/// A file on its way in.
#[derive(Default)]
struct Arriving {
    bytes: Vec<u8>,
    /// Bytes that came, kept or not.
    n_bytes: u64,
}

impl Arriving {
    /// Keeps a part, or lets everything go once the limit is passed.
    fn take(&mut self, part: &[u8]) {
        self.n_bytes = self.n_bytes.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
        if MAX_IMPORT_FILE_BYTES < self.n_bytes {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(part);
        }
    }
}

/// Takes files until the caller ends, and reports on each.
pub(super) async fn import(
    peer: &Peer,
    mut parts: Streaming<ImportOpportunitiesRequest>,
    reports: &Reports,
) -> Result<(), Status> {
    let mut arriving = Arriving::default();
    let mut importer = Importer::new(peer.clone());
    while let Some(ImportOpportunitiesRequest { name, part, last }) = parts.message().await? {
        arriving.take(&part);
        if !last {
            continue;
        }
        let report = take_file(&mut importer, name, std::mem::take(&mut arriving)).await?;
        let response = ImportOpportunitiesResponse { report_json: report.to_string() };
        if reports.send(Ok(response)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn take_file(
    importer: &mut Importer,
    name: String,
    file: Arriving,
) -> Result<Value, Refusal> {
    let read_here = name.clone();
    // Parsing 64 MiB takes seconds of processor time, which the other tasks must not wait for.
    let outcome = tokio::task::spawn_blocking(move || {
        if MAX_IMPORT_FILE_BYTES < file.n_bytes {
            return Err(FileRefusal::TooLarge { file: read_here, found_bytes: file.n_bytes });
        }
        read(&read_here, &file.bytes)
    });
    let outcome = outcome.await.map_err(|_error| {
        Refusal::unavailable("import.failed", "The file could not be read; nothing of it was kept.")
    })?;
    match outcome {
        Err(refusal) => Ok(report_refusal(&name, &refusal)),
        Ok(FileReport { accepted, quarantined, n_releases }) => {
            let told = importer.take(accepted).await?;
            let mut left_out: Vec<Value> = quarantined.iter().map(|it| json!(it)).collect();
            left_out.extend(told.quarantined.iter().map(releases::LeftOut::json));
            tracing::info!(n_releases, n_accepted = told.n_accepted, "a file was imported");
            Ok(json!({
                "file": name,
                "releases": n_releases,
                "accepted": told.n_accepted,
                "already_held": told.n_already_held,
                "quarantined": left_out,
                "notes": told.notes,
            }))
        }
    }
}

/// Counts by what they are of, for notes that would otherwise fill pages.
type NoteCounts = BTreeMap<&'static str, u64>;
