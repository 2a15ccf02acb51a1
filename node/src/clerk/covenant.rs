//! Proposing and signing covenants.

use peer::Peer;
use proto::{
    clerk::{
        ProposeCovenantRequest, ProposeCovenantResponse, SignCovenantRequest, SignCovenantResponse,
    },
    payload::covenant::{parse_minute, parse_proposal},
    types,
};
use record::{
    Payload, RecordId,
    payload::{
        Text,
        covenant::{CovenantAction, Proposal, Signature},
        words::{TextHash, Wording},
    },
};

use super::{
    cases,
    refusal::Refusal,
    write::{check_labels, open_case, record_id, say_in, text_of, written},
};

/// Proposes a covenant: region and text hashes are filled in here.
pub(super) async fn propose(
    peer: &Peer,
    request: ProposeCovenantRequest,
) -> Result<ProposeCovenantResponse, Refusal> {
    let ProposeCovenantRequest { proposal, text } = request;
    let text = text_of(text)?;
    let mut proposal =
        proposal.ok_or_else(|| Refusal::invalid("request.proposal", "The proposal is missing."))?;
    proposal.region = peer.charter().region.as_bytes().to_vec();
    proposal.parties.sort_by(|one, next| one.community.cmp(&next.community));
    proposal.texts = text.wordings.iter().map(text_hash).collect();
    let proposal = parse_proposal(proposal)?;
    check_labels(&text, proposal.commitments.len(), "commitments")?;
    let opening = Payload::Covenant(CovenantAction::Propose(proposal));
    let appended = open_case(peer, text, &opening).await?;
    Ok(ProposeCovenantResponse { written: Some(written(appended)) })
}

fn text_hash(wording: &Wording) -> types::TextHash {
    let TextHash { language, sha256 } = wording.hash();
    types::TextHash { language: language.as_str().to_owned(), sha256: sha256.to_vec() }
}

/// Signs a covenant with the hashes of its own words, which must be here to be read; or says no.
pub(super) async fn sign(
    peer: &Peer,
    request: SignCovenantRequest,
) -> Result<SignCovenantResponse, Refusal> {
    let SignCovenantRequest { covenant, decline, minute, poll_result } = request;
    let covenant = record_id(&covenant)?;
    let (opening, words) = cases::opening(peer, covenant).await?;
    let Payload::Covenant(CovenantAction::Propose(proposal)) = opening else {
        let detail = format!("{covenant} is not a covenant, so it cannot be signed.");
        return Err(Refusal::not_found("case.other_kind", detail));
    };
    let action = if decline {
        CovenantAction::Decline { proposal: covenant }
    } else {
        check_open(peer, covenant).await?;
        check_readable(peer, &proposal, words).await?;
        let poll_result = Some(poll_result).filter(|it| !it.is_empty());
        CovenantAction::Sign(Signature {
            proposal: covenant,
            texts: proposal.texts,
            minute: minute.map(parse_minute).transpose()?,
            poll_result: poll_result.map(|it| record_id(&it)).transpose()?,
        })
    };
    let appended = say_in(peer, covenant, &Payload::Covenant(action)).await?;
    Ok(SignCovenantResponse { written: Some(written(appended)) })
}

/// Nobody signs what came to nothing.
async fn check_open(peer: &Peer, covenant: RecordId) -> Result<(), Refusal> {
    if peer.store().fold(covenant).await?.is_none_or(|case| case.state != "lapsed") {
        return Ok(());
    }
    let detail = "This covenant has lapsed: a party declined, or the time to sign is over. Nothing was signed. \
                  If it is still wanted, propose it again.";
    Err(Refusal::refused("covenant.lapsed", detail))
}

/// Nobody signs what they cannot read: the words are here, and they are those that the proposal names.
async fn check_readable(
    peer: &Peer,
    proposal: &Proposal,
    words: Option<RecordId>,
) -> Result<(), Refusal> {
    let missing = || {
        Refusal::refused(
            "covenant.words_missing",
            "The words of this covenant are not here: they were erased, or have not come yet. \
             Nothing was signed, because nobody should sign what they cannot read. \
             Ask the proposer for the words, or to propose it again.",
        )
    };
    let row = peer.store().words(words.ok_or_else(missing)?).await?.ok_or_else(missing)?;
    let Some(Payload::Text(text)) = row.record.payload() else { return Err(missing()) };
    if hashes(&text) == proposal.texts { Ok(()) } else { Err(other_words()) }
}

fn hashes(text: &Text) -> Vec<TextHash> {
    text.wordings.iter().map(Wording::hash).collect()
}

fn other_words() -> Refusal {
    Refusal::refused(
        "covenant.words_differ",
        "The words that came with this covenant are not those that its proposal names. Nothing was signed. \
         Ask the proposer to propose it again.",
    )
}
