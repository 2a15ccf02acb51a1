//! Sums that were made: one page for each state of the cases and each choice of regions, of which the newest few are kept.
//!
//! ```text
//! asked ─▶ kept, and no case has changed? ─▶ its bytes, shared
//!              │ no
//!              └─▶ wait for whoever is reading every case ─▶ kept by now? ─▶ read every case
//! ```

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::{body::Bytes, http::StatusCode};
use peer::pages::{Problem, Tag};
use record::limits::MAX_WAITING_SUMS;
use store::Regions;
use tokio::sync::{Mutex as Turn, Semaphore};

/// Pages that are kept: each of a choice of regions, and at most 300 KiB long.
const MAX_KEPT: usize = 16;

/// A page, and what names its bytes.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) tag: Tag,
    pub(super) body: Bytes,
}

/// The pages of one state, which a mark tells from every other. The oldest comes first.
#[derive(Debug)]
struct Pages<Mark> {
    mark: Option<Mark>,
    made: Vec<(Regions, Page)>,
}

impl<Mark: Copy + PartialEq> Pages<Mark> {
    fn find(&self, mark: Mark, regions: &Regions) -> Option<Page> {
        let mut made = self.made.iter().filter(|_| self.mark == Some(mark));
        made.find(|(of, _)| of == regions).map(|(_, page)| page.clone())
    }

    fn keep(&mut self, mark: Mark, regions: Regions, page: Page) {
        if self.mark != Some(mark) {
            *self = Self { mark: Some(mark), made: Vec::with_capacity(MAX_KEPT) };
        }
        if MAX_KEPT <= self.made.len() {
            self.made.remove(0);
        }
        self.made.push((regions, page));
    }
}

/// The pages that are kept, and the turn to make one.
#[derive(Debug)]
pub(crate) struct KeptSums<Mark> {
    pages: Mutex<Pages<Mark>>,
    turn: Turn<()>,
    waiting: Semaphore,
}

impl<Mark> Default for KeptSums<Mark> {
    fn default() -> Self {
        let pages = Mutex::new(Pages { mark: None, made: Vec::new() });
        Self { pages, turn: Turn::default(), waiting: Semaphore::new(MAX_WAITING_SUMS) }
    }
}

impl<Mark: Copy + PartialEq> KeptSums<Mark> {
    /// The page of these regions as the cases are now: made once, however many ask for it.
    ///
    /// # Errors
    ///
    /// 503 if too many wait for one to be made; whatever making it met.
    pub(super) async fn newest<Made>(
        &self,
        mark: impl Fn() -> Mark,
        regions: &Regions,
        make: impl FnOnce() -> Made,
    ) -> Result<Page, Problem>
    where
        Made: Future<Output = Result<String, Problem>>,
    {
        if let Some(page) = self.find(mark(), regions) {
            return Ok(page);
        }
        let _place = self.waiting.try_acquire().ok().ok_or_else(|| {
            let detail = "Too many are waiting for sums. Ask again in a moment.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "page.too_many_sums", detail)
        })?;
        let _turn = self.turn.lock().await;
        // Before the cases are read: what changes meanwhile asks for another page.
        let mark = mark();
        if let Some(page) = self.find(mark, regions) {
            return Ok(page);
        }
        let body = Bytes::from(make().await?);
        let page = Page { tag: Tag::of(&body), body };
        self.pages().keep(mark, regions.clone(), page.clone());
        Ok(page)
    }

    fn find(&self, mark: Mark, regions: &Regions) -> Option<Page> {
        self.pages().find(mark, regions)
    }

    /// A panic while this is held cannot leave it half-written.
    fn pages(&self) -> MutexGuard<'_, Pages<Mark>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Waker},
    };

    use record::RegionId;
    use tokio::sync::Notify;

    use super::*;

    fn of(n: u8) -> Regions {
        Regions::Some { own: false, others: BTreeSet::from([RegionId::from_bytes([n; 32])]) }
    }

    /// Asks for the sums of a region; whether they had to be made.
    async fn is_made(kept: &KeptSums<u64>, mark: u64, n: u8) -> bool {
        let n_made = AtomicUsize::new(0);
        let make = || async {
            n_made.fetch_add(1, Ordering::Relaxed);
            Ok(n.to_string())
        };
        let page = kept.newest(|| mark, &of(n), make).await.unwrap();
        assert_eq!(page.body, n.to_string());
        n_made.into_inner() == 1
    }

    #[tokio::test]
    async fn a_page_is_made_once_for_each_state_and_choice_of_regions() {
        let kept = KeptSums::default();
        for (mark, n, expected) in [(1, 1, true), (1, 1, false), (1, 2, true), (1, 1, false)] {
            assert_eq!(is_made(&kept, mark, n).await, expected);
        }
        assert!(is_made(&kept, 2, 1).await, "a case changed");
        assert!(is_made(&kept, 2, 2).await, "for every choice");
    }

    #[tokio::test]
    async fn sixteen_choices_are_kept_and_the_oldest_goes_first() {
        let kept = KeptSums::default();
        let most = u8::try_from(MAX_KEPT).unwrap();
        for n in 0..most {
            assert!(is_made(&kept, 1, n).await);
        }
        assert!(!is_made(&kept, 1, 0).await, "as many as are kept");
        assert!(is_made(&kept, 1, most).await, "one more");
        assert!(!is_made(&kept, 1, 1).await);
        assert!(is_made(&kept, 1, 0).await, "it was the oldest");
    }

    #[tokio::test]
    async fn who_asks_while_it_is_made_gets_the_same_bytes_and_beyond_64_nobody_waits() {
        let kept = KeptSums::default();
        let (goes_on, n_made, own) = (Notify::new(), AtomicUsize::new(0), Regions::Own);
        let ask = || {
            let make = || async {
                n_made.fetch_add(1, Ordering::Relaxed);
                goes_on.notified().await;
                Ok("page".to_owned())
            };
            Box::pin(kept.newest(|| 1, &own, make))
        };
        let mut asking: Vec<_> = (0..MAX_WAITING_SUMS).map(|_| ask()).collect();
        for one in &mut asking {
            assert!(one.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let refused = ask().await.unwrap_err();
        assert!(format!("{refused:?}").contains("too_many_sums"), "{refused:?}");
        goes_on.notify_one();
        let mut bodies = Vec::new();
        for one in asking {
            bodies.push(one.await.unwrap().body.as_ptr());
        }
        bodies.dedup();
        assert_eq!((bodies.len(), n_made.into_inner()), (1, 1), "the same bytes, not equal ones");
    }
}
