//! Files of secret keys: one `name = "hexadecimal"` a line, for their owner alone.
//!
//! | file | what it holds |
//! |---|---|
//! | `keys.toml` | the keys of the present epoch, and the officer's where there is one officer |
//! | `keys.next.toml` | the keys of the next epoch, while officers sign it |
//! | `officer-N.toml`, `spare-N.toml` | an officer's key, and that officer's spare key; each kept by its officer |

use std::{fs, path::Path};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use record::identity::{
    EpochKeys, KeyError, LogKey, MirrorKey, PaperRole, TransportKey, WitnessKey,
};
use runtime::files;
use zeroize::Zeroizing;

use super::{FolderError, Keys, Seed};
use crate::machine::{Fresh, Randomness};

/// What the keys of an epoch are made of. Printing shows nothing of them.
#[derive(Clone)]
pub struct KeySeeds {
    pub(super) log: Seed,
    pub(super) transport: Seed,
    pub(super) mirror: Seed,
    pub(super) witness: Seed,
    /// The key of the one officer of a community that has one.
    pub(super) officer: Option<Seed>,
}

impl std::fmt::Debug for KeySeeds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySeeds")
    }
}

/// Which keys of an epoch a rotation replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// The key that signs checkpoints.
    pub log: bool,
    /// The key of connections.
    pub transport: bool,
    /// The key of cosignatures of what is held.
    pub mirror: bool,
    /// The key of cosignatures of what was seen.
    pub witness: bool,
}

impl Renewed {
    /// All four.
    pub const ALL: Self = Self { log: true, transport: true, mirror: true, witness: true };
}

impl KeySeeds {
    /// Fresh keys.
    ///
    /// # Errors
    ///
    /// [`FolderError::Randomness`].
    pub fn fresh() -> Result<Self, FolderError> {
        Self::of(&Fresh)
    }

    /// Keys of this randomness.
    ///
    /// # Errors
    ///
    /// [`FolderError::Randomness`].
    pub fn of(randomness: &dyn Randomness) -> Result<Self, FolderError> {
        Ok(Self {
            log: randomness.seed()?,
            transport: randomness.seed()?,
            mirror: randomness.seed()?,
            witness: randomness.seed()?,
            officer: None,
        })
    }

    /// The same with some keys made anew.
    ///
    /// # Errors
    ///
    /// [`FolderError::Randomness`].
    pub fn renew(&self, which: Renewed) -> Result<Self, FolderError> {
        self.renew_of(which, &Fresh)
    }

    /// As [`KeySeeds::renew`], with new keys of this randomness.
    ///
    /// # Errors
    ///
    /// [`FolderError::Randomness`].
    pub fn renew_of(
        &self,
        which: Renewed,
        randomness: &dyn Randomness,
    ) -> Result<Self, FolderError> {
        let Renewed { log, transport, mirror, witness } = which;
        let next =
            |is_new: bool, seed: &Seed| if is_new { randomness.seed() } else { Ok(seed.clone()) };
        Ok(Self {
            log: next(log, &self.log)?,
            transport: next(transport, &self.transport)?,
            mirror: next(mirror, &self.mirror)?,
            witness: next(witness, &self.witness)?,
            officer: self.officer.clone(),
        })
    }

    /// The public keys.
    ///
    /// # Errors
    ///
    /// [`KeyError::MirrorIsWitness`].
    pub fn public(&self) -> Result<EpochKeys, KeyError> {
        let of = |seed: &Seed| SigningKey::from_bytes(seed);
        EpochKeys::new(
            LogKey::of(&of(&self.log)),
            TransportKey::of(&of(&self.transport)),
            MirrorKey::of(&of(&self.mirror)),
            WitnessKey::of(&of(&self.witness)),
        )
    }

    /// The key of the one officer, where it is kept with the others.
    #[must_use]
    pub const fn officer_seed(&self) -> Option<&Seed> {
        self.officer.as_ref()
    }

    /// What a process works with.
    #[must_use]
    pub fn keys(&self) -> Keys {
        Keys {
            log: SigningKey::from_bytes(&self.log),
            transport: transport::TransportKey::from_seed(*self.transport),
            mirror: SigningKey::from_bytes(&self.mirror),
            witness: SigningKey::from_bytes(&self.witness),
        }
    }

    pub(super) fn render(&self) -> Zeroizing<Vec<u8>> {
        let Self { log, transport, mirror, witness, officer } = self;
        let named = [
            ("log", Some(log)),
            ("transport", Some(transport)),
            ("mirror", Some(mirror)),
            ("witness", Some(witness)),
            ("officer", officer.as_ref()),
        ];
        let mut text = Zeroizing::new(
            b"# Secret keys. Whoever reads this file can speak for the community.\n".to_vec(),
        );
        for (name, seed) in named {
            if let Some(seed) = seed {
                push_line(&mut text, name, seed);
            }
        }
        text
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|_error| "it is not TOML".to_owned())?;
        let needed = |name: &str| seed_in(&table, name)?.ok_or_else(|| missing(name));
        Ok(Self {
            log: needed("log")?,
            transport: needed("transport")?,
            mirror: needed("mirror")?,
            witness: needed("witness")?,
            officer: seed_in(&table, "officer")?,
        })
    }
}

/// The names under which an officer's keys stand in files.
const fn name_of(role: PaperRole) -> &'static str {
    match role {
        PaperRole::Officer => "officer",
        PaperRole::Spare => "spare",
    }
}

/// Writes a file with one secret key of an officer, for its owner alone.
///
/// # Errors
///
/// [`FolderError::Occupied`] if there is such a file; [`FolderError::File`] if it cannot be written.
pub fn write_officer_key(path: &Path, role: PaperRole, seed: &Seed) -> Result<(), FolderError> {
    if path.exists() {
        return Err(FolderError::KeyThere { path: path.to_owned() });
    }
    let head: &[u8] = match role {
        PaperRole::Officer => {
            b"# An officer's key: it signs new keys for the community, and its recovery after a loss.\n\
              # Only the officer should have it. Keep it apart from the community's machine.\n"
        }
        PaperRole::Spare => {
            b"# The officer's spare key. It is needed only to change officers.\n\
              # Move this file off this machine, to paper or to another place, and delete it here.\n"
        }
    };
    let mut text = Zeroizing::new(head.to_vec());
    push_line(&mut text, name_of(role), seed);
    Ok(files::write_private_file(path, &text)?)
}

/// The secret key of an officer in a file, which must be its owner's alone, and which of the two it is. The file of all
/// keys of a community with one officer is such a file, too.
///
/// # Errors
///
/// [`FolderError::File`] if others may read it; [`FolderError::Damaged`] if it holds none.
pub fn read_officer_key(path: &Path) -> Result<(PaperRole, Seed), FolderError> {
    let damaged = |what: String| FolderError::Damaged { path: path.to_owned(), what };
    let text = read_private(path)?;
    let table: toml::Table = text.parse().map_err(|_error| damaged("it is not TOML".to_owned()))?;
    for role in [PaperRole::Officer, PaperRole::Spare] {
        if let Some(seed) = seed_in(&table, name_of(role)).map_err(damaged)? {
            return Ok((role, seed));
        }
    }
    Err(damaged("it holds no key of an officer".to_owned()))
}

/// The text of a private file.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<String>, FolderError> {
    files::check_private(path)?;
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| FolderError::Damaged { path: path.to_owned(), what: error.to_string() })
}

fn push_line(text: &mut Zeroizing<Vec<u8>>, name: &str, seed: &Seed) {
    text.extend_from_slice(format!("{name} = \"").as_bytes());
    text.extend_from_slice(Zeroizing::new(HEXLOWER.encode(&**seed)).as_bytes());
    text.extend_from_slice(b"\"\n");
}

fn missing(name: &str) -> String {
    format!("the key `{name}` is missing or not 64 hexadecimal digits")
}

fn seed_in(table: &toml::Table, name: &str) -> Result<Option<Seed>, String> {
    let Some(value) = table.get(name) else { return Ok(None) };
    let bytes = value.as_str().and_then(|hex| HEXLOWER.decode(hex.as_bytes()).ok());
    let seed = bytes.map(Zeroizing::new).and_then(|it| it.as_slice().try_into().ok());
    seed.map(|it| Some(Zeroizing::new(it))).ok_or_else(|| missing(name))
}
