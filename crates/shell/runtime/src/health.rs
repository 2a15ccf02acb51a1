//! Whether a process lives, and whether it can serve: for `/healthz` and `/readyz`.
//!
//! *Live* means that restarting would not help. *Ready* means that it is worth sending callers:
//! every named part said so. A part that is not ready says why, in words for an operator.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use tokio::sync::watch;

/// The health of a process. Clones share it.
#[derive(Debug, Clone)]
pub struct Health(Arc<watch::Sender<State>>);

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
    /// A live process whose parts are all still starting.
    #[must_use]
    pub fn starting(parts: impl IntoIterator<Item = &'static str>) -> Self {
        let unready = parts.into_iter().map(|part| (part, Cow::Borrowed("starting"))).collect();
        Self(Arc::new(watch::Sender::new(State { dead: None, unready })))
    }

    /// This part can serve.
    pub fn ready(&self, part: &'static str) {
        self.0.send_modify(|state| {
            state.unready.remove(part);
        });
    }

    /// This part cannot serve, for the moment.
    pub fn not_ready(&self, part: &'static str, reason: impl Into<Cow<'static, str>>) {
        self.0.send_modify(|state| {
            state.unready.insert(part, reason.into());
        });
    }

    /// Nothing but a restart will help. There is no way back.
    pub fn dead(&self, reason: impl Into<Cow<'static, str>>) {
        self.0.send_modify(|state| {
            state.dead.get_or_insert(reason.into());
        });
    }

    /// Why only a restart helps; `None` while the process is live.
    #[must_use]
    pub fn cause_of_death(&self) -> Option<Cow<'static, str>> {
        self.0.borrow().dead.clone()
    }

    /// Whether to send callers.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let State { dead, mut unready } = self.0.borrow().clone();
        if let Some(reason) = dead {
            unready.insert("process", reason);
        }
        if unready.is_empty() { Readiness::Ready } else { Readiness::NotReady(unready) }
    }

    /// Completes when every part is ready.
    pub async fn wait_until_ready(&self) {
        let mut states = self.0.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = states.wait_for(|it| it.dead.is_none() && it.unready.is_empty()).await;
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

    #[tokio::test]
    async fn a_process_is_ready_with_its_last_part() {
        let health = Health::starting(["store", "port"]);
        let waiting = tokio::spawn({
            let health = health.clone();
            async move { health.wait_until_ready().await }
        });
        assert_eq!(health.readiness().to_string(), "not ready\nport: starting\nstore: starting");

        health.ready("store");
        assert!(!health.readiness().is_ready());
        health.ready("port");

        assert_eq!(health.readiness().to_string(), "ready");
        waiting.await.expect("no panic");
    }

    #[test]
    fn a_part_may_become_unready_again_and_says_why() {
        let health = Health::starting(["store"]);
        health.ready("store");

        health.not_ready("store", "the disk is full");

        assert_eq!(health.readiness().to_string(), "not ready\nstore: the disk is full");
        assert_eq!(health.cause_of_death(), None, "a restart would not help");
    }

    #[test]
    fn a_dead_process_is_not_ready_and_keeps_its_first_cause() {
        let health = Health::starting([]);
        assert!(health.readiness().is_ready());

        health.dead("the writer task is gone");
        health.dead("and so is the port");

        assert_eq!(health.cause_of_death().as_deref(), Some("the writer task is gone"));
        assert!(!health.readiness().is_ready());
    }
}
