//! Acknowledgements that a node kept: checkpoints with the coordinator's mirror cosignature.

use std::path::{Path, PathBuf};

use record::{
    LogName, UnixMillis,
    identity::{Identity, mirror_verifier_key},
};
use tlog::{Checkpoint, Hash, Note, VerifierKey, note::MAX_NOTE_BYTES, verify_cosignature};

use super::super::source;
use crate::Failure;

/// A head that the coordinator said it holds durably, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) log: LogName,
    pub(super) size: u64,
    pub(super) root: Hash,
    /// The end of the second in which it was cosigned.
    pub(super) at: UnixMillis,
    pub(super) path: PathBuf,
}

/// Those of one coordinator.
#[derive(Debug, Default)]
pub(super) struct Acks(Vec<Ack>);

impl Acks {
    /// Reads files, and every file in folders. What others acknowledged is passed over.
    pub(super) fn read(paths: &[PathBuf], coordinator: &Identity) -> Result<Self, Failure> {
        let (network, community) = (coordinator.network(), coordinator.community());
        let keys: Vec<VerifierKey> = coordinator
            .epochs()
            .iter()
            .map(|it| mirror_verifier_key(network, &community, it.keys.mirror()))
            .collect();
        let mut acks = Vec::new();
        for path in files(paths)? {
            let bytes = source::read_file(&path, MAX_NOTE_BYTES)?;
            acks.extend(ack_in(&bytes, coordinator, &keys, &path));
        }
        Ok(Self(acks))
    }

    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ack> {
        self.0.iter()
    }
}

/// The acknowledgement in a file, if its cosignature is the coordinator's and verifies.
fn ack_in(bytes: &[u8], coordinator: &Identity, keys: &[VerifierKey], path: &Path) -> Option<Ack> {
    let note = Note::parse(bytes).ok()?;
    let checkpoint = Checkpoint::parse_text(note.text()).ok()?;
    let at_secs = keys.iter().find_map(|key| {
        let line = note.signatures().iter().find(|it| it.is_by(key))?;
        verify_cosignature(note.text(), line, key).ok()
    })?;
    let place = checkpoint.origin.as_str().strip_prefix(coordinator.network().as_str())?;
    let (community, era) = place.strip_prefix("/log/")?.split_once('/')?;
    let log = LogName { community: community.parse().ok()?, era: era.parse().ok()? };
    let at = UnixMillis(at_secs.saturating_mul(1_000).saturating_add(999));
    let Checkpoint { size, root, .. } = checkpoint;
    Some(Ack { log, size, root, at, path: path.to_owned() })
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let unreadable = |error: std::io::Error| {
            let detail =
                format!("Could not read {}: {error}. Nothing was audited.", path.display());
            Failure::new(runtime::exit::Exit::Failed, "file.unreadable", detail)
        };
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(unreadable)? {
            inside.push(entry.map_err(unreadable)?.path());
        }
        inside.sort();
        found.extend(files(&inside)?);
    }
    Ok(found)
}
