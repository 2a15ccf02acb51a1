//! The region: its epochs, votes for the next, and vouches.

use std::collections::{BTreeMap, BTreeSet};

use civic::{EpochView, RegionView, Statement};
use peer::{Peer, affiliation::AdvertisedAddress};
use proto::clerk::{
    FileEpochRequest, FileEpochResponse, NewSeat, ShowRegionResponse, VouchRequest, VouchResponse,
};
use record::{
    CommunityId, Payload,
    region::{Epoch, EpochHash, RegionAction, Roster, Rules, SeatAddress},
};
use serde_json::{Value, json};

use super::{
    refusal::Refusal,
    write::{append, draft, written},
};

/// The region as JSON: its newest epoch, what has been filed for the next, and guests.
pub(super) async fn show(peer: &Peer) -> Result<ShowRegionResponse, Refusal> {
    let (region, addresses) = (peer.region(), peer.addresses().await?);
    let mut names: BTreeMap<CommunityId, String> = BTreeMap::new();
    for known in peer.communities().await? {
        names.extend(known.id.parse().ok().map(|id| (id, known.name)));
    }
    let newest = region.newest();
    let told = |ids: &[CommunityId]| -> Vec<Value> {
        let one = |id: &CommunityId| json!({ "id": id, "name": names.get(id), "address": addresses.get(id) });
        ids.iter().map(one).collect()
    };
    let proposals = Proposals::of(peer).await?;
    let region_json = json!({
        "region": region.region(),
        "name": peer.charter().charter.name().as_str(),
        "epoch": newest.number,
        "hash": newest.hash.to_string(),
        "in_force_since": newest.since,
        "members": told(newest.roster.members()),
        "coordinators": told(newest.roster.coordinators()),
        "witnesses": told(newest.roster.witnesses()),
        "guests": region.guests(),
        "receipts_needed": newest.roster.receipts_needed(),
        "rules": rules_json(newest.roster.rules()),
        "votes_needed": newest.roster.majority(),
        "proposals": proposals.all.values().map(|it| it.json(newest)).collect::<Vec<_>>(),
    });
    Ok(ShowRegionResponse { region_json: region_json.to_string() })
}

fn rules_json(rules: &Rules) -> Value {
    json!({
        "vouches_needed": rules.vouches_needed,
        "records_per_minute": rules.quota.records_per_minute,
        "bytes_per_day": rules.quota.bytes_per_day,
    })
}

/// Files this community's vote for the next epoch: one that others proposed, or a new one.
pub(super) async fn file(
    peer: &Peer,
    request: FileEpochRequest,
) -> Result<FileEpochResponse, Refusal> {
    let region = peer.region();
    let newest = region.newest();
    if !newest.roster.is_member(&peer.community()) {
        let detail =
            "This community has no vote in the newest epoch of the region. Nothing was filed.";
        return Err(Refusal::refused("region.no_vote", detail));
    }
    let proposals = Proposals::of(peer).await?;
    let (epoch, addresses) = match request.support.as_str() {
        "" => (next_epoch(&region, &request)?, given_addresses(&request)?),
        hash => proposals.find(hash)?,
    };
    if let Some(filed) = proposals.own {
        let same = filed == epoch.hash();
        let detail = match same {
            true => format!(
                "This community has filed epoch {} already, and this very one.",
                epoch.number
            ),
            false => format!(
                "This community has filed epoch {} already, and another one ({filed}). Only the first counts, so nothing \
                 was filed.",
                epoch.number
            ),
        };
        return Err(Refusal::refused(
            if same { "record.repeat" } else { "region.filed_another" },
            detail,
        ));
    }
    let hash = epoch.hash();
    let n_before = proposals.all.get(&hash).map_or(0, |it| it.filers.len());
    let (number, needed) = (epoch.number, newest.roster.majority());
    let filing = Payload::RegionEpoch(RegionAction::File { epoch, addresses });
    let appended = append(peer, vec![draft(&filing, Vec::new())?]).await?;
    Ok(FileEpochResponse {
        written: Some(written(appended)),
        number,
        hash: hash.to_string(),
        n_filed: u32::try_from(n_before + 1).unwrap_or(u32::MAX),
        needed: u32::try_from(needed).unwrap_or(u32::MAX),
    })
}

/// Vouches for a community, or takes that back.
pub(super) async fn vouch(peer: &Peer, request: VouchRequest) -> Result<VouchResponse, Refusal> {
    let VouchRequest { community, withdraw } = request;
    let (community, region) = (community_id(&community)?, peer.region());
    if region.newest().roster.is_member(&community) && !withdraw {
        let detail = format!("{community} is a member already. Nothing was written.");
        return Err(Refusal::refused("region.member_already", detail));
    }
    let vouch = RegionAction::Vouch { region: region.region(), community, withdrawn: withdraw };
    let vouch = draft(&Payload::RegionEpoch(vouch), Vec::new())?;
    Ok(VouchResponse { written: Some(written(append(peer, vec![vouch]).await?)) })
}

/// An epoch that members have filed as the next.
struct Proposal {
    epoch: Epoch,
    addresses: Vec<SeatAddress>,
    filers: BTreeSet<CommunityId>,
}

impl Proposal {
    fn json(&self, before: &EpochView) -> Value {
        let (was, is) = (&before.roster, &self.epoch.roster);
        let change = |was: &[CommunityId], is: &[CommunityId]| {
            let only = |here: &[CommunityId], there: &[CommunityId]| -> Vec<CommunityId> {
                here.iter().filter(|it| !there.contains(it)).copied().collect()
            };
            json!({ "added": only(is, was), "removed": only(was, is) })
        };
        json!({
            "number": self.epoch.number,
            "hash": self.epoch.hash().to_string(),
            "filed_by": self.filers,
            "members": change(was.members(), is.members()),
            "coordinators": change(was.coordinators(), is.coordinators()),
            "witnesses": change(was.witnesses(), is.witnesses()),
            "addresses": self.addresses.iter().map(|it| json!({ "id": it.community, "address": it.address })).collect::<Vec<_>>(),
            "receipts_needed": is.receipts_needed(),
            "rules": rules_json(is.rules()),
        })
    }
}

/// What members have filed after the newest epoch, each by its first filing.
struct Proposals {
    all: BTreeMap<EpochHash, Proposal>,
    /// What this community has filed.
    own: Option<EpochHash>,
}

impl Proposals {
    async fn of(peer: &Peer) -> Result<Self, Refusal> {
        let region = peer.region();
        let newest = region.newest();
        let mut statements = peer.store().statements().await?;
        statements.sort_by_key(|it| (it.community, it.era, it.index));
        let mut seen = BTreeSet::new();
        let mut proposals = Self { all: BTreeMap::new(), own: None };
        for Statement { community, action, .. } in statements {
            let RegionAction::File { epoch, addresses } = action else { continue };
            let is_next = (epoch.region, epoch.number) == (region.region(), newest.number + 1);
            if !is_next || !newest.roster.is_member(&community) || !seen.insert(community) {
                continue;
            }
            let hash = epoch.hash();
            if community == peer.community() {
                proposals.own = Some(hash);
            }
            let fresh = Proposal { epoch, addresses, filers: BTreeSet::new() };
            proposals.all.entry(hash).or_insert(fresh).filers.insert(community);
        }
        Ok(proposals)
    }

    /// The proposal whose hash begins like this.
    fn find(&self, beginning: &str) -> Result<(Epoch, Vec<SeatAddress>), Refusal> {
        let beginning = beginning.to_ascii_lowercase();
        let mut found =
            self.all.iter().filter(|(hash, _)| hash.to_string().starts_with(&beginning));
        match (found.next(), found.next()) {
            (Some((_, it)), None) => Ok((it.epoch.clone(), it.addresses.clone())),
            (None, _) => {
                let detail = "No proposal for the next epoch has that hash here. See `region show`; if it is new, try \
                              again in a moment. Nothing was filed.";
                Err(Refusal::not_found("region.no_such_proposal", detail))
            }
            (Some(_), Some(_)) => {
                let detail = "More than one proposal begins like that. Give more of the hash. Nothing was filed.";
                Err(Refusal::invalid("request.hash", detail))
            }
        }
    }
}

/// The newest epoch with what is asked changed.
fn next_epoch(region: &RegionView, request: &FileEpochRequest) -> Result<Epoch, Refusal> {
    let newest = region.newest();
    let FileEpochRequest { admit, remove, seat, unseat, seat_witness, unseat_witness, .. } =
        request;
    let before = &newest.roster;
    let seat: Vec<String> = seat.iter().map(|it| it.community.clone()).collect();
    let members = changed(before.members(), admit, remove)?;
    let coordinators = changed(before.coordinators(), &seat, unseat)?;
    let witnesses = changed(before.witnesses(), seat_witness, unseat_witness)?;
    let or = |given: u32, before: u32| if given == 0 { before } else { given };
    let mut rules = *before.rules();
    rules.vouches_needed = or(request.vouches_needed, rules.vouches_needed);
    rules.quota.records_per_minute = or(request.records_per_minute, rules.quota.records_per_minute);
    if request.bytes_per_day != 0 {
        rules.quota.bytes_per_day = request.bytes_per_day;
    }
    let most = u32::try_from(coordinators.len().max(1)).unwrap_or(u32::MAX);
    // A seat that goes may leave fewer coordinators than receipts were asked for.
    let receipts_needed = or(request.receipts_needed, before.receipts_needed().min(most));
    let roster = Roster::new(members, coordinators, receipts_needed)
        .and_then(|it| it.with_witnesses(witnesses))
        .and_then(|it| it.with_rules(rules));
    let roster = roster.map_err(|error| {
        Refusal::invalid(error.reason(), format!("{error}. Nothing was filed."))
    })?;
    if roster == *before {
        let detail = "That changes nothing. Say whom to admit, remove, seat or unseat, or which rule to change.";
        return Err(Refusal::invalid("region.no_change", detail));
    }
    let (number, previous) = (newest.number + 1, newest.hash);
    Ok(Epoch { region: region.region(), number, previous, roster })
}

/// A list of communities with some added and some taken out.
fn changed(
    before: &[CommunityId],
    add: &[String],
    take: &[String],
) -> Result<Vec<CommunityId>, Refusal> {
    let mut ids: BTreeSet<CommunityId> = before.iter().copied().collect();
    let mut taken = BTreeSet::new();
    for id in take {
        let id = community_id(id)?;
        taken.insert(id);
        if !ids.remove(&id) {
            let detail = format!("{id} is not there to be taken out. Nothing was filed.");
            return Err(Refusal::invalid("region.not_there", detail));
        }
    }
    for id in add {
        let id = community_id(id)?;
        if taken.contains(&id) {
            let detail = format!("{id} cannot both come and go in one epoch. Nothing was filed.");
            return Err(Refusal::invalid("region.comes_and_goes", detail));
        }
        if !ids.insert(id) {
            let detail = format!("{id} is there already. Nothing was filed.");
            return Err(Refusal::invalid("region.there_already", detail));
        }
    }
    Ok(ids.into_iter().collect())
}

fn given_addresses(request: &FileEpochRequest) -> Result<Vec<SeatAddress>, Refusal> {
    let mut addresses = BTreeMap::new();
    for NewSeat { community, address } in &request.seat {
        if address.is_empty() {
            continue;
        }
        // A multiaddress is of the mesh; a coordinator is called over gRPC.
        if address.starts_with('/') || address.parse::<AdvertisedAddress>().is_err() {
            let detail = format!(
                "`{address}` is not where a coordinator is reached: expected HOST:PORT, such as upriver.example:7443. \
                 Nothing was filed."
            );
            return Err(Refusal::invalid("region.address", detail));
        }
        addresses.insert(community_id(community)?, address.clone());
    }
    let seat = |(community, address)| SeatAddress { community, address };
    Ok(addresses.into_iter().map(seat).collect())
}

fn community_id(text: &str) -> Result<CommunityId, Refusal> {
    text.parse().map_err(|error: record::ids::IdError| {
        Refusal::invalid("request.id", format!("{error}. Nothing was written."))
    })
}
