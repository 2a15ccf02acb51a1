//! The one task that writes. Jobs that wait together are committed together.

mod apply;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use civic::RegionView;
use record::{ItemId, LogName, RegionId, UnixMillis};
use tlog::Hash;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast, mpsc, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use crate::{
    StoreConfig,
    added::Added,
    append,
    connection::WriteFile,
    db::Db,
    duties::Duties,
    erasures::{self, Noted},
    error::StoreError,
    forks, indexes,
    jobs::{Answer, Job, Reply, Waiting},
    logs::{self, LogRow, Tails},
    neighbours,
    read::{FeedEnd, FeedItem, StoredRecord},
    readers::Readers,
    receipts,
    region_news::{RegionNews, RegionTold, region_news},
    register,
    transaction::Transaction,
    witness,
};

/// A group closes once it holds this many records; what waits goes into the next one.
const MAX_GROUP_RECORDS: usize = 8_192;
/// Or this many bytes of them: 16 batches of 1 MiB, half of what the WAL holds before it is folded into the file.
const MAX_GROUP_BYTES: usize = 16 * 1024 * 1024;
/// How long a job on which nobody waits looks for others to join: a commit of its own would keep the next record waiting,
/// and write to the disk twice.
const MAX_UNHURRIED: Duration = Duration::from_millis(20);
/// How long a coordinator waits after a fault before it tries by itself to say what is due.
const AFTER_A_FAULT: Duration = Duration::from_secs(10);
/// How long a stop waits for readers to end: the longest page or batch takes far less.
const LONGEST_READ: Duration = Duration::from_secs(5);
/// New feed items that a commit carries to its listeners, who need not read them then. Beyond it they are read: 256
/// commits that nobody has heard yet hold 4,096 items of about 1 KiB at most.
pub(crate) const MAX_CARRIED_ITEMS: usize = 16;
/// Commits that a slow listener may fall behind before it must read everything anew.
const MAX_UNHEARD_COMMITS: usize = 256;

/// What a commit changed.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Logs whose newest checkpoint changed, as they are now, each once.
    pub heads: Vec<LogRow>,
    /// How many feed items are new.
    pub n_items: usize,
    /// The new feed items in order; empty if there are more than 16, which are to be read.
    pub items: Vec<FeedItem>,
    /// What our own log grew by, in order; empty if it did not, by more than 16 records or 16 KiB, or if something was
    /// erased: then it is to be read.
    pub added: Vec<StoredRecord>,
    /// When the clock next changes the register.
    pub next_deadline: Option<UnixMillis>,
}

/// What a group of jobs has done so far, inside its transaction.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// Whether any case may have to be folded anew before the commit; which, the table `dirty` says.
    pub(crate) may_be_dirty: bool,
    /// Logs whose newest checkpoint changed.
    pub(crate) heads: BTreeSet<LogName>,
    /// Logs whose row changed, which is written once, at the end.
    pub(crate) changed: BTreeSet<LogName>,
    /// Logs of others of which a whole checkpoint came to be held.
    pub(crate) received: BTreeMap<LogName, (u64, Hash)>,
    /// Erase records that were stored, to be followed once everything else is.
    pub(crate) erasures: Vec<Noted>,
    /// Whether a payload was erased.
    pub(crate) erased: bool,
    /// Whether a record came without its payload.
    pub(crate) came_without_payload: bool,
    /// Whether something was said about the region.
    pub(crate) is_about_region: bool,
    /// Whether what is to be said was read from the file for this group.
    pub(crate) is_first: bool,
    /// Accused logs to be judged: they grew, or there is news of what they are accused of or of who stated their heads.
    pub(crate) judged: BTreeSet<LogName>,
    /// Whether our own log grew.
    pub(crate) own_grew: bool,
    /// By what.
    pub(crate) added: Added,
    /// Whether a case of the register or of a neighbouring region was written or taken away.
    pub(crate) changed_cases: bool,
    /// Items of neighbouring regions that wait for the end of the group.
    pub(crate) neighbour_items: Vec<(RegionId, ItemId, String)>,
    /// How many feed items were written.
    pub(crate) n_items: i64,
    /// The first of them, one more than are carried at most.
    pub(crate) items: Vec<FeedItem>,
}

/// What the transaction's steps share.
pub(crate) struct Scope<'a> {
    pub(crate) tx: Transaction<'a>,
    pub(crate) config: &'a StoreConfig,
    /// The region as the records here tell it.
    pub(crate) region: &'a mut Arc<RegionView>,
    pub(crate) tails: &'a mut Tails,
    pub(crate) group: &'a mut Group,
    /// What a coordinator still has to say; `None` at a node.
    pub(crate) duties: &'a mut Option<Duties>,
    /// When the clock next changes the register, as the commit before told.
    pub(crate) deadline: Option<UnixMillis>,
    /// Whether our own log may be signed.
    pub(crate) settled: &'a mut bool,
    /// The time of this group; never earlier than that of the group before.
    pub(crate) now: UnixMillis,
}

struct Writer {
    file: WriteFile,
    read: Readers,
    config: Arc<StoreConfig>,
    region: Arc<RegionView>,
    region_told: RegionTold,
    tails: Tails,
    /// Whether our own log may be signed.
    settled: watch::Sender<bool>,
    /// What a coordinator still has to say; `None` at a node, and until it has been read from the file.
    duties: Option<Duties>,
    deadline: Option<UnixMillis>,
    /// When a transaction that nobody asked for may be tried, after one that failed.
    not_before: Instant,
    commits: broadcast::Sender<Arc<Commit>>,
    fault: watch::Sender<Option<StoreError>>,
    /// Whether something was erased that the write-ahead log may still hold.
    must_fold: bool,
    statement_due: watch::Sender<Option<UnixMillis>>,
    /// How many transactions may have changed cases.
    n_register_changes: watch::Sender<u64>,
    /// The time of the group before; 0 before the first.
    last_instant: UnixMillis,
    /// The end of the feed.
    last_item: FeedEnd,
}

/// What the writer works on.
pub(crate) struct Files {
    pub(crate) write: WriteFile,
    pub(crate) read: Readers,
    /// The end of the feed in them.
    pub(crate) last_item: FeedEnd,
    /// The region as they tell it.
    pub(crate) region: Arc<RegionView>,
    /// When the clock next changes the register.
    pub(crate) deadline: Option<UnixMillis>,
    /// Whether our own log may be signed from the start.
    pub(crate) settled: bool,
}

/// Where the writer tells how its transactions ended.
pub(crate) struct Told {
    pub(crate) commits: broadcast::Sender<Arc<Commit>>,
    pub(crate) fault: watch::Receiver<Option<StoreError>>,
    pub(crate) region: RegionNews,
    pub(crate) statement_due: watch::Receiver<Option<UnixMillis>>,
    pub(crate) n_register_changes: watch::Receiver<u64>,
    pub(crate) settled: watch::Receiver<bool>,
}

/// Starts the writer, which ends when it is told to close, or when the last [`crate::Store`] is dropped.
pub(crate) fn start(files: Files, config: Arc<StoreConfig>, jobs: mpsc::Receiver<Waiting>) -> Told {
    let (commits, _) = broadcast::channel(MAX_UNHEARD_COMMITS);
    let (fault, told) = watch::channel(None);
    let Files { write, read, last_item, region, deadline, settled } = files;
    let (settled, is_settled) = watch::channel(settled);
    // A witness may have cosigned something before it ended, and not stated it.
    let is_witness = region.newest().roster.witnesses().contains(&config.own.name.community);
    let (statement, statement_due) = watch::channel(is_witness.then_some(UnixMillis(0)));
    let (region_told, region_now) = region_news(Arc::clone(&region));
    let (register_changed, n_register_changes) = watch::channel(0);
    let writer = Writer {
        file: write,
        read,
        config,
        region,
        region_told,
        tails: Tails::default(),
        settled,
        duties: None,
        deadline,
        not_before: Instant::now(),
        commits: commits.clone(),
        fault,
        must_fold: true,
        statement_due: statement,
        n_register_changes: register_changed,
        last_instant: UnixMillis(0),
        last_item,
    };
    tokio::spawn(writer.run(jobs));
    Told {
        commits,
        fault: told,
        region: region_now,
        statement_due,
        n_register_changes,
        settled: is_settled,
    }
}

/// Jobs that are committed together, and the room they take of what may wait.
#[derive(Default)]
struct Gathered {
    jobs: Vec<Job>,
    room: Vec<OwnedSemaphorePermit>,
    n_records: usize,
    n_bytes: usize,
}

impl Gathered {
    fn push(&mut self, waiting: Waiting) {
        let Waiting { job, room } = waiting;
        self.n_records += job.n_records();
        self.n_bytes += job.n_bytes();
        self.jobs.push(job);
        self.room.extend(room);
    }

    fn is_full(&self) -> bool {
        MAX_GROUP_RECORDS <= self.n_records || MAX_GROUP_BYTES <= self.n_bytes
    }
}

impl Writer {
    async fn run(mut self, mut jobs: mpsc::Receiver<Waiting>) {
        let mut closers = Vec::new();
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                first = jobs.recv() => {
                    let Some(first) = first else { break };
                    let gathered = self.gather(first, &mut jobs, &mut closers).await;
                    if !gathered.jobs.is_empty() {
                        self.commit_group(gathered.jobs).await;
                    }
                }
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                    self.commit_group(Vec::new()).await;
                }
            }
        }
        let closed = self.close().await;
        for closer in closers {
            // Nobody waiting is no fault.
            let _ = closer.send(closed.clone());
        }
    }

    /// When something is to be said that nobody will ask for; `None` at a node, or if there is nothing.
    fn wake(&self) -> Option<Instant> {
        self.config.own.mirror.as_ref().filter(|_| *self.settled.borrow())?;
        let wait = match &self.duties {
            None => Duration::ZERO,
            Some(duties) => {
                let now = self.config.clock.now_millis();
                Duration::from_millis(duties.due()?.0.saturating_sub(now))
            }
        };
        Some((Instant::now() + wait).max(self.not_before))
    }

    /// What waits, and what comes soon if nothing of it is in a hurry.
    async fn gather(
        &self,
        first: Waiting,
        jobs: &mut mpsc::Receiver<Waiting>,
        closers: &mut Vec<Reply<()>>,
    ) -> Gathered {
        let patience = Instant::now() + MAX_UNHURRIED;
        let mut gathered = Gathered::default();
        let mut is_hurried = false;
        let mut next = Some(first);
        while let Some(waiting) = next {
            is_hurried |= !waiting.job.can_wait(&self.config, &self.region);
            match waiting {
                // What was asked before is still done; nothing more is taken.
                Waiting { job: Job::Close { reply }, .. } => {
                    jobs.close();
                    closers.push(reply);
                }
                waiting => gathered.push(waiting),
            }
            next = match (gathered.is_full(), is_hurried) {
                (true, _) => None,
                (false, true) => jobs.try_recv().ok(),
                (false, false) => timeout_at(patience, jobs.recv()).await.ok().flatten(),
            };
        }
        gathered
    }

    /// Readers first: the last connection to close takes the WAL away.
    async fn close(self) -> Result<(), StoreError> {
        if timeout(LONGEST_READ, self.read.close()).await.is_err() {
            tracing::warn!(
                "a reader did not end in time; the write-ahead log stays beside the file"
            );
        }
        self.file.close().await
    }

    async fn commit_group(&mut self, jobs: Vec<Job>) {
        let (mut answers, is_unasked) = (Vec::with_capacity(jobs.len()), jobs.is_empty());
        let ended = match self.file.take().await {
            Ok(mut db) => {
                let ended = self.transact(&mut db, jobs, &mut answers).await;
                match &ended {
                    Ok(_) => self.file.put_back(db),
                    // It is given up in any case, and the fault is told.
                    Err(_) => drop(db.close().await),
                }
                ended
            }
            Err(error) => {
                jobs.into_iter().for_each(|job| job.fail(&error));
                Err(error)
            }
        };
        if let Err(error) = &ended {
            tracing::error!(%error, "a transaction failed; nothing of it was kept");
            metrics::counter!("folkmoot_store_faults_total").increment(1);
            self.tails.clear();
            self.duties = None;
            self.not_before = Instant::now() + AFTER_A_FAULT;
            // It may have been committed all the same.
            self.note_register_change();
        }
        self.tell_fault(ended.as_ref().err());
        if ended.is_ok() {
            // What was erased is not to stay in the write-ahead log; while a reader keeps it there, this is tried again.
            self.must_fold = self.must_fold && !self.file.fold().await;
        }
        for answer in answers {
            answer(ended.as_ref().map(|_| ()));
        }
        if let Ok(commit) = ended {
            if !is_unasked || !commit.heads.is_empty() || 0 < commit.n_items {
                // Nobody listening is no fault.
                let _ = self.commits.send(Arc::new(commit));
            }
            self.file.bound_wal().await;
        }
        self.tails.bound();
    }

    fn tell_region(&mut self, region: Arc<RegionView>) {
        if !Arc::ptr_eq(&self.region, &region) {
            self.region = Arc::clone(&region);
            self.region_told.tell(region);
        }
    }

    /// Told once it is committed: whoever sees the number reads what it counts.
    fn note_register_change(&self) {
        self.n_register_changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn tell_fault(&self, met: Option<&StoreError>) {
        self.fault.send_if_modified(|told| {
            let is_news = told.is_some() || met.is_some();
            *told = met.cloned();
            is_news
        });
    }

    async fn transact(
        &mut self,
        db: &mut Db,
        jobs: Vec<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<Commit, StoreError> {
        let started = std::time::Instant::now();
        let now = UnixMillis(self.config.clock.now_millis()).max(self.last_instant);
        let mut group = Group::default();
        // Kept only once it is committed.
        let mut region = Arc::clone(&self.region);
        let mut settled = *self.settled.borrow();
        let mut scope = Scope {
            tx: Transaction::begin(db),
            config: &self.config,
            region: &mut region,
            tails: &mut self.tails,
            group: &mut group,
            duties: &mut self.duties,
            deadline: self.deadline,
            settled: &mut settled,
            now,
        };
        scope.tx.attempt("reading what is still to be said");
        scope.take_up_duties().await?;
        scope.go_back(self.last_instant, self.last_item.position).await?;
        scope.tx.attempt("writing records");
        scope.apply_all(jobs, answers).await?;
        scope.tx.attempt("filing receipts and signing our head");
        erasures::carry_out(&mut scope).await?;
        receipts::file(&mut scope).await?;
        indexes::file(&mut scope).await?;
        let statement_due = witness::state(&mut scope).await?;
        append::sign_head(&mut scope).await?;
        scope.tx.attempt("judging forks");
        forks::judge_all(&mut scope).await?;
        scope.tx.attempt("writing the register");
        let own_end = register::refold(&mut scope, self.last_item).await?;
        let last_item = neighbours::write_items(&mut scope, self.last_item, own_end).await?;
        let statement_due = statement_due.or_else(|| witness::due_if_just_seated(&scope));
        scope.tx.attempt("committing records");
        let heads = logs::write_changed(&mut scope).await?;
        let last = scope.tx.commit(register::NEXT_DEADLINE).await?;
        self.tell_region(region);
        if group.changed_cases {
            self.note_register_change();
        }
        if settled != *self.settled.borrow() {
            self.settled.send_replace(settled);
            // What a coordinator could not say meanwhile is found in the file.
            self.duties = None;
        }
        self.last_item = last_item;
        self.last_instant = now;
        self.must_fold |= group.erased;
        self.deadline = register::read_deadline(&last)?;
        self.statement_due.send_replace(statement_due);
        let next_deadline = self.deadline.into_iter().chain(statement_due).min();
        metrics::histogram!("folkmoot_store_commit_seconds")
            .record(started.elapsed().as_secs_f64());
        Ok(Commit {
            heads,
            n_items: usize::try_from(group.n_items).unwrap_or(usize::MAX),
            items: if group.items.len() <= MAX_CARRIED_ITEMS { group.items } else { Vec::new() },
            added: if group.erased { Vec::new() } else { group.added.all() },
            next_deadline,
        })
    }
}
