//! The feed: one reader of the store for what was and what comes, and a ring that spreads what comes.
//!
//! ```text
//! commit ─▶ Feed::run ── reads and renders once ──▶ ring ──▶ every subscriber that is up to date
//!             store  ◀── pages ── a subscriber that catches up, or fell behind the ring
//! ```
//!
//! Memory is bounded by the ring, whatever a subscriber does: who does not read is behind, and reads from the store.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use peer::Peer;
use proto::v1;
use record::{CommunityId, RecordId, UnixMillis};
use runtime::stop::StopSignal;
use store::{Commit, FeedItem, Position, Regions, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};

use crate::{
    item::{Here, Item, read_items},
    metrics,
    neighbours::Readings,
    words::{WordFinder, Words},
};

pub use record::limits::MAX_SUBSCRIBERS;

/// Pages of the ring that a subscriber may fall behind before it reads from the store again.
const RING_PAGES: usize = 256;
/// Items in a page: at about 1 KiB each, well below what one reader of the store should hold.
const PAGE_ITEMS: u32 = 256;
/// Subscribers that read from the store at one time. It has three readers; one is left for pages.
const MAX_READING: usize = 2;

/// An item with its words, rendered once for all subscribers.
#[derive(Debug)]
pub(crate) struct Told {
    /// What filters look at.
    pub(crate) item: Item,
    /// What is sent.
    pub(crate) rendered: v1::Item,
}

/// A run of items that follow each other in the feed.
pub(crate) type Page = Arc<[Told]>;

/// How far reading has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reached {
    /// The number of the last item read.
    pub(crate) seq: i64,
    /// Everything up to here has been read.
    pub(crate) position: Position,
}

/// The feed of a coordinator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    peer: Peer,
    words: WordFinder,
    ring: broadcast::Sender<Page>,
    /// The size and note of the newest signed checkpoint of our own log that was heard of.
    checkpoint: watch::Sender<(u64, Arc<[u8]>)>,
    places: Arc<Semaphore>,
    max_subscribers: usize,
    reading: Semaphore,
    readings: Readings,
    stop: StopSignal,
}

impl Feed {
    /// The feed of this peer, for so many subscribers at one time; [`MAX_SUBSCRIBERS`] by default. Subscriptions end at
    /// the stop. [`Feed::run`] must run for the feed to go on.
    #[must_use]
    pub fn new(peer: Peer, max_subscribers: usize, stop: StopSignal) -> Self {
        metrics::describe();
        let (ring, _) = broadcast::channel(RING_PAGES);
        let shared = Shared {
            words: WordFinder::new(peer.store().clone()),
            peer,
            ring,
            checkpoint: watch::Sender::new((0, Arc::default())),
            places: Arc::new(Semaphore::new(max_subscribers)),
            max_subscribers,
            reading: Semaphore::new(MAX_READING),
            readings: Readings::default(),
            stop,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Reads what each commit adds and hands it to the subscribers. Runs until the stop.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub async fn run(self) -> Result<(), StoreError> {
        tokio::select! {
            () = self.shared.stop.stopped() => Ok(()),
            done = self.spread() => done,
        }
    }

    async fn spread(&self) -> Result<(), StoreError> {
        // Before the first look, so that no commit falls between.
        let mut commits = self.peer().store().commits();
        let mut seq = self.newest().await?.seq;
        self.read_checkpoint().await?;
        loop {
            match commits.recv().await {
                Ok(commit) => {
                    self.take_checkpoint(&commit);
                    if commit.n_items == 0 {
                        continue;
                    }
                    if commit.items.first().is_some_and(|item| item.seq == seq + 1) {
                        seq = self.tell(self.render(&commit.items, None).await?).unwrap_or(seq);
                        continue;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => self.read_checkpoint().await?,
                Err(broadcast::error::RecvError::Closed) => return Err(StoreError::Closing),
            }
            loop {
                let page = self.read(Reached { seq, ..Reached::default() }, &Regions::All).await?;
                let Some(last) = self.tell(page) else { break };
                seq = last;
            }
        }
    }

    /// Hands a page to the subscribers; the number of its last item.
    fn tell(&self, page: Page) -> Option<i64> {
        let last = page.last()?.item.seq;
        page.iter().for_each(|told| metrics::item_live(&told.item.kind));
        // Nobody listening is no fault.
        let _ = self.shared.ring.send(page);
        Some(last)
    }

    fn take_checkpoint(&self, commit: &Commit) {
        let own = self.peer().own_log();
        let head = commit.heads.iter().find(|row| row.name == own);
        if let Some((size, note)) = head.and_then(|row| row.checkpoint.clone()) {
            self.hear_of(size, note.into());
        }
    }

    async fn read_checkpoint(&self) -> Result<(), StoreError> {
        let row = self.peer().store().log(self.peer().own_log()).await?;
        if let Some((size, note)) = row.and_then(|it| it.checkpoint) {
            self.hear_of(size, note.into());
        }
        Ok(())
    }

    /// News of a commit may come after the same was read from the store, and never goes back.
    fn hear_of(&self, size: u64, note: Arc<[u8]>) {
        self.shared.checkpoint.send_if_modified(|known| {
            let is_news = known.0 <= size;
            if is_news {
                *known = (size, note);
            }
            is_news
        });
    }

    /// The next page of the feed, in order; empty at its end.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn read(&self, after: Reached, regions: &Regions) -> Result<Page, StoreError> {
        let store = self.peer().store();
        // One more, to see whether the page cuts a commit.
        let (position, seq) = (after.position, after.seq);
        let mut rows = store.items_of_after(regions, position, seq, PAGE_ITEMS + 1).await?;
        let is_cut = u32::try_from(rows.len()).is_ok_and(|n_rows| PAGE_ITEMS < n_rows);
        let following = if is_cut { rows.pop() } else { None };
        self.render(&rows, following.as_ref()).await
    }

    /// Items with their words.
    async fn render(
        &self,
        rows: &[FeedItem],
        following: Option<&FeedItem>,
    ) -> Result<Page, StoreError> {
        let mut known: BTreeMap<RecordId, Words> = BTreeMap::new();
        let mut page = Vec::with_capacity(rows.len());
        for item in read_items(rows, following)? {
            if item.region().is_some() {
                // Words may be erased at home, and are read there.
                let rendered = item.render(self.here(), &Words::default());
                page.push(Told { item, rendered });
                continue;
            }
            let words = match known.entry(item.case) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.shared.words.of_case(item.case).await?),
            };
            let rendered = item.render(self.here(), words);
            page.push(Told { item, rendered });
        }
        Ok(page.into())
    }

    /// As [`Feed::read`], waiting its turn among the subscribers that catch up.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn read_in_turn(
        &self,
        after: Reached,
        regions: &Regions,
    ) -> Result<Page, StoreError> {
        let _turn = self.shared.reading.acquire().await.ok().ok_or(StoreError::Closing)?;
        self.read(after, regions).await
    }

    /// The end of the feed as the store holds it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn newest(&self) -> Result<Reached, StoreError> {
        let rows = self.peer().store().items_of_before(&Regions::All, i64::MAX, 1).await?;
        let newest = rows.first().map(|row| Reached { seq: row.seq, position: row.position });
        Ok(newest.unwrap_or_default())
    }

    /// What comes from now on.
    pub(crate) fn live(&self) -> broadcast::Receiver<Page> {
        self.shared.ring.subscribe()
    }

    /// A place among the subscribers, if one is free.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.places).try_acquire_owned().ok()
    }

    /// How many places there are.
    pub(crate) fn max_subscribers(&self) -> usize {
        self.shared.max_subscribers
    }

    /// Our own newest checkpoint, which covers at least so many records: whoever reads from the store may be ahead of
    /// the news of a commit.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk fails.
    pub(crate) async fn checkpoint(&self, at_least: u64) -> Result<Arc<[u8]>, StoreError> {
        let known = || self.shared.checkpoint.borrow().clone();
        let (size, note) = known();
        if !note.is_empty() && at_least <= size {
            return Ok(note);
        }
        self.read_checkpoint().await?;
        Ok(known().1)
    }

    pub(crate) fn words(&self) -> &WordFinder {
        &self.shared.words
    }

    pub(crate) fn peer(&self) -> &Peer {
        &self.shared.peer
    }

    pub(crate) fn coordinator(&self) -> CommunityId {
        self.peer().community()
    }

    /// How neighbouring regions are read, whose items stand in this feed.
    #[must_use]
    pub fn readings(&self) -> &Readings {
        &self.shared.readings
    }

    /// Whose feed this is.
    pub(crate) fn here(&self) -> Here {
        Here { coordinator: self.coordinator(), region: self.peer().charter().region }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(self.peer().clock().now_millis())
    }

    pub(crate) fn stop(&self) -> &StopSignal {
        &self.shared.stop
    }

    /// The name of a community, as its own identity says; its id if its log is not here.
    ///
    /// # Errors
    ///
    /// [`peer::PeerError`] if the disk fails or the log is damaged.
    pub(crate) async fn name_of(&self, community: CommunityId) -> Result<String, peer::PeerError> {
        let identity = self.peer().identity_of(community).await?;
        Ok(identity
            .map_or_else(|| community.to_string(), |it| it.identity().name().as_str().to_owned()))
    }
}
