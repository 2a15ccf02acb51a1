//! Recovery: from copies of a public log that others hold, and the officers' signatures, into a new era.
//!
//! ```text
//! sources ─▶ Survey: newest identity, how much of the log each holds ─▶ kept size (a person decides)
//!   prepare: the kept records into a new folder, next keys, the action to be signed
//!   finish:  record 0 of the new era, the kept head signed by the new key, genesis ─▶ a folder that runs
//! ```
//!
//! Nothing that a source says is believed: the community's id is the hash of its founding bytes, the identity rests on
//! these, the newest head on the identity, and every record on that head. What a source can do is to hold back.
//!
//! Both steps may be stopped anywhere and begun again; the founding bytes are written last, so that no node runs on half
//! of a recovery.

mod bring;
mod pages;
mod restore;
mod source;

use std::{collections::BTreeSet, sync::Arc};

use record::{
    CommunityId, LogName,
    commitment::Salt,
    identity::{EpochKeys, Identity, KeptTree, OfficerAction, Recovery, mirror_name},
    kind::Known,
};
use replica::{LogIdentity, SignedHead};
use runtime::clock::Clock;
use store::{Draft, Guard, Store};
use tlog::{Checkpoint, Hash, KeyName, Note, sign_checkpoint};

use self::bring::Ending;
use crate::{
    charter::CharterFile,
    folder::{DataFolder, FolderError, KeySeeds, fresh_seed},
    machine::Fresh,
    offline::{self, ApplyError},
    own::{self, Own, identity_in},
    peer::{PeerError, Role, store_config},
};

pub use restore::Restored;
pub use source::{Source, SourceError};

/// Why a recovery does not come about. What was fetched so far is kept for the next try.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The folder, the store or the log.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A source cannot be read, or does not hold.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The signatures are not good.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// None of the sources has the log.
    #[error(
        "None of the places holds the log of {community}. Nothing was changed. Name others with --from."
    )]
    NoSource {
        /// Whose log was looked for.
        community: CommunityId,
    },
    /// Too small a part would be kept.
    #[error(
        "{kept} records leave out the last change of keys or officers, which is number {last_index}. Nothing was changed. \
         Keep at least {}.", last_index + 1
    )]
    KeptTooLittle {
        /// What was to be kept.
        kept: u64,
        /// The index of the last identity record.
        last_index: u64,
    },
    /// Nobody holds so much.
    #[error("No place shows {kept} records; the most is {most}. Nothing was changed.")]
    KeptTooMuch {
        /// What was to be kept.
        kept: u64,
        /// The most that a source shows.
        most: u64,
    },
    /// Two sources show two different logs.
    #[error(
        "{one} and {other} show two different logs up to record {size}: the old key signed both. Nothing was changed. \
         Keep fewer records, up to where they agree, or name only the place that is right."
    )]
    Forked {
        /// A place.
        one: String,
        /// Another place.
        other: String,
        /// The size at which they were compared.
        size: u64,
    },
    /// The folder holds something else.
    #[error(
        "{folder} holds something else than this recovery. Nothing was changed. Choose a new folder."
    )]
    OtherFolder {
        /// The folder.
        folder: String,
    },
    /// The eras cannot be counted further.
    #[error("There is no era after the present one.")]
    NoEra,
}

impl From<FolderError> for RecoverError {
    fn from(error: FolderError) -> Self {
        Self::Peer(error.into())
    }
}

impl From<store::StoreError> for RecoverError {
    fn from(error: store::StoreError) -> Self {
        Self::Peer(error.into())
    }
}

impl RecoverError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Peer(_) => "recover.folder",
            Self::Source(error) => error.reason(),
            Self::Apply(error) => error.reason(),
            Self::NoSource { .. } => "recover.no_source",
            Self::KeptTooLittle { .. } => "identity.kept_too_little",
            Self::KeptTooMuch { .. } => "recover.kept_too_much",
            Self::Forked { .. } => "recover.forked",
            Self::OtherFolder { .. } => "recover.other_folder",
            Self::NoEra => "recover.no_era",
        }
    }
}

/// A place that holds the log, and how much of it.
#[derive(Debug)]
pub struct Holder {
    source: Source,
    /// Its newest head, which the community signed.
    head: SignedHead,
}

impl Holder {
    /// Where it is, for a person.
    #[must_use]
    pub fn place(&self) -> String {
        self.source.to_string()
    }

    /// How many records it holds.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.head.size()
    }
}

/// What the sources hold.
#[derive(Debug)]
pub struct Survey {
    known: LogIdentity,
    /// Those that hold the newest era, the largest first.
    pub holders: Vec<Holder>,
    /// Those that could not be read, with what they said.
    pub silent: Vec<(String, String)>,
}

impl Survey {
    /// Asks every source. Those that cannot be read are left out, and named.
    ///
    /// # Errors
    ///
    /// [`RecoverError::NoSource`] if none has the log.
    pub async fn of(
        community: CommunityId,
        network: &record::Network,
        sources: Vec<Source>,
    ) -> Result<Self, RecoverError> {
        let mut shown = Vec::new();
        let mut silent = Vec::new();
        for source in sources {
            match source.identity(community, network).await {
                Ok(identity) => shown.push((source, identity)),
                Err(error) => silent.push((source.to_string(), error.to_string())),
            }
        }
        let place = |it: &LogIdentity| (it.identity().era(), it.identity().last_index());
        let known = shown.iter().map(|(_, identity)| identity).max_by_key(|it| place(it));
        let known = known.ok_or(RecoverError::NoSource { community })?.clone();
        let log = LogName { community, era: known.identity().era() };
        let mut holders = Vec::new();
        for (source, _) in shown {
            match source.head(log, &known).await {
                Ok(head) => holders.push(Holder { source, head }),
                Err(error) => silent.push((source.to_string(), error.to_string())),
            }
        }
        if holders.is_empty() {
            return Err(RecoverError::NoSource { community });
        }
        holders.sort_by_key(|it| std::cmp::Reverse(it.size()));
        Ok(Self { known, holders, silent })
    }

    /// The newest identity that any of them shows.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        self.known.identity()
    }

    /// The largest size that at least so many places hold; the smallest of all if there are fewer.
    #[must_use]
    pub fn held_by(&self, n_holders: usize) -> u64 {
        let place = n_holders.clamp(1, self.holders.len().max(1)) - 1;
        self.holders.get(place).map_or(0, Holder::size)
    }

    /// The largest head of these with a line in the name of a mirror of the region: a coordinator acknowledged as much. The
    /// line is not verified: whoever forged one would make a person look twice, and nothing else.
    #[must_use]
    pub fn acknowledged(&self, charter: &CharterFile) -> u64 {
        let network = charter.network();
        let mirrors: BTreeSet<String> =
            charter.everybody().iter().map(|it| mirror_name(network, it)).collect();
        let is_acknowledged = |it: &&Holder| {
            let note = Note::parse(it.head.note());
            note.is_ok_and(|it| {
                it.signatures().iter().any(|it| mirrors.contains(it.name().as_str()))
            })
        };
        self.holders.iter().filter(is_acknowledged).map(Holder::size).max().unwrap_or(0)
    }
}

/// What a recovery is made with.
#[derive(Debug)]
pub struct Recoverer<'a> {
    /// The new folder.
    pub folder: &'a DataFolder,
    /// The charter of the region.
    pub charter: &'a CharterFile,
    /// The one source of time.
    pub clock: Arc<dyn Clock>,
}

impl Recoverer<'_> {
    /// Fetches what is kept into the folder, makes the keys of the new era, and answers what officers are to sign.
    ///
    /// # Errors
    ///
    /// [`RecoverError`].
    pub async fn prepare(&self, survey: &Survey, kept: u64) -> Result<Recovery, RecoverError> {
        let identity = survey.identity();
        let last_index = identity.last_index();
        if kept <= last_index {
            return Err(RecoverError::KeptTooLittle { kept, last_index });
        }
        if !own::has_room(survey.known.bundle(), 1) {
            return Err(ApplyError::TooMany.into());
        }
        let most = survey.held_by(1);
        if most < kept {
            return Err(RecoverError::KeptTooMuch { kept, most });
        }
        let seeds = self.next_seeds()?;
        let log = LogName { community: identity.community(), era: identity.era() };
        let root = bring::compare(&survey.holders, log, kept).await?;
        let store = self.open(log, &seeds).await?;
        let brought = bring::all_eras(&store, survey, (kept, root), Ending::AtKept).await;
        store.close().await?;
        brought?;
        Ok(unsigned(identity, kept, root, seeds.public().map_err(FolderError::from)?))
    }

    /// The keys of the new era: those of an earlier try, or fresh ones.
    fn next_seeds(&self) -> Result<KeySeeds, RecoverError> {
        self.folder.check_empty()?;
        if let Some(seeds) = self.folder.next_seeds()? {
            return Ok(seeds);
        }
        let seeds = KeySeeds::fresh()?;
        self.folder.keep_next(&seeds)?;
        Ok(seeds)
    }

    /// The store of the era that begins after this log.
    async fn open(&self, ended: LogName, seeds: &KeySeeds) -> Result<Store, RecoverError> {
        let community = ended.community;
        let era = ended.era.checked_add(1).ok_or(RecoverError::NoEra)?;
        let own = LogName { community, era };
        let clock = Arc::clone(&self.clock);
        // A coordinator, too, acknowledges nothing before its new era is begun.
        let config = store_config(self.charter, own, &seeds.keys(), Role::Node, clock);
        Ok(Store::open(&self.folder.log_file(), config).await?)
    }

    /// Begins the new era with a recovery that enough officers have signed, and makes the folder one that a node runs on.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]; the folder then still holds what was prepared.
    pub async fn finish(&self, recovery: &Recovery) -> Result<LogName, RecoverError> {
        let (community, kept) = (recovery.community, recovery.kept);
        let ended = LogName { community, era: kept.era };
        let no_keys =
            || RecoverError::OtherFolder { folder: self.folder.path().display().to_string() };
        let seeds = match self.folder.next_seeds()? {
            Some(seeds) => seeds,
            None => self.folder.seeds_for(&recovery.keys)?.0,
        };
        if seeds.public().map_err(FolderError::from)? != recovery.keys {
            return Err(no_keys());
        }
        let store = self.open(ended, &seeds).await?;
        let finished = self.begin_era(&store, &seeds, recovery).await;
        store.close().await?;
        finished
    }

    async fn begin_era(
        &self,
        store: &Store,
        seeds: &KeySeeds,
        recovery: &Recovery,
    ) -> Result<LogName, RecoverError> {
        let new = store.config().own.name;
        let ended = LogName { era: recovery.kept.era, ..new };
        let network = self.charter.network();
        if self.is_begun(store, new, recovery).await? {
            // An earlier try was stopped after the record: what is left is done again.
        } else {
            let identity = identity_in(store, network, new.community).await?;
            offline::check(&identity, &OfficerAction::Recovery(recovery.clone()))?;
            let draft = Draft {
                kind: Known::Recovery.into(),
                payload: recovery.encode(),
                salt: Salt(*fresh_seed()?),
                references: Vec::new(),
            };
            store.append(vec![draft], Guard::None).await?;
        }
        let genesis = store.records(LogName { era: 0, ..new }, 0, 1).await?;
        let genesis = genesis.into_iter().next().and_then(|it| it.content).map(|it| it.payload);
        let genesis = genesis.ok_or_else(|| PeerError::Damaged {
            log: ended,
            what: "the genesis is missing".to_owned(),
        })?;
        let bundle = own::complete_bundle(store, network, new).await?;
        let note = kept_head(network, ended, &recovery.kept, seeds);
        store.keep_head(ended, bundle, note).await?;
        self.folder.keep_genesis(&genesis)?;
        Own::of(self.folder).await?.begin(self.folder, store, &Fresh).await?;
        self.folder.note_settled(new.era, 1)?;
        self.folder.drop_action()?;
        Ok(new)
    }

    /// Whether the new era has its record 0, which must then be this recovery.
    async fn is_begun(
        &self,
        store: &Store,
        new: LogName,
        recovery: &Recovery,
    ) -> Result<bool, RecoverError> {
        if store.log(new).await?.is_none_or(|row| row.frontier.size() == 0) {
            return Ok(false);
        }
        let first = store.records(new, 0, 1).await?.into_iter().next().and_then(|it| it.content);
        if first.is_some_and(|it| it.payload == recovery.encode()) {
            return Ok(true);
        }
        let folder = self.folder.path().display().to_string();
        Err(RecoverError::OtherFolder { folder })
    }
}

fn unsigned(identity: &Identity, size: u64, root: Hash, keys: EpochKeys) -> Recovery {
    Recovery {
        community: identity.community(),
        last_identity: identity.last_identity(),
        kept: KeptTree { era: identity.era(), size, root },
        keys,
        signatures: Vec::new(),
    }
}

/// The head at what is kept, signed by the key of the new era: of that size there may be no other.
#[expect(clippy::expect_used, reason = "the sentence is true of every network name")]
fn kept_head(
    network: &record::Network,
    ended: LogName,
    kept: &KeptTree,
    seeds: &KeySeeds,
) -> Vec<u8> {
    let origin = KeyName::parse(&network.log_origin(&ended.community, ended.era))
        .expect("DNS names, base32 and slashes make a key name");
    let checkpoint = Checkpoint { origin, size: kept.size, root: kept.root };
    sign_checkpoint(&checkpoint, &seeds.keys().log).to_bytes()
}
