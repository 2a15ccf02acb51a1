//! Runs a process's tasks so that none ends unnoticed.
//!
//! ```text
//! running ──stop asked──────────────> stopping ──all ended──> Ok
//!    └──a task failed, panicked, or ──^    └──grace over──> the rest is cut, an error
//!       ended without being asked
//! ```

use std::{any::Any, collections::HashMap, error::Error as _, future::Future, time::Duration};

use tokio::{
    task::{Id, JoinError, JoinSet},
    time::timeout,
};

use crate::{BoxError, stop::StopSignal};

/// The tasks of one process (or of one part of it), and the signal that ends them.
#[derive(Debug)]
pub struct Supervisor {
    stop: StopSignal,
    tasks: JoinSet<Result<(), BoxError>>,
    named: HashMap<Id, Named>,
}

#[derive(Debug, Clone, Copy)]
struct Named {
    task: &'static str,
    is_lasting: bool,
}

/// What went wrong with a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskFailure {
    /// The task gave up.
    #[error("The task `{task}` failed, so everything was stopped.")]
    Failed {
        /// The task's name.
        task: &'static str,
        /// Why it gave up.
        source: BoxError,
    },
    /// The task should have run until the stop.
    #[error("The task `{task}` ended without being asked to, so everything was stopped.")]
    EndedEarly {
        /// The task's name.
        task: &'static str,
    },
    /// A mistake in the program.
    #[error("The task `{task}` panicked, so everything was stopped. Please report this: {message}")]
    Panicked {
        /// The task's name.
        task: &'static str,
        /// The panic's message.
        message: String,
    },
    /// Tasks did not end in time after the stop.
    #[error(
        "Not finished {} seconds after the stop, and cut: {}.",
        grace.as_secs_f32(),
        tasks.join(", ")
    )]
    Overran {
        /// The tasks' names, in alphabetical order.
        tasks: Vec<&'static str>,
        /// How long they were waited for.
        grace: Duration,
    },
}

impl Supervisor {
    /// A supervisor without tasks. `stop` ends its tasks, and is given if one of them fails.
    #[must_use]
    pub fn new(stop: StopSignal) -> Self {
        Self { stop, tasks: JoinSet::new(), named: HashMap::new() }
    }

    /// The signal that its tasks are to heed.
    #[must_use]
    pub fn stop_signal(&self) -> StopSignal {
        self.stop.clone()
    }

    /// Starts a task that is to run until the stop. If it ends before, the process ends with it.
    pub fn spawn<E: Into<BoxError>>(
        &mut self,
        task: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.start(Named { task, is_lasting: true }, work);
    }

    /// Starts a task that may end when its work is done. Only an error or a panic ends the process.
    pub fn spawn_finite<E: Into<BoxError>>(
        &mut self,
        task: &'static str,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.start(Named { task, is_lasting: false }, work);
    }

    /// Runs until the stop, a failure, or the end of the last task; then gives the stop and waits
    /// for the others for at most `grace`.
    ///
    /// # Errors
    ///
    /// The first [`TaskFailure`]; every one of them is logged.
    pub async fn run(mut self, grace: Duration) -> Result<(), TaskFailure> {
        let first = self.until_stop().await;
        self.stop.stop();
        let later = self.wind_down(grace).await;
        first.or(later).map_or(Ok(()), Err)
    }

    fn start<E: Into<BoxError>>(
        &mut self,
        named: Named,
        work: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(async move { work.await.map_err(Into::into) });
        self.named.insert(handle.id(), named);
    }

    async fn until_stop(&mut self) -> Option<TaskFailure> {
        loop {
            let ended = tokio::select! {
                biased;
                () = self.stop.stopped() => return None,
                ended = self.tasks.join_next_with_id() => ended?,
            };
            let failure = self.judge(ended);
            if failure.is_some() {
                return failure;
            }
        }
    }

    async fn wind_down(&mut self, grace: Duration) -> Option<TaskFailure> {
        let mut first = None;
        let all_ended = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                let failure = self.judge(ended);
                first = first.take().or(failure);
            }
        };
        if timeout(grace, all_ended).await.is_ok() {
            return first;
        }
        // Not awaited: a task that is stuck in blocking code would never let us go.
        self.tasks.abort_all();
        let mut tasks: Vec<_> = self.named.values().map(|it| it.task).collect();
        tasks.sort_unstable();
        let overran = logged(TaskFailure::Overran { tasks, grace });
        first.or(Some(overran))
    }

    fn judge(
        &mut self,
        ended: Result<(Id, Result<(), BoxError>), JoinError>,
    ) -> Option<TaskFailure> {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let Named { task, is_lasting } = self.named.remove(&id)?;
        let failure = match ended {
            Ok((_, Ok(()))) if is_lasting && !self.stop.is_stopped() => {
                TaskFailure::EndedEarly { task }
            }
            Ok((_, Ok(()))) => return None,
            Ok((_, Err(source))) => TaskFailure::Failed { task, source },
            Err(error) => {
                let message = panic_message(error.try_into_panic().ok()?);
                TaskFailure::Panicked { task, message }
            }
        };
        Some(logged(failure))
    }
}

fn logged(failure: TaskFailure) -> TaskFailure {
    let cause = failure.source().map(ToString::to_string);
    tracing::error!(cause, "{failure}");
    failure
}

fn panic_message(panic: Box<dyn Any + Send>) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|it| (*it).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "it left no message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::pending, io};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const BRIEF: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn tasks_that_end_at_the_stop_are_a_clean_end() {
        let mut supervisor = Supervisor::new(StopSignal::new());
        let stop = supervisor.stop_signal();
        for task in ["serve", "replicate"] {
            let stopped = stop.stopped();
            supervisor.spawn(task, async {
                stopped.await;
                Ok::<_, Infallible>(())
            });
        }

        stop.stop();

        assert!(supervisor.run(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn an_early_error_stops_the_others_and_is_returned_with_its_cause() {
        let mut supervisor = Supervisor::new(StopSignal::new());
        let stop = supervisor.stop_signal();
        let stopped = stop.stopped();
        supervisor.spawn("serve", async {
            stopped.await;
            Ok::<_, Infallible>(())
        });
        supervisor.spawn("replicate", async { Err(io::Error::other("the disk is full")) });

        let failure = supervisor.run(LONG).await.expect_err("a task failed");

        let TaskFailure::Failed { task, source } = failure else { panic!("{failure:?}") };
        assert_eq!((task, source.to_string().as_str()), ("replicate", "the disk is full"));
        assert!(stop.is_stopped());
    }

    #[tokio::test]
    async fn a_panic_is_a_failure() {
        let mut supervisor = Supervisor::new(StopSignal::new());
        supervisor.spawn("serve", async {
            assert!(pending_number() == 2, "one is not two");
            Ok::<_, Infallible>(())
        });

        let failure = supervisor.run(LONG).await.expect_err("a task panicked");

        let TaskFailure::Panicked { task, message } = failure else { panic!("{failure:?}") };
        assert_eq!((task, message.as_str()), ("serve", "one is not two"));
    }

    #[tokio::test]
    async fn a_lasting_task_may_not_end_early_but_a_finite_one_may() {
        let mut lasting = Supervisor::new(StopSignal::new());
        lasting.spawn("serve", async { Ok::<_, Infallible>(()) });
        let mut finite = Supervisor::new(StopSignal::new());
        finite.spawn_finite("import", async { Ok::<_, Infallible>(()) });

        let failure = lasting.run(LONG).await.expect_err("nobody had asked");

        assert!(matches!(failure, TaskFailure::EndedEarly { task: "serve" }), "{failure:?}");
        assert!(finite.run(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn tasks_that_outlast_the_grace_are_cut_and_named() {
        let mut supervisor = Supervisor::new(StopSignal::new());
        let stop = supervisor.stop_signal();
        supervisor.spawn("serve", pending::<Result<(), Infallible>>());
        supervisor.spawn("mesh", pending::<Result<(), Infallible>>());
        supervisor.spawn_finite("import", async { Ok::<_, Infallible>(()) });

        stop.stop();
        let failure = supervisor.run(BRIEF).await.expect_err("two tasks hang");

        let TaskFailure::Overran { tasks, .. } = &failure else { panic!("{failure:?}") };
        assert_eq!(tasks, &["mesh", "serve"]);
        assert_eq!(
            failure.to_string(),
            "Not finished 0.01 seconds after the stop, and cut: mesh, serve."
        );
    }

    #[tokio::test]
    async fn an_error_during_the_stop_is_not_lost() {
        let mut supervisor = Supervisor::new(StopSignal::new());
        let stop = supervisor.stop_signal();
        let stopped = stop.stopped();
        supervisor.spawn("store", async {
            stopped.await;
            Err(io::Error::other("the last write failed"))
        });

        stop.stop();
        let failure = supervisor.run(LONG).await.expect_err("a task failed");

        assert!(matches!(failure, TaskFailure::Failed { task: "store", .. }), "{failure:?}");
    }

    fn pending_number() -> u8 {
        1
    }
}
