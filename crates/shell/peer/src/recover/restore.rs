//! Restoring: a folder that has its keys fetches its own public log back, in the era that goes on.

use record::{CommunityId, LogName};
use store::{Store, StoreConfig};

use super::{RecoverError, Recoverer, Survey, bring};
use crate::peer::{Role, store_config};

/// What a restore found and fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// The community's log.
    pub log: LogName,
    /// How many records of it were here.
    pub n_before: u64,
    /// How many are here now.
    pub n_now: u64,
}

impl Recoverer<'_> {
    /// Fetches every era of this folder's log, as far as the place with the largest head shows it. What is here already is
    /// kept; records that were never signed are appended anew behind it when the node runs.
    ///
    /// # Errors
    ///
    /// [`RecoverError`]: [`crate::folder::FolderError::OtherKeys`] if the officers have replaced the keys of this folder.
    pub async fn restore(&self, survey: &Survey) -> Result<Restored, RecoverError> {
        let identity = survey.identity();
        let log = LogName { community: identity.community(), era: identity.era() };
        self.must_be_of(log.community)?;
        let (seeds, _) = self.folder.seeds_for(identity.keys())?;
        let clock = std::sync::Arc::clone(&self.clock);
        let config = store_config(self.charter, log, &seeds.keys(), Role::Node, clock);
        let config = StoreConfig { is_settled: false, ..config };
        self.folder.note_unsettled()?;
        let store = Store::open(&self.folder.log_file(), config).await?;
        let fetched = fetch(&store, survey, log).await;
        store.close().await?;
        fetched
    }

    fn must_be_of(&self, community: CommunityId) -> Result<(), RecoverError> {
        if self.folder.community()? == community {
            return Ok(());
        }
        Err(RecoverError::OtherFolder { folder: self.folder.path().display().to_string() })
    }
}

async fn fetch(store: &Store, survey: &Survey, log: LogName) -> Result<Restored, RecoverError> {
    let n_held = async || store.log(log).await.map(|it| it.map_or(0, |row| row.frontier.size()));
    let n_before = n_held().await?;
    let n_shown = survey.held_by(1);
    if n_before < n_shown {
        let root = bring::compare(&survey.holders, log, n_shown).await?;
        bring::all_eras(store, survey, (n_shown, root), bring::Ending::AtHead).await?;
    }
    Ok(Restored { log, n_before, n_now: n_held().await? })
}
