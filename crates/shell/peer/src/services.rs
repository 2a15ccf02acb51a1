//! The gRPC services that both a node and a coordinator offer: replication, logs and proofs, the region.

mod proofs;

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use proto::{
    replication::community_from,
    v1::{
        self, ExchangeRequest, ExchangeResponse, GetIdentityRequest, GetIdentityResponse,
        GetProofRequest, GetProofResponse, GetProofsRequest, GetRegionRequest, GetRegionResponse,
        ListCasesRequest, ListCasesResponse,
        log_service_server::{LogService, LogServiceServer},
        region_service_server::{RegionService, RegionServiceServer},
        replication_service_server::{ReplicationService, ReplicationServiceServer},
    },
};
use record::{
    CommunityId, LogName, RecordId, limits::MAX_GRPC_MESSAGE_BYTES, proof_extra::RecordProofExtra,
};
use store::{LogRow, StoreError};
use tlog::{Note, TlogProof};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{
    Code, Request, Response, Status, Streaming, metadata::MetadataValue, service::RoutesBuilder,
};
use transport::PeerKey;

use crate::{
    hello::{hello, verify_hello},
    links::MAX_STREAMS,
    machine::Frames,
    peer::Peer,
    stream,
};

/// Frames handed to the connection ahead of what it has sent.
const OUT_FRAMES: usize = 4;
/// How long a stream may be open without a Hello.
const HELLO_TIME_OUT: Duration = Duration::from_secs(10);
/// Cases in an answer, if the caller does not say.
const DEFAULT_CASES: u32 = 100;
/// The most cases in an answer.
const MAX_CASES: u32 = 1_000;
/// The most bytes of cases in an answer, beyond the first case: half of a message.
const MAX_CASES_BYTES: usize = MAX_GRPC_MESSAGE_BYTES / 2;
/// Cases read from the store at once.
const CASES_PER_READ: u32 = 32;

type Responses = Pin<Box<dyn Stream<Item = Result<ExchangeResponse, Status>> + Send>>;

/// Adds the services that every peer offers.
pub fn add_services(peer: &Peer, routes: &mut RoutesBuilder) {
    routes
        .add_service(
            ReplicationServiceServer::new(peer.clone())
                .max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_GRPC_MESSAGE_BYTES),
        )
        .add_service(
            LogServiceServer::new(peer.clone()).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES),
        )
        .add_service(RegionServiceServer::new(peer.clone()));
}

/// The metadata key under which the stable reason of a refusal travels beside its sentence.
pub const REASON_KEY: &str = "folkmoot-reason";

/// A refusal with its stable reason (`area.what`) and a sentence for a person.
#[must_use]
pub fn refusal_status(code: Code, reason: &str, sentence: impl Into<String>) -> Status {
    let mut status = Status::new(code, sentence);
    // Reasons are words and dots: they are always allowed in metadata.
    if let Ok(reason) = MetadataValue::try_from(reason) {
        status.metadata_mut().insert(REASON_KEY, reason);
    }
    status
}

/// How a failure of the store is answered to a caller over the network.
#[must_use]
pub fn status_of(error: &StoreError) -> Status {
    match error {
        StoreError::NotFound { .. } => Status::not_found(error.to_string()),
        StoreError::Invalid { .. } => Status::invalid_argument(error.to_string()),
        StoreError::Refused { .. } => Status::failed_precondition(error.to_string()),
        StoreError::Gap { .. } | StoreError::SigningGuard { .. } => {
            Status::aborted(error.to_string())
        }
        StoreError::Storage { .. } | StoreError::Damaged { .. } | StoreError::Closing => {
            tracing::error!(%error, "a request could not be answered");
            Status::unavailable("this side cannot answer now; try again later")
        }
    }
}

#[tonic::async_trait]
impl ReplicationService for Peer {
    type ExchangeStream = Responses;

    async fn exchange(
        &self,
        request: Request<Streaming<ExchangeRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let key = request
            .extensions()
            .get::<transport::Peer>()
            .and_then(|it| it.0)
            .ok_or_else(|| Status::unauthenticated("replication needs a client certificate"))?;
        let requests = request.into_inner();
        let frames = requests.map(|it| it.map(|request| request.frame.unwrap_or_default()));
        let answers = self.answer(key, frames).await?;
        let answers = answers.map(|it| it.map(|frame| ExchangeResponse { frame: Some(frame) }));
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Peer {
    /// Answers a replication stream that another process opened, whose connection has proved this key.
    ///
    /// # Errors
    ///
    /// The status that the caller is told, if it is not spoken to.
    pub async fn answer(
        &self,
        key: PeerKey,
        mut requests: impl Stream<Item = Result<v1::Frame, Status>> + Send + Unpin + 'static,
    ) -> Result<Frames, Status> {
        let first = tokio::time::timeout(HELLO_TIME_OUT, requests.next()).await;
        let late = |_elapsed| Status::deadline_exceeded("hello.missing: no Hello came in time");
        let first = first.map_err(late)?.transpose()?;
        let remote = verify_hello(self, first, key).map_err(|error| {
            tracing::info!(reason = error.reason(), "a replication stream was refused");
            Status::permission_denied(format!("{}: {error}", error.reason()))
        })?;
        let open = self.links().open(remote.community).ok_or_else(|| {
            Status::resource_exhausted(format!(
                "replication.too_many_streams: a community has at most {MAX_STREAMS} streams at once"
            ))
        })?;
        let (out, frames) = mpsc::channel(OUT_FRAMES);
        let (end, ended) = mpsc::channel(1);
        let ours = hello(self).await.map_err(|error| stream::StreamEnd::Here(error).status())?;
        // The channel is empty: there is room.
        let _ = out.send(ours).await;
        let peer = self.clone();
        tokio::spawn(async move {
            let (community, _open) = (remote.community, open);
            tracing::info!(%community, "stream open");
            if let Err(why) = stream::run(&peer, &remote, requests, out).await {
                tracing::info!(%community, %why, "stream ended");
                let _ = end.send(why.status()).await;
            }
        });
        let frames = ReceiverStream::new(frames).map(Ok);
        let status = ReceiverStream::new(ended).map(Err);
        Ok(Box::pin(frames.chain(status)))
    }
}

#[tonic::async_trait]
impl LogService for Peer {
    async fn get_identity(
        &self,
        request: Request<GetIdentityRequest>,
    ) -> Result<Response<GetIdentityResponse>, Status> {
        let asked = request.into_inner().community;
        let community = if asked.is_empty() { self.community() } else { community_of(&asked)? };
        let row = self.store().newest_log(community).await;
        let identity = row.map_err(|error| status_of(&error))?.and_then(|row| row.identity);
        let identity =
            identity.ok_or_else(|| Status::not_found("no log of this community is held here"))?;
        Ok(Response::new(GetIdentityResponse { identity: identity.to_vec() }))
    }

    async fn get_proof(
        &self,
        request: Request<GetProofRequest>,
    ) -> Result<Response<GetProofResponse>, Status> {
        Ok(Response::new(proofs::one(self, request.into_inner()).await?))
    }

    type GetProofsStream = proofs::Answers;

    async fn get_proofs(
        &self,
        request: Request<GetProofsRequest>,
    ) -> Result<Response<proofs::Answers>, Status> {
        Ok(Response::new(proofs::several(self, request.into_inner())?))
    }
}

#[tonic::async_trait]
impl RegionService for Peer {
    async fn get_region(
        &self,
        _request: Request<GetRegionRequest>,
    ) -> Result<Response<GetRegionResponse>, Status> {
        let communities = self.communities().await.map_err(|error| status_of(&error))?;
        Ok(Response::new(GetRegionResponse {
            region: self.charter().region.to_string(),
            network: self.network().to_string(),
            name: self.charter().charter.name().as_str().to_owned(),
            communities,
            epoch: self.region().newest().number,
            epoch_hash: self.region().newest().hash.to_string(),
        }))
    }

    async fn list_cases(
        &self,
        request: Request<ListCasesRequest>,
    ) -> Result<Response<ListCasesResponse>, Status> {
        let ListCasesRequest { kind, case_id, after, limit } = request.into_inner();
        let page = CasePage { kind, case_id, after, limit };
        let (cases_json, more) = self.list_cases(page).await?;
        Ok(Response::new(ListCasesResponse { cases_json, more }))
    }
}

/// Which cases of the register are asked for.
#[derive(Debug, Clone, Default)]
pub struct CasePage {
    /// covenant, opportunity, pool or poll.
    pub kind: String,
    /// One case; empty for all.
    pub case_id: String,
    /// The last case id of the page before.
    pub after: String,
    /// At most so many; 0 for 100, never above 1,000.
    pub limit: u32,
}

impl Peer {
    /// Cases of the register as JSON, and whether there are more.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` for an id that is none; `NOT_FOUND` for a case that is not here.
    pub async fn list_cases(&self, page: CasePage) -> Result<(Vec<String>, bool), Status> {
        let failed = |error: StoreError| status_of(&error);
        if !page.case_id.is_empty() {
            let row = self.store().case(record_of(&page.case_id)?).await.map_err(failed)?;
            let row = row.ok_or_else(|| Status::not_found("There is no such case here."))?;
            return Ok((vec![row.view], false));
        }
        let after = match page.after.as_str() {
            "" => 0,
            id => {
                let row = self.store().case(record_of(id)?).await.map_err(failed)?;
                row.ok_or_else(|| Status::not_found("The case to go on after is not here."))?
                    .case_no
            }
        };
        let limit = if page.limit == 0 { DEFAULT_CASES } else { page.limit.min(MAX_CASES) };
        self.views_after(&page.kind, after, usize::try_from(limit).unwrap_or(usize::MAX)).await
    }

    /// Views up to a number and a size, and whether there are more.
    async fn views_after(
        &self,
        kind: &str,
        mut after: i64,
        limit: usize,
    ) -> Result<(Vec<String>, bool), Status> {
        let (mut views, mut n_bytes) = (Vec::new(), 0_usize);
        loop {
            let rows = self.store().cases(kind, after, CASES_PER_READ).await;
            let rows = rows.map_err(|error| status_of(&error))?;
            let is_last = u32::try_from(rows.len()).is_ok_and(|n| n < CASES_PER_READ);
            for row in rows {
                n_bytes = n_bytes.saturating_add(row.view.len());
                let is_full = limit <= views.len() || MAX_CASES_BYTES < n_bytes;
                if is_full && !views.is_empty() {
                    return Ok((views, true));
                }
                after = row.case_no;
                views.push(row.view);
            }
            if is_last {
                return Ok((views, false));
            }
        }
    }

    /// One record with a tlog-proof to the largest checkpoint that a quorum has cosigned, if that covers it, else to the
    /// newest. The proof carries the record and its
    /// author's identity in its extra line, so that one saved file can be checked offline.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the log or the record is not here, or no checkpoint covers it yet.
    pub async fn proof(
        &self,
        log: LogName,
        index: u64,
    ) -> Result<(store::StoredRecord, Vec<u8>), StoreError> {
        let missing = || StoreError::NotFound { what: format!("record {index} of {log}") };
        let row = self.store().log(log).await?.ok_or_else(missing)?;
        // What a quorum has cosigned is worth more to a reader than what is newer.
        let heads = row.cosigned.into_iter().chain(row.checkpoint);
        let (size, note) = heads.into_iter().find(|(size, _)| index < *size).ok_or_else(missing)?;
        let record = self.store().records(log, index, index + 1).await?;
        let record = record.into_iter().next().ok_or_else(missing)?;
        let hashes = self.store().inclusion_proof(log, index, size).await?;
        let note = Note::parse(&note).ok().ok_or(StoreError::Damaged { what: "a checkpoint" })?;
        let extra = RecordProofExtra {
            header: record.header_bytes.clone(),
            content: record.content.clone(),
            identity: row.identity.as_deref().unwrap_or_default().to_vec(),
        };
        let proof = TlogProof::new(index, hashes, note);
        let proof = proof.and_then(|it| it.with_extra(extra.encode_to_fit()));
        let proof = proof.ok().ok_or(StoreError::Damaged { what: "a proof" })?;
        Ok((record, proof.render().into()))
    }

    /// A community of the region as others see it, from its newest log.
    fn describe(&self, community: CommunityId, row: Option<&LogRow>) -> v1::Community {
        let era = row.map_or(0, |row| row.name.era);
        let identity = row.and_then(|row| self.identity(row).ok());
        let identity = identity.as_ref().map(|it| it.identity());
        let (size, checkpoint) = row.and_then(|row| row.checkpoint.clone()).unwrap_or_default();
        let vkey = identity.and_then(|it| {
            let key = it.log_key_for(era, size)?;
            Some(record::identity::verifier_key(self.network(), &community, era, key).render())
        });
        v1::Community {
            id: community.to_string(),
            name: identity.map(|it| it.name().as_str().to_owned()).unwrap_or_default(),
            coordinator: self.region().newest().roster.is_coordinator(&community),
            era,
            size,
            checkpoint,
            vkey: vkey.unwrap_or_default(),
        }
    }

    /// Every community of the region as others see it, in ascending order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub async fn communities(&self) -> Result<Vec<v1::Community>, StoreError> {
        let mut newest = BTreeMap::new();
        for row in self.store().logs().await?.into_iter().filter(|it| it.identity.is_some()) {
            let LogName { community, era } = row.name;
            if newest.get(&community).is_none_or(|it: &LogRow| it.name.era < era) {
                newest.insert(community, row);
            }
        }
        let region = self.region();
        let described = region.everybody().into_iter().map(|it| self.describe(it, newest.get(&it)));
        Ok(described.collect())
    }
}

fn community_of(bytes: &[u8]) -> Result<CommunityId, Status> {
    community_from(bytes).map_err(|error| Status::invalid_argument(error.to_string()))
}

fn record_of(text: &str) -> Result<RecordId, Status> {
    text.parse().map_err(|error: record::ids::IdError| Status::invalid_argument(error.to_string()))
}
