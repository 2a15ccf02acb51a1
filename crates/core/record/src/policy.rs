//! Whom to trust in a region, as a C2SP policy file: which logs, and how many of which communities must have cosigned.
//!
//! ```text
//! log <vkey>                                 one for each log
//! witness c1-mirror <vkey>                   the keys of a community: as a mirror, as a witness, present and former
//! group c1 any c1-mirror c1-witness …        one of its keys is its word
//! group coordinators 2 c1 c2
//! group neighbours 2 c3 c4 c5 c6 c7
//! group quorum all coordinators neighbours
//! quorum quorum
//! ```

use std::collections::BTreeSet;

use tlog::VerifierKey;

use crate::identity::{Identity, mirror_verifier_key, verifier_key, witness_verifier_key};

/// Communities of which so many must have cosigned.
#[derive(Debug, Clone, Copy)]
pub struct CosignerGroup<'a> {
    /// The group's name in the file: a word that is not `quorum` or `none` and does not begin with `c` and a digit.
    pub name: &'a str,
    /// How many of them.
    pub needed: usize,
    /// Who they are. A community counts in the first group that names it.
    pub members: &'a [&'a Identity],
}

/// The policy file that trusts these logs if every group has cosigned. A group without members is left out, so a policy
/// without any asks for no cosignature.
///
/// [`tlog::Policy::parse`] refuses it where a group needs more than its members.
#[must_use]
pub fn render_policy(logs: &[&Identity], groups: &[CosignerGroup<'_>]) -> String {
    let mut file = File::default();
    for identity in logs {
        let log = (identity.network(), identity.community(), identity.era());
        let key = verifier_key(log.0, &log.1, log.2, identity.keys().log());
        file.lines.push_str(&format!("log {}\n", key.render()));
    }
    let names: Vec<&str> = groups.iter().filter_map(|group| file.add_group(group)).collect();
    let quorum = match names.as_slice() {
        [] => "quorum none\n".to_owned(),
        names => format!("group quorum all {}\nquorum quorum\n", names.join(" ")),
    };
    file.lines + &quorum
}

#[derive(Default)]
struct File {
    lines: String,
    n_communities: usize,
    keys: BTreeSet<Vec<u8>>,
    communities: BTreeSet<crate::CommunityId>,
}

impl File {
    /// The name of the group, if it has members.
    fn add_group<'a>(&mut self, group: &CosignerGroup<'a>) -> Option<&'a str> {
        let CosignerGroup { name, needed, members } = *group;
        let members: Vec<String> = members.iter().filter_map(|it| self.add_community(it)).collect();
        if members.is_empty() {
            return None;
        }
        self.lines.push_str(&format!("group {name} {needed} {}\n", members.join(" ")));
        Some(name)
    }

    /// The name of a community's group, if it stands in no earlier one.
    fn add_community(&mut self, identity: &Identity) -> Option<String> {
        if !self.communities.insert(identity.community()) {
            return None;
        }
        let (network, community) = (identity.network(), identity.community());
        self.n_communities += 1;
        let name = format!("c{}", self.n_communities);
        self.lines.push_str(&format!("# {name}: {} {community}\n", identity.name()));
        let mut members = String::new();
        for (n, epoch) in (0_usize..).zip(identity.epochs().iter().rev()) {
            let mirror = mirror_verifier_key(network, &community, epoch.keys.mirror());
            let witness = witness_verifier_key(network, &community, epoch.keys.witness());
            for (role, key) in [("mirror", mirror), ("witness", witness)] {
                members.push_str(&self.add_key(&format!("{name}-{role}-{n}"), &key));
            }
        }
        if members.is_empty() {
            return None;
        }
        self.lines.push_str(&format!("group {name} any{members}\n"));
        Some(name)
    }

    /// A space and the name of the key, unless another line has it: rotations mostly keep it.
    fn add_key(&mut self, name: &str, key: &VerifierKey) -> String {
        if !self.keys.insert(key.public_key().to_vec()) {
            return String::new();
        }
        self.lines.push_str(&format!("witness {name} {}\n", key.render()));
        format!(" {name}")
    }
}
