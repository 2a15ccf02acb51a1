//! A whole log: every header, every payload, every tile, and the root that its community signed.
//!
//! ```text
//! identity ─▶ key ─▶ checkpoint (size, root)
//!                       entries 0, 1, … ─▶ headers ─▶ leaves ─▶ tiles ─▶ root, compared
//!                                            └─▶ payloads, compared with their commitments
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use record::{
    CommunityId, LogName, Network,
    identity::{Identity, MAX_BUNDLE_BYTES},
    kind::Known,
    limits::{MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES},
    verified::{Content, ExpectedPlace, VerifiedRecord},
};
use serde::Serialize;
use tlog::{
    BundleRef, Checkpoint, Frontier, Hash, Note, TileRef,
    note::MAX_NOTE_BYTES,
    tile::{FULL_WIDTH, decode_bundle},
};

use super::{
    identity::{self, Who},
    proof::content_of,
    source::{Fetched, Source},
    tiles::{Tile, Tiles},
    trust::{Head, Trust},
};
use crate::{Console, Failure};

/// The largest entry bundle: 256 headers behind their lengths.
const MAX_ENTRIES_BYTES: usize = 256 * (2 + MAX_HEADER_BYTES);
/// The largest tile: 256 hashes.
const MAX_TILE_BYTES: usize = 256 * Hash::LEN_BYTES;
/// The largest payload page: salt and payload.
const MAX_PAYLOAD_PAGE_BYTES: usize = 32 + MAX_PAYLOAD_BYTES;
/// Payloads asked for at once: enough to hide the way there and back, few for any server.
const N_PAYLOADS_AT_ONCE: usize = 16;
/// A person waits this long without a word.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// A log that is what its community signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct LogReport {
    #[serde(flatten)]
    pub(super) who: Who,
    /// Its era.
    pub(super) era: u32,
    /// How many records it has.
    pub(super) records: u64,
    /// How many of each kind.
    pub(super) kinds: BTreeMap<String, u64>,
    /// Kinds that this release does not know; their payloads were compared all the same.
    pub(super) unknown_kinds: BTreeSet<String>,
    /// Payloads that have been erased, as such kinds allow.
    pub(super) erased: u64,
    /// Tiles compared.
    pub(super) tiles: u64,
    /// The checkpoint.
    pub(super) checkpoint: Head,
}

fn refused(reason: &'static str, detail: String) -> Failure {
    Failure::does_not_hold(reason, detail)
}

/// What a reader does with the records on the way.
#[derive(Default)]
pub(super) struct Wanted<'v> {
    /// Is shown every record, in order, before the log as a whole has been verified.
    pub(super) visit: Option<&'v mut (dyn FnMut(&VerifiedRecord) + Send)>,
}

/// A log that was read to its end and holds.
pub(super) struct Read {
    pub(super) identity: Identity,
    /// The checkpoint, as it was fetched.
    pub(super) note: Note,
    pub(super) size: u64,
}

/// Reads and verifies every record, payload and tile of a log.
pub(super) async fn read(
    source: &Source,
    name: Option<LogName>,
    trust: &Trust,
    wanted: Wanted<'_>,
    console: &Console,
) -> Result<Read, Failure> {
    let (identity, note, report) = walk(source, name, trust, wanted, console).await?;
    Ok(Read { identity, note, size: report.records })
}

/// Verifies every record, payload and tile of a log.
pub(super) async fn verify(
    source: &Source,
    name: Option<LogName>,
    trust: &Trust,
    console: &Console,
) -> Result<LogReport, Failure> {
    Ok(walk(source, name, trust, Wanted::default(), console).await?.2)
}

async fn walk(
    source: &Source,
    name: Option<LogName>,
    trust: &Trust,
    wanted: Wanted<'_>,
    console: &Console,
) -> Result<(Identity, Note, LogReport), Failure> {
    let (identity, anchors) = read_identity(source, name, trust).await?;
    let note = source.page("checkpoint", MAX_NOTE_BYTES).await?;
    let malformed = |error: &dyn std::fmt::Display| {
        refused("checkpoint.refused", format!("The checkpoint cannot be read: {error}."))
    };
    let note = Note::parse(&note).map_err(|error| malformed(&error))?;
    let text = Checkpoint::parse_text(note.text()).map_err(|error| malformed(&error))?;
    let era = name.map_or_else(|| era_of(&text), |it| it.era);
    let key = identity::head_key(&identity, era, &note);
    let (checkpoint, head) = trust.judge(note.clone(), &key)?;
    let anchors = anchors_of(&identity, era, anchors);
    check_size(&checkpoint, &anchors)?;

    let place =
        LogPlace { network: identity.network().clone(), community: identity.community(), era };
    let mut walk = Walk::new(source, &place, &checkpoint, (anchors, wanted));
    let mut told = Instant::now();
    while walk.n_done() < checkpoint.size {
        walk.next_bundle().await?;
        if PROGRESS_EVERY <= told.elapsed() {
            told = Instant::now();
            console.progress(&format!("{} of {} records checked…", walk.n_done(), checkpoint.size));
        }
    }
    let counts = walk.finish(&identity).await?;
    let report = LogReport {
        who: identity::who(&identity, trust),
        era,
        records: checkpoint.size,
        kinds: counts.kinds,
        unknown_kinds: counts.unknown_kinds,
        erased: counts.erased,
        tiles: counts.tiles,
        checkpoint: head,
    };
    Ok((identity, note, report))
}

/// A size and root that the log must have had.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    size: u64,
    root: Hash,
    /// Who says so.
    by: &'static str,
}

async fn read_identity(
    source: &Source,
    name: Option<LogName>,
    trust: &Trust,
) -> Result<(Identity, Checkpoint), Failure> {
    let bytes = source.page("identity", MAX_BUNDLE_BYTES).await?;
    let in_address = name.map(|it| it.community);
    if let (Some(expected), Some(found)) = (trust.community, in_address)
        && expected != found
    {
        let detail = format!("The address is of a log of {found}, not of {expected}.");
        return Err(refused("identity.other_community", detail));
    }
    let (verified, _) = identity::open(&bytes, trust.community.or(in_address))?;
    Ok((verified.identity, verified.checkpoint.checkpoint().clone()))
}

/// The era that a checkpoint's origin ends in; the origin as a whole is compared when its signature is verified.
fn era_of(checkpoint: &Checkpoint) -> u32 {
    checkpoint.origin.as_str().rsplit('/').next().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// What is known of this era: the checkpoint in the identity, and what a recovery kept.
fn anchors_of(identity: &Identity, era: u32, shown: Checkpoint) -> Vec<Anchor> {
    let kept = identity.kept(era);
    let kept =
        kept.map(|it| Anchor { size: it.size, root: it.root, by: "the recovery that ended it" });
    let shown = (identity.era() == era).then_some(Anchor {
        size: shown.size,
        root: shown.root,
        by: "the checkpoint in its identity",
    });
    kept.into_iter().chain(shown).collect()
}

fn check_size(checkpoint: &Checkpoint, anchors: &[Anchor]) -> Result<(), Failure> {
    match anchors.iter().find(|it| checkpoint.size < it.size) {
        None => Ok(()),
        Some(anchor) => {
            let detail = format!(
                "The log ends at {} records, and by {} it had {}: what came after is being held back.",
                checkpoint.size, anchor.by, anchor.size
            );
            Err(refused("log.cut_short", detail))
        }
    }
}

/// Where every record of the log must say that it stands.
#[derive(Debug)]
struct LogPlace {
    network: Network,
    community: CommunityId,
    era: u32,
}

/// What was found.
#[derive(Debug, Default)]
struct Counts {
    kinds: BTreeMap<String, u64>,
    unknown_kinds: BTreeSet<String>,
    erased: u64,
    tiles: u64,
    /// Identity and recovery records.
    identity_records: Vec<VerifiedRecord>,
}

/// Goes through a log from its first record to its last.
struct Walk<'a, 'v> {
    source: &'a Source,
    place: &'a LogPlace,
    checkpoint: &'a Checkpoint,
    anchors: Vec<Anchor>,
    frontier: Frontier,
    tiles: Tiles,
    counts: Counts,
    wanted: Wanted<'v>,
}

impl<'a, 'v> Walk<'a, 'v> {
    fn new(
        source: &'a Source,
        place: &'a LogPlace,
        checkpoint: &'a Checkpoint,
        (anchors, wanted): (Vec<Anchor>, Wanted<'v>),
    ) -> Self {
        let (frontier, tiles, counts) = (Frontier::new(), Tiles::default(), Counts::default());
        Self { source, place, checkpoint, anchors, frontier, tiles, counts, wanted }
    }

    fn n_done(&self) -> u64 {
        self.frontier.size()
    }

    async fn next_bundle(&mut self) -> Result<(), Failure> {
        let start = self.n_done();
        let bundle = BundleRef::at_size(start / u64::from(FULL_WIDTH), self.checkpoint.size);
        let beyond = || refused("log.cut_short", format!("There is no record {start}."));
        let bundle = bundle.ok_or_else(beyond)?;
        let headers = self.headers(bundle).await?;
        let end = start + u64::from(bundle.width());
        let payloads = payloads(self.source, start, end).await?;
        for ((index, header), payload) in (start..).zip(headers).zip(payloads) {
            self.take(index, header, payload).await?;
        }
        Ok(())
    }

    async fn headers(&self, bundle: BundleRef) -> Result<Vec<Vec<u8>>, Failure> {
        let partial = bundle.path();
        let full = BundleRef::new(bundle.index(), FULL_WIDTH);
        let full = full.map(|it| it.path()).unwrap_or_else(|_| partial.clone());
        let (bytes, is_full) =
            self.source.partial_or_full(&partial, &full, MAX_ENTRIES_BYTES).await?;
        let width = if is_full { FULL_WIDTH } else { bundle.width() };
        let entries = decode_bundle(width, &bytes).map_err(|error| {
            refused("log.entries", format!("The page `{partial}` cannot be read: {error}."))
        })?;
        Ok(entries.into_iter().take(bundle.width().into()).map(<[u8]>::to_vec).collect())
    }

    async fn take(
        &mut self,
        index: u64,
        header: Vec<u8>,
        payload: Option<Content>,
    ) -> Result<(), Failure> {
        let LogPlace { network, community, era } = self.place;
        let place = ExpectedPlace { network, community: *community, era: *era, index };
        let is_erased = payload.is_none();
        let record = record::verified::verify(header, payload, &place).map_err(|error| {
            refused(error.reason(), format!("Record {index} does not hold: {error}."))
        })?;
        self.frontier.push(record.id().leaf());
        for tile in self.tiles.push(record.id().leaf()) {
            self.compare_tile(tile).await?;
        }
        self.check_anchors()?;
        if let Some(visit) = &mut self.wanted.visit {
            visit(&record);
        }
        self.count(record, is_erased);
        Ok(())
    }

    fn count(&mut self, record: VerifiedRecord, is_erased: bool) {
        let kind = &record.header().kind;
        *self.counts.kinds.entry(kind.to_string()).or_default() += 1;
        self.counts.erased += u64::from(is_erased);
        match kind.known() {
            None => drop(self.counts.unknown_kinds.insert(kind.to_string())),
            Some(Known::Identity | Known::Recovery) => self.counts.identity_records.push(record),
            Some(_) => {}
        }
    }

    fn check_anchors(&self) -> Result<(), Failure> {
        let (size, root) = (self.n_done(), self.frontier.root());
        match self.anchors.iter().find(|it| it.size == size && it.root != root) {
            None => Ok(()),
            Some(anchor) => {
                let detail = format!(
                    "At {size} records the root is {root}, and by {} it is {}: these are two different logs.",
                    anchor.by, anchor.root
                );
                Err(refused("log.forked", detail))
            }
        }
    }

    async fn compare_tile(&mut self, (tile, computed): Tile) -> Result<(), Failure> {
        let partial = tile.path();
        let full = TileRef::new(tile.level(), tile.index(), FULL_WIDTH);
        let full = full.map(|it| it.path()).unwrap_or_else(|_| partial.clone());
        let (bytes, _) = self.source.partial_or_full(&partial, &full, MAX_TILE_BYTES).await?;
        let (served, _) = bytes.as_chunks::<{ Hash::LEN_BYTES }>();
        for (place, expected) in computed.iter().enumerate() {
            let found = served.get(place).copied().map(Hash::from_bytes);
            if found != Some(*expected) {
                let found = found.map_or("nothing".to_owned(), |it| it.to_string());
                let detail = format!(
                    "The tile `{partial}` is wrong at its place {place}. Expected {expected}, found {found}."
                );
                return Err(refused("log.tile", detail));
            }
        }
        self.counts.tiles += 1;
        Ok(())
    }

    async fn finish(mut self, identity: &Identity) -> Result<Counts, Failure> {
        for tile in std::mem::take(&mut self.tiles).finish() {
            self.compare_tile(tile).await?;
        }
        let (found, expected) = (self.frontier.root(), self.checkpoint.root);
        if found != expected {
            let detail = format!(
                "The records add up to another log than the one that was signed. Expected the root {expected}, found {found}."
            );
            return Err(refused("log.root", detail));
        }
        self.check_identity_records(identity)?;
        Ok(self.counts)
    }

    /// An identity that leaves out a change of keys or officers would show a community as it no longer is.
    fn check_identity_records(&self, identity: &Identity) -> Result<(), Failure> {
        if identity.era() != self.place.era {
            return Ok(());
        }
        let last = self.counts.identity_records.last();
        match last {
            Some(record) if record.id() != identity.last_identity() => {
                let index = record.header().index;
                let detail = format!(
                    "Record {index} changes the community's identity, and the identity page does not have it."
                );
                Err(refused("identity.not_newest", detail))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The payloads from `start` to before `end`, several at once, in order.
async fn payloads(source: &Source, start: u64, end: u64) -> Result<Vec<Option<Content>>, Failure> {
    let mut found = Vec::new();
    for first in (start..end).step_by(N_PAYLOADS_AT_ONCE) {
        let last = end.min(first.saturating_add(N_PAYLOADS_AT_ONCE as u64));
        let asked: Vec<_> = (first..last)
            .map(|index| {
                let source = source.clone();
                let path = format!("payload/{index}");
                tokio::spawn(async move { source.fetch(&path, MAX_PAYLOAD_PAGE_BYTES).await })
            })
            .collect();
        for (index, answer) in (first..).zip(asked) {
            let ended = |error| {
                let detail = format!("Payload {index} could not be read: {error}.");
                Failure::new(runtime::exit::Exit::Failed, "page.unreachable", detail)
            };
            found.push(match answer.await.map_err(ended)?? {
                Fetched::Found(page) => Some(content_of(&page)?),
                Fetched::Absent | Fetched::Erased | Fetched::Withheld => None,
            });
        }
    }
    Ok(found)
}
