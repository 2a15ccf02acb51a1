//! One replication stream: carries out what `replica` says, on a store and a connection.
//!
//! ```text
//! frames in ─┐                       ┌─▶ frames out (a queue; batches wait until it is short)
//! growth    ─┼─▶ Exchange ─ outputs ─┼─▶ store: accept, in order      ─ Durable ─┐
//! answers   ─┘      ▲                └─▶ store: batch, root (readers) ─ Loaded ──┤
//!                   └────────────────────────────────────────────────────────────┘
//! ```
//!
//! Both sides keep reading while they wait to send, so that two full queues never wait for each other.

mod branch;
mod end;
mod withheld;

use std::{collections::VecDeque, sync::Arc};

use proto::v1;
use record::{
    LogName, RegionId, VerifiedRecord,
    limits::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS},
    payload::Status as LogStatus,
};
use replica::{Ack, Batch, Exchange, ExchangeConfig, Frame, Input, Output, quota::Charge};
use store::{Accepted, BatchLimits, Incoming, StoreError};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::{
    cosignatures::keep_cosignatures,
    evidence::told_to_author,
    frames::{parse_frame, render_frame},
    growth::{Growth, raw},
    hello::{self, Remote},
    links::ToldStanding,
    peer::Peer,
};

use self::branch::OfBranches;
pub use end::StreamEnd;

/// A loaded batch is put into the queue only while it holds fewer frames than this.
const SHORT_QUEUE: usize = 4;
/// A queue longer than this belongs to a peer that sends and never reads.
const MAX_QUEUE: usize = 4 * 1024;

/// Acks of one stream whose cosignatures are being kept at one time.
const MAX_KEEPING: usize = 16;

/// Runs a stream to its end. The Hellos have been exchanged.
///
/// # Errors
///
/// [`StreamEnd`] says why; there is no other way to end.
pub async fn run(
    peer: &Peer,
    remote: &Remote,
    frames: impl Stream<Item = Result<v1::Frame, Status>>,
    out: mpsc::Sender<v1::Frame>,
) -> Result<(), StreamEnd> {
    tokio::pin!(frames);
    note_skew(peer, remote);
    note_region(peer, remote);
    // The other side tells of it anew at the beginning of each stream, if there is anything to tell.
    peer.links().update(remote.community, |link| link.standing = None);
    // Before the heads are read, so that no growth falls between.
    let mut grown = peer.grown();
    let mut region = peer.store().region();
    region.mark_unchanged();
    let mut treated = peer.quotas().listen();
    let mut orders = peer.orders_changed();
    orders.mark_unchanged();
    let (admitted, seats) = (peer.admitted(), peer.region().quorum());
    let mut taken = peer.branches().listen();
    let (branches, held) = OfBranches::begin(peer, remote).await?;
    let config = ExchangeConfig { quorum: peer.quorum().await?, ..peer.exchange_config() };
    let (exchange, first) = Exchange::new(config, held);
    // At most one for each load and batch under way, which the exchange's credit bounds.
    let (answers, mut answered) = mpsc::unbounded_channel();
    let mut stream = ReplicationStream {
        peer,
        remote,
        exchange,
        answers,
        queue: VecDeque::new(),
        loaded: VecDeque::new(),
        added: None,
        told_of_dates: false,
        keeping: JoinSet::new(),
        branches,
    };
    stream.begin(first).await?;
    loop {
        let has_frames = !stream.queue.is_empty();
        let look_at = stream.branches.look_at();
        // In this order, so that a run can be repeated. What the other side sends comes last: however much that is, it
        // keeps nothing else waiting. Growth takes longer to be written than to be told, answers are bounded by credit,
        // and the queue by what both of them put into it; so its turn comes.
        tokio::select! {
            biased;
            () = peer.streams_ending() => return Err(StreamEnd::Stopping),
            Ok(()) = region.changed() => {
                if peer.admitted() != admitted || peer.region().quorum() != seats {
                    return Err(StreamEnd::RegionChanged);
                }
            }
            Ok(()) = orders.changed() => return Err(StreamEnd::Missed),
            _told = taken.recv() => return Err(StreamEnd::OtherBranch),
            () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                stream.look_at_branches().await?;
            }
            growth = grown.recv() => stream.on_growth(growth).await?,
            status = treated.recv() => match status {
                Ok(status) => stream.handle(Input::Treated(status)).await?,
                // What was missed was a pause or its end; the stream begins anew with what holds now.
                Err(_missed) => return Err(StreamEnd::Missed),
            },
            Some(answer) = answered.recv() => stream.on_answer(answer).await?,
            permit = out.reserve(), if has_frames => {
                let permit = permit.map_err(|_closed| StreamEnd::Finished)?;
                if let Some(frame) = stream.queue.pop_front() {
                    permit.send(render_frame(frame));
                }
            }
            frame = frames.next() => match frame {
                Some(Ok(frame)) => stream.handle(Input::Frame(parse_frame(frame)?)).await?,
                Some(Err(status)) => return Err(StreamEnd::Connection(status)),
                None => return Err(StreamEnd::Finished),
            },
        }
        stream.release_loaded().await?;
        if MAX_QUEUE < stream.queue.len() {
            return Err(StreamEnd::NotReading);
        }
    }
}

/// Clocks that differ by more than this are a person's concern: deadlines are judged by receipts, which carry a
/// coordinator's time.
const MOST_SKEW_MILLIS: u64 = 5 * 60 * 1_000;

fn note_skew(peer: &Peer, remote: &Remote) {
    let Remote { community, clock_skew_millis, .. } = *remote;
    peer.links().update(community, |link| link.clock_skew_millis = clock_skew_millis);
    if let Some(skew_millis) = clock_skew_millis.filter(|it| MOST_SKEW_MILLIS < it.unsigned_abs()) {
        tracing::warn!(%community, skew_millis, "the other side's clock and ours differ by more than 5 minutes; look at both");
    }
}

/// Says once that the other side is of another region. Logs are exchanged all the same.
fn note_region(peer: &Peer, remote: &Remote) {
    let Remote { community, other_region, .. } = *remote;
    let is_news = peer.links().note_region(community, other_region);
    if let Some(theirs) = other_region.filter(|_| is_news) {
        let (theirs, ours) = (short(theirs), short(peer.charter().region));
        tracing::warn!(%community, %theirs, %ours, "the other side's charter is that of another region, so neither side sees the other's cases; compare the two charter files");
    }
}

/// As much of a region's id as tells it from another.
fn short(region: RegionId) -> String {
    let start: String = region.to_string().chars().take(12).collect();
    format!("{start}…")
}

struct ReplicationStream<'a> {
    peer: &'a Peer,
    remote: &'a Remote,
    exchange: Exchange,
    answers: mpsc::UnboundedSender<Input>,
    queue: VecDeque<Frame>,
    /// Batches that wait until the queue is short.
    loaded: VecDeque<Input>,
    /// What our own log grew by, while the streams are told of it.
    added: Option<Batch>,
    /// Whether records dated ahead of our clock have been told of.
    told_of_dates: bool,
    /// Cosignatures on their way into the store.
    keeping: JoinSet<()>,
    branches: OfBranches,
}

impl ReplicationStream<'_> {
    /// Offers what is held, and tells the other side what it has to know.
    async fn begin(&mut self, first: Vec<Output>) -> Result<(), StreamEnd> {
        self.carry_out(first).await?;
        self.queue.push_back(Frame::Offered);
        self.tell_standings().await?;
        self.tell_of_forks().await
    }

    /// Tells the other side if its own log forked.
    async fn tell_of_forks(&mut self) -> Result<(), StreamEnd> {
        let forks = self.peer.store().forks().await?;
        let theirs = forks.iter().filter(|it| it.log.community == self.remote.community);
        self.queue.extend(theirs.map(|fork| Frame::Refusal(told_to_author(fork))));
        Ok(())
    }

    async fn handle(&mut self, input: Input) -> Result<(), StreamEnd> {
        let outputs = self.exchange.handle(input);
        self.carry_out(outputs).await
    }

    /// Tells the other side of every log that we treat otherwise than well.
    async fn tell_standings(&mut self) -> Result<(), StreamEnd> {
        for status in self.peer.standings().await? {
            self.handle(Input::Treated(status)).await?;
        }
        Ok(())
    }

    async fn on_answer(&mut self, answer: Input) -> Result<(), StreamEnd> {
        if matches!(answer, Input::Loaded(_)) {
            self.loaded.push_back(answer);
            return Ok(());
        }
        self.handle(answer).await
    }

    async fn release_loaded(&mut self) -> Result<(), StreamEnd> {
        while self.queue.len() < SHORT_QUEUE {
            let Some(loaded) = self.loaded.pop_front() else { break };
            self.handle(loaded).await?;
        }
        Ok(())
    }

    async fn on_growth(
        &mut self,
        growth: Result<Arc<Growth>, broadcast::error::RecvError>,
    ) -> Result<(), StreamEnd> {
        let growth = match growth {
            Ok(growth) => growth,
            Err(broadcast::error::RecvError::Lagged(_)) => {
                Arc::new(Growth { logs: self.peer.held_logs().await?, added: None })
            }
            Err(broadcast::error::RecvError::Closed) => return Err(StoreError::Closing.into()),
        };
        let is_theirs = |it: &replica::HeldLog| it.log.community == self.remote.community;
        if growth.logs.iter().any(is_theirs) && hello::is_replaced(self.peer, self.remote) {
            return Err(StreamEnd::KeyReplaced);
        }
        self.branches.hurry();
        self.added = growth.added.clone();
        for held in &growth.logs {
            if self.branches.is_fetched(held.log) {
                continue;
            }
            self.handle(Input::LocalHead(Box::new(held.clone()))).await?;
        }
        self.added = None;
        Ok(())
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) -> Result<(), StreamEnd> {
        for output in outputs {
            match output {
                Output::Send(frame) => self.queue.extend(self.given(frame)),
                Output::Load { .. } | Output::CheckRoot { .. } => match self.in_hand(&output) {
                    Some(batch) => self.loaded.push_back(Input::Loaded(batch)),
                    None => self.read(output),
                },
                Output::Store(batch) => self.store(batch).await?,
                Output::Evidence(evidence) => {
                    let log = LogName { community: evidence.community, era: evidence.era };
                    self.peer.file_evidence(evidence).await?;
                    self.note_branch(log).await?;
                }
                Output::KeptHead { log, checkpoint, identity } => {
                    let (bundle, note) = (identity.bundle().to_vec(), checkpoint.to_vec());
                    self.keep_head(log, bundle, note).await?;
                }
                Output::Acked { log, size, cosignatures } => {
                    self.on_acked(Ack { log, size, cosignatures }).await;
                }
                Output::Refused(refusal) => {
                    let community = self.remote.community;
                    let (reason, detail) = (&refusal.reason, &refusal.detail);
                    tracing::warn!(%community, %reason, %detail, "the other side refused something");
                    let told = format!("{reason}: {detail}");
                    self.peer.links().update(community, |link| link.last_refusal = Some(told));
                }
                Output::Told(status) => self.on_told(&status),
                Output::Shown => self.peer.settling().note_shown(self.remote.community),
                Output::Close { reason, detail } => {
                    return Err(StreamEnd::Closed { reason, detail });
                }
            }
        }
        Ok(())
    }

    /// The batch that is to be loaded, if our own log grew by just that.
    fn in_hand(&mut self, output: &Output) -> Option<Batch> {
        let Output::Load { log, start, tree_size, .. } = *output else { return None };
        if self.not_given(output).is_some() {
            return None;
        }
        self.added.take_if(|it| (it.log, it.start, it.tree_size) == (log, start, tree_size))
    }

    /// Asks the store's readers; the answer comes back as an input.
    fn read(&self, output: Output) {
        if let Some(refused) = self.not_given(&output) {
            // A stream that has ended needs no answer.
            let _ = self.answers.send(refused);
            return;
        }
        if matches!(&output, Output::CheckRoot { log, .. } if self.branches.is_fetched(*log)) {
            // Of a branch that is not held whole there is nothing to say.
            return;
        }
        let (store, answers) = (self.peer.store().clone(), self.answers.clone());
        tokio::spawn(async move {
            let answer = match output {
                Output::Load { log, start, max_records, max_bytes, tree_size } => {
                    let max_records = usize::try_from(max_records).unwrap_or(MAX_BATCH_RECORDS);
                    let limits = BatchLimits {
                        max_records: max_records.min(MAX_BATCH_RECORDS),
                        max_bytes: max_bytes.min(MAX_BATCH_BYTES),
                    };
                    match store.batch(log, start, limits, tree_size).await {
                        Ok(batch) => Input::Loaded(Batch {
                            log,
                            start,
                            records: batch.records.into_iter().map(raw).collect(),
                            tree_size,
                            proof: batch.proof,
                        }),
                        Err(error) => not_loaded(log, &error),
                    }
                }
                Output::CheckRoot { log, size, tree_size } => {
                    match store.beginning(log, size, tree_size).await {
                        Ok((root, proof)) => Input::RootAt { log, size, root, proof },
                        Err(error) => not_loaded(log, &error),
                    }
                }
                Output::Send(_)
                | Output::Store(_)
                | Output::Evidence(_)
                | Output::KeptHead { .. }
                | Output::Acked { .. }
                | Output::Refused(_)
                | Output::Told(_)
                | Output::Shown
                | Output::Close { .. } => return,
            };
            // A stream that has ended needs no answer.
            let _ = answers.send(answer);
        });
    }

    /// The other side says how it treats a log; of ours, that is noted.
    fn on_told(&self, status: &LogStatus) {
        if status.log != self.peer.own_log() {
            return;
        }
        let (community, told) = (self.remote.community, ToldStanding::of(status));
        let mut is_news = false;
        self.peer.links().update(community, |link| {
            is_news = link.standing != told;
            link.standing.clone_from(&told);
        });
        if let Some(ToldStanding { standing, reason, detail, .. }) = told.filter(|_| is_news) {
            tracing::warn!(%community, standing, reason, detail, "the coordinator treats our log otherwise than before");
        }
    }

    /// Says once for each stream that records are dated ahead of our clock. They count as any other: order and deadlines
    /// rest on references and receipts, not on what an author says of the time.
    fn note_dates(&mut self, log: LogName, records: &[VerifiedRecord]) {
        let latest = self.peer.clock().now_millis().saturating_add(MOST_SKEW_MILLIS);
        let mut ahead = records.iter().filter(|record| latest < record.header().time.0);
        if let Some(record) = ahead.next().filter(|_| !self.told_of_dates) {
            self.told_of_dates = true;
            let index = record.header().index;
            tracing::warn!(%log, index, "records are dated more than 5 minutes ahead of our clock; they count all the same, as no deadline rests on an author's date");
        }
    }

    /// Keeps the head at what the officers kept of an ended era. If other records are held here, the log stays as it is.
    async fn keep_head(
        &self,
        log: LogName,
        bundle: Vec<u8>,
        note: Vec<u8>,
    ) -> Result<(), StreamEnd> {
        match self.peer.store().keep_head(log, bundle, note).await {
            Err(error) if matches!(error, StoreError::Storage { .. } | StoreError::Closing) => {
                Err(error.into())
            }
            Err(error) => {
                tracing::warn!(%log, %error, "the kept head of an ended era was not taken");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Hands a batch to the writer, in order; the answer comes back as an input.
    async fn store(&mut self, batch: replica::Store) -> Result<(), StreamEnd> {
        let completes = batch.completes_checkpoint();
        let replica::Store { log, start, records, frontier, checkpoint, proof, identity, .. } =
            batch;
        self.note_dates(log, &records);
        let end = frontier.size();
        let n_bytes = records.iter().map(weight).sum();
        self.peer.charge(Charge { log, start, end, n_bytes }).await?;
        let incoming = Incoming {
            log,
            start,
            records,
            frontier,
            checkpoint,
            proof,
            completes,
            identity: identity.map(|it| it.bundle().to_vec()),
        };
        if self.branches.is_fetched(log) {
            return self.keep_branch(incoming).await;
        }
        let (durable, answers) = (self.peer.store().accept(incoming).await?, self.answers.clone());
        tokio::spawn(async move {
            let answer = match durable.await {
                Ok(Accepted { size, cosignatures }) => Input::Durable { log, size, cosignatures },
                Err(error) => not_stored(log, &error),
            };
            let _ = answers.send(answer);
        });
        Ok(())
    }

    /// The other side holds a log of ours: notes how far, and keeps its cosignature once that verifies.
    /// Records go on meanwhile: they do not wait for a cosignature.
    async fn on_acked(&mut self, ack: Ack) {
        let (community, size) = (self.remote.community, ack.size);
        if ack.log == self.peer.own_log() {
            self.peer.links().update(community, |link| link.acked_size = link.acked_size.max(size));
        }
        if MAX_KEEPING <= self.keeping.len() {
            self.keeping.join_next().await;
        }
        let (peer, remote) = (self.peer.clone(), self.remote.clone());
        self.keeping.spawn(async move {
            if let Err(error) = keep_cosignatures(&peer, &remote, ack).await {
                tracing::warn!(%community, %error, "cosignatures were not kept; the next ack brings newer ones");
            }
        });
    }
}

/// What a record counts against a quota of bytes.
fn weight(record: &VerifiedRecord) -> usize {
    let content = record.content();
    record.header_bytes().len() + content.map_or(0, |it| it.salt.0.len() + it.payload.len())
}

fn not_stored(log: LogName, error: &StoreError) -> Input {
    let reason = if error.is_disk_full() { "store.disk_full" } else { "store.failed" };
    let detail = "the records could not be stored here; nothing of them was kept".to_owned();
    tracing::error!(%log, %error, "records of another log were not stored");
    Input::NotStored { log, reason, detail }
}

fn not_loaded(log: LogName, error: &StoreError) -> Input {
    tracing::error!(%log, %error, "records could not be read");
    let detail = "the records could not be read here".to_owned();
    Input::NotLoaded { log, reason: "store.failed", detail }
}
