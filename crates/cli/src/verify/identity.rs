//! An identity bundle: who a community is, by whose signatures.

use data_encoding::HEXLOWER;
use record::{
    CommunityId, Header, Network,
    identity::{Identity, IdentityBundle, VerifiedIdentity, verifier_key},
};
use serde::Serialize;
use tlog::{Checkpoint, Note, VerifierKey};

use super::trust::{Head, Trust};
use crate::Failure;

/// Who a community is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Who {
    /// Its id, for ever.
    pub(super) community: CommunityId,
    /// The name in its genesis.
    pub(super) name: Option<String>,
    /// The network.
    pub(super) network: Network,
    /// Whether the reader knew the id beforehand.
    pub(super) known_before: bool,
}

/// A verified identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct IdentityReport {
    #[serde(flatten)]
    pub(super) who: Who,
    /// How many officers it has.
    pub(super) officers: usize,
    /// How many of them act together.
    pub(super) threshold: u32,
    /// The era of its log.
    pub(super) era: u32,
    /// Every epoch of its keys, oldest first.
    pub(super) epochs: Vec<EpochReport>,
    /// The key of its connections, in hexadecimal.
    pub(super) transport_key: String,
    /// The key that signs its checkpoints.
    pub(super) log_vkey: String,
    /// The checkpoint that holds its records.
    pub(super) checkpoint: Head,
}

/// From when a log key was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EpochReport {
    /// The era.
    pub(super) era: u32,
    /// The record that began it.
    pub(super) from_index: u64,
    /// The log key, as a C2SP verifier key.
    pub(super) log_vkey: String,
}

/// Verifies an encoded bundle.
pub(super) fn verify(bytes: &[u8], trust: &Trust) -> Result<(IdentityReport, Identity), Failure> {
    let (verified, note) = open(bytes, trust.community)?;
    let VerifiedIdentity { identity, checkpoint, .. } = verified;
    let key = log_key(&identity, identity.era(), checkpoint.checkpoint().size);
    let (_, head) = trust.judge(note, &key)?;
    Ok((report(&identity, key.render(), head, trust), identity))
}

/// Verifies an encoded bundle by itself, for whoever judges another checkpoint. Gives its own checkpoint with it.
pub(super) fn open(
    bytes: &[u8],
    community: Option<CommunityId>,
) -> Result<(VerifiedIdentity, Note), Failure> {
    let refused = |error: record::identity::BundleError| {
        Failure::does_not_hold(error.reason(), format!("The identity does not hold: {error}."))
    };
    let bundle = IdentityBundle::decode(bytes).map_err(|error| {
        let detail =
            format!("This is neither a proof (.tlog-proof) nor an identity bundle: {error}. It proves nothing. Check that \
             it is the file that you mean, or that the address is that of a Folkmoot server.");
        Failure::does_not_hold(error.reason(), detail)
    })?;
    let genesis = bundle.records.first().map(|it| Header::decode(&it.header));
    let Some(Ok(Header { network, .. })) = genesis else {
        let detail = "The identity does not hold: it has no genesis.";
        return Err(Failure::does_not_hold("identity.bundle_malformed", detail));
    };
    let verified = bundle.verify(community, &network, None).map_err(refused)?;
    let note = verified.checkpoint.note().clone();
    Ok((verified, note))
}

/// The key that must have signed a checkpoint of this size.
pub(super) fn log_key(identity: &Identity, era: u32, size: u64) -> VerifierKey {
    let key = identity.log_key_for(era, size).unwrap_or(identity.keys().log());
    verifier_key(identity.network(), &identity.community(), era, key)
}

/// The key that must have signed this head: the one in force at its size or, of exactly what a recovery keeps of an era,
/// the first key of the next era as well.
pub(super) fn head_key(identity: &Identity, era: u32, note: &Note) -> VerifierKey {
    let stated = Checkpoint::parse_text(note.text()).ok();
    let in_force = log_key(identity, era, stated.as_ref().map_or(0, |it| it.size));
    let kept = identity.kept(era).map(|it| (it.size, it.root));
    let is_kept = kept.is_some() && stated.map(|it| (it.size, it.root)) == kept;
    match identity.kept_key(era) {
        Some(key) if is_kept && !note.signatures().iter().any(|line| line.is_by(&in_force)) => {
            verifier_key(identity.network(), &identity.community(), era, key)
        }
        Some(_) | None => in_force,
    }
}

/// Who an identity is of.
pub(super) fn who(identity: &Identity, trust: &Trust) -> Who {
    Who {
        community: identity.community(),
        name: Some(identity.name().as_str().to_owned()),
        network: identity.network().clone(),
        known_before: trust.community.is_some(),
    }
}

fn report(
    identity: &Identity,
    log_vkey: String,
    checkpoint: Head,
    trust: &Trust,
) -> IdentityReport {
    let (network, community) = (identity.network(), identity.community());
    let epochs = identity.epochs().iter().map(|epoch| EpochReport {
        era: epoch.era,
        from_index: epoch.from_index,
        log_vkey: verifier_key(network, &community, epoch.era, epoch.keys.log()).render(),
    });
    IdentityReport {
        who: who(identity, trust),
        officers: identity.officers().list().len(),
        threshold: identity.officers().threshold(),
        era: identity.era(),
        epochs: epochs.collect(),
        transport_key: HEXLOWER.encode(identity.keys().transport().as_bytes()),
        log_vkey,
        checkpoint,
    }
}
