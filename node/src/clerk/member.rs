//! People on the roll: names go to the person at the socket and nowhere else.

use ballotbox::{BallotBox, MAX_PEOPLE_PER_PAGE, NewPerson, PeoplePage, PersonId};
use peer::Peer;
use proto::{
    clerk::{
        AddMembersRequest, AddMembersResponse, ListMembersRequest, ListMembersResponse, Member,
        PublishRollResponse,
    },
    types,
};
use record::{Payload, payload::Roll};

use super::{
    refusal::Refusal,
    write::{append, draft, written},
};

/// People on a page, if the caller does not say.
const DEFAULT_PAGE: u32 = 100;

/// Adds people, all or none.
pub(super) async fn add(
    ballots: &BallotBox,
    request: AddMembersRequest,
) -> Result<AddMembersResponse, Refusal> {
    let person = |name| NewPerson { name, reference: None };
    let people: Vec<NewPerson> = request.names.into_iter().map(person).collect();
    let ids = ballots.add_people(&people).await?;
    Ok(AddMembersResponse { members: ids.iter().map(PersonId::to_string).collect() })
}

/// One page of the list.
pub(super) async fn list(
    ballots: &BallotBox,
    request: ListMembersRequest,
) -> Result<ListMembersResponse, Refusal> {
    let ListMembersRequest { after, limit } = request;
    let after = match after.as_str() {
        "" => None,
        id => Some(id.parse::<PersonId>().map_err(|error| {
            Refusal::invalid("member.number", format!("Nothing is listed: {error}."))
        })?),
    };
    let limit = if limit == 0 { DEFAULT_PAGE } else { limit.min(MAX_PEOPLE_PER_PAGE - 1) };
    let mut people = ballots.list_people(PeoplePage { after, limit: limit + 1 }).await?;
    let n_shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = n_shown < people.len();
    people.truncate(n_shown);
    let member = |it: ballotbox::Person| Member { id: it.id.to_string(), name: it.name };
    Ok(ListMembersResponse { members: people.into_iter().map(member).collect(), more })
}

/// How many people are on the list.
pub(super) async fn count(ballots: &BallotBox) -> Result<u64, Refusal> {
    let (mut n_people, mut after) = (0, None);
    loop {
        let page = ballots.list_people(PeoplePage { after, limit: MAX_PEOPLE_PER_PAGE }).await?;
        n_people += u64::try_from(page.len()).unwrap_or(u64::MAX);
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(n_people),
        }
    }
}

/// Freezes the roll and publishes its number and root.
pub(super) async fn publish_roll(
    peer: &Peer,
    ballots: &BallotBox,
) -> Result<PublishRollResponse, Refusal> {
    let roll = ballots.freeze_roll().await?;
    let record = draft(&Payload::Roll(Roll { roll }), Vec::new())?;
    let appended = append(peer, vec![record]).await?;
    let (n_on_roll, roll_root) = (roll.n_on_roll, roll.roll_root.to_vec());
    Ok(PublishRollResponse {
        written: Some(written(appended)),
        roll: Some(types::RollCommitment { n_on_roll, roll_root }),
    })
}
