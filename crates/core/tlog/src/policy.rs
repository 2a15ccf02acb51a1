//! Whom a reader trusts: logs, witnesses, and how many of which must agree (C2SP tlog-policy).
//!
//! ```text
//! # two coordinators and two of five neighbours
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> <k|any|all> <member>…      members are named on earlier lines
//! quorum <name|none>                      exactly one such line
//! ```
//!
//! Names hold within the file only. Read here as UTF-8; the last line must end, so that a file cut
//! short is not taken for a weaker policy.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint, open_by_any},
    decimal::parse_decimal,
    key::{KeyError, KeyType, VerifierKey},
    note::{Note, VerifiedSignature},
};

/// The largest policy file: room for 32 logs and 32 witnesses with ML-DSA-44 keys, twice over.
pub const MAX_POLICY_BYTES: usize = 256 * 1024;

/// The name that asks for no cosignature at all.
const NO_QUORUM: &str = "none";

/// A trust policy: which logs, and which of which witnesses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(String, VerifierKey)>,
    /// In the order of the file, so that members come before the groups that name them.
    groups: Vec<Group>,
    /// The witness or group that must have cosigned; `None` asks for no cosignature.
    quorum: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

/// A line of a policy file that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyError {
    /// Its number, from 1; for what is missing, the line after the last.
    pub line: usize,
    /// What is wrong with it.
    pub problem: PolicyProblem,
}

/// What is wrong with a line of a policy file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// The file is above [`MAX_POLICY_BYTES`].
    #[error("the policy is too large")]
    TooLarge,
    /// There is a control character other than tab and LF.
    #[error("there is a control character")]
    ControlCharacter,
    /// The last line does not end in LF.
    #[error("the last line does not end; the file may be cut short")]
    UnfinishedLine,
    /// The line begins with none of `log`, `witness`, `group`, `quorum` and `#`.
    #[error("a line begins with log, witness, group, quorum or #")]
    Keyword,
    /// The line has too few words or too many.
    #[error("the line has too few words or too many")]
    WordCount,
    /// The key cannot be read.
    #[error("{0}")]
    Key(KeyError),
    /// The key's type is not one that logs, or witnesses, use.
    #[error("the key is not of the type that this line needs")]
    KeyType,
    /// Another line has the same public key.
    #[error("another line has the same public key")]
    DuplicateKey,
    /// The name is taken by an earlier line, or is `none`.
    #[error("the name is taken")]
    NameTaken,
    /// No earlier line defines the name.
    #[error("no line above defines {name}")]
    UnknownName {
        /// The name.
        name: String,
    },
    /// The witness or group is a member already; each counts once.
    #[error("{name} is a member of a group already")]
    MemberTwice {
        /// Its name.
        name: String,
    },
    /// The number is not between 1 and the number of members.
    #[error("the number of members needed is not between 1 and their number, any, or all")]
    Threshold,
    /// There is a second `quorum` line.
    #[error("there is a second quorum line")]
    SecondQuorum,
    /// There is no `quorum` line.
    #[error("there is no quorum line")]
    NoQuorum,
}

/// Why a checkpoint is not trusted under a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The checkpoint is malformed, or a signature by a known key fails.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint is of a log that the policy does not list.
    #[error("the checkpoint is not of a log that the policy lists")]
    UnknownLog,
    /// Too few of the right witnesses have cosigned.
    #[error("the checkpoint has not the cosignatures that the policy asks for")]
    NoQuorum {
        /// Those that have, verified.
        cosignatures: Vec<VerifiedSignature>,
    },
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] with the number of the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let at = |line, problem| PolicyError { line, problem };
        if MAX_POLICY_BYTES < text.len() {
            return Err(at(1, PolicyProblem::TooLarge));
        }
        let mut draft = Draft::default();
        let mut n_lines = 0;
        for (line, content) in (1..).zip(text.split_inclusive('\n')) {
            n_lines = line;
            draft.read_line(content).map_err(|problem| at(line, problem))?;
        }
        draft.finish().map_err(|problem| at(n_lines + 1, problem))
    }

    /// The keys of the logs, in the order of the file.
    #[must_use]
    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    /// The witnesses and their names in the file, in its order.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &VerifierKey)> {
        self.witnesses.iter().map(|(name, key)| (name.as_str(), key))
    }

    /// Whether cosignatures by these keys, already verified, are enough.
    ///
    /// Keys that the policy does not name count for nothing; a key counts once.
    #[must_use]
    pub fn is_satisfied(&self, verified: &[VerifierKey]) -> bool {
        let Some(quorum) = &self.quorum else { return true };
        let mut agreed: BTreeSet<&str> = self
            .witnesses
            .iter()
            .filter(|(_, key)| verified.contains(key))
            .map(|(name, _)| name.as_str())
            .collect();
        for group in &self.groups {
            let n_agreed =
                group.members.iter().filter(|member| agreed.contains(member.as_str())).count();
            if group.threshold <= n_agreed {
                agreed.insert(&group.name);
            }
        }
        agreed.contains(quorum.as_str())
    }

    /// Verifies a checkpoint: signed by one of the logs, and cosigned by the quorum. Returns it with every
    /// cosignature by a witness of the policy.
    ///
    /// # Errors
    ///
    /// [`TrustError`], each variant with its own meaning.
    pub fn open_note(
        &self,
        note: Note,
    ) -> Result<(SignedCheckpoint, Vec<VerifiedSignature>), TrustError> {
        let checkpoint = Checkpoint::parse_text(note.text())?;
        if !self.logs.iter().any(|key| *key.name() == checkpoint.origin) {
            return Err(TrustError::UnknownLog);
        }
        let cosigners: Vec<_> = self.witnesses.iter().map(|(_, key)| key.clone()).collect();
        let (signed, cosignatures) = open_by_any(note, &self.logs, &cosigners)?;
        let cosigned_by: Vec<_> = cosignatures.iter().map(|it| it.key.clone()).collect();
        if !self.is_satisfied(&cosigned_by) {
            return Err(TrustError::NoQuorum { cosignatures });
        }
        Ok((signed, cosignatures))
    }
}

/// A policy while it is read.
#[derive(Default)]
struct Draft {
    logs: Vec<VerifierKey>,
    witnesses: Vec<(String, VerifierKey)>,
    groups: Vec<Group>,
    /// Every name defined, and whether a group has it as a member.
    names: BTreeMap<String, bool>,
    /// What the `quorum` line says, if it was read.
    quorum: Option<Option<String>>,
}

impl Draft {
    fn read_line(&mut self, line: &str) -> Result<(), PolicyProblem> {
        let content = line.strip_suffix('\n').ok_or(PolicyProblem::UnfinishedLine)?;
        if content.chars().any(|it| it.is_ascii_control() && it != '\t') {
            return Err(PolicyProblem::ControlCharacter);
        }
        let words: Vec<_> = content.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match *words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            // The URL says where to reach a log or witness; verification has no use for it.
            ["log", key] | ["log", key, _] => self.add_log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.add_witness(name, key),
            ["group", name, threshold, ref members @ ..] if !members.is_empty() => {
                self.add_group(name, threshold, members)
            }
            ["quorum", name] => self.set_quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(PolicyProblem::WordCount),
            _ => Err(PolicyProblem::Keyword),
        }
    }

    fn add_log(&mut self, key: &str) -> Result<(), PolicyProblem> {
        let key = VerifierKey::parse(key).map_err(PolicyProblem::Key)?;
        match key.key_type() {
            KeyType::Ed25519 => {}
            KeyType::Cosignature | KeyType::MlDsa44 => return Err(PolicyProblem::KeyType),
        }
        if self.logs.iter().any(|log| log.public_key() == key.public_key()) {
            return Err(PolicyProblem::DuplicateKey);
        }
        self.logs.push(key);
        Ok(())
    }

    fn add_witness(&mut self, name: &str, key: &str) -> Result<(), PolicyProblem> {
        let key = VerifierKey::parse(key).map_err(PolicyProblem::Key)?;
        match key.key_type() {
            KeyType::Cosignature | KeyType::MlDsa44 => {}
            KeyType::Ed25519 => return Err(PolicyProblem::KeyType),
        }
        if self.witnesses.iter().any(|(_, other)| other.public_key() == key.public_key()) {
            return Err(PolicyProblem::DuplicateKey);
        }
        self.define(name)?;
        self.witnesses.push((name.to_owned(), key));
        Ok(())
    }

    fn add_group(
        &mut self,
        name: &str,
        threshold: &str,
        members: &[&str],
    ) -> Result<(), PolicyProblem> {
        let threshold = match threshold {
            "any" => Some(1),
            "all" => Some(members.len()),
            number => parse_decimal(number).and_then(|number| usize::try_from(number).ok()),
        };
        let threshold = threshold
            .filter(|threshold| (1..=members.len()).contains(threshold))
            .ok_or(PolicyProblem::Threshold)?;
        for member in members {
            let name = (*member).to_owned();
            match self.names.get_mut(*member) {
                Some(is_member @ false) => *is_member = true,
                Some(true) => return Err(PolicyProblem::MemberTwice { name }),
                None => return Err(PolicyProblem::UnknownName { name }),
            }
        }
        self.define(name)?;
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        Ok(())
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), PolicyProblem> {
        if self.quorum.is_some() {
            return Err(PolicyProblem::SecondQuorum);
        }
        if name == NO_QUORUM {
            self.quorum = Some(None);
            return Ok(());
        }
        if !self.names.contains_key(name) {
            return Err(PolicyProblem::UnknownName { name: name.to_owned() });
        }
        self.quorum = Some(Some(name.to_owned()));
        Ok(())
    }

    fn define(&mut self, name: &str) -> Result<(), PolicyProblem> {
        if name == NO_QUORUM || self.names.contains_key(name) {
            return Err(PolicyProblem::NameTaken);
        }
        self.names.insert(name.to_owned(), false);
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyProblem> {
        let Self { logs, witnesses, groups, names: _, quorum } = self;
        let quorum = quorum.ok_or(PolicyProblem::NoQuorum)?;
        Ok(Policy { logs, witnesses, groups, quorum })
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
