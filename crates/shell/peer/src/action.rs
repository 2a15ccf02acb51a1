//! What officers are asked to sign, as a file that goes round among them.
//!
//! ```toml
//! community = "fm1…"
//! network = "demo.folkmoot.example"
//! name = "Harbour Baths Society"      # as it is said to be: the id is what is signed
//! kind = "folkmoot.record.identity.v1"
//! payload = "0a…"                     # hexadecimal: the action, with the signatures so far
//! threshold = 2
//!
//! [[officers]]                        # those in office, in their order
//! key = "…"
//! spare_digest = "…"
//! ```
//!
//! Nothing in it is secret, and nothing but the payload is signed or believed: who the officers are and how many are
//! needed is checked against the community's own log before anything is put in force.

use std::{fmt::Write as _, fs, path::Path};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Kind, Network,
    identity::{
        Context, Identity, Officer, OfficerAction, OfficerKey, Officers, SignError, SpareDigest,
    },
    name::Name,
};
use serde::Deserialize;

use crate::folder::Seed;

/// The largest file that is read: 32 officers with their signatures take under 20 KiB.
const MAX_ACTION_FILE_BYTES: u64 = 64 * 1024;

/// An action with what is needed to sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionFile {
    /// Whose.
    pub community: CommunityId,
    /// In which network.
    pub network: Network,
    /// What the community is said to be called.
    pub name: Name,
    /// The officers who are said to be in office.
    pub officers: Officers,
    /// What is to be signed.
    pub action: OfficerAction,
}

/// Why a file is no action.
#[derive(Debug, thiserror::Error)]
#[error("{path} is no action for officers to sign: {what}. Nothing was signed or changed.")]
pub struct ActionFileError {
    path: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    community: String,
    network: String,
    name: String,
    kind: String,
    payload: String,
    threshold: u32,
    officers: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    key: String,
    spare_digest: String,
}

impl ActionFile {
    /// An action of the community with this identity.
    #[must_use]
    pub fn of(identity: &Identity, action: OfficerAction) -> Self {
        Self {
            community: identity.community(),
            network: identity.network().clone(),
            name: identity.name().clone(),
            officers: identity.officers().clone(),
            action,
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`ActionFileError`] says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ActionFileError> {
        let told = |what: String| ActionFileError { path: path.display().to_string(), what };
        let size = fs::metadata(path).map_err(|error| told(error.to_string()))?.len();
        if MAX_ACTION_FILE_BYTES < size {
            return Err(told(format!("it has more than {MAX_ACTION_FILE_BYTES} bytes")));
        }
        let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        Self::parse(&text).map_err(told)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let kind: Kind = file.kind.parse().map_err(|_error| "its kind is none".to_owned())?;
        let kind = kind.known().ok_or("it is of a kind that this release does not know")?;
        let payload = HEXLOWER.decode(file.payload.as_bytes()).map_err(|error| said(&error))?;
        let action = OfficerAction::decode(kind, &payload).map_err(|error| said(&error))?;
        let officers = file.officers.iter().map(read_officer).collect::<Result<_, _>>()?;
        Ok(Self {
            community: file
                .community
                .parse()
                .map_err(|error: record::ids::IdError| said(&error))?,
            network: file
                .network
                .parse()
                .map_err(|error: record::ids::NetworkError| said(&error))?,
            name: Name::parse(&file.name).map_err(|error| said(&error))?,
            officers: Officers::new(officers, file.threshold).map_err(|error| said(&error))?,
            action: action.ok_or("it founds a community, which nobody signs")?,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let Self { community, network, name, officers, action } = self;
        let mut text = format!(
            "# For officers of {name} to look at and sign:\n\
             #   folkmoot-node officer sign THIS-FILE --key YOUR-KEY-FILE\n\
             community = \"{community}\"\nnetwork = \"{network}\"\nname = {quoted}\nkind = \"{kind}\"\n\
             payload = \"{payload}\"\nthreshold = {threshold}\n",
            name = name.as_str(),
            // A string of JSON is one of TOML.
            quoted = serde_json::Value::from(name.as_str()),
            kind = Kind::from(action.kind()),
            payload = HEXLOWER.encode(&action.encode()),
            threshold = officers.threshold(),
        );
        for Officer { key, spare_digest } in officers.list() {
            let (key, digest) = (HEXLOWER.encode(key.as_bytes()), HEXLOWER.encode(&spare_digest.0));
            // Writing to a string cannot fail.
            let _ = write!(text, "\n[[officers]]\nkey = \"{key}\"\nspare_digest = \"{digest}\"\n");
        }
        text
    }

    /// Signs with an officer's secret key, or spare key for a change of officers; answers whose place that is, from 0.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    pub fn sign(&mut self, seed: &Seed) -> Result<u32, SignError> {
        let context = Context { network: &self.network, community: self.community };
        self.action.sign(&context, &self.officers, &SigningKey::from_bytes(seed))
    }

    /// Takes over the signatures of a copy; `false` if it is of another action.
    #[must_use]
    pub fn merge(&mut self, copy: &Self) -> bool {
        self.community == copy.community && self.action.merge(&copy.action)
    }

    /// How many signatures are still needed.
    #[must_use]
    pub fn n_missing(&self) -> u32 {
        let n_signed = u32::try_from(self.action.signed_by().len()).unwrap_or(u32::MAX);
        self.officers.threshold().saturating_sub(n_signed)
    }
}

fn read_officer(entry: &Entry) -> Result<Officer, String> {
    Ok(Officer {
        key: parse_officer_key(&entry.key)?,
        spare_digest: SpareDigest(parse_hex(&entry.spare_digest)?),
    })
}

/// An officer's public key of 64 hexadecimal digits.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub fn parse_officer_key(text: &str) -> Result<OfficerKey, String> {
    OfficerKey::from_bytes(parse_hex(text)?).map_err(|error| error.to_string())
}

/// 32 bytes of 64 hexadecimal digits.
///
/// # Errors
///
/// A sentence that says what is wrong.
pub fn parse_hex(text: &str) -> Result<[u8; 32], String> {
    let bytes = HEXLOWER.decode(text.trim().to_ascii_lowercase().as_bytes()).ok();
    bytes
        .and_then(|it| it.try_into().ok())
        .ok_or_else(|| format!("`{text}` is not 64 hexadecimal digits"))
}
