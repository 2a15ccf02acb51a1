//! Small regions: members 1 to 5, coordinators 101 and 102, each with a store of its own.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, sync::Arc};

use civic::RegionView;
use ed25519_dalek::SigningKey;
use record::{
    CommunityId, Kind, LogName, Network, Payload, RecordId, RegionId, UnixMillis,
    commitment::Salt,
    kind::Known,
    payload::{
        PledgeAction, PoolAction,
        pool::{LockRule, PoolOpening},
    },
    region::Roster,
    verified::{ExpectedPlace, verify},
};
use runtime::clock::ManualClock;
use store::{
    Appended, Cosigner, Draft, Guard, Incoming, OwnLog, Reference, Store, StoreConfig, StoreError,
};
use tempfile::TempDir;
use tlog::{Frontier, Hash, KeyName, VerifierKey, leaf_hash};

pub(crate) const NOON: u64 = 1_800_000_000_000;
pub(crate) const HOUR: u64 = 3_600_000;

/// A store in a folder of its own.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
    pub(crate) log: LogName,
}

pub(crate) fn network() -> Network {
    "test.folkmoot.example".parse().unwrap()
}

pub(crate) fn community(n: u8) -> CommunityId {
    CommunityId::from_bytes([n; 32])
}

pub(crate) fn log_of(n: u8) -> LogName {
    LogName { community: community(n), era: 0 }
}

pub(crate) fn log_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn mirror_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n ^ 0xff; 32])
}

fn mirror_name(n: u8) -> KeyName {
    let name = record::identity::mirror_name(&network(), &community(n));
    KeyName::parse(&name).unwrap()
}

pub(crate) fn mirror_verifier(n: u8) -> VerifierKey {
    VerifierKey::cosignature(mirror_name(n), &mirror_key(n).verifying_key()).unwrap()
}

/// What community `n` opens its store with; from 101 on it is a coordinator.
pub(crate) fn config(n: u8, clock: &Arc<ManualClock>) -> StoreConfig {
    let mirror = || Cosigner { name: mirror_name(n), key: mirror_key(n) };
    StoreConfig {
        network: network(),
        region: RegionView::new(region(), None, roster(1..=5, &[101, 102])),
        own: OwnLog {
            name: log_of(n),
            log_key: log_key(n),
            mirror: (101 <= n).then(mirror),
            witness: None,
        },
        is_settled: true,
        clock: Arc::clone(clock) as _,
        waits: crate::WAITS,
    }
}

/// These members and coordinators; one receipt is enough.
pub(crate) fn roster(members: RangeInclusive<u8>, coordinators: &[u8]) -> Roster {
    let coordinators = coordinators.iter().copied().map(community).collect();
    Roster::new(members.map(community).collect(), coordinators, 1).unwrap()
}

pub(crate) fn region() -> RegionId {
    RegionId::from_bytes([200; 32])
}

pub(crate) async fn place(n: u8) -> Place {
    let clock = Arc::new(ManualClock::at(NOON));
    let folder = crate::folder();
    let store = reopen(folder.path(), n, &clock).await;
    Place { store, clock, folder, log: log_of(n) }
}

pub(crate) async fn reopen(folder: &Path, n: u8, clock: &Arc<ManualClock>) -> Store {
    Store::open(&folder.join("log.sqlite"), config(n, clock)).await.unwrap()
}

pub(crate) fn salt(n: u8) -> Salt {
    Salt([n; 32])
}

/// A draft of a kind that nobody knows.
pub(crate) fn unknown(payload: &[u8]) -> Draft {
    raw("folkmoot.record.problem.v1", payload.to_vec())
}

pub(crate) fn raw(kind: &str, payload: Vec<u8>) -> Draft {
    let kind: Kind = kind.parse().unwrap();
    Draft { kind, payload, salt: salt(7), references: Vec::new() }
}

pub(crate) fn draft(payload: &Payload, references: Vec<Reference>) -> Draft {
    Draft {
        kind: payload.kind().into(),
        payload: proto::payload::encode(payload),
        salt: salt(7),
        references,
    }
}

/// A pool of `threshold` that closes an hour after noon.
pub(crate) fn pool(threshold: u64) -> Draft {
    let opening = PoolOpening {
        region: region(),
        unit: "each".to_owned(),
        threshold,
        opportunity: None,
        cpv: None,
        unit_price: None,
        closes_at: UnixMillis(NOON + HOUR),
        grace_millis: 24 * HOUR,
        lock_rule: LockRule::AtClose,
    };
    draft(&Payload::Pool(PoolAction::Open(opening)), Vec::new())
}

pub(crate) fn pledge(pool: RecordId, quantity: u64) -> Draft {
    let make = Payload::Pledge(PledgeAction::Make { quantity, firm: true });
    draft(&make, vec![Reference::Record(pool)])
}

pub(crate) async fn append(store: &Store, draft: Draft) -> Appended {
    store.append(vec![draft], Guard::None).await.unwrap()[0]
}

pub(crate) async fn append_unknown(store: &Store, n_records: usize) {
    for n in 0..n_records {
        append(store, unknown(&n.to_be_bytes())).await;
    }
}

/// The leaves of a stored log.
pub(crate) async fn leaves(store: &Store, log: LogName) -> Vec<Hash> {
    let headers = store.headers(log, 0, u64::MAX).await.unwrap();
    headers.iter().map(|it| leaf_hash(it)).collect()
}

pub(crate) fn frontier(leaves: &[Hash]) -> Frontier {
    leaves.iter().copied().collect()
}

/// Records `start..end` of a log as a peer hands them over after verifying them; they complete the newest checkpoint
/// if they end where it does.
pub(crate) async fn incoming(from: &Store, log: LogName, start: u64, end: u64) -> Incoming {
    let (size, checkpoint) = from.log(log).await.unwrap().unwrap().checkpoint.unwrap();
    let mut records = Vec::new();
    for it in from.records(log, start, end).await.unwrap() {
        let LogName { community, era } = log;
        let expected = ExpectedPlace { network: &network(), community, era, index: it.index };
        records.push(verify(it.header_bytes, it.content, &expected).unwrap());
    }
    let all = leaves(from, log).await;
    Incoming {
        log,
        start,
        records,
        frontier: frontier(&all[..usize::try_from(end).unwrap()]),
        checkpoint: checkpoint.into(),
        proof: from.consistency_proof(log, end, size).await.unwrap(),
        completes: end == size,
        identity: None,
    }
}

pub(crate) async fn accept(to: &Store, incoming: Incoming) -> Result<store::Accepted, StoreError> {
    to.accept(incoming).await.unwrap().await
}

/// Brings a log to another store, from where that one stands.
pub(crate) async fn carry(from: &Store, to: &Store, log: LogName) -> store::Accepted {
    let start = size(to, log).await;
    let end = size(from, log).await;
    accept(to, incoming(from, log, start, end).await).await.unwrap()
}

pub(crate) async fn size(store: &Store, log: LogName) -> u64 {
    store.log(log).await.unwrap().map_or(0, |row| row.frontier.size())
}

/// Every case as the register shows it, by id.
pub(crate) async fn views(store: &Store) -> BTreeMap<RecordId, String> {
    let mut views = BTreeMap::new();
    for kind in ["covenant", "opportunity", "pool", "poll"] {
        let rows = store.cases(kind, 0, 1_000).await.unwrap();
        views.extend(rows.into_iter().map(|row| (row.id, row.view)));
    }
    views
}

/// How many receipts are in a log.
pub(crate) async fn n_receipts(store: &Store, log: LogName) -> usize {
    let records = store.records(log, 0, u64::MAX).await.unwrap();
    let is_receipt =
        |it: &&store::StoredRecord| it.header().unwrap().kind.known() == Some(Known::Receipt);
    records.iter().filter(is_receipt).count()
}
