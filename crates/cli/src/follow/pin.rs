//! Whether the other end is the coordinator, or another server, that is meant.
//!
//! | before | now | answer |
//! |---|---|---|
//! | key or id given | the same | trusted |
//! | key remembered | the same | trusted |
//! | key remembered | another, and its identity shows that the one followed the other | trusted, and said so |
//! | nothing | any that its own identity names | trusted on first use, and said so |
//! | otherwise | | refused |

use std::{fmt::Display, str::FromStr};

use record::{CommunityId, identity::Identity};
use runtime::exit::Exit;
use transport::PeerKey;

use crate::Failure;

/// Whom a run trusted: a coordinator and the key of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) coordinator: CommunityId,
    pub(crate) key: PeerKey,
}

/// What a command says of its own when a server is trusted or refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The option that names whom to trust.
    pub(crate) option: &'static str,
    /// What is safe when nothing came of it.
    pub(crate) safe: &'static str,
    /// What is safe, and what to do, when another than the one that is trusted answered.
    pub(crate) refused: &'static str,
}

/// Whom the command line says to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenKey {
    /// A coordinator or node, whatever its key is at the time.
    Community(CommunityId),
    /// A transport key.
    Transport(PeerKey),
}

impl FromStr for GivenKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("fm1") {
            let id = text.parse().map_err(|error: record::ids::IdError| error.to_string())?;
            return Ok(Self::Community(id));
        }
        let told =
            || "a key is an id (fm1…) or a transport key of 64 hexadecimal digits".to_owned();
        text.parse().map(Self::Transport).ok().ok_or_else(told)
    }
}

/// Why the other end is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Because {
    /// The command line names it.
    Given,
    /// The cursor file names it.
    Remembered,
    /// The cursor file names an earlier key, and the coordinator's officers signed the change.
    Rotated,
    /// Nobody knew better.
    FirstUse,
}

/// Decides whether to trust a connection whose other end proved `key` and showed `identity`, which is verified.
pub(crate) fn decide(
    manner: &Manner,
    given: Option<GivenKey>,
    remembered: Option<&Pin>,
    identity: &Identity,
    key: PeerKey,
) -> Result<(Pin, Because), Failure> {
    let pin = Pin { coordinator: identity.community(), key };
    if *identity.keys().transport().as_bytes() != key.0 {
        let detail = format!(
            "The other end says that it is {}, but its key is not the one in that identity. \
             Somebody may stand between you: ask its operators by another way. {}",
            pin.coordinator, manner.safe
        );
        return Err(Failure::does_not_hold("key.not_in_identity", detail));
    }
    match given {
        Some(GivenKey::Community(id)) if id != pin.coordinator => {
            return Err(other(manner, manner.option, &id, &pin.coordinator));
        }
        Some(GivenKey::Transport(expected)) if expected != key => {
            return Err(other(manner, manner.option, &expected, &key));
        }
        Some(_) | None => {}
    }
    let Some(remembered) = remembered else {
        return Ok((pin, if given.is_some() { Because::Given } else { Because::FirstUse }));
    };
    if remembered.coordinator != pin.coordinator {
        return Err(other(manner, CURSOR_FILE, &remembered.coordinator, &pin.coordinator));
    }
    if remembered.key == key {
        return Ok((pin, if given.is_some() { Because::Given } else { Because::Remembered }));
    }
    let was_its_own =
        identity.epochs().iter().any(|it| *it.keys.transport().as_bytes() == remembered.key.0);
    if was_its_own {
        return Ok((pin, Because::Rotated));
    }
    Err(other(manner, CURSOR_FILE, &remembered.key, &key))
}

/// Where a run remembers whom it trusted.
const CURSOR_FILE: &str = "The cursor file";

fn other(manner: &Manner, who: &str, expected: &dyn Display, found: &dyn Display) -> Failure {
    let detail = format!(
        "THIS IS NOT WHOM YOU TRUST. {who} names {expected}; {found} answered, and nothing proves that the one \
         became the other. Somebody may stand between you, or you dialled another server. {}",
        manner.refused
    );
    Failure::new(Exit::Verification, "key.other", detail)
}

#[cfg(test)]
#[path = "pin_tests.rs"]
mod tests;
