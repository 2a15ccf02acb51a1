//! The queue of ballots and the one task that stores them: what arrives while the disk is busy shares the next commit.
//!
//! ```text
//! cast ─┐
//! cast ─┼─▶ queue ─▶ group ─▶ one transaction ─▶ one fsync ─▶ receipts
//! cast ─┘
//! ```

use std::{mem, sync::Arc};

use record::UnixMillis;
use tokio::sync::{mpsc, oneshot};

use crate::{
    cast::{Cast, CastReceipt, CastRefusal, CastTransaction},
    error::{Attempt as _, BoxError},
    file::BoxFile,
};

pub use record::limits::MAX_CASTS_PER_CALL;

/// A group that has this many ballots is committed before more are added.
const FULL_GROUP_CASTS: usize = 500;
/// Callers in the queue; the next one waits.
const MAX_QUEUED: usize = 1_024;

type Answers = Vec<Result<CastReceipt, CastRefusal>>;

/// One caller's ballots.
struct Request {
    casts: Vec<Cast>,
    now: UnixMillis,
    answer: oneshot::Sender<Result<Answers, BoxError>>,
}

enum Message {
    Cast(Request),
    Stop(oneshot::Sender<()>),
}

/// The way to the task that stores ballots.
#[derive(Debug)]
pub(crate) struct CastQueue(mpsc::Sender<Message>);

/// Starts the task. It ends when told to, or when the queue is dropped and empty.
pub(crate) fn start(file: Arc<BoxFile>) -> CastQueue {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    tokio::spawn(run(file, receiver));
    CastQueue(sender)
}

impl CastQueue {
    /// Hands in ballots and waits until they are stored or refused.
    pub(crate) async fn put(&self, casts: Vec<Cast>, now: UnixMillis) -> Result<Answers, BoxError> {
        if MAX_CASTS_PER_CALL < casts.len() {
            return Err(BoxError::TooManyCasts { n_casts: casts.len(), max: MAX_CASTS_PER_CALL });
        }
        let (answer, answered) = oneshot::channel();
        let message = Message::Cast(Request { casts, now, answer });
        self.0.send(message).await.or(Err(BoxError::ShutDown))?;
        answered.await.unwrap_or(Err(BoxError::ShutDown))
    }

    /// Stores what is in the queue before this call, and ends the task.
    pub(crate) async fn stop(&self) {
        let (stopped, when_stopped) = oneshot::channel();
        if self.0.send(Message::Stop(stopped)).await.is_ok() {
            // An error means that the task ended by itself, which is what was asked for.
            when_stopped.await.ok();
        }
    }
}

async fn run(file: Arc<BoxFile>, mut queue: mpsc::Receiver<Message>) {
    let mut group = Vec::new();
    while let Some(mut message) = queue.recv().await {
        loop {
            match message {
                Message::Cast(request) => group.push(request),
                Message::Stop(stopped) => {
                    commit(&file, mem::take(&mut group)).await;
                    // Nobody waiting for the end is no error.
                    stopped.send(()).ok();
                    return;
                }
            }
            if FULL_GROUP_CASTS <= n_casts(&group) {
                break;
            }
            let Ok(next) = queue.try_recv() else { break };
            message = next;
        }
        commit(&file, mem::take(&mut group)).await;
    }
}

fn n_casts(group: &[Request]) -> usize {
    group.iter().map(|request| request.casts.len()).sum()
}

/// Stores a group in one transaction and answers everybody in it.
async fn commit(file: &BoxFile, group: Vec<Request>) {
    if group.is_empty() {
        return;
    }
    match store(file, &group).await {
        Ok(answers) => {
            for (request, answer) in group.into_iter().zip(answers) {
                // Nobody listening is no error: the ballot is stored, and a repeat will be told so.
                request.answer.send(Ok(answer)).ok();
            }
        }
        Err(error) => {
            for request in group {
                request.answer.send(Err(error.clone())).ok();
            }
        }
    }
    if let Err(error) = file.forget_erased_bytes().await {
        tracing::warn!(%error, "replaced ballots could not be cut from the write-ahead log yet");
    }
}

async fn store(file: &BoxFile, group: &[Request]) -> Result<Vec<Answers>, BoxError> {
    let mut tx = file.begin("store ballots").await?;
    let mut casting = CastTransaction::new(file, &mut tx);
    let mut all = Vec::with_capacity(group.len());
    for request in group {
        let mut answers = Vec::with_capacity(request.casts.len());
        for cast in &request.casts {
            answers.push(casting.take(cast, request.now).await?);
        }
        all.push(answers);
    }
    tx.commit().await.attempt("store ballots")?;
    Ok(all)
}
