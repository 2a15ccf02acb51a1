//! FeedService: what a subscriber asks for, and the answers to it.

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use formats::cursor::Cursor;
use peer::services::{refusal_status, status_of};
use proto::v1::{
    Heartbeat, Reset, SubscribeRequest, SubscribeResponse, feed_service_server::FeedService,
    subscribe_response::Event,
};
use record::{RegionId, UnixMillis, limits::MAX_HEARTBEAT_SECS, place::GssCode};
use store::{Position, Regions, StoreError};
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, mpsc},
    time::{Instant, sleep_until},
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tonic::{Code, Request, Response, Status};

use crate::{
    feed::{Feed, Reached, Told},
    item::{Item, KINDS, cursor},
    metrics::{self, Subscribed},
};

pub use record::limits::MAX_FILTERS;

/// Seconds between heartbeats, if the subscriber does not say.
const DEFAULT_HEARTBEAT_SECS: u32 = 30;
/// Events handed to the connection ahead of what it has sent: 32 × about 1 KiB.
const OUT_EVENTS: usize = 32;

type Responses = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

#[tonic::async_trait]
impl FeedService for Feed {
    type SubscribeStream = Responses;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Responses>, Status> {
        let SubscribeRequest { cursor, kinds, places, heartbeat_seconds, regions } =
            request.into_inner();
        let filter = Filter::parse(&kinds, &places)?.among(&regions, self.here().region)?;
        let silence = parse_silence(heartbeat_seconds)?;
        let begin = Begin::parse(&cursor)?;
        let place = self.place().ok_or_else(|| {
            metrics::subscriber_refused();
            let told = format!(
                "This coordinator serves {} subscribers at most, and all places are taken. \
                 Try again later, or read /feed.json.",
                self.max_subscribers(),
            );
            refusal_status(Code::ResourceExhausted, "feed.too_many_subscribers", told)
        })?;
        let (out, events) = mpsc::channel(OUT_EVENTS);
        let (end, ended) = mpsc::channel(1);
        let reached = Reached::default();
        let subscription = Subscription {
            feed: self.clone(),
            filter,
            silence,
            silent_from: Instant::now(),
            reached,
            out,
            end,
            _place: place,
            _counted: Subscribed::count(),
        };
        tokio::spawn(subscription.run(begin));
        let events = ReceiverStream::new(events).chain(ReceiverStream::new(ended));
        Ok(Response::new(Box::pin(events)))
    }
}

fn invalid(reason: &str, sentence: impl Into<String>) -> Status {
    refusal_status(Code::InvalidArgument, reason, sentence)
}

fn parse_silence(heartbeat_seconds: u32) -> Result<Duration, Status> {
    let seconds = match heartbeat_seconds {
        0 => DEFAULT_HEARTBEAT_SECS,
        seconds if seconds <= MAX_HEARTBEAT_SECS => seconds,
        _ => {
            let told = format!(
                "heartbeat_seconds is 1 to {MAX_HEARTBEAT_SECS}, or 0 for {DEFAULT_HEARTBEAT_SECS}."
            );
            return Err(invalid("feed.heartbeat", told));
        }
    };
    Ok(Duration::from_secs(seconds.into()))
}

/// Which items a subscriber wants. An empty set wants all.
#[derive(Debug)]
pub(crate) struct Filter {
    kinds: BTreeSet<String>,
    places: BTreeSet<GssCode>,
    regions: Regions,
}

/// What asks for every region that is read here.
const ALL_REGIONS: &str = "all";

impl Filter {
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` names what is no kind, no place, or too much.
    pub(crate) fn parse(kinds: &[String], places: &[String]) -> Result<Self, Status> {
        if MAX_FILTERS < kinds.len() || MAX_FILTERS < places.len() {
            let told =
                format!("At most {MAX_FILTERS} kinds and {MAX_FILTERS} places can be asked for.");
            return Err(invalid("feed.too_many_filters", told));
        }
        if kinds.iter().any(|kind| !KINDS.contains(&kind.as_str())) {
            let told = format!("A kind is one of: {}.", KINDS.join(", "));
            return Err(invalid("feed.unknown_kind", told));
        }
        let codes: Option<BTreeSet<GssCode>> = places.iter().map(|it| GssCode::parse(it)).collect();
        let places = codes.ok_or_else(|| {
            let told = "A place is a GSS code: a letter and eight digits, such as E07000223.";
            invalid("feed.not_a_place", told)
        })?;
        Ok(Self { kinds: kinds.iter().cloned().collect(), places, regions: Regions::Own })
    }

    /// The same for the cases of these regions; none for our own region's.
    ///
    /// # Errors
    ///
    /// `INVALID_ARGUMENT` names what is no region, or too much.
    pub(crate) fn among(self, regions: &[String], own: RegionId) -> Result<Self, Status> {
        Ok(Self { regions: parse_regions(regions, own)?, ..self })
    }

    /// Whose cases are wanted.
    pub(crate) const fn regions(&self) -> &Regions {
        &self.regions
    }

    pub(crate) fn wants(&self, item: &Item) -> bool {
        let of_kind = self.kinds.is_empty() || self.kinds.contains(&item.kind);
        let of_place = self.places.is_empty()
            || item.places.iter().any(|place| self.places.contains(&place.code));
        of_kind && of_place && self.regions.wants(item.region())
    }
}

/// Regions as a request names them; none for our own.
///
/// # Errors
///
/// `INVALID_ARGUMENT` names what is no region, or too much.
pub(crate) fn parse_regions(regions: &[String], own: RegionId) -> Result<Regions, Status> {
    if MAX_FILTERS < regions.len() {
        let told = format!("At most {MAX_FILTERS} regions can be asked for.");
        return Err(invalid("feed.too_many_filters", told));
    }
    if regions.iter().any(|it| it == ALL_REGIONS) {
        return Ok(Regions::All);
    }
    let ids: Result<BTreeSet<RegionId>, _> = regions.iter().map(|it| it.parse()).collect();
    let mut others = ids.ok().ok_or_else(|| {
        let told = "A region is `all`, or an id that begins with fmg1.";
        invalid("feed.not_a_region", told)
    })?;
    let is_own = others.remove(&own) || others.is_empty();
    Ok(match others.is_empty() {
        true => Regions::Own,
        false => Regions::Some { own: is_own, others },
    })
}

/// Where a subscriber wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    AtTheBeginning,
    After(Cursor),
}

impl Begin {
    fn parse(text: &str) -> Result<Self, Status> {
        if text.is_empty() {
            return Ok(Self::AtTheBeginning);
        }
        let cursor = text.parse::<Cursor>();
        cursor.map(Self::After).map_err(|error| {
            let told = format!(
                "The cursor cannot be read: {error}. Leave it empty to read from the beginning."
            );
            invalid("feed.cursor", told)
        })
    }
}

/// Why a subscription ends.
#[derive(Debug)]
enum Ended {
    /// The subscriber is gone.
    Gone,
    /// This process stops.
    Stopping,
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One subscriber and how far it has been told.
struct Subscription {
    feed: Feed,
    filter: Filter,
    silence: Duration,
    silent_from: Instant,
    reached: Reached,
    out: mpsc::Sender<Result<SubscribeResponse, Status>>,
    /// Takes the last word, after everything in `out`.
    end: mpsc::Sender<Result<SubscribeResponse, Status>>,
    _place: OwnedSemaphorePermit,
    _counted: Subscribed,
}

impl Subscription {
    async fn run(mut self, begin: Begin) {
        let stopped = self.feed.stop().stopped();
        let ended = tokio::select! {
            () = stopped => Ended::Stopping,
            ended = self.follow(begin) => ended,
        };
        let status = match ended {
            Ended::Gone => return,
            Ended::Stopping => Status::unavailable(
                "This coordinator is stopping. Call again with your newest cursor; nothing is lost.",
            ),
            Ended::Store(error) => status_of(&error),
        };
        // There is room for one, and the subscriber may be gone.
        let _ = self.end.try_send(Err(status));
    }

    async fn follow(&mut self, begin: Begin) -> Ended {
        match self.try_follow(begin).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn try_follow(&mut self, begin: Begin) -> Result<std::convert::Infallible, Ended> {
        // Before the first look, so that no page of the ring falls between.
        let mut live = self.feed.live();
        self.begin(begin).await?;
        self.catch_up().await?;
        self.heartbeat().await?;
        loop {
            let out = self.out.clone();
            tokio::select! {
                page = live.recv() => match page {
                    Ok(page) => self.tell_all(&page).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        metrics::lagged();
                        self.catch_up().await?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Err(StoreError::Closing.into()),
                },
                () = sleep_until(self.silent_from + self.silence) => self.heartbeat().await?,
                () = out.closed() => return Err(Ended::Gone),
            }
        }
    }

    /// Goes to where the subscriber left off, or tells it why that cannot be found here.
    async fn begin(&mut self, begin: Begin) -> Result<(), Ended> {
        let Begin::After(asked) = begin else { return Ok(()) };
        let position = Position { log_size: asked.log_size, instant: asked.instant };
        let newest = self.feed.newest().await?.position;
        let reason = if asked.coordinator != self.feed.coordinator() {
            "The cursor is another coordinator's. Reading goes on from the beginning; items keep their ids."
        } else if newest < position && position != Position::default() {
            "The cursor lies beyond what is held here. Reading goes on from the beginning; items keep their ids."
        } else {
            self.reached.position = clamp(position);
            return Ok(());
        };
        metrics::reset();
        let cursor = cursor(self.feed.coordinator(), Position::default()).to_string();
        self.send(Event::Reset(Reset { cursor, reason: reason.to_owned() })).await
    }

    /// Reads from the store up to its end.
    async fn catch_up(&mut self) -> Result<(), Ended> {
        loop {
            let page = self.feed.read_in_turn(self.reached, self.filter.regions()).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.tell_all(&page).await?;
            // A filter may pass over many pages.
            if self.silent_from + self.silence <= Instant::now() {
                self.heartbeat().await?;
            }
        }
    }

    async fn tell_all(&mut self, page: &[Told]) -> Result<(), Ended> {
        for told in page {
            // The ring may bring what was read from the store, or what the cursor had passed.
            let Reached { seq, position } = self.reached;
            if told.item.seq <= seq || told.item.position <= position {
                continue;
            }
            self.reached = Reached { seq: told.item.seq, position: told.item.resume };
            if self.filter.wants(&told.item) {
                self.send(Event::Item(told.rendered.clone())).await?;
                metrics::item_sent(&told.item.kind);
            }
        }
        Ok(())
    }

    async fn heartbeat(&mut self) -> Result<(), Ended> {
        let beat = Heartbeat {
            cursor: cursor(self.feed.coordinator(), self.reached.position).to_string(),
            checkpoint: self.feed.checkpoint(self.reached.position.log_size).await?.to_vec(),
            at: self.feed.now().0,
        };
        metrics::heartbeat();
        self.send(Event::Heartbeat(beat)).await
    }

    async fn send(&mut self, event: Event) -> Result<(), Ended> {
        let response = SubscribeResponse { event: Some(event) };
        self.out.send(Ok(response)).await.ok().ok_or(Ended::Gone)?;
        self.silent_from = Instant::now();
        Ok(())
    }
}

/// The position with an instant that the store can hold; no item stands between the two.
fn clamp(position: Position) -> Position {
    let latest = UnixMillis(i64::MAX.unsigned_abs());
    Position { instant: position.instant.min(latest), ..position }
}

#[cfg(test)]
mod tests {
    use record::CommunityId;

    use super::*;
    use crate::item::{read_items, tests::row};

    fn texts(n: usize, text: &str) -> Vec<String> {
        vec![text.to_owned(); n]
    }

    #[test]
    fn a_filter_takes_256_places_and_refuses_257() {
        assert!(Filter::parse(&[], &texts(MAX_FILTERS, "E07000223")).is_ok());
        assert!(Filter::parse(&[], &texts(MAX_FILTERS + 1, "E07000223")).is_err());
        assert!(Filter::parse(&texts(MAX_FILTERS, "pool"), &[]).is_ok());
        assert!(Filter::parse(&texts(MAX_FILTERS + 1, "pool"), &[]).is_err());
    }

    #[test]
    fn a_misspelt_filter_is_refused_and_says_what_is_known() {
        let told = Filter::parse(&texts(1, "pools"), &[]).unwrap_err();
        assert!(told.message().contains("covenant, opportunity, pool, poll"), "{told}");
        assert!(Filter::parse(&[], &texts(1, "Burnley")).is_err());
    }

    #[test]
    fn an_item_must_be_of_a_kind_and_at_a_place_that_are_wanted() {
        let item = read_items(&[row(1, 3, 10)], None).unwrap().remove(0);
        let wants = |kinds: &[String], places: &[String]| {
            Filter::parse(kinds, places).unwrap().wants(&item)
        };
        assert!(wants(&[], &[]));
        assert!(wants(&texts(1, "pool"), &texts(1, "E07000223")));
        assert!(!wants(&texts(1, "poll"), &texts(1, "E07000223")));
        assert!(!wants(&texts(1, "pool"), &texts(1, "E07000224")));
    }

    #[test]
    fn heartbeats_come_every_1_to_300_seconds_and_by_default_every_30() {
        assert_eq!(parse_silence(0).unwrap(), Duration::from_secs(30));
        assert_eq!(parse_silence(1).unwrap(), Duration::from_secs(1));
        assert_eq!(parse_silence(300).unwrap(), Duration::from_secs(300));
        assert!(parse_silence(301).is_err());
    }

    #[test]
    fn a_cursor_is_read_or_refused_with_a_sentence() {
        assert_eq!(Begin::parse("").unwrap(), Begin::AtTheBeginning);
        let here = cursor(CommunityId::from_bytes([1; 32]), Position::default());
        assert_eq!(Begin::parse(&here.to_string()).unwrap(), Begin::After(here));
        let told = Begin::parse("fmc1x").unwrap_err();
        assert!(told.message().contains("66 characters"), "{told}");
    }
}
