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
    let case = folded_pool(peer, pool).await?;
    let pledges = civic::pool::closing_list(&case);
    say_in(peer, pool, &Payload::Pool(PoolAction::Close { pledges })).await
}

/// A pool as it stands at this moment.
pub(crate) async fn folded_pool(peer: &Peer, pool: RecordId) -> Result<civic::Case, Refusal> {
    let case = peer.store().fold(pool).await?;
    case.filter(|it| it.kind == civic::CaseKind::Pool).ok_or_else(|| {
        let detail = format!("There is no pool {pool} here. If it is new, try again in a moment.");
        Refusal::not_found("case.unknown", detail)
    })
}
