//! Releases that a file gave: skipped if held, else written as notice and record.

use std::collections::{BTreeMap, BTreeSet};

use formats::ocds::import::AcceptedRelease;
use peer::Peer;
use record::{
    Payload,
    payload::{
        Notice, OpportunityAction,
        opportunity::{Publication, Release},
    },
};
use serde_json::{Value, json};
use store::{Draft, Guard, Reference, StoreError};

use super::NoteCounts;
use crate::clerk::{refusal::Refusal, write::draft};

/// Releases in one transaction: two records each, of a few KiB.
const RELEASES_PER_APPEND: usize = 64;

/// A release is held if its process has one of the same id and the same original bytes.
type Seen = BTreeSet<(String, [u8; 32])>;

/// What is known of a process.
#[derive(Debug, Default)]
struct Process {
    /// The record that opened its case, if it is in the store.
    case: Option<record::RecordId>,
    seen: Seen,
}

/// What became of the releases of a file.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) n_accepted: u64,
    pub(super) n_already_held: u64,
    pub(super) quarantined: Vec<LeftOut>,
    pub(super) notes: NoteCounts,
}

/// A release that a rule keeps out.
#[derive(Debug)]
pub(super) struct LeftOut {
    release: String,
    reason: String,
    detail: String,
}

impl LeftOut {
    fn new(release: &Release, refusal: &Refusal) -> Self {
        Self {
            release: format!("{} {}", release.ocid, release.release_id).trim_end().to_owned(),
            reason: refusal.reason().to_owned(),
            detail: refusal.detail().to_owned(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({ "release": self.release, "reason": self.reason, "detail": self.detail })
    }
}

/// Imports file after file, and remembers the processes that it met.
pub(super) struct Importer {
    peer: Peer,
    processes: BTreeMap<String, Process>,
}

impl Importer {
    pub(super) fn new(peer: Peer) -> Self {
        Self { peer, processes: BTreeMap::new() }
    }

    /// Writes what is new, group by group.
    pub(super) async fn take(&mut self, accepted: Vec<AcceptedRelease>) -> Result<Told, Refusal> {
        let mut told = Told::default();
        let mut releases = accepted.into_iter().peekable();
        while releases.peek().is_some() {
            let group = releases.by_ref().take(RELEASES_PER_APPEND).collect();
            self.take_group(group, &mut told).await?;
        }
        Ok(told)
    }

    async fn take_group(
        &mut self,
        group: Vec<AcceptedRelease>,
        told: &mut Told,
    ) -> Result<(), Refusal> {
        let mut new = Vec::with_capacity(group.len());
        for release in group {
            for note in &release.notes {
                *told.notes.entry(note.what).or_default() += 1;
            }
            if self.is_held(&release.release).await? {
                told.n_already_held += 1;
            } else {
                self.remember(&release.release);
                new.push(release);
            }
        }
        if self.write(&new).await.is_ok() {
            told.n_accepted += u64::try_from(new.len()).unwrap_or(u64::MAX);
            return Ok(());
        }
        // One of them is refused: one by one, to find out which.
        for release in new {
            match self.write(std::slice::from_ref(&release)).await {
                Ok(()) => told.n_accepted += 1,
                Err(refusal) if refusal.reason() == "record.repeat" => told.n_already_held += 1,
                Err(refusal) if is_the_nodes(&refusal) => return Err(refusal),
                Err(refusal) => told.quarantined.push(LeftOut::new(&release.release, &refusal)),
            }
        }
        Ok(())
    }

    /// Writes these releases, all or none.
    async fn write(&mut self, group: &[AcceptedRelease]) -> Result<(), Refusal> {
        let (mut drafts, mut opened) = (Vec::new(), BTreeMap::new());
        for accepted in group {
            let ocid = &accepted.release.ocid;
            let known = self.processes.get(ocid).and_then(|it| it.case).map(Reference::Record);
            let case = known.or_else(|| opened.get(ocid).copied().map(Reference::Draft));
            if case.is_none() {
                opened.insert(ocid.clone(), drafts.len() + 1);
            }
            self.add(&mut drafts, accepted, case)?;
        }
        let appended = self.peer.store().append(drafts, Guard::MustCount).await?;
        for (ocid, number) in opened {
            let case = appended.get(number).map(|it| it.id);
            self.processes.entry(ocid).or_default().case = case;
        }
        Ok(())
    }

    /// The two drafts of a release: its notice, and its numbers.
    fn add(
        &self,
        drafts: &mut Vec<Draft>,
        accepted: &AcceptedRelease,
        case: Option<Reference>,
    ) -> Result<(), Refusal> {
        let notice = Reference::Draft(drafts.len());
        let release_json = accepted.notice_json.clone();
        drafts.push(draft(&Payload::Notice(Notice { release_json }), Vec::new())?);
        let release = accepted.release.clone();
        let region = self.peer.charter().region;
        let (action, references) = match case {
            None => (OpportunityAction::Publish(Publication { region, release }), vec![notice]),
            Some(case) => (OpportunityAction::Update(release), vec![case, notice]),
        };
        drafts.push(draft(&Payload::Opportunity(action), references)?);
        Ok(())
    }

    async fn is_held(&mut self, release: &Release) -> Result<bool, Refusal> {
        if !self.processes.contains_key(&release.ocid) {
            let process = load(&self.peer, &release.ocid).await?;
            self.processes.insert(release.ocid.clone(), process);
        }
        let process = self.processes.get(&release.ocid);
        Ok(process.is_some_and(|it| it.seen.contains(&key(release))))
    }

    fn remember(&mut self, release: &Release) {
        let process = self.processes.entry(release.ocid.clone()).or_default();
        process.seen.insert(key(release));
    }
}

/// Whether the fault is this node's and not the release's.
fn is_the_nodes(refusal: &Refusal) -> bool {
    ["store.unavailable", "node.stopping", "folder.unavailable"].contains(&refusal.reason())
}

fn key(release: &Release) -> (String, [u8; 32]) {
    let sha256 = release.source.as_ref().map(|it| it.sha256).unwrap_or_default();
    (release.release_id.clone(), sha256)
}

/// A process as the store holds it.
async fn load(peer: &Peer, ocid: &str) -> Result<Process, StoreError> {
    let Some(row) = peer.store().case_named(ocid).await? else { return Ok(Process::default()) };
    let mut seen = Seen::new();
    for record in peer.store().case_records(row.case_no).await? {
        seen.extend(record.record.payload().as_ref().and_then(Payload::release).map(key));
    }
    Ok(Process { case: Some(row.id), seen })
}
