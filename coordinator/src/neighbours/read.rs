//! Follows one neighbour's feed from where it was left, at one of its seated coordinators after another.

mod keep;

use std::{collections::BTreeSet, convert::Infallible, time::Duration};

use peer::{
    Peer,
    known_region::{self, KnownRegion, Seated, Shown, TwoEpochs},
    visit::visit,
};
use proto::v1::{
    Heartbeat, Item, Reset, SubscribeRequest, SubscribeResponse,
    feed_service_client::FeedServiceClient, log_service_client::LogServiceClient,
    subscribe_response::Event,
};
use record::{
    CommunityId, RegionId, UnixMillis,
    limits::{MAX_GRPC_MESSAGE_BYTES, MAX_ITEM_CAUSES, MAX_NEIGHBOUR_ITEM_BYTES},
    region::{EpochNumber, VerifiedRegion},
};
use store::{NeighbourRow, StoreError};
use tokio::time::{Instant, timeout};
use tonic::{Status, Streaming, transport::Channel};

use super::{Bounds, Neighbour, Readings, claim, fold::view_of, prove::Realm, readings::State};

/// The first wait after a failure; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Seconds of silence between signs of life.
const HEARTBEAT_SECS: u32 = 30;
/// Longer than two heartbeats and a bad line: the other end is gone.
const SILENCE: Duration = Duration::from_secs(75);
/// A pause in the feed after which what came is looked at.
const PAUSE: Duration = Duration::from_millis(100);
/// Items that are looked at together: at about 1 KiB each and one proof of some 3 KiB, 1 MiB.
const MAX_TOGETHER: usize = 256;
/// Fewer are looked at together if so many records caused them: what they claim is held in memory until it is checked.
const MAX_CAUSES_TOGETHER: usize = MAX_ITEM_CAUSES;
/// The largest message that is read of a feed: an item, and a little for what it travels in. What waits to be looked at is
/// then at most 256 × 260 KiB = 65 MiB.
const MAX_FEED_MESSAGE_BYTES: usize = MAX_NEIGHBOUR_ITEM_BYTES + 4 * 1024;
/// For an answer to a question.
const ANSWER_TIME_OUT: Duration = Duration::from_secs(30);
/// How often it is asked around whether the members have seated others.
const ASK_AROUND_EVERY: Duration = Duration::from_secs(10 * 60);
/// And where a record came of somebody who is no member as far as is known.
const ASK_FOR_STRANGER: Duration = Duration::from_secs(60);

/// A connection to a coordinator of the neighbour.
pub(super) struct Line {
    pub(super) logs: LogServiceClient<Channel>,
    pub(super) realm: Realm,
    seat: Seated,
    /// The newest epoch that this coordinator showed.
    epoch: EpochNumber,
    view: civic::RegionView,
}

impl Line {
    /// An answer, unless it takes too long.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let late = |_elapsed| Status::deadline_exceeded("it did not answer in time");
        timeout(ANSWER_TIME_OUT, answer).await.map_err(late)?
    }
}

/// Why reading ended for now.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    TwoEpochs(#[from] TwoEpochs),
    #[error("{0}")]
    Lost(String),
    #[error("its members have filed another epoch")]
    OtherEpoch,
    #[error("as many items of it as may be are kept")]
    Full,
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Lost(status.message().chars().take(200).collect())
    }
}

/// Everybody who ever was a member.
pub(super) fn members_of(region: &VerifiedRegion) -> BTreeSet<CommunityId> {
    let rosters = region.epochs.iter().map(|it| &it.roster);
    rosters.flat_map(|it| it.members()).copied().collect()
}

/// Reads a neighbour's feed for ever, or until as many items of it as may be are kept: what fails is said once and tried
/// again, at the next coordinator.
pub(super) async fn keep_reading(
    peer: Peer,
    neighbour: Neighbour,
    readings: Readings,
    bounds: Bounds,
) {
    let mut reader = Reader::new(peer, neighbour, readings, bounds);
    let (mut wait, mut told) = (FIRST_WAIT, String::new());
    loop {
        let Err(ended) = reader.read().await;
        reader.next = Next::Another;
        let state = match &ended {
            Ended::Store(StoreError::Closing) => return,
            Ended::OtherEpoch => {
                // The same again, if it is still seated: under what it shows now.
                reader.next = Next::AsBefore;
                continue;
            }
            Ended::Full => State::Full,
            Ended::TwoEpochs(_) => State::Contradicted,
            Ended::Store(_) | Ended::Lost(_) => State::Failed,
        };
        reader.note_state(state);
        let why = ended.to_string();
        if why != told {
            let (region, name) = (reader.neighbour.region, reader.neighbour.name.as_str());
            tracing::warn!(%region, name, %why, "a neighbouring region is not read now");
            told = why;
        }
        if state == State::Full {
            return;
        }
        if std::mem::take(&mut reader.has_taken) {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// Which coordinator is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The one that was read last, if it is still seated.
    AsBefore,
    /// The one after it.
    Another,
}

struct Reader {
    peer: Peer,
    neighbour: Neighbour,
    known: Option<KnownRegion>,
    next: Next,
    /// The seat that was chosen last: one coordinator may have two addresses.
    chosen: Option<Seated>,
    /// Whether anything was taken since the last failure.
    has_taken: bool,
    /// Reasons of refusals that were said.
    refused: BTreeSet<&'static str>,
    /// Whether a record of somebody came who is no member as far as is known.
    met_stranger: bool,
    /// When what is put off is looked at again; `None` while there is nothing.
    again_at: Option<Instant>,
    /// No round of asking again before this.
    rests_until: Instant,
    readings: Readings,
    bounds: Bounds,
}

impl Reader {
    fn new(peer: Peer, neighbour: Neighbour, readings: Readings, bounds: Bounds) -> Self {
        Self {
            peer,
            neighbour,
            known: None,
            next: Next::AsBefore,
            chosen: None,
            has_taken: false,
            refused: BTreeSet::new(),
            met_stranger: false,
            again_at: None,
            rests_until: Instant::now(),
            readings,
            bounds,
        }
    }

    fn note_state(&self, state: State) {
        self.readings.note_state(self.region(), state);
    }

    fn region(&self) -> RegionId {
        self.neighbour.region
    }

    fn now(&self) -> UnixMillis {
        UnixMillis(self.peer.clock().now_millis())
    }

    async fn read(&mut self) -> Result<Infallible, Ended> {
        let before = self.peer.store().neighbour(self.region()).await?;
        let known = self.learn(before.as_ref()).await?;
        self.readings.note_seats(self.region(), &known);
        let seat = self.choose(&known, before.as_ref())?;
        let shown = known_region::shown_by(&seat.address, Some(self.region())).await;
        let shown = shown.map_err(|error| Ended::Lost(error.to_string()))?;
        let known = match known.follow(&shown)? {
            Shown::Same => known,
            Shown::Newer(newer) => newer,
            Shown::Earlier => {
                return Err(Ended::Lost(format!("{} shows a lower epoch", seat.address)));
            }
        };
        self.known = Some(known.clone());
        self.readings.note_seats(self.region(), &known);
        if known.seated().iter().all(|it| *it != seat) {
            return Err(Ended::Lost(format!("{} is no longer seated", seat.id)));
        }
        let channel = visit(&seat.address, seat.id).await;
        let channel = channel.map_err(|error| Ended::Lost(error.to_string()))?;
        let cursor = before.filter(|it| it.coordinator == seat.id).map(|it| it.cursor);
        let line = self.line(channel.clone(), seat, &shown);
        let messages = subscribe(channel, cursor.clone().unwrap_or_default()).await?;
        let place = NeighbourRow {
            known: serde_json::to_string(&known).unwrap_or_default(),
            coordinator: line.seat.id,
            cursor: cursor.unwrap_or_default(),
        };
        self.note_state(State::Read(line.seat.id));
        self.follow(&line, messages, place).await
    }

    fn line(&self, channel: Channel, seat: Seated, shown: &VerifiedRegion) -> Line {
        let realm = Realm {
            network: self.peer.network().clone(),
            region: self.region(),
            members: members_of(shown),
        };
        let logs = LogServiceClient::new(channel).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
        Line { logs, realm, seat, epoch: shown.newest().number, view: view_of(shown) }
    }

    /// What is known of the region: from before, asked around after a failure; the first time, from whoever is configured.
    async fn learn(&self, before: Option<&NeighbourRow>) -> Result<KnownRegion, Ended> {
        let kept = || before.and_then(|it| serde_json::from_str(&it.known).ok());
        if let Some(known) = self.known.clone().or_else(kept) {
            return match self.next {
                Next::AsBefore => Ok(known),
                Next::Another => self.ask_everybody(&known).await,
            };
        }
        let mut why = String::new();
        for address in &self.neighbour.addresses {
            match known_region::shown_by(address, Some(self.region())).await {
                Ok(shown) => return Ok(KnownRegion::of(&shown)),
                Err(error) => why = error.to_string(),
            }
        }
        Err(Ended::Lost(why))
    }

    /// The newest that anybody who is known shows, or whoever the operator named.
    async fn ask_everybody(&self, known: &KnownRegion) -> Result<KnownRegion, Ended> {
        let mut newest = known_region::ask_around(known).await?;
        for address in &self.neighbour.addresses {
            if !known.knows(address) {
                let learnt = known_region::learn(address, Some(&newest)).await?;
                newest = learnt.unwrap_or(newest);
            }
        }
        Ok(newest)
    }

    fn choose(
        &mut self,
        known: &KnownRegion,
        before: Option<&NeighbourRow>,
    ) -> Result<Seated, Ended> {
        let seated = known.seated();
        let none = || Ended::Lost("no coordinator of it has an address".to_owned());
        let chosen = self.chosen.as_ref().and_then(|it| seated.iter().position(|seat| seat == it));
        let of_row =
            || before.and_then(|row| seated.iter().position(|it| it.id == row.coordinator));
        let last = chosen.or_else(of_row);
        let place = match (last, self.next) {
            (Some(last), Next::AsBefore) => last,
            (Some(last), Next::Another) => (last + 1) % seated.len().max(1),
            (None, Next::AsBefore | Next::Another) => 0,
        };
        self.next = Next::AsBefore;
        self.chosen = seated.get(place).cloned();
        self.chosen.clone().ok_or_else(none)
    }

    async fn follow(
        &mut self,
        line: &Line,
        mut messages: Streaming<SubscribeResponse>,
        mut place: NeighbourRow,
    ) -> Result<Infallible, Ended> {
        let mut waiting: Vec<Item> = Vec::new();
        let (mut asked, mut heard) = (Instant::now(), Instant::now());
        self.plan_again().await?;
        loop {
            if waiting.is_empty() && self.again_at.is_some_and(|it| it <= Instant::now()) {
                self.ask_again(line, &place).await?;
            }
            let wait = if waiting.is_empty() { self.until_again(heard + SILENCE) } else { PAUSE };
            match timeout(wait, messages.message()).await {
                Ok(Ok(Some(SubscribeResponse { event }))) => {
                    heard = Instant::now();
                    match event {
                        Some(Event::Item(item)) => waiting.push(item),
                        Some(Event::Heartbeat(Heartbeat { cursor, .. })) => {
                            self.take(line, &mut waiting, &mut place, &cursor).await?;
                            if self.is_time_to_look_around(asked) {
                                asked = Instant::now();
                                self.still_seated(line).await?;
                            }
                        }
                        Some(Event::Reset(Reset { cursor, .. })) => {
                            let begins = || Ended::Lost("it goes on from no place".to_owned());
                            place.cursor = claim::place(&cursor).ok_or_else(begins)?;
                        }
                        // Of a later version of the protocol.
                        None => {}
                    }
                }
                Ok(Ok(None)) => return Err(Ended::Lost("it ended the feed".to_owned())),
                Ok(Err(status)) => return Err(status.into()),
                Err(_) if waiting.is_empty() && SILENCE <= heard.elapsed() => {
                    return Err(Ended::Lost("it fell silent".to_owned()));
                }
                // It is time to ask again.
                Err(_) if waiting.is_empty() => {}
                Err(_) => self.take(line, &mut waiting, &mut place, "").await?,
            }
            if is_enough(&waiting) {
                self.take(line, &mut waiting, &mut place, "").await?;
            }
        }
    }

    /// How long nothing is to be done before the end of patience: until it is time to ask again.
    fn until_again(&self, end: Instant) -> Duration {
        let until = self.again_at.map_or(end, |it| it.min(end));
        until.saturating_duration_since(Instant::now())
    }

    /// Sooner where somebody writes whom an epoch that is not known here may have admitted.
    fn is_time_to_look_around(&self, asked: Instant) -> bool {
        let every = if self.met_stranger { ASK_FOR_STRANGER } else { ASK_AROUND_EVERY };
        every <= asked.elapsed()
    }

    /// Ends the reading if the members have filed another epoch: they may have seated others, and admitted somebody.
    async fn still_seated(&mut self, line: &Line) -> Result<(), Ended> {
        let Some(known) = &self.known else { return Ok(()) };
        let newest = known_region::ask_around(known).await?;
        let is_same = newest.epoch == line.epoch;
        self.known = Some(newest);
        self.met_stranger = false;
        if is_same { Ok(()) } else { Err(Ended::OtherEpoch) }
    }
}

/// Whether what waits is to be looked at before more is taken.
fn is_enough(waiting: &[Item]) -> bool {
    let n_causes: usize = waiting.iter().map(|it| it.causes.len()).sum();
    MAX_TOGETHER <= waiting.len() || MAX_CAUSES_TOGETHER <= n_causes
}

/// The place after the last of these that names one.
fn last_place(items: &[Item]) -> Option<String> {
    items.iter().rev().find_map(|it| claim::place(&it.cursor))
}

/// Subscribes to a coordinator's own region.
async fn subscribe(
    channel: Channel,
    cursor: String,
) -> Result<Streaming<SubscribeResponse>, Ended> {
    let mut client =
        FeedServiceClient::new(channel).max_decoding_message_size(MAX_FEED_MESSAGE_BYTES);
    let request = SubscribeRequest {
        cursor,
        heartbeat_seconds: HEARTBEAT_SECS,
        ..SubscribeRequest::default()
    };
    let late = |_elapsed| Ended::Lost("it did not answer in time".to_owned());
    let answer = timeout(ANSWER_TIME_OUT, client.subscribe(request)).await.map_err(late)?;
    Ok(answer?.into_inner())
}

#[cfg(test)]
mod tests {
    use proto::v1::Cause;

    use super::*;

    #[test]
    fn a_place_is_that_of_the_last_item_that_names_one() {
        let coordinator = CommunityId::from_bytes([4; 32]);
        let at = |log_size| {
            formats::cursor::Cursor { coordinator, log_size, instant: UnixMillis(1) }.to_string()
        };
        let item = |cursor: String| Item { cursor, ..Item::default() };
        let items = [item(at(1)), item(at(2)), item("fmc1".repeat(40))];
        assert_eq!(last_place(&items), Some(at(2)));
        assert_eq!(last_place(&items[2..]), None);
    }

    #[test]
    fn what_waits_is_looked_at_once_it_is_many_items_or_many_causes() {
        let item = |n_causes| Item { causes: vec![Cause::default(); n_causes], ..Item::default() };
        assert!(!is_enough(&vec![item(1); 255]));
        assert!(is_enough(&vec![item(1); 256]));
        assert!(!is_enough(&[item(1_000), item(23)]));
        assert!(is_enough(&[item(1_000), item(24)]));
    }
}
