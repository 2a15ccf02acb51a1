//! `/.well-known/folkmoot/region`: who the region is now, and the certificate that shows it.
//!
//! A certificate may have many megabytes. The page is made once for each state of the region and of the addresses in it;
//! every answer shares its bytes.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{body::Bytes, extract::State, http::HeaderMap, response::Response};
use civic::RegionView;
use data_encoding::BASE64;
use record::CommunityId;
use store::RegionMark;

use super::{
    FOR_SECONDS, Problem,
    tag::{Tag, tagged},
};
use crate::peer::{Peer, PeerError};

/// The page as it was last made.
pub(crate) type KeptPage = Mutex<Option<RegionPage>>;

/// The page, and what it was made of.
#[derive(Debug, Clone)]
pub(crate) struct RegionPage {
    region: Arc<RegionView>,
    mark: RegionMark,
    tag: Tag,
    body: Bytes,
}

const JSON: &str = "application/json";

/// The page. Whoever follows a region believes `certificate` alone, base64 of what `record::region` verifies from the
/// region's id; the rest is for people.
pub(super) async fn region(
    State(peer): State<Peer>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let RegionPage { tag, body, .. } = newest(&peer).await?;
    Ok(tagged(&asked, JSON, FOR_SECONDS, (&tag, body)))
}

/// The page as it is now: the one that is kept, as long as nobody has said more of the region.
async fn newest(peer: &Peer) -> Result<RegionPage, Problem> {
    // Before what is on the page is read: what comes meanwhile asks for another one.
    let (region, mark) = (peer.region(), peer.store().region_mark().await?);
    // A panic while this is held cannot leave it half-written.
    let kept = || peer.region_page().lock().unwrap_or_else(PoisonError::into_inner);
    let is_newest = |it: &&RegionPage| Arc::ptr_eq(&it.region, &region) && it.mark == mark;
    if let Some(page) = kept().as_ref().filter(is_newest) {
        return Ok(page.clone());
    }
    let body = Bytes::from(body(peer).await?);
    let page = RegionPage { tag: Tag::of(&body), region, mark, body };
    *kept() = Some(page.clone());
    Ok(page)
}

async fn body(peer: &Peer) -> Result<String, Problem> {
    let certificate = peer.certificate().await.map_err(|error| match error {
        PeerError::Store(error) => Problem::from(error),
        PeerError::Folder(_)
        | PeerError::Damaged { .. }
        | PeerError::NotInCharter { .. }
        | PeerError::OtherNetwork { .. } => Problem::not_found(),
    })?;
    let view = peer.region();
    let (newest, charter) = (view.newest(), &peer.charter().charter);
    let address = |id: &CommunityId| {
        let known = certificate.addresses.iter().find(|it| it.community == *id);
        serde_json::json!({ "id": id, "address": known.map(|it| &it.address) })
    };
    let seats = |ids: &[CommunityId]| ids.iter().map(address).collect::<Vec<_>>();
    let rules = newest.roster.rules();
    let body = serde_json::json!({
        "network": charter.network().as_str(),
        "region": view.region(),
        "name": charter.name().as_str(),
        "refounds": charter.refounds(),
        "epoch": newest.number,
        "epoch_hash": newest.hash.to_string(),
        "in_force_since": newest.since,
        "members": seats(newest.roster.members()),
        "coordinators": seats(newest.roster.coordinators()),
        "witnesses": seats(newest.roster.witnesses()),
        "guests": view.guests(),
        "receipts_needed": newest.roster.receipts_needed(),
        "vouches_needed": rules.vouches_needed,
        "quota": {
            "records_per_minute": rules.quota.records_per_minute,
            "bytes_per_day": rules.quota.bytes_per_day,
        },
        "certificate": BASE64.encode(&certificate.encode()),
    });
    Ok(body.to_string())
}

#[cfg(test)]
mod tests {
    use record::{name::Name, payload::Affiliation};
    use runtime::clock::ManualClock;
    use store::{Draft, Guard};

    use super::*;
    use crate::{CharterFile, DataFolder, Role};

    #[tokio::test]
    async fn every_answer_shares_the_bytes_of_one_page_until_somebody_says_more_of_the_region() {
        let parent = tempfile::tempdir().unwrap();
        let found = |name: &str| {
            let folder = DataFolder::at(&parent.path().join(name));
            let network = "test.folkmoot.example".parse().unwrap();
            let id = folder.found(&network, &Name::parse(name).unwrap()).unwrap();
            (folder, id)
        };
        let ((folder, member), (_, seat)) = (found("Harbour"), found("Estuary"));
        let charter = parent.path().join("charter.toml");
        let text = format!(
            "network = \"test.folkmoot.example\"\nname = \"Estuary\"\n[[coordinators]]\nid = \"{seat}\"\n\
             address = \"127.0.0.1:1\"\n[[founders]]\nid = \"{member}\"\n"
        );
        std::fs::write(&charter, text).unwrap();
        let charter = CharterFile::read(&charter).unwrap();
        let clock = Arc::new(ManualClock::at(1_800_000_000_000));
        let peer = Peer::open(&folder, charter, Role::Node, clock).await.unwrap();

        let first = newest(&peer).await.unwrap();
        let again = newest(&peer).await.unwrap();
        assert_eq!(again.body.as_ptr(), first.body.as_ptr(), "the same bytes, not equal ones");

        let addresses = vec!["harbour.example:7443".to_owned()];
        let moved = record::Payload::Affiliation(Affiliation {
            region: peer.charter().region,
            addresses,
            coordinators: vec![],
        });
        let draft = Draft {
            kind: moved.kind().into(),
            payload: proto::payload::encode(&moved),
            salt: record::commitment::Salt([7; 32]),
            references: Vec::new(),
        };
        peer.store().append(vec![draft], Guard::None).await.unwrap();
        let moved = newest(&peer).await.unwrap();
        assert_ne!(moved.tag, first.tag);
        assert!(String::from_utf8_lossy(&moved.body).contains("harbour.example:7443"));
    }
}
