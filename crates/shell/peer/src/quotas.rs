//! A coordinator grants each community what the region's rules allow, and says so where it pauses.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use record::{
    CommunityId, Kind, LogName, Payload, UnixMillis, commitment::Salt, kind::Known,
    payload::Status, region::Rules,
};
use replica::quota::{Charge, Limiter};
use store::{Commit, Draft, Guard, StoreError};
use tokio::sync::broadcast::{self, error::TryRecvError};

use crate::{
    peer::{Peer, Role},
    standings::standing,
};

/// Statuses that a stream may fall behind before it asks how every log is treated.
const MAX_UNHEARD_STATUSES: usize = 256;
/// How often pauses are looked at that could have ended because the clock was set.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who has to wait, and where that is told.
#[derive(Debug)]
pub(crate) struct Quotas {
    limiter: Mutex<Limiter>,
    told: broadcast::Sender<Status>,
}

impl Default for Quotas {
    fn default() -> Self {
        let (told, _) = broadcast::channel(MAX_UNHEARD_STATUSES);
        Self { limiter: Mutex::new(Limiter::new(Rules::default().quota)), told }
    }
}

impl Quotas {
    fn with<T>(&self, change: impl FnOnce(&mut Limiter) -> T) -> T {
        // A panic while this is held leaves an account at most one charge behind.
        change(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells a stream how logs are treated from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Status> {
        self.told.subscribe()
    }

    /// Whether a community has to wait now.
    pub(crate) fn is_throttled(&self, community: &CommunityId) -> bool {
        self.with(|limiter| limiter.throttled(community).is_some())
    }

    /// Every log that has to wait now.
    pub(crate) fn throttled(&self) -> Vec<Status> {
        self.with(|limiter| {
            limiter.all_throttled().map(|(log, throttled)| throttled.status_of(log)).collect()
        })
    }
}

impl Peer {
    /// Counts records that came against the quota of their community. Coordinators have none: what they write follows
    /// from what others do. What another coordinator has received kept to the quota there, so that a new coordinator
    /// catches up as fast as it can.
    pub(crate) async fn charge(&self, charge: Charge) -> Result<(), StoreError> {
        let (region, log) = (self.region(), charge.log);
        let roster = &region.newest().roster;
        if self.role() != Role::Coordinator || roster.is_coordinator(&log.community) {
            return Ok(());
        }
        let mut others = roster.coordinators().to_vec();
        others.retain(|it| *it != self.community());
        let received = self.store().receipted_size(log, &others).await?;
        if charge.end <= received {
            return Ok(());
        }
        let now = UnixMillis(self.clock().now_millis());
        let throttled = self.quotas().with(|limiter| {
            limiter.set_quota(roster.rules().quota);
            limiter.charge(charge, now)
        });
        let Some(throttled) = throttled else { return Ok(()) };
        let reason = throttled.reason.token();
        tracing::info!(%log, reason, "a community exceeds its quota; the rest of its records is taken later");
        let peer = self.clone();
        tokio::spawn(async move { peer.treat(throttled.status_of(log)).await });
        Ok(())
    }

    /// Files how a log is treated from now on, and tells every stream.
    pub async fn treat(&self, status: Status) {
        // Nobody listening is no fault.
        let _ = self.quotas().told.send(status);
        let draft = Draft {
            kind: Kind::from(Known::Status),
            payload: proto::payload::encode(&Payload::Status(status)),
            // As of a receipt: there is nothing to guess.
            salt: Salt([0; 32]),
            references: Vec::new(),
        };
        if let Err(error) = self.store().append(vec![draft], Guard::None).await {
            tracing::error!(log = %status.log, %error, "how a log is treated could not be filed");
        }
    }

    /// Lifts every pause when it is over, by itself, and says which logs forked and what the operators decided. Runs until it is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn keep_quotas(self) -> Result<(), StoreError> {
        if self.role() != Role::Coordinator {
            return std::future::pending().await;
        }
        let (mut commits, mut orders) = (self.store().commits(), self.orders().subscribe());
        orders.mark_changed();
        self.forget_old_pauses().await?;
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            self.lift_due().await?;
            // Whoever has nothing to do reads nothing.
            let has_orders = orders.has_changed().unwrap_or(false);
            orders.mark_unchanged();
            if has_grown(&mut commits) || has_orders {
                let reasons = Some(self.reasons().await?);
                if told != reasons {
                    self.treat_forks().await?;
                    told = reasons;
                }
            }
        }
    }

    /// Ends the pauses that are over.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the disk cannot be read.
    pub async fn lift_due(&self) -> Result<(), StoreError> {
        let now = UnixMillis(self.clock().now_millis());
        let lifted = self.quotas().with(|limiter| limiter.lift(now));
        if lifted.is_empty() {
            return Ok(());
        }
        let reasons = self.reasons().await?;
        for log in lifted {
            self.treat(standing(&reasons, log, now)).await;
        }
        Ok(())
    }

    /// A pause that was filed before this process began is over: its account began anew.
    async fn forget_old_pauses(&self) -> Result<(), StoreError> {
        let now = UnixMillis(self.clock().now_millis());
        let statuses = self.store().statuses().await?;
        let ours: BTreeMap<LogName, Status> = statuses
            .into_iter()
            .filter(|(by, status)| *by == self.community() && status.until.is_some())
            .map(|(_, status)| (status.log, status))
            .collect();
        for log in ours.into_keys() {
            self.treat(Status { log, since: now, reason: None, until: None }).await;
        }
        Ok(())
    }
}

/// Whether anything was committed since this was asked last.
fn has_grown(commits: &mut broadcast::Receiver<Arc<Commit>>) -> bool {
    let mut has_grown = false;
    while let Ok(_) | Err(TryRecvError::Lagged(_)) = commits.try_recv() {
        has_grown = true;
    }
    has_grown
}
