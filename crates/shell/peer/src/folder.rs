//! The data folder: what a process keeps, where, and who may read it.
//!
//! ```text
//! genesis        the founding bytes; public
//! keys.toml      secret keys of the present epoch; 0600
//! keys.next.toml those of the next, while officers sign them; 0600
//! action.toml    what officers are asked to sign; public
//! spare.toml     the officer's spare key; 0600; better kept elsewhere
//! log.sqlite     public logs and the register; can be fetched back from peers
//! ballots.sqlite people and ballots of a node; nowhere else
//! begun          that record 0 of the log was written once; empty
//! clerk.sock     the clerk's socket of a node; 0600
//! region         the certificate by which the community joined its region; public
//! orders.toml    what a coordinator's operators decided about logs; not secret
//! backup.toml    when the folder was last copied by `backup`; public
//! settled        that peers have shown how much of the log they hold; public, and in no copy
//! ```

mod backup;
mod error;
mod keys;
mod settled;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Network,
    identity::{
        EpochKeys, Genesis, IdentityAction, Nonce, Officer, OfficerKey, Officers, PaperRole,
        SpareDigest, SpareKey,
    },
    name::Name,
    region::{Certificate, VerifiedRegion},
};
use runtime::files::{self, DirLock};
use zeroize::Zeroizing;

use crate::machine::{Fresh, Randomness};

pub use backup::BackupNote;
pub use error::FolderError;
use keys::read_private;
pub use keys::{KeySeeds, Renewed, read_officer_key, write_officer_key};
pub use settled::SETTLED_NAME;

/// A data folder.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

/// The secret keys of the present epoch. Printing shows nothing of them.
#[derive(Clone)]
pub struct Keys {
    /// Signs checkpoints.
    pub log: SigningKey,
    /// Speaks TLS.
    pub transport: transport::TransportKey,
    /// Cosigns what is held.
    pub mirror: SigningKey,
    /// Cosigns what was seen.
    pub witness: SigningKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

/// A seed of a key. Wiped when dropped.
pub type Seed = Zeroizing<[u8; 32]>;

impl DataFolder {
    /// The folder at this path; it need not exist.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The file of logs and register.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.root.join("log.sqlite")
    }

    /// The file of people and ballots.
    #[must_use]
    pub fn ballots_file(&self) -> PathBuf {
        self.root.join("ballots.sqlite")
    }

    /// The clerk's socket.
    #[must_use]
    pub fn clerk_socket(&self) -> PathBuf {
        self.root.join("clerk.sock")
    }

    /// The certificate of the region, where the community joined by one.
    #[must_use]
    pub fn region_file(&self) -> PathBuf {
        self.root.join("region")
    }

    fn genesis_file(&self) -> PathBuf {
        self.root.join("genesis")
    }

    fn keys_file(&self) -> PathBuf {
        self.root.join("keys.toml")
    }

    fn next_keys_file(&self) -> PathBuf {
        self.root.join("keys.next.toml")
    }

    /// Holds the folder for this process.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`] if another process holds it, or others may read it.
    pub fn lock(&self) -> Result<DirLock, FolderError> {
        files::check_private(&self.root)?;
        Ok(DirLock::acquire(&self.root)?)
    }

    /// Founds a community with one officer, whose key stays with the others in the folder.
    ///
    /// # Errors
    ///
    /// [`FolderError::Occupied`] if there is one here already.
    pub fn found(&self, network: &Network, name: &Name) -> Result<CommunityId, FolderError> {
        self.found_of(network, name, &Fresh)
    }

    /// As [`DataFolder::found`], with keys of this randomness.
    ///
    /// # Errors
    ///
    /// As [`DataFolder::found`].
    pub fn found_of(
        &self,
        network: &Network,
        name: &Name,
        randomness: &dyn Randomness,
    ) -> Result<CommunityId, FolderError> {
        let (officer, spare) = (randomness.seed()?, randomness.seed()?);
        let officers = Officers::new(vec![officer_of(&officer, &spare)], 1)?;
        let seeds = KeySeeds { officer: Some(officer), ..KeySeeds::of(randomness)? };
        self.check_empty()?;
        files::create_private_dir(&self.root)?;
        // What a crash left of an earlier try founds nothing.
        self.remove(self.root.join("spare.toml"))?;
        write_officer_key(&self.root.join("spare.toml"), PaperRole::Spare, &spare)?;
        self.found_with(network, name, officers, &seeds)
    }

    /// Founds a community with these officers, of whose secret keys the folder holds none.
    ///
    /// # Errors
    ///
    /// [`FolderError::Occupied`] if there is one here already.
    pub fn found_by(
        &self,
        network: &Network,
        name: &Name,
        officers: Officers,
    ) -> Result<CommunityId, FolderError> {
        let seeds = KeySeeds::fresh()?;
        self.check_empty()?;
        files::create_private_dir(&self.root)?;
        self.found_with(network, name, officers, &seeds)
    }

    /// Whether a log may be begun in this folder, which holds none.
    ///
    /// # Errors
    ///
    /// [`FolderError::LogMissing`] if one was begun before: a second one would be a fork.
    pub fn check_log(&self) -> Result<(), FolderError> {
        if self.begun_file().exists() {
            return Err(FolderError::LogMissing { path: self.log_file() });
        }
        Ok(())
    }

    /// Notes that the log has been begun, so that it is never begun a second time.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn note_begun(&self) -> Result<(), FolderError> {
        let path = self.begun_file();
        if path.exists() { Ok(()) } else { Ok(files::write_private_file(&path, b"")?) }
    }

    fn begun_file(&self) -> PathBuf {
        self.root.join("begun")
    }

    /// Whether a community can be founded here.
    ///
    /// # Errors
    ///
    /// [`FolderError::Occupied`] if there is one here already.
    pub fn check_empty(&self) -> Result<(), FolderError> {
        if self.genesis_file().exists() {
            return Err(FolderError::Occupied { path: self.root.clone() });
        }
        Ok(())
    }

    fn found_with(
        &self,
        network: &Network,
        name: &Name,
        officers: Officers,
        seeds: &KeySeeds,
    ) -> Result<CommunityId, FolderError> {
        let genesis = Genesis {
            network: network.clone(),
            name: name.clone(),
            officers,
            keys: seeds.public()?,
            nonce: Nonce::default(),
        };
        let bytes = IdentityAction::Genesis(genesis).encode();
        files::write_private_file(&self.keys_file(), &seeds.render())?;
        self.keep_genesis(&bytes)?;
        Ok(CommunityId::of_genesis(&bytes))
    }

    /// Writes the founding bytes. Last of all: a folder without them holds no community, whatever a crash left there.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn keep_genesis(&self, genesis: &[u8]) -> Result<(), FolderError> {
        Ok(files::write_private_file(&self.genesis_file(), genesis)?)
    }

    /// The founding bytes.
    ///
    /// # Errors
    ///
    /// [`FolderError::Empty`] if nothing was founded here.
    pub fn genesis(&self) -> Result<Vec<u8>, FolderError> {
        match fs::read(self.genesis_file()) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(FolderError::Empty { path: self.root.clone() })
            }
            Err(error) => Err(self.damaged(self.genesis_file(), error.to_string())),
        }
    }

    /// The community founded here.
    ///
    /// # Errors
    ///
    /// As [`DataFolder::genesis`].
    pub fn community(&self) -> Result<CommunityId, FolderError> {
        Ok(CommunityId::of_genesis(&self.genesis()?))
    }

    /// The network that the community was founded in.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the founding bytes cannot be read.
    pub fn network(&self) -> Result<Network, FolderError> {
        Ok(self.founding()?.network)
    }

    /// The secret keys in the folder, whatever its log says of them. Of a community that has no log yet they are
    /// compared with the founding bytes.
    ///
    /// # Errors
    ///
    /// [`FolderError::OtherKeys`] if they are another community's; [`FolderError::File`] if others may read them.
    pub fn seeds(&self) -> Result<KeySeeds, FolderError> {
        let seeds = self.read_keys(&self.keys_file())?;
        if !self.log_file().exists() && seeds.public()? != self.founding()?.keys {
            return Err(FolderError::OtherKeys { path: self.keys_file() });
        }
        Ok(seeds)
    }

    /// As [`DataFolder::seeds`], ready for use.
    ///
    /// # Errors
    ///
    /// As [`DataFolder::seeds`].
    pub fn keys(&self) -> Result<Keys, FolderError> {
        Ok(self.seeds()?.keys())
    }

    /// The keys of this epoch, from the file of the present keys or that of the next: a crash between the record that
    /// puts new keys in force and the renaming of their file leaves them in the second. `true` if so.
    ///
    /// # Errors
    ///
    /// [`FolderError::OtherKeys`] if they are in neither.
    pub fn seeds_for(&self, epoch: &EpochKeys) -> Result<(KeySeeds, bool), FolderError> {
        for (path, is_next) in [(self.keys_file(), false), (self.next_keys_file(), true)] {
            if path.exists() {
                let seeds = self.read_keys(&path)?;
                if seeds.public()? == *epoch {
                    return Ok((seeds, is_next));
                }
            }
        }
        files::check_private(&self.keys_file())?;
        Err(FolderError::OtherKeys { path: self.keys_file() })
    }

    /// The keys that wait to be put in force, if there are any.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if their file cannot be read.
    pub fn next_seeds(&self) -> Result<Option<KeySeeds>, FolderError> {
        let path = self.next_keys_file();
        if path.exists() { self.read_keys(&path).map(Some) } else { Ok(None) }
    }

    /// Keeps the keys that wait to be put in force. They are durable before anybody is asked to sign for them.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn keep_next(&self, seeds: &KeySeeds) -> Result<(), FolderError> {
        Ok(files::write_private_file(&self.next_keys_file(), &seeds.render())?)
    }

    /// Puts the next keys in the place of the present ones: one renaming, so that there are always one of the two.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`]; the next start tries again.
    pub fn promote_next(&self) -> Result<(), FolderError> {
        let seeds = self.read_keys(&self.next_keys_file())?;
        files::write_private_file(&self.keys_file(), &seeds.render())?;
        self.drop_next()
    }

    /// Takes away the keys that wait to be put in force.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the system refuses.
    pub fn drop_next(&self) -> Result<(), FolderError> {
        self.remove(self.next_keys_file())
    }

    /// The action that officers are asked to sign.
    #[must_use]
    pub fn action_file(&self) -> PathBuf {
        self.root.join("action.toml")
    }

    /// Takes that file away.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if the system refuses.
    pub fn drop_action(&self) -> Result<(), FolderError> {
        self.remove(self.action_file())
    }

    fn remove(&self, path: PathBuf) -> Result<(), FolderError> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(self.damaged(path, error.to_string()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn read_keys(&self, path: &Path) -> Result<KeySeeds, FolderError> {
        let text = read_private(path)?;
        KeySeeds::parse(&text).map_err(|what| self.damaged(path.to_owned(), what))
    }

    /// What the community was founded with.
    ///
    /// # Errors
    ///
    /// As [`DataFolder::genesis`]; [`FolderError::Damaged`] if the bytes found nothing.
    pub fn founding(&self) -> Result<Genesis, FolderError> {
        let damaged = |what: String| self.damaged(self.genesis_file(), what);
        match IdentityAction::decode(&self.genesis()?) {
            Ok(IdentityAction::Genesis(genesis)) => Ok(genesis),
            Ok(_) => Err(damaged("it founds nothing".to_owned())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }

    /// The region as the certificate in this folder shows it, if there is one.
    ///
    /// # Errors
    ///
    /// [`FolderError::Damaged`] if it does not hold.
    pub fn certified_region(&self) -> Result<Option<VerifiedRegion>, FolderError> {
        let path = self.region_file();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.damaged(path, error.to_string())),
        };
        let verified = Certificate::decode(&bytes).and_then(|it| it.verify(None));
        verified.map(Some).map_err(|error| self.damaged(path, error.to_string()))
    }

    fn damaged(&self, path: PathBuf, what: String) -> FolderError {
        FolderError::Damaged { path, what }
    }
}

/// 32 fresh random bytes.
///
/// # Errors
///
/// [`FolderError::Randomness`] if the system has none.
pub fn fresh_seed() -> Result<Seed, FolderError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(FolderError::Randomness)?;
    Ok(seed)
}

/// The public side of an officer's two keys.
#[must_use]
pub fn officer_of(officer: &Seed, spare: &Seed) -> Officer {
    Officer {
        key: OfficerKey::of(&SigningKey::from_bytes(officer)),
        spare_digest: SpareDigest::of(&SpareKey::of(&SigningKey::from_bytes(spare))),
    }
}

#[cfg(test)]
mod tests;
