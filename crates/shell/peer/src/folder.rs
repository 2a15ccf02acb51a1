//! The data folder: what a process keeps, where, and who may read it.
//!
//! ```text
//! genesis        the founding bytes; public
//! keys.toml      secret keys of the present epoch; 0600
//! spare.toml     the officer's spare key; 0600; better kept elsewhere
//! log.sqlite     public logs and the register; can be fetched back from peers
//! ballots.sqlite people and ballots of a node; nowhere else
//! clerk.sock     the clerk's socket of a node; 0600
//! region         the certificate by which the community joined its region; public
//! ```

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Network,
    identity::{
        EpochKeys, Genesis, IdentityAction, KeyError, LogKey, MirrorKey, Nonce, Officer,
        OfficerKey, Officers, OfficersError, SpareDigest, SpareKey, TransportKey, WitnessKey,
    },
    name::Name,
    region::{Certificate, VerifiedRegion},
};
use runtime::{
    exit::Exit,
    files::{self, DirLock, FileError},
};
use zeroize::Zeroizing;

/// Why a data folder cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file could not be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is a community here already.
    #[error(
        "{} holds a community already. Nothing was changed. Choose an empty folder to found another.", .path.display()
    )]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing was founded here.
    #[error("{} holds no community. Found one with `init`.", .path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("{} is damaged: {what}. Restore it from a backup; nothing was changed.", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The keys are not those of the founding bytes.
    #[error("The keys in {} are not those of the community in this folder.", .path.display())]
    OtherKeys {
        /// The key file.
        path: PathBuf,
    },
    /// The system gives no random bytes.
    #[error("The system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// A key was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The officers were refused.
    #[error(transparent)]
    Officers(#[from] OfficersError),
}

impl FolderError {
    /// How a program ends by it, and the stable reason for a script.
    #[must_use]
    pub fn ending(&self) -> (Exit, &'static str) {
        match self {
            Self::Occupied { .. } => (Exit::Failed, "folder.occupied"),
            Self::Empty { .. } => (Exit::Config, "folder.empty"),
            Self::File(FileError::InUse { .. }) => (Exit::Failed, "folder.in_use"),
            Self::File(_) => (Exit::Config, "folder.file"),
            Self::Damaged { .. } | Self::OtherKeys { .. } => (Exit::Config, "folder.damaged"),
            Self::Randomness(_) | Self::Key(_) | Self::Officers(_) => {
                (Exit::Failed, "folder.founding")
            }
        }
    }
}

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
type Seed = Zeroizing<[u8; 32]>;

/// The names of the keys in the key file, in its order.
const KEY_NAMES: [&str; 5] = ["log", "transport", "mirror", "witness", "officer"];

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

    /// Holds the folder for this process.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`] if another process holds it, or others may read it.
    pub fn lock(&self) -> Result<DirLock, FolderError> {
        files::check_private(&self.root)?;
        Ok(DirLock::acquire(&self.root)?)
    }

    /// Founds a community with one officer: makes its keys and its founding bytes.
    ///
    /// # Errors
    ///
    /// [`FolderError::Occupied`] if there is one here already.
    pub fn found(&self, network: &Network, name: &Name) -> Result<CommunityId, FolderError> {
        if self.genesis_file().exists() {
            return Err(FolderError::Occupied { path: self.root.clone() });
        }
        files::create_private_dir(&self.root)?;
        let seeds = [fresh_seed()?, fresh_seed()?, fresh_seed()?, fresh_seed()?, fresh_seed()?];
        let spare = fresh_seed()?;
        let genesis = genesis_of(network, name, &seeds, &spare)?;
        let bytes = IdentityAction::Genesis(genesis).encode();
        files::write_private_file(&self.root.join("spare.toml"), &spare_text(&spare))?;
        files::write_private_file(&self.keys_file(), &keys_text(&seeds))?;
        // Last: a folder without it holds no community, whatever a crash left there.
        files::write_private_file(&self.genesis_file(), &bytes)?;
        Ok(CommunityId::of_genesis(&bytes))
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
        match IdentityAction::decode(&self.genesis()?) {
            Ok(IdentityAction::Genesis(genesis)) => Ok(genesis.network),
            Ok(_) => Err(self.damaged(self.genesis_file(), "it founds nothing".to_owned())),
            Err(error) => Err(self.damaged(self.genesis_file(), error.to_string())),
        }
    }

    /// The secret keys, compared with the founding bytes.
    ///
    /// # Errors
    ///
    /// [`FolderError::OtherKeys`] if they are another community's; [`FolderError::File`] if others may read them.
    pub fn keys(&self) -> Result<Keys, FolderError> {
        let path = self.keys_file();
        files::check_private(&path)?;
        let text = fs::read_to_string(&path)
            .map(Zeroizing::new)
            .map_err(|error| self.damaged(path.clone(), error.to_string()))?;
        let seeds = parse_keys(&text).map_err(|what| self.damaged(path.clone(), what))?;
        let genesis = IdentityAction::decode(&self.genesis()?)
            .map_err(|error| self.damaged(self.genesis_file(), error.to_string()))?;
        let IdentityAction::Genesis(genesis) = genesis else {
            return Err(self.damaged(self.genesis_file(), "it founds nothing".to_owned()));
        };
        if epoch_keys(&seeds)? != genesis.keys {
            return Err(FolderError::OtherKeys { path });
        }
        let [log, transport, mirror, witness, _] = &seeds;
        Ok(Keys {
            log: SigningKey::from_bytes(log),
            transport: transport::TransportKey::from_seed(**transport),
            mirror: SigningKey::from_bytes(mirror),
            witness: SigningKey::from_bytes(witness),
        })
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

fn epoch_keys(seeds: &[Seed; 5]) -> Result<EpochKeys, KeyError> {
    let [log, transport, mirror, witness, _] = seeds;
    EpochKeys::new(
        LogKey::of(&SigningKey::from_bytes(log)),
        TransportKey::of(&SigningKey::from_bytes(transport)),
        MirrorKey::of(&SigningKey::from_bytes(mirror)),
        WitnessKey::of(&SigningKey::from_bytes(witness)),
    )
}

fn genesis_of(
    network: &Network,
    name: &Name,
    seeds: &[Seed; 5],
    spare: &Seed,
) -> Result<Genesis, FolderError> {
    let [_, _, _, _, officer] = seeds;
    let officer = Officer {
        key: OfficerKey::of(&SigningKey::from_bytes(officer)),
        spare_digest: SpareDigest::of(&SpareKey::of(&SigningKey::from_bytes(spare))),
    };
    Ok(Genesis {
        network: network.clone(),
        name: name.clone(),
        officers: Officers::new(vec![officer], 1)?,
        keys: epoch_keys(seeds)?,
        nonce: Nonce::default(),
    })
}

fn keys_text(seeds: &[Seed; 5]) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(
        b"# Secret keys. Whoever reads this file can speak for the community.\n".to_vec(),
    );
    for (name, seed) in KEY_NAMES.iter().zip(seeds) {
        text.extend_from_slice(format!("{name} = \"").as_bytes());
        text.extend_from_slice(Zeroizing::new(HEXLOWER.encode(&**seed)).as_bytes());
        text.extend_from_slice(b"\"\n");
    }
    text
}

fn spare_text(spare: &Seed) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(
        b"# The officer's spare key. It is needed only to change officers.\n\
          # Move this file off this machine, to paper or to another place, and delete it here.\n"
            .to_vec(),
    );
    text.extend_from_slice(b"spare = \"");
    text.extend_from_slice(Zeroizing::new(HEXLOWER.encode(&**spare)).as_bytes());
    text.extend_from_slice(b"\"\n");
    text
}

fn parse_keys(text: &str) -> Result<[Seed; 5], String> {
    let table: toml::Table = text.parse().map_err(|_error| "it is not TOML".to_owned())?;
    let seed = |name: &str| {
        let hex = table.get(name).and_then(toml::Value::as_str);
        let bytes = hex.and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok().map(Zeroizing::new));
        let seed = bytes.and_then(|it| it.as_slice().try_into().ok());
        seed.map(Zeroizing::new)
            .ok_or(format!("the key `{name}` is missing or not 64 hexadecimal digits"))
    };
    let [log, transport, mirror, witness, officer] = KEY_NAMES;
    Ok([seed(log)?, seed(transport)?, seed(mirror)?, seed(witness)?, seed(officer)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_back_the_community_that_was_founded_in_it() {
        let (_parent, folder) = empty_folder();
        let id = folder.found(&network(), &name()).unwrap();
        assert_eq!(folder.community().unwrap(), id);
        assert!(folder.keys().is_ok());
    }

    #[test]
    fn nothing_is_founded_twice() {
        let (_parent, folder) = empty_folder();
        let id = folder.found(&network(), &name()).unwrap();
        assert!(matches!(folder.found(&network(), &name()), Err(FolderError::Occupied { .. })));
        assert_eq!(folder.community().unwrap(), id);
    }

    #[test]
    fn refuses_the_keys_of_another_community_and_a_file_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_parent, folder) = empty_folder();
        let (_other_parent, other) = empty_folder();
        folder.found(&network(), &name()).unwrap();
        other.found(&network(), &name()).unwrap();

        fs::set_permissions(folder.keys_file(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(folder.keys(), Err(FolderError::File(_))));

        fs::copy(other.keys_file(), folder.keys_file()).unwrap();
        fs::set_permissions(folder.keys_file(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(folder.keys(), Err(FolderError::OtherKeys { .. })));
    }

    #[test]
    fn an_empty_folder_says_so_and_a_damaged_one_names_the_file() {
        let (_parent, folder) = empty_folder();
        assert!(matches!(folder.keys(), Err(FolderError::File(_))));
        assert!(matches!(folder.community(), Err(FolderError::Empty { .. })));
        folder.found(&network(), &name()).unwrap();
        files::write_private_file(&folder.keys_file(), b"log = \"00\"").unwrap();
        let damaged = folder.keys().unwrap_err();
        assert!(damaged.to_string().contains("keys.toml"), "{damaged}");
    }

    #[test]
    fn printing_keys_shows_nothing_of_them() {
        let (_parent, folder) = empty_folder();
        folder.found(&network(), &name()).unwrap();
        assert_eq!(format!("{:?}", folder.keys().unwrap()), "Keys");
    }

    fn empty_folder() -> (tempfile::TempDir, DataFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::at(&parent.path().join("node"));
        (parent, folder)
    }

    fn network() -> Network {
        "test.folkmoot.example".parse().unwrap()
    }

    fn name() -> Name {
        Name::parse("Harbour Baths Society").unwrap()
    }
}
