//! Counting a closed box: ballots in, numbers out.

use record::{RecordId, payload::poll::Counts};

use crate::{
    ballot::{Ballot, load_ballots, root_of},
    error::{BoxError, Failure},
    file::BallotBox,
    poll::{BoxRoot, PollTerms, find_poll},
};

/// Why nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountRefusal {
    /// No poll of this id is in the box.
    #[error("This poll is not in the ballot box of this community. Nothing was counted.")]
    UnknownPoll,
    /// The box is not closed.
    #[error(
        "The box of this poll is not closed. Nothing was counted; close it after voting has ended."
    )]
    NotClosed,
}

impl BallotBox {
    /// Counts a closed box, after checking that the ballots still have the root that the box was closed with.
    ///
    /// Whether the counts may be published is not decided here (VOTES.md, *Small communities*).
    ///
    /// # Errors
    ///
    /// Every [`CountRefusal`]; [`BoxError::Damaged`] if a ballot was added, changed or taken away since the close.
    pub async fn count(&self, poll: &RecordId) -> Result<Counts, Failure<CountRefusal>> {
        let mut tx = self.file.begin_read("count a poll").await?;
        let row =
            find_poll(&mut tx, poll).await?.ok_or(Failure::Refused(CountRefusal::UnknownPoll))?;
        let root = row.root.ok_or(Failure::Refused(CountRefusal::NotClosed))?;
        let ballots = load_ballots(&mut tx, row.number).await?;
        check_root(&ballots, &root)?;
        Ok(add_up(&ballots, &row.terms)?)
    }
}

/// Checks that these are the ballots that the box was closed with.
pub(crate) fn check_root(ballots: &[Ballot], root: &BoxRoot) -> Result<(), BoxError> {
    let same_number = u64::try_from(ballots.len()) == Ok(root.n_ballots);
    if same_number && root_of(ballots) == root.ballot_root {
        return Ok(());
    }
    Err(BoxError::Damaged { what: "the ballots are not those that the box was closed with" })
}

fn add_up(ballots: &[Ballot], terms: &PollTerms) -> Result<Counts, BoxError> {
    let n_options = usize::try_from(terms.n_options).unwrap_or(usize::MAX);
    let mut counts =
        Counts { n_ballots: 0, n_blank: 0, n_spoiled: 0, by_option: vec![0; n_options] };
    for ballot in ballots {
        add_ballot(&mut counts, ballot, terms)?;
    }
    Ok(counts)
}

fn add_ballot(counts: &mut Counts, ballot: &Ballot, terms: &PollTerms) -> Result<(), BoxError> {
    let choice = ballot.choice(terms.method, terms.n_options)?;
    let mut is_blank = true;
    for option in choice.options() {
        is_blank = false;
        let votes =
            usize::try_from(option).ok().and_then(|option| counts.by_option.get_mut(option));
        *votes
            .ok_or(BoxError::Damaged { what: "a ballot names an option that there is not" })? += 1;
    }
    counts.n_ballots += 1;
    counts.n_blank += u64::from(is_blank);
    Ok(())
}
