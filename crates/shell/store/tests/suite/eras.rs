//! An era that has ended counts up to what its officers kept, whatever came first.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use record::{
    CommunityId, LogName, Payload, UnixMillis,
    identity::{
        BundleRecord, EpochKeys, Genesis, IdentityAction, IdentityBundle, KeptTree, LogKey,
        MirrorKey, Nonce, Officer, OfficerKey, Officers, Recovery, SpareDigest, SpareKey,
        TransportKey, WitnessKey,
    },
    kind::Known,
    name::Name,
    payload::{
        Receipt,
        poll::{Roll, RollCommitment},
        receipt::HeldHead,
    },
};
use runtime::clock::ManualClock;
use store::{Draft, Guard, OwnLog, Store, StoreConfig};
use tempfile::TempDir;
use tlog::{Checkpoint, KeyName, sign_checkpoint};

use crate::world::*;

/// A community with one officer, its two eras, and what stands in each.
struct Town {
    _folders: [TempDir; 2],
    old: (LogName, Store),
    new: (LogName, Store),
    /// The identity of both eras.
    bundle: Vec<u8>,
    kept: KeptTree,
}

fn secret(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn epoch(n: u8) -> EpochKeys {
    let (log, transport) = (LogKey::of(&secret(n)), TransportKey::of(&secret(n)));
    EpochKeys::new(log, transport, MirrorKey::of(&secret(n + 1)), WitnessKey::of(&secret(n + 2)))
        .unwrap()
}

fn genesis() -> Vec<u8> {
    let spare_digest = SpareDigest::of(&SpareKey::of(&secret(71)));
    let officer = Officer { key: OfficerKey::of(&secret(70)), spare_digest };
    IdentityAction::Genesis(Genesis {
        network: network(),
        name: Name::parse("Harbour").unwrap(),
        officers: Officers::new(vec![officer], 1).unwrap(),
        keys: epoch(80),
        nonce: Nonce::default(),
    })
    .encode()
}

/// As community `n`, but in a region to which the town belongs, as a member and as a coordinator.
fn config_with(n: u8, town: CommunityId, clock: &Arc<ManualClock>) -> StoreConfig {
    let mut config = config(n, clock);
    config.region.members.insert(town);
    config.coordinators.push(town);
    config
}

async fn writer(log: LogName, key: u8) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config_with(1, log.community, &Arc::new(ManualClock::at(NOON)));
    config.own = OwnLog { name: log, log_key: secret(key), mirror: None };
    let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
    (folder, store)
}

fn identity_draft(kind: Known, payload: Vec<u8>) -> Draft {
    Draft { kind: kind.into(), payload, salt: salt(9), references: Vec::new() }
}

fn roll(n_on_roll: u64) -> Draft {
    let roll = RollCommitment { n_on_roll, roll_root: [1; 32] };
    draft(&Payload::Roll(Roll { roll }), Vec::new())
}

fn receipt(size: u64, at: u64) -> Draft {
    let LogName { community, era } = log_of(2);
    let head = HeldHead { community, era, size, root: tlog::Hash::from_bytes([0; 32]) };
    let receipt = Receipt { received_at: UnixMillis(at), heads: vec![head] };
    draft(&Payload::Receipt(receipt), Vec::new())
}

/// Five records are kept: genesis, roll, pool, a receipt, and one of a kind that nobody knows. Behind them stand a roll, a
/// pool, a pledge to the pool that is kept, and a receipt that was earlier than the first.
async fn town() -> Town {
    let genesis = genesis();
    let community = CommunityId::of_genesis(&genesis);
    let log = LogName { community, era: 0 };
    let (old_folder, old) = writer(log, 80).await;
    append(&old, identity_draft(Known::Identity, genesis)).await;
    append(&old, roll(10)).await;
    let kept_pool = append(&old, pool(100)).await.id;
    append(&old, receipt(2, NOON + 2 * HOUR)).await;
    append(&old, unknown(b"kept")).await;
    let kept = KeptTree { era: 0, size: 5, root: old.root_at(log, 5).await.unwrap() };
    append(&old, roll(99)).await;
    append(&old, pool(666)).await;
    append(&old, pledge(kept_pool, 40)).await;
    append(&old, receipt(2, NOON)).await;

    let next = LogName { community, era: 1 };
    let (new_folder, new) = writer(next, 90).await;
    let first = old.records(log, 0, 1).await.unwrap().remove(0);
    let mut recovery = Recovery {
        community,
        last_identity: first.id(),
        kept,
        keys: epoch(90),
        signatures: Vec::new(),
    };
    recovery.sign(&network(), 0, &secret(70));
    append(&new, identity_draft(Known::Recovery, recovery.encode())).await;
    append(&new, pool(7)).await;
    let begun = new.records(next, 0, 1).await.unwrap().remove(0);
    let size = size(&new, next).await;
    let records = vec![
        BundleRecord {
            header: first.header_bytes,
            content: first.content.unwrap(),
            proof: old.inclusion_proof(log, 0, 5).await.unwrap(),
        },
        BundleRecord {
            header: begun.header_bytes,
            content: begun.content.unwrap(),
            proof: new.inclusion_proof(next, 0, size).await.unwrap(),
        },
    ];
    let (_, checkpoint) = new.log(next).await.unwrap().unwrap().checkpoint.unwrap();
    let bundle = IdentityBundle { records, checkpoint }.encode();
    let _folders = [old_folder, new_folder];
    Town { _folders, old: (log, old), new: (next, new), bundle, kept }
}

/// What comes to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// All of the old era, as it was before anybody knew of the recovery.
    Old,
    /// As much of the old era as is kept.
    Kept,
    /// The rest of it.
    Rest,
    /// The new era, with the identity of both.
    New,
}

impl Town {
    async fn bring(&self, to: &Store, what: Comes) {
        let ((log, from), bundle) = match what {
            Comes::New => (&self.new, Some(self.bundle.clone())),
            Comes::Old | Comes::Kept | Comes::Rest => (&self.old, None),
        };
        let (start, end) = match what {
            Comes::New => (0, size(from, *log).await),
            Comes::Old | Comes::Rest => (size(to, *log).await, size(from, *log).await),
            Comes::Kept => (0, self.kept.size),
        };
        let mut records = incoming(from, *log, start, end).await;
        // An identity from before the recovery verifies all the same; this one is not even readable, and changes nothing.
        records.identity = bundle.or_else(|| (start == 0).then(|| b"old".to_vec()));
        accept(to, records).await.unwrap();
    }

    /// The register of a replica to which these came in this order.
    async fn replica(&self, order: &[Comes]) -> (TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(NOON));
        let config = config_with(1, self.old.0.community, &clock);
        let store = Store::open(&folder.path().join("log.sqlite"), config).await.unwrap();
        for what in order {
            self.bring(&store, *what).await;
        }
        (folder, store)
    }
}

#[tokio::test]
async fn what_stands_behind_the_kept_size_counts_for_nothing_in_whatever_order_it_came() {
    let town = town().await;
    let community = town.old.0.community;
    let (_folder, never) = town.replica(&[Comes::Kept, Comes::New]).await;
    let expected = views(&never).await;
    assert_eq!(expected.len(), 2, "the kept pool, and the one of the new era");
    for order in [
        &[Comes::Old, Comes::New][..],
        &[Comes::New, Comes::Old],
        &[Comes::Kept, Comes::New, Comes::Rest],
        &[Comes::Kept, Comes::Rest, Comes::New],
    ] {
        let (_folder, store) = town.replica(order).await;
        assert_eq!(views(&store).await, expected, "{order:?}");
        assert_eq!(store.roll(community).await.unwrap().unwrap().n_on_roll, 10, "{order:?}");
        assert_eq!(size(&store, town.old.0).await, 9, "nothing is cut out of a tree");
        for index in 0..9 {
            let refusal = store.refusal(town.old.0, index).await.unwrap().map(|it| it.0);
            let is_behind = town.kept.size <= index;
            let expected = is_behind.then(|| "identity.beyond_kept".to_owned());
            assert_eq!(refusal, expected, "{order:?}, record {index}");
        }
    }
}

#[tokio::test]
async fn a_receipt_behind_the_kept_size_gives_no_record_its_time() {
    let town = town().await;
    let (_folder, store) = town.replica(&[Comes::Old]).await;
    let (_other_folder, late) = town.replica(&[Comes::New, Comes::Old]).await;
    // Community 2 opens a pool that closes an hour after noon and pledges; the town says when it had that.
    let place = place(2).await;
    let opened = append(&place.store, pool(30)).await.id;
    append(&place.store, pledge(opened, 40)).await;
    for store in [&store, &late] {
        carry(&place.store, store, log_of(2)).await;
    }
    let before = views(&store).await[&opened].clone();
    town.bring(&store, Comes::New).await;
    let after = views(&store).await;
    assert_ne!(after[&opened], before, "the receipt at noon counted, and counts no longer");
    assert_eq!(after, views(&late).await);
}

#[tokio::test]
async fn the_kept_head_takes_the_place_of_a_larger_one_and_nothing_else_does() {
    let town = town().await;
    let (log, _) = town.old;
    let (_folder, store) = town.replica(&[Comes::Old]).await;
    let note = |size, root| {
        let origin = KeyName::parse(&network().log_origin(&log.community, 0)).unwrap();
        sign_checkpoint(&Checkpoint { origin, size, root }, &secret(90)).to_bytes()
    };
    let head = async || store.log(log).await.unwrap().unwrap().checkpoint.unwrap().0;
    let other = store.keep_head(log, town.bundle.clone(), note(5, tlog::Hash::from_bytes([3; 32])));
    assert!(other.await.is_err(), "another tree");
    assert_eq!(head().await, 9);
    let four = store.root_at(log, 4).await.unwrap();
    store.keep_head(log, town.bundle.clone(), note(4, four)).await.unwrap();
    assert_eq!(head().await, 9);
    store.keep_head(log, town.bundle.clone(), note(5, town.kept.root)).await.unwrap();
    assert_eq!(head().await, 5);
    let row = store.log(log).await.unwrap().unwrap();
    assert_eq!((row.kept_size, row.frontier.size()), (Some(5), 9));
    assert!(row.pending.is_some(), "the head by which the rest was verified");
    assert!(store.append(vec![unknown(b"own")], Guard::None).await.is_ok());
}
