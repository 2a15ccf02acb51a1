//! `folkmoot verify`: a proof of one record, an identity, evidence of a fork, or a whole log, checked by arithmetic
//! alone.
//!
//! ```text
//! FILE  c2sp.org/tlog-proof@v1 … ─▶ proof      is this record in the log that its community signed?
//!       evidence of a fork       ─▶ fork       did this log sign two heads that cannot both be true?
//!       anything else            ─▶ identity   who is this community, by whose signatures?
//! FOLDER, http://…/log/<id>/<era> ▶ log        is every record, payload and tile what the checkpoint says?
//! https://…  ─▶ its server is met first: given, or trusted on first use (and said so)
//! ```
//!
//! What is proved is what a community *signed*. That the community is the one meant, a person sees by comparing its id;
//! that it shows everybody the same log, a policy of witnesses shows.

pub mod audit;
mod evidence;
mod http;
mod identity;
mod log;
mod proof;
mod report;
mod source;
mod subject;
mod tiles;
mod trust;

use std::path::{Path, PathBuf};

use clap::Args;
use record::{CommunityId, identity::Identity};
use runtime::exit::Exit;
use serde_json::json;
use tlog::{Policy, VerifierKey};

use self::{
    proof::Beside,
    report::Report,
    subject::{Form, Subject, form_of},
    trust::Trust,
};
use crate::{Console, Failure, follow::pin::GivenKey};

/// Options of `folkmoot verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// A .tlog-proof, an identity bundle, evidence of a fork, a folder with an exported log, or http(s)://HOST:PORT/log/ID/ERA[/identity|/evidence|/proof/N].
    #[arg(value_name = "FILE|FOLDER|URL")]
    pub subject: String,
    /// The community that it must be of.
    #[arg(long, value_name = "fm1…")]
    pub community: Option<CommunityId>,
    /// The C2SP verifier key that the log must have.
    #[arg(long, value_name = "VKEY", value_parser = VerifierKey::parse)]
    pub key: Option<VerifierKey>,
    /// For https://: the server that must answer, by its id or its transport key in hexadecimal.
    #[arg(long, value_name = "fm1…|HEX")]
    pub server_key: Option<GivenKey>,
    /// A C2SP policy file: the witnesses that must have cosigned.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// For a proof: the author's identity bundle, instead of the one in the proof. For evidence: that of the log accused.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// For a proof: the record's header, instead of the one in the proof.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// For a proof: 32 bytes of salt and the payload, as at /log/ID/ERA/payload/N.
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

const HELP: &str = "\
Examples:
  folkmoot verify covenant.tlog-proof
  folkmoot verify covenant.tlog-proof --community fm1… --policy neighbours.policy
  folkmoot verify eastside.identity --json
  folkmoot verify http://127.0.0.1:8080/log/fm1…/0
  folkmoot verify https://coordinator.example:7443/log/fm1…/0 --server-key fm1…
  folkmoot verify https://coordinator.example:7443/log/fm1…/0/proof/17
  folkmoot verify exported-log/
  folkmoot verify eastside.evidence --identity eastside.identity

Evidence is at /log/ID/ERA/evidence. A head by a retired key is evidence only if the quorum of --policy had cosigned
it before. A proof saved from /log/ID/ERA/proof/N carries the record and its author's identity: no other file is needed.
Without --server-key the server at an https:// address is trusted on first use. What it serves is verified all the same.

Exit codes:
  0 verified · 1 could not be read · 4 cannot be reached now, try later · 6 does not verify, or another server answered";

/// Verifies, and says what that proves.
///
/// # Errors
///
/// [`Failure`] with exit code 6 and what differs, if something does not hold.
pub async fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    match verify(options, console).await {
        Ok(report) if options.json => {
            console.answer_json(&report.as_json())?;
            Ok(Exit::Ok)
        }
        Ok(report) => {
            console.answer(&report.render())?;
            Ok(Exit::Ok)
        }
        Err(failure) => {
            if options.json && !failure.is_reader_gone() {
                let (reason, detail) = (failure.reason(), failure.to_string());
                let told = json!({ "verified": false, "reason": reason, "detail": detail });
                console.answer_json(&told)?;
            }
            Err(failure)
        }
    }
}

async fn verify(options: &Options, console: &Console) -> Result<Report, Failure> {
    let policy = options.policy.as_deref().map(read_policy).transpose()?;
    let trust = Trust { community: options.community, key: options.key.clone(), policy };
    match Subject::parse(&options.subject)? {
        Subject::Log { site, name } => {
            let source = site.open(options.server_key, console).await?;
            let report = log::verify(&source, name, &trust, console).await?;
            Ok(Report::Log(report))
        }
        Subject::Page { site, path } => {
            let source = site.open(options.server_key, console).await?;
            let bytes = source.page(&path, subject::MAX_FILE_BYTES).await?;
            verify_bytes(&bytes, options, &trust)
        }
        Subject::File(path) => {
            subject::unpinned(options.server_key)?;
            let bytes = source::read_file(&path, subject::MAX_FILE_BYTES)?;
            verify_bytes(&bytes, options, &trust)
        }
    }
}

fn verify_bytes(bytes: &[u8], options: &Options, trust: &Trust) -> Result<Report, Failure> {
    match form_of(bytes)? {
        Form::Proof => {
            let read = |path: &Option<PathBuf>| {
                path.as_deref().map(|it| source::read_file(it, subject::MAX_FILE_BYTES)).transpose()
            };
            let beside = Beside {
                identity: read(&options.identity)?,
                header: read(&options.record)?,
                payload: read(&options.payload)?,
            };
            Ok(Report::Record(proof::verify(bytes, beside, trust)?))
        }
        Form::Evidence => {
            let bundle = options.identity.as_deref();
            let bundle =
                bundle.map(|it| source::read_file(it, subject::MAX_FILE_BYTES)).transpose()?;
            Ok(Report::Fork(evidence::verify(bytes, bundle, trust)?))
        }
        Form::Identity => Ok(Report::Identity(identity::verify(bytes, trust)?.0)),
    }
}

/// The verified identity in a file.
pub(crate) fn read_identity(path: &Path) -> Result<Identity, Failure> {
    let bytes = source::read_file(path, subject::MAX_FILE_BYTES)?;
    Ok(identity::open(&bytes, None)?.0.identity)
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let bytes = source::read_file(path, tlog::policy::MAX_POLICY_BYTES)?;
    let wrong = |what: String| {
        let detail =
            format!("The policy {} cannot be used: {what}. Nothing was verified.", path.display());
        Failure::new(Exit::Config, "policy.malformed", detail)
    };
    let text = str::from_utf8(&bytes).map_err(|error| wrong(error.to_string()))?;
    Policy::parse(text).map_err(|error| wrong(error.to_string()))
}
