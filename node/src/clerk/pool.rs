//! Pools and pledges.

use civic::CaseBody;
use peer::Peer;
use proto::{
    clerk::{
        MakePledgeRequest, MakePledgeResponse, OpenPoolRequest, OpenPoolResponse,
        WithdrawPledgeRequest, WithdrawPledgeResponse,
    },
    payload::pool::parse_opening,
};
use record::{
    Payload, RecordId,
    payload::pool::{PledgeAction, PoolAction},
};
use store::Appended;

use super::{
    refusal::Refusal,
    write::{check_labels, open_case, record_id, say_in, text_of, written},
};

/// Opens a pool: the region is filled in here.
pub(super) async fn open(
    peer: &Peer,
    request: OpenPoolRequest,
) -> Result<OpenPoolResponse, Refusal> {
    let OpenPoolRequest { opening, text } = request;
    let text = text_of(text)?;
    let mut opening =
        opening.ok_or_else(|| Refusal::invalid("request.opening", "The opening is missing."))?;
    opening.region = peer.charter().region.as_bytes().to_vec();
    check_labels(&text, 0, "things to label in a pool")?;
    let opening = Payload::Pool(PoolAction::Open(parse_opening(opening)?));
    let appended = open_case(peer, text, &opening).await?;
    Ok(OpenPoolResponse { written: Some(written(appended)) })
}

/// Pledges this community's share.
pub(super) async fn pledge(
    peer: &Peer,
    request: MakePledgeRequest,
) -> Result<MakePledgeResponse, Refusal> {
    let MakePledgeRequest { pool, quantity, soft } = request;
    let pledge = Payload::Pledge(PledgeAction::Make { quantity, firm: !soft });
    let appended = say_in(peer, record_id(&pool)?, &pledge).await?;
    Ok(MakePledgeResponse { written: Some(written(appended)) })
}

/// Takes this community's pledge back.
pub(super) async fn withdraw(
    peer: &Peer,
    request: WithdrawPledgeRequest,
) -> Result<WithdrawPledgeResponse, Refusal> {
    let pool = record_id(&request.pool)?;
    let case = folded_pool(peer, pool).await?;
    let own = peer.community();
    let standing = match &case.body {
        CaseBody::Pool(view) => view.pledges.iter().find(|it| it.community == own),
        CaseBody::Covenant(_) | CaseBody::Opportunity(_) | CaseBody::Poll(_) => None,
    };
    let nothing = || {
        let detail = "This community has no pledge in that pool. Nothing was changed.";
        Refusal::refused("pledge.none_to_withdraw", detail)
    };
    let pledge = standing.ok_or_else(nothing)?.record;
    let appended = say_in(peer, pool, &Payload::Pledge(PledgeAction::Withdraw { pledge })).await?;
    Ok(WithdrawPledgeResponse { written: Some(written(appended)) })
}

/// Closes a pool with every firm pledge that stands.
pub(crate) async fn close(peer: &Peer, pool: RecordId) -> Result<Appended, Refusal> {
    let pledges = civic::pool::closing_list(&folded_pool(peer, pool).await?);
    close_with(peer, pool, pledges).await
}

/// Closes a pool with this list; where a pledge came or went since it was made, once more with the one that stands then.
async fn close_with(
    peer: &Peer,
    pool: RecordId,
    pledges: Vec<RecordId>,
) -> Result<Appended, Refusal> {
    match say_closed(peer, pool, pledges).await {
        Err(refusal) if is_outdated(&refusal) => {}
        answer => return answer,
    }
    let pledges = civic::pool::closing_list(&folded_pool(peer, pool).await?);
    say_closed(peer, pool, pledges).await.map_err(to_be_asked_again)
}

async fn say_closed(
    peer: &Peer,
    pool: RecordId,
    pledges: Vec<RecordId>,
) -> Result<Appended, Refusal> {
    say_in(peer, pool, &Payload::Pool(PoolAction::Close { pledges })).await
}

/// Whether a closing was refused because its list is no longer that of the pool.
fn is_outdated(refusal: &Refusal) -> bool {
    matches!(refusal.reason(), "pool.closing_omits" | "pool.closing_includes")
}

/// What is said of a closing that was refused twice: of an outdated list, that nothing is wrong with the pool.
fn to_be_asked_again(refusal: Refusal) -> Refusal {
    if !is_outdated(&refusal) {
        return refusal;
    }
    let detail = "Pledges came or went while the closing was written, twice in a row. Nothing was changed; close the pool again.";
    Refusal::refused(refusal.reason(), detail)
}

/// A pool as it stands at this moment.
pub(crate) async fn folded_pool(peer: &Peer, pool: RecordId) -> Result<civic::Case, Refusal> {
    let case = peer.store().fold(pool).await?;
    case.filter(|it| it.kind == civic::CaseKind::Pool).ok_or_else(|| {
        let detail = format!("There is no pool {pool} here. If it is new, try again in a moment.");
        Refusal::not_found("case.unknown", detail)
    })
}

#[cfg(test)]
mod tests {
    use proto::kinds::{
        pool::{LockRule, Opening},
        text::{Text, Wording},
    };
    use record::time::HOUR_MILLIS;

    use super::*;
    use crate::clerk::samples::founded;

    /// A community that leads a pool in which its own pledge meets the threshold.
    async fn leading() -> (tempfile::TempDir, Peer, RecordId) {
        let (folder, peer) = founded().await;
        let opening = Opening {
            unit: "panels".to_owned(),
            threshold: 10,
            closes_at: peer.clock().now_millis() + HOUR_MILLIS,
            grace_millis: HOUR_MILLIS,
            lock_rule: LockRule::OnThreshold.into(),
            ..Opening::default()
        };
        let wording = Wording {
            language: "en".to_owned(),
            title: "Solar panels".to_owned(),
            text: String::new(),
            labels: Vec::new(),
        };
        let text = Some(Text { wordings: vec![wording] });
        let request = OpenPoolRequest { opening: Some(opening), text };
        let pool = open(&peer, request).await.unwrap().written.unwrap().record;
        let request = MakePledgeRequest { pool: pool.clone(), quantity: 10, soft: false };
        pledge(&peer, request).await.unwrap();
        (folder, peer, pool.parse().unwrap())
    }

    #[tokio::test]
    async fn a_closing_whose_list_is_outdated_is_written_once_more_with_the_one_that_stands() {
        let (_folder, peer, pool) = leading().await;
        // As if it had been taken back after the list was made.
        let outdated = vec![RecordId::from_bytes([0; 32])];
        let refused = say_closed(&peer, pool, outdated.clone()).await.unwrap_err();
        assert!(is_outdated(&refused), "{refused:?}");
        close_with(&peer, pool, outdated).await.unwrap();
        assert_eq!(folded_pool(&peer, pool).await.unwrap().state, "locked");
    }

    #[tokio::test]
    async fn a_closing_that_is_refused_for_another_reason_is_not_written_again() {
        let (_folder, peer, pool) = leading().await;
        close(&peer, pool).await.unwrap();
        let before = peer.store().log(peer.own_log()).await.unwrap().unwrap().frontier.size();
        let refused = close(&peer, pool).await.unwrap_err();
        assert!(!is_outdated(&refused), "{refused:?}");
        let after = peer.store().log(peer.own_log()).await.unwrap().unwrap().frontier.size();
        assert_eq!(before, after);
    }

    #[test]
    fn a_list_that_is_outdated_twice_says_to_close_the_pool_again_and_keeps_its_reason() {
        for reason in ["pool.closing_omits", "pool.closing_includes"] {
            let told = to_be_asked_again(Refusal::refused(reason, "x"));
            assert_eq!(told.reason(), reason);
            assert!(told.detail().ends_with("close the pool again."), "{}", told.detail());
        }
        let other = to_be_asked_again(Refusal::refused("pool.threshold_not_met", "x"));
        assert_eq!((other.reason(), other.detail()), ("pool.threshold_not_met", "x"));
    }
}
