//! Opening polls, taking ballots, and saying what a poll waits for.

use std::collections::BTreeSet;

use ballotbox::{BallotBox, Cast, CastReceipt, Choice, MAX_CASTS_PER_CALL, PersonId};
use civic::{CaseBody, poll::PollView};
use data_encoding::HEXLOWER;
use peer::Peer;
use proto::{
    clerk::{
        Ballot, CastBallotsRequest, CastBallotsResponse, ClosePollResponse, OpenPollRequest,
        OpenPollResponse,
    },
    kinds::poll::Constituency,
    payload::poll::parse_opening,
    types,
};
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    payload::poll::{Method, PollAction},
};

use super::{
    refusal::{Reason as _, Refusal},
    write::{check_labels, open_case, record_id, text_of, written},
};
use crate::polls::Duties;

/// Opens a poll: region and rolls are filled in here, and the own ballot box learns of it at once.
pub(super) async fn open(
    peer: &Peer,
    duties: &Duties,
    request: OpenPollRequest,
) -> Result<OpenPollResponse, Refusal> {
    let OpenPollRequest { opening, text } = request;
    let text = text_of(text)?;
    let mut opening =
        opening.ok_or_else(|| Refusal::invalid("request.opening", "The opening is missing."))?;
    opening.region = peer.charter().region.as_bytes().to_vec();
    let named = opening.constituencies.iter().map(|it| community(&it.community));
    let named = named.collect::<Result<BTreeSet<_>, _>>()?;
    opening.constituencies = electorate(peer, duties.ballots(), named).await?;
    let opening = parse_opening(opening)?;
    check_labels(&text, usize::try_from(opening.n_options).unwrap_or(usize::MAX), "options")?;
    let appended = open_case(peer, text, &Payload::Poll(PollAction::Open(opening))).await?;
    duties.poll(appended.id).await?;
    Ok(OpenPollResponse { written: Some(written(appended)) })
}

fn community(bytes: &[u8]) -> Result<CommunityId, Refusal> {
    let wrong = || Refusal::invalid("request.id", "A community id has 32 bytes.");
    CommunityId::from_slice(bytes).ok_or_else(wrong)
}

/// The communities that vote with the rolls they published: those named, or all that have one.
async fn electorate(
    peer: &Peer,
    ballots: &BallotBox,
    named: BTreeSet<CommunityId>,
) -> Result<Vec<Constituency>, Refusal> {
    let members = peer.store().config().region.members.clone();
    let asked = if named.is_empty() { members } else { named.clone() };
    let (mut constituencies, mut without) = (Vec::new(), Vec::new());
    for community in asked {
        match peer.store().roll(community).await? {
            Some(roll) => {
                if community == peer.community() && ballots.roll(&roll.roll_root).await?.is_none() {
                    return Err(roll_lost());
                }
                let roll_root = roll.roll_root.to_vec();
                constituencies.push(Constituency {
                    community: community.as_bytes().to_vec(),
                    roll: Some(types::RollCommitment { n_on_roll: roll.n_on_roll, roll_root }),
                });
            }
            None => without.push(community.to_string()),
        }
    }
    if !named.is_empty() && !without.is_empty() {
        let detail = format!(
            "No roll has been published by {}. Nothing was opened: each community publishes its roll first (`roll publish`).",
            without.join(", ")
        );
        return Err(Refusal::refused("poll.roll_missing", detail));
    }
    if constituencies.is_empty() {
        let detail = "No community has published a roll, so nobody could vote. Nothing was opened: \
                      add members and run `roll publish` first.";
        return Err(Refusal::refused("poll.roll_missing", detail));
    }
    Ok(constituencies)
}

fn roll_lost() -> Refusal {
    Refusal::refused(
        "ballotbox.roll_not_ours",
        "The roll that this community published is not in this node's ballot box. Nothing was opened: \
         run `roll publish` again, then open the poll.",
    )
}

/// Takes ballots. Nothing of a ballot is in any error: a refused one is named by its place in the list.
pub(super) async fn cast(
    peer: &Peer,
    duties: &Duties,
    request: CastBallotsRequest,
) -> Result<CastBallotsResponse, Refusal> {
    let CastBallotsRequest { poll, ballots: handed_in, replace } = request;
    let poll = record_id(&poll)?;
    if MAX_CASTS_PER_CALL < handed_in.len() {
        let detail =
            format!("At most {MAX_CASTS_PER_CALL} ballots are taken at once. None was added.");
        return Err(Refusal::invalid("ballot.too_many", detail));
    }
    let view = poll_view(peer, poll).await?;
    let casts = handed_in.into_iter().map(|ballot| {
        let Ballot { member, options } = ballot;
        let person: PersonId = member.parse().map_err(|_error| not_a_member())?;
        Ok(Cast { poll, person, choice: choice_of(view.method, options)?, replace })
    });
    let casts = casts.collect::<Result<Vec<_>, Refusal>>()?;
    let now = UnixMillis(peer.clock().now_millis());
    let ballots = duties.ballots();
    let mut answers = ballots.cast_many(casts.clone(), now).await?;
    if answers.iter().any(|it| matches!(it, Err(ballotbox::CastRefusal::UnknownPoll))) {
        // The poll has come just now, and the box has not heard of it: nothing was taken, so all are handed in again.
        duties.poll(poll).await?;
        answers = ballots.cast_many(casts, now).await?;
    }
    receipts(answers)
}

type Answers = Vec<Result<CastReceipt, ballotbox::CastRefusal>>;

fn receipts(answers: Answers) -> Result<CastBallotsResponse, Refusal> {
    let n_all = answers.len();
    let n_taken = answers.iter().filter(|it| it.is_ok()).count();
    let mut receipts = Vec::with_capacity(n_all);
    for (number, answer) in (1..).zip(answers) {
        match answer {
            Ok(receipt) => receipts.push(receipt_text(&receipt)),
            Err(refusal) if n_all == 1 => {
                return Err(Refusal::refused(refusal.reason(), refusal.to_string()));
            }
            Err(refusal) => {
                let detail = format!(
                    "Ballot {number} of {n_all} was not added: {refusal} {n_taken} of the {n_all} are in the box."
                );
                return Err(Refusal::refused(refusal.reason(), detail));
            }
        }
    }
    Ok(CastBallotsResponse { receipts })
}

/// Poll, credential hash and leaf: what shows that the ballot is in the box.
fn receipt_text(receipt: &CastReceipt) -> String {
    let CastReceipt { poll, credential_hash, leaf } = receipt;
    format!("{poll}.{}.{}", HEXLOWER.encode(credential_hash), HEXLOWER.encode(leaf.as_bytes()))
}

fn not_a_member() -> Refusal {
    Refusal::invalid(
        "ballot.member_number",
        "A member number is written like m-000123. No ballot was added; `member list` shows the numbers.",
    )
}

/// The choice, by the form that the poll's method takes.
fn choice_of(method: Method, options: Vec<u32>) -> Result<Choice, Refusal> {
    match (method, options.as_slice()) {
        (_, []) => Ok(Choice::Blank),
        (Method::Approval, _) => Ok(Choice::Several(options.into_iter().collect())),
        (Method::YesNo | Method::Plurality, [option]) => Ok(Choice::One(*option)),
        (Method::YesNo | Method::Plurality, _) => {
            let detail = "This poll takes one option. No ballot was added.";
            Err(Refusal::invalid("ballot.invalid_choice", detail))
        }
    }
}

async fn poll_view(peer: &Peer, poll: RecordId) -> Result<PollView, Refusal> {
    let missing = || {
        let detail = format!("There is no poll {poll} here. If it is new, try again in a moment.");
        Refusal::not_found("case.unknown", detail)
    };
    match peer.store().fold(poll).await?.ok_or_else(missing)?.body {
        CaseBody::Poll(view) => Ok(view),
        CaseBody::Covenant(_) | CaseBody::Opportunity(_) | CaseBody::Pool(_) => Err(missing()),
    }
}

/// Does what the clock allows now, and says what is awaited.
pub(super) async fn close(duties: &Duties, poll: &str) -> Result<ClosePollResponse, Refusal> {
    let step = duties.poll(record_id(poll)?).await?;
    let written = step.written.into_iter().map(written).collect();
    Ok(ClosePollResponse { written, awaiting: step.awaiting })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ballot_takes_the_form_of_the_polls_method() {
        assert_eq!(choice_of(Method::YesNo, vec![1]).ok(), Some(Choice::One(1)));
        assert_eq!(
            choice_of(Method::Approval, vec![2, 0]).ok(),
            Some(Choice::Several([0, 2].into()))
        );
        for method in [Method::YesNo, Method::Plurality, Method::Approval] {
            assert_eq!(choice_of(method, vec![]).ok(), Some(Choice::Blank));
        }
        assert!(choice_of(Method::Plurality, vec![0, 1]).is_err());
    }

    #[test]
    fn a_refused_ballot_of_several_is_named_by_its_place_and_not_by_its_person() {
        let receipt = CastReceipt {
            poll: RecordId::from_bytes([1; 32]),
            credential_hash: [2; 32],
            leaf: tlog::leaf_hash(b"leaf"),
        };
        let answers = vec![Ok(receipt), Err(ballotbox::CastRefusal::AlreadyVoted)];
        let refusal = receipts(answers).unwrap_err();
        assert_eq!(refusal.reason(), "ballot.already_voted");
        assert!(refusal.detail().starts_with("Ballot 2 of 2"), "{refusal}");
        assert!(refusal.detail().ends_with("1 of the 2 are in the box."), "{refusal}");
    }
}
