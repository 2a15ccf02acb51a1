//! Checking a receipt: is this ballot in the box, and what proves it.

use record::RecordId;
use tlog::{Hash, proof::ProofError};

use crate::{
    ballot::{leaves_of, load_ballots},
    cast::CastReceipt,
    count::check_root,
    error::{BoxError, Failure},
    file::BallotBox,
    poll::{BoxRoot, UnknownPoll, find_poll},
    tree,
};

/// What shows that a ballot is one of those that a published root stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BallotProof {
    /// The place of the ballot, from 0, in the order of credential hashes.
    pub index: u64,
    /// The box as it was closed.
    pub root: BoxRoot,
    /// Hashes from the leaf's sibling up to the root.
    pub path: Vec<Hash>,
}

impl BallotProof {
    /// Verifies that the ballot of the receipt is in the box with this proof's root. Compare that root with the one in
    /// the community's published tally.
    ///
    /// # Errors
    ///
    /// [`ProofError`] if the proof is of another ballot, of another box, or altered.
    pub fn verify(&self, receipt: &CastReceipt) -> Result<(), ProofError> {
        let root = Hash::from_bytes(self.root.ballot_root);
        tlog::verify_inclusion(receipt.leaf, self.index, self.root.n_ballots, &self.path, &root)
    }
}

/// Where the ballot of a receipt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiptStanding {
    /// In the box, which is not closed yet.
    InTheBox,
    /// In the closed box, and this proves it.
    Proved(BallotProof),
    /// Another ballot of the same person took its place.
    Replaced,
    /// The box never took it, or lost it: if the receipt is genuine, show it to the scrutineers.
    NotInTheBox,
}

impl BallotBox {
    /// Says whether the ballot of a receipt is in the box; never what is on it.
    ///
    /// # Errors
    ///
    /// [`UnknownPoll`]; [`BoxError`] if the file fails or is not as the box was closed.
    pub async fn check_receipt(
        &self,
        receipt: &CastReceipt,
    ) -> Result<ReceiptStanding, Failure<UnknownPoll>> {
        let poll: &RecordId = &receipt.poll;
        let mut tx = self.file.begin_read("check a receipt").await?;
        let row = find_poll(&mut tx, poll).await?.ok_or(Failure::Refused(UnknownPoll))?;
        let ballots = load_ballots(&mut tx, row.number).await?;
        if let Some(root) = &row.root {
            check_root(&ballots, root)?;
        }
        let leaves = leaves_of(&ballots);
        let found = ballots.binary_search_by_key(&receipt.credential_hash, |it| it.credential);
        let Ok(index) = found else { return Ok(ReceiptStanding::NotInTheBox) };
        if leaves.get(index) != Some(&receipt.leaf) {
            return Ok(ReceiptStanding::Replaced);
        }
        let Some(root) = row.root else { return Ok(ReceiptStanding::InTheBox) };
        let path = tree::inclusion_path(&leaves, index)
            .ok_or(BoxError::Damaged { what: "a ballot has no place in the tree" })?;
        let index = u64::try_from(index).unwrap_or(u64::MAX);
        Ok(ReceiptStanding::Proved(BallotProof { index, root, path }))
    }
}
