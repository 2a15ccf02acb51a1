//! Whom the reader trusts beforehand, and what a checkpoint is worth to that reader.

use record::{CommunityId, identity::Witnessed};
use serde::Serialize;
use tlog::{Checkpoint, Note, Policy, VerifierKey, checkpoint::open_note, note::VerifiedSignature};

use crate::Failure;

/// What the reader knew before. All of it may be unknown.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// The community that it must be of.
    pub(super) community: Option<CommunityId>,
    /// The key that the log must have.
    pub(super) key: Option<VerifierKey>,
    /// Which witnesses must have cosigned.
    pub(super) policy: Option<Policy>,
}

/// A checkpoint whose log's signature holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Head {
    /// Which log.
    pub(super) origin: String,
    /// How many records.
    pub(super) size: u64,
    /// The root over them, in base64.
    pub(super) root: String,
    /// `under_policy` or `signed_only`.
    pub(super) witnessed: &'static str,
    /// Whoever else signed it.
    pub(super) cosigners: Vec<Cosigner>,
}

/// A line of a checkpoint that is not the log's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Cosigner {
    /// The name that it bears.
    pub(super) name: String,
    /// Whether the policy gave its key, and the line verifies.
    pub(super) checked: bool,
    /// When it was made, in seconds since 1970; only where it was checked.
    pub(super) at_secs: Option<u64>,
}

impl Trust {
    /// Verifies a checkpoint under a log's key and whatever was known beforehand.
    pub(super) fn judge(
        &self,
        note: Note,
        log_key: &VerifierKey,
    ) -> Result<(Checkpoint, Head), Failure> {
        self.check_key(log_key)?;
        let policy = self.policy.as_ref();
        if let Some(policy) = policy
            && !policy.logs().is_empty()
            && !policy.logs().contains(log_key)
        {
            let detail = format!(
                "The policy lists logs, and {} with this key is none of them.",
                log_key.name()
            );
            return Err(Failure::does_not_hold("policy.unknown_log", detail));
        }
        let cosigners: Vec<_> =
            policy.iter().flat_map(|it| it.witnesses()).map(|(_, key)| key.clone()).collect();
        let lines = note.signatures().to_vec();
        let (signed, verified) = open_note(note, log_key, &cosigners).map_err(|error| {
            Failure::does_not_hold(
                "checkpoint.refused",
                format!("The checkpoint does not hold: {error}."),
            )
        })?;
        let witnessed = judge_quorum(policy, &verified)?;
        let others = lines.iter().filter(|line| !line.is_by(log_key));
        let cosigners = others.map(|line| {
            let checked = verified.iter().find(|it| line.is_by(&it.key));
            Cosigner {
                name: line.name().to_string(),
                checked: checked.is_some(),
                at_secs: checked.and_then(|it| it.cosigned_at_secs),
            }
        });
        let checkpoint = signed.checkpoint().clone();
        let head = Head {
            origin: checkpoint.origin.to_string(),
            size: checkpoint.size,
            root: checkpoint.root.to_base64(),
            witnessed,
            cosigners: cosigners.collect(),
        };
        Ok((checkpoint, head))
    }

    fn check_key(&self, log_key: &VerifierKey) -> Result<(), Failure> {
        match &self.key {
            Some(key) if key != log_key => {
                let detail = format!(
                    "The log has another key than the one given. Expected {}, found {}.",
                    key.render(),
                    log_key.render()
                );
                Err(Failure::does_not_hold("key.other", detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A policy that was given and is not satisfied is a failure; one that asks for nobody makes no witness of nobody.
fn judge_quorum(
    policy: Option<&Policy>,
    verified: &[VerifiedSignature],
) -> Result<&'static str, Failure> {
    let keys: Vec<_> = verified.iter().map(|it| it.key.clone()).collect();
    match policy {
        Some(policy) if !policy.is_satisfied(&keys) => {
            let names: Vec<_> = keys.iter().map(|it| it.name().as_str()).collect();
            let by = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let detail = format!(
                "The log signed this checkpoint, but it has not the cosignatures that the policy asks for. \
                 Of its witnesses have cosigned: {by}."
            );
            Err(Failure::does_not_hold("policy.no_quorum", detail))
        }
        Some(_) if !keys.is_empty() => Ok(witnessed_word(Witnessed::UnderPolicy)),
        Some(_) | None => Ok(witnessed_word(Witnessed::SignedOnly)),
    }
}

/// How a verdict is named for programs.
pub(super) const fn witnessed_word(witnessed: Witnessed) -> &'static str {
    match witnessed {
        Witnessed::UnderPolicy => "under_policy",
        Witnessed::SignedOnly => "signed_only",
    }
}
