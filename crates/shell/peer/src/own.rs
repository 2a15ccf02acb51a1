//! Our own community as the folder's log shows it: which era, whose keys; and the identity bundle that others are shown.
//!
//! ```text
//! log.sqlite ─▶ identity, last record ─▶ epoch's keys ─▶ keys.toml or keys.next.toml
//! ```
//!
//! The log alone decides which keys are in force. So a crash at any moment of a rotation leaves a folder that opens: with
//! the old keys before the record is in the log, and with the new ones after.

use std::sync::Arc;

use record::{
    CommunityId, Header, LogName, Network,
    commitment::Salt,
    identity::{
        BundleRecord, EpochKeys, Identity, IdentityBundle, MAX_BUNDLE_BYTES, MAX_BUNDLE_RECORDS,
        Officers,
    },
    kind::Known,
    verified::{ExpectedPlace, VerifiedRecord, verify},
};
use store::{Draft, Guard, LogRow, Store, StoredRecord};

use crate::{
    folder::{DataFolder, KeySeeds},
    machine::Randomness,
    peer::PeerError,
};

/// A community's own log, and the keys that sign it now.
#[derive(Debug, Clone)]
pub struct Own {
    /// The log of the present era.
    pub log: LogName,
    /// The network.
    pub network: Network,
    /// The keys in force.
    pub seeds: KeySeeds,
    /// Whether the log is still to be begun.
    pub is_fresh: bool,
    /// Whether they still stand in the file of the next keys.
    is_next: bool,
}

impl Own {
    /// Finds out which era a folder writes, and with which keys. The caller holds the folder.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if nothing is founded here, the log is damaged, or the keys in force are not here.
    pub async fn of(folder: &DataFolder) -> Result<Self, PeerError> {
        let founding = folder.founding()?;
        let (log, identity) = at_rest(folder).await?;
        let is_fresh = identity.is_none();
        if is_fresh {
            folder.check_log()?;
        }
        let epoch: EpochKeys = identity.map_or(founding.keys, |it| *it.keys());
        let (seeds, is_next) = folder.seeds_for(&epoch)?;
        Ok(Self { log, network: founding.network, seeds, is_fresh, is_next })
    }

    /// Writes record 0 where there is none, with a salt of this randomness, and the identity bundle where it is not the newest; then puts the key file in
    /// its place. The store is that of this log.
    ///
    /// # Errors
    ///
    /// [`PeerError`] if the disk fails.
    pub async fn begin(
        &self,
        folder: &DataFolder,
        store: &Store,
        randomness: &dyn Randomness,
    ) -> Result<(), PeerError> {
        let held = store.log(self.log).await?;
        if held.is_none_or(|row| row.frontier.size() == 0) {
            let draft = Draft {
                kind: Known::Identity.into(),
                payload: folder.genesis()?,
                salt: Salt(*randomness.seed()?),
                references: Vec::new(),
            };
            store.append(vec![draft], Guard::None).await?;
            // It is in no backup, and nobody else holds any of it.
            folder.note_settled(self.log.era, 1)?;
        }
        complete_bundle(store, &self.network, self.log).await?;
        folder.note_begun()?;
        if self.is_next { Ok(folder.promote_next()?) } else { Ok(()) }
    }
}

/// The log of the present era in a folder, and the identity that it shows; `None` before the log was begun.
async fn at_rest(folder: &DataFolder) -> Result<(LogName, Option<Identity>), PeerError> {
    let (network, community) = (folder.founding()?.network, folder.community()?);
    let peeked = store::peek(&folder.log_file(), community).await?;
    let era = peeked.iter().filter(|(_, last)| last.is_some()).map(|(row, _)| row.name.era);
    let log = LogName { community, era: era.max().unwrap_or(0) };
    let known = peeked.iter().filter_map(|(row, _)| row.identity.as_deref());
    let mut identity = newest(log, &network, known)?;
    let last = peeked.into_iter().find(|(row, _)| row.name == log).and_then(|(_, last)| last);
    if let Some(record) = last.as_ref().and_then(|it| news(identity.as_ref(), log, it)) {
        take(&mut identity, &network, log, record)?;
    }
    Ok((log, identity))
}

/// The officers of the community in a folder, whether a node runs on it or not.
///
/// # Errors
///
/// [`PeerError`] if nothing is founded here or the log is damaged.
pub async fn officers(folder: &DataFolder) -> Result<Officers, PeerError> {
    let (_, identity) = at_rest(folder).await?;
    let founding = folder.founding()?;
    Ok(identity.map_or(founding.officers, |it| it.officers().clone()))
}

/// Whether the log of a folder is known to be the newest that anybody holds, and signed to its last record.
pub(crate) async fn is_settled(folder: &DataFolder) -> Result<bool, PeerError> {
    let peeked = store::peek(&folder.log_file(), folder.community()?).await?;
    let newest = peeked.into_iter().rev().find_map(|(row, last)| last.map(|_| row));
    Ok(newest.zip(folder.settled()).is_some_and(|(row, shown)| {
        shown <= (row.name.era, row.frontier.size()) && row.signed_frontier.is_none()
    }))
}

/// Identity records that are left for recoveries when rotations and changes of officers are refused.
pub(crate) const RECORDS_FOR_RECOVERIES: usize = 8;
/// The largest record of a bundle: a header under 1 KiB, 32 officers of 68 bytes with 32 signatures of 104, and a proof of
/// 63 hashes of 34 take under 9 KiB.
const MAX_RECORD_BYTES: usize = 9 * 1024;

/// Whether a bundle can take this many records more: one that is too large is read by nobody.
pub(crate) fn has_room(bundle: &[u8], n_more: usize) -> bool {
    let n_records = IdentityBundle::decode(bundle).map_or(0, |it| it.records.len());
    n_records.saturating_add(n_more) <= MAX_BUNDLE_RECORDS
        && bundle.len().saturating_add(n_more.saturating_mul(MAX_RECORD_BYTES)) <= MAX_BUNDLE_BYTES
}

/// As [`has_room`], of the community in a folder.
pub(crate) async fn folder_has_room(folder: &DataFolder, n_more: usize) -> Result<bool, PeerError> {
    let peeked = store::peek(&folder.log_file(), folder.community()?).await?;
    let newest = peeked.into_iter().rev().find_map(|(row, _)| row.identity);
    Ok(newest.is_none_or(|bundle| has_room(&bundle, n_more)))
}

/// The newest identity of several bundles of one community, all made here; `None` if there are none.
fn newest<'a>(
    log: LogName,
    network: &Network,
    bundles: impl Iterator<Item = &'a [u8]>,
) -> Result<Option<Identity>, PeerError> {
    let mut newest: Option<Identity> = None;
    for bundle in bundles {
        let verified = IdentityBundle::decode(bundle)
            .and_then(|it| it.verify(Some(log.community), network, None))
            .map_err(|error| damaged(log, error))?;
        let place = |it: &Identity| (it.era(), it.last_index());
        if newest.as_ref().is_none_or(|it| place(it) < place(&verified.identity)) {
            newest = Some(verified.identity);
        }
    }
    Ok(newest)
}

/// The record, if it changes the identity further.
fn news<'a>(
    identity: Option<&Identity>,
    log: LogName,
    record: &'a StoredRecord,
) -> Option<&'a StoredRecord> {
    let kind = record.header().ok()?.kind.known();
    let is_of_identity = matches!(kind, Some(Known::Identity | Known::Recovery));
    let known = identity.map(|it| (it.era(), it.last_index()));
    (is_of_identity && known.is_none_or(|it| it < (log.era, record.index))).then_some(record)
}

/// Lets a record of our own log change the identity.
fn take(
    identity: &mut Option<Identity>,
    network: &Network,
    log: LogName,
    record: &StoredRecord,
) -> Result<(), PeerError> {
    let record = verified(network, log, record.index, &bundled(log, record)?)?;
    match identity {
        Some(identity) => identity.apply(&record).map_err(|error| damaged(log, error)),
        None => {
            *identity = Some(Identity::from_genesis(&record).map_err(|it| damaged(log, it))?);
            Ok(())
        }
    }
}

fn bundled(log: LogName, record: &StoredRecord) -> Result<BundleRecord, PeerError> {
    let content = record.content.clone();
    let content = content.ok_or_else(|| damaged(log, "the payload of an identity record"))?;
    Ok(BundleRecord { header: record.header_bytes.clone(), content, proof: Vec::new() })
}

fn verified(
    network: &Network,
    LogName { community, era }: LogName,
    index: u64,
    record: &BundleRecord,
) -> Result<VerifiedRecord, PeerError> {
    let place = ExpectedPlace { network, community, era, index };
    verify(record.header.clone(), Some(record.content.clone()), &place)
        .map_err(|error| damaged(LogName { community, era }, error))
}

fn damaged(log: LogName, what: impl ToString) -> PeerError {
    PeerError::Damaged { log, what: what.to_string() }
}

/// Adds the last record of our own log to its identity bundle, if it changes the identity, and proves every record anew.
///
/// The bundle that then holds.
pub(crate) async fn complete_bundle(
    store: &Store,
    network: &Network,
    own: LogName,
) -> Result<Vec<u8>, PeerError> {
    let missing = || damaged(own, "it is not there");
    let row = store.log(own).await?.ok_or_else(missing)?;
    let mut known = row.identity.clone();
    if known.is_none() {
        known = store.newest_log(own.community).await?.and_then(|it| it.identity);
    }
    let identity = newest(own, network, known.as_deref().into_iter())?;
    let index = if identity.is_none() { 0 } else { row.frontier.size().saturating_sub(1) };
    let last = store.records(own, index, index.saturating_add(1)).await?;
    let last = last.first().ok_or_else(missing)?;
    let Some(record) = news(identity.as_ref(), own, last) else {
        return Ok(known.map(|it| it.to_vec()).unwrap_or_default());
    };
    let mut records = match &known {
        Some(bundle) => {
            IdentityBundle::decode(bundle).map_err(|error| damaged(own, error))?.records
        }
        None => Vec::new(),
    };
    records.push(bundled(own, record)?);
    let mut identity = identity;
    take(&mut identity, network, own, record)?;
    let identity = identity.ok_or_else(missing)?;
    let bundle = prove_all(store, &identity, &row, records).await?.encode();
    store.set_identity(own, bundle.clone()).await?;
    Ok(bundle)
}

/// A bundle with a proof for each record: of the present era against our newest checkpoint, of an ended one against what
/// is kept of it.
async fn prove_all(
    store: &Store,
    identity: &Identity,
    row: &LogRow,
    mut records: Vec<BundleRecord>,
) -> Result<IdentityBundle, PeerError> {
    let own = row.name;
    let no_checkpoint = || damaged(own, "it has no checkpoint");
    let (size, checkpoint) = row.checkpoint.clone().ok_or_else(no_checkpoint)?;
    for record in &mut records {
        let header = Header::decode(&record.header).map_err(|error| damaged(own, error))?;
        let Header { era, index, .. } = header;
        let size = identity.kept(era).map_or(size, |kept| kept.size);
        let log = LogName { era, ..own };
        record.proof = store.inclusion_proof(log, index, size).await?;
    }
    Ok(IdentityBundle { records, checkpoint })
}

/// What the identity of our own community is, as its bundle in an open store says.
///
/// # Errors
///
/// [`PeerError`] if there is none, or it is damaged.
pub async fn identity_in(
    store: &Store,
    network: &Network,
    community: CommunityId,
) -> Result<Identity, PeerError> {
    let row = store.newest_log(community).await?;
    let own = LogName { community, era: row.as_ref().map_or(0, |it| it.name.era) };
    let bundle: Option<Arc<[u8]>> = row.and_then(|it| it.identity);
    newest(own, network, bundle.as_deref().into_iter())?
        .ok_or_else(|| damaged(own, "it has no identity"))
}

#[cfg(test)]
mod tests {
    use record::verified::Content;

    use super::*;

    #[test]
    fn a_bundle_has_room_for_256_records_and_not_for_one_more() {
        let record = BundleRecord {
            header: vec![1; 10],
            content: Content { salt: Salt([0; 32]), payload: vec![1; 10] },
            proof: Vec::new(),
        };
        let of = |n: usize| {
            IdentityBundle { records: vec![record.clone(); n], checkpoint: b"x".to_vec() }.encode()
        };
        let n_most = MAX_BUNDLE_RECORDS;
        assert!(has_room(&of(n_most - 8), 8));
        assert!(!has_room(&of(n_most - 8), 9));
        assert!(!has_room(&of(n_most), 1));
        let large = BundleRecord { header: vec![1; 200 * 1024], ..record };
        let large = IdentityBundle { records: vec![large], checkpoint: b"x".to_vec() }.encode();
        assert!(has_room(&large, 6) && !has_room(&large, 7));
    }
}
