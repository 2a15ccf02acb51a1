//! Opportunities that this community writes itself.

use civic::CaseBody;
use peer::Peer;
use proto::{
    clerk::{
        OpenOpportunityRequest, OpenOpportunityResponse, UpdateOpportunityRequest,
        UpdateOpportunityResponse,
    },
    payload::opportunity::{parse_release, stage, value},
};
use record::{
    Payload, RecordId, UnixMillis,
    payload::{
        OpportunityAction,
        opportunity::{Publication, Release, Stage},
    },
};
use store::Reference;

use super::{
    cases,
    refusal::Refusal,
    write::{append, check_labels, draft, open_case, record_id, text_of, written},
};

/// Publishes an opportunity: region and date are filled in here, and the ocid follows from the region's charter.
pub(super) async fn open(
    peer: &Peer,
    request: OpenOpportunityRequest,
) -> Result<OpenOpportunityResponse, Refusal> {
    let OpenOpportunityRequest { release, text } = request;
    let text = text_of(text)?;
    check_labels(&text, 0, "things to label in an opportunity")?;
    let mut release =
        release.ok_or_else(|| Refusal::invalid("request.release", "The release is missing."))?;
    let now = UnixMillis(peer.clock().now_millis());
    (release.ocid, release.release_id, release.source) = (String::new(), String::new(), None);
    release.released_at = now.0;
    let release = parse_release(release)?;
    check_end(&release, now)?;
    let region = peer.charter().region;
    let publication = Publication { region, release };
    let opening = Payload::Opportunity(OpportunityAction::Publish(publication));
    let appended = open_case(peer, text, &opening).await?;
    let ocid = folded(peer, appended.id).await?.ocid;
    Ok(OpenOpportunityResponse { written: Some(written(appended)), ocid })
}

/// Says where an opportunity of this community stands: what the request leaves out is as its newest release says.
pub(super) async fn update(
    peer: &Peer,
    request: UpdateOpportunityRequest,
) -> Result<UpdateOpportunityResponse, Refusal> {
    let UpdateOpportunityRequest { opportunity, stage: number, value: money, tender_ends } =
        request;
    let case = record_id(&opportunity)?;
    let before = newest_release(peer, case).await?;
    if before.source.is_some() {
        let detail = format!(
            "{case} was imported. Import its publisher's next release; nothing was changed."
        );
        return Err(Refusal::refused("opportunity.imported", detail));
    }
    let after = Release {
        stage: stage(number)?,
        value: money.map(value).transpose()?.or(before.value),
        tender_ends: tender_ends.map(UnixMillis).or(before.tender_ends),
        ..before.clone()
    };
    if after == before {
        let detail = "The opportunity stands there already. Nothing was changed.";
        return Err(Refusal::refused("record.repeat", detail));
    }
    let now = UnixMillis(peer.clock().now_millis());
    if tender_ends.is_some() {
        check_end(&after, now)?;
    }
    // Its words are those that it was opened with.
    let (_, words) = cases::opening(peer, case).await?;
    let references = [Some(case), words].into_iter().flatten().map(Reference::Record).collect();
    let release = Release { released_at: now.max(before.released_at), ..after };
    let update = Payload::Opportunity(OpportunityAction::Update(release));
    let appended = append(peer, vec![draft(&update, references)?]).await?;
    Ok(UpdateOpportunityResponse { written: Some(written(appended)) })
}

/// Nobody can bid for what is closed before it is open.
fn check_end(release: &Release, now: UnixMillis) -> Result<(), Refusal> {
    if release.stage == Stage::Open && release.tender_ends.is_some_and(|it| it <= now) {
        let detail = "Bids would have ended already. Nothing was written.";
        return Err(Refusal::invalid("request.tender_ends", detail));
    }
    Ok(())
}

async fn newest_release(peer: &Peer, case: RecordId) -> Result<Release, Refusal> {
    let newest = folded(peer, case).await?.record;
    let row = peer.store().case(case).await?.ok_or_else(|| unknown(case))?;
    let records = peer.store().case_records(row.case_no).await?;
    let record = records.into_iter().find(|it| it.record.id() == newest);
    let payload = record.and_then(|it| it.record.payload());
    payload.as_ref().and_then(Payload::release).cloned().ok_or_else(|| unknown(case))
}

/// An opportunity as it stands at this moment.
async fn folded(
    peer: &Peer,
    case: RecordId,
) -> Result<civic::opportunity::OpportunityView, Refusal> {
    match peer.store().fold(case).await?.map(|it| it.body) {
        Some(CaseBody::Opportunity(view)) => Ok(view),
        Some(CaseBody::Covenant(_) | CaseBody::Pool(_) | CaseBody::Poll(_)) | None => {
            Err(unknown(case))
        }
    }
}

fn unknown(case: RecordId) -> Refusal {
    let detail =
        format!("There is no opportunity {case} here. If it is new, try again in a moment.");
    Refusal::not_found("case.unknown", detail)
}
