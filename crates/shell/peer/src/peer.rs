//! One process as others see it: its keys, its own log, and the logs that it holds.

mod opening;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use record::{
    CommunityId, LogName, Network,
    region::{CertifiedEpoch, EpochHash},
};
use replica::{Admission, ExchangeConfig, HeldLog, LogIdentity, PendingHead, Verified};
use runtime::{clock::Clock, stop::StopSignal};
use store::{LogRow, OwnLog, Store, StoreConfig, StoreError};
use tlog::Note;
use tokio::sync::{broadcast, watch};

use self::opening::{check_charter, check_network};
use crate::{
    branches::Branches,
    charter::CharterFile,
    folder::{DataFolder, FolderError, Keys},
    growth::{self, Growth},
    heads::OpenedHeads,
    links::Links,
    machine::Machine,
    orders::Orders,
    own::Own,
    pages::KeptPage,
    quotas::Quotas,
    settling::Settling,
};

pub use opening::check_seat;
pub(crate) use opening::store_config;

/// Why a process cannot take up its place.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log held here cannot be read.
    #[error(
        "The log {log} in the data folder is damaged: {what}. Stop the node, move the file log.sqlite away, and fetch it back: `folkmoot-node restore`."
    )]
    Damaged {
        /// Which log.
        log: LogName,
        /// What is wrong.
        what: String,
    },
    /// The charter does not name the community of this folder.
    #[error(
        "The charter of {region} does not name {community}, which is the community in this data folder. If the region admitted it later, take the region's certificate with `join` first."
    )]
    NotInCharter {
        /// The region's name.
        region: String,
        /// The community in the folder.
        community: CommunityId,
    },
    /// The folder holds the log of another community.
    #[error("The charter is of the network {charter}, and this community was founded in another.")]
    OtherNetwork {
        /// The network of the charter.
        charter: Network,
    },
}

/// Whether a process only writes its own log, or mirrors, cosigns and files receipts as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A community's node.
    Node,
    /// A region's coordinator.
    Coordinator,
}

/// The filings behind every epoch, proved, with the hash of the newest.
pub(crate) type Certified = Mutex<Option<(EpochHash, Arc<Vec<CertifiedEpoch>>)>>;

/// One process as others see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    keys: Keys,
    charter: CharterFile,
    community: CommunityId,
    store: Store,
    machine: Machine,
    role: Role,
    links: Links,
    settling: Settling,
    quotas: Quotas,
    /// What the operators of a coordinator decided about logs.
    orders: watch::Sender<Arc<Orders>>,
    /// The filings behind every epoch, proved, with the hash of the newest.
    certified: Certified,
    region_page: KeptPage,
    identities: Mutex<BTreeMap<LogName, Arc<LogIdentity>>>,
    heads: OpenedHeads,
    /// Whose turn it is to be asked for another branch of a forked log.
    pub(crate) branches: Arc<Branches>,
    verified: Arc<Verified>,
    /// Told when every stream is to end.
    ending: StopSignal,
    /// Logs of which evidence is being filed.
    pub(crate) accused: Mutex<BTreeSet<LogName>>,
    grown: broadcast::Sender<Arc<Growth>>,
}

/// Growths of logs that a stream may fall behind before it must read all heads anew.
const MAX_UNHEARD_GROWTHS: usize = 256;

impl Peer {
    /// Opens the store of a data folder and, the first time, writes the genesis as record 0.
    ///
    /// # Errors
    ///
    /// [`PeerError`] says what is wrong and what to do.
    pub async fn open(
        folder: &DataFolder,
        charter: CharterFile,
        role: Role,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PeerError> {
        Self::open_on(folder, charter, role, Machine::with_clock(clock)).await
    }

    /// As [`Peer::open`], on a machine that may be simulated.
    ///
    /// # Errors
    ///
    /// As [`Peer::open`].
    pub async fn open_on(
        folder: &DataFolder,
        charter: CharterFile,
        role: Role,
        machine: Machine,
    ) -> Result<Self, PeerError> {
        let community = folder.community()?;
        check_network(&folder.genesis()?, &charter)?;
        check_charter(&charter, community, role)?;
        let own = Own::of(folder).await?;
        let keys = own.seeds.keys();
        let config = store_config(&charter, own.log, &keys, role, Arc::clone(&machine.clock));
        // A log that begins now is in no backup, and nobody holds any of it.
        let config = StoreConfig { is_settled: own.is_fresh, waits: machine.waits, ..config };
        folder.note_unsettled()?;
        let store = Store::open(&folder.log_file(), config).await?;
        own.begin(folder, &store, &*machine.randomness).await?;
        let (grown, _) = broadcast::channel(MAX_UNHEARD_GROWTHS);
        let peer = Self {
            shared: Arc::new(Shared {
                keys,
                charter,
                community,
                store,
                machine,
                role,
                links: Links::default(),
                settling: Settling::default(),
                quotas: Quotas::default(),
                orders: watch::Sender::default(),
                certified: Mutex::default(),
                region_page: KeptPage::default(),
                identities: Mutex::default(),
                heads: OpenedHeads::default(),
                branches: Arc::default(),
                verified: Arc::default(),
                ending: StopSignal::new(),
                accused: Mutex::default(),
                grown,
            }),
        };
        if !peer.store().is_settled() {
            tokio::spawn(peer.clone().settle_or_say(folder.clone()));
        }
        // So that a Hello by a retired key is known for what it is from the first one on.
        peer.held_logs().await?;
        Ok(peer)
    }

    /// Who this process speaks for.
    #[must_use]
    pub fn community(&self) -> CommunityId {
        self.shared.community
    }

    /// The log that this process writes.
    #[must_use]
    pub fn own_log(&self) -> LogName {
        self.store().config().own.name
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        self.shared.charter.network()
    }

    /// The charter of the region.
    #[must_use]
    pub fn charter(&self) -> &CharterFile {
        &self.shared.charter
    }

    /// The secret keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The one source of time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared.machine.clock
    }

    /// What this process takes from its machine.
    pub(crate) fn machine(&self) -> &Machine {
        &self.shared.machine
    }

    /// How the streams to others are.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.shared.links
    }

    /// Who has to wait, at a coordinator.
    pub(crate) fn quotas(&self) -> &Quotas {
        &self.shared.quotas
    }

    pub(crate) fn orders(&self) -> &watch::Sender<Arc<Orders>> {
        &self.shared.orders
    }

    /// Who has shown what they hold of our own log.
    #[must_use]
    pub fn settling(&self) -> &Settling {
        &self.shared.settling
    }

    /// Ends every replication stream, so that a stop need not wait for them.
    pub fn end_streams(&self) {
        self.shared.ending.stop();
    }

    /// Completes when streams are to end.
    pub(crate) fn streams_ending(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.ending.stopped()
    }

    /// What a replication stream is opened with.
    #[must_use]
    pub fn exchange_config(&self) -> ExchangeConfig {
        ExchangeConfig {
            network: self.network().clone(),
            admitted: Admission::Only(Arc::new(self.admitted())),
            own: Some(self.own_log()),
            quorum: None,
            verified: self.shared.verified.clone(),
        }
    }

    /// What was verified lately.
    pub(crate) fn verified(&self) -> &Verified {
        &self.shared.verified
    }

    /// The filings behind every epoch, proved, with the hash of the newest; kept because their proofs never change.
    pub(crate) fn certified(&self) -> &Certified {
        &self.shared.certified
    }

    /// The page of the region, as it was last made.
    pub(crate) fn region_page(&self) -> &KeptPage {
        &self.shared.region_page
    }

    /// Whether this is a node or a coordinator.
    #[must_use]
    pub fn role(&self) -> Role {
        self.shared.role
    }

    /// Tells of every log that grew, ready for a stream to offer.
    #[must_use]
    pub fn grown(&self) -> broadcast::Receiver<Arc<Growth>> {
        self.shared.grown.subscribe()
    }

    /// Every log held, ready for a stream to offer. A damaged one is left out, and said so: the others still travel.
    ///
    /// # Errors
    ///
    /// [`PeerError::Store`] if the disk fails.
    pub async fn held_logs(&self) -> Result<Vec<HeldLog>, PeerError> {
        Ok(self.all_held(&self.store().logs().await?))
    }

    fn all_held(&self, rows: &[LogRow]) -> Vec<HeldLog> {
        let known = rows.iter().filter(|row| row.identity.is_some());
        let told = |error: &PeerError| tracing::error!(%error, "a log is left out of every stream");
        known.filter_map(|row| self.held(row).inspect_err(told).ok()).collect()
    }

    /// A log with its identity and heads verified.
    fn held(&self, row: &LogRow) -> Result<HeldLog, PeerError> {
        let log = row.name;
        let damaged = |error: replica::Fault| PeerError::Damaged { log, what: error.to_string() };
        let identity = self.identity(row)?;
        let open =
            |note: &[u8]| self.shared.heads.open(self, log, &identity, note).map_err(damaged);
        let note = row.checkpoint.as_ref().map(|(_, note)| note.as_slice());
        Ok(HeldLog {
            log,
            // Records of ours that wait to be signed are nobody's yet.
            frontier: row.signed_frontier.as_ref().unwrap_or(&row.frontier).clone(),
            head: note.map(open).transpose()?,
            pending: row
                .pending
                .as_ref()
                .map(|it| {
                    let proof = it.proof.clone();
                    open(&it.checkpoint).map(|head| PendingHead { head, proof })
                })
                .transpose()?,
            cosignatures: note.map(|it| self.own_lines(it)).unwrap_or_default(),
            identity,
        })
    }

    /// Our own cosignature lines on a note.
    fn own_lines(&self, note: &[u8]) -> Vec<String> {
        let Ok(note) = Note::parse(note) else { return Vec::new() };
        let OwnLog { mirror, witness, .. } = &self.store().config().own;
        let is_ours = |line: &&tlog::NoteSignature| {
            mirror.iter().chain(witness).any(|it| it.has_signed(line))
        };
        let ours = note.signatures().iter().filter(is_ours);
        ours.map(tlog::NoteSignature::render_line).collect()
    }

    /// The verified identity of a log, verified once for each bundle.
    pub(crate) fn identity(&self, row: &LogRow) -> Result<Arc<LogIdentity>, PeerError> {
        let damaged = |what: String| PeerError::Damaged { log: row.name, what };
        let bundle = row.identity.as_deref().ok_or_else(|| damaged("no identity".to_owned()))?;
        // A panic while this is held cannot leave the map half-changed.
        let mut known = self.shared.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identity) = known.get(&row.name).filter(|it| **it.bundle() == *bundle) {
            return Ok(Arc::clone(identity));
        }
        let verified = self.verified().identity(self.network(), row.name.community, &bundle.into());
        let verified = verified.map_err(|error| damaged(error.to_string()))?;
        known.insert(row.name, Arc::clone(&verified));
        Ok(verified)
    }

    /// The verified identity of a community, as its newest era that is held here has it.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails or the log is damaged.
    pub async fn identity_of(
        &self,
        community: CommunityId,
    ) -> Result<Option<Arc<LogIdentity>>, PeerError> {
        let row = self.store().newest_log(community).await?;
        row.map(|it| self.identity(&it)).transpose()
    }

    /// The newest identity of a community that has been verified since the start.
    pub(crate) fn known_identity(&self, community: CommunityId) -> Option<Arc<LogIdentity>> {
        let known = self.shared.identities.lock().unwrap_or_else(PoisonError::into_inner);
        let of_era = |era| LogName { community, era };
        let eras = known.range(of_era(0)..=of_era(u32::MAX)).map(|(_, identity)| identity);
        eras.reduce(|one, other| if one.extends(other) { one } else { other }).cloned()
    }

    /// Passes every commit on to the streams, each head verified once for all of them. Runs until the store closes.
    ///
    /// # Errors
    ///
    /// [`PeerError::Store`] if the disk cannot be read.
    pub async fn spread_growth(self) -> Result<(), PeerError> {
        let mut commits = self.store().commits();
        loop {
            let growth = match commits.recv().await {
                Ok(commit) => Growth {
                    logs: self.all_held(&commit.heads),
                    added: growth::batch_of(self.own_log(), &commit.added),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    Growth { logs: self.held_logs().await?, added: None }
                }
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            };
            // Nobody listening is no fault.
            let _ = self.shared.grown.send(Arc::new(growth));
        }
    }

    /// Lets the clock change the register whenever something is due. Runs until the store closes. A fault of the disk,
    /// a full one above all, is tried again within the minute.
    ///
    /// # Errors
    ///
    /// [`PeerError::Store`] if the disk cannot be read.
    pub async fn keep_time(self) -> Result<(), PeerError> {
        let mut commits = self.store().commits();
        let mut due = self.store().next_deadline().await?;
        loop {
            let now = self.clock().now_millis();
            let wait = due.map(|at| std::time::Duration::from_millis(at.0.saturating_sub(now)));
            if wait.is_some_and(|it| it.is_zero()) {
                due = match self.store().tick().await {
                    Ok(()) => self.store().next_deadline().await?.filter(|next| Some(*next) != due),
                    Err(StoreError::Closing) => return Ok(()),
                    // The store has told of it.
                    Err(_fault) => None,
                };
                continue;
            }
            // A clock that is set forward is noticed within the minute.
            let wait = wait.unwrap_or(ONE_MINUTE).min(ONE_MINUTE);
            tokio::select! {
                biased;
                () = tokio::time::sleep(wait) => {
                    due = self.store().next_deadline().await?;
                }
                commit = commits.recv() => match commit {
                    Ok(commit) => due = commit.next_deadline,
                    Err(broadcast::error::RecvError::Lagged(_)) => due = self.store().next_deadline().await?,
                    Err(broadcast::error::RecvError::Closed) => return Ok(()),
                },
            }
        }
    }
}

/// How long a wait may be before the clock is looked at again.
const ONE_MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
