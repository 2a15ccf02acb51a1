//! Fetches the records behind claims with their proofs, and checks each: whose log, which region, which case.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::v1::{
    Content as WireContent, GetProofRequest, GetProofResponse, GetProofsRequest, GetProofsResponse,
    RawRecord,
};
use record::{
    CommunityId, Network, Payload, RecordId, RegionId, commitment::Salt, limits::MAX_PROOFS,
    proved, verified::Content,
};
use store::NeighbourRecord;
use tonic::Status;

use super::{
    claim::{Cause, Refusal},
    read::Line,
};

/// How long a checkpoint over a record is waited for each time.
const PAUSE: Duration = Duration::from_millis(500);
/// The most bytes of payloads that are held at once until they are judged: 2,000 records of 16 KiB. Items whose records
/// come after that are refused.
const MAX_PROVED_BYTES: usize = 32 * 1024 * 1024;
/// The reason by which a server says that it has no such record, or no checkpoint over it yet.
const NOT_FOUND: &str = "proof.not_found";

/// What is known of the region whose records are checked.
#[derive(Debug, Clone)]
pub(super) struct Realm {
    pub(super) network: Network,
    pub(super) region: RegionId,
    /// Everybody who ever was a member.
    pub(super) members: BTreeSet<CommunityId>,
}

/// Each record, or why it is not believed.
pub(super) type Proved = BTreeMap<RecordId, Result<NeighbourRecord, Refusal>>;

/// Fetches and checks records of these cases. Those that no checkpoint covers yet are asked for so often in all.
///
/// # Errors
///
/// The status with which the other side ended the call.
pub(super) async fn fetch(
    line: &Line,
    mut wanted: BTreeMap<Cause, RecordId>,
    n_tries: u32,
) -> Result<Proved, Status> {
    let (mut proved, mut room) = (Proved::new(), MAX_PROVED_BYTES);
    for tries_left in (0..n_tries).rev() {
        let asked: Vec<(Cause, RecordId)> = std::mem::take(&mut wanted).into_iter().collect();
        for some in asked.chunks(MAX_PROOFS) {
            for ((cause, case), answer) in some.iter().zip(answers(line, some).await?) {
                let outcome = match answer.proof {
                    Some(proof) => {
                        check(&line.realm, cause, *case, proof).and_then(|it| within(&mut room, it))
                    }
                    None if answer.reason == NOT_FOUND && 0 < tries_left => {
                        wanted.insert(*cause, *case);
                        continue;
                    }
                    None => Err(Refusal::NoProof(answer.reason.chars().take(80).collect())),
                };
                proved.insert(cause.record, outcome);
            }
        }
        if wanted.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(proved)
}

/// A record that there is room for; what it takes of the room is gone.
fn within(room: &mut usize, record: NeighbourRecord) -> Result<NeighbourRecord, Refusal> {
    let left = room.checked_sub(record.payload.len());
    *room = left.ok_or(Refusal::NoRoom)?;
    Ok(record)
}

/// One answer for each, in order; where the other side stops early, none for the rest.
async fn answers(
    line: &Line,
    asked: &[(Cause, RecordId)],
) -> Result<Vec<GetProofsResponse>, Status> {
    let place = |(cause, _): &(Cause, RecordId)| GetProofRequest {
        community: cause.community.as_bytes().to_vec(),
        era: cause.era,
        index: cause.index,
    };
    let request = GetProofsRequest { records: asked.iter().map(place).collect() };
    let mut logs = line.logs.clone();
    let mut answers = line.in_time(logs.get_proofs(request)).await?.into_inner();
    let mut all = Vec::with_capacity(asked.len());
    while all.len() < asked.len() {
        match line.in_time(answers.message()).await? {
            Some(answer) => all.push(answer),
            None => return Err(Status::data_loss("fewer proofs came than were asked for")),
        }
    }
    Ok(all)
}

/// A record that is the one claimed, in the log of a member, and of the case and region claimed.
fn check(
    realm: &Realm,
    cause: &Cause,
    case: RecordId,
    proof: GetProofResponse,
) -> Result<NeighbourRecord, Refusal> {
    let GetProofResponse { record, tlog_proof } = proof;
    let beside = record.and_then(|RawRecord { content, .. }| content).and_then(content_of);
    let record = proved::open(&realm.network, &tlog_proof, beside)?;
    let header = record.header();
    let place = (header.community, header.era, header.index);
    if record.id() != cause.record || place != (cause.community, cause.era, cause.index) {
        return Err(Refusal::OtherRecord);
    }
    if !realm.members.contains(&cause.community) {
        return Err(Refusal::Stranger(cause.community));
    }
    let content = record.content().ok_or(proved::ProvedError::Incomplete)?;
    let payload =
        header.kind.known().and_then(|it| proto::payload::decode(it, &content.payload).ok());
    let payload = payload.filter(Payload::is_of_a_case).ok_or(Refusal::OtherCase)?;
    let is_of_case = if payload.opens_case() {
        record.id() == case && payload.region() == Some(realm.region)
    } else {
        header.references.first() == Some(&case)
    };
    if !is_of_case {
        return Err(Refusal::OtherCase);
    }
    Ok(NeighbourRecord {
        case,
        id: record.id(),
        header: record.header_bytes().to_vec(),
        payload: content.payload.clone(),
        told_at: None,
    })
}

fn content_of(content: WireContent) -> Option<Content> {
    let salt = content.salt.try_into().ok()?;
    Some(Content { salt: Salt(salt), payload: content.payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_held_up_to_the_room_there_is_and_a_smaller_one_may_still_fit() {
        let id = RecordId::from_bytes([1; 32]);
        let record = |n_bytes| NeighbourRecord {
            case: id,
            id,
            header: Vec::new(),
            payload: vec![0; n_bytes],
            told_at: None,
        };
        let mut room = 10;
        let fits = [7, 4, 3, 1].map(|n_bytes| within(&mut room, record(n_bytes)).is_ok());
        assert_eq!((fits, room), ([true, false, true, false], 0));
    }
}
