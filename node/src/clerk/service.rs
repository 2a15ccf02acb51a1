//! The generated service, each call handed to its group.

use std::{pin::Pin, sync::atomic::Ordering};

use proto::clerk::{self as wire, clerk_service_server::ClerkService};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Clerk, acks, cases, covenant, erasure, import, log, member, opportunity, poll, pool, region,
    status, write,
};

/// Answers that wait for the connection.
const OUT_MESSAGES: usize = 4;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ClerkService for Clerk {
    type ImportOpportunitiesStream = Answers<wire::ImportOpportunitiesResponse>;
    type ExportLogStream = Answers<wire::ExportLogResponse>;
    type ExportAcksStream = Answers<wire::ExportAcksResponse>;

    async fn get_status(
        &self,
        _request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        let n_members = self.n_members.load(Ordering::Relaxed);
        let status = status::status(&self.peer, &self.folder, n_members).await?;
        let status_json = status.to_string();
        Ok(Response::new(wire::GetStatusResponse { status_json }))
    }

    async fn list_cases(
        &self,
        request: Request<wire::ListCasesRequest>,
    ) -> Result<Response<wire::ListCasesResponse>, Status> {
        Ok(Response::new(cases::list(&self.peer, request.into_inner()).await?))
    }

    async fn propose_covenant(
        &self,
        request: Request<wire::ProposeCovenantRequest>,
    ) -> Result<Response<wire::ProposeCovenantResponse>, Status> {
        Ok(Response::new(covenant::propose(&self.peer, request.into_inner()).await?))
    }

    async fn sign_covenant(
        &self,
        request: Request<wire::SignCovenantRequest>,
    ) -> Result<Response<wire::SignCovenantResponse>, Status> {
        Ok(Response::new(covenant::sign(&self.peer, request.into_inner()).await?))
    }

    async fn open_opportunity(
        &self,
        request: Request<wire::OpenOpportunityRequest>,
    ) -> Result<Response<wire::OpenOpportunityResponse>, Status> {
        Ok(Response::new(opportunity::open(&self.peer, request.into_inner()).await?))
    }

    async fn update_opportunity(
        &self,
        request: Request<wire::UpdateOpportunityRequest>,
    ) -> Result<Response<wire::UpdateOpportunityResponse>, Status> {
        Ok(Response::new(opportunity::update(&self.peer, request.into_inner()).await?))
    }

    async fn import_opportunities(
        &self,
        request: Request<Streaming<wire::ImportOpportunitiesRequest>>,
    ) -> Result<Response<Self::ImportOpportunitiesStream>, Status> {
        let (reports, answers) = mpsc::channel(OUT_MESSAGES);
        let (peer, parts) = (self.peer.clone(), request.into_inner());
        tokio::spawn(async move {
            if let Err(status) = import::import(&peer, parts, &reports).await {
                // A caller who has gone needs no answer.
                let _ = reports.send(Err(status)).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn open_pool(
        &self,
        request: Request<wire::OpenPoolRequest>,
    ) -> Result<Response<wire::OpenPoolResponse>, Status> {
        Ok(Response::new(pool::open(&self.peer, request.into_inner()).await?))
    }

    async fn make_pledge(
        &self,
        request: Request<wire::MakePledgeRequest>,
    ) -> Result<Response<wire::MakePledgeResponse>, Status> {
        Ok(Response::new(pool::pledge(&self.peer, request.into_inner()).await?))
    }

    async fn withdraw_pledge(
        &self,
        request: Request<wire::WithdrawPledgeRequest>,
    ) -> Result<Response<wire::WithdrawPledgeResponse>, Status> {
        Ok(Response::new(pool::withdraw(&self.peer, request.into_inner()).await?))
    }

    async fn close_pool(
        &self,
        request: Request<wire::ClosePoolRequest>,
    ) -> Result<Response<wire::ClosePoolResponse>, Status> {
        let pool = write::record_id(&request.into_inner().pool)?;
        let appended = self.duties.close_pool(pool).await?;
        Ok(Response::new(wire::ClosePoolResponse { written: Some(write::written(appended)) }))
    }

    async fn add_members(
        &self,
        request: Request<wire::AddMembersRequest>,
    ) -> Result<Response<wire::AddMembersResponse>, Status> {
        let response = member::add(self.ballots(), request.into_inner()).await?;
        self.note_members(response.members.len());
        Ok(Response::new(response))
    }

    async fn list_members(
        &self,
        request: Request<wire::ListMembersRequest>,
    ) -> Result<Response<wire::ListMembersResponse>, Status> {
        Ok(Response::new(member::list(self.ballots(), request.into_inner()).await?))
    }

    async fn publish_roll(
        &self,
        _request: Request<wire::PublishRollRequest>,
    ) -> Result<Response<wire::PublishRollResponse>, Status> {
        Ok(Response::new(member::publish_roll(&self.peer, self.ballots()).await?))
    }

    async fn open_poll(
        &self,
        request: Request<wire::OpenPollRequest>,
    ) -> Result<Response<wire::OpenPollResponse>, Status> {
        Ok(Response::new(poll::open(&self.peer, &self.duties, request.into_inner()).await?))
    }

    async fn cast_ballots(
        &self,
        request: Request<wire::CastBallotsRequest>,
    ) -> Result<Response<wire::CastBallotsResponse>, Status> {
        Ok(Response::new(poll::cast(&self.peer, &self.duties, request.into_inner()).await?))
    }

    async fn close_poll(
        &self,
        request: Request<wire::ClosePollRequest>,
    ) -> Result<Response<wire::ClosePollResponse>, Status> {
        Ok(Response::new(poll::close(&self.duties, &request.into_inner().poll).await?))
    }

    async fn show_log(
        &self,
        request: Request<wire::ShowLogRequest>,
    ) -> Result<Response<wire::ShowLogResponse>, Status> {
        Ok(Response::new(log::show(&self.peer, request.into_inner()).await?))
    }

    async fn show_region(
        &self,
        _request: Request<wire::ShowRegionRequest>,
    ) -> Result<Response<wire::ShowRegionResponse>, Status> {
        Ok(Response::new(region::show(&self.peer).await?))
    }

    async fn file_epoch(
        &self,
        request: Request<wire::FileEpochRequest>,
    ) -> Result<Response<wire::FileEpochResponse>, Status> {
        Ok(Response::new(region::file(&self.peer, request.into_inner()).await?))
    }

    async fn erase_record(
        &self,
        request: Request<wire::EraseRecordRequest>,
    ) -> Result<Response<wire::EraseRecordResponse>, Status> {
        Ok(Response::new(erasure::erase(&self.peer, request.into_inner()).await?))
    }

    async fn list_erasures(
        &self,
        _request: Request<wire::ListErasuresRequest>,
    ) -> Result<Response<wire::ListErasuresResponse>, Status> {
        Ok(Response::new(erasure::list(&self.peer).await?))
    }

    async fn vouch(
        &self,
        request: Request<wire::VouchRequest>,
    ) -> Result<Response<wire::VouchResponse>, Status> {
        Ok(Response::new(region::vouch(&self.peer, request.into_inner()).await?))
    }

    async fn export_acks(
        &self,
        _request: Request<wire::ExportAcksRequest>,
    ) -> Result<Response<Self::ExportAcksStream>, Status> {
        let (files, answers) = mpsc::channel(OUT_MESSAGES);
        let peer = self.peer.clone();
        tokio::spawn(async move {
            if let Err(refusal) = acks::export(&peer, &files).await {
                let _ = files.send(Err(refusal.into())).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn export_log(
        &self,
        request: Request<wire::ExportLogRequest>,
    ) -> Result<Response<Self::ExportLogStream>, Status> {
        let row = log::held_log(&self.peer, &request.into_inner().community).await?;
        let (files, answers) = mpsc::channel(OUT_MESSAGES);
        let peer = self.peer.clone();
        tokio::spawn(async move {
            if let Err(refusal) = log::export(&peer, row, &files).await {
                let _ = files.send(Err(refusal.into())).await;
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}
