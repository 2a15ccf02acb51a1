//! The streams over the mesh that are open: one for each pair of nodes, and how many in all.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mesh::{FrameStream, Mesh, NodeKey};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

use super::link::{LinkEnd, Met, Purpose, link};
use crate::peer::Peer;

/// The most streams that others have opened to here.
const MAX_ANSWERED: usize = 64;
/// The most streams that doorbells have led to.
const MAX_ON_DEMAND: usize = 4;
/// How long a stream that is not needed stays open.
const LINGER: Duration = Duration::from_secs(30);
/// The first wait after a stream ended; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The streams that are open.
pub(super) struct Streams {
    peer: Peer,
    mesh: Mesh,
    met: mpsc::Sender<Met>,
    open: BTreeMap<NodeKey, Open>,
    tasks: JoinSet<(NodeKey, u64, Result<(), LinkEnd>)>,
    waits: BTreeMap<NodeKey, Wait>,
    n_opened: u64,
}

/// An open stream, or one that is being opened.
struct Open {
    number: u64,
    by: By,
    began: Instant,
    /// Since when nobody needs it.
    idle_since: Option<Instant>,
    task: AbortHandle,
}

/// Who opened a stream, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Us,
    UsOnDemand,
    Them,
}

/// When the next stream may be opened.
struct Wait {
    until: Instant,
    next: Duration,
}

/// A stream that ended.
pub(super) struct Ended {
    pub(super) key: NodeKey,
    /// What went wrong, if anything did.
    pub(super) why: Option<String>,
}

impl Streams {
    pub(super) fn new(peer: Peer, mesh: Mesh, met: mpsc::Sender<Met>) -> Self {
        Self {
            peer,
            mesh,
            met,
            open: BTreeMap::new(),
            tasks: JoinSet::new(),
            waits: BTreeMap::new(),
            n_opened: 0,
        }
    }

    pub(super) fn is_open(&self, key: NodeKey) -> bool {
        self.open.contains_key(&key)
    }

    /// Opens a stream, unless there is one or the last one ended a moment ago.
    pub(super) fn open(&mut self, key: NodeKey, purpose: Purpose, now: Instant) {
        let waits = self.waits.get(&key).is_some_and(|it| now < it.until);
        if !waits && !self.is_open(key) {
            self.start(key, By::Us, purpose);
        }
    }

    /// Opens a stream that a doorbell led to, if there is room for one.
    pub(super) fn open_on_demand(&mut self, key: NodeKey) {
        let n_on_demand = self.open.values().filter(|it| it.by == By::UsOnDemand).count();
        if n_on_demand < MAX_ON_DEMAND && !self.is_open(key) {
            self.start(key, By::UsOnDemand, Purpose::Exchange);
        }
    }

    fn start(&mut self, key: NodeKey, by: By, purpose: Purpose) {
        let (peer, mesh, met) = (self.peer.clone(), self.mesh.clone(), self.met.clone());
        self.spawn(key, by, async move {
            let line = mesh.open(key).await?;
            link(peer, (key, line), purpose, met).await
        });
    }

    /// Takes a stream that another node opened. Where both opened one at once, that of the lower key stays, which is
    /// theirs if `is_theirs`.
    pub(super) fn answer(&mut self, (key, line): (NodeKey, FrameStream), is_theirs: bool) {
        let ours = self.open.get(&key).map(|it| it.by);
        match ours {
            Some(By::Us | By::UsOnDemand) if !is_theirs => return,
            Some(By::Us | By::UsOnDemand | By::Them) => {
                // A second one of theirs takes the place of the first, which is dead or will be.
                if let Some(before) = self.open.remove(&key) {
                    before.task.abort();
                }
            }
            None => {
                let n_answered = self.open.values().filter(|it| it.by == By::Them).count();
                if MAX_ANSWERED <= n_answered {
                    tracing::debug!(%key, "mesh.too_many_streams: a stream was refused");
                    return;
                }
            }
        }
        let (peer, met) = (self.peer.clone(), self.met.clone());
        self.spawn(key, By::Them, link(peer, (key, line), Purpose::Answer, met));
    }

    fn spawn(
        &mut self,
        key: NodeKey,
        by: By,
        work: impl Future<Output = Result<(), LinkEnd>> + Send + 'static,
    ) {
        self.n_opened = self.n_opened.wrapping_add(1);
        let number = self.n_opened;
        let task = self.tasks.spawn(async move { (key, number, work.await) });
        let open = Open { number, by, began: Instant::now(), idle_since: None, task };
        self.open.insert(key, open);
    }

    /// The next stream to end; none if none is open.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        loop {
            // One that was aborted has been taken out already.
            let Ok((key, number, result)) = self.tasks.join_next().await? else { continue };
            if self.open.get(&key).is_none_or(|it| it.number != number) {
                continue;
            }
            let Some(open) = self.open.remove(&key) else { continue };
            self.wait(key, &open, result.is_ok());
            return Some(Ended { key, why: result.err().map(|it| it.to_string()) });
        }
    }

    fn wait(&mut self, key: NodeKey, open: &Open, is_well: bool) {
        let now = Instant::now();
        let has_lasted = LONGEST_WAIT < now.saturating_duration_since(open.began);
        let wait = self.waits.entry(key).or_insert(Wait { until: now, next: FIRST_WAIT });
        if has_lasted || is_well {
            wait.next = FIRST_WAIT;
        }
        wait.until = now + wait.next;
        wait.next = (wait.next * 2).min(LONGEST_WAIT);
        self.waits.retain(|it, wait| *it == key || now < wait.until + LONGEST_WAIT);
    }

    /// Ends the streams that we opened and nobody has needed for a while.
    pub(super) fn close_unneeded(&mut self, needed: &BTreeSet<NodeKey>, now: Instant) {
        for (key, open) in &mut self.open {
            if open.by == By::Them || (open.by == By::Us && needed.contains(key)) {
                open.idle_since = None;
                continue;
            }
            let since = *open.idle_since.get_or_insert(now);
            if LINGER <= now.saturating_duration_since(since) {
                open.task.abort();
            }
        }
        let is_over = |open: &Open| {
            open.idle_since.is_some_and(|it| LINGER <= now.saturating_duration_since(it))
        };
        self.open.retain(|_, open| !is_over(open));
    }
}
