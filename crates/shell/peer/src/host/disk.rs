//! Readiness as far as the disk decides it: a process that cannot write says so, and why.

use std::{convert::Infallible, time::Duration};

use runtime::health::Health;
use store::{Store, StoreError};
use tokio::{sync::watch, time::timeout};

/// The part of the process's readiness.
pub(super) const PART: &str = "store";
/// How long after a fault writing is tried again, if nobody else tries: an idle process finds out, too, when there is
/// room again.
const RETRY: Duration = Duration::from_secs(10);

/// Tells whether the store can write. Runs until the store closes.
pub(super) async fn follow(store: Store, health: Health) -> Result<(), Infallible> {
    let fault = store.fault();
    let try_to_write = || {
        let store = store.clone();
        // The answer comes by way of the fault that is watched.
        async move { drop(store.tick().await) }
    };
    follow_fault(fault, health, try_to_write).await;
    Ok(())
}

async fn follow_fault<F: Future<Output = ()>>(
    mut fault: watch::Receiver<Option<StoreError>>,
    health: Health,
    try_to_write: impl Fn() -> F,
) {
    loop {
        let reason = fault.borrow_and_update().as_ref().map(reason);
        let changed = match reason {
            None => {
                health.ready(PART);
                fault.changed().await
            }
            Some(reason) => {
                health.not_ready(PART, reason);
                match timeout(RETRY, fault.changed()).await {
                    Ok(changed) => changed,
                    Err(_elapsed) => {
                        try_to_write().await;
                        Ok(())
                    }
                }
            }
        };
        if changed.is_err() {
            return;
        }
    }
}

fn reason(fault: &StoreError) -> &'static str {
    if fault.is_disk_full() {
        "the disk is full; what is there can be read, and writing is tried again"
    } else {
        "the log file cannot be written; what is there can be read, and writing is tried again"
    }
}

#[cfg(test)]
mod tests {
    use runtime::stop::StopSignal;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_idle_process_is_unready_after_a_fault_until_writing_works_again() {
        let (tell, fault) = watch::channel(None);
        let health = Health::starting([PART], StopSignal::new());
        let mut changes = health.changes();
        let mut next = async || changes.next().await.expect("no stop").is_ready();
        let (tries, mut tried) = tokio::sync::mpsc::unbounded_channel();
        let try_to_write = move || {
            tries.send(()).expect("the test listens");
            std::future::ready(())
        };
        let following = tokio::spawn(follow_fault(fault, health.clone(), try_to_write));
        assert!(!next().await, "starting");
        assert!(next().await);

        tell.send_replace(Some(StoreError::Damaged { what: "a test" }));
        assert!(!next().await);
        for _ in 0..2 {
            tried.recv().await.expect("a try");
            assert!(!health.readiness().is_ready());
        }
        tell.send_replace(None);
        assert!(next().await);

        drop(tell);
        following.await.expect("it ends with the store");
        assert!(tried.recv().await.is_none(), "nothing is tried while all is well");
    }
}
