//! Whether a process lives, and whether it can serve: for `/healthz` and `/readyz`.
//!
//! *Live* means that restarting would not help. *Ready* means that it is worth sending callers:
//! every named part said so, and no stop was asked for. A part that is not ready says why, in words
//! for an operator.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use tokio::sync::watch;

use crate::stop::StopSignal;

/// The part under which the process itself is told, where it dies or stops.
const WHOLE: &str = "process";

/// The health of a process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    states: Arc<watch::Sender<State>>,
    stop: StopSignal,
}

#[derive(Debug, Clone, Default)]
struct State {
    dead: Option<Cow<'static, str>>,
    unready: BTreeMap<&'static str, Cow<'static, str>>,
}

/// Whether to send callers, and if not, why. Shows itself as the text of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Every part is ready.
    Ready,
    /// These parts are not, each with its reason.
    NotReady(BTreeMap<&'static str, Cow<'static, str>>),
}

impl Health {
    /// A live process whose parts are all still starting. Once `stop` is given it is not ready, and
    /// never again.
    #[must_use]
    pub fn starting(parts: impl IntoIterator<Item = &'static str>, stop: StopSignal) -> Self {
        let unready = parts.into_iter().map(|part| (part, Cow::Borrowed("starting"))).collect();
        Self { states: Arc::new(watch::Sender::new(State { dead: None, unready })), stop }
    }

    /// This part can serve.
    pub fn ready(&self, part: &'static str) {
        self.states.send_modify(|state| {
            state.unready.remove(part);
        });
    }

    /// This part cannot serve, for the moment.
    pub fn not_ready(&self, part: &'static str, reason: impl Into<Cow<'static, str>>) {
        self.states.send_modify(|state| {
            state.unready.insert(part, reason.into());
        });
    }

    /// Nothing but a restart will help. There is no way back.
    pub fn dead(&self, reason: impl Into<Cow<'static, str>>) {
        self.states.send_modify(|state| {
            state.dead.get_or_insert(reason.into());
        });
    }

    /// Why only a restart helps; `None` while the process is live.
    #[must_use]
    pub fn cause_of_death(&self) -> Option<Cow<'static, str>> {
        self.states.borrow().dead.clone()
    }

    /// Whether to send callers.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let State { dead, mut unready } = self.states.borrow().clone();
        if self.stop.is_stopped() {
            unready.insert(WHOLE, "stopping".into());
        }
        if let Some(reason) = dead {
            unready.insert(WHOLE, reason);
        }
        if unready.is_empty() { Readiness::Ready } else { Readiness::NotReady(unready) }
    }

    /// Readiness as it changes from here on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes {
            health: self.clone(),
            states: self.states.subscribe(),
            told: None,
            is_over: false,
        }
    }
}

/// What [`Health::changes`] tells, one reading after the other.
#[derive(Debug)]
pub struct Changes {
    health: Health,
    states: watch::Receiver<State>,
    told: Option<Readiness>,
    /// The stop was told: nothing comes after it.
    is_over: bool,
}

impl Changes {
    /// The readiness at once, and from the second call on as soon as it differs from what was told
    /// before; `None` after the stop was told. May be dropped and called anew without loss.
    pub async fn next(&mut self) -> Option<Readiness> {
        while !self.is_over {
            // Marked as seen first: what changes after the reading wakes us below.
            self.states.mark_unchanged();
            self.is_over = self.health.stop.is_stopped();
            let readiness = self.health.readiness();
            if self.told.as_ref() != Some(&readiness) {
                return self.told.insert(readiness).clone().into();
            }
            if self.is_over {
                break;
            }
            tokio::select! {
                // The sender lives as long as `health`, so waiting cannot fail.
                _ = self.states.changed() => {}
                () = self.health.stop.stopped() => {}
            }
        }
        None
    }
}

impl Readiness {
    /// Whether every part is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotReady(parts) => {
                f.write_str("not ready")?;
                parts.iter().try_for_each(|(part, reason)| write!(f, "\n{part}: {reason}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starting<const N: usize>(parts: [&'static str; N]) -> (Health, StopSignal) {
        let stop = StopSignal::new();
        (Health::starting(parts, stop.clone()), stop)
    }

    #[test]
    fn a_process_is_ready_with_its_last_part() {
        let (health, _stop) = starting(["store", "port"]);
        assert_eq!(health.readiness().to_string(), "not ready\nport: starting\nstore: starting");

        health.ready("store");
        assert!(!health.readiness().is_ready());
        health.ready("port");

        assert_eq!(health.readiness().to_string(), "ready");
    }

    #[test]
    fn a_part_may_become_unready_again_and_says_why() {
        let (health, _stop) = starting(["store"]);
        health.ready("store");

        health.not_ready("store", "the disk is full");

        assert_eq!(health.readiness().to_string(), "not ready\nstore: the disk is full");
        assert_eq!(health.cause_of_death(), None, "a restart would not help");
    }

    #[test]
    fn a_dead_process_is_not_ready_and_keeps_its_first_cause() {
        let (health, stop) = starting([]);
        assert!(health.readiness().is_ready());

        health.dead("the writer task is gone");
        health.dead("and so is the port");
        stop.stop();

        assert_eq!(health.cause_of_death().as_deref(), Some("the writer task is gone"));
        assert_eq!(health.readiness().to_string(), "not ready\nprocess: the writer task is gone");
    }

    #[test]
    fn a_process_that_stops_is_live_and_not_ready_whatever_its_parts_say() {
        let (health, stop) = starting(["port"]);
        health.ready("port");

        stop.stop();
        health.ready("port");

        assert_eq!(health.readiness().to_string(), "not ready\nprocess: stopping");
        assert_eq!(health.cause_of_death(), None);
    }

    #[tokio::test]
    async fn every_change_is_told_once_and_the_stop_last() {
        let (health, stop) = starting(["port"]);
        let mut changes = health.changes();
        let mut next = async || changes.next().await.map(|it| it.to_string());

        assert_eq!(next().await.as_deref(), Some("not ready\nport: starting"));
        health.ready("port");
        assert_eq!(next().await.as_deref(), Some("ready"));
        health.ready("port");
        health.not_ready("store", "the disk is full");
        assert_eq!(next().await.as_deref(), Some("not ready\nstore: the disk is full"));
        health.ready("store");
        assert_eq!(next().await.as_deref(), Some("ready"));
        stop.stop();
        assert_eq!(next().await.as_deref(), Some("not ready\nprocess: stopping"));
        assert_eq!(next().await, None);
    }

    #[tokio::test]
    async fn a_stop_that_changes_nothing_else_ends_the_changes() {
        let (health, stop) = starting([]);
        health.dead("the writer task is gone");
        let mut changes = health.changes();
        assert!(changes.next().await.is_some());

        let waiting = tokio::spawn(async move { changes.next().await });
        stop.stop();

        assert_eq!(waiting.await.expect("no panic"), None);
    }
}
