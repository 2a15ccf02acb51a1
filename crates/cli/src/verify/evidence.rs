//! Evidence of a fork, as at `/log/ID/ERA/evidence`, with the identity of the log that it accuses.

use record::{
    LogName, Payload,
    fork::{VerifiedFork, verify_evidence},
    kind::Known,
};
use serde::Serialize;

use super::{
    identity::{self, Who},
    trust::Trust,
};
use crate::Failure;

/// A log that signed two heads which cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ForkReport {
    #[serde(flatten)]
    pub(super) who: Who,
    /// The era of the log.
    pub(super) era: u32,
    /// The heads, the smaller first.
    pub(super) heads: [ForkedHead; 2],
}

/// One of the two heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ForkedHead {
    /// How many records.
    pub(super) size: u64,
    /// The root over them, in base64.
    pub(super) root: String,
}

/// Whether these bytes are evidence: a community of 32 bytes comes first, where an identity has a longer record.
pub(super) fn is_evidence(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x0a, 0x20])
}

/// Whether these bytes prove, with the identity of this log, that it forked.
pub(super) fn proves(bytes: &[u8], bundle: Vec<u8>, log: LogName) -> bool {
    let trust = Trust { community: Some(log.community), ..Trust::default() };
    verify(bytes, Some(bundle), &trust).is_ok_and(|it| it.era == log.era)
}

/// Verifies evidence against the log of this identity.
pub(super) fn verify(
    bytes: &[u8],
    bundle: Option<Vec<u8>>,
    trust: &Trust,
) -> Result<ForkReport, Failure> {
    let evidence = match proto::payload::decode(Known::Evidence, bytes) {
        Ok(Payload::Evidence(evidence)) => evidence,
        Ok(_) | Err(_) => {
            let detail = "The evidence cannot be read: it is of another version, or cut short. It proves nothing.";
            return Err(Failure::does_not_hold("evidence.malformed", detail));
        }
    };
    let missing = "Evidence is verified with the identity of the log that it accuses. Fetch that from \
                   /log/ID/ERA/identity and give it with --identity.";
    let bundle = bundle.ok_or_else(|| Failure::does_not_hold("evidence.no_identity", missing))?;
    if let Some(expected) = trust.community.filter(|it| *it != evidence.community) {
        let detail = format!("The evidence is about {}, not {expected}.", evidence.community);
        return Err(Failure::does_not_hold("identity.other_community", detail));
    }
    let (verified, _) = identity::open(&bundle, Some(evidence.community))?;
    let identity = verified.identity;
    let VerifiedFork { log, heads, .. } =
        verify_evidence(identity.network(), &evidence, &identity, trust.policy.as_ref()).map_err(
            |error| {
                let detail = format!("The evidence does not hold: {error}. It accuses nobody.");
                Failure::does_not_hold(error.reason(), detail)
            },
        )?;
    let heads = heads.map(|it| ForkedHead { size: it.size, root: it.root.to_base64() });
    Ok(ForkReport { who: identity::who(&identity, trust), era: log.era, heads })
}
