//! Changes of keys and officers, while no node runs on the folder.
//!
//! ```text
//! next keys durable ─▶ signatures gathered ─▶ record in the log, its checkpoint by the new key: in force
//!                                                ─▶ identity bundle ─▶ keys.next.toml becomes keys.toml
//! ```
//!
//! The record and the checkpoint that ends with it are one transaction of the store. Before it the old keys are in force,
//! after it the new ones, and whoever opens the folder next does what is left ([`Own`]). A running process has its keys in
//! its connections and in its store; it is stopped rather than taught to change them under way.

use std::{path::PathBuf, sync::Arc};

use record::{
    commitment::Salt,
    identity::{Context, Identity, OfficerAction, SignatureError},
};
use runtime::clock::Clock;
use store::{Draft, Guard, OwnLog, Store, StoreConfig};

use crate::{
    folder::{DataFolder, FolderError, KeySeeds},
    machine::Machine,
    own::{Own, RECORDS_FOR_RECOVERIES, folder_has_room, identity_in, is_settled},
    peer::PeerError,
};

/// What has just been done. A process may be killed after any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Everything was checked, and nothing changed.
    Checked,
    /// The record is in the log, and its checkpoint is signed.
    Written,
    /// The identity bundle has the record, and the keys are in their place.
    Settled,
}

/// Why an action is not put in force. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The folder or its log.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The identity has changed since the action was made.
    #[error(
        "The community's keys or officers have changed since this action was made, so that its signatures are no longer \
         good. Nothing was changed. Make it anew and let the officers sign that."
    )]
    Outdated,
    /// Too few officers signed, or a signature does not verify.
    #[error("{0}. Nothing was changed.")]
    Signatures(#[from] SignatureError),
    /// The new keys are not in the folder.
    #[error(
        "The new keys that the officers signed for are not in this folder. Nothing was changed. Begin again with \
         `keys rotate`."
    )]
    NoKeys,
    /// The identity bundle would soon be too large to be read.
    #[error(
        "This community's keys and officers have changed as often as its identity has room for; what is left is kept for \
         recoveries. Nothing was changed."
    )]
    TooMany,
    /// A recovery is made in a folder of its own.
    #[error("A recovery is put in force by `recover`, in a new folder. Nothing was changed.")]
    IsRecovery,
    /// Peers have not shown that they hold no more of the log.
    #[error(
        "{} may have come from a backup: no node has run on it until others had shown that they hold no more of its log. \
         To sign now could give the community two histories. Nothing was changed. Run the node on it until \
         `folkmoot-node doctor` says that the log is settled, stop it, and try again.", .path.display()
    )]
    Unsettled {
        /// The folder.
        path: PathBuf,
    },
    /// The test that asked for it has its stop.
    #[error("Stopped as asked after {0:?}.")]
    Stopped(Step),
}

impl From<FolderError> for ApplyError {
    fn from(error: FolderError) -> Self {
        Self::Peer(error.into())
    }
}

impl From<store::StoreError> for ApplyError {
    fn from(error: store::StoreError) -> Self {
        Self::Peer(error.into())
    }
}

impl ApplyError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Peer(_) => "keys.folder",
            Self::Outdated => "identity.wrong_previous",
            Self::Signatures(error) => error.reason(),
            Self::NoKeys => "keys.not_here",
            Self::TooMany => "identity.bundle_too_many_records",
            Self::IsRecovery => "keys.is_recovery",
            Self::Unsettled { .. } => "keys.not_settled",
            Self::Stopped(_) => "keys.stopped",
        }
    }
}

/// How an action came into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// By this call.
    Now,
    /// Before: a repeat changes nothing.
    Already,
}

/// The identity of the community in a folder, whose log is begun if it is not. The caller holds the folder.
///
/// # Errors
///
/// [`PeerError`] if nothing is founded here or the log is damaged.
pub async fn identity(
    folder: &DataFolder,
    clock: Arc<dyn Clock>,
) -> Result<(Identity, KeySeeds), PeerError> {
    identity_on(folder, &Machine::with_clock(clock)).await
}

/// As [`identity`], on a machine that may be simulated.
///
/// # Errors
///
/// As [`identity`].
pub async fn identity_on(
    folder: &DataFolder,
    machine: &Machine,
) -> Result<(Identity, KeySeeds), PeerError> {
    let own = Own::of(folder).await?;
    let store = open(folder, &own, &own.seeds, machine).await?;
    own.begin(folder, &store, &*machine.randomness).await?;
    let identity = identity_in(&store, &own.network, own.log.community).await?;
    store.close().await?;
    Ok((identity, own.seeds))
}

/// Puts a rotation or a change of officers in force. The caller holds the folder.
///
/// # Errors
///
/// [`ApplyError`]; nothing was then changed.
pub async fn apply(
    folder: &DataFolder,
    clock: Arc<dyn Clock>,
    action: &OfficerAction,
    go_on: impl FnMut(Step) -> bool,
) -> Result<Applied, ApplyError> {
    apply_on(folder, &Machine::with_clock(clock), action, go_on).await
}

/// As [`apply`], on a machine that may be simulated.
///
/// # Errors
///
/// As [`apply`].
pub async fn apply_on(
    folder: &DataFolder,
    machine: &Machine,
    action: &OfficerAction,
    mut go_on: impl FnMut(Step) -> bool,
) -> Result<Applied, ApplyError> {
    let mut after = |step| if go_on(step) { Ok(()) } else { Err(ApplyError::Stopped(step)) };
    let (identity, present) = identity_on(folder, machine).await?;
    if is_in_force(&identity, action) {
        return Ok(Applied::Already);
    }
    check_settled(folder).await?;
    check(&identity, action)?;
    // One for this, and the others for what cannot wait.
    if !folder_has_room(folder, 1 + RECORDS_FOR_RECOVERIES).await? {
        return Err(ApplyError::TooMany);
    }
    let seeds = match action {
        OfficerAction::Rotation(rotation) => {
            let next = folder.next_seeds()?.ok_or(ApplyError::NoKeys)?;
            let is_signed_for = next.public().is_ok_and(|it| it == rotation.keys);
            if is_signed_for { next } else { return Err(ApplyError::NoKeys) }
        }
        OfficerAction::OfficerChange(_) => present,
        OfficerAction::Recovery(_) => return Err(ApplyError::IsRecovery),
    };
    after(Step::Checked)?;
    let own = Own::of(folder).await?;
    let store = open(folder, &own, &seeds, machine).await?;
    let draft = Draft {
        kind: action.kind().into(),
        payload: action.encode(),
        salt: Salt(*machine.randomness.seed()?),
        references: Vec::new(),
    };
    store.append(vec![draft], Guard::None).await?;
    let stopped = after(Step::Written);
    store.close().await?;
    stopped?;
    identity_on(folder, machine).await?;
    after(Step::Settled)?;
    Ok(Applied::Now)
}

/// Whether the log of a folder may be signed while no process runs on it. The caller holds the folder.
///
/// # Errors
///
/// [`ApplyError::Unsettled`] if it may have come from a backup.
pub async fn check_settled(folder: &DataFolder) -> Result<(), ApplyError> {
    if is_settled(folder).await? {
        return Ok(());
    }
    Err(ApplyError::Unsettled { path: folder.path().to_owned() })
}

/// Whether the identity is already what the action makes of it.
fn is_in_force(identity: &Identity, action: &OfficerAction) -> bool {
    match action {
        OfficerAction::Rotation(it) => *identity.keys() == it.keys,
        OfficerAction::OfficerChange(it) => *identity.officers() == it.officers,
        OfficerAction::Recovery(_) => false,
    }
}

/// Whether an action follows an identity and enough of its officers signed it.
///
/// # Errors
///
/// [`ApplyError`].
pub fn check(identity: &Identity, action: &OfficerAction) -> Result<(), ApplyError> {
    if action.previous() != identity.last_identity() {
        return Err(ApplyError::Outdated);
    }
    let context = Context { network: identity.network(), community: identity.community() };
    Ok(action.verify(&context, identity.officers())?)
}

/// Opens the store so that it signs with the log key of these.
async fn open(
    folder: &DataFolder,
    own: &Own,
    seeds: &KeySeeds,
    machine: &Machine,
) -> Result<Store, PeerError> {
    let own_log = OwnLog { name: own.log, log_key: seeds.keys().log, mirror: None, witness: None };
    let clock = Arc::clone(&machine.clock);
    let config = StoreConfig::of_no_region(own.network.clone(), own_log, clock);
    let config = StoreConfig { waits: machine.waits, ..config };
    Ok(Store::open(&folder.log_file(), config).await?)
}

#[cfg(test)]
mod tests;
