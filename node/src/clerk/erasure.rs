//! Erasure: words of this community's records, dropped here and wherever they are held.

use std::collections::BTreeSet;

use peer::Peer;
use proto::{
    clerk::{EraseRecordRequest, EraseRecordResponse, ListErasuresResponse},
    kinds::erase as wire,
    payload::erasure::parse_erase,
};
use record::{CommunityId, Payload};
use serde_json::json;
use store::Erasure;

use super::{
    refusal::Refusal,
    write::{append, draft, record_id, written},
};

/// Writes the erase record; the payload is gone from this node's files when it returns.
pub(super) async fn erase(
    peer: &Peer,
    request: EraseRecordRequest,
) -> Result<EraseRecordResponse, Refusal> {
    let EraseRecordRequest { record, ground, asked_by } = request;
    let id = record_id(&record)?;
    let found = peer.store().words(id).await?.ok_or_else(|| {
        let detail = format!(
            "There are no words {id} here. Only words can be erased: what decides something stays."
        );
        Refusal::not_found("erase.unknown", detail)
    })?;
    if found.log.community != peer.community() {
        let detail = format!(
            "Those words are of {}, and only their author can have them erased. Nothing was changed.",
            found.log.community
        );
        return Err(Refusal::refused("erase.not_the_author", detail));
    }
    if found.record.content.is_none() {
        return Err(Refusal::refused("record.repeat", "Those words were erased already."));
    }
    let (era, index) = (found.log.era, found.record.index);
    let record = id.as_bytes().to_vec();
    let erase = parse_erase(wire::Erase { era, index, record, ground, asked_by })?;
    let appended = append(peer, vec![draft(&Payload::Erase(erase), Vec::new())?]).await?;
    Ok(EraseRecordResponse { written: Some(written(appended)) })
}

/// Every erasure of this community with who has followed it, and who holds its log and has not.
pub(super) async fn list(peer: &Peer) -> Result<ListErasuresResponse, Refusal> {
    let own = peer.own_log();
    let mut holders: BTreeSet<CommunityId> = peer.admitted();
    holders.remove(&own.community);
    let one = |it: Erasure| {
        let Erasure { id, erase, time, followed_by } = it;
        let missing: Vec<&CommunityId> = holders.difference(&followed_by).collect();
        json!({
            "erasure": id,
            "record": erase.record,
            "ground": erase.ground,
            "asked_by": erase.asked_by,
            "time": time,
            "followed_by": followed_by,
            "not_yet": missing,
        })
    };
    let erasures = peer.store().erasures(own).await?.into_iter().map(one);
    let erasures_json = serde_json::Value::from(erasures.collect::<Vec<_>>()).to_string();
    Ok(ListErasuresResponse { erasures_json })
}
