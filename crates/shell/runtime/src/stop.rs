//! The signal that asks everything in a process to end.

use std::{future::Future, io, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// Signals within 1 s of the first are one request: `timeout`, and service managers that signal a
/// process and then its group, send two at once.
pub const ONE_REQUEST: Duration = Duration::from_secs(1);

/// Asks everything that holds a clone of it to finish and end. It is given once, for all.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(CancellationToken);

impl StopSignal {
    /// A signal that only [`StopSignal::stop`] gives: for tests and for parts of a process.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A signal that is also given by SIGTERM (service managers) and SIGINT (Ctrl-C). One more of
    /// these, [`ONE_REQUEST`] or longer after the first, ends the process at once, for an operator
    /// who will not wait.
    ///
    /// Call it inside the tokio runtime.
    ///
    /// # Errors
    ///
    /// The system's, if it will not tell us of signals.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = Self::new();
        let given = stop.clone();
        tokio::spawn(async move {
            let mut requests = Requests::default();
            loop {
                tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
                match requests.hear(Instant::now()) {
                    Meaning::Stop => {
                        tracing::info!(
                            "asked to stop; finishing what is under way \
                             (ask again after a second to end at once)"
                        );
                        given.stop();
                    }
                    Meaning::Same => {
                        tracing::debug!("asked to stop again within a second: the same request");
                    }
                    Meaning::AtOnce => {
                        tracing::warn!("asked to stop a second time; ending at once");
                        std::process::exit(Exit::Failed.code().into());
                    }
                }
            }
        });
        Ok(stop)
    }

    /// Gives the signal. Giving it again changes nothing.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes when the signal is given, at once if it was. Borrows nothing, so it can be handed
    /// to a server as its stop.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }

    /// A signal for a part of the process: given with this one, or alone.
    #[must_use]
    pub fn for_a_part(&self) -> Self {
        Self(self.0.child_token())
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Finish and end.
    Stop,
    /// Nothing more than the first one did.
    Same,
    /// End without finishing.
    AtOnce,
}

/// The signals heard so far.
#[derive(Debug, Default)]
struct Requests {
    first: Option<Instant>,
}

impl Requests {
    fn hear(&mut self, now: Instant) -> Meaning {
        let Some(first) = self.first else {
            self.first = Some(now);
            return Meaning::Stop;
        };
        let passed = now.saturating_duration_since(first);
        if passed < ONE_REQUEST { Meaning::Same } else { Meaning::AtOnce }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_within_a_second_of_the_first_are_one_request() {
        let mut requests = Requests::default();
        let first = Instant::now();

        assert_eq!(requests.hear(first), Meaning::Stop);
        assert_eq!(requests.hear(first), Meaning::Same);
        assert_eq!(requests.hear(first + ONE_REQUEST - Duration::from_nanos(1)), Meaning::Same);
        assert_eq!(requests.hear(first + ONE_REQUEST), Meaning::AtOnce);
    }

    #[tokio::test]
    async fn every_clone_hears_the_stop_and_so_does_who_asks_later() {
        let stop = StopSignal::new();
        let waiting = tokio::spawn(stop.stopped());
        assert!(!stop.is_stopped());

        stop.clone().stop();

        waiting.await.expect("no panic");
        stop.stopped().await;
        assert!(stop.is_stopped());
    }

    #[test]
    fn a_part_stops_with_the_whole_but_not_the_whole_with_the_part() {
        let whole = StopSignal::new();
        let (one, other) = (whole.for_a_part(), whole.for_a_part());

        one.stop();
        assert_eq!(
            (one.is_stopped(), other.is_stopped(), whole.is_stopped()),
            (true, false, false)
        );

        whole.stop();
        assert!(other.is_stopped());
    }
}
