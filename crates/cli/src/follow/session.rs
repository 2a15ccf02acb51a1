//! One connection after another to the same coordinator, and what was heard over them.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use jiff::tz::TimeZone;
use proto::v1::{
    Heartbeat, Item, Reset, SubscribeRequest, SubscribeResponse,
    feed_service_client::FeedServiceClient, subscribe_response::Event,
};
use record::limits::MAX_GRPC_MESSAGE_BYTES;
use runtime::exit::Exit;
use tokio::time::timeout;
use tonic::{Status, Streaming, transport::Channel};

use super::{
    Options, line,
    memory::Memory,
    pin::{GivenKey, Manner},
    region::{self, KnownRegion, Seated},
    server,
};
use crate::{Console, Failure, time};

/// What following says of its own where a coordinator is trusted or refused.
const MANNER: Manner = Manner {
    option: "--key",
    safe: "The place in the feed is kept.",
    refused: "Nothing was read, and the cursor file was left as it is. Ask its operators by another way; to follow \
              another coordinator, use another cursor file.",
};

/// Seconds of silence between signs of life.
const HEARTBEAT_SECS: u32 = 30;
/// With `--once`: a coordinator gives a sign of life as soon as everything has been told, and before that only if its
/// search for what is wanted takes longer than this. Below [`SILENCE`], so that a slow search is not taken for a loss.
const HEARTBEAT_ONCE_SECS: u32 = 60;
/// Longer than two heartbeats and a bad line: the other end is gone.
const SILENCE: Duration = Duration::from_secs(75);
/// A pause in the feed after which the place is written down.
const PAUSE: Duration = Duration::from_millis(200);
/// Items printed at most before the place is written down.
const MAX_UNSAVED_ITEMS: u32 = 256;
/// Ids remembered, so that a repeat is not printed twice: more than any resumption repeats.
const MAX_REMEMBERED_IDS: usize = 10_000;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ended {
    /// Everything so far has been told, and that was asked for.
    CaughtUp,
    /// Lost: it may be tried again.
    Lost(Failure),
    /// Trying again changes nothing.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        match failure.exit() {
            Exit::Unavailable => Self::Lost(failure),
            Exit::Ok
            | Exit::Failed
            | Exit::Usage
            | Exit::NeedsLot
            | Exit::Config
            | Exit::Verification
            | Exit::Interrupted => Self::Failed(failure),
        }
    }
}

/// What is kept between connections.
pub(super) struct Session<'a> {
    address: String,
    /// Whom the command line, or since a switch the region's certificate, says to trust.
    given: Option<GivenKey>,
    options: &'a Options,
    memory: Memory,
    console: &'a Console,
    zone: TimeZone,
    seen: Seen,
    n_unsaved: u32,
    was_ever_open: bool,
    has_heard: bool,
}

/// The ids of the last items.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Seen {
    /// Whether the id is new.
    fn insert(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if MAX_REMEMBERED_IDS < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(
        address: String,
        options: &'a Options,
        memory: Memory,
        console: &'a Console,
    ) -> Self {
        // The last run may have gone on to another coordinator of the region than the command line names.
        let followed = memory.region().filter(|it| it.knows(&address)).zip(memory.pin());
        let elsewhere = followed
            .and_then(|(region, pin)| Some((region.address(&pin.coordinator)?, pin.coordinator)))
            .filter(|(known, _)| *known != address);
        let (address, given) = match elsewhere {
            Some((known, coordinator)) => (known, Some(GivenKey::Community(coordinator))),
            None => (address, options.key),
        };
        Self {
            address,
            given,
            options,
            memory,
            console,
            zone: time::zone(),
            seen: Seen::default(),
            n_unsaved: 0,
            was_ever_open: false,
            has_heard: false,
        }
    }

    /// Whether the feed has been open since the start.
    pub(super) const fn was_ever_open(&self) -> bool {
        self.was_ever_open
    }

    /// Whether anything came since this was last asked.
    pub(super) fn heard_since_last_asked(&mut self) -> bool {
        std::mem::take(&mut self.has_heard)
    }

    /// Writes the place down.
    pub(super) fn keep_place(&mut self) -> Result<(), Failure> {
        self.n_unsaved = 0;
        self.memory.save()
    }

    /// Connects, checks who answers, and follows until something ends it.
    pub(super) async fn follow(&mut self) -> Ended {
        match self.follow_once().await {
            Ok(()) => Ended::CaughtUp,
            Err(failure) => failure.into(),
        }
    }

    async fn follow_once(&mut self) -> Result<(), Failure> {
        let (given, remembered) = (self.given, self.memory.pin());
        let met = server::meet(&self.address, &MANNER, given, remembered).await?;
        met.tell(&MANNER, self.console);
        self.memory.set_pin(met.pin);
        if let Some(shown) = region::learn(&self.address, self.memory.region()).await? {
            self.memory.set_region(shown);
        }
        self.keep_place()?;
        let mut messages = self.subscribe(met.channel).await?;
        self.was_ever_open = true;
        loop {
            let wait = if self.memory.is_saved() { SILENCE } else { PAUSE };
            match timeout(wait, messages.message()).await {
                Ok(Ok(Some(message))) => {
                    self.has_heard = true;
                    if self.take(message)? {
                        return Ok(());
                    }
                }
                Ok(Ok(None)) => return Err(self.lost("it ended the feed")),
                Ok(Err(status)) => return Err(self.refused(&status)),
                Err(_) if !self.memory.is_saved() => self.keep_place()?,
                Err(_) => return Err(self.lost("it fell silent")),
            }
        }
    }

    /// Looks for another coordinator that is seated, by what everybody who is known shows; says whether there is one.
    ///
    /// # Errors
    ///
    /// [`Failure`] with exit code 6 if two certificates contradict each other.
    pub(super) async fn look_elsewhere(&mut self) -> Result<bool, Failure> {
        let Some(known) = self.memory.region() else { return Ok(false) };
        let newest: KnownRegion = region::ask_around(known).await?;
        let seated = newest.seated();
        self.memory.set_region(newest);
        let here = seated.iter().position(|it| it.address == self.address);
        // The one after this one, round and round, so that each has its turn.
        let next = here.map_or(0, |place| place + 1);
        let Some(Seated { id, address }) = seated.get(next).or(seated.first()).cloned() else {
            return Ok(false);
        };
        if address == self.address {
            return Ok(false);
        }
        self.console.remark(&format!(
            "Following {address} ({id}) instead: the members have seated it. Items may come again, with the same ids."
        ));
        (self.address, self.given) = (address, Some(GivenKey::Community(id)));
        self.memory.forget_pin();
        Ok(true)
    }

    async fn subscribe(&self, channel: Channel) -> Result<Streaming<SubscribeResponse>, Failure> {
        let mut client =
            FeedServiceClient::new(channel).max_decoding_message_size(MAX_GRPC_MESSAGE_BYTES);
        let Options { kind, place, region, once, .. } = self.options;
        let request = SubscribeRequest {
            cursor: self.memory.cursor().to_owned(),
            kinds: kind.iter().map(|it| it.name().to_owned()).collect(),
            places: place.iter().map(ToString::to_string).collect(),
            regions: region.clone(),
            heartbeat_seconds: if *once { HEARTBEAT_ONCE_SECS } else { HEARTBEAT_SECS },
        };
        let answer = timeout(server::ANSWER_TIME_OUT, client.subscribe(request)).await;
        let answer = answer.ok().ok_or_else(|| self.lost("it did not answer"))?;
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner())
    }

    /// Takes one message; says whether it is the last that is wanted.
    fn take(&mut self, message: SubscribeResponse) -> Result<bool, Failure> {
        match message.event {
            Some(Event::Item(item)) => self.take_item(item).map(|()| false),
            Some(Event::Heartbeat(Heartbeat { cursor, .. })) => {
                self.memory.set_cursor(cursor);
                self.keep_place()?;
                Ok(self.options.once)
            }
            Some(Event::Reset(Reset { cursor, reason })) => {
                self.console.remark(&format!(
                    "The coordinator cannot go on from the place asked for ({}), and begins earlier. \
                     Items may come again, with the same ids.",
                    crate::console::plain(&reason)
                ));
                self.memory.set_cursor(cursor);
                self.keep_place()?;
                Ok(false)
            }
            // Of a later version of the protocol.
            None => Ok(false),
        }
    }

    fn take_item(&mut self, item: Item) -> Result<(), Failure> {
        if self.seen.insert(&item.id) {
            if self.options.json {
                self.console.answer_json(&line::as_json(&item))?;
            } else {
                self.console.answer(&line::render(&item, &self.zone))?;
            }
        }
        self.memory.set_cursor(item.cursor);
        self.n_unsaved += 1;
        if MAX_UNSAVED_ITEMS <= self.n_unsaved { self.keep_place() } else { Ok(()) }
    }

    fn lost(&self, what: &str) -> Failure {
        server::lost(&self.address, what)
    }

    fn refused(&self, status: &Status) -> Failure {
        server::refused(&self.address, &MANNER, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_known_until_ten_thousand_others_came() {
        let mut seen = Seen::default();
        assert!(seen.insert("first"));
        assert!(!seen.insert("first"));
        for n in 1..MAX_REMEMBERED_IDS {
            assert!(seen.insert(&n.to_string()));
        }
        assert!(!seen.insert("first"));
        assert!(seen.insert("one more"));
        assert!(seen.insert("first"));
    }
}
