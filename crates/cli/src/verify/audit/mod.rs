//! `folkmoot audit`: did a coordinator keep its word?
//!
//! ```text
//! its log ─▶ receipts, indexes, statuses ─┐
//! acks that a node kept (cosignatures) ───┼─▶ what must be served, and by when it must have been said
//! the logs that it serves ────────────────┴─▶ compared: missing, contradictions, nothing
//! ```
//!
//! Everything is proved from what anybody can fetch, and from signatures of the coordinator itself. What it never signed
//! nobody can hold against it: that is silence, which a node notes by itself.

mod acks;
mod claims;
mod evidence;
mod finding;
mod held;
mod sums;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use record::{
    CommunityId, LogName, VerifiedRecord, identity::MAX_BUNDLE_BYTES, limits::MAX_EVIDENCE_BYTES,
};
use runtime::exit::Exit;
use serde::Serialize;
use serde_json::Value;
use tlog::{Note, Policy, VerifierKey, checkpoint::open_note, note::MAX_NOTE_BYTES};

use self::{
    acks::Acks,
    claims::Claims,
    finding::{Finding, Findings},
    sums::Signed,
};
use super::{
    evidence as fork, identity, log, read_policy, source::Source, subject::Subject, trust::Trust,
};
use crate::{Console, Failure, follow::pin::GivenKey};

/// Options of `folkmoot audit`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct Options {
    /// The coordinator's own log: http(s)://HOST:PORT/log/ID/ERA.
    #[arg(value_name = "URL")]
    pub subject: String,
    /// What a node kept of its acknowledgements: files, or folders of them (folkmoot-node acks --out FOLDER).
    #[arg(value_name = "ACKS")]
    pub acks: Vec<PathBuf>,
    /// For https://: the server that must answer, by its id or its transport key in hexadecimal.
    #[arg(long, value_name = "fm1…|HEX")]
    pub server_key: Option<GivenKey>,
    /// A C2SP policy file: the witnesses that count.
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Where evidence is written, should any be found: a new or empty folder.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

const HELP: &str = "\
Examples:
  folkmoot audit https://coordinator.example:7443/log/fm1…/0 --server-key fm1…
  folkmoot-node acks --out acks && folkmoot audit https://coordinator.example:7443/log/fm1…/0 acks
  folkmoot audit http://127.0.0.1:8080/log/fm1…/0 acks --policy neighbours.policy --out evidence

Every record of the coordinator's log and of every log that it received is read and verified; every sum of a poll that it
shows is made again from the tallies.

Exit codes:
  0 nothing receipted is missing · 1 could not be read · 4 cannot be reached now, try later · 6 evidence was found";

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
struct Checked {
    receipts: u64,
    indexes: u64,
    acks: u64,
    logs: u64,
    records: u64,
    /// Polls whose sums were made again.
    polls: u64,
}

/// What an audit came to.
#[derive(Debug, Serialize)]
struct Audit {
    coordinator: CommunityId,
    /// How many records the coordinator's log has.
    size: u64,
    checked: Checked,
    missing: Vec<Finding>,
    contradictions: Vec<Finding>,
    /// What the coordinator withholds and says so in its log.
    withheld: Vec<Finding>,
    /// What it need not have said yet.
    pending: Vec<Finding>,
    /// What it stated of one branch of a log that forked, by evidence that holds, and serves another of.
    forked: Vec<Finding>,
    /// What it said after the time allowed, as after a crash: no evidence.
    late: Vec<Finding>,
    /// Up to where the policy's witnesses have cosigned the coordinator's log; 0 without a policy.
    witnessed_size: u64,
}

/// Audits a coordinator, and prints what was found.
///
/// # Errors
///
/// [`Failure`] if its log cannot be read: exit code 4 where trying later helps, 6 where its log itself does not hold.
pub async fn run(options: &Options, console: &Console) -> Result<Exit, Failure> {
    if let Some(out) = &options.out {
        evidence::must_be_empty(out)?;
    }
    let policy = options.policy.as_deref().map(read_policy).transpose()?;
    let (source, name) = open(options, console).await?;
    let mut auditor = Auditor::begin(&source, name, &options.acks, console).await?;
    auditor.check_logs(console).await?;
    let audit = auditor.finish(policy.as_ref());
    let has_evidence = !audit.missing.is_empty() || !audit.contradictions.is_empty();
    if has_evidence && let Some(out) = &options.out {
        evidence::write(out, &audit, &auditor, console).await?;
    }
    if options.json {
        console.answer_json(&audit)?;
    } else {
        console.answer(&audit.render(policy.is_some()))?;
    }
    Ok(if has_evidence { Exit::Verification } else { Exit::Ok })
}

async fn open(options: &Options, console: &Console) -> Result<(Source, LogName), Failure> {
    let wrong = || {
        let detail = format!(
            "`{}` is no address of a coordinator's log. One reads http://HOST:PORT/log/fm1…/ERA, or https://…. Nothing \
             was audited.",
            options.subject
        );
        Failure::new(Exit::Usage, "url.malformed", detail)
    };
    match Subject::parse(&options.subject)? {
        Subject::Log { site, name: Some(name) } => {
            Ok((site.open(options.server_key, console).await?, name))
        }
        Subject::Log { name: None, .. } | Subject::Page { .. } | Subject::File(_) => Err(wrong()),
    }
}

/// An audit under way.
struct Auditor {
    source: Source,
    name: LogName,
    log_key: VerifierKey,
    /// The coordinator's checkpoint, as it was fetched.
    note: Note,
    size: u64,
    claims: Claims,
    acks: Acks,
    checked: Checked,
    findings: Findings,
    /// The polls as they are shown, from before any log was read: what they name is in the logs.
    polls: Vec<Value>,
    signed: Signed,
}

impl Auditor {
    /// Reads the coordinator's log and the acknowledgements.
    async fn begin(
        source: &Source,
        name: LogName,
        acks: &[PathBuf],
        console: &Console,
    ) -> Result<Self, Failure> {
        let polls = sums::shown(source).await?;
        let (mut claims, signed) = (Claims::default(), Signed::default());
        let mut visit = |record: &VerifiedRecord| claims.take(record);
        let wanted = log::Wanted { visit: Some(&mut visit) };
        let log::Read { identity, note, size } =
            log::read(source, Some(name), &Trust::default(), wanted, console).await?;
        let log_key = identity::log_key(&identity, name.era, size);
        let acks = Acks::read(acks, &identity)?;
        acks.iter().for_each(|it| claims.signed_at(it.at));
        let (source, checked) = (source.clone(), Checked::default());
        let findings = Findings::default();
        Ok(Self {
            source,
            name,
            log_key,
            note,
            size,
            claims,
            acks,
            checked,
            findings,
            polls,
            signed,
        })
    }

    /// Reads every log that the coordinator said it received, and compares.
    async fn check_logs(&mut self, console: &Console) -> Result<(), Failure> {
        self.checked.receipts = self.claims.n_receipts;
        self.checked.indexes = self.claims.n_indexes;
        self.checked.acks = self.acks.len();
        self.checked.records = self.size;
        self.findings.contradictions.extend(self.claims.take_contradictions());
        self.findings.missing.extend(self.claims.late_indexes());
        let by_log = held::promises(&self.claims, &self.acks);
        let logs: Vec<LogName> = by_log.keys().copied().collect();
        for (log, promises) in by_log {
            if log == self.name {
                continue;
            }
            let told = format!("Reading the log of {}…", log.community);
            console.progress(&told);
            let source = self.source.sibling(log);
            let held = held::compare(&source, log, promises, &mut self.signed, console).await?;
            self.checked.logs += 1;
            self.checked.records += held.n_records;
            let withheld = self.claims.is_withheld(&log);
            self.findings.take(held, withheld);
        }
        self.check_coverage();
        for log in logs {
            if self.findings.may_be_of_branches(log) && self.has_forked(log).await {
                self.findings.explain_by_fork(log);
            }
        }
        self.checked.polls = self.polls.len() as u64;
        let withheld = self.claims.withheld();
        for poll in &self.polls {
            match self.signed.unread(poll, &withheld) {
                Some(finding) => self.findings.withheld.push(finding),
                None => self.findings.contradictions.extend(self.signed.check(poll)),
            }
        }
        Ok(())
    }

    /// Whether the coordinator shows evidence that a log forked, and it holds.
    async fn has_forked(&self, log: LogName) -> bool {
        let source = self.source.sibling(log);
        let evidence = source.page("evidence", MAX_EVIDENCE_BYTES).await;
        let identity = source.page("identity", MAX_BUNDLE_BYTES).await;
        let shown = evidence.ok().zip(identity.ok());
        shown.is_some_and(|(evidence, bundle)| fork::proves(&evidence, bundle, log))
    }

    /// Whether every acknowledgement was followed by a receipt or an index in time.
    fn check_coverage(&mut self) {
        for ack in self.acks.iter() {
            let worthy = self.findings.worthy_size(ack);
            match self.claims.covers(ack, worthy) {
                claims::Coverage::InTime => {}
                claims::Coverage::Late(finding) => self.findings.late.push(finding),
                claims::Coverage::NotYetDue(finding) => self.findings.pending.push(finding),
                claims::Coverage::Missing(finding) => self.findings.missing.push(finding),
            }
        }
    }

    fn finish(&mut self, policy: Option<&Policy>) -> Audit {
        let Findings { missing, contradictions, withheld, pending, forked, late, .. } =
            std::mem::take(&mut self.findings);
        Audit {
            coordinator: self.name.community,
            size: self.size,
            checked: self.checked,
            missing,
            contradictions,
            withheld,
            pending,
            forked,
            late,
            witnessed_size: policy.map_or(0, |it| self.witnessed_size(it)),
        }
    }

    /// The size of the coordinator's checkpoint, if the policy's witnesses have cosigned it.
    fn witnessed_size(&self, policy: &Policy) -> u64 {
        let witnesses: Vec<VerifierKey> = policy.witnesses().map(|(_, key)| key.clone()).collect();
        let Ok((_, verified)) = open_note(self.note.clone(), &self.log_key, &witnesses) else {
            return 0;
        };
        let keys: Vec<VerifierKey> = verified.into_iter().map(|it| it.key).collect();
        if !keys.is_empty() && policy.is_satisfied(&keys) { self.size } else { 0 }
    }
}

impl Audit {
    /// Lines for a person.
    fn render(&self, has_policy: bool) -> String {
        let Checked { receipts, indexes, acks, logs, records, polls } = self.checked;
        let is_clean = self.missing.is_empty() && self.contradictions.is_empty();
        let verdict = match is_clean {
            true => "Nothing that the coordinator received is missing.",
            false => "EVIDENCE: the coordinator did not keep its word.",
        };
        let mut lines = vec![
            verdict.to_owned(),
            format!("  coordinator   {}", self.coordinator),
            format!(
                "  checked       {receipts} receipts, {indexes} indexes, {acks} acknowledgements"
            ),
            format!("                {logs} logs, {records} records, {polls} polls"),
        ];
        let groups = [
            ("missing", &self.missing),
            ("contradiction", &self.contradictions),
            ("withheld", &self.withheld),
            ("not due yet", &self.pending),
            ("two branches", &self.forked),
            ("late", &self.late),
        ];
        for (name, findings) in groups {
            lines.extend(findings.iter().map(|it| format!("  {name:<13} {}", it.detail)));
        }
        let left = self.size.saturating_sub(self.witnessed_size);
        lines.push(match (has_policy, left) {
            (false, _) => "  witnessed     not asked; give the witnesses that count with --policy.".to_owned(),
            (true, 0) => format!("  witnessed     all {} records of the coordinator's log.", self.size),
            (true, _) => format!(
                "  witnessed     not yet: of {} records of the coordinator's log, {left} could still be shown otherwise to others.",
                self.size
            ),
        });
        lines.join("\n")
    }
}

/// A log's checkpoint as it is served; `None` if it is not.
async fn served_checkpoint(source: &Source) -> Option<Vec<u8>> {
    source.page("checkpoint", MAX_NOTE_BYTES).await.ok()
}

/// Findings by the record of the coordinator's log that they rest on.
fn records_of(audit: &Audit) -> BTreeMap<u64, ()> {
    let findings = audit.missing.iter().chain(&audit.contradictions);
    findings.filter_map(|it| it.record).map(|index| (index, ())).collect()
}

/// A path for a person.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
