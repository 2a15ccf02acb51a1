//! Opening polls, taking ballots, and saying what a poll waits for.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use ballotbox::{
    BallotBox, BoxError, Cast, CastReceipt, CastRefusal, Choice, MAX_CASTS_PER_CALL, PersonId,
};
use civic::{CaseBody, poll::PollView};
use data_encoding::HEXLOWER;
use peer::Peer;
use proto::{
    clerk::{
        Ballot, CastBallotsRequest, CastBallotsResponse, ClosePollResponse, OpenPollRequest,
        OpenPollResponse, RefusedBallot,
    },
    kinds::poll::Constituency,
    payload::poll::parse_opening,
    types,
};
use record::{
    CommunityId, Payload, RecordId, UnixMillis,
    payload::poll::{Method, PollAction},
};
use store::Appended;

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
    let appended = announce(peer, duties.ballots(), request).await?;
    duties.poll(appended.id).await?;
    Ok(OpenPollResponse { written: Some(written(appended)) })
}

/// Writes the poll's opening record; the ballot box does not hear of it here.
async fn announce(
    peer: &Peer,
    ballots: &BallotBox,
    request: OpenPollRequest,
) -> Result<Appended, Refusal> {
    let OpenPollRequest { opening, text } = request;
    let text = text_of(text)?;
    let mut opening =
        opening.ok_or_else(|| Refusal::invalid("request.opening", "The opening is missing."))?;
    opening.region = peer.charter().region.as_bytes().to_vec();
    let named = opening.constituencies.iter().map(|it| community(&it.community));
    let named = named.collect::<Result<BTreeSet<_>, _>>()?;
    opening.constituencies = electorate(peer, ballots, named).await?;
    let opening = parse_opening(opening)?;
    check_labels(&text, usize::try_from(opening.n_options).unwrap_or(usize::MAX), "options")?;
    open_case(peer, text, &Payload::Poll(PollAction::Open(opening))).await
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
    let members = peer.region().newest().roster.members().iter().copied().collect();
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

/// What became of each ballot, in the order of the request.
type Outcomes = Vec<Result<CastReceipt, Refusal>>;

/// Takes ballots, each by itself: people vote, not requests. Nothing of a ballot is in any error: a refused one is named
/// by its place in the list.
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
    let casts: Vec<Result<Cast, Refusal>> = casts.collect();
    let now = UnixMillis(peer.clock().now_millis());
    answer(hand_in(duties, poll, casts, now).await?)
}

/// Hands in the ballots that can be read, in one transaction.
async fn hand_in(
    duties: &Duties,
    poll: RecordId,
    casts: Vec<Result<Cast, Refusal>>,
    now: UnixMillis,
) -> Result<Outcomes, Refusal> {
    let sound: Vec<Cast> = casts.iter().filter_map(|it| it.as_ref().ok()).cloned().collect();
    let ballots = duties.ballots();
    let mut answers = ballots.cast_many(sound.clone(), now).await?;
    if answers.iter().any(|it| matches!(it, Err(CastRefusal::UnknownPoll))) {
        // The poll has come just now, and the box has not heard of it: nothing was taken, so all are handed in again.
        duties.poll(poll).await?;
        answers = ballots.cast_many(sound, now).await?;
    }
    let mut answers = answers.into_iter();
    let outcome = |cast: Result<Cast, Refusal>| {
        cast?;
        let answer = answers.next().ok_or(BoxError::ShutDown)?;
        answer.map_err(|refusal| Refusal::refused(refusal.reason(), refusal.to_string()))
    };
    Ok(casts.into_iter().map(outcome).collect())
}

fn answer(outcomes: Outcomes) -> Result<CastBallotsResponse, Refusal> {
    if let [Err(refusal)] = outcomes.as_slice() {
        return Err(refusal.clone());
    }
    let mut response = CastBallotsResponse::default();
    for (ballot_index, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok(receipt) => response.receipts.push(receipt_text(&receipt)),
            Err(refusal) => {
                let (reason, detail) = (refusal.reason().to_owned(), refusal.detail().to_owned());
                response.refused.push(RefusedBallot { ballot_index, reason, detail });
            }
        }
    }
    Ok(response)
}

/// Poll, credential hash and leaf: what shows that the ballot is in the box.
fn receipt_text(receipt: &CastReceipt) -> String {
    let CastReceipt { poll, credential_hash, leaf } = receipt;
    format!("{poll}.{}.{}", HEXLOWER.encode(credential_hash), HEXLOWER.encode(leaf.as_bytes()))
}

fn not_a_member() -> Refusal {
    Refusal::invalid(
        "ballot.member_number",
        "A member number is written like m-000123. The ballot was not added; `member list` shows the numbers.",
    )
}

/// The choice, by the form that the poll's method takes.
fn choice_of(method: Method, options: Vec<u32>) -> Result<Choice, Refusal> {
    match (method, options.as_slice()) {
        (_, []) => Ok(Choice::Blank),
        (Method::Approval, _) => Ok(Choice::Several(options.into_iter().collect())),
        (Method::YesNo | Method::Plurality, [option]) => Ok(Choice::One(*option)),
        (Method::YesNo | Method::Plurality, _) => {
            let detail = "This poll takes one option. The ballot was not added.";
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
