//! One ballot in the box. The type is private: nothing that leaves the crate holds one.

use std::fmt;

use record::{RecordId, ids::tagged_hash, payload::poll::Method};
use sqlx::SqliteConnection;
use tlog::Hash;

use crate::{
    choice::Choice,
    error::{Attempt as _, BoxError, bytes_32},
    tree,
};

/// What one person handed in. Neither the person nor a time is in it.
#[derive(Clone)]
pub(crate) struct Ballot {
    /// The hash of the credential, as [`credential_hash`] makes it: the ballot's place in the tree.
    pub(crate) credential: [u8; 32],
    /// Keeps the choice from being guessed from the leaf.
    pub(crate) salt: [u8; 32],
    /// [`Choice::to_bytes`].
    pub(crate) choices: Vec<u8>,
}

impl fmt::Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ballot(hidden)")
    }
}

/// SHA-256("folkmoot/credential/v1\0" ‖ poll ‖ credential). The credential itself is not kept.
pub(crate) fn credential_hash(poll: &RecordId, credential: &[u8; 32]) -> [u8; 32] {
    tagged_hash("folkmoot/credential/v1", &[poll.as_bytes(), credential])
}

impl Ballot {
    /// The leaf of the ballot tree (VOTES.md, *Ballots*): the RFC 6962 leaf hash of
    /// SHA-256("folkmoot/ballot/v1\0" ‖ credential hash ‖ SHA-256("folkmoot/ballot-content/v1\0" ‖ salt ‖ choices)).
    pub(crate) fn leaf(&self) -> Hash {
        let content = tagged_hash("folkmoot/ballot-content/v1", &[&self.salt, &self.choices]);
        tlog::leaf_hash(&tagged_hash("folkmoot/ballot/v1", &[&self.credential, &content]))
    }

    /// The choice, if the stored bytes are one.
    pub(crate) fn choice(&self, method: Method, n_options: u32) -> Result<Choice, BoxError> {
        Choice::from_bytes(&self.choices, method, n_options)
            .ok_or(BoxError::Damaged { what: "a ballot cannot be read" })
    }
}

/// The leaves of ballots that stand in the order of their credential hashes.
pub(crate) fn leaves_of(ballots: &[Ballot]) -> Vec<Hash> {
    ballots.iter().map(Ballot::leaf).collect()
}

/// The root of the ballot tree.
pub(crate) fn root_of(ballots: &[Ballot]) -> [u8; 32] {
    tree::root_of(&leaves_of(ballots))
}

/// All ballots of poll number `poll`, in the order of their credential hashes.
pub(crate) async fn load_ballots(
    connection: &mut SqliteConnection,
    poll: i64,
) -> Result<Vec<Ballot>, BoxError> {
    let rows: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT credential, salt, choices FROM ballot WHERE poll = $1 AND in_box = 1 ORDER BY credential",
    )
    .bind(poll)
    .fetch_all(connection)
    .await
    .attempt("read the box")?;
    let ballot = |(credential, salt, choices): (Vec<u8>, Vec<u8>, _)| {
        Ok(Ballot { credential: bytes_32(&credential)?, salt: bytes_32(&salt)?, choices })
    };
    rows.into_iter().map(ballot).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ballot(credential: u8, salt: u8, choice: &Choice) -> Ballot {
        Ballot { credential: [credential; 32], salt: [salt; 32], choices: choice.to_bytes(2) }
    }

    #[test]
    fn the_root_changes_with_one_ballot_with_its_salt_and_with_its_choice() {
        let before = vec![ballot(1, 1, &Choice::One(0)), ballot(2, 2, &Choice::Blank)];
        let root = root_of(&before);
        let mut another_choice = before.clone();
        another_choice[0] = ballot(1, 1, &Choice::One(1));
        let mut another_salt = before.clone();
        another_salt[0] = ballot(1, 9, &Choice::One(0));
        assert_ne!(root_of(&another_choice), root);
        assert_ne!(root_of(&another_salt), root);
        assert_ne!(root_of(&before[..1]), root);
        assert_eq!(root_of(&[]), *tlog::empty_root().as_bytes());
    }

    #[test]
    fn a_credential_is_of_one_poll_only() {
        let (one, other) = (RecordId::from_bytes([1; 32]), RecordId::from_bytes([2; 32]));
        assert_ne!(credential_hash(&one, &[7; 32]), credential_hash(&other, &[7; 32]));
    }

    proptest! {
        #[test]
        fn the_leaf_of_another_credential_is_another_leaf(a in any::<u8>(), b in any::<u8>()) {
            let leaf = |credential| ballot(credential, 0, &Choice::Blank).leaf();
            prop_assert_eq!(leaf(a) == leaf(b), a == b);
        }
    }
}
