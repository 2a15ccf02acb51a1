//! `grpc.health.v1`: the readiness that `/readyz` tells, for gRPC clients and orchestrators.
//!
//! Every service of the process, and the empty name that stands for all of them, is SERVING while the process is ready
//! and NOT_SERVING otherwise. A watch ends after it has told the stop, so that no watcher holds the stop up.

use runtime::health::{Health, Readiness};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health as HealthService, HealthServer},
};

/// Answers for these services.
#[derive(Debug)]
pub(super) struct GrpcHealth {
    health: Health,
    names: Vec<&'static str>,
}

impl GrpcHealth {
    /// The health service for a process that serves these services.
    pub(super) fn server(health: Health, names: Vec<&'static str>) -> HealthServer<Self> {
        HealthServer::new(Self { health, names })
    }

    fn is_served(&self, name: &str) -> bool {
        name.is_empty() || self.names.contains(&name)
    }
}

#[async_trait]
impl HealthService for GrpcHealth {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.is_served(&request.get_ref().service) {
            return Err(Status::not_found("There is no such service here."));
        }
        Ok(Response::new(answer(status_of(&self.health.readiness()))))
    }

    type WatchStream = ReceiverStream<Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let is_served = self.is_served(&request.get_ref().service);
        // A watcher who does not read gets the newest answer later, not every one.
        let (tell, told) = mpsc::channel(1);
        tokio::spawn(tell_changes(self.health.clone(), is_served, tell));
        Ok(Response::new(ReceiverStream::new(told)))
    }
}

/// Tells the status and each change of it until the stop or until nobody listens. What is not served here stays
/// SERVICE_UNKNOWN, as the health protocol has it.
async fn tell_changes(
    health: Health,
    is_served: bool,
    tell: mpsc::Sender<Result<HealthCheckResponse, Status>>,
) {
    let mut changes = health.changes();
    let mut told = None;
    loop {
        let readiness = tokio::select! {
            () = tell.closed() => return,
            changed = changes.next() => changed,
        };
        let Some(readiness) = readiness else { return };
        let status = if is_served { status_of(&readiness) } else { ServingStatus::ServiceUnknown };
        // Another reason for the same status is no news.
        if told.replace(status) != Some(status) && tell.send(Ok(answer(status))).await.is_err() {
            return;
        }
    }
}

fn status_of(readiness: &Readiness) -> ServingStatus {
    match readiness {
        Readiness::Ready => ServingStatus::Serving,
        Readiness::NotReady(_) => ServingStatus::NotServing,
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{Router, body::Body};
    use runtime::{stop::StopSignal, telemetry::Metrics};
    use tokio::{net::TcpListener, task::JoinHandle};
    use tonic::{
        Code, Streaming,
        codegen::Service as _,
        service::Routes,
        transport::{Channel, Endpoint},
    };
    use tonic_health::pb::health_client::HealthClient;
    use transport::Limits;

    use super::*;
    use crate::pages::operator_pages;

    const SERVICE: &str = "folkmoot.test.v1.TestService";
    /// Beyond this something hangs.
    const PATIENCE: Duration = Duration::from_secs(30);

    async fn in_time<T>(what: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
    }

    /// A process that starts, served without TLS.
    struct Process {
        health: Health,
        stop: StopSignal,
        app: Router,
        ended: JoinHandle<()>,
        client: HealthClient<Channel>,
    }

    impl Process {
        async fn start(pages: impl FnOnce(Health) -> Router) -> Self {
            let stop = StopSignal::new();
            let health = Health::starting(["ports"], stop.clone());
            let service = GrpcHealth::server(health.clone(), vec![SERVICE]);
            let grpc = Routes::new(service).into_axum_router().reset_fallback();
            let app = pages(health.clone()).merge(grpc);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            // What is not over by then, the test does not wait for.
            let limits = Limits { grace: PATIENCE * 10, ..Limits::default() };
            let served = transport::serve_plain(listener, app.clone(), limits, stop.stopped());
            let ended = tokio::spawn(async move { served.await.expect("served") });
            let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
            let client = HealthClient::new(endpoint.connect().await.expect("connected"));
            Self { health, stop, app, ended, client }
        }

        async fn watch(&mut self, service: &str) -> Watching {
            let request = HealthCheckRequest { service: service.to_owned() };
            Watching(in_time(self.client.watch(request)).await.expect("watching").into_inner())
        }

        async fn check(&mut self, service: &str) -> Result<ServingStatus, Code> {
            let request = HealthCheckRequest { service: service.to_owned() };
            let answer = in_time(self.client.check(request)).await.map_err(|it| it.code())?;
            Ok(answer.into_inner().status())
        }

        /// The status code of `/readyz`.
        async fn readyz(&self) -> u16 {
            let request = axum::http::Request::get("/readyz").body(Body::empty()).expect("valid");
            self.app.clone().call(request).await.expect("never fails").status().as_u16()
        }
    }

    struct Watching(Streaming<HealthCheckResponse>);

    impl Watching {
        /// The next status, `None` at the end.
        async fn next(&mut self) -> Option<ServingStatus> {
            let answer = in_time(self.0.message()).await.expect("no error");
            answer.map(|it| it.status())
        }
    }

    #[tokio::test]
    async fn a_watch_tells_what_readyz_tells_from_the_start_to_the_stop() {
        let metrics = Metrics::install().expect("no other test here installs them");
        let mut process = Process::start(|health| operator_pages(health, metrics)).await;
        let mut whole = process.watch("").await;
        let mut one = process.watch(SERVICE).await;
        let mut both = async || {
            let told = (whole.next().await, one.next().await);
            assert_eq!(told.0, told.1);
            told.0
        };

        assert_eq!((both().await, process.readyz().await), (Some(ServingStatus::NotServing), 503));
        process.health.ready("ports");
        assert_eq!((both().await, process.readyz().await), (Some(ServingStatus::Serving), 200));
        process.health.not_ready("store", "the disk is full");
        assert_eq!((both().await, process.readyz().await), (Some(ServingStatus::NotServing), 503));
        process.health.ready("store");
        assert_eq!((both().await, process.readyz().await), (Some(ServingStatus::Serving), 200));
        assert!(!process.ended.is_finished());

        process.stop.stop();

        assert_eq!(process.readyz().await, 503);
        assert_eq!(both().await, Some(ServingStatus::NotServing));
        assert_eq!(both().await, None, "a watch does not hold up the stop");
        in_time(process.ended).await.expect("no panic");
    }

    #[tokio::test]
    async fn another_reason_for_the_same_status_is_no_news() {
        let mut process = Process::start(|_| Router::new()).await;
        let mut watching = process.watch("").await;
        assert_eq!(watching.next().await, Some(ServingStatus::NotServing));

        process.health.not_ready("ports", "the disk is full");
        process.health.ready("ports");

        assert_eq!(watching.next().await, Some(ServingStatus::Serving));
    }

    #[tokio::test]
    async fn a_check_tells_the_present_and_knows_what_is_served() {
        let mut process = Process::start(|_| Router::new()).await;
        assert_eq!(process.check("").await, Ok(ServingStatus::NotServing));
        process.health.ready("ports");

        for name in ["", SERVICE] {
            assert_eq!(process.check(name).await, Ok(ServingStatus::Serving));
        }
        assert_eq!(process.check("folkmoot.test.v1.Other").await, Err(Code::NotFound));
        let mut watching = process.watch("folkmoot.test.v1.Other").await;
        assert_eq!(watching.next().await, Some(ServingStatus::ServiceUnknown));
    }
}
