//! A neighbouring region as it is read over the network: told on, resumed, and caught when it lies.

use std::{collections::BTreeSet, net::SocketAddr, pin::Pin};

use coordinator::{
    feed::Feed,
    neighbours::{Bounds, Neighbour, keep_reading},
};
use peer::{CharterFile, pages::log_pages, services::add_services};
use proto::v1::{
    Heartbeat, Item, SubscribeRequest, SubscribeResponse,
    feed_service_server::{FeedService, FeedServiceServer},
    subscribe_response::Event,
};
use record::{RecordId, RegionId, UnixMillis};
use runtime::stop::StopSignal;
use serde_json::Value;
use store::Reference;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, service::RoutesBuilder};
use transport::{Limits, ServerTls};

use crate::{
    feed::{Reader, from},
    pages::{get, site},
    world::{Author, World, found, open, pledge},
};

/// A region of one community, which is its own coordinator and is served on the network.
pub(crate) struct Region {
    pub(crate) world: World,
    pub(crate) address: SocketAddr,
    listener: Option<TcpListener>,
}

impl Region {
    pub(crate) async fn named(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let parent = tempfile::tempdir().unwrap();
        let (folder, id) = found(parent.path(), name);
        let text = format!(
            "network = \"{}\"\nname = \"{name}\"\n[[coordinators]]\nid = \"{id}\"\naddress = \"{address}\"\n\
             [[founders]]\nid = \"{id}\"\n",
            crate::world::NETWORK
        );
        let path = parent.path().join("charter.toml");
        std::fs::write(&path, text).unwrap();
        let author = open(&folder, CharterFile::read(&path).unwrap()).await;
        Self::over(author, listener, parent)
    }

    /// What an author's community is to be served as.
    pub(crate) fn over(author: Author, listener: TcpListener, parent: TempDir) -> Self {
        let address = listener.local_addr().unwrap();
        let world = World::over(author, 100, parent);
        Self { world, address, listener: Some(listener) }
    }

    pub(crate) fn id(&self) -> RegionId {
        self.world.author.region
    }

    fn as_neighbour(&self) -> Neighbour {
        let addresses = vec![self.address.to_string()];
        Neighbour { region: self.id(), name: "Next door".to_owned(), addresses }
    }

    /// Serves with this feed, until the stop.
    pub(crate) async fn serve(&mut self, feed: impl FeedService, stop: &StopSignal) -> Served {
        let listener = match self.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(self.address).await.unwrap(),
        };
        let peer = self.world.author.peer.clone();
        let mut routes = RoutesBuilder::default();
        add_services(&peer, &mut routes);
        routes.add_service(FeedServiceServer::new(feed));
        let grpc = routes.routes().into_axum_router().reset_fallback();
        let app = log_pages(peer.clone()).merge(grpc);
        let tls = ServerTls::new(&peer.keys().transport, None).unwrap();
        let stopped = stop.stopped();
        tokio::spawn(async move {
            transport::serve(listener, tls, app, Limits::default(), stopped).await.unwrap();
        })
    }

    pub(crate) async fn serve_honestly(&mut self) -> Served {
        let (feed, stop) = (self.world.feed.clone(), self.world.stop.clone());
        self.serve(feed, &stop).await
    }

    /// Reads these neighbours until the stop.
    fn read(&self, neighbours: &[&Self], stop: &StopSignal) -> JoinHandle<()> {
        self.read_within(Bounds::default(), neighbours, stop)
    }

    /// The same within these bounds.
    pub(crate) fn read_within(
        &self,
        bounds: Bounds,
        neighbours: &[&Self],
        stop: &StopSignal,
    ) -> JoinHandle<()> {
        let of = neighbours.iter().map(|it| it.as_neighbour()).collect();
        let told = (self.world.feed.readings().clone(), bounds);
        let reading = keep_reading(self.world.author.peer.clone(), of, told, stop.clone());
        tokio::spawn(async move { reading.await.unwrap() })
    }

    pub(crate) async fn own_items(&self) -> Vec<Item> {
        subscribed(&self.world.feed, from("")).await.up_to_heartbeat().await.0
    }

    /// The next so many items of a neighbour in this region's feed.
    pub(crate) async fn told_of(&self, neighbour: &Self, n: usize) -> Vec<Item> {
        let regions = vec![neighbour.id().to_string()];
        let mut reader =
            subscribed(&self.world.feed, SubscribeRequest { regions, ..from("") }).await;
        let mut told = Vec::new();
        while told.len() < n {
            told.push(reader.item().await);
        }
        told
    }
}

pub(crate) type Served = JoinHandle<()>;

pub(crate) async fn subscribed(feed: &Feed, request: SubscribeRequest) -> Reader {
    Reader::of(feed.subscribe(Request::new(request)).await.unwrap().into_inner())
}

pub(crate) fn ids(items: &[Item]) -> Vec<&str> {
    items.iter().map(|it| it.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbours_items_are_told_with_their_ids_their_source_and_their_region() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    there.world.author.open_full_pool("Panels").await;
    here.world.author.open_pools(1).await;
    there.serve_honestly().await;
    let stop = StopSignal::new();
    here.read(&[&there], &stop);

    let told = here.told_of(&there, 3).await;
    let at_home = there.own_items().await;
    assert_eq!(ids(&told), ids(&at_home), "ids are equal at every coordinator");
    for (told, home) in told.iter().zip(&at_home) {
        let source = (&told.region, &told.told_by, told.checked.as_str());
        let expected = there.world.author.peer.community().to_string();
        assert_eq!(source, (&there.id().to_string(), &expected, "folded"));
        assert_eq!((&told.summary, &told.causes), (&home.summary, &home.causes));
        assert!(told.titles.is_empty(), "words are read at home, where they may be erased");
    }
    assert_eq!(here.own_items().await.len(), 1, "who asks for nothing else gets the own region");
    let all = SubscribeRequest { regions: vec!["all".to_owned()], ..from("") };
    let (all, beat) = subscribed(&here.world.feed, all).await.up_to_heartbeat().await;
    assert_eq!(all.len(), 4);
    let resumed = SubscribeRequest { regions: vec!["all".to_owned()], ..from(&beat.cursor) };
    assert!(subscribed(&here.world.feed, resumed).await.up_to_heartbeat().await.0.is_empty());

    let site = site(&here.world);
    let page = get(&site, "/feed.json?region=all").await.json();
    let entries = page["items"].as_array().unwrap();
    assert_eq!(entries.len(), 4);
    let theirs = entries.iter().find(|it| it["_folkmoot"]["checked"] == "folded").unwrap();
    assert!(theirs["url"].as_str().unwrap().starts_with(&format!("https://{}/", there.address)));
    assert_eq!(get(&site, "/feed.json").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(&site, "/feed.json?region=x").await.status, 400);
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_goes_on_after_a_restart_of_either_side_with_no_gap_and_no_double() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    let serving = StopSignal::new();
    let served = there.serve(there.world.feed.clone(), &serving).await;
    let stop = StopSignal::new();
    let reading = here.read(&[&there], &stop);
    there.world.author.open_full_pool("One").await;
    here.told_of(&there, 3).await;
    // Here stops, and there goes on.
    stop.stop();
    reading.await.unwrap();
    there.world.author.open_full_pool("Two").await;
    let stop = StopSignal::new();
    here.read(&[&there], &stop);
    here.told_of(&there, 6).await;
    // There stops, and comes back with more.
    serving.stop();
    served.await.unwrap();
    there.world.author.open_full_pool("Three").await;
    there.serve_honestly().await;

    let told = here.told_of(&there, 9).await;
    let distinct: BTreeSet<&str> = ids(&told).into_iter().collect();
    let home = there.own_items().await;
    assert_eq!(distinct, ids(&home).into_iter().collect());
    let regions = vec!["all".to_owned()];
    let request = SubscribeRequest { regions, ..from("") };
    let (all, _) = subscribed(&here.world.feed, request).await.up_to_heartbeat().await;
    assert_eq!(all.len(), 9, "nothing came twice");
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_that_read_each_other_in_a_ring_pass_nothing_on() {
    let mut ring =
        [Region::named("One").await, Region::named("Two").await, Region::named("Three").await];
    for region in &mut ring {
        region.world.author.open_pools(1).await;
        region.serve_honestly().await;
    }
    let stop = StopSignal::new();
    for (region, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        region.read(&[next], &stop);
    }
    for (region, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        assert_eq!(ids(&region.told_of(next, 1).await), ids(&next.own_items().await));
    }
    // Something more from everybody, so that whatever went round would have come by now.
    for region in &ring {
        region.world.author.open_pools(1).await;
    }
    for (region, next) in ring.iter().zip(ring.iter().cycle().skip(1)) {
        region.told_of(next, 2).await;
        let request = SubscribeRequest { regions: vec!["all".to_owned()], ..from("") };
        let (all, _) = subscribed(&region.world.feed, request).await.up_to_heartbeat().await;
        assert_eq!(all.len(), 4, "two of its own, two of its neighbour, none of the third");
    }
    stop.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_over_distinct_records_of_all_regions() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    here.world.author.open_full_pool("Ours").await;
    let pool = there.world.author.open_full_pool("Theirs").await;
    // A newer pledge takes the place of the older one.
    there.world.author.append(vec![pledge(Reference::Record(pool), 30)]).await;
    there.serve_honestly().await;
    let stop = StopSignal::new();
    here.read(&[&there], &stop);
    here.told_of(&there, 4).await;

    let site = site(&here.world);
    let pledged = |page: &Value| {
        let figures = page["figures"].as_array().unwrap();
        figures.iter().find(|it| it["figure"] == "pledged").unwrap().clone()
    };
    let own = get(&site, "/sums.json").await.json();
    assert_eq!(pledged(&own)["amount"], 12);
    for query in ["all".to_owned(), format!("{}&region={}", here.id(), there.id())] {
        let all = get(&site, &format!("/sums.json?region={query}")).await.json();
        let figure = pledged(&all);
        assert_eq!(figure["unit"], "panel");
        assert_eq!((&figure["amount"], &figure["records"]), (&42.into(), &2.into()));
        assert_eq!(figure["regions"], 2);
        assert_eq!(all["regions"].as_array().unwrap().len(), 2);
    }
    stop.stop();
}

/// A coordinator that tells what it likes.
#[derive(Clone)]
pub(crate) struct Liar(pub(crate) Vec<Item>);

#[tonic::async_trait]
impl FeedService for Liar {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        _: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let items = self.0.clone().into_iter().map(Event::Item);
        let beat = Event::Heartbeat(Heartbeat::default());
        let told = items.chain([beat]).map(|it| Ok(SubscribeResponse { event: Some(it) }));
        let told: Vec<_> = told.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(told).chain(tokio_stream::pending()))))
    }
}

/// The item with the id that its content has.
fn named(mut item: Item) -> Item {
    let records: Vec<RecordId> = item.causes.iter().map(|it| it.record.parse().unwrap()).collect();
    let (case, deadline) = (item.case_id.parse().unwrap(), item.deadline.map(UnixMillis));
    item.id = civic::item_id(case, &item.transition, deadline, &records).to_string();
    item
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_lying_neighbour_tells_is_refused_or_named_as_its_word_alone() {
    let (here, mut there) = (Region::named("Here").await, Region::named("There").await);
    there.world.author.open_full_pool("One").await;
    there.world.author.open_pools(1).await;
    here.world.author.open_pools(1).await;
    let true_items = there.own_items().await;
    let [opened, pledged, _, other] = &true_items[..] else { panic!("{true_items:?}") };

    let mut other_id = pledged.clone();
    other_id.id.clone_from(&opened.id);
    let elsewhere = Item { region: here.id().to_string(), ..pledged.clone() };
    let mut forged = pledged.clone();
    forged.causes[0].record = RecordId::from_bytes([7; 32]).to_string();
    let mut beyond = pledged.clone();
    beyond.causes[0].record = RecordId::from_bytes([7; 32]).to_string();
    beyond.causes[0].community = here.world.author.peer.community().to_string();
    let mut of_other_case = pledged.clone();
    of_other_case.case_id.clone_from(&other.case_id);
    let mut ours = here.own_items().await[0].clone();
    ours.region.clear();
    let refused =
        [other_id, elsewhere, named(forged.clone()), named(beyond), named(of_other_case), ours];
    let stated = named(Item {
        transition: "pool.locked".to_owned(),
        summary: "Everybody agreed to everything.".to_owned(),
        ..pledged.clone()
    });
    let told: Vec<Item> = refused.iter().chain([opened, &stated, pledged]).cloned().collect();
    let stop = there.world.stop.clone();
    there.serve(Liar(told), &stop).await;
    here.read(&[&there], &stop);

    let taken = here.told_of(&there, 3).await;
    let expected = [opened, &stated, pledged].map(|it| it.id.as_str());
    let distinct: BTreeSet<&str> = ids(&taken).into_iter().collect();
    assert_eq!(distinct, expected.into_iter().collect());
    let word = taken.iter().find(|it| it.id == stated.id).unwrap();
    assert_eq!(word.checked, "stated");
    assert!(word.summary.contains("states pool.locked"), "{}", word.summary);
    assert!(taken.iter().filter(|it| it.checked == "folded").count() == 2, "{taken:?}");
    let request = SubscribeRequest { regions: vec!["all".to_owned()], ..from("") };
    let (all, _) = subscribed(&here.world.feed, request).await.up_to_heartbeat().await;
    assert_eq!(all.len(), 4, "and our own");
}
