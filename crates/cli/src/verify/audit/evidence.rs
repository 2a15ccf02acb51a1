//! Evidence in files, so that anybody can check it without asking the coordinator again.
//!
//! | file | what |
//! |---|---|
//! | `findings.json` | what `--json` prints |
//! | `record-<N>.tlog-proof` | a record of the coordinator's log that made a promise: `folkmoot verify` reads it |
//! | `ack-<n>.checkpoint` | an acknowledgement that made one |
//! | `<community>-<era>.checkpoint` | the head of the log that is served in its place |
//! | `coordinator.checkpoint` | the coordinator's own head |

use std::{collections::BTreeMap, fs, path::Path};

use record::{LogName, VerifiedRecord, identity::MAX_BUNDLE_BYTES, proof_extra::RecordProofExtra};
use runtime::exit::Exit;
use tlog::{Hash, TlogProof, inclusion_proof, note::MAX_NOTE_BYTES, prove::leaf_lookup};

use super::super::{log, source, trust::Trust};
use super::{Audit, Auditor, records_of, served_checkpoint, shown};
use crate::{Console, Failure};

/// Refuses a folder that holds something.
pub(super) fn must_be_empty(out: &Path) -> Result<(), Failure> {
    let is_empty = fs::read_dir(out).map(|mut it| it.next().is_none()).unwrap_or(true);
    if is_empty {
        return Ok(());
    }
    let detail = format!("{} is not empty. Nothing was audited; choose a new folder.", shown(out));
    Err(Failure::new(Exit::Usage, "out.not_empty", detail))
}

/// Writes everything that the findings rest on.
pub(super) async fn write(
    out: &Path,
    audit: &Audit,
    auditor: &Auditor,
    console: &Console,
) -> Result<(), Failure> {
    put(out, "findings.json", &serde_json::to_vec_pretty(audit).unwrap_or_default())?;
    put(out, "coordinator.checkpoint", auditor.note.render().as_bytes())?;
    for (index, proof) in proofs(audit, auditor, console).await? {
        put(out, &format!("record-{index}.tlog-proof"), proof.as_bytes())?;
    }
    let findings = || audit.missing.iter().chain(&audit.contradictions);
    for (number, path) in (1..).zip(findings().filter_map(|it| it.ack.as_ref())) {
        let bytes = source::read_file(path, MAX_NOTE_BYTES)?;
        put(out, &format!("ack-{number}.checkpoint"), &bytes)?;
    }
    for name in findings().filter_map(|it| it.log.as_ref()) {
        let log = name.split_once('/').and_then(|(community, era)| {
            Some(LogName { community: community.parse().ok()?, era: era.parse().ok()? })
        });
        let Some(log) = log else { continue };
        if let Some(note) = served_checkpoint(&auditor.source.sibling(log)).await {
            put(out, &format!("{}-{}.checkpoint", log.community, log.era), &note)?;
        }
    }
    console.remark(&format!("The evidence is in {}.", shown(out)));
    Ok(())
}

/// Proofs of the records that made promises, each with the record and the coordinator's identity. The log is read once
/// more: few records of a long log are needed, and none was kept.
async fn proofs(
    audit: &Audit,
    auditor: &Auditor,
    console: &Console,
) -> Result<BTreeMap<u64, String>, Failure> {
    let wanted = records_of(audit);
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let identity = auditor.source.page("identity", MAX_BUNDLE_BYTES).await?;
    let (mut leaves, mut found): (Vec<Hash>, BTreeMap<u64, VerifiedRecord>) = Default::default();
    let mut visit = |record: &VerifiedRecord| {
        leaves.push(record.id().leaf());
        if wanted.contains_key(&record.header().index) {
            found.insert(record.header().index, record.clone());
        }
    };
    let visited = log::Wanted { visit: Some(&mut visit) };
    let read =
        log::read(&auditor.source, Some(auditor.name), &Trust::default(), visited, console).await?;
    let mut proofs = BTreeMap::new();
    for (index, record) in found {
        let hashes = inclusion_proof(index, read.size, &leaf_lookup(&leaves));
        let (_, header, content) = record.into_parts();
        let extra = RecordProofExtra { header, content, identity: identity.clone() };
        let proof = hashes.ok().and_then(|hashes| {
            let proof = TlogProof::new(index, hashes, read.note.clone()).ok()?;
            proof.with_extra(extra.encode_to_fit()).ok()
        });
        proofs.extend(proof.map(|it| (index, it.render())));
    }
    Ok(proofs)
}

fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = out.join(name);
    let written = fs::create_dir_all(out).and_then(|()| fs::write(&path, bytes));
    written.map_err(|error| {
        let detail = format!("{} could not be written: {error}.", shown(&path));
        Failure::new(Exit::Failed, "out.failed", detail)
    })
}
