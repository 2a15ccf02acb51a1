//! What each job does inside the transaction of its group.

use record::UnixMillis;

use super::Scope;
use crate::{
    accept, acks, append, branches, cosigned, duties, eras,
    error::StoreError,
    jobs::{Answer, Job, Reply, answer},
    neighbours,
    read::Position,
    register, settling, witness,
};

impl Scope<'_> {
    /// A coordinator that has just begun, or met a fault, reads what it still has to say.
    pub(super) async fn take_up_duties(&mut self) -> Result<(), StoreError> {
        let config = self.config;
        if let (None, Some(mirror)) = (&self.duties, &config.own.mirror) {
            *self.duties = Some(duties::read(self, mirror).await?);
            self.group.is_first = true;
        }
        Ok(())
    }

    /// A process whose clock was set back before it began folds every case anew: what was closed by the time that was told
    /// is open. Within a process time does not go back.
    pub(super) async fn go_back(
        &mut self,
        last_instant: UnixMillis,
        told: Position,
    ) -> Result<(), StoreError> {
        let is_first = last_instant == UnixMillis(0);
        if is_first && self.now < told.instant { register::mark_all(self).await } else { Ok(()) }
    }

    /// Does the jobs in order. Whoever comes after one that met a fault is answered with the fault, too.
    pub(super) async fn apply_all(
        &mut self,
        jobs: Vec<Job>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let mut fault = Ok(());
        for job in jobs {
            match &fault {
                Ok(()) => fault = self.apply(job, answers).await,
                Err(error) => job.fail(error),
            }
        }
        fault
    }

    /// Does one job. A refusal is answered at once; only a fault of the disk or file is returned.
    async fn apply(&mut self, job: Job, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
        match job {
            Job::Append { drafts, guard, reply } => {
                let done = append::append(self, drafts, guard).await;
                settle(reply, done, answers)
            }
            Job::Accept { incoming, reply } => {
                let done = accept::accept(self, *incoming).await;
                settle(reply, done, answers)
            }
            Job::Cosigned { log, size, lines, reply } => {
                let done = match cosigned::add(self, log, size, &lines).await {
                    Ok(()) => acks::keep(self, log, size, &lines).await,
                    refused => refused,
                };
                settle(reply, done, answers)
            }
            Job::AddCheckpoint { asked, reply } => {
                let done = witness::add_checkpoint(self, *asked).await;
                settle(reply, done, answers)
            }
            Job::SetIdentity { log, bundle, reply } => {
                let done = eras::set_identity(self, log, bundle).await;
                settle(reply, done, answers)
            }
            Job::KeepHead { log, bundle, note, reply } => {
                let done = eras::keep_head(self, log, bundle, note).await;
                settle(reply, done, answers)
            }
            Job::BeginBranch { log, reply } => {
                let done = branches::begin(self, log).await;
                settle(reply, done, answers)
            }
            Job::AcceptBranch { incoming, reply } => {
                let done = branches::accept(self, *incoming).await;
                settle(reply, done, answers)
            }
            Job::Settle { reply } => {
                let done = settling::settle(self).await;
                settle(reply, done, answers)
            }
            Job::TakeFromNeighbour { taken, reply } => {
                let done = neighbours::take(self, *taken).await;
                settle(reply, done, answers)
            }
            Job::KeepNeighbours { kept, reply } => {
                let done = neighbours::forget_others(self, &kept).await;
                settle(reply, done, answers)
            }
            Job::Tick { reply } => {
                let done = register::mark_due(self).await;
                settle(reply, done, answers)
            }
            // The writer's loop takes it.
            Job::Close { .. } => Ok(()),
        }
    }
}

fn settle<T: Send + 'static>(
    reply: Reply<T>,
    done: Result<T, StoreError>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    match done {
        Ok(value) => {
            answers.push(answer(reply, value));
            Ok(())
        }
        Err(error) => {
            // A caller that no longer waits has lost only the answer.
            let _ = reply.send(Err(error.clone()));
            if error.is_fault() { Err(error) } else { Ok(()) }
        }
    }
}
