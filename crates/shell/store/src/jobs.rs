//! What the writer is asked to do, how it answers, and how much may wait.

use std::collections::BTreeSet;

use civic::RegionView;
use record::{
    LogName, RegionId,
    limits::{MAX_DRAFTS, MAX_HEADER_BYTES},
};
use tlog::Frontier;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    Store, StoreConfig,
    accept::{Accepted, Incoming},
    append::{Appended, Draft, Guard},
    branches::Fetched,
    error::StoreError,
    neighbours::Taken,
    witness::{AddCheckpoint, Witnessed},
};

/// The most bytes of records that wait for the writer or are being written: 64 batches of 1 MiB. Further callers wait
/// their turn.
pub(crate) const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Where a job's answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Tells one caller how its job ended, once the group has.
pub(crate) type Answer = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;

pub(crate) fn answer<T: Send + 'static>(reply: Reply<T>, value: T) -> Answer {
    Box::new(move |ended| {
        // A caller that no longer waits has lost only the answer, not the record.
        let _ = reply.send(ended.map(|()| value).map_err(StoreError::clone));
    })
}

/// What the writer is asked to do.
pub(crate) enum Job {
    Append { drafts: Vec<Draft>, guard: Guard, reply: Reply<Vec<Appended>> },
    Accept { incoming: Box<Incoming>, reply: Reply<Accepted> },
    Cosigned { log: LogName, size: u64, lines: Vec<String>, reply: Reply<()> },
    AddCheckpoint { asked: Box<AddCheckpoint>, reply: Reply<Witnessed> },
    SetIdentity { log: LogName, bundle: Vec<u8>, reply: Reply<()> },
    KeepHead { log: LogName, bundle: Vec<u8>, note: Vec<u8>, reply: Reply<()> },
    BeginBranch { log: LogName, reply: Reply<Option<Frontier>> },
    AcceptBranch { incoming: Box<Incoming>, reply: Reply<Fetched> },
    Settle { reply: Reply<()> },
    TakeFromNeighbour { taken: Box<Taken>, reply: Reply<()> },
    KeepNeighbours { kept: BTreeSet<RegionId>, reply: Reply<()> },
    Tick { reply: Reply<()> },
    Close { reply: Reply<()> },
}

/// A job with the room that it takes of [`MAX_WAITING_BYTES`].
pub(crate) struct Waiting {
    pub(crate) job: Job,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Job {
    /// Answers a job that was not tried, because an earlier one of its group met a fault.
    pub(crate) fn fail(self, fault: &StoreError) {
        match self {
            Self::Append { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Self::Accept { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Self::AddCheckpoint { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Self::BeginBranch { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Self::AcceptBranch { reply, .. } => drop(reply.send(Err(fault.clone()))),
            Self::Cosigned { reply, .. }
            | Self::SetIdentity { reply, .. }
            | Self::KeepHead { reply, .. }
            | Self::TakeFromNeighbour { reply, .. }
            | Self::KeepNeighbours { reply, .. }
            | Self::Settle { reply }
            | Self::Tick { reply }
            | Self::Close { reply } => drop(reply.send(Err(fault.clone()))),
        }
    }

    /// Whether nobody waits for it: cosignatures, what neighbours tell, and at a node the receipts of a coordinator.
    pub(crate) fn can_wait(&self, config: &StoreConfig, region: &RegionView) -> bool {
        match self {
            Self::Cosigned { .. } | Self::TakeFromNeighbour { .. } => true,
            Self::Accept { incoming, .. } => {
                let author = &incoming.log.community;
                config.own.mirror.is_none() && region.newest().roster.is_coordinator(author)
            }
            Self::Append { .. }
            | Self::AddCheckpoint { .. }
            | Self::SetIdentity { .. }
            | Self::KeepHead { .. }
            | Self::BeginBranch { .. }
            | Self::AcceptBranch { .. }
            | Self::KeepNeighbours { .. }
            | Self::Settle { .. }
            | Self::Tick { .. }
            | Self::Close { .. } => false,
        }
    }

    pub(crate) fn n_records(&self) -> usize {
        match self {
            Self::Append { drafts, .. } => drafts.len(),
            Self::Accept { incoming, .. } | Self::AcceptBranch { incoming, .. } => {
                incoming.records.len()
            }
            Self::Cosigned { .. }
            | Self::AddCheckpoint { .. }
            | Self::SetIdentity { .. }
            | Self::KeepHead { .. }
            | Self::BeginBranch { .. }
            | Self::TakeFromNeighbour { .. }
            | Self::KeepNeighbours { .. }
            | Self::Settle { .. }
            | Self::Tick { .. }
            | Self::Close { .. } => 0,
        }
    }

    /// About what it takes of memory.
    pub(crate) fn n_bytes(&self) -> usize {
        match self {
            Self::Append { drafts, .. } => drafts.iter().map(|it| it.payload.len() + 1024).sum(),
            Self::Accept { incoming, .. } | Self::AcceptBranch { incoming, .. } => incoming
                .records
                .iter()
                .map(|it| {
                    2 * it.header_bytes().len() + it.content().map_or(0, |it| it.payload.len())
                })
                .sum(),
            Self::AddCheckpoint { asked, .. } => asked.checkpoint.len(),
            Self::SetIdentity { bundle, .. } => bundle.len(),
            Self::KeepHead { bundle, note, .. } => bundle.len() + note.len(),
            Self::Cosigned { lines, .. } => lines.iter().map(String::len).sum(),
            Self::TakeFromNeighbour { taken, .. } => taken.n_bytes(),
            Self::KeepNeighbours { .. }
            | Self::BeginBranch { .. }
            | Self::Settle { .. }
            | Self::Tick { .. }
            | Self::Close { .. } => 0,
        }
    }
}

// Two waiting jobs of the largest size, at least: a batch of the most records with the longest headers.
const _: () = assert!(2 * 256 * 2 * MAX_HEADER_BYTES + 2 * 1024 * 1024 <= MAX_WAITING_BYTES);

impl Store {
    /// Appends records to our own log; see [`Draft`]. Durable when it returns.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the guard asks that they count and a rule refuses one; [`StoreError::Invalid`] if a
    /// draft exceeds a limit: nothing was written.
    pub async fn append(
        &self,
        drafts: Vec<Draft>,
        guard: Guard,
    ) -> Result<Vec<Appended>, StoreError> {
        if MAX_DRAFTS < drafts.len() {
            let detail = format!("{} records at once; the limit is {MAX_DRAFTS}.", drafts.len());
            return Err(StoreError::Invalid { reason: "store.too_many_drafts", detail });
        }
        self.ask(|reply| Job::Append { drafts, guard, reply }).await
    }

    /// Hands verified records of another log to the writer. What is handed over first is stored first; the future that
    /// comes back says when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closing`]; from the future, [`StoreError::Gap`] if they do not continue what is held, and
    /// [`StoreError::Refused`] with `log.other_tree` if other records are held in their places.
    pub async fn accept(
        &self,
        incoming: Incoming,
    ) -> Result<impl Future<Output = Result<Accepted, StoreError>> + Send + use<>, StoreError> {
        let (reply, answered) = oneshot::channel();
        self.send(Job::Accept { incoming: Box::new(incoming), reply }).await?;
        Ok(async { answered.await.unwrap_or(Err(StoreError::Closing)) })
    }

    /// Adds cosignature lines, already verified, to the checkpoint of this size: the newest of a log, or one that our own
    /// log signed lately. Those of coordinators are kept as acknowledgements of that size in any case.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if a line is not a signature line.
    pub async fn add_cosignatures(
        &self,
        log: LogName,
        size: u64,
        lines: Vec<String>,
    ) -> Result<(), StoreError> {
        self.ask(|reply| Job::Cosigned { log, size, lines, reply }).await
    }

    /// Cosigns, as a witness, a checkpoint whose log's signature has been verified: if it is proved to continue the
    /// largest head known here, which is checked and kept before the answer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] for an unknown log, or if there is no witness key; [`StoreError::Invalid`] if it is no
    /// checkpoint.
    pub async fn add_checkpoint(&self, asked: AddCheckpoint) -> Result<Witnessed, StoreError> {
        self.ask(|reply| Job::AddCheckpoint { asked: Box::new(asked), reply }).await
    }

    /// Keeps the identity bundle of a log. One that knows of a recovery holds for every era of the community, and what
    /// stands behind what it keeps is taken out of the register.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if the log is not known.
    pub async fn set_identity(&self, log: LogName, bundle: Vec<u8>) -> Result<(), StoreError> {
        self.ask(|reply| Job::SetIdentity { log, bundle, reply }).await
    }

    /// Makes the head at exactly what is kept of an ended era the one that is kept and offered; what is held beyond it
    /// stays. The identity bundle says what is kept. A head of another size changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] with `log.other_tree` if other records are held here; [`StoreError::NotFound`] if the log
    /// is not known.
    pub async fn keep_head(
        &self,
        log: LogName,
        bundle: Vec<u8>,
        note: Vec<u8>,
    ) -> Result<(), StoreError> {
        self.ask(|reply| Job::KeepHead { log, bundle, note, reply }).await
    }

    /// Lets the clock change what is due.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the disk fails.
    pub async fn tick(&self) -> Result<(), StoreError> {
        self.ask(|reply| Job::Tick { reply }).await
    }

    /// Does what was asked before, takes nothing more, and closes the file with everything folded into it. A second
    /// call finds nothing to do.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if the write-ahead log could not be folded into the file: nothing is lost, but a copy of
    /// the file needs the `-wal` beside it.
    pub async fn close(&self) -> Result<(), StoreError> {
        match self.ask(|reply| Job::Close { reply }).await {
            Err(StoreError::Closing) => Ok(()),
            closed => closed,
        }
    }

    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StoreError> {
        let (reply, answered) = oneshot::channel();
        self.send(job(reply)).await?;
        answered.await.unwrap_or(Err(StoreError::Closing))
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        let n_bytes = u32::try_from(job.n_bytes().min(MAX_WAITING_BYTES)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(n_bytes).await.ok();
        self.jobs.send(Waiting { job, room }).await.ok().ok_or(StoreError::Closing)
    }
}
