//! Records of a log from a source into a store, every one verified.

use record::{
    LogName, Network,
    verified::{Content, ExpectedPlace, RecordError, VerifiedRecord, verify},
};
use replica::LogIdentity;
use store::{Incoming, Store};
use tlog::{Frontier, Hash, leaf_hash};

use super::source::{Source, SourceError};
use super::{Holder, RecoverError, Survey};

/// Records that are brought at once: a block of a page of entries.
const BLOCK: u64 = 256;

/// The root at the kept size, the same at every holder that reaches so far.
pub(super) async fn compare(
    holders: &[Holder],
    log: LogName,
    kept: u64,
) -> Result<Hash, RecoverError> {
    let mut agreed: Option<(Hash, String)> = None;
    for holder in holders.iter().filter(|it| kept <= it.size()) {
        let root = tree_at(holder, log, kept).await?;
        match &agreed {
            None => agreed = Some((root, holder.place())),
            Some((expected, one)) if *expected != root => {
                let (one, other) = (one.clone(), holder.place());
                return Err(RecoverError::Forked { one, other, size: kept });
            }
            Some(_) => {}
        }
    }
    let most = holders.iter().map(Holder::size).max().unwrap_or(0);
    agreed.map(|(root, _)| root).ok_or(RecoverError::KeptTooMuch { kept, most })
}

/// The root at `kept` of a tree whose whole is proved to be the one that the holder's head says.
async fn tree_at(holder: &Holder, log: LogName, kept: u64) -> Result<Hash, SourceError> {
    let (source, size) = (&holder.source, holder.size());
    let (mut tree, mut root) = (Frontier::new(), None);
    while tree.size() < size {
        let start = tree.size();
        let end = size.min((start / BLOCK + 1) * BLOCK);
        for header in source.headers(log, (start, end), size).await? {
            tree.push(leaf_hash(&header));
            if tree.size() == kept {
                root = Some(tree.root());
            }
        }
    }
    if *holder.head.root() != tree.root() {
        return Err(source.wrong("its records do not make the tree that was signed"));
    }
    root.ok_or_else(|| source.wrong("it holds fewer records than its head says"))
}

/// What becomes of a holder's head once its last record is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is the newest head.
    AtHead,
    /// It stays pending: the officers' recovery says which head is kept.
    AtKept,
}

/// Brings what is kept of every era: of the newest one, up to this size and root.
pub(super) async fn all_eras(
    store: &Store,
    survey: &Survey,
    kept: (u64, Hash),
    ending: Ending,
) -> Result<(), RecoverError> {
    let identity = survey.identity();
    for era in 0..=identity.era() {
        let log = LogName { community: identity.community(), era };
        let kept = identity.kept(era).map_or(kept, |tree| (tree.size, tree.root));
        // The first that has all of it; the others only if it fails.
        let mut failed = RecoverError::NoSource { community: log.community };
        let has_all = |it: &&Holder| era < identity.era() || kept.0 <= it.size();
        for holder in survey.holders.iter().filter(has_all) {
            match one_era(store, holder, &survey.known, (log, kept, ending)).await {
                Ok(()) => break,
                Err(error) => failed = error,
            }
        }
        let brought = store.log(log).await?.map_or(0, |row| row.frontier.size());
        if brought < kept.0 {
            return Err(failed);
        }
    }
    Ok(())
}

async fn one_era(
    store: &Store,
    holder: &Holder,
    identity: &LogIdentity,
    (log, (kept, root), ending): (LogName, (u64, Hash), Ending),
) -> Result<(), RecoverError> {
    let head = holder.source.head(log, identity).await?;
    let mut tree = store.log(log).await?.map(|row| row.frontier).unwrap_or_default();
    while tree.size() < kept {
        let start = tree.size();
        let end = kept.min((start / BLOCK + 1) * BLOCK);
        let network = identity.identity().network();
        let records = block(&holder.source, network, (log, start, end), head.size()).await?;
        records.iter().for_each(|it| tree.push(it.id().leaf()));
        // Before anything of the last block is kept: a tree that was begun otherwise never ends in this root.
        if tree.size() == kept && tree.root() != root {
            let wrong = "its records are not those that it showed before";
            return Err(holder.source.wrong(wrong).into());
        }
        let incoming = Incoming {
            log,
            start,
            records,
            frontier: tree.clone(),
            checkpoint: head.note().clone(),
            // The head is pending until all of it is here, or the kept one takes its place.
            proof: Vec::new(),
            completes: ending == Ending::AtHead && end == head.size(),
            identity: Some(identity.bundle().to_vec()),
        };
        store.accept(incoming).await?.await?;
    }
    if store.root_at(log, kept).await? == root {
        return Ok(());
    }
    Err(holder.source.wrong("its records are not those that were fetched before").into())
}

/// Records `start..end`, verified, of one block of a log of this size.
async fn block(
    source: &Source,
    network: &Network,
    (log, start, end): (LogName, u64, u64),
    size: u64,
) -> Result<Vec<VerifiedRecord>, SourceError> {
    let first = start / BLOCK * BLOCK;
    let headers = source.headers(log, (first, end), size).await?;
    let contents = source.contents(log, (start, end)).await?;
    let skipped = usize::try_from(start - first).unwrap_or(usize::MAX);
    let parts = headers.into_iter().skip(skipped).zip(contents);
    let records = (start..).zip(parts).map(|(index, (header, content))| {
        verified(network, (log, index), header, content).map_err(|error| source.wrong(error))
    });
    records.collect()
}

fn verified(
    network: &Network,
    (LogName { community, era }, index): (LogName, u64),
    header: Vec<u8>,
    content: Option<Content>,
) -> Result<VerifiedRecord, RecordError> {
    verify(header, content, &ExpectedPlace { network, community, era, index })
}
