//! The region as the records here tell it, and word of every change.
//!
//! A broadcast wakes those that wait in the order in which they began to, which a watch does not promise: a run of a
//! simulated region has to be the same each time.

use std::sync::{Arc, PoisonError, RwLock};

use civic::RegionView;
use tokio::sync::broadcast::{self, error::RecvError};

/// Changes that are told apart: who missed one has only to look.
const MAX_UNHEARD: usize = 1;

/// The writer has ended: the region changes no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store has been closed")]
pub struct NoMoreNews;

/// The region, and word of its changes since this was made or last marked.
#[derive(Debug)]
pub struct RegionNews {
    region: Arc<RwLock<Arc<RegionView>>>,
    changes: broadcast::Receiver<()>,
}

impl RegionNews {
    /// The region now.
    #[must_use]
    pub fn borrow(&self) -> Arc<RegionView> {
        // A panic while this is held cannot leave it half-written.
        Arc::clone(&self.region.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Completes once the region has changed since this was made, last marked, or last completed.
    ///
    /// # Errors
    ///
    /// [`NoMoreNews`] once the writer has ended.
    pub async fn changed(&mut self) -> Result<(), NoMoreNews> {
        match self.changes.recv().await {
            Ok(()) | Err(RecvError::Lagged(_)) => Ok(()),
            Err(RecvError::Closed) => Err(NoMoreNews),
        }
    }

    /// Whatever has changed so far is known.
    pub fn mark_unchanged(&mut self) {
        self.changes = self.changes.resubscribe();
    }
}

impl Clone for RegionNews {
    /// One that knows whatever has changed so far.
    fn clone(&self) -> Self {
        Self { region: Arc::clone(&self.region), changes: self.changes.resubscribe() }
    }
}

/// Where the writer tells of the region.
#[derive(Debug)]
pub(crate) struct RegionTold {
    region: Arc<RwLock<Arc<RegionView>>>,
    changes: broadcast::Sender<()>,
}

/// The region with a place where its changes are told.
pub(crate) fn region_news(region: Arc<RegionView>) -> (RegionTold, RegionNews) {
    let (changes, heard) = broadcast::channel(MAX_UNHEARD);
    let region = Arc::new(RwLock::new(region));
    let news = RegionNews { region: Arc::clone(&region), changes: heard };
    (RegionTold { region, changes }, news)
}

impl RegionTold {
    /// The region is this from now on.
    pub(crate) fn tell(&self, region: Arc<RegionView>) {
        *self.region.write().unwrap_or_else(PoisonError::into_inner) = region;
        // Nobody listening is no fault.
        let _ = self.changes.send(());
    }
}

#[cfg(test)]
mod tests {
    use record::{CommunityId, RegionId, region::Roster};
    use tokio::sync::mpsc;

    use super::*;

    fn region_of(n: u8) -> Arc<RegionView> {
        let members = (1..=n).map(|it| CommunityId::from_bytes([it; 32])).collect();
        let roster = Roster::new(members, vec![], 1).unwrap();
        Arc::new(RegionView::new(RegionId::from_bytes([200; 32]), None, roster))
    }

    fn n_members(news: &RegionNews) -> usize {
        news.borrow().newest().roster.members().len()
    }

    #[tokio::test]
    async fn a_change_is_told_once_and_one_that_was_marked_is_not() {
        let (told, mut news) = region_news(region_of(1));
        told.tell(region_of(2));
        told.tell(region_of(3));
        let later = news.clone();
        news.changed().await.unwrap();
        assert_eq!((n_members(&news), n_members(&later)), (3, 3));
        told.tell(region_of(4));
        news.mark_unchanged();
        drop(told);
        assert_eq!(news.changed().await, Err(NoMoreNews));
        assert_eq!(n_members(&news), 4);
    }

    #[tokio::test]
    async fn who_waits_is_woken_in_the_order_in_which_the_waiting_began() {
        let (told, news) = region_news(region_of(1));
        let (say, mut said) = mpsc::unbounded_channel();
        for number in 0..32 {
            let (mut news, say) = (news.clone(), say.clone());
            tokio::spawn(async move {
                news.changed().await.unwrap();
                say.send(number).unwrap();
            });
        }
        drop(say);
        tokio::task::yield_now().await;
        told.tell(region_of(2));
        let mut order = Vec::new();
        while let Some(number) = said.recv().await {
            order.push(number);
        }
        assert_eq!(order, Vec::from_iter(0..32));
    }
}
